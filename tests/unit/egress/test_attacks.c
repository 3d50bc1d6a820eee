/* SPDX-License-Identifier: MIT */
/*
 * The door under attack: requests that must not get out, each with what its client is told and what the
 * record says, against a real server that would answer all of them. Beside them the requests that must get
 * through, and what exactly the server then sees.
 */
#include "tests/unit/egress/world.h"

#include "tests/unit/base/server.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* Answers everything it is asked; the bytes of all requests end up in `seen`. */
static struct {
    struct server srv;
    pthread_mutex_t lock;
    char seen[1 << 16];
    size_t len;
    int connections;
} origin = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void note(const char *bytes, size_t len)
{
    pthread_mutex_lock(&origin.lock);
    if (origin.len + len < sizeof(origin.seen)) {
        memcpy(origin.seen + origin.len, bytes, len);
        origin.len += len;
        origin.seen[origin.len] = '\0';
    }
    pthread_mutex_unlock(&origin.lock);
}

static void serve_one(int fd)
{
    char bytes[16384];
    size_t len = 0;
    ssize_t n;
    char *end, *field;

    while ((n = read(fd, bytes + len, sizeof(bytes) - 1 - len)) > 0) {
        note(bytes + len, (size_t) n);
        len += (size_t) n;
        bytes[len] = '\0';
        while ((end = strstr(bytes, "\r\n\r\n"))) {
            size_t whole = (size_t) (end - bytes) + 4;

            field = strstr(bytes, "Content-Length: ");
            if (field && field < end)
                whole += strtoul(field + 16, NULL, 10);
            else if (strstr(bytes, "chunked") && strstr(bytes, "chunked") < end) {
                if (!strstr(end, "0\r\n\r\n"))
                    break;
                whole = (size_t) (strstr(end, "\r\n0\r\n\r\n") - bytes) + 7;
            }
            if (len < whole)
                break;
            say(fd, OK);
            len -= whole;
            memmove(bytes, bytes + whole, len + 1);
        }
    }
    close(fd);
}

static void serve_all(struct server *srv)
{
    int fd;

    while ((fd = accept(srv->listener, NULL, NULL)) >= 0) {
        pthread_mutex_lock(&origin.lock);
        origin.connections++;
        pthread_mutex_unlock(&origin.lock);
        serve_one(fd);
    }
}

static int setup(void **state)
{
    server_tcp(&origin.srv, serve_all);
    return 0;
}

static int teardown(void **state)
{
    shutdown(origin.srv.listener, SHUT_RDWR);
    server_end(&origin.srv);
    return 0;
}

static void begin(struct world *w)
{
    world_init(w);
    world_rule(w, "ok.example.org:80", 0);
    world_rule(w, "*.wild.example.org:80", 0);
    world_rule(w, "ro.example.org:80", EGRESS_GET | EGRESS_HEAD);
    world_rule(w, "ok.example.org", 0);
    world_rule(w, "*.wild.example.org:443", 0);
    world_rule(w, "xn--bcher-kva.example.org:80", 0);
    w->port_plain = w->port_tls = port_of(origin.srv.listener);
    world_start(w);
    origin.len = 0;
    origin.seen[0] = '\0';
    origin.connections = 0;
}

/* ---- what must not get out ---- */

struct attack {
    const char *name, *request;
    size_t len;         /* 0: strlen */
    const char *answer; /* in what the client is told */
    const char *log;    /* in the record; NULL: as the answer */
};

#define REST(host)        "Host: " host "\r\n\r\n"
#define GET(target, host) "GET " target " HTTP/1.1\r\n" REST(host)
#define BYTES(text)       text, sizeof(text) - 1
#define PLAIN(more)       "GET http://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n" more "\r\n"
#define POST(more)        "POST http://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n" more
#define CONNECT(target)   "CONNECT " target " HTTP/1.1\r\nHost: " target "\r\n\r\n"

static const char bad_host[] = "letters, digits and hyphens", no_dot[] = "ends with a dot",
                  in_disguise[] = "four decimal numbers", not_listed[] = "is not in network.allow",
                  user[] = "user names and passwords", no_domain[] = "needs a domain",
                  empty_label[] = "is empty", bad_port[] = "a port is a number",
                  no_v6[] = "no plain IPv6 address", brackets[] = "stands in brackets",
                  other_host[] = "Host and target are not the same", bare_lf[] = "ends in LF without CR",
                  lone_cr[] = "a CR stands alone", nul[] = "there is a NUL", control[] = "a control byte",
                  folded[] = "is folded", two_hosts[] = "more than one Host", no_host[] = "there is no Host",
                  both[] = "both Transfer-Encoding and Content-Length",
                  coding[] = "something else than chunked", length[] = "not one number",
                  line[] = "is not: method, target, version", version[] = "speaks HTTP/1.0 and HTTP/1.1",
                  method[] = "the methods are", loopback[] = "is loopback, which no rule can allow",
                  metadata[] = "is a metadata service, which no rule can allow";

static const struct attack attacks[] = {
    /* names */
    { "another name", BYTES(GET("http://evil.example.org/", "evil.example.org")), not_listed, NULL },
    { "a tunnel to another name", BYTES(CONNECT("evil.example.org:443")), not_listed, NULL },
    { "the bare suffix", BYTES(GET("http://wild.example.org/", "wild.example.org")), not_listed, NULL },
    { "the suffix as part of a label", BYTES(GET("http://evilwild.example.org/", "evilwild.example.org")),
      not_listed, NULL },
    { "the suffix inside", BYTES(GET("http://a.wild.example.org.evil.org/", "a.wild.example.org.evil.org")),
      not_listed, NULL },
    { "the name as a prefix", BYTES(GET("http://ok.example.org.evil.org/", "ok.example.org.evil.org")),
      not_listed, NULL },
    { "a parent of the name", BYTES(GET("http://example.org/", "example.org")), not_listed, NULL },
    { "a child of the name", BYTES(GET("http://a.ok.example.org/", "a.ok.example.org")), not_listed, NULL },
    { "a dot at the end", BYTES(GET("http://ok.example.org./", "ok.example.org.")), no_dot, NULL },
    { "two dots", BYTES(GET("http://ok..example.org/", "ok..example.org")), empty_label, NULL },
    { "a dot in front", BYTES(GET("http://.wild.example.org/", ".wild.example.org")), empty_label, NULL },
    { "one label", BYTES(GET("http://localhost/", "localhost")), no_domain, NULL },
    { "an underscore", BYTES(GET("http://a_b.wild.example.org/", "a_b.wild.example.org")), "no underscore",
      NULL },
    { "a hyphen at the edge", BYTES(GET("http://-a.wild.example.org/", "-a.wild.example.org")),
      "with a hyphen", NULL },
    { "a star", BYTES(GET("http://*.wild.example.org/", "*.wild.example.org")), "has no '*'", NULL },
    { "percent for a dot", BYTES(GET("http://ok%2eexample.org/", "ok%2eexample.org")), "percent signs",
      NULL },
    { "percent for NUL", BYTES(GET("http://evil.org%00.wild.example.org/", "evil.org%00.wild.example.org")),
      "percent signs", NULL },
    { "an ideographic dot",
      BYTES(GET("http://ok\xe3\x80\x82"
                "example.org/",
                "ok.example.org")),
      "xn--", NULL },
    { "full width letters", BYTES(GET("http://\xef\xbd\x8fk.example.org/", "ok.example.org")), "xn--", NULL },
    { "umlauts",
      BYTES(GET("http://b\xc3\xbc"
                "cher.example.org/",
                "b\xc3\xbc"
                "cher.example.org")),
      "xn--", NULL },
    { "a label of 64 bytes",
      BYTES(GET("http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.wild.example.org/",
                "x")),
      "longer than 63", NULL },
    { "userinfo", BYTES(GET("http://ok.example.org@evil.example.org/", "evil.example.org")), user, NULL },
    { "userinfo with a password", BYTES(GET("http://a:b@ok.example.org/", "ok.example.org")), user, NULL },
    { "userinfo in a tunnel", BYTES(CONNECT("ok.example.org@evil.example.org:443")), user, NULL },
    { "a backslash before @", BYTES(GET("http://ok.example.org\\@evil.example.org/", "ok.example.org")), user,
      NULL },
    { "a semicolon", BYTES(GET("http://ok.example.org;evil.example.org/", "ok.example.org")), bad_host,
      NULL },
    { "a comma", BYTES(GET("http://ok.example.org,evil.example.org/", "ok.example.org")), bad_host, NULL },
    { "no host", BYTES(GET("http:///", "ok.example.org")), "there is no host", NULL },
    { "a fragment before @", BYTES(GET("http://evil.example.org#@ok.example.org/", "ok.example.org")),
      "percent-encoded", NULL },

    /* ports */
    { "plain HTTP on another port", BYTES(GET("http://ok.example.org:8080/", "ok.example.org:8080")),
      "port 80 only", NULL },
    { "plain HTTP on port 443", BYTES(GET("http://ok.example.org:443/", "ok.example.org:443")),
      "port 80 only", NULL },
    { "a tunnel to port 80", BYTES(CONNECT("ok.example.org:80")), "port 80 is for plain HTTP", NULL },
    { "a tunnel to another port", BYTES(CONNECT("ok.example.org:22")),
      "is allowed on port 80, not on port 22", NULL },
    { "letters behind the port", BYTES(CONNECT("ok.example.org:443abc")), bad_port, NULL },
    { "port 0", BYTES(CONNECT("ok.example.org:0")), bad_port, NULL },
    { "port 65979", BYTES(CONNECT("ok.example.org:65979")), bad_port, NULL },
    { "a zero before the port", BYTES(CONNECT("ok.example.org:0443")), bad_port, NULL },
    { "a sign before the port", BYTES(CONNECT("ok.example.org:+443")), bad_port, NULL },
    { "an empty port", BYTES(CONNECT("ok.example.org:")), bad_port, NULL },
    { "no port for a tunnel", BYTES(CONNECT("ok.example.org")), "needs a port", NULL },
    { "two ports", BYTES(CONNECT("ok.example.org:443:22")), brackets, NULL },

    /* addresses */
    { "loopback", BYTES(GET("http://127.0.0.1/", "127.0.0.1")), loopback, NULL },
    { "metadata", BYTES(GET("http://169.254.169.254/latest/meta-data/", "169.254.169.254")), metadata, NULL },
    { "a public address", BYTES(CONNECT("93.184.216.34:443")), not_listed, NULL },
    { "an address in decimal", BYTES(GET("http://2130706433/", "2130706433")), in_disguise, NULL },
    { "an address in hex", BYTES(GET("http://0x7f000001/", "0x7f000001")), in_disguise, NULL },
    { "an address in dotted hex", BYTES(GET("http://0x7f.0x0.0x0.0x1/", "0x7f.0x0.0x0.0x1")), in_disguise,
      NULL },
    { "an address in octal", BYTES(GET("http://0177.0.0.1/", "0177.0.0.1")), in_disguise, NULL },
    { "a short address", BYTES(GET("http://127.1/", "127.1")), in_disguise, NULL },
    { "an address with a dot at its end", BYTES(CONNECT("127.0.0.1.:443")), no_dot, NULL },
    { "an address that overflows", BYTES(GET("http://127.0.0.257/", "127.0.0.257")), in_disguise, NULL },
    { "IPv6 loopback", BYTES(CONNECT("[::1]:443")), loopback, NULL },
    { "IPv6 mapped", BYTES(CONNECT("[::ffff:127.0.0.1]:443")), no_v6, NULL },
    { "IPv6 mapped in hex", BYTES(CONNECT("[::ffff:7f00:1]:443")), no_v6, NULL },
    { "IPv6 compatible", BYTES(CONNECT("[::127.0.0.1]:443")), no_v6, NULL },
    { "IPv6 with a zone", BYTES(CONNECT("[fe80::1%25eth0]:443")), no_v6, NULL },
    { "IPv6 NAT64 of metadata", BYTES(CONNECT("[64:ff9b::a9fe:a9fe]:443")), metadata, NULL },
    { "IPv6 without brackets", BYTES(CONNECT("::1:443")), brackets, NULL },
    { "IPv6 half in brackets", BYTES(CONNECT("[::1:443")), no_v6, NULL },

    /* lines and bytes */
    { "bare LF", BYTES("GET http://ok.example.org/ HTTP/1.1\nHost: ok.example.org\n\n"), bare_lf, NULL },
    { "a bare CR", BYTES(PLAIN("X: a\rGET http://evil/ HTTP/1.1\r\n")), lone_cr, NULL },
    { "NUL in the host", BYTES("GET http://evil.org\0.wild.example.org/ HTTP/1.1\r\nHost: x\r\n\r\n"), nul,
      NULL },
    { "NUL in a header", BYTES(PLAIN("X: a\0b\r\n")), nul, NULL },
    { "a control byte", BYTES(PLAIN("X: a\x01\r\n")), control, NULL },
    { "a folded header", BYTES(PLAIN("X: a\r\n b\r\n")), folded, NULL },
    { "a blank before the colon", BYTES(PLAIN("Transfer-Encoding : chunked\r\n")), "name of a header", NULL },
    { "a header without a colon", BYTES(PLAIN("X\r\n")), "no colon", NULL },
    { "a header without a name", BYTES(PLAIN(": x\r\n")), "name of a header", NULL },
    { "a blank line first", BYTES("\r\n" PLAIN("")), "a blank line", NULL },
    { "two blanks in the line", BYTES("GET  http://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n\r\n"),
      "neither http://host/path", NULL },
    { "a blank in the target", BYTES(GET("http://ok.example.org/a b", "ok.example.org")), "percent-encoded",
      NULL },
    { "a tab in the line", BYTES("GET\thttp://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n\r\n"),
      line, NULL },
    { "HTTP/0.9", BYTES("GET http://ok.example.org/\r\n\r\n"), line, NULL },
    { "HTTP/2.0", BYTES("GET http://ok.example.org/ HTTP/2.0\r\nHost: ok.example.org\r\n\r\n"), version,
      NULL },
    { "HTTP/1.10", BYTES("GET http://ok.example.org/ HTTP/1.10\r\nHost: ok.example.org\r\n\r\n"), version,
      NULL },
    { "http/1.1", BYTES("GET http://ok.example.org/ http/1.1\r\nHost: ok.example.org\r\n\r\n"), version,
      NULL },
    { "the preface of HTTP/2", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), method, NULL },
    { "TLS to the proxy", BYTES("\x16\x03\x01\x00\x05hello\r\n\r\n"), control, NULL },
    { "SOCKS", BYTES("\x05\x01\x00"), control, NULL },
    { "half a head", BYTES("GET http://ok.example.org/ HT"), "ends in the middle", NULL },

    /* methods */
    { "TRACE", BYTES("TRACE http://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n\r\n"), method, NULL },
    { "a method in small letters",
      BYTES("get http://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n\r\n"), method, NULL },
    { "a method that the rule does not have",
      BYTES("POST http://ro.example.org/ HTTP/1.1\r\nHost: ro.example.org\r\nContent-Length: 0\r\n\r\n"),
      "POST is not among the methods that are allowed for 'ro.example.org'", NULL },
    { "a tunnel to a rule with methods", BYTES(CONNECT("ro.example.org:443")), "is allowed on port 80",
      NULL },

    /* targets */
    { "origin form", BYTES(GET("/", "ok.example.org")), "this is a proxy", NULL },
    { "asterisk form", BYTES("OPTIONS * HTTP/1.1\r\nHost: ok.example.org\r\n\r\n"), "neither http://host",
      NULL },
    { "https in absolute form", BYTES(GET("https://ok.example.org/", "ok.example.org")), "through a tunnel",
      NULL },
    { "ftp", BYTES(GET("ftp://ok.example.org/", "ok.example.org")), "neither http://host", NULL },
    { "a scheme in capitals", BYTES(GET("HTTP://ok.example.org/", "ok.example.org")), "neither http://host",
      NULL },
    { "a URL for CONNECT", BYTES(CONNECT("http://ok.example.org:443")), brackets, NULL },
    { "a path for CONNECT", BYTES(CONNECT("ok.example.org:443/")), bad_port, NULL },

    /* Host */
    { "another Host", BYTES(GET("http://ok.example.org/", "evil.example.org")), other_host, NULL },
    { "another Host for a tunnel",
      BYTES("CONNECT ok.example.org:443 HTTP/1.1\r\nHost: evil.example.org:443\r\n\r\n"), other_host, NULL },
    { "another port in Host", BYTES(GET("http://ok.example.org/", "ok.example.org:8080")), other_host, NULL },
    { "two Hosts", BYTES(PLAIN("Host: evil.example.org\r\n")), two_hosts, NULL },
    { "the same Host twice", BYTES(PLAIN("hOST: ok.example.org\r\n")), two_hosts, NULL },
    { "no Host", BYTES("GET http://ok.example.org/ HTTP/1.1\r\n\r\n"), no_host, NULL },
    { "an empty Host", BYTES(GET("http://ok.example.org/", "")), "Host is not valid", NULL },
    { "a list in Host", BYTES(GET("http://ok.example.org/", "ok.example.org, evil.example.org")),
      "Host is not valid", NULL },
    { "a path in Host", BYTES(GET("http://ok.example.org/", "ok.example.org/x")), "Host is not valid", NULL },

    /* smuggling */
    { "chunks with a length", BYTES(POST("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
      both, NULL },
    { "two lengths", BYTES(POST("Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde")), length, NULL },
    { "the same length twice", BYTES(POST("Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd")), length,
      NULL },
    { "a list of lengths", BYTES(POST("Content-Length: 4, 4\r\n\r\nabcd")), length, NULL },
    { "a length with a sign", BYTES(POST("Content-Length: +4\r\n\r\nabcd")), length, NULL },
    { "a negative length", BYTES(POST("Content-Length: -1\r\n\r\n")), length, NULL },
    { "a length in hex", BYTES(POST("Content-Length: 0x4\r\n\r\nabcd")), length, NULL },
    { "a length beyond reason", BYTES(POST("Content-Length: 99999999999999999999\r\n\r\n")), length, NULL },
    { "an unknown coding", BYTES(POST("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")), coding, NULL },
    { "two codings", BYTES(POST("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")), coding, NULL },
    { "chunked twice",
      BYTES(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")), coding,
      NULL },
    { "a coding with a vertical tab",
      BYTES(POST("Transfer-Encoding: \x0b"
                 "chunked\r\n\r\n0\r\n\r\n")),
      control, NULL },
    { "chunks in HTTP/1.0",
      BYTES("POST http://ok.example.org/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      "HTTP/1.0 has no Transfer-Encoding", NULL },
    { "a body for CONNECT",
      BYTES("CONNECT ok.example.org:443 HTTP/1.1\r\nHost: ok.example.org:443\r\nContent-Length: "
            "5\r\n\r\nhello"),
      "CONNECT has no body", NULL },
    { "Connection names Host", BYTES(PLAIN("Connection: Host\r\n")), "a header that the request needs",
      NULL },
    { "Connection names Content-Length",
      BYTES(POST("Connection: content-length\r\nContent-Length: 1\r\n\r\nx")),
      "a header that the request needs", NULL },
    { "an upgrade", BYTES(PLAIN("Connection: Upgrade\r\nUpgrade: websocket\r\n")), "not upgraded", NULL },
    { "another expectation", BYTES(POST("Expect: the-unexpected\r\nContent-Length: 1\r\n\r\nx")),
      "100-continue", NULL },
};

/* One record, and an answer that ends the connection. */
static bool is_fended_off(const struct attack *a, const struct world *w, const struct inside *c)
{
    const char *told = buf_text(&c->got), *recorded = buf_text(&w->log);

    return strstr(told, a->answer) && strstr(recorded, a->log ? a->log : a->answer) &&
           strncmp(told, "HTTP/1.1 4", 10) == 0 && strstr(told, "\r\nConnection: close\r\n") &&
           strncmp(recorded, "deny 7 ", 7) == 0 && strchr(recorded, '\n')[1] == '\0' && w->lookups == 0 &&
           origin.connections == 0;
}

static bool attack_one(const struct attack *a)
{
    struct world w;
    struct inside c;
    bool is_well;

    begin(&w);
    inside_exchange(&c, &w, span_make(a->request, a->len));
    is_well = is_fended_off(a, &w, &c);
    if (!is_well)
        print_message("# %s: told '%s', recorded '%s'\n", a->name, buf_text(&c.got), buf_text(&w.log));
    inside_done(&c);
    world_done(&w);
    return is_well;
}

static void test_attacks(void **state)
{
    int failed = 0;

    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
        failed += !attack_one(&attacks[i]);
    assert_int_equal(failed, 0);
}

/* ---- heads of other sizes ---- */

static void check_refused(struct span request, const char *answer)
{
    struct world w;
    struct inside c;

    begin(&w);
    inside_exchange(&c, &w, request);
    if (!strstr(buf_text(&c.got), answer))
        fail_msg("told '%s'", buf_text(&c.got));
    assert_int_equal(origin.connections, 0);
    inside_done(&c);
    world_done(&w);
}

static void test_long_heads(void **state)
{
    struct buf head = BUF_INIT(1 << 20);
    int i;

    assert_int_equal(buf_add_text(&head, "GET http://ok.example.org/"), 0);
    while (head.len < 16500)
        assert_int_equal(buf_add_text(&head, "aaaaaaaa"), 0);
    check_refused(buf_span(&head), "HTTP/1.1 431 ");
    buf_clear(&head);
    assert_int_equal(buf_add_text(&head, "GET http://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n"),
                     0);
    for (i = 0; i < 200; i++)
        assert_int_equal(buf_add_text(&head, "A: b\r\n"), 0);
    assert_int_equal(buf_add_text(&head, "\r\n"), 0);
    check_refused(buf_span(&head), "too many headers");
    buf_done(&head);
}

/* ---- addresses behind names ---- */

struct rebinding {
    const char *answer[3];
    const char *what;
};

static const struct rebinding rebindings[] = {
    { { "127.0.0.1" }, "loopback" },
    { { "127.8.9.10" }, "loopback" },
    { { "0.0.0.0" }, "this host" },
    { { "10.0.0.1" }, "private" },
    { { "172.31.255.255" }, "private" },
    { { "192.168.1.1" }, "private" },
    { { "100.64.0.1" }, "shared address space" },
    { { "169.254.1.1" }, "link-local" },
    { { "169.254.169.254" }, "a metadata service" },
    { { "100.100.100.200" }, "a metadata service" },
    { { "168.63.129.16" }, "a metadata service" },
    { { "192.0.0.192" }, "a metadata service" },
    { { "192.0.0.8" }, "reserved for protocols" },
    { { "198.18.0.1" }, "for benchmarks" },
    { { "224.0.0.1" }, "multicast" },
    { { "255.255.255.255" }, "reserved" },
    { { "::" }, "reserved" },
    { { "::1" }, "loopback" },
    { { "::ffff:127.0.0.1" }, "loopback" },
    { { "::127.0.0.1" }, "reserved" },
    { { "64:ff9b::10.0.0.1" }, "private" },
    { { "64:ff9b:1::1" }, "reserved" },
    { { "2002:7f00:1::" }, "a 6to4 tunnel" },
    { { "2001:0:1::1" }, "a Teredo tunnel" },
    { { "2001:2::1" }, "reserved for protocols" },
    { { "fc00::1" }, "private" },
    { { "fd00:ec2::254" }, "a metadata service" },
    { { "fd20:ce::254" }, "a metadata service" },
    { { "fe80::1" }, "link-local" },
    { { "fec0::1" }, "reserved" },
    { { "ff02::1" }, "multicast" },
    { { "93.184.216.34", "10.0.0.1" }, "private" },
    { { "2606:2800:220:1::1", "93.184.216.34", "169.254.169.254" }, "a metadata service" },
};

static const struct span rebinding_request = { BYTES(GET("http://ok.example.org/", "ok.example.org")) };

static bool rebind_one(const struct rebinding *r)
{
    struct world w;
    struct inside c;
    char expected[128];
    bool is_well;

    begin(&w);
    w.is_strict = true;
    while (w.answers < 3 && r->answer[w.answers]) {
        w.answer[w.answers] = r->answer[w.answers];
        w.answers++;
    }
    inside_exchange(&c, &w, rebinding_request);
    snprintf(expected, sizeof(expected), "which is %s, not an address of the internet", r->what);
    is_well =
        strstr(buf_text(&c.got), expected) && strstr(buf_text(&w.log), expected) &&
        strstr(buf_text(&w.log), "\ndenied GET ok.example.org:80 0 at  'ok.example.org' resolves to ") &&
        origin.connections == 0;
    if (!is_well)
        print_message("# %s: told '%s', recorded '%s'\n", r->answer[0], buf_text(&c.got), buf_text(&w.log));
    inside_done(&c);
    world_done(&w);
    return is_well;
}

static void test_addresses_behind_names(void **state)
{
    for (size_t i = 0; i < sizeof(rebindings) / sizeof(rebindings[0]); i++)
        assert_true(rebind_one(&rebindings[i]));
}

/* The answer is good when it is looked at; a second lookup would give the attacker's. There is none. */
static void test_an_answer_that_changes(void **state)
{
    struct world w;
    struct inside c;

    begin(&w);
    w.then = "169.254.169.254";
    inside_init(&c, &w, 65536);
    inside_say(&c, GET("http://ok.example.org/1", "ok.example.org"));
    inside_wait_text(&c, "ok");
    inside_say(&c, GET("http://ok.example.org/2", "ok.example.org"));
    inside_wait_bytes(&c, 2 * c.got.len);
    assert_int_equal(w.lookups, 1);
    inside_done(&c);
    inside_exchange(&c, &w, span_of(GET("http://ok.example.org/3", "ok.example.org")));
    assert_int_equal(w.lookups, 2);
    assert_non_null(strstr(buf_text(&c.got), "resolves to 169.254.169.254, which is a metadata service"));
    assert_null(strstr(origin.seen, "/3"));
    inside_done(&c);
    world_done(&w);
}

/* A private address may be written, a name that resolves there still needs a rule of its own. */
static void test_private_addresses_where_written(void **state)
{
    struct world w;
    struct inside c;

    world_init(&w);
    world_rule(&w, "intra.example.org:80", 0);
    world_rule(&w, "10.1.2.0/24:80", 0);
    w.options.connect_ms = 1; /* nobody is there */
    w.port_plain = 9;
    w.answer[0] = "10.1.2.9";
    w.answers = 1;
    world_start(&w);
    inside_exchange(&c, &w, span_of(GET("http://intra.example.org/", "intra.example.org")));
    assert_null(strstr(buf_text(&c.got), "not an address of the internet"));
    assert_null(strstr(buf_text(&c.got), " 403 "));
    inside_done(&c);
    w.answer[0] = "10.1.3.9";
    inside_exchange(&c, &w, span_of(GET("http://intra.example.org/", "intra.example.org")));
    assert_non_null(strstr(buf_text(&c.got), "resolves to 10.1.3.9, which is private"));
    inside_done(&c);
    inside_exchange(&c, &w, span_of(GET("http://10.1.3.9/", "10.1.3.9")));
    assert_non_null(
        strstr(buf_text(&w.log),
               "deny 7 GET 10.1.3.9:80 '10.1.3.9' port 80 is not in network.allow | 10.1.3.9:80\n"));
    inside_done(&c);
    world_done(&w);
}

/* ---- what gets through, and as what ---- */

struct passing {
    const char *name, *request;
    const char *seen; /* by the server, all of it */
};

#define OK_HOST "Host: ok.example.org\r\n"

static const struct passing passings[] = {
    { "as it is", PLAIN("Accept: */*\r\n"), "GET / HTTP/1.1\r\n" OK_HOST "Accept: */*\r\n\r\n" },
    { "no path", GET("http://ok.example.org", "ok.example.org"), "GET / HTTP/1.1\r\n" OK_HOST "\r\n" },
    { "a query without a path", GET("http://ok.example.org?a=b@c", "ok.example.org"),
      "GET /?a=b@c HTTP/1.1\r\n" OK_HOST "\r\n" },
    { "a path with @ and :", GET("http://ok.example.org/a:b@c", "ok.example.org"),
      "GET /a:b@c HTTP/1.1\r\n" OK_HOST "\r\n" },
    { "capitals", GET("http://OK.Example.ORG:80/A", "ok.example.ORG"), "GET /A HTTP/1.1\r\n" OK_HOST "\r\n" },
    { "HTTP/1.0", "GET http://ok.example.org/ HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\n" OK_HOST "\r\n" },
    { "xn--", GET("http://xn--bcher-kva.example.org/", "xn--bcher-kva.example.org"),
      "GET / HTTP/1.1\r\nHost: xn--bcher-kva.example.org\r\n\r\n" },
    { "beneath a suffix", GET("http://a.b.wild.example.org/", "a.b.wild.example.org"),
      "GET / HTTP/1.1\r\nHost: a.b.wild.example.org\r\n\r\n" },
    { "headers for the proxy stay here",
      PLAIN(
          "Proxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nTE: "
          "trailers\r\n"
          "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"),
      "GET / HTTP/1.1\r\n" OK_HOST "X-End: 2\r\n\r\n" },
    { "a method of the rule", "HEAD http://ro.example.org/ HTTP/1.1\r\nHost: ro.example.org\r\n\r\n",
      "HEAD / HTTP/1.1\r\nHost: ro.example.org\r\n\r\n" },
    { "a body", POST("Content-Length: 5\r\n\r\nhello"),
      "POST / HTTP/1.1\r\n" OK_HOST "Content-Length: 5\r\n\r\nhello" },
    { "a body in chunks, extensions and trailers dropped",
      POST("Transfer-Encoding: Chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Trailer: "
           "1\r\n\r\n"),
      "POST / HTTP/1.1\r\n" OK_HOST
      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na\r\n0123456789\r\n0\r\n\r\n" },
    { "two in a row", PLAIN("A: 1\r\n") PLAIN("A: 2\r\n"),
      "GET / HTTP/1.1\r\n" OK_HOST "A: 1\r\n\r\nGET / HTTP/1.1\r\n" OK_HOST "A: 2\r\n\r\n" },
    { "a request hidden in a body is one",
      POST("Content-Length: 39\r\n\r\nGET http://evil.example.org/ HTTP/1.1\r\n"),
      "POST / HTTP/1.1\r\n" OK_HOST "Content-Length: 39\r\n\r\nGET http://evil.example.org/ HTTP/1.1\r\n" },
};

static void test_what_passes(void **state)
{
    for (size_t i = 0; i < sizeof(passings) / sizeof(passings[0]); i++) {
        struct world w;
        struct inside c;

        begin(&w);
        inside_exchange(&c, &w, span_of(passings[i].request));
        if (strcmp(origin.seen, passings[i].seen) != 0 ||
            strncmp(buf_text(&c.got), "HTTP/1.1 200 OK\r\n", 17) != 0)
            fail_msg("%s: the server saw '%s', the client '%s', recorded '%s'", passings[i].name, origin.seen,
                     buf_text(&c.got), buf_text(&w.log));
        inside_done(&c);
        world_done(&w);
    }
}

/* However the bytes come. */
static void test_what_passes_byte_by_byte(void **state)
{
    for (size_t i = 0; i < sizeof(passings) / sizeof(passings[0]); i++) {
        struct world w;
        struct inside c;
        struct span rest = span_of(passings[i].request);
        bool never = false;

        begin(&w);
        inside_init(&c, &w, 1);
        for (; rest.len > 0; rest = span_make(rest.ptr + 1, rest.len - 1)) {
            w.has_event = false;
            inside_send(&c, span_make(rest.ptr, 1));
            never = true; /* one turn of the loop */
            assert_int_equal(loop_run(w.loop, &never, NULL), 0);
        }
        inside_eof(&c);
        inside_wait_closed(&c);
        if (!strstr(passings[i].name, "chunks")) /* pieces make more chunks */
            assert_string_equal(origin.seen, passings[i].seen);
        assert_int_equal(strncmp(buf_text(&c.got), "HTTP/1.1 200 OK\r\n", 17), 0);
        inside_done(&c);
        world_done(&w);
    }
}

/* The second request of a connection is decided on its own, and nothing of it follows the first. */
static void test_pipelined_evil(void **state)
{
    struct world w;
    struct inside c;

    begin(&w);
    inside_exchange(&c, &w,
                    span_of(PLAIN("") GET("http://evil.example.org/", "evil.example.org") PLAIN("A: 3\r\n")));
    assert_string_equal(origin.seen, "GET / HTTP/1.1\r\n" OK_HOST "\r\n");
    assert_non_null(strstr(buf_text(&c.got), "ok"
                                             "HTTP/1.1 403 agentbox: 'evil.example.org' port 80"));
    assert_string_equal(buf_text(&w.log),
                        "allow 7 GET ok.example.org:80 by ok.example.org:80\n"
                        "end GET ok.example.org:80 200 at 127.0.0.1 \n"
                        "deny 7 GET evil.example.org:80 'evil.example.org' port 80 is not in "
                        "network.allow | evil.example.org:80\n");
    inside_done(&c);
    world_done(&w);
}

static const char *const bad_chunks[] = {
    "g\r\n",
    "-1\r\n",
    " 5\r\nhello\r\n",
    "5 \r\nhello\r\n",
    "0x5\r\nhello\r\n",
    "5\nhello\r\n",
    "5\r\nhelloX\r\n",
    "5\r\nhello\n",
    "\r\n",
    "5\rXhello",
    "1000000000000000\r\n",
    "0\r\nX\r\n\r\n",
    "0\r\n : x\r\n\r\n",
    "0\r\n\nX",
    "5;\x01\r\nhello\r\n",
    "5\r\nhel",
};

static bool chunk_one(const char *chunk, struct buf *request)
{
    struct world w;
    struct inside c;
    bool is_well;

    begin(&w);
    assert_int_equal(buf_printf(request, POST("Transfer-Encoding: chunked\r\n\r\n%s"), chunk), 0);
    inside_exchange(&c, &w, buf_span(request));
    is_well = strncmp(buf_text(&c.got), "HTTP/1.1 400 ", 13) == 0 && !strstr(origin.seen, "\r\n0\r\n\r\n");
    if (!is_well)
        print_message("# %s: told '%s'\n", chunk, buf_text(&c.got));
    inside_done(&c);
    world_done(&w);
    return is_well;
}

static void test_bad_chunks(void **state)
{
    for (size_t i = 0; i < sizeof(bad_chunks) / sizeof(bad_chunks[0]); i++) {
        struct buf request = BUF_INIT(4096);

        assert_true(chunk_one(bad_chunks[i], &request));
        buf_done(&request);
    }
}

/* ---- all of them, as lines ---- */

static void print_all(void)
{
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
        attack_line_print(&(struct attack_line){ .name = attacks[i].name,
                                                 .is_blocked = attack_one(&attacks[i]),
                                                 .request = span_make(attacks[i].request, attacks[i].len) });
    for (size_t i = 0; i < sizeof(rebindings) / sizeof(rebindings[0]); i++) {
        char name[256];

        snprintf(name, sizeof(name), "a name that is %s%s%s", rebindings[i].answer[0],
                 rebindings[i].answer[1] ? " and " : "", rebindings[i].answer[1] ? "others" : "");
        attack_line_print(&(struct attack_line){ .name = name,
                                                 .is_blocked = rebind_one(&rebindings[i]),
                                                 .answer = rebindings[i].answer,
                                                 .request = rebinding_request });
    }
    for (size_t i = 0; i + 1 < sizeof(bad_chunks) / sizeof(bad_chunks[0]);
         i++) { /* the last just ends early */
        struct buf request = BUF_INIT(4096);
        char name[32], never[64];
        bool is_blocked = chunk_one(bad_chunks[i], &request);

        snprintf(name, sizeof(name), "bad chunk %zu", i + 1);
        snprintf(never, sizeof(never), "\r\n\r\n%s", bad_chunks[i]); /* as it came, behind the head */
        attack_line_print(&(struct attack_line){
            .name = name, .is_blocked = is_blocked, .request = buf_span(&request), .never = never });
        buf_done(&request);
    }
}

/* --attacks: print them instead */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attacks),
        cmocka_unit_test(test_long_heads),
        cmocka_unit_test(test_addresses_behind_names),
        cmocka_unit_test(test_an_answer_that_changes),
        cmocka_unit_test(test_private_addresses_where_written),
        cmocka_unit_test(test_what_passes),
        cmocka_unit_test(test_what_passes_byte_by_byte),
        cmocka_unit_test(test_pipelined_evil),
        cmocka_unit_test(test_bad_chunks),
    };

    if (argc > 1 && strcmp(argv[1], "--attacks") == 0) {
        (void) setup(NULL);
        print_all();
        return teardown(NULL);
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
