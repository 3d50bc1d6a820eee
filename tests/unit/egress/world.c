/* SPDX-License-Identifier: MIT */
#include "tests/unit/egress/world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define GOT_MAX ((size_t) 64 << 20)

/* ---- hooks ---- */

static struct egress_address address_of(const char *text)
{
    struct egress_address a = { { 0 } };

    assert_true(inet_pton(AF_INET6, text, a.bytes) == 1 || address_parse_v4(span_of(text), &a));
    return a;
}

static size_t resolve(void *data, const char *name, struct egress_address *ret, size_t max)
{
    struct world *w = data;

    w->lookups++;
    if (w->lookups > 1 && w->then) {
        ret[0] = address_of(w->then);
        return 1;
    }
    if (w->answers == 0) {
        ret[0] = address_of("127.0.0.1");
        return 1;
    }
    if (!w->answer[0])
        return 0;
    for (size_t i = 0; i < w->answers; i++)
        ret[i] = address_of(w->answer[i]);
    return w->answers;
}

static bool is_global(void *data, const struct egress_address *address)
{
    struct world *w = data;
    struct egress_address loopback = address_of("127.0.0.1");

    return !w->is_strict && address_equal(address, &loopback);
}

static uint16_t real_port(void *data, uint16_t port)
{
    struct world *w = data;

    return port == 80 ? w->port_plain : w->port_tls;
}

/* "deny 7 GET evil.example.org:80 REASON | ALLOW", "allow 7 GET ok.example.org:80 by RULE" */
static void on_decision(void *data, const struct door_decision *d)
{
    struct world *w = data;

    w->has_event = true;
    if (d->is_allowed)
        assert_int_equal(buf_printf(&w->log, "allow %d %s %s:%u by %s\n", (int) d->tag, d->method, d->host,
                                    d->port, d->rule->text),
                         0);
    else
        assert_int_equal(buf_printf(&w->log, "deny %d %s %s:%u %s | %s\n", (int) d->tag, d->method, d->host,
                                    d->port, d->reason, d->allow ? d->allow : "-"),
                         0);
}

/* "end GET ok.example.org:80 200 at 127.0.0.1 REASON", "denied ..." */
static void on_end(void *data, const struct door_end *e)
{
    struct world *w = data;

    w->has_event = true;
    assert_true(e->number > 0 && e->duration_ms >= 0);
    assert_int_equal(buf_printf(&w->log, "%s %s %s:%u %d at %s %s\n", e->is_denied ? "denied" : "end",
                                e->method, e->host, e->port, e->status, e->address, e->reason),
                     0);
}

/* ---- world ---- */

void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    assert_int_equal(loop_new(&w->loop, NULL), 0);
    arena_init(&w->arena, 1 << 20);
    buf_init(&w->log, 4 << 20);
    w->spec.rules = w->rules;
    w->options = (struct door_options){ resolve, is_global, real_port, NULL, w, 0, 0 };
}

void world_rule(struct world *w, const char *text, uint32_t methods)
{
    struct err err;
    struct egress_rule *rule = &w->rules[w->spec.rule_count++];

    if (egress_rule_parse(span_of(text), &w->arena, rule, &err) < 0)
        fail_msg("%s", err.text);
    if (methods)
        rule->methods = methods;
    assert_int_equal(egress_rule_check(rule, &err), 0);
}

void world_start(struct world *w)
{
    static const struct door_ops ops = { on_decision, on_end };

    assert_int_equal(door_new(w->loop, &w->spec, &w->options, &ops, w, &w->door, NULL), 0);
}

void world_done(struct world *w)
{
    door_free(w->door);
    loop_free(w->loop);
    buf_done(&w->log);
    arena_done(&w->arena);
}

void world_until(struct world *w, bool (*is_true)(void *data), void *data)
{
    while (!is_true(data)) {
        w->has_event = false;
        assert_int_equal(loop_run(w->loop, &w->has_event, NULL), 0);
    }
}

/* ---- inside ---- */

void inside_credit(struct inside *c, size_t bytes)
{
    c->granted += bytes;
    door_conn_credit(c->conn, bytes);
}

static void on_bytes(void *data, struct span bytes)
{
    struct inside *c = data;

    c->w->has_event = true;
    assert_true(bytes.len > 0);
    c->received += bytes.len;
    assert_true(c->received <= c->granted);
    assert_int_equal(buf_add_span(&c->got, bytes), 0);
    if (c->frees_on_bytes) {
        door_conn_free(c->conn);
        c->conn = NULL;
        c->is_closed = true;
    } else if (c->credit_step > 0) {
        inside_credit(c, bytes.len);
    }
}

static void push(struct inside *c)
{
    size_t n;

    if (c->unsent.len > 0) {
        n = door_conn_feed(c->conn, buf_span(&c->unsent));
        assert_true(n <= c->unsent.len);
        buf_drop(&c->unsent, n);
    }
    if (c->unsent.len == 0 && c->wants_eof) {
        c->wants_eof = false;
        door_conn_eof(c->conn);
    }
}

static void on_room(void *data)
{
    struct inside *c = data;

    c->w->has_event = true;
    push(c);
}

static void on_eof(void *data)
{
    struct inside *c = data;

    c->w->has_event = true;
    assert_false(c->is_eof);
    c->is_eof = true;
}

static void on_closed(void *data)
{
    struct inside *c = data;

    c->w->has_event = true;
    assert_false(c->is_closed);
    c->is_closed = true;
}

void inside_init(struct inside *c, struct world *w, size_t credit)
{
    static const struct door_conn_ops ops = { on_bytes, on_room, on_eof, on_closed };

    memset(c, 0, sizeof(*c));
    c->w = w;
    c->credit_step = credit;
    buf_init(&c->got, GOT_MAX);
    buf_init(&c->unsent, GOT_MAX);
    assert_int_equal(door_open(w->door, 7, &ops, c, &c->conn, NULL), 0);
    inside_credit(c, credit);
}

void inside_done(struct inside *c)
{
    door_conn_free(c->conn);
    buf_done(&c->got);
    buf_done(&c->unsent);
}

void inside_send(struct inside *c, struct span bytes)
{
    assert_int_equal(buf_add_span(&c->unsent, bytes), 0);
    push(c);
}

void inside_say(struct inside *c, const char *text)
{
    inside_send(c, span_of(text));
}

void inside_eof(struct inside *c)
{
    c->wants_eof = true;
    push(c);
}

static bool has_eof(void *data)
{
    const struct inside *c = data;

    return c->is_eof || c->is_closed;
}

void inside_wait_eof(struct inside *c)
{
    world_until(c->w, has_eof, c);
    assert_true(c->is_eof);
}

static bool has_closed(void *data)
{
    return ((const struct inside *) data)->is_closed;
}

void inside_wait_closed(struct inside *c)
{
    world_until(c->w, has_closed, c);
}

static bool has_text(void *data)
{
    const struct inside *c = data;

    return strstr(buf_text(&c->got), c->text) || c->is_closed;
}

void inside_wait_text(struct inside *c, const char *text)
{
    c->text = text;
    world_until(c->w, has_text, c);
    if (!strstr(buf_text(&c->got), text))
        fail_msg("closed without '%s'; got: %s; log: %s", text, buf_text(&c->got), buf_text(&c->w->log));
}

static bool has_bytes(void *data)
{
    const struct inside *c = data;

    return c->got.len >= c->wanted || c->is_closed;
}

void inside_wait_bytes(struct inside *c, size_t len)
{
    c->wanted = len;
    world_until(c->w, has_bytes, c);
    assert_true(c->got.len >= len);
}

void inside_exchange(struct inside *c, struct world *w, struct span request)
{
    inside_init(c, w, 65536);
    inside_send(c, request);
    inside_eof(c);
    inside_wait_closed(c);
}

uint16_t port_of(int fd)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);

    assert_int_equal(getsockname(fd, (struct sockaddr *) &addr, &len), 0);
    return ntohs(addr.sin_port);
}

/* ---- attacks as lines ---- */

static void print_hex(struct span bytes)
{
    (void) putchar('\t');
    for (size_t i = 0; i < bytes.len; i++)
        printf("%02x", (unsigned char) bytes.ptr[i]);
}

/* name, verdict, addresses, request, what follows, what must not be seen: bytes in hex, between tabs */
void attack_line_print(const struct attack_line *line)
{
    printf("%s\t%s\t", line->name, line->is_blocked ? "blocked" : "OPEN");
    for (size_t i = 0; line->answer && i < 3 && line->answer[i]; i++)
        printf("%s%s", i > 0 ? "," : "", line->answer[i]);
    print_hex(line->request);
    print_hex(line->then);
    if (!line->never)
        printf("\tconnection");
    else
        print_hex(span_of(line->never));
    (void) putchar('\n');
}
