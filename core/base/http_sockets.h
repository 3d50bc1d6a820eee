/* SPDX-License-Identifier: MIT */
/*
 * Private to http.c: the sockets that libcurl wants watched, as sources of the loop, without libcurl's types.
 * The descriptors stay libcurl's; each is watched at most once.
 *
 * `fn` is called from the loop for each that is ready, and may add, change and forget any, the one it is
 * called for too. http_sockets_done() forgets them all.
 */
#ifndef BASE_HTTP_SOCKETS_H
#define BASE_HTTP_SOCKETS_H

#include "core/base/loop.h"

struct http_socket;

/* `events` as loop_watch_fd() tells them. */
typedef void http_sockets_fn(void *data, int fd, unsigned events);

struct http_sockets {
    struct loop *loop;
    http_sockets_fn *fn;
    void *data;
    struct http_socket *first;
};

void http_sockets_init(struct http_sockets *sockets, struct loop *loop, http_sockets_fn *fn, void *data);
void http_sockets_done(struct http_sockets *sockets);

/* Valid until `fd` is forgotten; NULL when it cannot be watched. Takes the place of an older one of that
 * number, should libcurl have closed it without telling. */
struct http_socket *http_sockets_add(struct http_sockets *sockets, int fd, unsigned events);
int http_socket_change(struct http_socket *socket, unsigned events);
void http_sockets_forget(struct http_sockets *sockets, int fd); /* one that is not there is fine */

#endif
