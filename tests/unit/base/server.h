/* SPDX-License-Identifier: MIT */
/*
 * A server of the test itself, on 127.0.0.1 or a unix socket, played by a thread
 * that runs one script. Scripts block on what the client does, never on time.
 */
#ifndef TESTS_UNIT_BASE_SERVER_H
#define TESTS_UNIT_BASE_SERVER_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct server {
    int listener;
    pthread_t thread;
    void (*script)(struct server *srv);
    int accepted;     /* by the thread: others read it with server_accepted(), or after server_end() */
    char seen[65536]; /* the request read last, head and body */
    char url[64];     /* "http://127.0.0.1:PORT" */
    char dir[32];     /* unix: holds the socket */
    char path[64];    /* unix: the socket */
};

static inline void *server_main(void *data)
{
    struct server *srv = data;

    srv->script(srv);
    return NULL;
}

static inline void server_begin(struct server *srv, void (*script)(struct server *srv))
{
    srv->script = script;
    if (listen(srv->listener, 8) < 0 || pthread_create(&srv->thread, NULL, server_main, srv) != 0)
        abort();
}

static inline void server_tcp(struct server *srv, void (*script)(struct server *srv))
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(addr);

    memset(srv, 0, sizeof(*srv));
    srv->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(srv->listener, (struct sockaddr *) &addr, sizeof(addr)) < 0 ||
        getsockname(srv->listener, (struct sockaddr *) &addr, &len) < 0)
        abort();
    snprintf(srv->url, sizeof(srv->url), "http://127.0.0.1:%d", ntohs(addr.sin_port));
    server_begin(srv, script);
}

static inline void server_unix(struct server *srv, void (*script)(struct server *srv))
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    memset(srv, 0, sizeof(*srv));
    strcpy(srv->dir, "/tmp/unit-XXXXXX");
    if (!mkdtemp(srv->dir))
        abort();
    snprintf(srv->path, sizeof(srv->path), "%s/s", srv->dir);
    strcpy(addr.sun_path, srv->path);
    strcpy(srv->url, "http://localhost");
    srv->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(srv->listener, (struct sockaddr *) &addr, sizeof(addr)) < 0)
        abort();
    server_begin(srv, script);
}

static inline void server_end(struct server *srv)
{
    pthread_join(srv->thread, NULL);
    close(srv->listener);
    if (srv->path[0]) {
        unlink(srv->path);
        rmdir(srv->dir);
    }
}

static inline int server_accepted(const struct server *srv)
{
    return __atomic_load_n(&srv->accepted, __ATOMIC_ACQUIRE);
}

/* ---- for scripts ---- */

static inline int take(struct server *srv)
{
    int fd = accept(srv->listener, NULL, NULL);

    if (fd < 0)
        abort();
    (void) __atomic_add_fetch(&srv->accepted, 1, __ATOMIC_RELEASE);
    return fd;
}

static inline void say(int fd, const char *text)
{
    (void) !send(fd, text, strlen(text), MSG_NOSIGNAL); /* the client may be gone: some scripts want that */
}

/* Read one request into srv->seen; returns 0 when the client closed instead. */
static inline int hear(struct server *srv, int fd)
{
    size_t len = 0, want = 0;
    ssize_t n;

    while (len < sizeof(srv->seen) - 1) {
        char *end, *field;

        n = read(fd, srv->seen + len, sizeof(srv->seen) - 1 - len);
        if (n <= 0)
            return 0;
        len += (size_t) n;
        srv->seen[len] = '\0';
        end = strstr(srv->seen, "\r\n\r\n");
        if (!end)
            continue;
        field = strstr(srv->seen, "Content-Length: ");
        want = (size_t) (end - srv->seen) + 4 + (field ? strtoul(field + 16, NULL, 10) : 0);
        if (len >= want)
            return 1;
    }
    return 0;
}

/* Wait until the client closes. */
static inline void wait_end(int fd)
{
    char byte[256];

    while (read(fd, byte, sizeof(byte)) > 0)
        continue;
}

static inline void reset_connection(int fd)
{
    struct linger now = { 1, 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

#endif
