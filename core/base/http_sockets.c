/* SPDX-License-Identifier: MIT */
/* The sockets of libcurl on the loop. */
#include "core/base/http_sockets.h"

#include <stdlib.h>

struct http_socket {
    struct http_sockets *owner;
    struct http_socket *next;
    struct loop_source *source;
    int fd;
};

void http_sockets_init(struct http_sockets *sockets, struct loop *loop, http_sockets_fn *fn, void *data)
{
    *sockets = (struct http_sockets){ .loop = loop, .fn = fn, .data = data };
}

void http_sockets_done(struct http_sockets *sockets)
{
    while (sockets->first)
        http_sockets_forget(sockets, sockets->first->fd);
}

static void on_ready(void *data, unsigned events)
{
    struct http_socket *socket = data;

    socket->owner->fn(socket->owner->data, socket->fd, events);
}

struct http_socket *http_sockets_add(struct http_sockets *sockets, int fd, unsigned events)
{
    struct http_socket *socket;

    http_sockets_forget(sockets, fd);
    socket = calloc(1, sizeof(*socket));
    if (!socket)
        return NULL;
    *socket = (struct http_socket){ .owner = sockets, .fd = fd, .next = sockets->first };
    if (loop_watch_fd(sockets->loop, fd, events, on_ready, socket, &socket->source, NULL) < 0) {
        free(socket);
        return NULL;
    }
    sockets->first = socket;
    return socket;
}

int http_socket_change(struct http_socket *socket, unsigned events)
{
    return loop_watch_events(socket->source, events, NULL);
}

void http_sockets_forget(struct http_sockets *sockets, int fd)
{
    for (struct http_socket **at = &sockets->first; *at; at = &(*at)->next) {
        struct http_socket *socket = *at;

        if (socket->fd == fd) {
            *at = socket->next;
            loop_source_free(socket->source);
            free(socket);
            return;
        }
    }
}
