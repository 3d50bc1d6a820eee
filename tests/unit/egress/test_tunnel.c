/* SPDX-License-Identifier: MIT */
/* Tunnels with a real TLS client inside and a real TLS server outside, and those who only pretend. */
#include "tests/unit/egress/world.h"

#include "tests/unit/base/tls_server.h"
#include "tests/unit/egress/tls_client.h"

#define CONNECT     "CONNECT ok.example.org:443 HTTP/1.1\r\nHost: ok.example.org:443\r\n\r\n"
#define ESTABLISHED "HTTP/1.1 200 Connection established\r\n\r\n"

static void begin(struct world *w, const struct server *srv)
{
    world_init(w);
    world_rule(w, "ok.example.org", 0);
    w->port_tls = port_of(srv->listener);
    world_start(w);
}

/* ---- a client ---- */

static void connect_through(struct client *t, struct world *w, const char *name)
{
    client_init(t, w, name);
    inside_say(&t->c, CONNECT);
    inside_wait_text(&t->c, ESTABLISHED);
    t->used = strlen(ESTABLISHED);
}

static void greet(struct server *srv)
{
    struct tls t;

    if (tls_take(srv, &t) && tls_hear(srv, &t))
        tls_say(&t, "hello through the door");
    tls_close(&t);
}

static void finish_hello(struct client *t)
{
    char text[64];

    assert_int_equal(SSL_write(t->ssl, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    client_flush(t);
    client_read(t, text, sizeof(text));
    assert_string_equal(text, "hello through the door");
    (void) SSL_shutdown(t->ssl);
    client_flush(t);
    inside_eof(&t->c);
    inside_wait_closed(&t->c);
    assert_true(t->c.is_eof);
}

static void test_tls_through_a_tunnel(void **state)
{
    struct server srv;
    struct world w;
    struct client t;

    server_tcp(&srv, greet);
    begin(&w, &srv);
    connect_through(&t, &w, "OK.example.org"); /* names mean the same in capitals */
    assert_true(client_shake(&t));
    finish_hello(&t);
    assert_string_equal(buf_text(&w.log), "allow 7 CONNECT ok.example.org:443 by ok.example.org:443\n"
                                          "end CONNECT ok.example.org:443 0 at 127.0.0.1 \n");
    assert_true(door_totals(w.door).bytes_up > 200 && door_totals(w.door).bytes_down > 500);
    client_done(&t);
    world_done(&w);
    server_end(&srv);
}

/* ---- ClientHellos in all sizes ---- */

static void hello_of(const char *name, struct buf *ret)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *out = BIO_new(BIO_s_mem());
    char bytes[4096];
    int n;

    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(ssl);
    if (name)
        SSL_set_tlsext_host_name(ssl, name);
    (void) SSL_do_handshake(ssl);
    while ((n = BIO_read(out, bytes, sizeof(bytes))) > 0)
        assert_int_equal(buf_add(ret, bytes, (size_t) n), 0);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

/* The client's flight as records of at most `size` bytes. */
static void send_in_records(struct client *t, size_t size)
{
    char bytes[4096], header[5] = { 0x16, 3, 1, 0, 0 };
    size_t len = client_take(t, bytes, sizeof(bytes)), at = 5;

    while (at < len) {
        size_t n = size < len - at ? size : len - at;

        header[3] = (char) (n >> 8);
        header[4] = (char) (n & 255);
        inside_send(&t->c, span_make(header, 5));
        inside_send(&t->c, span_make(bytes + at, n));
        at += n;
    }
}

static void check_fragments(size_t size)
{
    struct server srv;
    struct world w;
    struct client t;

    server_tcp(&srv, greet);
    begin(&w, &srv);
    connect_through(&t, &w, "ok.example.org");
    assert_int_equal(SSL_do_handshake(t.ssl), -1);
    send_in_records(&t, size);
    assert_true(client_shake(&t));
    finish_hello(&t);
    client_done(&t);
    world_done(&w);
    server_end(&srv);
}

static void test_hello_in_many_records(void **state)
{
    check_fragments(5);
    check_fragments(100);
}

static void test_hello_byte_by_byte_behind_connect(void **state)
{
    struct server srv;
    struct world w;
    struct client t;
    char bytes[4096];
    size_t len;
    bool at_once = true;

    server_tcp(&srv, greet);
    begin(&w, &srv);
    client_init(&t, &w, "ok.example.org");
    assert_int_equal(SSL_do_handshake(t.ssl), -1);
    len = client_take(&t, bytes, sizeof(bytes));
    inside_say(&t.c, CONNECT); /* and does not wait for the answer */
    for (size_t i = 0; i < len; i++) {
        inside_send(&t.c, span_make(bytes + i, 1));
        assert_int_equal(loop_run(w.loop, &at_once, NULL), 0);
        at_once = true;
    }
    inside_wait_text(&t.c, ESTABLISHED);
    t.used = strlen(ESTABLISHED);
    assert_true(client_shake(&t));
    finish_hello(&t);
    client_done(&t);
    world_done(&w);
    server_end(&srv);
}

/* ---- those that are cut ---- */

/* Whatever arrives is noted; nothing may. */
static void hear_nothing(struct server *srv)
{
    int fd = take(srv);

    (void) hear(srv, fd);
    close(fd);
}

struct fake {
    const char *name;
    const char *sni; /* of a real ClientHello; NULL: none in it */
    const char *bytes;
    size_t len; /* 0: the ClientHello */
    const char *answer, *log;
};

static const char fatal[] = { 0x15, 3, 3, 0, 2, 2, 112, 0 };

static const struct fake fakes[] = {
    { "another name", "evil.example.org", "", 0, fatal,
      "the TLS ClientHello asks for another server, CONNECT named 'ok.example.org'" },
    { "a name beneath", "a.ok.example.org", "", 0, fatal, "asks for another server" },
    { "a dot at the end", "ok.example.org.", "", 0, fatal, "asks for another server" },
    { "no name", NULL, "", 0, fatal, "the TLS ClientHello names no server, CONNECT named 'ok.example.org'" },
    { "plain HTTP", NULL, "GET / HTTP/1.1\r\nHost: evil\r\n\r\n", 27,
      "HTTP/1.1 403 agentbox: what goes through this tunnel is not TLS\r\n", "is not TLS" },
    { "SSH", NULL, "SSH-2.0-x\r\n", 11, "HTTP/1.1 403 ", "is not TLS" },
    { "SSL 2", NULL, "\x80\x2e\x01\x00\x02", 5, "HTTP/1.1 403 ", "is not TLS" },
    { "NUL", NULL, "\0\0\0", 3, "HTTP/1.1 403 ", "is not TLS" },
    { "a TLS alert", NULL, "\x15\x03\x03\x00\x02\x02\x28", 7, "HTTP/1.1 403 ", "is not TLS" },
    { "half a hello", NULL, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, fatal, "ends in the middle" },
    { "a ServerHello", NULL, "\x16\x03\x03\x00\x04\x02\x00\x00\x00", 9, fatal,
      "something else than a ClientHello" },
    { "HTTP behind a TLS byte", NULL, "\x16GET / HTTP/1.1\r\n\r\n", 19, fatal, "is not TLS" },
};

/* `ret_bytes`: what was sent after the answer to CONNECT */
static bool fake_one(const struct fake *f, struct buf *ret_bytes)
{
    struct server srv;
    struct world w;
    struct inside c;
    bool is_well;

    server_tcp(&srv, hear_nothing);
    begin(&w, &srv);
    inside_init(&c, &w, 65536);
    inside_say(&c, CONNECT);
    inside_wait_text(&c, ESTABLISHED);
    if (f->len > 0)
        assert_int_equal(buf_add(ret_bytes, f->bytes, f->len), 0);
    else
        hello_of(f->sni, ret_bytes);
    inside_send(&c, buf_span(ret_bytes));
    inside_eof(&c);
    inside_wait_closed(&c);
    server_end(&srv);
    is_well = memmem(c.got.data, c.got.len, f->answer, strlen(f->answer)) &&
              strstr(buf_text(&w.log), f->log) &&
              strstr(buf_text(&w.log), "\ndenied CONNECT ok.example.org:443 0 at 127.0.0.1 ") &&
              srv.seen[0] == '\0' && door_totals(w.door).bytes_up == 0;
    if (!is_well)
        print_message("# %s: told '%s', recorded '%s'\n", f->name, buf_text(&c.got), buf_text(&w.log));
    inside_done(&c);
    world_done(&w);
    return is_well;
}

static void test_fakes(void **state)
{
    for (size_t i = 0; i < sizeof(fakes) / sizeof(fakes[0]); i++) {
        struct buf bytes = BUF_INIT(1 << 16);

        assert_true(fake_one(&fakes[i], &bytes));
        buf_done(&bytes);
    }
}

static int print_fakes(void)
{
    for (size_t i = 0; i < sizeof(fakes) / sizeof(fakes[0]); i++) {
        struct buf bytes = BUF_INIT(1 << 16);
        char name[64];
        bool is_blocked = fake_one(&fakes[i], &bytes);

        snprintf(name, sizeof(name), "in a tunnel: %s", fakes[i].name);
        attack_line_print(&(struct attack_line){ .name = name,
                                                 .is_blocked = is_blocked,
                                                 .request = span_of(CONNECT),
                                                 .then = buf_span(&bytes),
                                                 .never = "" });
        buf_done(&bytes);
    }
    return 0;
}

/* ---- raw streams behind a real hello ---- */

static struct buf raw_hello;

/* A connection whose hello went through: the rest is between the two. */
static void open_raw(struct inside *c, struct world *w, size_t credit)
{
    inside_init(c, w, credit);
    inside_say(c, CONNECT);
    inside_send(c, buf_span(&raw_hello));
}

static size_t read_all(int fd)
{
    static char bytes[1 << 16];
    size_t all = 0;
    ssize_t n;

    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        all += (size_t) n;
    return all;
}

static void count_all(struct server *srv)
{
    int fd = take(srv);

    snprintf(srv->seen, sizeof(srv->seen), "%zu", read_all(fd));
    close(fd);
}

/* A second ClientHello with another name, in one piece with the first or later: its end never leaves. */
static void test_a_second_hello(void **state)
{
    for (int is_late = 0; is_late < 2; is_late++) {
        struct server srv;
        struct world w;
        struct inside c;
        struct buf second = BUF_INIT(1 << 16);

        hello_of("evil.example.org", &second);
        server_tcp(&srv, count_all);
        begin(&w, &srv);
        inside_init(&c, &w, 65536);
        inside_say(&c, CONNECT);
        if (is_late)
            inside_wait_text(&c, ESTABLISHED);
        inside_send(&c, buf_span(&raw_hello));
        for (size_t i = 0; i < second.len && is_late && !c.is_closed; i++)
            inside_send(&c, span_make(second.data + i, 1));
        if (!is_late)
            inside_send(&c, buf_span(&second));
        inside_wait_closed(&c);
        server_end(&srv);
        assert_true(strtoul(srv.seen, NULL, 10) < raw_hello.len + second.len);
        assert_non_null(strstr(buf_text(&w.log),
                               "denied CONNECT ok.example.org:443 0 at 127.0.0.1 the second TLS ClientHello "
                               "asks for another server, CONNECT named 'ok.example.org'"));
        inside_done(&c);
        world_done(&w);
        buf_done(&second);
    }
}

/* The same name again is what it is for. */
static void test_a_server_that_asks_again(void **state)
{
    struct server srv;
    struct world w;
    struct client t;

    tls_options = (struct tls_options){ .groups = "P-384" }; /* the client guesses another one */
    server_tcp(&srv, greet);
    begin(&w, &srv);
    connect_through(&t, &w, "ok.example.org");
    assert_int_equal(SSL_set1_groups_list(t.ssl, "X25519:P-384"), 1);
    assert_true(client_shake(&t));
    finish_hello(&t);
    assert_int_equal(SSL_version(t.ssl), TLS1_3_VERSION);
    client_done(&t);
    world_done(&w);
    server_end(&srv);
    tls_options = (struct tls_options){ 0 };
}

static void answer_after_eof(struct server *srv)
{
    int fd = take(srv);

    snprintf(srv->seen, sizeof(srv->seen), "%zu", read_all(fd));
    say(fd, "said after the client's end");
    close(fd);
}

/* The client half-closes, the server goes on. */
static void test_half_closed_by_the_client(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;
    char expected[16];

    server_tcp(&srv, answer_after_eof);
    begin(&w, &srv);
    open_raw(&c, &w, 65536);
    inside_say(&c, "more");
    inside_eof(&c);
    inside_wait_closed(&c);
    assert_true(c.is_eof);
    assert_string_equal(buf_text(&c.got), ESTABLISHED "said after the client's end");
    server_end(&srv);
    snprintf(expected, sizeof(expected), "%zu", raw_hello.len + 4);
    assert_string_equal(srv.seen, expected);
    inside_done(&c);
    world_done(&w);
}

static void close_then_hear(struct server *srv)
{
    int fd = take(srv);

    say(fd, "all I have");
    shutdown(fd, SHUT_WR);
    snprintf(srv->seen, sizeof(srv->seen), "%zu", read_all(fd));
    close(fd);
}

/* The server half-closes, the client goes on. */
static void test_half_closed_by_the_server(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;
    char expected[16], *body = calloc(1, 1 << 20);

    server_tcp(&srv, close_then_hear);
    begin(&w, &srv);
    open_raw(&c, &w, 65536);
    inside_wait_eof(&c);
    assert_string_equal(buf_text(&c.got), ESTABLISHED "all I have");
    inside_send(&c, span_make(body, 1 << 20));
    inside_eof(&c);
    inside_wait_closed(&c);
    server_end(&srv);
    snprintf(expected, sizeof(expected), "%zu", raw_hello.len + (1 << 20));
    assert_string_equal(srv.seen, expected);
    inside_done(&c);
    world_done(&w);
    free(body);
}

static void reset_it(struct server *srv)
{
    int fd = take(srv);
    char byte;

    (void) !read(fd, &byte, 1);
    reset_connection(fd);
}

static void test_reset(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, reset_it);
    begin(&w, &srv);
    open_raw(&c, &w, 65536);
    inside_wait_closed(&c);
    assert_false(c.is_eof);
    assert_non_null(
        strstr(buf_text(&w.log), "end CONNECT ok.example.org:443 0 at 127.0.0.1 the connection was reset\n"));
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
}

static void say_hundred(struct server *srv)
{
    int fd = take(srv);

    for (int i = 0; i < 10; i++)
        say(fd, "0123456789");
    wait_end(fd);
    close(fd);
}

/* Never a byte more than the credit. */
static void test_credit(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, say_hundred);
    begin(&w, &srv);
    open_raw(&c, &w, 0);
    inside_credit(&c, strlen(ESTABLISHED) + 10);
    inside_wait_bytes(&c, strlen(ESTABLISHED) + 10);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(c.got.len, strlen(ESTABLISHED) + 10 + 10 * (size_t) i);
        inside_credit(&c, 10);
        inside_wait_bytes(&c, strlen(ESTABLISHED) + 20 + 10 * (size_t) i);
    }
    assert_int_equal(c.got.len, strlen(ESTABLISHED) + 100);
    inside_done(&c);
    assert_non_null(strstr(buf_text(&w.log), "at 127.0.0.1 the client went away\n"));
    world_done(&w);
    server_end(&srv);
}

static void flood(struct server *srv)
{
    static char bytes[1 << 16];
    int fd = take(srv);

    while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
        continue;
    close(fd);
}

/* Both ways together, to the byte. */
static void test_max_bytes(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;
    struct door_totals totals;

    server_tcp(&srv, flood);
    begin(&w, &srv);
    w.spec.max_bytes = 1000000;
    open_raw(&c, &w, 65536);
    inside_wait_closed(&c);
    totals = door_totals(w.door);
    assert_int_equal(totals.bytes_up, raw_hello.len);
    assert_int_equal(totals.bytes_up + totals.bytes_down, 1000000);
    assert_non_null(
        strstr(buf_text(&w.log), "denied CONNECT ok.example.org:443 0 at 127.0.0.1 the run's limit of "));
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
}

static void test_free_inside_a_callback(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, say_hundred);
    begin(&w, &srv);
    open_raw(&c, &w, 65536);
    inside_wait_text(&c, ESTABLISHED);
    c.frees_on_bytes = true;
    inside_wait_closed(&c);
    assert_int_equal(door_totals(w.door).open, 0);
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
}

/* A run that ends cuts what is open, and says so. */
static void test_door_free_cuts(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, say_hundred);
    begin(&w, &srv);
    open_raw(&c, &w, 65536);
    inside_wait_text(&c, "0123456789");
    door_free(w.door);
    w.door = NULL;
    assert_non_null(
        strstr(buf_text(&w.log), "end CONNECT ok.example.org:443 0 at 127.0.0.1 the run ended\n"));
    assert_false(c.is_closed);
    c.conn = NULL;
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
}

/* ---- time ---- */

static void test_late_hello(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, hear_nothing);
    world_init(&w);
    world_rule(&w, "ok.example.org", 0);
    w.port_tls = port_of(srv.listener);
    w.options.head_ms = 1000; /* by then the server has been called: it waits for that */
    world_start(&w);
    inside_init(&c, &w, 65536);
    inside_say(&c, CONNECT "\x16\x03");
    inside_wait_closed(&c);
    assert_non_null(strstr(buf_text(&w.log),
                           "denied CONNECT ok.example.org:443 0 at 127.0.0.1 the TLS ClientHello "
                           "took longer than 1 s\n"));
    inside_done(&c);
    inside_init(&c, &w, 65536);
    inside_say(&c, "CONNECT ok.example.org");
    inside_wait_text(&c, "HTTP/1.1 408 agentbox: the request's head took too long\r\n");
    inside_eof(&c);
    inside_wait_closed(&c);
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
    assert_int_equal(srv.seen[0], '\0');
}

static void check_time(int64_t lifetime_ms, int64_t idle_ms, const char *log)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, say_hundred);
    begin(&w, &srv);
    w.spec.lifetime_ms = lifetime_ms;
    w.spec.idle_ms = idle_ms;
    open_raw(&c, &w, 65536);
    inside_wait_closed(&c);
    assert_false(c.is_eof);
    assert_non_null(strstr(buf_text(&w.log), log));
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
}

static void test_lifetime_and_idleness(void **state)
{
    check_time(2000, 0, "the connection is older than 2 s\n");
    check_time(0, 2000, "nothing moved for 2 s\n");
}

static int setup(void **state)
{
    buf_init(&raw_hello, 1 << 16);
    hello_of("ok.example.org", &raw_hello);
    return tls_files_make();
}

static int teardown(void **state)
{
    buf_done(&raw_hello);
    tls_files_remove();
    return 0;
}

/* --attacks: print those of them instead */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_through_a_tunnel),
        cmocka_unit_test(test_hello_in_many_records),
        cmocka_unit_test(test_hello_byte_by_byte_behind_connect),
        cmocka_unit_test(test_fakes),
        cmocka_unit_test(test_a_second_hello),
        cmocka_unit_test(test_a_server_that_asks_again),
        cmocka_unit_test(test_half_closed_by_the_client),
        cmocka_unit_test(test_half_closed_by_the_server),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_max_bytes),
        cmocka_unit_test(test_free_inside_a_callback),
        cmocka_unit_test(test_door_free_cuts),
        cmocka_unit_test(test_late_hello),
        cmocka_unit_test(test_lifetime_and_idleness),
    };

    if (argc > 1 && strcmp(argv[1], "--attacks") == 0)
        return print_fakes();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
