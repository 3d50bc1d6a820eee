/* SPDX-License-Identifier: MIT */
/*
 * The connection to an origin: bytes out, bytes in, readiness. It counts nothing
 * and decides nothing.
 */
#ifndef EGRESS_OUTER_H
#define EGRESS_OUTER_H

#include "core/base/loop.h"

#include <sys/types.h>

struct outer;

enum { OUTER_AGAIN = -1, OUTER_BROKEN = -2 };

struct http_stream;

/* Takes `fd`, or `tls` when that is not NULL, over, on failure too. Nothing is watched yet. */
int outer_new(struct loop *loop, int fd, struct http_stream *tls, struct outer **ret, struct err *err);
void outer_listen(struct outer *o, loop_fd_fn *fn, void *data); /* whom to call when it is ready */
void outer_free(struct outer *o);                               /* NULL is fine; closes */

ssize_t outer_recv(struct outer *o, void *ptr, size_t size);      /* 0: end of stream */
ssize_t outer_send(struct outer *o, const void *ptr, size_t len); /* never 0 for len > 0 */
void outer_watch(struct outer *o, unsigned events);               /* LOOP_READ | LOOP_WRITE */
void outer_finish(struct outer *o);                               /* nothing more will be sent */
/* Open, and silent: fit for another request. */
bool outer_is_quiet(struct outer *o);

#endif
