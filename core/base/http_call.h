/* SPDX-License-Identifier: MIT */
/*
 * Private to http*.c: one request on libcurl, without libcurl's types. http.c
 * implements it, http_exchange.c makes answers of it and http_upgrade.c raw
 * streams.
 *
 * A call ends with exactly one on_end() from the loop, on which nothing follows
 * inside: the owner may free anything there. http_call_free() is fine anywhere,
 * inside on_line() and on_body() too, and no function of the owner is called
 * after it.
 */
#ifndef BASE_HTTP_CALL_H
#define BASE_HTTP_CALL_H

#include "core/base/http.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* First member of whatever http_exchange_free() may be called with. */
struct http_exchange {
    void (*free)(struct http_exchange *x);
};

struct http_call;

struct http_call_ops {
    /* One line of a head or trailer with its line end; negative breaks off with that code. */
    int (*on_line)(void *owner, struct span line);
    int (*on_body)(void *owner, struct span chunk);
    void (*on_end)(void *owner, const struct err *err); /* NULL: well */
};

/* With `connect_only` (no on_line, on_body) nothing is sent: after on_end() the connection
 * is read and written by http_call_recv() and http_call_send() until http_call_free(). */
int http_call_new(struct http *http, const struct http_request *req, bool connect_only,
                  const struct http_call_ops *ops, void *owner, struct http_call **ret, struct err *err);
void http_call_free(struct http_call *call); /* NULL is fine */

struct loop *http_loop(const struct http *http);
const char *http_call_target(const struct http_call *call);   /* "unix:///run/x.sock", "https://host:1" */
const char *http_call_host(const struct http_call *call);     /* for `Host:` */
const char *http_call_resource(const struct http_call *call); /* path and query */
int http_call_status(const struct http_call *call);           /* of the head that on_line() tells */
int64_t http_call_uploaded(const struct http_call *call);     /* bytes of the body so far */

/* connect_only, after on_end(): */
int http_call_fd(const struct http_call *call); /* to watch only */
/* Bytes may wait decrypted in memory while the descriptor is silent: read until -ERR_TIMEOUT. */
bool http_call_is_tls(const struct http_call *call);
ssize_t http_call_recv(struct http_call *call, void *ptr, size_t size, struct err *err);
ssize_t http_call_send(struct http_call *call, const void *ptr, size_t len, struct err *err);

#endif
