/* SPDX-License-Identifier: MIT */
/* Credentials on the way out: the server gets them, the client never sees them, whatever the server says. */
#include "tests/unit/egress/world.h"

#include "core/egress/redact.h"
#include "tests/unit/base/tls_server.h"

#define SECRET "s3cret-token-s3cret-tokem"
#define STARS  "*************************"
#define HOST   "Host: server.test\r\n"
#define GET    "GET http://server.test/ HTTP/1.1\r\n" HOST "Authorization: Bearer agentbox-placeholder\r\n\r\n"

static const struct egress_inject inject = {
    .header = "Authorization",
    .value = { .kind = SECRET_ENV, .value = "DOOR_TEST_TOKEN", .prefix = "Bearer " },
};

static const char *current; /* what the server says */

static void begin(struct world *w, const struct server *srv, uint32_t methods)
{
    setenv("DOOR_TEST_TOKEN", SECRET, 1);
    world_init(w);
    world_rule(w, "server.test", 0);
    w->rules[0].inject = &inject;
    if (methods)
        w->rules[0].methods = methods;
    assert_int_equal(egress_rule_check(&w->rules[0], NULL), 0);
    w->port_tls = port_of(srv->listener);
    w->options.tls_ca = tls_file("ca.pem");
    world_start(w);
}

static void say_current(struct server *srv)
{
    struct tls t;

    if (tls_take(srv, &t) && tls_hear(srv, &t))
        tls_say(&t, current);
    tls_close(&t);
}

static void ask(const char *says, const char *cert, const char *request, struct inside *c, struct world *w,
                struct server *srv)
{
    current = says;
    tls_options = (struct tls_options){ .cert = cert };
    server_tcp(srv, say_current);
    begin(w, srv, 0);
    inside_init(c, w, 65536);
    inside_say(c, request);
    inside_eof(c);
    inside_wait_closed(c);
}

static void finish(struct inside *c, struct world *w, struct server *srv)
{
    assert_null(strstr(buf_text(&c->got), SECRET));
    assert_null(strstr(buf_text(&w->log), SECRET));
    inside_done(c);
    world_done(w);
    server_end(srv);
}

static void test_what_the_server_gets(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "named",
        "GET http://server.test/a?b HTTP/1.1\r\n" HOST
        "authorization: mine\r\nAuthorization: too\r\nRange: bytes=0-3\r\n"
        "Accept-Encoding: gzip\r\nX: y\r\n\r\n",
        &c, &w, &srv);
    assert_string_equal(srv.seen, "GET /a?b HTTP/1.1\r\n" HOST "X: y\r\nAuthorization: Bearer " SECRET
                                  "\r\nAccept-Encoding: identity\r\n\r\n");
    assert_string_equal(buf_text(&c.got),
                        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
    assert_string_equal(buf_text(&w.log), "allow 7 GET server.test:80 by server.test:443\n"
                                          "end GET server.test:80 200 at 127.0.0.1 \n");
    finish(&c, &w, &srv);
}

struct echo {
    const char *says, *gets;
};

static const struct echo echoes[] = {
    { "HTTP/1.1 200 OK\r\nX: " SECRET "\r\nContent-Length: 27\r\n\r\n<" SECRET ">",
      "HTTP/1.1 200 OK\r\nX: " STARS "\r\nContent-Length: 27\r\nConnection: keep-alive\r\n\r\n<" STARS ">" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" SECRET SECRET,
      "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: keep-alive\r\n\r\n" STARS STARS },
    { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ns3cret-tok",
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: keep-alive\r\n\r\ns3cret-tok" },
    { "HTTP/1.1 200 OK\r\n\r\ns3cret-token-" SECRET "s3cret",
      "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ns3cret-token-" STARS "s3cret" },
    { "HTTP/1.1 200 " SECRET "\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 " STARS "\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n" },
};

static void test_echoes(void **state)
{
    for (size_t i = 0; i < sizeof(echoes) / sizeof(echoes[0]); i++) {
        struct server srv;
        struct world w;
        struct inside c;

        ask(echoes[i].says, "named", GET, &c, &w, &srv);
        assert_string_equal(buf_text(&c.got), echoes[i].gets);
        finish(&c, &w, &srv);
    }
}

/* The secret cut into chunks of two bytes. */
static void test_echo_in_chunks(void **state)
{
    static const char secret[] = SECRET;
    struct server srv;
    struct world w;
    struct inside c;
    struct buf says = BUF_INIT(4096);

    assert_int_equal(buf_add_text(&says, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), 0);
    for (size_t i = 0; i + 1 < strlen(secret); i += 2)
        assert_int_equal(buf_printf(&says, "2\r\n%.2s\r\n", secret + i), 0);
    assert_int_equal(buf_printf(&says, "3\r\n%s!!\r\n0\r\n\r\n", secret + strlen(secret) - 1), 0);
    ask(buf_text(&says), "named", "GET http://server.test/ HTTP/1.0\r\n\r\n", &c, &w, &srv);
    assert_string_equal(buf_text(&c.got), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" STARS "!!");
    finish(&c, &w, &srv);
    ask(buf_text(&says), "named", GET, &c, &w, &srv);
    assert_non_null(strstr(buf_text(&c.got), STARS));
    assert_non_null(strstr(buf_text(&c.got), "\r\n0\r\n\r\n"));
    assert_null(strstr(buf_text(&c.got), "s3"));
    finish(&c, &w, &srv);
    buf_done(&says);
}

static void test_compressed(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    ask("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", "named", GET, &c, &w,
        &srv);
    assert_non_null(strstr(buf_text(&c.got), "HTTP/1.1 502 agentbox: the server's answer is compressed"));
    finish(&c, &w, &srv);
}

/* A server that cannot prove its name gets nothing. */
static void test_another_server(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "leaf", GET, &c, &w, &srv);
    assert_non_null(strstr(buf_text(&c.got), "HTTP/1.1 502 agentbox: connecting to 'server.test' port 443 "));
    assert_int_equal(srv.seen[0], '\0');
    finish(&c, &w, &srv);
}

static void serve_two(struct server *srv)
{
    struct tls t;

    if (tls_take(srv, &t))
        for (int i = 0; i < 2 && tls_hear(srv, &t); i++)
            tls_say(&t, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
    tls_wait_end(&t);
    tls_close(&t);
}

static void test_kept_alive(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    tls_options = (struct tls_options){ .cert = "named" };
    server_tcp(&srv, serve_two);
    begin(&w, &srv, 0);
    inside_init(&c, &w, 65536);
    for (int i = 0; i < 2; i++) {
        inside_say(&c, GET);
        inside_wait_text(&c, "yes");
        assert_non_null(strstr(srv.seen, "Authorization: Bearer " SECRET "\r\n"));
        buf_clear(&c.got);
    }
    assert_int_equal(w.lookups, 1);
    assert_int_equal(srv.accepted, 1);
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
}

static void take_nobody(struct server *srv)
{
    assert_int_equal(accept(srv->listener, NULL, NULL), -1); /* until the test shuts it down */
}

/* Whom a rule does not name gets no secret; methods hold, for the tunnel around them too. */
static void test_limits_of_the_rule(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, take_nobody);
    begin(&w, &srv, EGRESS_GET);
    inside_exchange(&c, &w,
                    span_of("POST http://server.test/ HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"));
    assert_non_null(strstr(buf_text(&c.got), "403 agentbox: POST is not among the methods"));
    inside_done(&c);
    inside_exchange(&c, &w, span_of("CONNECT server.test:443 HTTP/1.1\r\nHost: server.test:443\r\n\r\n"));
    assert_non_null(strstr(buf_text(&c.got), "403 agentbox: CONNECT is not among the methods"));
    inside_done(&c);
    inside_exchange(&c, &w,
                    span_of("GET http://server.test:8080/ HTTP/1.1\r\nHost: server.test:8080\r\n\r\n"));
    assert_non_null(strstr(buf_text(&c.got), "403 agentbox: plain HTTP goes to port 80 only"));
    inside_done(&c);
    w.is_strict = true;
    inside_exchange(&c, &w, span_of(GET));
    assert_non_null(strstr(buf_text(&c.got), "resolves to 127.0.0.1, which is loopback"));
    inside_done(&c);
    world_done(&w);
    shutdown(srv.listener, SHUT_RDWR);
    server_end(&srv);
}

static void test_a_secret_that_is_missing(void **state)
{
    struct world w;
    struct err err;

    unsetenv("DOOR_TEST_TOKEN");
    world_init(&w);
    world_rule(&w, "server.test", 0);
    w.rules[0].inject = &inject;
    assert_int_equal(door_new(w.loop, &w.spec, &w.options, NULL, NULL, &w.door, &err), -ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "the secret of the network rule 'server.test:443': "));
    assert_non_null(strstr(err.text, "DOOR_TEST_TOKEN"));
    world_done(&w);
}

static void check_rule(const char *text, const char *header, const char *says)
{
    struct arena arena = ARENA_INIT(1 << 16);
    struct egress_inject bad = { .header = header };
    struct egress_rule rule;
    struct err err;

    assert_int_equal(egress_rule_parse(span_of(text), &arena, &rule, NULL), 0);
    rule.inject = &bad;
    assert_int_equal(egress_rule_check(&rule, &err), -ERR_INVALID);
    assert_string_equal(err.text, says);
    arena_done(&arena);
}

static void test_rules_that_cannot_inject(void **state)
{
    check_rule("server.test:80", "Authorization",
               "'server.test:80': a secret is not sent through plain HTTP");
    check_rule("server.test", "Host", "'server.test:443': 'Host' is no header that can be injected");
    check_rule("server.test", "content-length",
               "'server.test:443': 'content-length' is no header that can be injected");
    check_rule("server.test", "X: y", "'server.test:443': 'X: y' is no header that can be injected");
    check_rule("server.test", "", "'server.test:443': '' is no header that can be injected");
}

/* ---- the search ---- */

static void check_redact(const char *text, const char *input, const char *expected)
{
    struct redact_text t;

    assert_int_equal(redact_text_init(&t, span_of(text)), 0);
    for (size_t step = 1; step <= strlen(input) + 1; step++) {
        struct redact r = { .text = &t };
        struct buf out = BUF_INIT(4096);

        for (size_t at = 0; at < strlen(input); at += step) {
            size_t n = step < strlen(input) - at ? step : strlen(input) - at;

            assert_int_equal(redact_feed(&r, span_make(input + at, n), &out), 0);
        }
        assert_int_equal(redact_end(&r, &out), 0);
        assert_string_equal(buf_text(&out), expected);
        buf_done(&out);
    }
    redact_text_done(&t);
}

static void test_redact(void **state)
{
    check_redact("aabaab", "aabaabaab", "******aab");
    check_redact("aabaab", "aaabaabaabaab", "a************");
    check_redact("aaaaaa", "aaaaaaaaaaaaa", "************a");
    check_redact("abcdef", "abcdeabcdefabcde", "abcde******abcde");
    check_redact("abcabcabd", "abcabcabcabdabcabc", "abc*********abcabc");
    check_redact("short", "short", "short"); /* too short to mean anything */
}

static int setup(void **state)
{
    unsetenv("https_proxy");
    unsetenv("HTTPS_PROXY");
    return tls_files_make();
}

static int teardown(void **state)
{
    tls_files_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redact),
        cmocka_unit_test(test_what_the_server_gets),
        cmocka_unit_test(test_echoes),
        cmocka_unit_test(test_echo_in_chunks),
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_another_server),
        cmocka_unit_test(test_kept_alive),
        cmocka_unit_test(test_limits_of_the_rule),
        cmocka_unit_test(test_a_secret_that_is_missing),
        cmocka_unit_test(test_rules_that_cannot_inject),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
