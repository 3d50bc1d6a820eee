/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/clock.h"
#include "core/base/http.h"
#include "tests/unit/base/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define OK "HTTP/1.1 200 OK\r\n"

struct client {
    struct loop *loop;
    struct http *http;
};

/* What an exchange told its owner. */
struct seen {
    struct http_exchange *x;
    int heads, ends, status, result;
    char type[64];
    struct buf body;
    struct err err;
    bool is_done;
    enum { KEEP, CANCEL_IN_HEAD, CANCEL_IN_BODY, REFUSE_IN_BODY } wish;
    struct client *client;
    struct seen *next; /* start this one too, from inside on_head */
    const struct http_request *next_req;
};

static int setup(void **state)
{
    struct client *c = calloc(1, sizeof(*c));
    struct err err;

    unsetenv("http_proxy"); /* the developer's own must not see these requests */
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    assert_int_equal(loop_new(&c->loop, &err), 0);
    assert_int_equal(http_new(c->loop, &c->http, &err), 0);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct client *c = *state;

    http_free(c->http);
    loop_free(c->loop);
    free(c);
    return 0;
}

static void drop(struct seen *s)
{
    http_exchange_free(s->x);
    s->x = NULL;
    s->is_done = true;
}

static void begin(struct client *c, const struct http_request *req, struct seen *s);

static void on_head(void *data, const struct http_head *head)
{
    struct seen *s = data;
    struct span type = head->header(head, "content-type");

    s->heads++;
    s->status = head->status;
    snprintf(s->type, sizeof(s->type), SPAN_FMT, SPAN_ARG(type));
    if (s->wish == CANCEL_IN_HEAD)
        drop(s);
    else if (s->next)
        begin(s->client, s->next_req, s->next);
}

static int on_body(void *data, struct span chunk)
{
    struct seen *s = data;

    assert_int_equal(buf_add_span(&s->body, chunk), 0);
    if (s->wish == CANCEL_IN_BODY)
        drop(s);
    return s->wish == REFUSE_IN_BODY ? -ERR_CONFLICT : 0;
}

static void on_done(void *data, int result, const struct err *err)
{
    struct seen *s = data;

    s->ends++;
    s->result = result;
    s->err = err ? *err : (struct err){ 0 };
    assert_int_equal(result, -(int) s->err.code);
    drop(s);
}

static const struct http_ops ops = { on_head, on_body, on_done };

static void begin(struct client *c, const struct http_request *req, struct seen *s)
{
    struct err err;

    buf_init(&s->body, 1 << 20);
    s->client = c;
    assert_int_equal(http_start(c->http, req, &ops, s, &s->x, &err), 0);
    assert_int_equal(s->ends, 0);
}

static void finish(struct client *c, struct seen *s)
{
    struct err err;

    assert_int_equal(loop_run(c->loop, &s->is_done, &err), 0);
}

/* One exchange with a server on TCP; the path is "/". */
static void exchange(struct client *c, void (*script)(struct server *), struct http_request req,
                     struct seen *s)
{
    struct server srv;

    server_tcp(&srv, script);
    req.url = srv.url;
    begin(c, &req, s);
    finish(c, s);
    server_end(&srv);
}

/* ---- answers ---- */

static void say_hello(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, "HTTP/1.1 100 Continue\r\nContent-Type: wrong\r\n\r\n");
    say(fd, OK "CONTENT-TYPE:  text/plain \r\nContent-Length: 5\r\n\r\nhello");
    close(fd);
}

static void test_head_body_end(void **state)
{
    struct seen s = { 0 };

    exchange(*state, say_hello, (struct http_request){ 0 }, &s);
    assert_int_equal(s.heads, 1);
    assert_int_equal(s.status, 200);
    assert_string_equal(s.type, "text/plain");
    assert_string_equal(buf_text(&s.body), "hello");
    assert_int_equal(s.result, 0);
    assert_int_equal(s.ends, 1);
    buf_done(&s.body);
}

static void test_fetch_over_unix_socket(void **state)
{
    static const char *const headers[] = { "X-One: 1", NULL };
    struct client *c = *state;
    struct buf body = BUF_INIT(100);
    struct server srv;
    struct err err;
    int status = 0;

    server_unix(&srv, say_hello);
    struct http_request req = {
        .url = "http://localhost/v1/x?y=z",
        .unix_path = srv.path,
        .headers = headers,
        .body = { "{}", 2 },
    };
    assert_int_equal(http_fetch(c->http, &req, &status, &body, &err), 0);
    server_end(&srv);
    assert_int_equal(status, 200);
    assert_string_equal(buf_text(&body), "hello");
    assert_string_equal(srv.seen, "POST /v1/x?y=z HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nX-One: 1\r\n"
                                  "Content-Length: 2\r\n\r\n{}");
    buf_done(&body);
}

static void test_fetch_keeps_the_ceiling_of_its_buffer(void **state)
{
    struct client *c = *state;
    struct buf body = BUF_INIT(4);
    struct server srv;
    struct err err;
    int status = 0;

    server_tcp(&srv, say_hello);
    struct http_request req = { .url = srv.url };
    assert_int_equal(http_fetch(c->http, &req, &status, &body, &err), -ERR_TOO_LARGE);
    server_end(&srv);
    assert_string_equal(err.text, "an answer is larger than 4 bytes");
    buf_done(&body);
}

/* Methods: request line and whether a length is told. */
static void say_empty(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    close(fd);
}

static void check_method(struct client *c, struct http_request req, const char *want)
{
    struct buf body = BUF_INIT(100);
    struct server srv;
    struct err err;
    char host[256], *at;
    int status = 0;

    server_tcp(&srv, say_empty);
    req.url = srv.url;
    assert_int_equal(http_fetch(c->http, &req, &status, &body, &err), 0);
    server_end(&srv);
    assert_int_equal(status, 204);
    snprintf(host, sizeof(host), "Host: %s\r\n", srv.url + 7);
    at = strstr(srv.seen, host);
    assert_non_null(at);
    memmove(at, at + strlen(host), strlen(at + strlen(host)) + 1);
    assert_string_equal(srv.seen, want);
    buf_done(&body);
}

static void test_methods(void **state)
{
    static const char *const json[] = { "Content-Type: application/json", NULL };

    check_method(*state, (struct http_request){ 0 }, "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n");
    check_method(*state, (struct http_request){ .method = "HEAD" }, "HEAD / HTTP/1.1\r\nAccept: */*\r\n\r\n");
    check_method(*state, (struct http_request){ .method = "DELETE" },
                 "DELETE / HTTP/1.1\r\nAccept: */*\r\n\r\n");
    check_method(*state, (struct http_request){ .method = "POST" },
                 "POST / HTTP/1.1\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n");
    check_method(*state, (struct http_request){ .method = "PUT", .body = { "a\0b", 3 } },
                 "PUT / HTTP/1.1\r\nAccept: */*\r\nContent-Length: 3\r\n\r\na");
    check_method(
        *state, (struct http_request){ .body = { "", 0 }, .headers = json },
        "POST / HTTP/1.1\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n");
}

static void check_proxy(struct client *c, struct server *srv, const char *url, const char *unix_path,
                        const char *want)
{
    struct http_request req = { .url = url, .unix_path = unix_path };
    struct buf body = BUF_INIT(100);
    struct err err;
    int status = 0;

    assert_int_equal(http_fetch(c->http, &req, &status, &body, &err), 0);
    server_end(srv);
    assert_memory_equal(srv->seen, want, strlen(want));
    buf_done(&body);
}

static void test_proxy_for_tcp_only(void **state)
{
    struct server srv;

    server_tcp(&srv, say_empty);
    setenv("http_proxy", srv.url, 1);
    check_proxy(*state, &srv, "http://api.test/x", NULL, "GET http://api.test/x HTTP/1.1\r\n");
    server_unix(&srv, say_empty);
    check_proxy(*state, &srv, "http://api.test/x", srv.path, "GET /x HTTP/1.1\r\n");
    unsetenv("http_proxy");
}

static void say_redirect(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    wait_end(fd);
    close(fd);
}

static void test_redirect_is_an_answer(void **state)
{
    struct client *c = *state;
    struct seen s = { 0 };
    struct server srv;

    server_tcp(&srv, say_redirect);
    struct http_request req = { .url = srv.url };
    begin(c, &req, &s);
    finish(c, &s);
    assert_int_equal(s.status, 302);
    assert_int_equal(s.result, 0);
    http_free(c->http); /* closes what is kept open, so the script ends */
    server_end(&srv);
    assert_int_equal(http_new(c->loop, &c->http, NULL), 0);
}

/* ---- several ---- */

static void answer_second_first(struct server *srv)
{
    int a = take(srv), b = take(srv);

    hear(srv, a);
    hear(srv, b);
    say(b, OK "Content-Length: 6\r\n\r\nsecond");
    say(a, OK "Content-Length: 5\r\n\r\nfirst");
    close(a);
    close(b);
}

static void test_two_at_once(void **state)
{
    struct client *c = *state;
    struct seen s[2] = { 0 };
    struct server srv;

    server_tcp(&srv, answer_second_first);
    struct http_request req = { .url = srv.url };
    begin(c, &req, &s[0]);
    begin(c, &req, &s[1]);
    finish(c, &s[0]);
    finish(c, &s[1]);
    server_end(&srv);
    assert_int_equal(s[0].body.len + s[1].body.len, 11); /* which connection came first is the kernel's */
    assert_int_equal(s[0].result, 0);
    assert_int_equal(s[1].result, 0);
    buf_done(&s[0].body);
    buf_done(&s[1].body);
}

static void answer_thrice(struct server *srv)
{
    int fd = take(srv);

    for (int i = 0; i < 3; i++) {
        assert_int_equal(hear(srv, fd), 1);
        say(fd, OK "Content-Length: 2\r\n\r\nok");
    }
    close(fd);
}

static void test_connection_is_used_again(void **state)
{
    struct client *c = *state;
    struct server srv;

    server_unix(&srv, answer_thrice);
    struct http_request req = { .url = "http://localhost/", .unix_path = srv.path };
    for (int i = 0; i < 3; i++) {
        struct seen s = { 0 };

        begin(c, &req, &s);
        finish(c, &s);
        assert_string_equal(buf_text(&s.body), "ok");
        buf_done(&s.body);
    }
    server_end(&srv);
    assert_int_equal(srv.accepted, 1);
}

static void answer_twice_and_close(struct server *srv)
{
    for (int i = 0; i < 2; i++) {
        int fd = take(srv);

        hear(srv, fd);
        say(fd, OK "Connection: close\r\n\r\nok");
        close(fd);
    }
}

static void test_start_inside_a_callback(void **state)
{
    struct client *c = *state;
    struct seen s[2] = { 0 };
    struct server srv;

    server_tcp(&srv, answer_twice_and_close);
    struct http_request req = { .url = srv.url };
    s[0].next = &s[1];
    s[0].next_req = &req;
    begin(c, &req, &s[0]);
    finish(c, &s[0]);
    finish(c, &s[1]);
    server_end(&srv);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(buf_text(&s[i].body), "ok");
        assert_int_equal(s[i].result, 0);
        buf_done(&s[i].body);
    }
}

/* ---- cancel ---- */

static void say_part_and_wait(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, OK "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
    wait_end(fd);
    close(fd);
}

static void check_cancel(struct client *c, struct seen *s, const char *body)
{
    exchange(c, say_part_and_wait, (struct http_request){ 0 },
             s); /* the script ends: the connection was closed */
    assert_int_equal(s->ends, 0);
    assert_string_equal(buf_text(&s->body), body);
    buf_done(&s->body);
}

static void test_cancel_inside_callbacks(void **state)
{
    check_cancel(*state, &(struct seen){ .wish = CANCEL_IN_HEAD }, "");
    check_cancel(*state, &(struct seen){ .wish = CANCEL_IN_BODY }, "part");
}

static void test_body_refused_by_its_reader(void **state)
{
    struct seen s = { .wish = REFUSE_IN_BODY };

    exchange(*state, say_part_and_wait, (struct http_request){ 0 }, &s);
    assert_int_equal(s.result, -ERR_CONFLICT);
    assert_int_equal(s.ends, 1);
    assert_non_null(strstr(s.err.text, "was given up by its reader"));
    buf_done(&s.body);
}

static void test_cancel_before_the_loop_runs(void **state)
{
    struct client *c = *state;
    struct http_request req = { .url = "http://127.0.0.1:1/" };
    struct seen s = { 0 };

    begin(c, &req, &s);
    drop(&s);
    assert_int_equal(s.ends, 0);
}

/* ---- faults ---- */

static void cut_chunked(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, OK "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n9\r\nha");
    close(fd);
}

static void cut_length(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, OK "Content-Length: 9\r\n\r\nhalf");
    close(fd);
}

static void say_bad_chunk(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, OK "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
    wait_end(fd);
    close(fd);
}

static void say_garbage(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, "SSH-2.0-OpenSSH_9.2\r\n");
    wait_end(fd);
    close(fd);
}

static void say_nothing(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    close(fd);
}

static void reset_midway(struct server *srv)
{
    int fd = take(srv);

    hear(srv, fd);
    say(fd, OK "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
    reset_connection(fd);
}

static void check_fault(struct client *c, void (*script)(struct server *), int result, int errnum,
                        const char *text)
{
    struct seen s = { 0 };
    const char *at;

    exchange(c, script, (struct http_request){ 0 }, &s);
    assert_int_equal(s.result, result);
    assert_int_equal(s.err.errnum, errnum);
    assert_int_equal(s.ends, 1);
    at = strstr(s.err.text, "': "); /* what comes before holds the port */
    assert_non_null(at);
    assert_memory_equal(s.err.text, "talking to 'http://127.0.0.1:", 29);
    assert_string_equal(at + 3, text);
    buf_done(&s.body);
}

static void test_faults_of_the_server(void **state)
{
    check_fault(*state, cut_chunked, -ERR_PROTOCOL, 0,
                "transfer closed with outstanding read data remaining");
    check_fault(*state, cut_length, -ERR_PROTOCOL, 0, "transfer closed with 5 bytes remaining to read");
    check_fault(*state, say_garbage, -ERR_PROTOCOL, 0, "Received HTTP/0.9 when not allowed");
    check_fault(*state, say_nothing, -ERR_PROTOCOL, 0, "Empty reply from server");
    check_fault(*state, reset_midway, -ERR_IO, ECONNRESET, "Connection reset by peer");
}

static void test_bad_chunk_size(void **state)
{
    struct seen s = { 0 };

    exchange(*state, say_bad_chunk, (struct http_request){ 0 }, &s);
    assert_int_equal(s.result, -ERR_PROTOCOL); /* the words are libcurl's and change */
    buf_done(&s.body);
}

static void say_big_head(struct server *srv)
{
    char line[1100];
    int fd = take(srv);

    hear(srv, fd);
    memset(line, 'x', sizeof(line));
    memcpy(line, "X-Filler: ", 10);
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    say(fd, OK);
    for (int i = 0; i < 5; i++)
        say(fd, line);
    wait_end(fd);
    close(fd);
}

static void test_head_over_its_ceiling(void **state)
{
    struct seen s = { 0 };

    exchange(*state, say_big_head, (struct http_request){ .header_max = 4096 }, &s);
    assert_int_equal(s.result, -ERR_TOO_LARGE);
    assert_non_null(strstr(s.err.text, "the headers of 'http://127.0.0.1:"));
    assert_int_equal(s.heads, 0);
    buf_done(&s.body);
}

static void say_long_line(struct server *srv)
{
    char chunk[1025];
    int fd = take(srv);

    hear(srv, fd);
    memset(chunk, 'x', sizeof(chunk));
    chunk[1024] = '\0';
    say(fd, OK "X-Filler: ");
    for (int i = 0; i < 300; i++)
        say(fd, chunk);
    wait_end(fd);
    close(fd);
}

static void test_one_header_over_the_ceiling(void **state)
{
    struct seen s = { 0 };

    exchange(*state, say_long_line, (struct http_request){ 0 }, &s);
    assert_int_equal(s.result, -ERR_TOO_LARGE);
    buf_done(&s.body);
}

/* ---- time ---- */

static void take_and_wait(struct server *srv)
{
    int fd = take(srv);

    wait_end(fd);
    close(fd);
}

static void test_idle_limit(void **state)
{
    struct seen s = { 0 };
    int64_t start = clock_mono_ms();

    exchange(*state, say_part_and_wait, (struct http_request){ .idle_ms = 2000 },
             &s); /* the part comes well before */
    assert_int_equal(s.result, -ERR_TIMEOUT);
    assert_non_null(strstr(s.err.text, "' sent nothing for 2 s"));
    assert_string_equal(buf_text(&s.body), "part");
    assert_true(clock_mono_ms() - start >= 1999);
    buf_done(&s.body);
}

static void test_total_limit(void **state)
{
    struct seen s = { 0 };

    exchange(*state, take_and_wait, (struct http_request){ .total_ms = 1000 }, &s);
    assert_int_equal(s.result, -ERR_TIMEOUT);
    assert_non_null(strstr(s.err.text, "' took longer than 1 s"));
    assert_memory_equal(s.err.text, "the exchange with 'http://127.0.0.1:", 36);
    buf_done(&s.body);
}

/* ---- connecting ---- */

static void check_no_connection(struct client *c, const char *url, const char *path, int result, int errnum,
                                const char *text)
{
    struct http_request req = { .url = url, .unix_path = path };
    struct buf body = BUF_INIT(10);
    struct err err;
    int status = 0;

    assert_int_equal(http_fetch(c->http, &req, &status, &body, &err), result);
    assert_int_equal(err.errnum, errnum);
    assert_string_equal(err.text, text);
    buf_done(&body);
}

static void test_refused(void **state)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(addr);
    char url[64], text[128];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    /* bound, but nobody listens: no other process can have the port meanwhile */
    assert_int_equal(bind(fd, (struct sockaddr *) &addr, sizeof(addr)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &addr, &len), 0);
    snprintf(url, sizeof(url), "http://user:secret@127.0.0.1:%d/path?token=1", ntohs(addr.sin_port));
    snprintf(text, sizeof(text), "connecting to 'http://127.0.0.1:%d': Connection refused",
             ntohs(addr.sin_port));
    check_no_connection(*state, url, NULL, -ERR_IO, ECONNREFUSED, text);
    close(fd);
}

static void test_no_socket_file(void **state)
{
    check_no_connection(*state, "http://localhost/", "/nowhere/x.sock", -ERR_NOT_FOUND, ENOENT,
                        "connecting to 'unix:///nowhere/x.sock': No such file or directory");
}

static void test_socket_that_may_not_be_opened(void **state)
{
    char dir[] = "/tmp/unit-XXXXXX", path[64], text[128];
    int fd;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    snprintf(text, sizeof(text), "connecting to 'unix://%s': Connection refused", path);
    check_no_connection(*state, "http://localhost/", path, -ERR_IO, ECONNREFUSED,
                        text); /* no socket at all */
    if (geteuid() != 0) {
        chmod(dir, 0);
        snprintf(text, sizeof(text), "connecting to 'unix://%s': Permission denied", path);
        check_no_connection(*state, "http://localhost/", path, -ERR_IO, EACCES, text);
        chmod(dir, 0700);
    }
    unlink(path);
    rmdir(dir);
}

static void test_requests_that_are_none(void **state)
{
    static const char *const smuggle[] = { "X-Key: secret\r\nX-Other: 1", NULL };
    struct client *c = *state;
    struct http_request req = { .url = "file:///etc/passwd" };
    char path[200];
    struct seen s = { 0 };
    struct err err;

    assert_int_equal(http_start(c->http, &req, &ops, &s, &s.x, &err), -ERR_INVALID);
    assert_string_equal(err.text, "not an http:// or https:// URL");
    req = (struct http_request){ .url = "http://x/", .headers = smuggle };
    assert_int_equal(http_start(c->http, &req, &ops, &s, &s.x, &err), -ERR_INVALID);
    assert_string_equal(err.text, "header 'X-Key' of a request is malformed");
    req = (struct http_request){ .url = "http://x/\r\nHost: y" };
    assert_int_equal(http_start(c->http, &req, &ops, &s, &s.x, &err), -ERR_INVALID);
    assert_string_equal(err.text, "the URL or method of a request holds control bytes");
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    req = (struct http_request){ .url = "http://x/", .unix_path = path };
    assert_int_equal(http_start(c->http, &req, &ops, &s, &s.x, &err), -ERR_INVALID);
    assert_non_null(strstr(err.text, "is too long for the system"));
    assert_int_equal(s.ends, 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
    CASE(test_head_body_end),
    CASE(test_fetch_over_unix_socket),
    CASE(test_fetch_keeps_the_ceiling_of_its_buffer),
    CASE(test_methods),
    CASE(test_proxy_for_tcp_only),
    CASE(test_redirect_is_an_answer),
    CASE(test_two_at_once),
    CASE(test_connection_is_used_again),
    CASE(test_start_inside_a_callback),
    CASE(test_cancel_inside_callbacks),
    CASE(test_body_refused_by_its_reader),
    CASE(test_cancel_before_the_loop_runs),
    CASE(test_faults_of_the_server),
    CASE(test_bad_chunk_size),
    CASE(test_head_over_its_ceiling),
    CASE(test_one_header_over_the_ceiling),
    CASE(test_idle_limit),
    CASE(test_total_limit),
    CASE(test_refused),
    CASE(test_no_socket_file),
    CASE(test_socket_that_may_not_be_opened),
    CASE(test_requests_that_are_none),
};

UNIT_MAIN(tests)
