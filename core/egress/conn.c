/* SPDX-License-Identifier: MIT */
/* A connection: what the owner calls, its turns, its ends. Decisions are in conn_decide.c. */
#include "core/egress/door_impl.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/egress/reply.h"
#include "core/egress/rule.h"

#include <stdio.h>
#include <stdlib.h>

#define DRAIN_MS 5000  /* for a client to stop sending once it has all its bytes */
#define STALL_MS 60000 /* for one that does not take them */

/* ---- time ---- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void arm(struct door_conn *conn)
{
    const struct egress_spec *spec = conn->door->spec;
    int64_t due = INT64_MAX;

    if (conn->phase_ms > 0)
        due = conn->phase_ms;
    if (spec->lifetime_ms > 0)
        due = sooner(due, conn->born_ms + spec->lifetime_ms);
    if (spec->idle_ms > 0)
        due = sooner(due, conn->moved_ms + spec->idle_ms);
    if (due == INT64_MAX)
        due = -1; /* none at all; one that is overdue is due now */
    else if ((due -= clock_mono_ms()) < 0)
        due = 0;
    (void) loop_timer_set(conn->timer, due, NULL); /* cannot fail for an open one */
}

void conn_set_state(struct door_conn *conn, enum conn_state state, int64_t limit_ms)
{
    conn->state = state;
    conn->phase_ms = limit_ms > 0 ? clock_mono_ms() + limit_ms : 0;
    arm(conn);
}

/* ---- ends ---- */

void conn_end_ticket(struct door_conn *conn, const char *reason, bool is_denied)
{
    struct ticket *t = &conn->ticket;
    struct door *door = conn->door;
    char address[ADDRESS_TEXT] = "";

    if (!t->is_open)
        return;
    t->is_open = false;
    if (t->has_address)
        (void) address_text(&t->address, address);
    if (!door->ops || !door->ops->on_end)
        return;
    door->ops->on_end(door->data, &(struct door_end){
                                      .number = t->number,
                                      .tag = conn->tag,
                                      .method = egress_method_name(t->method),
                                      .host = t->host.name,
                                      .port = t->host.port,
                                      .rule = t->rule,
                                      .address = address,
                                      .status = t->status,
                                      .bytes_up = t->up,
                                      .bytes_down = t->down,
                                      .duration_ms = clock_mono_ms() - t->since_ms,
                                      .is_denied = is_denied,
                                      .reason = reason,
                                  });
}

static void drop_outer(struct door_conn *conn)
{
    dial_free(TAKE_PTR(conn->dial));
    outer_free(TAKE_PTR(conn->outer));
    secret_wipe(&conn->up); /* may hold an injected one */
    secret_wipe(&conn->again);
    buf_done(&conn->head);
}

static void free_memory(struct door_conn *conn)
{
    tls_session_free(conn->inner);
    buf_done(&conn->in);
    buf_done(&conn->out);
    free(conn);
}

void conn_release(struct door_conn *conn, const char *reason)
{
    if (conn->is_freed)
        return;
    conn->is_freed = true;
    drop_outer(conn);
    loop_source_free(TAKE_PTR(conn->timer));
    ring_remove(&conn->all);
    ring_remove(&conn->kicked);
    ring_remove(&conn->launching);
    conn->door->totals.open--;
    conn->busy++; /* on_end() may free it, as everything may */
    conn_end_ticket(conn, reason, false);
    if (--conn->busy == 0)
        free_memory(conn);
}

static void end(struct door_conn *conn)
{
    if (conn->is_freed || conn->state == CONN_OVER)
        return;
    drop_outer(conn);
    buf_done(&conn->in);
    conn_set_state(conn, CONN_OVER, 0);
    (void) loop_timer_set(conn->timer, -1, NULL);
    conn->ops->on_closed(conn->data);
}

void conn_cut(struct door_conn *conn, const char *reason, bool is_denied)
{
    conn_end_ticket(conn, reason, is_denied);
    end(conn);
}

void conn_finish(struct door_conn *conn)
{
    if (conn->is_freed)
        return;
    drop_outer(conn);
    buf_done(&conn->in);
    if (conn->inner)
        (void) intercept_queue(conn, span_make("", 0),
                               true); /* without it the end is abrupt, and still one */
    conn_set_state(conn, CONN_DRAIN, DRAIN_MS);
}

static void tell_denied(struct door_conn *conn, const char *reason, const char *allow)
{
    struct door *door = conn->door;
    struct ticket *t = &conn->ticket;
    const char *method = egress_method_name(t->method);

    t->number = door_number(door);
    door->totals.denied++;
    if (door->ops && door->ops->on_decision)
        door->ops->on_decision(door->data, &(struct door_decision){
                                               .number = t->number,
                                               .tag = conn->tag,
                                               .method = method ? method : "",
                                               .host = t->host.name,
                                               .port = t->host.port,
                                               .rule = t->rule,
                                               .reason = reason,
                                               .allow = allow,
                                           });
}

void conn_deny(struct door_conn *conn, const char *reason)
{
    if (conn->ticket.is_open)
        conn_end_ticket(conn, reason, true);
    else
        tell_denied(conn, reason, NULL);
    conn_finish(conn);
}

static void answer(struct door_conn *conn, int status, const char *reason, const char *allow)
{
    struct buf text = BUF_INIT(REPLY_MAX);
    int r;

    if (conn->is_freed)
        return;
    r = reply_refusal(&text, status, reason, allow, conn->ticket.method != EGRESS_HEAD);
    if (r == 0)
        r = conn->inner ? intercept_queue(conn, buf_span(&text), false)
                        : buf_add_span(&conn->out, buf_span(&text));
    buf_done(&text);
    if (r < 0)
        end(conn);
    else
        conn_finish(conn);
}

void conn_refuse(struct door_conn *conn, int status, const char *reason, const char *allow)
{
    conn->ticket.status = 0; /* of the origin; there is no answer of it */
    if (conn->ticket.is_open)
        conn_end_ticket(conn, reason, status == 403);
    else
        tell_denied(conn, reason, allow);
    answer(conn, status, reason, allow);
}

void conn_turn_away(struct door_conn *conn, int status, const char *reason)
{
    conn->door->totals.denied++;
    answer(conn, status, reason, NULL);
}

/* ---- bytes ---- */

static bool pass(struct door_conn *conn, struct span bytes)
{
    conn->credit -= bytes.len;
    conn->moved_ms = clock_mono_ms();
    conn->ops->on_bytes(conn->data, bytes);
    return !conn->is_freed;
}

bool conn_give_bare(struct door_conn *conn, struct span bytes)
{
    size_t now = conn->out.len > 0 ? 0 : bytes.len;

    if (now > conn->credit)
        now = conn->credit;
    if (now > 0 && !pass(conn, span_make(bytes.ptr, now)))
        return false;
    if (now < bytes.len && buf_add(&conn->out, bytes.ptr + now, bytes.len - now) < 0) {
        conn_cut(conn, "the client reads too slowly", false);
        return false;
    }
    return true;
}

bool conn_give(struct door_conn *conn, struct span bytes)
{
    return conn->inner ? intercept_give(conn, bytes) : conn_give_bare(conn, bytes);
}

bool conn_give_text(struct door_conn *conn, const char *text)
{
    return conn_give(conn, span_of(text));
}

static bool flush_out(struct door_conn *conn)
{
    size_t len = conn->out.len < conn->credit ? conn->out.len : conn->credit;

    if (len == 0)
        return true;
    if (!pass(conn, span_make(conn->out.data, len)))
        return false;
    buf_drop(&conn->out, len);
    if (conn->out.len == 0)
        buf_done(&conn->out);
    return true;
}

void conn_flush_up(struct door_conn *conn)
{
    size_t len = conn->up.len;
    ssize_t n;

    if (conn->is_up_broken)
        buf_clear(&conn->up);
    if (conn->up.len == 0 || conn->is_blocked || !conn->outer)
        return;
    if ((int64_t) len > door_left(conn->door))
        len = (size_t) door_left(conn->door);
    if (len == 0)
        return;
    n = outer_send(conn->outer, conn->up.data, len);
    conn->is_blocked = n == OUTER_AGAIN || (n >= 0 && (size_t) n < len);
    conn->is_up_broken = n == OUTER_BROKEN;
    if (n > 0) {
        door_moved(conn, (size_t) n, 0);
        buf_drop(&conn->up, (size_t) n);
    }
    if (conn->up.len == 0)
        secret_wipe(&conn->up);
}

ssize_t conn_recv(struct door_conn *conn)
{
    size_t size = conn->credit < SCRATCH_BYTES ? conn->credit : SCRATCH_BYTES;
    ssize_t n;

    if ((int64_t) size > door_left(conn->door))
        size = (size_t) door_left(conn->door);
    if (size == 0)
        return OUTER_AGAIN;
    n = outer_recv(conn->outer, conn->door->scratch, size);
    if (n > 0)
        door_moved(conn, 0, (size_t) n);
    return n;
}

/* ---- turns ---- */

static bool step(struct door_conn *conn)
{
    const char *spent = conn->ticket.is_open ? door_spent(conn->door) : NULL;

    if (spent) {
        conn_cut(conn, spent, true);
        return false;
    }
    switch (conn->state) {
    case CONN_HEAD:
        return conn_head(conn);
    case CONN_HELLO:
        return tunnel_hello(conn);
    case CONN_TUNNEL:
        return tunnel_step(conn);
    case CONN_PLAIN:
        return plain_step(conn);
    case CONN_RATE:
    case CONN_LAUNCH:
    case CONN_DIAL:
    case CONN_SHAKE:
    case CONN_DRAIN:
    case CONN_OVER:
        break;
    }
    return false;
}

/* False when there is nothing more to do now. */
static bool turn(struct door_conn *conn)
{
    size_t before;
    bool has_more;

    if (!conn->inner)
        return step(conn);
    if (!flush_out(conn))
        return false;
    has_more = intercept_pull(conn);
    before = conn->in.len;
    if (conn->is_freed)
        return false;
    return step(conn) || has_more || conn->in.len < before; /* then there is room for what was not pulled */
}

static void watch(struct door_conn *conn)
{
    bool is_open = conn->state == CONN_TUNNEL || conn->state == CONN_PLAIN;
    bool wants_read = !conn->outer_eof && conn->credit > 0 && conn->out.len == 0;
    unsigned events = 0;

    if (!conn->outer)
        return;
    if (conn->state == CONN_PLAIN && conn->plain.down_done)
        wants_read = false;
    if (is_open && wants_read)
        events |= LOOP_READ;
    if (is_open && conn->is_blocked)
        events |= LOOP_WRITE;
    outer_watch(conn->outer, events);
}

static bool has_room(const struct door_conn *conn)
{
    if (conn->state == CONN_TUNNEL)
        return !conn->is_blocked && conn->up.len == 0;
    if (conn->inner)
        return tls_session_room(conn->inner) >= TLS_FEED_MAX / 2;
    return conn->in.len <= IN_MAX / 2;
}

/* What is owed to the owner, one callback after the other. */
static void settle(struct door_conn *conn)
{
    if (conn->is_freed || !flush_out(conn))
        return;
    if (conn->wants_room && has_room(conn)) {
        conn->wants_room = false;
        conn->ops->on_room(conn->data);
        if (conn->is_freed)
            return;
    }
    if (!conn->told_eof && conn->out.len == 0 &&
        (conn->state == CONN_DRAIN || (conn->state == CONN_TUNNEL && conn->outer_eof))) {
        conn->told_eof = true;
        if (conn->ops->on_eof)
            conn->ops->on_eof(conn->data);
        if (conn->is_freed)
            return;
    }
    if (conn->state == CONN_DRAIN && conn->told_eof && (conn->client_eof || conn->inner_eof))
        end(conn);
    if (!conn->is_freed)
        watch(conn);
}

void conn_let_go(struct door_conn *conn)
{
    if (--conn->busy == 0 && conn->is_freed)
        free_memory(conn);
}

void conn_run(struct door_conn *conn)
{
    conn->busy++;
    while (!conn->is_freed && turn(conn))
        ;
    if (!conn->is_freed && conn->state != CONN_OVER)
        settle(conn);
    conn_let_go(conn);
}

void conn_on_outer(void *data, unsigned events)
{
    struct door_conn *conn = data;

    conn->busy++;
    if (events & LOOP_WRITE) {
        conn->is_blocked = false;
        conn_flush_up(conn);
    }
    if ((events & LOOP_READ) && conn->state == CONN_TUNNEL)
        tunnel_read(conn);
    else if ((events & LOOP_READ) && conn->state == CONN_PLAIN)
        plain_read(conn);
    if (!conn->is_freed)
        conn_run(conn);
    conn_let_go(conn);
}

/* A client that is still reading gets more time, as long as it reads at all. */
static void drain_over(struct door_conn *conn)
{
    if (conn->out.len > 0 && clock_mono_ms() < conn->moved_ms + STALL_MS)
        conn_set_state(conn, CONN_DRAIN, DRAIN_MS);
    else
        end(conn);
}

/* The state's own deadline. */
static void phase_over(struct door_conn *conn)
{
    char reason[DOOR_REASON_MAX], text[32];

    conn->phase_ms = 0;
    (void) units_format_duration(text, door_head_ms(conn->door));
    if (conn->state == CONN_HEAD) {
        conn_head_late(conn);
    } else if (conn->state == CONN_RATE) {
        conn_decide(conn);
    } else if (conn->state == CONN_HELLO && !conn->ends_here) {
        (void) snprintf(reason, sizeof(reason), "the TLS ClientHello took longer than %s", text);
        conn_cut(conn, reason, true);
    } else if (conn->state == CONN_HELLO || conn->state == CONN_SHAKE) {
        (void) snprintf(reason, sizeof(reason), "the client's part of TLS took longer than %s", text);
        conn_deny(conn, reason);
    } else if (conn->state == CONN_DRAIN) {
        drain_over(conn);
    }
}

static void time_over(struct door_conn *conn, const char *what, int64_t limit_ms)
{
    char reason[DOOR_REASON_MAX], text[32];

    (void) snprintf(reason, sizeof(reason), "%s %s", what, units_format_duration(text, limit_ms));
    conn_cut(conn, reason, false);
}

void conn_on_timer(void *data)
{
    struct door_conn *conn = data;
    const struct egress_spec *spec = conn->door->spec;
    int64_t now = clock_mono_ms();

    if (conn->state == CONN_OVER)
        return;
    conn->busy++;
    if (conn->phase_ms > 0 && now >= conn->phase_ms)
        phase_over(conn);
    else if (spec->lifetime_ms > 0 && now >= conn->born_ms + spec->lifetime_ms)
        time_over(conn, "the connection is older than", spec->lifetime_ms);
    else if (spec->idle_ms > 0 && now >= conn->moved_ms + spec->idle_ms)
        time_over(conn, "nothing moved for", spec->idle_ms);
    if (!conn->is_freed && conn->state != CONN_OVER) {
        arm(conn);
        conn_run(conn);
    }
    conn_let_go(conn);
}

/* ---- what the owner calls ---- */

size_t door_conn_feed(struct door_conn *conn, struct span bytes)
{
    size_t len = bytes.len;

    conn->moved_ms = clock_mono_ms();
    if (conn->state == CONN_OVER || conn->state == CONN_DRAIN || conn->client_eof)
        return len;
    if (conn->state == CONN_TUNNEL) {
        len = tunnel_feed(conn, bytes);
        conn->wants_room = len < bytes.len;
        watch(conn);
        return len;
    }
    if (conn->inner) {
        len = tls_session_feed(conn->inner, bytes);
        conn->wants_room = len < bytes.len;
        door_kick(conn);
        return len;
    }
    if (len > IN_MAX - conn->in.len)
        len = IN_MAX - conn->in.len;
    if (buf_add(&conn->in, bytes.ptr, len) < 0)
        len = 0; /* no memory: asked again when there was some room */
    conn->wants_room = len < bytes.len;
    door_kick(conn);
    return len;
}

void door_conn_credit(struct door_conn *conn, size_t bytes)
{
    conn->credit += bytes;
    door_kick(conn);
}

void door_conn_eof(struct door_conn *conn)
{
    *(conn->inner ? &conn->inner_eof : &conn->client_eof) = true;
    door_kick(conn);
}

void door_conn_free(struct door_conn *conn)
{
    if (conn && conn->state == CONN_SHAKE)
        intercept_gone(conn);
    if (conn)
        conn_release(conn, "the client went away");
}
