/* SPDX-License-Identifier: MIT */
/* A connected socket as an outer connection. */
#include "core/egress/outer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct outer {
    int fd;
    struct loop_source *watch;
};

int outer_new(struct loop *loop, int fd, loop_fd_fn *fn, void *data, struct outer **ret, struct err *err)
{
    struct outer *o = calloc(1, sizeof(*o));
    int r;

    if (!o) {
        (void) close(fd);
        return err_set(err, ERR_INTERNAL, "no memory for a connection");
    }
    o->fd = fd;
    r = loop_watch_fd(loop, fd, 0, fn, data, &o->watch, err);
    if (r < 0) {
        outer_free(o);
        return r;
    }
    *ret = o;
    return 0;
}

void outer_free(struct outer *o)
{
    if (!o)
        return;
    loop_source_free(o->watch);
    (void) close(o->fd); /* what was sent is with the kernel, and nobody waits for an answer */
    free(o);
}

static ssize_t fault(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? OUTER_AGAIN : OUTER_BROKEN;
}

ssize_t outer_recv(struct outer *o, void *ptr, size_t size)
{
    ssize_t n = recv(o->fd, ptr, size, 0);

    return n < 0 ? fault() : n;
}

ssize_t outer_send(struct outer *o, const void *ptr, size_t len)
{
    ssize_t n = send(o->fd, ptr, len, 0); /* SIGPIPE is ignored: loop.h */

    return n < 0 ? fault() : n;
}

void outer_watch(struct outer *o, unsigned events)
{
    (void) loop_watch_events(o->watch, events, NULL); /* fails for closed descriptors only */
}

void outer_finish(struct outer *o)
{
    (void) shutdown(o->fd, SHUT_WR); /* a broken one shows at the next read */
}

bool outer_is_quiet(struct outer *o)
{
    char byte;

    return recv(o->fd, &byte, 1, MSG_PEEK) < 0 && fault() == OUTER_AGAIN;
}
