/* SPDX-License-Identifier: MIT */
/* Tunnels that end in the harness: what a client that trusts the run's authority gets, and what nobody gets.
 */
#include "tests/unit/egress/world.h"

#include "core/base/tls.h"
#include "tests/unit/base/tls_server.h"
#include "tests/unit/egress/tls_client.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define SECRET      "s3cret-token-s3cret-tokem"
#define STARS       "*************************"
#define HOST        "Host: server.test\r\n"
#define CONNECT     "CONNECT server.test:443 HTTP/1.1\r\nHost: server.test:443\r\n\r\n"
#define ESTABLISHED "HTTP/1.1 200 Connection established\r\n\r\n"
#define GET         "GET /a HTTP/1.1\r\n" HOST "Authorization: placeholder\r\n\r\n"
#define OK          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define OK_GIVEN    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"

static const struct egress_inject inject = {
    .header = "Authorization",
    .value = { .kind = SECRET_ENV, .value = "DOOR_TEST_TOKEN", .prefix = "Bearer " },
    .intercept = true,
};

/* ---- the world ---- */

static void begin(struct world *w, uint16_t port, uint32_t methods)
{
    setenv("DOOR_TEST_TOKEN", SECRET, 1);
    world_init(w);
    world_rule(w, "server.test", 0);
    world_rule(w, "*.wild.test", 0);
    world_rule(w, "plain.test", 0);
    for (int i = 0; i < 2; i++) {
        w->rules[i].inject = &inject;
        w->rules[i].methods = methods ? methods : w->rules[i].methods;
        assert_int_equal(egress_rule_check(&w->rules[i], NULL), 0);
    }
    w->port_tls = port;
    w->options.tls_ca = tls_file("ca.pem");
    world_start(w);
}

/* Trusts the run's authority and nothing else, and asks for `name`. */
static void trust(struct client *t, struct world *w, const char *name)
{
    struct buf pem = BUF_INIT(65536);
    BIO *bio;
    X509 *x;

    assert_true(door_intercepts(w->door));
    assert_int_equal(door_certificate(w->door, &pem, NULL), 0);
    assert_null(memmem(pem.data, pem.len, "KEY", 3));
    bio = BIO_new_mem_buf(pem.data, (int) pem.len);
    x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(x);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(t->ctx), x), 1);
    X509_free(x);
    BIO_free(bio);
    buf_done(&pem);
    SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM_set_flags(SSL_get0_param(t->ssl), X509_V_FLAG_X509_STRICT);
    assert_int_equal(SSL_set1_host(t->ssl, name), 1);
}

static void open_tunnel(struct client *t, struct world *w, const char *target, const char *sni)
{
    char text[256];

    client_init(t, w, sni);
    snprintf(text, sizeof(text), "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n", target, target);
    inside_say(&t->c, text);
    inside_wait_text(&t->c, ESTABLISHED);
    t->used = strlen(ESTABLISHED);
}

static void connect_to(struct client *t, struct world *w, const char *name)
{
    open_tunnel(t, w, name, name);
    trust(t, w, name);
    assert_true(client_shake(t));
}

static void client_say(struct client *t, const char *text)
{
    assert_int_equal(SSL_write(t->ssl, text, (int) strlen(text)), (int) strlen(text));
    client_flush(t);
}

/* Until `text` was said; all of it in `got`. */
static void client_hear(struct client *t, const char *text, char *got, size_t size)
{
    size_t len = 0;
    int n;

    got[0] = '\0';
    while (!strstr(got, text)) {
        n = SSL_read(t->ssl, got + len, (int) (size - 1 - len));
        if (n > 0)
            len += (size_t) n;
        else if (SSL_get_error(t->ssl, n) != SSL_ERROR_WANT_READ || !client_more(t))
            fail_msg("the end without '%s' after '%s'; log: %s", text, got, buf_text(&t->c.w->log));
        got[len] = '\0';
    }
}

static void client_leave(struct client *t)
{
    (void) SSL_shutdown(t->ssl);
    client_flush(t);
    inside_eof(&t->c);
    inside_wait_closed(&t->c);
}

/* ---- servers ---- */

static const char *current; /* what the server says */

static void say_current(struct server *srv)
{
    struct tls t;

    if (tls_take(srv, &t) && tls_hear(srv, &t))
        tls_say(&t, current);
    tls_close(&t);
}

static void say_until_the_end(struct server *srv)
{
    struct tls t;

    if (tls_take(srv, &t))
        while (tls_hear(srv, &t))
            tls_say(&t, current);
    tls_close(&t);
}

static void finish(struct client *t, struct world *w, struct server *srv)
{
    assert_null(strstr(buf_text(&w->log), SECRET));
    client_done(t);
    world_done(w);
    if (srv)
        server_end(srv);
}

static void start(struct server *srv, struct world *w, void (*script)(struct server *srv))
{
    tls_options = (struct tls_options){ .cert = "named" };
    server_tcp(srv, script);
    begin(w, port_of(srv->listener), 0);
}

/* A client that has shaken hands with it, and a server that will answer with `says`. */
static void meet(struct server *srv, struct world *w, struct client *t, const char *says,
                 void (*script)(struct server *srv))
{
    current = says;
    start(srv, w, script);
    connect_to(t, w, "server.test");
}

/* ---- what gets through ---- */

static void test_what_the_server_gets(void **state)
{
    struct server srv;
    struct world w;
    struct client t;
    char got[4096];

    meet(&srv, &w, &t, OK, say_current);
    client_say(&t, GET);
    client_hear(&t, "ok", got, sizeof(got));
    assert_string_equal(got, OK_GIVEN);
    client_leave(&t);
    assert_string_equal(srv.seen, "GET /a HTTP/1.1\r\n" HOST "Authorization: Bearer " SECRET
                                  "\r\nAccept-Encoding: identity\r\n\r\n");
    assert_string_equal(buf_text(&w.log), "allow 7 GET server.test:443 by server.test:443\n"
                                          "end GET server.test:443 200 at 127.0.0.1 \n");
    assert_true(t.c.is_eof);
    finish(&t, &w, &srv);
}

/* Each of them, in one or many pieces, over one connection to the origin. */
static void test_kept_alive(void **state)
{
    struct server srv;
    struct world w;
    struct client t;
    char got[4096];

    meet(&srv, &w, &t, OK, say_until_the_end);
    for (int i = 0; i < 3; i++) {
        client_say(&t, GET);
        client_hear(&t, "ok", got, sizeof(got));
    }
    for (const char *c = GET; *c; c++)
        client_say(&t, (char[]){ *c, '\0' });
    client_hear(&t, "ok", got, sizeof(got));
    assert_string_equal(got, OK_GIVEN);
    client_leave(&t);
    assert_int_equal(door_totals(w.door).allowed, 4);
    assert_int_equal(tls_options.handshakes, 1);
    finish(&t, &w, &srv);
}

static void test_a_large_body_up(void **state)
{
    enum { SIZE = 300000 };
    struct server srv;
    struct world w;
    struct client t;
    char got[4096], *body = calloc(1, SIZE + 1);

    assert_non_null(body);
    memset(body, 'x', SIZE);
    meet(&srv, &w, &t, OK, say_current);
    client_say(&t, "POST /b HTTP/1.1\r\n" HOST "Content-Length: 300000\r\n\r\n");
    client_say(&t, body); /* the server's buffer holds less: it answers before it has heard all */
    client_hear(&t, "\r\n\r\n", got, sizeof(got));
    free(body);
    finish(&t, &w, &srv);
}

static void say_large(struct server *srv)
{
    static char block[65536];
    struct tls t;

    memset(block, 'y', sizeof(block));
    if (tls_take(srv, &t) && tls_hear(srv, &t)) {
        tls_say(&t, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
        for (int i = 0; i < 16; i++)
            tls_say_bytes(&t, block, sizeof(block));
    }
    tls_close(&t);
}

static void test_a_large_body_down(void **state)
{
    struct server srv;
    struct world w;
    struct client t;
    char *got = malloc(2 << 20);

    assert_non_null(got);
    meet(&srv, &w, &t, current, say_large);
    client_say(&t, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    client_read(&t, got, 2 << 20);
    assert_int_equal(strspn(strstr(got, "\r\n\r\n") + 4, "y"), 1 << 20);
    free(got);
    finish(&t, &w, &srv);
}

/* A rule for names beneath one makes a certificate for each. */
static void test_many_hosts(void **state)
{
    struct world w;

    begin(&w, 1, 0);
    for (int i = 0; i < 70; i++) {
        struct client t;
        char name[32], got[1024];

        snprintf(name, sizeof(name), "h%d.wild.test", i % 40);
        connect_to(&t, &w, name);
        client_say(&t, "GET / HTTP/1.0\r\nHost: evil.test\r\n\r\n");
        client_read(&t, got, sizeof(got));
        assert_non_null(strstr(got, "403 agentbox: Host and target"));
        client_done(&t);
    }
    world_done(&w);
}

static void test_other_rules_stay_tunnels(void **state)
{
    struct server srv;
    struct world w;
    struct client t;
    char got[4096];

    current = OK;
    start(&srv, &w, say_current);
    open_tunnel(&t, &w, "plain.test", "plain.test");
    assert_true(client_shake(&t)); /* trusts anybody */
    assert_string_equal(X509_get_subject_name(SSL_get0_peer_certificate(t.ssl)) ? "" : "no", "");
    client_say(&t, "GET / HTTP/1.1\r\nHost: whoever\r\n\r\n");
    client_hear(&t, "ok", got, sizeof(got));
    assert_string_equal(srv.seen, "GET / HTTP/1.1\r\nHost: whoever\r\n\r\n");
    finish(&t, &w, &srv);
}

struct echo {
    const char *says, *gets;
};

static const struct echo echoes[] = {
    { "HTTP/1.1 200 OK\r\nX: " SECRET "\r\nContent-Length: 27\r\n\r\n<" SECRET ">",
      "HTTP/1.1 200 OK\r\nX: " STARS "\r\nContent-Length: 27\r\nConnection: keep-alive\r\n\r\n<" STARS ">" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
      "chunked\r\n\r\n8\r\n<s3cret-\r\n13\r\ntoken-s3cret-tokem>\r\n0\r\n\r\n",
      "\r\n0\r\n\r\n" },
};

static void test_echoes(void **state)
{
    for (size_t i = 0; i < sizeof(echoes) / sizeof(echoes[0]); i++) {
        struct server srv;
        struct world w;
        struct client t;
        char got[4096];

        current = echoes[i].says;
        start(&srv, &w, say_current);
        connect_to(&t, &w, "server.test");
        client_say(&t, GET);
        client_hear(&t, i == 0 ? ">" : echoes[i].gets, got, sizeof(got));
        if (i == 0)
            assert_string_equal(got, echoes[i].gets);
        assert_null(strstr(got, "s3cret"));
        assert_non_null(strstr(got, "*****"));
        client_leave(&t);
        finish(&t, &w, &srv);
    }
}

static void take_only(struct server *srv)
{
    struct tls t;

    (void) tls_take(srv, &t);
    tls_close(&t);
}

/* The origin is not who it should be: an answer that can be read. */
static void test_an_origin_with_a_wrong_certificate(void **state)
{
    static const char *const certificates[] = { "leaf", "other" };

    for (size_t i = 0; i < 2; i++) {
        struct server srv;
        struct world w;
        struct client t;
        char got[4096];

        tls_options = (struct tls_options){ .cert = certificates[i] };
        server_tcp(&srv, say_current);
        begin(&w, port_of(srv.listener), 0);
        connect_to(&t, &w, "server.test");
        client_say(&t, GET);
        client_read(&t, got, sizeof(got));
        assert_non_null(strstr(got, "HTTP/1.1 502 agentbox: "));
        assert_non_null(strstr(got, "certificate"));
        assert_non_null(strstr(buf_text(&w.log), "allow 7 GET server.test:443"));
        assert_string_equal(srv.seen, "");
        finish(&t, &w, &srv);
    }
}

/* ---- what does not ---- */

struct attack {
    const char *name, *request;
    size_t len;
    const char *answer, *log;
};

#define BYTES(text) text, sizeof(text) - 1

static const struct attack attacks[] = {
    { "another Host", BYTES("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n"), "403 agentbox: Host and target",
      "deny 7 GET server.test:443 Host" },
    { "another port in Host", BYTES("GET / HTTP/1.1\r\nHost: server.test:8443\r\n\r\n"),
      "403 agentbox: Host and target", "deny 7 GET" },
    { "port 80 in Host", BYTES("GET / HTTP/1.1\r\nHost: server.test:80\r\n\r\n"),
      "403 agentbox: Host and target", "deny 7 GET" },
    { "a dot behind Host", BYTES("GET / HTTP/1.1\r\nHost: server.test.\r\n\r\n"),
      "400 agentbox: the Host is not valid", "deny 7 GET" },
    { "a user in Host", BYTES("GET / HTTP/1.1\r\nHost: a@server.test\r\n\r\n"),
      "400 agentbox: the Host is not valid", "deny 7 GET" },
    { "no Host", BYTES("GET / HTTP/1.1\r\n\r\n"), "400 agentbox: there is no Host", "deny 7 GET" },
    { "two Hosts", BYTES("GET / HTTP/1.1\r\n" HOST "Host: evil.test\r\n\r\n"),
      "400 agentbox: there is more than one Host", "deny 7 GET" },
    { "an absolute target", BYTES("GET https://evil.test/ HTTP/1.1\r\n" HOST "\r\n"),
      "400 agentbox: the target inside of TLS", "deny 7 GET server.test:443" },
    { "a plain target", BYTES("GET http://server.test/ HTTP/1.1\r\n" HOST "\r\n"),
      "400 agentbox: the target inside of TLS", "deny 7 GET" },
    { "a target without a slash", BYTES("GET evil.test HTTP/1.1\r\n" HOST "\r\n"),
      "400 agentbox: the target inside of TLS", "deny 7 GET" },
    { "a star", BYTES("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), "400 agentbox: the target inside of TLS",
      "deny 7 OPTIONS" },
    { "a tunnel inside", BYTES(CONNECT), "403 agentbox: there is no tunnel inside", "deny 7 CONNECT" },
    { "a tunnel inside to another", BYTES("CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n"),
      "403 agentbox: there is no tunnel inside", "deny 7 CONNECT server.test:443" },
    { "HTTP/2", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "403 agentbox: the methods are",
      "deny 7  server.test:443" },
    { "an upgrade to HTTP/2 by version", BYTES("GET / HTTP/2.0\r\n" HOST "\r\n"),
      "400 agentbox: this proxy speaks", "deny 7 GET" },
    { "TRACE", BYTES("TRACE / HTTP/1.1\r\n" HOST "\r\n"), "403 agentbox: the methods are", "deny 7 " },
    { "a method that the rule does not have", BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"),
      "403 agentbox: POST is not among the methods", "deny 7 POST" },
    { "two kinds of length",
      BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      "400 agentbox: there are both", "deny 7 GET" },
    { "two lengths", BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd"),
      "400 agentbox: Content-Length is not", "deny 7 GET" },
    { "another coding", BYTES("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
      "400 agentbox: Transfer-Encoding is", "deny 7 GET" },
    { "a bare LF", BYTES("GET / HTTP/1.1\nHost: server.test\n\n"), "400 agentbox: a line ends in LF",
      "deny 7  server.test:443" },
    { "a folded line", BYTES("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"),
      "400 agentbox: a line of the head is folded", "deny 7 " },
    { "a NUL", BYTES("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n"), "400 agentbox: there is a NUL",
      "deny 7 " },
    { "another protocol",
      BYTES("GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
      "403 agentbox: plain connections are not upgraded", "deny 7 GET" },
    { "a vital header named by Connection", BYTES("GET / HTTP/1.1\r\n" HOST "Connection: host\r\n\r\n"),
      "400 agentbox: Connection names", "deny 7 GET" },
    { "a path with a blank", BYTES("GET /a b HTTP/1.1\r\n" HOST "\r\n"), "400 agentbox: the path holds",
      "deny 7 GET" },
};

/* Only GET is allowed, and nobody listens: whatever goes out fails in other words. */
static bool attack_one(const struct attack *a)
{
    struct world w;
    struct client t;
    char got[4096];
    bool is_well;

    begin(&w, 1, EGRESS_GET);
    connect_to(&t, &w, "server.test");
    assert_int_equal(SSL_write(t.ssl, a->request, (int) a->len), (int) a->len);
    client_flush(&t);
    client_read(&t, got, sizeof(got));
    is_well = strstr(got, a->answer) && strstr(buf_text(&w.log), a->log) &&
              !strstr(buf_text(&w.log), "allow 7") && door_totals(w.door).bytes_up == 0;
    if (!is_well)
        print_message("# %s: told '%s', recorded '%s'\n", a->name, got, buf_text(&w.log));
    client_done(&t);
    world_done(&w);
    return is_well;
}

static void test_attacks_inside(void **state)
{
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
        assert_true(attack_one(&attacks[i]));
}

/* The second of two requests is decided like the first. */
static void test_pipelined(void **state)
{
    struct server srv;
    struct world w;
    struct client t;
    char got[4096];

    meet(&srv, &w, &t, OK, say_current);
    client_say(&t, GET "GET /b HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    client_hear(&t, "Host and target are not the same\n", got, sizeof(got));
    assert_non_null(strstr(got, OK_GIVEN "HTTP/1.1 403 agentbox: "));
    assert_null(strstr(srv.seen, "evil"));
    client_leave(&t);
    finish(&t, &w, &srv);
}

/* ---- TLS itself ---- */

enum shape { OTHER_NAME, NO_NAME, TLS_1_1, ONLY_H2, PINS, SHAPES };

static const struct {
    const char *name, *log;
} shapes[SHAPES] = {
    [OTHER_NAME] = { "a ClientHello for another server",
                     "deny 7 CONNECT server.test:443 the TLS ClientHello asks for another server" },
    [NO_NAME] = { "a ClientHello for no server",
                  "deny 7 CONNECT server.test:443 the TLS ClientHello names no server" },
    [TLS_1_1] = { "TLS 1.1", "deny 7 CONNECT server.test:443 the client broke off the TLS" },
    [ONLY_H2] = { "HTTP/2 by ALPN", "deny 7 CONNECT server.test:443 the client broke off the TLS" },
    [PINS] = { "a client that pins another certificate",
               "deny 7 CONNECT server.test:443 the client broke off the TLS" },
};

static void shape_client(struct client *t, struct world *w, enum shape shape)
{
    open_tunnel(t, w, "server.test",
                shape == NO_NAME      ? NULL
                : shape == OTHER_NAME ? "evil.test"
                                      : "server.test");
    if (shape == TLS_1_1) {
        SSL_set_security_level(t->ssl, 0);
        assert_int_equal(SSL_set_min_proto_version(t->ssl, TLS1_VERSION), 1);
        assert_int_equal(SSL_set_max_proto_version(t->ssl, TLS1_1_VERSION), 1);
    }
    if (shape == ONLY_H2)
        assert_int_equal(SSL_set_alpn_protos(t->ssl, (const unsigned char *) "\x02h2", 3), 0);
    if (shape == PINS)
        SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
}

static bool shape_one(enum shape shape)
{
    struct world w;
    struct client t;
    bool is_well;

    begin(&w, 1, 0);
    shape_client(&t, &w, shape);
    is_well = !client_shake(&t);
    client_flush(&t);
    inside_eof(&t.c);
    inside_wait_closed(&t.c);
    is_well = is_well && strstr(buf_text(&w.log), shapes[shape].log) && !strstr(buf_text(&w.log), "allow");
    if (!is_well)
        print_message("# %s: recorded '%s'\n", shapes[shape].name, buf_text(&w.log));
    ERR_clear_error();
    client_done(&t);
    world_done(&w);
    return is_well;
}

static void test_shapes_of_tls(void **state)
{
    for (int i = 0; i < SHAPES; i++)
        assert_true(shape_one((enum shape) i));
}

/* Its alert and its end come at once: the record still says what it was. */
static void test_a_client_that_leaves(void **state)
{
    struct world w;
    struct client t;

    begin(&w, 1, 0);
    shape_client(&t, &w, PINS);
    assert_int_equal(SSL_do_handshake(t.ssl), -1);
    client_flush(&t);
    assert_true(client_more(&t));
    assert_int_equal(SSL_do_handshake(t.ssl), -1);
    client_flush(&t);
    door_conn_free(t.c.conn);
    t.c.conn = NULL;
    assert_non_null(strstr(buf_text(&w.log), shapes[PINS].log));
    assert_non_null(strstr(buf_text(&w.log), "unknown ca"));
    ERR_clear_error();
    client_done(&t);
    world_done(&w);
}

static void test_both_protocols_offered(void **state)
{
    struct server srv;
    struct world w;
    struct client t;
    const unsigned char *chosen;
    unsigned len;

    current = OK;
    start(&srv, &w, take_only);
    open_tunnel(&t, &w, "server.test", "server.test");
    trust(&t, &w, "server.test");
    assert_int_equal(SSL_set_alpn_protos(t.ssl, (const unsigned char *) "\x02h2\x08http/1.1", 12), 0);
    assert_true(client_shake(&t));
    SSL_get0_alpn_selected(t.ssl, &chosen, &len);
    assert_true(len == 8 && memcmp(chosen, "http/1.1", 8) == 0);
    client_say(&t, GET);
    client_leave(&t);
    close(srv.listener);
    shutdown(srv.listener, SHUT_RDWR);
    finish(&t, &w, &srv);
}

/* TLS 1.2 could begin anew under another name. */
static void test_renegotiation(void **state)
{
    struct world w;
    struct client t;
    char got[1024];

    begin(&w, 1, 0);
    open_tunnel(&t, &w, "server.test", "server.test");
    trust(&t, &w, "server.test");
    assert_int_equal(SSL_set_max_proto_version(t.ssl, TLS1_2_VERSION), 1);
    assert_true(client_shake(&t));
    assert_int_equal(SSL_renegotiate(t.ssl), 1);
    (void) SSL_do_handshake(t.ssl);
    client_flush(&t);
    client_read(&t, got, sizeof(got));
    assert_string_equal(got, "");
    assert_null(strstr(buf_text(&w.log), "allow"));
    ERR_clear_error();
    client_done(&t);
    world_done(&w);
}

static void test_garbage_inside(void **state)
{
    struct world w;
    struct client t;
    static const char garbage[] = "\x17\x03\x03\x00\x20 this was never encrypted by us!!";

    begin(&w, 1, 0);
    connect_to(&t, &w, "server.test");
    inside_send(&t.c, span_make(garbage, sizeof(garbage) - 1));
    inside_wait_closed(&t.c);
    assert_null(strstr(buf_text(&w.log), "allow"));
    client_done(&t);
    world_done(&w);
}

static void test_plain_http_inside(void **state)
{
    struct world w;
    struct inside c;

    begin(&w, 1, 0);
    inside_init(&c, &w, 65536);
    inside_say(&c, CONNECT "GET / HTTP/1.1\r\n" HOST "\r\n");
    inside_eof(&c);
    inside_wait_closed(&c);
    assert_non_null(
        strstr(buf_text(&c.got), "HTTP/1.1 403 agentbox: what goes through this tunnel is not TLS"));
    assert_non_null(strstr(buf_text(&w.log), "deny 7 CONNECT server.test:443 what goes"));
    inside_done(&c);
    world_done(&w);
}

static void test_late(void **state)
{
    struct world w;
    struct client t;

    setenv("DOOR_TEST_TOKEN", SECRET, 1);
    world_init(&w);
    world_rule(&w, "server.test", 0);
    w.rules[0].inject = &inject;
    w.options.head_ms = 300;
    world_start(&w);
    open_tunnel(&t, &w, "server.test", "server.test");
    (void) SSL_do_handshake(t.ssl);
    client_flush(&t); /* and nothing more */
    inside_wait_eof(&t.c);
    assert_non_null(
        strstr(buf_text(&w.log), "deny 7 CONNECT server.test:443 the client's part of TLS took longer"));
    client_done(&t);
    world_done(&w);
}

/* The authority says itself what it is good for. */
static void test_constraints(void **state)
{
    static const struct {
        const char *host;
        bool is_good;
    } hosts[] = {
        { "server.test", true }, { "a.server.test", true }, { "evil.test", false }, { "aserver.test", false }
    };
    static const char *const names[] = { "server.test" };

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct tls_authority *a;
        struct tls_session *s;
        struct buf pem = BUF_INIT(65536);
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL *ssl = SSL_new(ctx);
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem()), *bio;
        X509 *x;
        char bytes[16384];
        int n, r = 0;

        assert_int_equal(tls_authority_new(names, 1, 60000, &a, NULL), 0);
        assert_int_equal(tls_session_new(a, hosts[i].host, &s, NULL), 0);
        assert_int_equal(tls_authority_certificate(a, &pem, NULL), 0);
        bio = BIO_new_mem_buf(pem.data, (int) pem.len);
        x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x);
        SSL_set_bio(ssl, in, out);
        SSL_set_connect_state(ssl);
        SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
        SSL_set1_host(ssl, hosts[i].host);
        for (int turn = 0; turn < 4 && r != 1; turn++) {
            r = SSL_do_handshake(ssl);
            while ((n = BIO_read(out, bytes, sizeof(bytes))) > 0)
                assert_int_equal(tls_session_feed(s, span_make(bytes, (size_t) n)), n);
            (void) tls_session_read(s, bytes, sizeof(bytes), NULL);
            BIO_write(in, tls_session_pending(s).ptr, (int) tls_session_pending(s).len);
            tls_session_sent(s);
        }
        assert_int_equal(r == 1, hosts[i].is_good);
        if (!hosts[i].is_good)
            assert_int_equal(SSL_get_verify_result(ssl), X509_V_ERR_PERMITTED_VIOLATION);
        ERR_clear_error();
        X509_free(x);
        BIO_free(bio);
        buf_done(&pem);
        SSL_free(ssl);
        SSL_CTX_free(ctx);
        tls_session_free(s);
        tls_authority_free(a);
    }
}

/* ---- main ---- */

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

/* To another proxy all of them are tunnels that look like TLS. */
static void print_one(const char *kind, const char *name, bool is_blocked, enum shape shape)
{
    char text[128], bytes[4096];
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *out = BIO_new(BIO_s_mem());
    int n;

    if (shape != NO_NAME)
        SSL_set_tlsext_host_name(
            ssl, (void *) (uintptr_t) (shape == OTHER_NAME ? "evil.example.org" : "ok.example.org"));
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(ssl);
    (void) SSL_do_handshake(ssl);
    n = BIO_read(out, bytes, sizeof(bytes));
    snprintf(text, sizeof(text), "%s: %s", kind, name);
    attack_line_print(&(struct attack_line){
        .name = text,
        .is_blocked = is_blocked,
        .request = span_of("CONNECT ok.example.org:443 HTTP/1.1\r\nHost: ok.example.org:443\r\n\r\n"),
        .then = span_make(bytes, n > 0 ? (size_t) n : 0),
        .never = "",
    });
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

static int print_attacks(void)
{
    (void) setup(NULL);
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
        print_one("inside of TLS that ends here", attacks[i].name, attack_one(&attacks[i]), SHAPES);
    for (int i = 0; i < SHAPES; i++)
        print_one("TLS that ends here", shapes[i].name, shape_one((enum shape) i), (enum shape) i);
    (void) teardown(NULL);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_server_gets),
        cmocka_unit_test(test_kept_alive),
        cmocka_unit_test(test_a_large_body_up),
        cmocka_unit_test(test_a_large_body_down),
        cmocka_unit_test(test_many_hosts),
        cmocka_unit_test(test_other_rules_stay_tunnels),
        cmocka_unit_test(test_echoes),
        cmocka_unit_test(test_an_origin_with_a_wrong_certificate),
        cmocka_unit_test(test_attacks_inside),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_shapes_of_tls),
        cmocka_unit_test(test_a_client_that_leaves),
        cmocka_unit_test(test_both_protocols_offered),
        cmocka_unit_test(test_renegotiation),
        cmocka_unit_test(test_garbage_inside),
        cmocka_unit_test(test_plain_http_inside),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_constraints),
    };

    if (argc > 1 && strcmp(argv[1], "--attacks") == 0)
        return print_attacks();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
