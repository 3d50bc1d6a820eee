/* SPDX-License-Identifier: MIT */
/*
 * The driver's side to the way out: connections that come out of the sandbox as streams of the channel are
 * joined to the door (core/egress/door.h), which decides; what it decides is recorded, durable before
 * anything leaves.
 *
 * A link is one such connection. Both ends finish on their own: the door's when it has said its last, the
 * channel's when the process has closed its side too. Nothing is held here but what the process sent
 * and the door did not take yet, at most one window.
 */
#include "core/base/cleanup.h"
#include "core/base/number.h"
#include "core/run/driver_impl.h"
#include "core/run/egress_test.h"
#include "core/sandbox/channel.h"
#include "core/tool/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_STEP_BYTES ((int64_t) 8 << 20) /* a crash forgets at most that much of the limits */
#define TOLD_STEPS      256                 /* and not more records than this for max_bytes */
#define LINGERING_MAX   (CHANNEL_CONNS - CHANNEL_CONNS / 10)

struct egress_link {
    struct egress_link *prev, *next;
    struct box *box;
    int64_t call;
    struct channel_conn *conn; /* NULL: the process is done with it */
    struct door_conn *out;     /* NULL: the door is */
    struct buf rest;           /* of the process, not taken yet */
    bool has_ended;            /* nothing follows that */
    bool has_said_end;         /* nor from the door */
    bool is_refused;           /* by us: its end is not recorded */
};

/* ---- links ---- */

static void link_free(struct egress_link *link)
{
    struct egress_links *links = &link->box->links;

    *(link->prev ? &link->prev->next : &links->first) = link->next;
    *(link->next ? &link->next->prev : &links->last) = link->prev;
    links->count--;
    buf_done(&link->rest);
    free(link);
}

/* The guest may say anything: only a call that there is counts. What a handoff does in our sandbox is done by
 * the call that it answers (see make_run() in drive_agent.c). */
static int64_t call_of(const struct run *run, uint64_t command)
{
    uint64_t call = command / TOOL_EXEC_IDS, base = (uint64_t) run->exec_base,
             total = (uint64_t) run->state.call_total;

    if (command == CHANNEL_COMMAND_UNKNOWN)
        return 0;
    while (call - base > total && call >= (uint64_t) DRIVE_EXEC_CALLS)
        call /= (uint64_t) DRIVE_EXEC_CALLS;
    return call - base <= total ? (int64_t) (call - base) : 0;
}

static struct egress_link *link_new(struct box *box, struct channel_conn *conn, uint64_t command)
{
    struct egress_link *link = calloc(1, sizeof(*link));

    if (!link)
        return NULL;
    link->box = box;
    link->conn = conn;
    link->call = call_of(box->run, command);
    buf_init(&link->rest, CHANNEL_CONN_WINDOW);
    link->prev = box->links.last;
    *(box->links.last ? &box->links.last->next : &box->links.first) = link;
    box->links.last = link;
    box->links.count++;
    return link;
}

/* What is left of it is of no use to anybody. */
static void link_cut(struct egress_link *link)
{
    if (link->conn)
        channel_conn_cut(link->conn);
    door_conn_free(TAKE_PTR(link->out));
    link_free(link);
}

/* ---- from inside to the door ---- */

static void pass_on(struct egress_link *link)
{
    size_t taken;

    if (link->out && link->rest.len > 0) {
        taken = door_conn_feed(link->out, buf_span(&link->rest));
        buf_drop(&link->rest, taken);
        if (link->conn && taken > 0)
            channel_conn_dealt(link->conn, taken);
    }
    if (link->out && link->has_ended && link->rest.len == 0)
        door_conn_eof(link->out);
}

static void on_data(void *data, struct span bytes)
{
    struct egress_link *link = data;
    size_t taken = 0;

    if (!link->out) { /* it was told that nobody listens any more, and had its time to stop */
        link_cut(link);
        return;
    }
    if (link->rest.len == 0)
        taken = door_conn_feed(link->out, bytes);
    if (taken > 0)
        channel_conn_dealt(link->conn, taken);
    if (buf_add(&link->rest, bytes.ptr + taken, bytes.len - taken) < 0)
        link_cut(link); /* no memory; the window fits */
}

static void on_end(void *data)
{
    struct egress_link *link = data;

    link->has_ended = true;
    pass_on(link);
}

static void on_closed(void *data)
{
    struct egress_link *link = data;

    link->conn = NULL;
    link_cut(link);
}

/* ---- from the door to inside ---- */

static void give_credit(struct egress_link *link)
{
    size_t more = link->conn && link->out ? channel_conn_grant(link->conn) : 0;

    if (more > 0)
        door_conn_credit(link->out, more);
}

static void on_room(void *data)
{
    give_credit(data);
}

static void door_bytes(void *data, struct span bytes)
{
    struct egress_link *link = data;

    if (!link->conn)
        return;
    channel_conn_write(link->conn, bytes);
    give_credit(link);
}

static void door_room(void *data)
{
    pass_on(data);
}

static void door_eof(void *data)
{
    struct egress_link *link = data;

    link->has_said_end = true;
    if (link->conn)
        channel_conn_end(link->conn);
}

/* After a last word that is complete the process may take its time to read it. Without one it must not take
 * what it got for all there was. */
static void door_closed(void *data)
{
    struct egress_link *link = data;

    door_conn_free(TAKE_PTR(link->out));
    if (!link->has_said_end || !link->conn)
        link_cut(link);
}

/* ---- what is decided ---- */

static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static void record_deny(struct run *run, const struct egress_link *link, const struct door_decision *d,
                        const char *reason)
{
    struct record rec = { .type = RECORD_EGRESS_DENY };

    if (run->state.egress.denied >= RECORD_EGRESS_DENIES_MAX || run->is_over)
        return;
    rec.egress = (struct record_egress){
        .side = link->box->out->side,
        .number = (int64_t) d->number,
        .call = link->call,
        .method = or_null(d->method),
        .host = or_null(d->host),
        .port = d->port,
        .rule = d->rule ? d->rule->text : NULL,
        .reason = reason,
        .allow = d->allow,
    };
    (void) run_record(run, &rec);
}

static void record_allow(struct run *run, const struct egress_link *link, const struct door_decision *d)
{
    struct record rec = { .type = RECORD_EGRESS_ALLOW };

    rec.egress = (struct record_egress){
        .side = link->box->out->side,
        .number = (int64_t) d->number,
        .call = link->call,
        .method = d->method,
        .host = d->host,
        .port = d->port,
        .rule = d->rule ? d->rule->text : NULL,
    };
    (void) run_record(run, &rec);
    run->wants_sync = true; /* the door goes on in a later turn of the loop */
}

static void on_decision(void *data, const struct door_decision *d)
{
    struct egress_link *link = (struct egress_link *) (uintptr_t) d->tag;
    struct run *run = data;
    char text[96];

    if (!d->is_allowed) {
        record_deny(run, link, d, d->reason);
        return;
    }
    if (run->state.egress.allowed < RECORD_EGRESS_ALLOWS_MAX && !run->broken.code && !run->is_over) {
        record_allow(run, link, d);
        return;
    }
    (void) snprintf(text, sizeof(text), "this run has made %d requests, and no more can be recorded",
                    RECORD_EGRESS_ALLOWS_MAX);
    record_deny(run, link, d, text);
    link->is_refused = true;
    link_cut(link);
}

static void on_over(void *data, const struct door_end *e)
{
    const struct egress_link *link = (const struct egress_link *) (uintptr_t) e->tag;
    struct run *run = data;
    struct record rec = { .type = RECORD_EGRESS_END };

    if (link->is_refused || run->is_over)
        return;
    rec.egress = (struct record_egress){
        .side = link->box->out->side,
        .number = (int64_t) e->number,
        .call = link->call,
        .method = or_null(e->method),
        .host = e->host,
        .port = e->port,
        .rule = e->rule ? e->rule->text : NULL,
        .address = or_null(e->address),
        .status = e->status,
        .bytes_up = e->bytes_up,
        .bytes_down = e->bytes_down,
        .duration_ms = e->duration_ms,
        .is_denied = e->is_denied,
        .reason = or_null(e->reason),
    };
    (void) run_record(run, &rec);
}

/* ---- sums ---- */

static struct record_egress_total sums(const struct way_out *out)
{
    struct door_totals now = door_totals(out->door);
    struct record_egress_total sum = out->earlier;

    sum.connections += now.connections;
    sum.allowed += now.allowed;
    sum.denied += now.denied;
    sum.bytes_up += now.bytes_up;
    sum.bytes_down += now.bytes_down;
    return sum;
}

static void record_sums(const struct way_out *out, const struct record_egress_total *sum)
{
    struct record rec = { .type = RECORD_EGRESS_TOTAL };

    rec.egress_total = *sum;
    rec.egress_total.side = out->side;
    (void) run_record(out->run, &rec);
}

static int64_t bytes_of(struct record_egress_total sum)
{
    return sum.bytes_up + sum.bytes_down;
}

static void sum_up(const struct way_out *out)
{
    int64_t step;
    struct record_egress_total sum;

    if (!out->door || out->run->is_over)
        return;
    sum = sums(out);
    step = out->network->max_bytes / TOLD_STEPS;
    if (step < TOLD_STEP_BYTES)
        step = TOLD_STEP_BYTES;
    if (bytes_of(sum) >= bytes_of(egress_sums_of(&out->run->state.egress.sums, out->side)) + step)
        record_sums(out, &sum);
}

void drive_egress_sum(struct run *run)
{
    sum_up(&run->out);
    for (size_t i = 0; run->side_outs && i < run->spec->side_count; i++)
        sum_up(&run->side_outs[i]);
}

/* ---- begin ---- */

static int init(struct way_out *out, struct err *err)
{
    static const struct door_ops ops = { on_decision, on_over };
    struct run *run = out->run;
    struct door_options options = { .numbers = &run->egress_numbers };
    int r;

    if (!out->network->rule_count)
        return 0;
    egress_test_options(&options);
    r = door_new(run->loop, out->network, &options, &ops, run, &out->door, err);
    if (r < 0)
        return r;
    out->earlier = egress_sums_of(&run->state.egress.sums, out->side);
    door_count(out->door, bytes_of(out->earlier), out->earlier.connections);
    return 0;
}

int drive_egress_init(struct run *run, struct err *err)
{
    const struct run_spec *spec = run->spec;
    int r;

    run->egress_numbers = (uint64_t) run->state.egress.numbers;
    run->out = (struct way_out){ .run = run, .network = &spec->network };
    run->side_outs = calloc(spec->side_count + 1, sizeof(*run->side_outs));
    if (!run->side_outs)
        return err_set(err, ERR_INTERNAL, "no memory for the ways out");
    r = init(&run->out, err);
    for (size_t i = 0; r == 0 && i < spec->side_count; i++) {
        run->side_outs[i] =
            (struct way_out){ .run = run, .side = spec->sides[i].name, .network = &spec->sides[i].network };
        r = init(&run->side_outs[i], err);
    }
    return r;
}

/* Processes that never close their side would fill the places: the oldest has had its time. */
static void make_place(struct box *box)
{
    struct egress_link *link = box->links.first;

    while (link && box->links.count >= LINGERING_MAX) {
        struct egress_link *next = link->next;

        if (!link->out)
            link_cut(link);
        link = next;
    }
}

static void on_open(void *data, struct channel_conn *conn, uint64_t command)
{
    static const struct conn_ops inner = { on_data, on_end, on_room, on_closed };
    static const struct door_conn_ops outer = { door_bytes, door_room, door_eof, door_closed };
    struct box *box = data;
    struct egress_link *link;

    if (box->run->is_over || !box->out->door)
        return;
    make_place(box);
    link = link_new(box, conn, command);
    if (!link)
        return; /* it is cut */
    if (door_open(box->out->door, (uint64_t) (uintptr_t) link, &outer, link, &link->out, NULL) < 0) {
        link_free(link);
        return;
    }
    channel_conn_accept(conn, &inner, link);
    give_credit(link);
}

static void on_listening(void *data, int result, const struct err *err)
{
    struct box *box = data;
    struct err why;

    if (result >= 0 || err->code == ERR_ENGINE) /* a sandbox that is gone says so itself */
        return;
    why = *err;
    (void) err_wrap(&why, "opening the way out of the sandbox");
    box->ops->lose(box, &why);
}

void drive_egress_open(struct box *box)
{
    static const struct listen_ops ops = { on_listening, on_open };
    struct channel *channel = box_channel(box);
    struct err err = { 0 };

    if (!box->out->door || !channel || box->run->broken.code)
        return;
    if (channel_listen(channel, SANDBOX_PROXY_PORT, &ops, box, &err) < 0) {
        (void) err_wrap(&err, "opening the way out of the sandbox");
        box->ops->lose(box, &err);
    }
}

/* ---- end ---- */

void drive_egress_cut(struct box *box)
{
    struct channel *channel = box_channel(box);

    for (struct egress_link *link = box->links.first; link; link = link->next)
        link->conn = NULL;         /* the channel ends them itself, or did so with its own end */
    if (channel && box->out->door) /* without one the channel may be a parent's, and so what listens there */
        channel_listen_stop(channel);
    while (box->links.first)
        link_cut(box->links.first);
}

static void close_out(struct way_out *out)
{
    struct record_egress_total sum, told;

    if (!out->door)
        return;
    sum = sums(out);
    told = egress_sums_told(&out->run->state.egress.sums, out->side);
    if (!out->run->is_over && memcmp(&sum, &told, sizeof(sum)) != 0)
        record_sums(out, &sum);
    door_free(TAKE_PTR(out->door));
}

void drive_egress_cancel(struct run *run)
{
    close_out(&run->out);
    for (size_t i = 0; run->side_outs && i < run->spec->side_count; i++)
        close_out(&run->side_outs[i]);
}
