/* SPDX-License-Identifier: MIT */
/* A connected socket, or a stream of TLS, as an outer connection. */
#include "core/egress/outer.h"

#include "core/base/http.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct outer {
    int fd; /* -1: TLS */
    struct http_stream *tls;
    struct loop_source *watch;
    loop_fd_fn *fn;
    void *data;
};

static void on_events(void *data, unsigned events)
{
    struct outer *o = data;

    o->fn(o->data, events);
}

int outer_new(struct loop *loop, int fd, struct http_stream *tls, struct outer **ret, struct err *err)
{
    struct outer *o = calloc(1, sizeof(*o));
    int r;

    if (!o) {
        http_stream_free(tls);
        if (fd >= 0)
            (void) close(fd);
        return err_set(err, ERR_INTERNAL, "no memory for a connection");
    }
    o->fd = fd;
    o->tls = tls;
    r = tls ? 0 : loop_watch_fd(loop, fd, 0, on_events, o, &o->watch, err);
    if (r < 0) {
        outer_free(o);
        return r;
    }
    *ret = o;
    return 0;
}

void outer_listen(struct outer *o, loop_fd_fn *fn, void *data)
{
    o->fn = fn;
    o->data = data;
}

void outer_free(struct outer *o)
{
    if (!o)
        return;
    loop_source_free(o->watch);
    http_stream_free(o->tls);
    if (o->fd >= 0)
        (void) close(o->fd); /* what was sent is with the kernel, and nobody waits for an answer */
    free(o);
}

static ssize_t fault(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? OUTER_AGAIN : OUTER_BROKEN;
}

ssize_t outer_recv(struct outer *o, void *ptr, size_t size)
{
    ssize_t n = o->tls ? http_stream_read(o->tls, ptr, size, NULL) : recv(o->fd, ptr, size, 0);

    if (n >= 0)
        return n;
    if (o->tls)
        return n == -ERR_TIMEOUT ? OUTER_AGAIN : OUTER_BROKEN;
    return fault();
}

ssize_t outer_send(struct outer *o, const void *ptr, size_t len)
{
    ssize_t n = o->tls ? http_stream_write(o->tls, ptr, len, NULL)
                       : send(o->fd, ptr, len, 0); /* SIGPIPE is ignored: loop.h */

    if (o->tls)
        return n > 0 ? n : n == 0 ? OUTER_AGAIN : OUTER_BROKEN;
    return n < 0 ? fault() : n;
}

/* Fails for closed descriptors only. */
void outer_watch(struct outer *o, unsigned events)
{
    if (o->tls)
        (void) http_stream_watch(o->tls, events, on_events, o, NULL);
    else
        (void) loop_watch_events(o->watch, events, NULL);
}

void outer_finish(struct outer *o)
{
    if (!o->tls)                         /* only tunnels are half-closed */
        (void) shutdown(o->fd, SHUT_WR); /* a broken one shows at the next read */
}

bool outer_is_quiet(struct outer *o)
{
    char byte;

    if (o->tls) /* what is read here is lost, but then it is not used again either */
        return http_stream_read(o->tls, &byte, 1, NULL) == -ERR_TIMEOUT;
    return recv(o->fd, &byte, 1, MSG_PEEK) < 0 && fault() == OUTER_AGAIN;
}
