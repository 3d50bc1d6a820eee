/* SPDX-License-Identifier: MIT */
/* Plain HTTP through the door: what becomes of a server's answer, the good, the odd and the hostile. */
#include "tests/unit/egress/world.h"

#include "tests/unit/base/server.h"

#define HOST    "Host: ok.example.org\r\n"
#define GET     "GET http://ok.example.org/ HTTP/1.1\r\n" HOST "\r\n"
#define GET_1_0 "GET http://ok.example.org/ HTTP/1.0\r\n\r\n"
#define HEAD    "HEAD http://ok.example.org/ HTTP/1.1\r\n" HOST "\r\n"
#define KEPT    "Connection: keep-alive\r\n\r\n"
#define CLOSED  "Connection: close\r\n\r\n"

struct answer {
    const char *name, *request, *says; /* `says` and then closes */
    const char *gets;                  /* the client, all of it; of a refusal: its status line's start */
    const char *log;                   /* the last line */
    bool is_cut;                       /* without an end of file before */
};

static const struct answer *current;

static void say_it(struct server *srv)
{
    int fd = take(srv);

    if (hear(srv, fd))
        say(fd, current->says);
    close(fd);
}

#define DONE(status)     "end GET ok.example.org:80 " #status " at 127.0.0.1 \n"
#define FAILED(why)      "end GET ok.example.org:80 0 at 127.0.0.1 " why "\n"
#define REFUSED(why)     "HTTP/1.1 502 agentbox: " why "\r\n"
#define CUT(why)         "end GET ok.example.org:80 200 at 127.0.0.1 " why "\n"
#define WEIRD(says, why) GET, says, REFUSED(why), FAILED(why), false

static const struct answer answers[] = {
    { "by length", GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\n" KEPT "hello", DONE(200), false },
    { "no reason", GET, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 \r\nContent-Length: 0\r\n" KEPT, DONE(200), false },
    { "until close", GET, "HTTP/1.1 200 OK\r\n\r\nhello", "HTTP/1.1 200 OK\r\n" CLOSED "hello", DONE(200),
      false },
    { "of HTTP/1.0", GET, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" KEPT "hello", DONE(200), false },
    { "chunks", GET,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nT: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" KEPT "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", DONE(200),
      false },
    { "chunks for HTTP/1.0", GET_1_0,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\n" CLOSED "hello!", DONE(200), false },
    { "to HEAD", HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" KEPT, "end HEAD ok.example.org:80 200 at 127.0.0.1 \n",
      false },
    { "304", GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n" KEPT, DONE(304), false },
    { "204", GET, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 204 No Content\r\n" KEPT,
      DONE(204), false },
    { "interim ones before", GET,
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
      "OK\r\nContent-Length: "
      "2\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" KEPT "ok", DONE(200), false },
    { "a second answer that nobody asked for", GET,
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" KEPT "ok", DONE(200), false },
    { "bytes behind the last chunk", GET,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nevil",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" KEPT "2\r\nok\r\n0\r\n\r\n", DONE(200), false },
    { "headers for this hop", GET,
      "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTrailer: T\r\nContent-Length: "
      "0\r\nX: y\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n" KEPT, DONE(200), false },
    { "the same length twice", GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" KEPT "ok", DONE(200), false },

    { "nothing", WEIRD("", "the server closed the connection without an answer") },
    { "half a head", WEIRD("HTTP/1.1 200 OK\r\nX", "the server closed the connection without an answer") },
    { "no HTTP",
      WEIRD("220 mail.example.org ESMTP\r\n\r\n", "the server does not speak HTTP/1.1 or HTTP/1.0") },
    { "HTTP/2", WEIRD("HTTP/2 200\r\n\r\n", "the server does not speak HTTP/1.1 or HTTP/1.0") },
    { "a status of letters",
      WEIRD("HTTP/1.1 2x0 OK\r\n\r\n", "the server's status is no number from 100 to 599") },
    { "a status of four digits", WEIRD("HTTP/1.1 2000 OK\r\n\r\n", "the server's status line is malformed") },
    { "lines that end in LF", WEIRD("HTTP/1.1 200 OK\n\n", "a line ends in LF without CR") },
    { "two lengths", WEIRD("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
                           "the server's Content-Length is not one number") },
    { "chunks with a length",
      WEIRD("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "the server's answer has two kinds of length") },
    { "chunks of HTTP/1.0", WEIRD("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                                  "the server's answer has two kinds of length") },
    { "an unknown coding", WEIRD("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
                                 "the server's Transfer-Encoding is something else than chunked") },
    { "another protocol", WEIRD("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
                                "the server changed the protocol without being asked") },
    { "a folded header", WEIRD("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "a line of the head is folded") },

    { "too short", GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" KEPT "hel", CUT("the server's answer was cut short"), true },
    { "chunks without an end", GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" KEPT "3\r\nhel\r\n",
      CUT("the server's answer was cut short"), true },
    { "bad chunks", GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" KEPT "2\r\nok\r\n",
      CUT("a chunk is longer than its size"), true },
};

static void begin(struct world *w, const struct server *srv)
{
    world_init(w);
    world_rule(w, "ok.example.org:80", 0);
    w->port_plain = port_of(srv->listener);
    world_start(w);
}

static const char *last_line(const struct buf *log)
{
    const char *text = buf_text(log), *at = text + log->len;

    if (at > text)
        at--;
    while (at > text && at[-1] != '\n')
        at--;
    return at;
}

/* How a body is cut into chunks follows from how it is read; where it ends does not. */
static bool is_as_expected(const struct world *w, const struct inside *c, bool is_in_bytes)
{
    const char *got = buf_text(&c->got);
    bool is_refusal = strncmp(current->gets, "HTTP/1.1 502 ", 13) == 0;

    if (is_in_bytes && !is_refusal && strstr(current->gets, "chunked"))
        return strcmp(last_line(&w->log), current->log) == 0 && c->is_eof == !current->is_cut &&
               !strstr(got, "\r\n0\r\n\r\n") == current->is_cut;
    return (is_refusal ? strncmp(got, current->gets, strlen(current->gets)) : strcmp(got, current->gets)) ==
               0 &&
           strcmp(last_line(&w->log), current->log) == 0 && c->is_eof == !current->is_cut;
}

static void test_answers(void **state)
{
    int failed = 0;

    for (size_t i = 0; i < 2 * sizeof(answers) / sizeof(answers[0]); i++) {
        struct server srv;
        struct world w;
        struct inside c;

        current = &answers[i / 2];
        server_tcp(&srv, say_it);
        begin(&w, &srv);
        inside_init(&c, &w,
                    i % 2 ? 1 : 65536); /* the second time with a client that takes a byte at a time */
        inside_say(&c, current->request);
        inside_eof(&c);
        inside_wait_closed(&c);
        if (!is_as_expected(&w, &c, i % 2)) {
            print_message("# %s: got '%s', recorded '%s', eof %d\n", current->name, buf_text(&c.got),
                          buf_text(&w.log), c.is_eof);
            failed++;
        }
        inside_done(&c);
        world_done(&w);
        server_end(&srv);
    }
    assert_int_equal(failed, 0);
}

/* ---- heads without end ---- */

static void flood_heads(struct server *srv)
{
    int fd = take(srv);
    char line[1024];

    memset(line, 'a', sizeof(line));
    if (hear(srv, fd)) {
        say(fd, "HTTP/1.1 200 OK\r\nX: ");
        while (send(fd, line, sizeof(line), MSG_NOSIGNAL) > 0)
            continue;
    }
    close(fd);
}

static void flood_interims(struct server *srv)
{
    int fd = take(srv);

    if (hear(srv, fd))
        while (send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) > 0)
            continue;
    close(fd);
}

static void check_flood(void (*script)(struct server *), const char *answer)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, script);
    begin(&w, &srv);
    inside_init(&c, &w, 65536);
    inside_say(&c, GET);
    inside_eof(&c);
    inside_wait_closed(&c);
    assert_non_null(strstr(buf_text(&c.got), answer));
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
}

static void test_heads_without_end(void **state)
{
    check_flood(flood_heads, "HTTP/1.1 502 agentbox: the head of the server's answer is too long");
    check_flood(flood_interims, "HTTP/1.1 502 agentbox: the server sends interim answers without end");
}

/* ---- connections used again ---- */

static void serve_two_and_one(struct server *srv)
{
    int fd = take(srv);

    for (int i = 0; i < 2 && hear(srv, fd); i++)
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
    close(fd);
    fd = take(srv);
    if (hear(srv, fd))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
    wait_end(fd);
    close(fd);
}

/* One that the server closed meanwhile is replaced by a new one. */
static void test_kept_alive(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, serve_two_and_one);
    begin(&w, &srv);
    inside_init(&c, &w, 65536);
    inside_say(&c, GET);
    inside_wait_text(&c, "one");
    buf_clear(&c.got);
    inside_say(&c, GET);
    inside_wait_text(&c, "one");
    assert_int_equal(w.lookups, 1);
    inside_say(&c, "GET http://other.example.org/ HTTP/1.1\r\nHost: other.example.org\r\n\r\n");
    inside_eof(&c);
    inside_wait_closed(&c);
    assert_non_null(strstr(buf_text(&c.got), "HTTP/1.1 403 agentbox: 'other.example.org' port 80 is not in"));
    inside_done(&c);
    inside_exchange(&c, &w, span_of(GET));
    assert_non_null(strstr(buf_text(&c.got), "two"));
    assert_int_equal(w.lookups, 2);
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
}

/* Answers one, hears the second, and closes instead of answering; the same on the next connection when
 * `again`. */
static void close_instead(struct server *srv, bool again)
{
    for (int i = 0; i < 1 + again; i++) {
        int fd = take(srv);

        if (i == 0 && hear(srv, fd))
            say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
        (void) hear(srv, fd);
        close(fd);
    }
}

static void close_once(struct server *srv)
{
    int fd;

    close_instead(srv, false);
    fd = take(srv);
    if (hear(srv, fd))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
    wait_end(fd);
    close(fd);
}

static void close_twice(struct server *srv)
{
    close_instead(srv, true);
}

static void close_without(struct server *srv)
{
    close_instead(srv, false);
}

#define POST                                                           \
    "POST http://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n" \
    "Content-Length: 0\r\n\r\n"
#define PUT_BODY                                                      \
    "PUT http://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n" \
    "Content-Length: 2\r\n\r\nxx"

/* A request on a kept connection that is closed in that moment goes out once more, and only one that may. */
static void test_closed_at_the_wrong_moment(void **state)
{
    static const struct {
        void (*script)(struct server *srv);
        const char *request, *answer;
        int lookups;
    } cases[] = {
        { close_once, GET, "\r\n\r\ntwo", 2 },
        { close_twice, GET, "HTTP/1.1 502 agentbox: the server closed the connection without an answer", 2 },
        { close_without, POST, "HTTP/1.1 502 agentbox: the server closed the connection without an answer",
          1 },
        { close_without, PUT_BODY,
          "HTTP/1.1 502 agentbox: the server closed the connection without an answer", 1 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server srv;
        struct world w;
        struct inside c;

        server_tcp(&srv, cases[i].script);
        begin(&w, &srv);
        inside_init(&c, &w, 65536);
        inside_say(&c, GET);
        inside_wait_text(&c, "one");
        buf_clear(&c.got);
        inside_say(&c, cases[i].request);
        inside_wait_text(&c, cases[i].answer);
        assert_int_equal(w.lookups, cases[i].lookups);
        assert_int_equal(door_totals(w.door).allowed, 2);
        inside_done(&c);
        world_done(&w);
        server_end(&srv);
    }
}

static void answer_a_spoiled_one(struct server *srv)
{
    int fd = take(srv);

    if (hear(srv, fd))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\nContent-Length: "
                "4\r\n\r\nevil");
    wait_end(fd);
    close(fd);
    fd = take(srv);
    if (hear(srv, fd))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
    wait_end(fd);
    close(fd);
}

/* An answer smuggled behind the first is not that of the second request. */
static void test_smuggled_answer(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, answer_a_spoiled_one);
    begin(&w, &srv);
    inside_init(&c, &w, 65536);
    inside_say(&c, GET);
    inside_wait_text(&c, "one");
    inside_say(&c, GET);
    inside_wait_text(&c, "two");
    assert_null(strstr(buf_text(&c.got), "evil"));
    assert_int_equal(w.lookups, 2);
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
}

/* ---- bodies ---- */

static void count_upload(struct server *srv)
{
    char *bytes = malloc(1 << 16);
    int fd = take(srv);
    size_t all = 0;
    ssize_t n;

    while (bytes && all < 4000000 && (n = read(fd, bytes, 1 << 16)) > 0)
        all += (size_t) n;
    snprintf(srv->seen, sizeof(srv->seen), "%zu", all);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    wait_end(fd);
    close(fd);
    free(bytes);
}

static void test_expect_and_a_large_body(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;
    char *body = calloc(1, 4000000);

    server_tcp(&srv, count_upload);
    begin(&w, &srv);
    inside_init(&c, &w, 65536);
    inside_say(&c, "POST http://ok.example.org/ HTTP/1.1\r\n" HOST
                   "Expect: 100-continue\r\nContent-Length: 4000000\r\n\r\n");
    inside_wait_text(&c, "HTTP/1.1 100 Continue\r\n\r\n");
    inside_send(&c, span_make(body, 4000000));
    inside_wait_text(&c, "done");
    assert_int_equal(c.unsent.len, 0);
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
    free(body);
}

static void test_a_body_that_breaks_off(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    current = &answers[0];
    server_tcp(&srv, say_it);
    begin(&w, &srv);
    inside_exchange(&c, &w,
                    span_of("POST http://ok.example.org/ HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel"));
    assert_non_null(
        strstr(buf_text(&c.got), "HTTP/1.1 400 agentbox: the request's body ends in the middle\r\n"));
    inside_done(&c);
    world_done(&w);
    server_end(&srv);
}

/* ---- no server ---- */

static void test_nobody_there(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    current = &answers[0];
    server_tcp(&srv, say_it);
    begin(&w, &srv);
    inside_exchange(&c, &w, span_of(GET));
    inside_done(&c);
    server_end(&srv); /* now nobody listens on that port */
    inside_exchange(&c, &w, span_of(GET));
    assert_non_null(strstr(buf_text(&c.got), "HTTP/1.1 502 agentbox: connecting to 'ok.example.org' port 80 "
                                             "(127.0.0.1): Connection refused\r\n"));
    assert_string_equal(last_line(&w.log),
                        "end GET ok.example.org:80 0 at  connecting to 'ok.example.org' port 80 "
                        "(127.0.0.1): Connection refused\n");
    inside_done(&c);
    w.answers = 1; /* and none of them */
    inside_exchange(&c, &w, span_of(GET));
    assert_non_null(
        strstr(buf_text(&c.got), "HTTP/1.1 502 agentbox: looking up 'ok.example.org': there is no such"));
    inside_done(&c);
    world_done(&w);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_answers),
    cmocka_unit_test(test_heads_without_end),
    cmocka_unit_test(test_kept_alive),
    cmocka_unit_test(test_closed_at_the_wrong_moment),
    cmocka_unit_test(test_smuggled_answer),
    cmocka_unit_test(test_expect_and_a_large_body),
    cmocka_unit_test(test_a_body_that_breaks_off),
    cmocka_unit_test(test_nobody_there),
};

UNIT_MAIN(tests)
