/* SPDX-License-Identifier: MIT */
/* HTTP over TLS: whom the client believes, and that all the rest is as without. */
#include "tests/unit/unit.h"

#include "core/base/clock.h"
#include "core/base/http.h"
#include "tests/unit/base/tls_server.h"

#include <errno.h>
#include <signal.h>

#define OK "HTTP/1.1 200 OK\r\n"

struct client {
    struct loop *loop;
    struct http *http;
};

/* What an exchange told its owner. */
struct seen {
    struct http_exchange *x;
    int heads, ends, status, result;
    struct buf body;
    struct err err;
    bool is_done, cancels;
};

static char url[64]; /* of the server that runs */

static int setup(void **state)
{
    struct client *c = calloc(1, sizeof(*c));

    unsetenv("https_proxy"); /* the developer's own must not see these requests */
    unsetenv("HTTPS_PROXY");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    memset(&tls_options, 0, sizeof(tls_options));
    assert_int_equal(loop_new(&c->loop, NULL), 0);
    assert_int_equal(http_new(c->loop, &c->http, NULL), 0);
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

/* A new client, for settings that are read once. */
static void renew(struct client *c)
{
    http_free(c->http);
    assert_int_equal(http_new(c->loop, &c->http, NULL), 0);
}

static void drop(struct seen *s)
{
    http_exchange_free(s->x);
    s->x = NULL;
    s->is_done = true;
}

static void on_head(void *data, const struct http_head *head)
{
    struct seen *s = data;

    s->heads++;
    s->status = head->status;
}

static int on_body(void *data, struct span chunk)
{
    struct seen *s = data;

    assert_int_equal(buf_add_span(&s->body, chunk), 0);
    if (s->cancels)
        drop(s);
    return 0;
}

static void on_done(void *data, int result, const struct err *err)
{
    struct seen *s = data;

    s->ends++;
    s->result = result;
    s->err = err ? *err : (struct err){ 0 };
    drop(s);
}

/* One exchange with the server of `url`. */
static void ask(struct client *c, struct http_request req, struct seen *s)
{
    static const struct http_ops ops = { on_head, on_body, on_done };

    req.url = url;
    buf_done(&s->body);
    *s = (struct seen){ .cancels = s->cancels };
    buf_init(&s->body, 4 * 1024 * 1024);
    assert_int_equal(http_start(c->http, &req, &ops, s, &s->x, NULL), 0);
    assert_int_equal(loop_run(c->loop, &s->is_done, NULL), 0);
}

static void serve(struct server *srv, void (*script)(struct server *), const char *host)
{
    server_tcp(srv, script);
    snprintf(url, sizeof(url), "https://%s%s", host, strrchr(srv->url, ':'));
}

static void exchange(struct client *c, void (*script)(struct server *), struct http_request req,
                     struct seen *s)
{
    struct server srv;

    serve(&srv, script, "127.0.0.1");
    ask(c, req, s);
    http_free(c->http); /* closes what is kept open, so the script ends */
    server_end(&srv);
    assert_int_equal(http_new(c->loop, &c->http, NULL), 0);
    assert_int_equal(s->ends, s->cancels ? 0 : 1);
}

static struct http_request trusting(void)
{
    return (struct http_request){ .tls_ca = tls_file("ca.pem") };
}

static void expect_hello(struct seen *s)
{
    if (s->result < 0)
        print_message("# got: %s\n", s->err.text);
    assert_int_equal(s->result, 0);
    assert_int_equal(s->status, 200);
    assert_string_equal(buf_text(&s->body), "hello");
    buf_done(&s->body);
}

/* `before`, the server, `after`. */
static void expect_failure(struct seen *s, enum err_code code, const char *before, const char *after)
{
    char text[ERR_TEXT_MAX];

    snprintf(text, sizeof(text), "%s'%s'%s", before, url, after);
    assert_int_equal(s->result, -(int) code);
    assert_string_equal(s->err.text, text);
    assert_int_equal(s->heads, 0);
    buf_done(&s->body);
}

/* The words behind the server's name are those of the TLS library: `part` is what all of them say. */
static void expect_trouble(struct seen *s, enum err_code code, const char *part, const char *hint)
{
    char text[128];

    snprintf(text, sizeof(text), "talking to '%s': ", url);
    if (s->result != -(int) code || !strstr(s->err.text, part))
        print_message("# got: %d %s\n", s->result, s->err.text);
    assert_int_equal(s->result, -(int) code);
    assert_memory_equal(s->err.text, text, strlen(text));
    assert_non_null(strstr(s->err.text, part));
    assert_string_equal(s->err.hint, hint);
    assert_int_equal(s->heads, 0);
    buf_done(&s->body);
}

/* ---- whom we believe ---- */

static void say_hello(struct server *srv)
{
    struct tls t;

    if (tls_take(srv, &t) && tls_hear(srv, &t)) {
        tls_say(&t, OK "Content-Length: 5\r\n\r\nhello");
        tls_wait_end(&t);
    }
    tls_close(&t);
}

static void test_verified_with_the_file_of_the_request(void **state)
{
    struct seen s = { 0 };

    exchange(*state, say_hello, trusting(), &s);
    expect_hello(&s);
    assert_int_equal(tls_options.handshakes, 1);
}

static void test_verified_by_name(void **state)
{
    struct client *c = *state;
    struct seen s = { 0 };
    struct server srv;

    serve(&srv, say_hello, "localhost");
    ask(c, trusting(), &s);
    renew(c);
    server_end(&srv);
    expect_hello(&s);
}

static void test_verified_with_the_file_of_the_environment(void **state)
{
    struct seen s = { 0 };

    setenv("SSL_CERT_FILE", tls_file("ca.pem"), 1);
    renew(*state);
    exchange(*state, say_hello, (struct http_request){ 0 }, &s);
    expect_hello(&s);
}

static void test_file_of_the_request_wins(void **state)
{
    struct seen s = { 0 };

    setenv("SSL_CERT_FILE", tls_file("other.pem"), 1);
    renew(*state);
    exchange(*state, say_hello, trusting(), &s);
    expect_hello(&s);
    setenv("SSL_CERT_FILE", tls_file("ca.pem"), 1);
    renew(*state);
    exchange(*state, say_hello, (struct http_request){ .tls_ca = tls_file("other.pem") }, &s);
    assert_int_equal(s.result, -ERR_PROTOCOL);
    buf_done(&s.body);
}

static int count_seen;

static void say_hello_and_count(struct server *srv)
{
    say_hello(srv);
    count_seen = srv->seen[0] != '\0';
}

static void test_unknown_authority_is_refused(void **state)
{
    static const char *const headers[] = { "Authorization: Bearer secret", NULL };
    struct seen s = { 0 };

    exchange(*state, say_hello_and_count, (struct http_request){ .headers = headers, .body = { "x", 1 } },
             &s);
    assert_null(strstr(s.err.text, "secret"));
    expect_trouble(&s, ERR_PROTOCOL, "certificate",
                   "if the server has a certificate of your own authority, name its file in SSL_CERT_FILE");
    assert_int_equal(count_seen, 0); /* nothing of the request went out */
}

static void test_other_authority_is_refused(void **state)
{
    struct seen s = { 0 };
    char hint[128];

    exchange(*state, say_hello_and_count, (struct http_request){ .tls_ca = tls_file("other.pem") }, &s);
    snprintf(hint, sizeof(hint), "the authorities in '%s' are the only ones believed", tls_file("other.pem"));
    expect_trouble(&s, ERR_PROTOCOL, "certificate", hint);
    assert_int_equal(count_seen, 0);
}

static void test_other_host_is_refused(void **state)
{
    struct seen s = { 0 };

    tls_options.cert = "named";
    exchange(*state, say_hello_and_count, trusting(), &s);
    expect_trouble(&s, ERR_PROTOCOL, "127.0.0.1",
                   "the certificate is for another host: use the name that it was made for");
    assert_int_equal(count_seen, 0);
}

static void test_file_of_authorities_that_is_none(void **state)
{
    struct seen s = { 0 };
    const char *missing = tls_file("missing.pem"), *log = tls_file("log");

    exchange(*state, say_hello, (struct http_request){ .tls_ca = missing }, &s);
    expect_trouble(&s, ERR_INVALID, missing, "");
    exchange(*state, say_hello, (struct http_request){ .tls_ca = log }, &s);
    expect_trouble(&s, ERR_INVALID, log, "");
}

static void test_old_versions_are_refused(void **state)
{
    struct seen s = { 0 };

    tls_options.version_max = TLS1_1_VERSION;
    exchange(*state, say_hello_and_count, trusting(), &s);
    expect_trouble(&s, ERR_PROTOCOL, "version", "");
    assert_int_equal(tls_options.handshakes, 0);
    tls_options.version_max = TLS1_2_VERSION;
    exchange(*state, say_hello, trusting(), &s);
    expect_hello(&s);
}

/* ---- who we are ---- */

static void test_certificate_of_the_client(void **state)
{
    struct http_request req = trusting();
    struct seen s = { 0 };

    tls_options.wants_user = true;
    req.tls_cert = tls_file("user.pem");
    req.tls_key = tls_file("user.key");
    exchange(*state, say_hello, req, &s);
    expect_hello(&s);
    assert_int_equal(tls_options.handshakes, 1);
}

static void test_certificate_of_the_client_is_missing(void **state)
{
    struct http_request req = trusting();
    struct seen s = { 0 };

    tls_options.wants_user = true;
    exchange(*state, say_hello, req, &s);
    expect_trouble(&s, ERR_PROTOCOL, "certificate required", "");
    assert_int_equal(tls_options.handshakes, 0);
    req.tls_cert = tls_file("missing.pem");
    req.tls_key = tls_file("user.key");
    exchange(*state, say_hello, req, &s);
    expect_trouble(&s, ERR_INVALID, tls_file("missing.pem"), "");
}

/* ---- the same as without TLS ---- */

static void say_twice(struct server *srv)
{
    struct tls t;

    if (tls_take(srv, &t)) {
        while (tls_hear(srv, &t))
            tls_say(&t, OK "Content-Length: 5\r\n\r\nhello");
    }
    tls_close(&t);
}

static void test_connection_is_used_again(void **state)
{
    struct client *c = *state;
    struct seen s = { 0 };
    struct server srv;

    serve(&srv, say_twice, "127.0.0.1");
    for (int i = 0; i < 3; i++) {
        ask(c, trusting(), &s);
        expect_hello(&s);
    }
    renew(c);
    server_end(&srv);
    assert_int_equal(srv.accepted, 1);
    assert_int_equal(tls_options.handshakes, 1);
}

/* A connection that was verified for one authority says nothing about another. */
static void test_connection_is_not_used_for_others(void **state)
{
    struct client *c = *state;
    struct seen s = { 0 };
    struct server srv;

    serve(&srv, say_twice, "127.0.0.1");
    ask(c, trusting(), &s);
    expect_hello(&s);
    shutdown(srv.listener, SHUT_RDWR); /* a second connection cannot be made */
    ask(c, (struct http_request){ .tls_ca = tls_file("other.pem") }, &s);
    assert_true(s.result < 0);
    buf_done(&s.body);
    renew(c);
    server_end(&srv);
    assert_int_equal(srv.accepted, 1);
}

static void echo_large(struct server *srv)
{
    static char block[16384];
    size_t left = 1 << 20;
    struct tls t;
    int n;

    if (tls_take(srv, &t)) {
        for (n = 1; left > 0 && n > 0;) { /* the head is at most as long as the x'es that come twice */
            n = SSL_read(t.ssl, block, sizeof(block));
            for (int i = 0; i < n; i++)
                left -= block[i] == '#';
        }
        tls_say(&t, OK "Content-Length: 1048576\r\n\r\n");
        memset(block, '#', sizeof(block));
        for (int i = 0; i < 64; i++)
            tls_say_bytes(&t, block, sizeof(block));
        tls_wait_end(&t);
    }
    tls_close(&t);
}

static void test_large_bodies(void **state)
{
    struct http_request req = trusting();
    char *bytes = malloc(1 << 20);
    struct seen s = { 0 };

    memset(bytes, '#', 1 << 20);
    req.body = span_make(bytes, 1 << 20);
    exchange(*state, echo_large, req, &s);
    assert_int_equal(s.result, 0);
    assert_int_equal(s.body.len, 1 << 20);
    assert_memory_equal(s.body.data, bytes, 1 << 20);
    buf_done(&s.body);
    free(bytes);
}

static void say_part_and_wait(struct server *srv)
{
    struct tls t;

    if (tls_take(srv, &t) && tls_hear(srv, &t)) {
        tls_say(&t, OK "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
        tls_wait_end(&t);
    }
    tls_close(&t);
}

static void test_idle_limit(void **state)
{
    struct http_request req = trusting();
    struct seen s = { 0 };
    int64_t start = clock_mono_ms();
    char text[128];

    req.idle_ms = 3000; /* a handshake is silent as well, and slow under sanitizers */
    exchange(*state, say_part_and_wait, req, &s);
    snprintf(text, sizeof(text), "'%s' sent nothing for 3 s", url);
    assert_int_equal(s.result, -ERR_TIMEOUT);
    assert_string_equal(s.err.text, text);
    assert_string_equal(buf_text(&s.body), "part");
    assert_true(clock_mono_ms() - start >= 2999);
    buf_done(&s.body);
}

static void test_cancel_inside_the_body(void **state)
{
    struct seen s = { .cancels = true };

    exchange(*state, say_part_and_wait, trusting(), &s); /* the script ends: the connection was closed */
    assert_string_equal(buf_text(&s.body), "part");
    buf_done(&s.body);
}

/* ---- servers that do not do their part ---- */

static void take_and_wait(struct server *srv)
{
    int fd = take(srv);

    wait_end(fd);
    close(fd);
}

static void test_silent_handshake(void **state)
{
    struct http_request req = trusting();
    struct seen s = { 0 };

    req.connect_ms = 1000; /* by then the server has been called: it waits for that */
    exchange(*state, take_and_wait, req, &s);
    expect_failure(&s, ERR_TIMEOUT, "connecting to ", " took longer than 1 s");
    req.connect_ms = 0;
    req.idle_ms = 1000;
    exchange(*state, take_and_wait, req, &s);
    expect_failure(&s, ERR_TIMEOUT, "", " sent nothing for 1 s");
}

static void say_plain(struct server *srv)
{
    int fd = take(srv);

    say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    wait_end(fd);
    close(fd);
}

static void test_server_without_tls(void **state)
{
    struct seen s = { 0 };

    exchange(*state, say_plain, trusting(), &s);
    expect_trouble(&s, ERR_PROTOCOL, "", "");
}

static void cut_body(struct server *srv)
{
    struct tls t;

    if (tls_take(srv, &t) && tls_hear(srv, &t))
        tls_say(&t, OK "Content-Length: 9\r\n\r\nhalf");
    tls_close(&t);
}

static void end_with_alert(struct server *srv)
{
    struct tls t;

    if (tls_take(srv, &t) && tls_hear(srv, &t))
        tls_say(&t, OK "Connection: close\r\n\r\nhello");
    tls_close(&t);
}

static void test_ends_of_bodies(void **state)
{
    struct seen s = { 0 };

    exchange(*state, cut_body, trusting(), &s);
    assert_int_equal(s.result, -ERR_PROTOCOL);
    assert_non_null(strstr(s.err.text, "transfer closed with 5 bytes remaining to read"));
    exchange(*state, end_with_alert, trusting(), &s);
    expect_hello(&s);
}

/* ---- a raw stream over TLS ---- */

struct raw {
    struct http_exchange *x;
    struct http_stream *stream;
    struct buf got;
    size_t want;
    bool is_done;
    int status;
    enum err_code code;
};

static void switch_and_echo(struct server *srv)
{
    static char block[16000];
    struct tls t;
    int n;

    memset(block, '#', sizeof(block));
    memcpy(block, "HTTP/1.1 101 UPGRADED\r\n\r\n", 25);
    if (tls_take(srv, &t) && tls_hear(srv, &t)) {
        tls_say_bytes(&t, block, sizeof(block)); /* one record holds the head and what follows it */
        while ((n = SSL_read(t.ssl, block, sizeof(block))) > 0)
            tls_say_bytes(&t, block, (size_t) n);
    }
    tls_close(&t);
}

static void on_open(void *data, struct http_stream *stream, int status, const struct err *err)
{
    struct raw *raw = data;

    raw->stream = stream;
    raw->status = status;
    raw->is_done = true;
    raw->code = err ? err->code : ERR_NONE;
}

/* A few bytes each time: what was decrypted already must not wait for the next packet. */
static void on_readable(void *data, unsigned events)
{
    struct raw *raw = data;
    char chunk[1000];
    ssize_t n = http_stream_read(raw->stream, chunk, sizeof(chunk), NULL);

    if (n > 0)
        assert_int_equal(buf_add(&raw->got, chunk, (size_t) n), 0);
    else
        assert_int_equal(n, -ERR_TIMEOUT);
    raw->is_done = raw->got.len == raw->want;
}

static void read_until(struct client *c, struct raw *raw, size_t want)
{
    raw->want = want;
    raw->is_done = false;
    assert_int_equal(http_stream_watch(raw->stream, LOOP_READ, on_readable, raw, NULL), 0);
    assert_int_equal(loop_run(c->loop, &raw->is_done, NULL), 0);
}

static void test_stream(void **state)
{
    struct client *c = *state;
    struct http_request req = trusting();
    struct raw raw = { .got = BUF_INIT(65536) };
    struct server srv;

    serve(&srv, switch_and_echo, "127.0.0.1");
    req.url = url;
    req.method = "POST";
    assert_int_equal(http_upgrade(c->http, &req, on_open, &raw, &raw.x, NULL), 0);
    assert_int_equal(loop_run(c->loop, &raw.is_done, NULL), 0);
    assert_int_equal(raw.status, 101);
    assert_non_null(raw.stream);
    read_until(c, &raw, 16000 - 25);
    assert_int_equal(http_stream_write(raw.stream, "ping", 4, NULL), 4);
    read_until(c, &raw, 16000 - 25 + 4);
    assert_string_equal(buf_text(&raw.got) + 16000 - 25, "ping");
    http_stream_free(raw.stream);
    http_exchange_free(raw.x);
    server_end(&srv);
    buf_done(&raw.got);
}

static void test_stream_is_verified(void **state)
{
    struct client *c = *state;
    struct http_request req = { .url = url };
    struct raw raw = { 0 };
    struct server srv;

    serve(&srv, say_hello_and_count, "127.0.0.1");
    assert_int_equal(http_upgrade(c->http, &req, on_open, &raw, &raw.x, NULL), 0);
    assert_int_equal(loop_run(c->loop, &raw.is_done, NULL), 0);
    assert_int_equal(raw.code, ERR_PROTOCOL);
    assert_int_equal(raw.status, 0);
    assert_null(raw.stream);
    http_exchange_free(raw.x);
    server_end(&srv);
    assert_int_equal(count_seen, 0);
}

static void echo(struct server *srv)
{
    char block[64];
    struct tls t;
    int n;

    if (tls_take(srv, &t))
        while ((n = SSL_read(t.ssl, block, sizeof(block))) > 0)
            tls_say_bytes(&t, block, (size_t) n);
    tls_close(&t);
}

/* A name that nobody can look up, at an address that is given, past a proxy that is not there: verified as
 * the name. Nothing is sent but what the owner of the stream sends. */
static void test_connection_to_a_given_address(void **state)
{
    struct client *c = *state;
    struct http_request req = trusting();
    struct raw raw = { .got = BUF_INIT(64) };
    struct server srv;

    tls_options.cert = "named";
    serve(&srv, echo, "server.test");
    req.url = url;
    req.address = "127.0.0.1";
    setenv("HTTPS_PROXY", "http://127.0.0.1:9", 1);
    assert_int_equal(http_connect(c->http, &req, on_open, &raw, &raw.x, NULL), 0);
    assert_int_equal(loop_run(c->loop, &raw.is_done, NULL), 0);
    unsetenv("HTTPS_PROXY");
    assert_non_null(raw.stream);
    assert_int_equal(raw.status, 0);
    assert_int_equal(http_stream_write(raw.stream, "ping", 4, NULL), 4);
    read_until(c, &raw, 4);
    assert_string_equal(buf_text(&raw.got), "ping");
    http_stream_free(raw.stream);
    http_exchange_free(raw.x);
    server_end(&srv);
    buf_done(&raw.got);
}

static void test_connection_to_a_given_address_is_verified(void **state)
{
    struct client *c = *state;
    struct http_request req = trusting();
    struct raw raw = { 0 };
    struct server srv;

    serve(&srv, say_hello_and_count, "server.test"); /* which its certificate does not know */
    req.url = url;
    req.address = "127.0.0.1";
    assert_int_equal(http_connect(c->http, &req, on_open, &raw, &raw.x, NULL), 0);
    assert_int_equal(loop_run(c->loop, &raw.is_done, NULL), 0);
    assert_int_equal(raw.code, ERR_PROTOCOL);
    assert_null(raw.stream);
    http_exchange_free(raw.x);
    server_end(&srv);
    assert_int_equal(count_seen, 0);
}

static int make_files(void **state)
{
    signal(SIGPIPE, SIG_IGN); /* libssl writes without MSG_NOSIGNAL */
    return tls_files_make();
}

static int remove_files(void **state)
{
    tls_files_remove();
    return 0;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
    CASE(test_verified_with_the_file_of_the_request),
    CASE(test_verified_by_name),
    CASE(test_verified_with_the_file_of_the_environment),
    CASE(test_file_of_the_request_wins),
    CASE(test_unknown_authority_is_refused),
    CASE(test_other_authority_is_refused),
    CASE(test_other_host_is_refused),
    CASE(test_file_of_authorities_that_is_none),
    CASE(test_old_versions_are_refused),
    CASE(test_certificate_of_the_client),
    CASE(test_certificate_of_the_client_is_missing),
    CASE(test_connection_is_used_again),
    CASE(test_connection_is_not_used_for_others),
    CASE(test_large_bodies),
    CASE(test_idle_limit),
    CASE(test_cancel_inside_the_body),
    CASE(test_silent_handshake),
    CASE(test_server_without_tls),
    CASE(test_ends_of_bodies),
    CASE(test_stream),
    CASE(test_stream_is_verified),
    CASE(test_connection_to_a_given_address),
    CASE(test_connection_to_a_given_address_is_verified),
};

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
