/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/http.h"
#include "tests/unit/base/server.h"

#define TOTAL_BYTES (1 << 20)

struct client {
    struct loop *loop;
    struct http *http;
    struct server srv;
    struct http_exchange *x;
    struct http_stream *stream;
    int calls, status;
    struct err err;
    bool is_done;
    struct buf got;
    size_t written;
};

static int setup(void **state)
{
    struct client *c = calloc(1, sizeof(*c));
    struct err err;

    assert_int_equal(loop_new(&c->loop, &err), 0);
    assert_int_equal(http_new(c->loop, &c->http, &err), 0);
    buf_init(&c->got, 2 * TOTAL_BYTES);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct client *c = *state;

    http_exchange_free(c->x);
    http_stream_free(c->stream);
    http_free(c->http);
    loop_free(c->loop);
    server_end(&c->srv);
    buf_done(&c->got);
    free(c);
    return 0;
}

/* Frees the exchange inside its own callback, as owners do. */
static void on_open(void *data, struct http_stream *stream, int status, const struct err *err)
{
    struct client *c = data;

    c->calls++;
    c->stream = stream;
    c->status = status;
    c->err = err ? *err : (struct err){ 0 };
    c->is_done = true;
    assert_true((stream == NULL) == (err != NULL));
    http_exchange_free(c->x);
    c->x = NULL;
}

static void start(struct client *c, void (*script)(struct server *), int64_t connect_ms)
{
    static const char *const headers[] = { "X-One: 1", NULL };
    struct http_request req = {
        .method = "POST",
        .url = "http://localhost/containers/x/attach?stream=1",
        .headers = headers,
        .connect_ms = connect_ms,
    };
    struct err err;

    server_unix(&c->srv, script);
    req.unix_path = c->srv.path;
    assert_int_equal(http_upgrade(c->http, &req, on_open, c, &c->x, &err), 0);
    assert_int_equal(c->calls, 0);
}

static void run(struct client *c)
{
    struct err err;

    assert_int_equal(loop_run(c->loop, &c->is_done, &err), 0);
    c->is_done = false;
}

static void open_stream(struct client *c, void (*script)(struct server *))
{
    start(c, script, 0);
    run(c);
    assert_int_equal(c->calls, 1);
    assert_non_null(c->stream);
}

static void check_refusal(struct client *c, void (*script)(struct server *), int status, enum err_code code,
                          const char *text)
{
    start(c, script, 0);
    run(c);
    assert_int_equal(c->calls, 1);
    assert_null(c->stream);
    assert_int_equal(c->status, status);
    assert_int_equal(c->err.code, code);
    assert_string_equal(c->err.text, text);
}

#define SWITCH "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"

/* Read until the end of the stream. */
static void on_readable(void *data, unsigned events)
{
    struct client *c = data;
    struct err err;
    char chunk[3];
    ssize_t n = http_stream_read(c->stream, chunk, sizeof(chunk), &err);

    if (n > 0) {
        assert_int_equal(buf_add(&c->got, chunk, (size_t) n), 0);
        return;
    }
    if (n == -ERR_TIMEOUT)
        return;
    assert_int_equal(n, 0);
    c->is_done = true;
}

static void read_to_end(struct client *c)
{
    struct err err;

    assert_int_equal(http_stream_watch(c->stream, LOOP_READ, on_readable, c, &err), 0);
    run(c);
}

/* ---- opened ---- */

static void glue(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, SWITCH "glued behind");
    close(fd);
}

static void test_bytes_glued_behind_the_head(void **state)
{
    struct client *c = *state;

    open_stream(c, glue);
    assert_int_equal(c->status, 101);
    assert_string_equal(c->srv.seen,
                        "POST /containers/x/attach?stream=1 HTTP/1.1\r\nHost: localhost\r\n"
                        "Connection: Upgrade\r\nUpgrade: tcp\r\nX-One: 1\r\nContent-Length: 0\r\n\r\n");
    read_to_end(c);
    assert_string_equal(buf_text(&c->got), "glued behind");
}

static void dribble(struct server *srv)
{
    const char *text =
        "HTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\r\nabc";
    int fd = take(srv);

    hear(srv, fd);
    for (; *text; text++)
        (void) !send(fd, text, 1, MSG_NOSIGNAL);
    close(fd);
}

static void test_old_engine_and_single_bytes(void **state)
{
    struct client *c = *state;

    open_stream(c, dribble);
    assert_int_equal(c->status, 200);
    read_to_end(c);
    assert_string_equal(buf_text(&c->got), "abc");
}

static void stay_silent(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, SWITCH);
    wait_end(fd);
    close(fd);
}

static void test_nothing_now_and_free_closes(void **state)
{
    struct client *c = *state;
    struct err err;
    char byte;

    open_stream(c, stay_silent);
    assert_int_equal(http_stream_read(c->stream, &byte, 1, &err), -ERR_TIMEOUT);
    assert_int_equal(http_stream_write(c->stream, "", 0, &err), 0);
    http_stream_free(c->stream); /* lets the script end */
    c->stream = NULL;
}

static void on_glued_once(void *data, unsigned events)
{
    struct client *c = data;

    assert_int_equal(events, LOOP_READ);
    http_stream_free(c->stream);
    c->stream = NULL;
    c->is_done = true;
}

static void glue_and_stay(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, SWITCH "x");
    wait_end(fd);
    close(fd);
}

static void test_free_inside_the_callback(void **state)
{
    struct client *c = *state;
    struct err err;

    open_stream(c, glue_and_stay);
    assert_int_equal(http_stream_watch(c->stream, LOOP_READ, on_glued_once, c, &err), 0);
    run(c);
    assert_null(c->stream);
}

static void echo(struct server *srv)
{
    static char chunk[8192];
    int fd = take(srv);
    size_t left = TOTAL_BYTES;

    hear(srv, fd);
    say(fd, SWITCH);
    while (left > 0) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n <= 0)
            break;
        left -= (size_t) n;
        for (ssize_t at = 0; at < n;) {
            ssize_t sent = send(fd, chunk + at, (size_t) (n - at), MSG_NOSIGNAL);

            if (sent < 0)
                abort();
            at += sent;
        }
    }
    close(fd);
}

static char pattern(size_t at)
{
    return (char) (at * 7 + at / 251);
}

static void write_some(struct client *c)
{
    char chunk[10000];
    struct err err;
    ssize_t n = 1;

    while (n > 0 && c->written < TOTAL_BYTES) {
        size_t len = TOTAL_BYTES - c->written;

        len = len < sizeof(chunk) ? len : sizeof(chunk);
        for (size_t i = 0; i < len; i++)
            chunk[i] = pattern(c->written + i);
        n = http_stream_write(c->stream, chunk, len, &err);
        assert_true(n >= 0);
        c->written += (size_t) n;
    }
}

static void on_echo(void *data, unsigned events);

static void rewatch(struct client *c)
{
    struct err err;
    unsigned events = LOOP_READ | (c->written < TOTAL_BYTES ? LOOP_WRITE : 0);

    assert_int_equal(http_stream_watch(c->stream, events, on_echo, c, &err), 0);
}

static void on_echo(void *data, unsigned events)
{
    struct client *c = data;
    char chunk[4096];
    struct err err;

    if (events & LOOP_WRITE) {
        write_some(c);
        rewatch(c);
    }
    if (events & LOOP_READ) {
        ssize_t n = http_stream_read(c->stream, chunk, sizeof(chunk), &err);

        if (n > 0)
            assert_int_equal(buf_add(&c->got, chunk, (size_t) n), 0);
        c->is_done = n == 0;
        assert_true(n >= 0 || n == -ERR_TIMEOUT);
    }
}

static void test_echo_under_back_pressure(void **state)
{
    struct client *c = *state;

    open_stream(c, echo);
    write_some(c); /* until the socket is full, nothing being read */
    assert_true(c->written < TOTAL_BYTES);
    rewatch(c);
    run(c);
    assert_int_equal(c->got.len, TOTAL_BYTES);
    for (size_t i = 0; i < TOTAL_BYTES; i++)
        if (c->got.data[i] != pattern(i))
            fail_msg("byte %zu differs", i);
}

static void switch_and_close(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, SWITCH);
    close(fd);
}

static void test_writing_to_a_closed_stream(void **state)
{
    struct client *c = *state;
    struct err err;
    char text[128];

    open_stream(c, switch_and_close);
    read_to_end(c);
    assert_int_equal(http_stream_write(c->stream, "x", 1, &err), -ERR_IO);
    snprintf(text, sizeof(text), "writing to 'unix://%s': Broken pipe", c->srv.path);
    assert_string_equal(err.text, text);
}

/* ---- refused ---- */

static void refuse_with_length(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n"
            "{\"message\":\"No such container\"}\r\nmore");
    wait_end(fd); /* the client must not wait for the end of the connection */
    close(fd);
}

static void test_refused_with_length(void **state)
{
    check_refusal(*state, refuse_with_length, 404, ERR_NOT_FOUND, "{\"message\":\"No such container\"}");
}

static void refuse_chunked(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, "HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n6;x=y\r\n{\"mess\r\n");
    say(fd, "B\r\nage\":\"no\"}\n\r\n0\r\n\r\n");
    wait_end(fd);
    close(fd);
}

static void test_refused_in_chunks(void **state)
{
    check_refusal(*state, refuse_chunked, 409, ERR_CONFLICT, "{\"message\":\"no\"}");
}

static void refuse_until_end(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, "HTTP/1.1 500 Oops\r\n\r\ntwo\nlines");
    close(fd);
}

static void test_refused_until_the_end(void **state)
{
    check_refusal(*state, refuse_until_end, 500, ERR_PROTOCOL, "two lines");
}

static void refuse_in_silence(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n");
    wait_end(fd);
    close(fd);
}

static void test_ordinary_answer_is_a_refusal(void **state)
{
    struct client *c = *state;
    char text[128];

    start(c, refuse_in_silence, 0);
    run(c);
    assert_int_equal(c->status, 200);
    snprintf(text, sizeof(text), "'unix://%s' refused the upgrade with status 200", c->srv.path);
    assert_string_equal(c->err.text, text);
}

static void refuse_at_length(struct server *srv)
{
    char line[1025];
    int fd = take(srv);

    hear(srv, fd);
    memset(line, 'x', sizeof(line));
    line[1024] = '\0';
    say(fd, "HTTP/1.1 500 Oops\r\n\r\n");
    for (int i = 0; i < 64; i++)
        say(fd, line);
    wait_end(fd);
    close(fd);
}

static void test_refused_at_length(void **state)
{
    struct client *c = *state;

    start(c, refuse_at_length, 0);
    run(c);
    assert_int_equal(c->status, 500);
    assert_int_equal(strlen(c->err.text), ERR_TEXT_MAX - 1);
}

/* ---- broken ---- */

static void check_broken(struct client *c, void (*script)(struct server *), int64_t connect_ms,
                         enum err_code code, const char *before, const char *after)
{
    char text[256];

    start(c, script, connect_ms);
    run(c);
    assert_null(c->stream);
    assert_int_equal(c->status, 0);
    assert_int_equal(c->err.code, code);
    snprintf(text, sizeof(text), "%s'unix://%s'%s", before, c->srv.path, after);
    assert_string_equal(c->err.text, text);
}

static void close_at_once(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    close(fd);
}

static void test_closed_without_an_answer(void **state)
{
    check_broken(*state, close_at_once, 0, ERR_PROTOCOL, "", " closed the connection without an answer");
}

static void say_garbage(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, "SSH-2.0");
    wait_end(fd);
    close(fd);
}

static void test_not_http(void **state)
{
    check_broken(*state, say_garbage, 0, ERR_PROTOCOL, "talking to ", ": the answer is not HTTP/1");
}

static void never_end_the_head(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, "HTTP/1.1 101 UPGRADED\r\n");
    for (int i = 0; i < 5000; i++)
        say(fd, "X-A: 1\r\n");
    wait_end(fd);
    close(fd);
}

static void test_head_without_end(void **state)
{
    check_broken(*state, never_end_the_head, 0, ERR_TOO_LARGE, "talking to ", ": the headers are too large");
}

static void never_answer(struct server *srv)
{
    int fd = take(srv);

    wait_end(fd);
    close(fd);
}

static void test_deadline(void **state)
{
    check_broken(*state, never_answer, 1000, ERR_TIMEOUT, "the upgrade at ", " took longer than 1 s");
}

static void do_nothing(struct server *srv)
{
}

static void test_cancel(void **state)
{
    struct client *c = *state;

    start(c, do_nothing, 0);
    http_exchange_free(c->x);
    c->x = NULL;
    assert_int_equal(c->calls, 0);
}

static void on_deferred(void *data)
{
    struct client *c = data;

    http_exchange_free(c->x);
    c->x = NULL;
    c->is_done = true;
}

static struct loop_source *again;

/* Not before the server has the connection, which it waits for. */
static void free_when_accepted(void *data)
{
    struct client *c = data;

    if (server_accepted(&c->srv) > 0)
        on_deferred(c);
    else
        assert_int_equal(loop_timer_set(again, 10, NULL), 0);
}

static void test_cancel_while_waiting(void **state)
{
    struct client *c = *state;
    struct err err;

    start(c, never_answer, 0); /* the script ends: the connection was closed */
    assert_int_equal(loop_timer(c->loop, 20, free_when_accepted, c, &again, &err), 0);
    run(c);
    loop_source_free(again);
    assert_int_equal(c->calls, 0);
}

static void test_no_such_socket(void **state)
{
    struct client *c = *state;
    struct http_request req = { .url = "http://localhost/", .unix_path = "/nowhere/x.sock" };
    struct err err;

    server_unix(&c->srv, do_nothing);
    assert_int_equal(http_upgrade(c->http, &req, on_open, c, &c->x, &err), 0);
    run(c);
    assert_int_equal(c->err.code, ERR_NOT_FOUND);
    assert_string_equal(c->err.text, "connecting to 'unix:///nowhere/x.sock': No such file or directory");
}

/* A stream with bytes that nobody has fetched yet, and beside it another request to the same server. */
static void late_and_other(struct server *srv)
{
    int fd = take(srv), other;
    char go[2];

    hear(srv, fd);
    say(fd, SWITCH);
    if (recv(fd, go, 2, MSG_WAITALL) == 2)
        say(fd, "late");
    other = take(srv);
    hear(srv, other);
    say(other, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    close(other);
    if (recv(fd, go, 2, MSG_WAITALL) == 2)
        say(fd, " pong");
    close(fd);
}

/* To libcurl the connection of a stream looks idle, and the next request would close it: when it is older
 * than two minutes, and with newer versions also when bytes wait in it. It looks at most once a second. */
static void test_other_requests_leave_the_stream_alone(void **state)
{
    struct client *c = *state;
    struct http_request req = { .url = "http://localhost/info" };
    struct buf body = BUF_INIT(100);
    struct loop_source *timer;
    struct err err;
    int status = 0;

    open_stream(c, late_and_other);
    assert_int_equal(http_stream_write(c->stream, "go", 2, &err), 2);
    assert_int_equal(loop_timer(c->loop, 1100, on_deferred, c, &timer, &err), 0);
    run(c);
    loop_source_free(timer);
    req.unix_path = c->srv.path;
    assert_int_equal(http_fetch(c->http, &req, &status, &body, &err), 0);
    assert_int_equal(status, 200);
    assert_int_equal(http_stream_write(c->stream, "go", 2, &err), 2);
    read_to_end(c);
    assert_string_equal(buf_text(&c->got), "late pong");
    buf_done(&body);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
    CASE(test_bytes_glued_behind_the_head),
    CASE(test_old_engine_and_single_bytes),
    CASE(test_nothing_now_and_free_closes),
    CASE(test_free_inside_the_callback),
    CASE(test_echo_under_back_pressure),
    CASE(test_writing_to_a_closed_stream),
    CASE(test_refused_with_length),
    CASE(test_refused_in_chunks),
    CASE(test_refused_until_the_end),
    CASE(test_ordinary_answer_is_a_refusal),
    CASE(test_refused_at_length),
    CASE(test_closed_without_an_answer),
    CASE(test_not_http),
    CASE(test_head_without_end),
    CASE(test_deadline),
    CASE(test_cancel),
    CASE(test_cancel_while_waiting),
    CASE(test_no_such_socket),
    CASE(test_other_requests_leave_the_stream_alone),
};

UNIT_MAIN(tests)
