/* SPDX-License-Identifier: MIT */
/* A scripted HTTP server for one test. */
#include "tests/unit/unit.h"

#include "tests/unit/model/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void send_all(int fd, const char *ptr, size_t len, size_t step)
{
    while (len > 0) {
        size_t want = step > 0 && step < len ? step : len;
        ssize_t n = send(fd, ptr, want, MSG_NOSIGNAL);

        if (n <= 0)
            return; /* the client has gone, as some tests want it to */
        ptr += n;
        len -= (size_t) n;
    }
}

static size_t body_length(const char *head)
{
    const char *line = strcasestr(head, "content-length:");

    return line ? strtoul(line + strlen("content-length:"), NULL, 10) : 0;
}

/* One request, head and body, copied to `seen_fd`. */
static int read_request(int fd, int seen_fd)
{
    struct buf in = BUF_INIT((size_t) 64 << 20);
    const char *body = NULL;

    for (;;) {
        char *at = buf_reserve(&in, 65536);
        ssize_t n = recv(fd, at, 65536, 0);

        if (n <= 0)
            break;
        buf_commit(&in, (size_t) n);
        body = strstr(in.data, "\r\n\r\n");
        if (body && in.len - (size_t) (body + 4 - in.data) >= body_length(in.data))
            break;
    }
    if (in.len > 0 && write(seen_fd, in.data, in.len) < 0)
        body = NULL;
    buf_done(&in);
    return body ? 0 : -1;
}

static void end_connection(int fd, enum server_end end)
{
    struct linger hard = { 1, 0 };
    char c;

    if (end == SERVER_RESET)
        (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    if (end == SERVER_STALL)
        while (recv(fd, &c, 1, 0) > 0) {
        }
    (void) close(fd);
}

static void serve(int listener, const struct server_answer *answers, size_t count, int seen_fd)
{
    int fd = -1, one = 1;

    for (size_t i = 0; i < count; i++) {
        const struct server_answer *a = &answers[i];

        if (fd < 0) {
            fd = accept(listener, NULL, NULL);
            (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        }
        if (read_request(fd, seen_fd) < 0)
            _exit(1);
        if (a->text)
            send_all(fd, a->text, strlen(a->text), a->step);
        for (size_t n = 0; n < a->filler_count; n++)
            send_all(fd, a->filler, strlen(a->filler), 0);
        if (a->tail)
            send_all(fd, a->tail, strlen(a->tail), a->step);
        if (a->end == SERVER_KEEP)
            continue;
        end_connection(fd, a->end);
        fd = -1;
    }
    _exit(0);
}

void server_start(struct server *s, const struct server_answer *answers, size_t count)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM, 0), pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(bind(listener, (struct sockaddr *) &addr, sizeof(addr)), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *) &addr, &len), 0);
    s->port = ntohs(addr.sin_port);
    s->seen_fd = pipe_fds[0];
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        (void) close(pipe_fds[0]);
        serve(listener, answers, count, pipe_fds[1]);
    }
    (void) close(listener);
    (void) close(pipe_fds[1]);
}

void server_stop(struct server *s, struct buf *seen)
{
    char block[4096];
    ssize_t n;
    int status;

    while ((n = read(s->seen_fd, block, sizeof(block))) > 0)
        if (seen)
            assert_int_equal(buf_add(seen, block, (size_t) n), 0);
    (void) close(s->seen_fd);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
