/* SPDX-License-Identifier: MIT */
/*
 * HTTP client on the loop; the only door to libcurl. TCP, TLS and unix sockets,
 * connection reuse, streaming bodies both ways, and hijacked connections
 * (`101 Switching Protocols`) for the Engine's attach.
 *
 * An exchange ends with exactly one on_done(), from the loop, never from inside
 * http_start(). http_exchange_free() before that cancels: no callback follows. Inside
 * on_head() and on_body() new exchanges may be started and any may be freed, but neither
 * may the loop be run nor the client be freed; on_done() may do anything.
 * Redirects are not followed and `Expect:` is not sent. No total time limit unless
 * asked: a stream may be silent for minutes, so idle_ms bounds the silence instead.
 *
 * What goes wrong below HTTP is ERR_TIMEOUT (connect, idle, total), ERR_NOT_FOUND
 * (host or socket file), ERR_IO with errnum (refused, permission, reset), ERR_PROTOCOL
 * (not HTTP, cut body), ERR_TOO_LARGE. An HTTP status is never an error here.
 * Neither header values nor userinfo of a URL ever appear in an error text.
 */
#ifndef BASE_HTTP_H
#define BASE_HTTP_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/base/span.h"

#include <stdint.h>
#include <sys/types.h>

struct http;          /* a client: its connection pool; one per loop is enough */
struct http_exchange; /* one request and its answer */
struct http_stream;   /* a connection that has become a raw byte stream */

struct http_request {
    const char *method; /* NULL = GET, or POST when there is a body */
    const char *url;
    const char *unix_path; /* connect to this socket instead of the URL's host; NULL = TCP */
    const char *address;   /* connect to this address, written without brackets, instead of looking the host
                              up, and through no proxy; TLS still asks for the URL's host; NULL = look up */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL; copied */
    struct span body;           /* copied; a zero-length body with ptr != NULL is sent as empty body */
    const char *tls_ca, *tls_cert, *tls_key; /* files for tcp:// engines with TLS; NULL = system */
    int64_t connect_ms;                      /* 0 = 10 s */
    int64_t idle_ms;                         /* no byte from the server for this long; 0 = no limit */
    int64_t total_ms;                        /* 0 = no limit */
    size_t header_max;                       /* all response headers; 0 = 256 KiB */
};

struct http_head {
    int status;
    /* value of a header, any case of the name; {NULL,0} when absent. Valid inside on_head only. */
    struct span (*header)(const struct http_head *head, const char *name);
    const void *impl;
};

struct http_ops {
    void (*on_head)(void *data,
                    const struct http_head *head); /* final head only (no 100-continue); may be NULL */
    int (*on_body)(void *data, struct span chunk); /* decoded bytes; negative cancels with that code */
    void (*on_done)(void *data, int result, const struct err *err); /* result 0, or -code with err set */
};

int http_new(struct loop *loop, struct http **ret, struct err *err);
void http_free(struct http *http); /* exchanges and streams must be freed before */

int http_start(struct http *http, const struct http_request *req, const struct http_ops *ops, void *data,
               struct http_exchange **ret, struct err *err);
void http_exchange_free(struct http_exchange *x); /* NULL is fine; cancels */

/* Whole answer in memory, running the loop until it is there. For verbs that need one answer;
 * not for use inside on_head and on_body. `body` keeps its max as ceiling (ERR_TOO_LARGE);
 * ERR_CANCELED when somebody called loop_quit() meanwhile. */
int http_fetch(struct http *http, const struct http_request *req, int *ret_status, struct buf *body,
               struct err *err);

/* Send `req` with "Connection: Upgrade" and "Upgrade: tcp" and wait for the 101 (or the 200 with a stream's
 * content type of old engines) before anything may be written: bytes sent earlier can be lost. `fn` is called
 * once, from the loop, with the stream (owned by the callee), or with NULL and err; status is 101 or 200,
 * that of a refusal, or 0. A refusal's body is the text of err, on one line and cut to what fits there; its
 * code is ERR_NOT_FOUND (404), ERR_CONFLICT (409) or ERR_PROTOCOL. connect_ms bounds everything up to the
 * answer. http_exchange_free() is due afterwards as well; it leaves the stream alone. */
typedef void http_upgrade_fn(void *data, struct http_stream *stream, int status, const struct err *err);
int http_upgrade(struct http *http, const struct http_request *req, http_upgrade_fn *fn, void *data,
                 struct http_exchange **ret, struct err *err);

/* Only the connection, with TLS for https://: nothing is sent, `fn` gets the stream with status 0. */
int http_connect(struct http *http, const struct http_request *req, http_upgrade_fn *fn, void *data,
                 struct http_exchange **ret, struct err *err);

/* Non-blocking. > 0 bytes; 0 = end of stream; -ERR_TIMEOUT = nothing now (wait for the loop); other = broken.
 */
ssize_t http_stream_read(struct http_stream *s, void *ptr, size_t size, struct err *err);
/* Bytes taken, possibly fewer than len; 0 = none now. Negative = broken. */
ssize_t http_stream_write(struct http_stream *s, const void *ptr, size_t len, struct err *err);
/* Call `fn` whenever the stream is ready for `events` (LOOP_READ | LOOP_WRITE); 0 pauses. */
int http_stream_watch(struct http_stream *s, unsigned events, loop_fd_fn *fn, void *data, struct err *err);
void http_stream_free(struct http_stream *s); /* NULL is fine; closes */

#endif
