/* SPDX-License-Identifier: MIT */
/* A run's limits, a thousand connections, a gigabyte, and the order of records and effects. */
#include "tests/unit/egress/world.h"

#include "core/base/clock.h"
#include "tests/unit/base/server.h"

#include <poll.h>
#include <sys/resource.h>

#define GET  "GET http://ok.example.org/ HTTP/1.1\r\nHost: ok.example.org\r\n\r\n"
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define MANY 1000

/* ---- a server for many connections at once ---- */

static struct {
    struct pollfd fds[2 * MANY];
    size_t count;
    int accepted; /* written by the server's thread, read after its end */
} many;

static void many_read(size_t i)
{
    char bytes[4096];
    ssize_t n = read(many.fds[i].fd, bytes, sizeof(bytes));

    if (n > 0) {
        say(many.fds[i].fd, OK); /* heads of these tests come in one piece */
        return;
    }
    close(many.fds[i].fd);
    many.fds[i] = many.fds[--many.count];
}

/* Until its listener is shut down, and then as long as anybody is there. */
static void serve_many(struct server *srv)
{
    many.fds[0] = (struct pollfd){ .fd = srv->listener, .events = POLLIN };
    many.count = 1;
    many.accepted = 0;
    while (many.count > 0 && poll(many.fds, many.count, -1) > 0) {
        for (size_t i = many.count; i-- > 0;) {
            int fd;

            if (many.fds[i].revents == 0)
                continue;
            if (many.fds[i].fd != srv->listener) {
                many_read(i);
                continue;
            }
            fd = accept(srv->listener, NULL, NULL);
            if (fd < 0) {
                many.fds[i] = many.fds[--many.count];
                continue;
            }
            many.accepted++;
            many.fds[many.count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
        }
    }
}

static void many_end(struct server *srv)
{
    shutdown(srv->listener, SHUT_RDWR);
    server_end(srv);
}

static void begin(struct world *w, const struct server *srv)
{
    world_init(w);
    world_rule(w, "ok.example.org:80", 0);
    w->port_plain = port_of(srv->listener);
}

static int lines_with(const struct buf *log, const char *text)
{
    int count = 0;

    for (const char *at = buf_text(log); (at = strstr(at, text)); at++)
        count++;
    return count;
}

/* ---- connections ---- */

static void test_connections_at_once(void **state)
{
    struct server srv;
    struct world w;
    struct inside c[4];
    struct door_conn *conn;
    struct err err;

    server_tcp(&srv, serve_many);
    begin(&w, &srv);
    w.spec.connections = 2;
    world_start(&w);
    for (int i = 0; i < 4; i++)
        inside_init(&c[i], &w, 65536);
    assert_int_equal(door_open(w.door, 1, NULL, NULL, &conn, &err), -ERR_LIMIT);
    assert_string_equal(err.text, "more than 4 connections at once");
    for (int i = 0; i < 4; i++) {
        inside_say(&c[i], GET);
        inside_wait_text(&c[i], i < 2 ? "ok"
                                      : "HTTP/1.1 403 agentbox: too many connections at once "
                                        "(network.connections is 2)\r\n");
    }
    inside_done(&c[0]); /* makes room for another one */
    inside_init(&c[0], &w, 65536);
    for (int i = 1; i < 4; i++)
        inside_done(&c[i]);
    inside_say(&c[0], GET);
    inside_wait_closed(&c[0]); /* it came while there were too many */
    inside_done(&c[0]);
    inside_init(&c[0], &w, 65536);
    inside_say(&c[0], GET);
    inside_wait_text(&c[0], "\r\n\r\nok");
    inside_done(&c[0]);
    world_done(&w);
    many_end(&srv);
    assert_int_equal(many.accepted, 3);
}

static void test_connections_of_a_run(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;

    server_tcp(&srv, serve_many);
    begin(&w, &srv);
    w.spec.connections_all = 5;
    world_start(&w);
    door_count(w.door, 0, 3); /* by an earlier harness */
    for (int i = 0; i < 3; i++) {
        inside_exchange(&c, &w, span_of(GET));
        assert_non_null(
            strstr(buf_text(&c.got), i < 2 ? "ok" : "403 agentbox: the run's 5 connections are used up"));
        inside_done(&c);
    }
    world_done(&w);
    many_end(&srv);
    assert_int_equal(many.accepted, 2);
}

static void test_a_thousand_connections(void **state)
{
    static struct inside c[MANY];
    struct rlimit files = { 8192, 8192 };
    struct server srv;
    struct world w;

    (void) setrlimit(RLIMIT_NOFILE, &files); /* without, the test fails at accept() */
    server_tcp(&srv, serve_many);
    assert_int_equal(listen(srv.listener, MANY), 0); /* all of them come at once */
    begin(&w, &srv);
    w.spec.connections = MANY;
    world_start(&w);
    for (int i = 0; i < MANY; i++) {
        inside_init(&c[i], &w, 65536);
        inside_say(&c[i], GET);
    }
    for (int i = 0; i < MANY; i++)
        inside_wait_text(&c[i], "\r\n\r\nok");
    assert_int_equal(door_totals(w.door).open, MANY);
    assert_int_equal(door_totals(w.door).allowed, MANY);
    for (int i = 0; i < MANY; i++) {
        buf_clear(&c[i].got);
        inside_say(&c[i], GET);
    }
    for (int i = 0; i < MANY; i++) {
        inside_wait_text(&c[i], "\r\n\r\nok");
        inside_done(&c[i]);
    }
    assert_int_equal(door_totals(w.door).open, 0);
    assert_int_equal(lines_with(&w.log, "end GET ok.example.org:80 200 at 127.0.0.1 \n"), 2 * MANY);
    world_done(&w);
    many_end(&srv);
    assert_int_equal(many.accepted, MANY);
}

/* ---- bytes ---- */

#define GIB ((int64_t) 1 << 30)

static void send_a_gigabyte(struct server *srv)
{
    int fd = take(srv);
    char *bytes = calloc(1, 1 << 20);
    int64_t left = GIB;
    ssize_t n = 1;

    if (bytes && hear(srv, fd)) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
        while (left > 0 && (n = send(fd, bytes, 1 << 20, MSG_NOSIGNAL)) > 0)
            left -= n;
    }
    snprintf(srv->seen, sizeof(srv->seen), "%lld", (long long) left);
    close(fd);
    free(bytes);
}

static void test_a_gigabyte_against_max_bytes(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;
    struct door_totals totals;

    server_tcp(&srv, send_a_gigabyte);
    begin(&w, &srv);
    w.spec.max_bytes = 8 << 20;
    world_start(&w);
    door_count(w.door, 3 << 20, 0); /* by an earlier harness */
    inside_init(&c, &w, 65536);
    inside_say(&c, GET);
    inside_wait_closed(&c);
    totals = door_totals(w.door);
    assert_int_equal(totals.bytes_up + totals.bytes_down, 5 << 20);
    assert_true(c.got.len <= 5 << 20);
    assert_non_null(strstr(buf_text(&w.log),
                           "denied GET ok.example.org:80 200 at 127.0.0.1 the run's limit of bytes "
                           "(network.max_bytes) is used up\n"));
    inside_done(&c);
    server_end(&srv);
    assert_true(atoll(srv.seen) > GIB / 2);
    inside_exchange(&c, &w, span_of(GET));
    assert_non_null(strstr(buf_text(&c.got), "HTTP/1.1 403 agentbox: the run's limit of bytes"));
    inside_done(&c);
    world_done(&w);
}

/* ---- requests a second ---- */

static void test_rate_makes_wait(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;
    int64_t begun;

    server_tcp(&srv, serve_many);
    begin(&w, &srv);
    w.spec.rate = 20;
    world_start(&w);
    begun = clock_mono_ms();
    inside_init(&c, &w, 65536);
    for (int i = 0; i < 30; i++) {
        buf_clear(&c.got);
        inside_say(&c, GET);
        inside_wait_text(&c, "\r\n\r\nok");
    }
    assert_true(clock_mono_ms() - begun >= 390); /* 21 at once, then one each 50 ms */
    inside_done(&c);
    world_done(&w);
    many_end(&srv);
}

static void test_rate_turns_away(void **state)
{
    struct server srv;
    struct world w;
    struct inside c[16];
    int64_t begun;

    server_tcp(&srv, serve_many);
    begin(&w, &srv);
    w.spec.rate = 1;
    world_start(&w);
    begun = clock_mono_ms();
    for (int i = 0; i < 16; i++) {
        inside_init(&c[i], &w, 65536);
        inside_say(&c[i], "nonsense\r\n\r\n"); /* a refusal's record waits for its turn as well */
        inside_eof(&c[i]);
    }
    inside_wait_closed(&c[15]);
    assert_non_null(
        strstr(buf_text(&c[15].got), "HTTP/1.1 429 agentbox: too many requests wait for their turn"));
    for (int i = 0; i < 16; i++)
        inside_done(&c[i]);
    /* 2 at once, then one each second, however long all this has taken */
    assert_true(lines_with(&w.log, "deny ") <= 3 + (clock_mono_ms() - begun) / 1000);
    world_done(&w);
    many_end(&srv);
}

/* ---- durable before visible ---- */

struct journal {
    struct world *w;
    size_t durable; /* bytes of the log that were flushed */
    int64_t up;     /* bytes that had left by then */
};

static struct journal journal;

static void flush(void *data)
{
    int64_t up = door_totals(journal.w->door).bytes_up;

    if (strstr(buf_text(&journal.w->log) + journal.durable, "allow "))
        assert_int_equal(up, journal.up); /* nothing left since the record was made */
    journal.durable = journal.w->log.len;
    journal.up = up;
}

static size_t resolve_when_durable(void *data, const char *name, struct egress_address *ret, size_t max)
{
    assert_int_equal(journal.durable, journal.w->log.len);
    assert_true(journal.durable > 0);
    assert_true(address_parse_v4(span_of("127.0.0.1"), ret));
    return 1;
}

static void test_records_are_durable_before_anything_leaves(void **state)
{
    struct server srv;
    struct world w;
    struct inside c;
    struct loop_source *last;

    server_tcp(&srv, serve_many);
    begin(&w, &srv);
    journal = (struct journal){ &w, 0, 0 };
    w.options.resolve = resolve_when_durable;
    world_start(&w);
    /* registered after the door, so its turn comes last */
    assert_int_equal(loop_before_wait(w.loop, flush, NULL, &last, NULL), 0);
    inside_init(&c, &w, 65536);
    for (int i = 0; i < 3; i++) { /* the later ones go through a connection that is there already */
        buf_clear(&c.got);
        inside_say(&c, GET);
        inside_wait_text(&c, "\r\n\r\nok");
    }
    inside_done(&c);
    loop_source_free(last);
    world_done(&w);
    many_end(&srv);
}

/* Two connections, of which the second is decided on between the first one's record and its launch. */
static struct inside *second;

static bool is_durable(const char *host)
{
    const char *at = strstr(buf_text(&journal.w->log), host);

    return at && (size_t) (at - buf_text(&journal.w->log)) < journal.durable;
}

static void say_to_second(void *data)
{
    if (journal.w->log.len > 0 && second->granted == 0) {
        inside_credit(second, 65536);
        inside_say(second, "GET http://two.example.org/ HTTP/1.1\r\nHost: two.example.org\r\n\r\n");
    }
}

static size_t resolve_when_recorded(void *data, const char *name, struct egress_address *ret, size_t max)
{
    assert_true(is_durable(name));
    assert_true(address_parse_v4(span_of("127.0.0.1"), ret));
    return 1;
}

static void test_a_record_is_durable_although_another_is_on_its_way(void **state)
{
    struct server srv;
    struct world w;
    struct inside a, b;
    struct loop_source *first, *last;

    server_tcp(&srv, serve_many);
    begin(&w, &srv);
    world_rule(&w, "two.example.org:80", 0);
    journal = (struct journal){ &w, 0, 0 };
    w.options.resolve = resolve_when_recorded;
    /* before the door's turn and after it */
    assert_int_equal(loop_before_wait(w.loop, say_to_second, NULL, &first, NULL), 0);
    world_start(&w);
    assert_int_equal(loop_before_wait(w.loop, flush, NULL, &last, NULL), 0);
    inside_init(&a, &w, 65536);
    inside_init(&b, &w, 0);
    second = &b;
    inside_say(&a, GET);
    inside_wait_text(&b, "\r\n\r\nok");
    inside_wait_text(&a, "\r\n\r\nok");
    inside_done(&a);
    inside_done(&b);
    loop_source_free(first);
    loop_source_free(last);
    world_done(&w);
    many_end(&srv);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_connections_at_once),
    cmocka_unit_test(test_connections_of_a_run),
    cmocka_unit_test(test_a_thousand_connections),
    cmocka_unit_test(test_a_gigabyte_against_max_bytes),
    cmocka_unit_test(test_rate_makes_wait),
    cmocka_unit_test(test_rate_turns_away),
    cmocka_unit_test(test_records_are_durable_before_anything_leaves),
    cmocka_unit_test(test_a_record_is_durable_although_another_is_on_its_way),
};

UNIT_MAIN(tests)
