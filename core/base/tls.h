/* SPDX-License-Identifier: MIT */
/*
 * The server's side of TLS, in memory, under an authority made for one run; the
 * only door to libssl. (The client's side is libcurl's: http.h.)
 *
 * An authority is a key and a certificate that live in this process and nowhere else: only the certificate
 * can be had. It is good for the names it was made for, and says so itself (RFC 5280, 4.2.1.10), so
 * that whoever trusts it trusts it for nothing else. A session takes what the client sent and gives what is
 * to be sent to it; it does no I/O:
 *
 *     taken = tls_session_feed(s, bytes)     of the client; fewer taken: after some was read again
 *     n = tls_session_read(s, ptr, size)     what it said inside; shakes hands as well
 *     tls_session_write(s, bytes)            what it is told
 *     tls_session_pending(), _sent()         after each of these: bytes for the client
 *
 * TLS 1.2 and 1.3, HTTP/1.1 and nothing else by ALPN, no tickets, no sessions, no early data, no
 * renegotiation.
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/span.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TLS_FEED_MAX 32768 /* bytes of a client that wait to be read; a record has at most 16,645 */

struct tls_authority;
struct tls_session;

/* Good for `names` and every name beneath one of them, which are lower-case labels (egress/host.h), for
 * `life_ms` from now on. */
int tls_authority_new(const char *const *names, size_t count, int64_t life_ms, struct tls_authority **ret,
                      struct err *err);
void tls_authority_free(struct tls_authority *a); /* after its sessions; NULL is fine */
/* Its certificate, PEM, appended. */
int tls_authority_certificate(const struct tls_authority *a, struct buf *out, struct err *err);
/* Where this machine keeps the authorities that it trusts, as one file: NULL when no usual place has one. */
const char *tls_trusted_file(void);

/* Towards a client that takes us for `host`. */
int tls_session_new(struct tls_authority *a, const char *host, struct tls_session **ret, struct err *err);
void tls_session_free(struct tls_session *s); /* NULL is fine */

size_t tls_session_feed(struct tls_session *s, struct span bytes);
size_t tls_session_room(const struct tls_session *s); /* bytes that it would take now */
/* > 0 bytes; 0 = the client said its last; -ERR_TIMEOUT = nothing now; other: broken, err says how. */
ssize_t tls_session_read(struct tls_session *s, void *ptr, size_t size, struct err *err);
/* All of it, or -ERR_PROTOCOL; only once it is up. */
int tls_session_write(struct tls_session *s, struct span bytes);
bool tls_session_is_up(const struct tls_session *s); /* hands were shaken */
void tls_session_end(struct tls_session *s);         /* nothing more will be written: says so */
struct span tls_session_pending(const struct tls_session *s);
void tls_session_sent(struct tls_session *s);

#endif
