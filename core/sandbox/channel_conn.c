/* SPDX-License-Identifier: MIT */
/*
 * Connections: the listener, and the streams that the guest opens.
 *
 * What the guest may do wrong and is caught here: streams before it was asked to
 * listen, numbers out of order or places that are taken, more data than it has credit for, data after its
 * end, credit that was not used, windows that cannot be. Each breaks the channel.
 */
#include "core/sandbox/channel_impl.h"

#include <assert.h>
#include <stdlib.h>

_Static_assert((int) CHANNEL_CONNS == FRAME_CONNS && (int) CHANNEL_CONN_WINDOW == FRAME_WINDOW_CONN_WIDE,
               "what the guest has");
_Static_assert(CHANNEL_COMMAND_UNKNOWN == FRAME_COMMAND_UNKNOWN, "passed on as it is");

struct channel_conn {
    struct channel *ch;
    const struct conn_ops *ops; /* NULL: nobody's any more */
    void *data;
    uint64_t stream;
    uint32_t window, window_max; /* we may send so much; when nothing is under way */
    uint32_t granted;            /* of it, promised to the owner and not written */
    uint32_t theirs;             /* the guest's window */
    uint32_t received, owed;     /* of it: used; dealt with, not yet given back */
    bool has_ended;              /* the process' side */
    bool has_said_end, is_cut;   /* ours */
    bool wants_room;
};

/* ---- listening ---- */

static int listen_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    struct channel *ch = call->ch;
    uint64_t port = frame_get(&in, 4);

    if (in.is_bad || in.len > 0 || port == 0 || port > UINT16_MAX)
        return call_offence(err, "an answer that cannot be read");
    ch->is_listening = true;
    if (ch->listen)
        ch->listen->on_listening(ch->listen_data, 0, NULL);
    return 0;
}

static void listen_fail(struct channel_call *call, int r, const struct err *why)
{
    if (call->ch->listen)
        call->ch->listen->on_listening(call->ch->listen_data, r, why);
}

static const struct call_kind listen_kind = { .type = FRAME_LISTEN,
                                              .on_done = listen_done,
                                              .on_fail = listen_fail };

int channel_listen(struct channel *ch, uint16_t port, const struct listen_ops *ops, void *data,
                   struct err *err)
{
    struct channel_call *call;
    struct frame_out out;

    if (!ch->is_greeted || !(ch->guest.features & FRAME_FEATURE_LISTEN))
        return err_set(err, ERR_ENGINE, "the sandbox's guest cannot carry connections");
    assert(!ch->conns);
    ch->conns = calloc(CHANNEL_CONNS, sizeof(*ch->conns));
    ch->conn_streams = calloc(CHANNEL_CONNS, sizeof(*ch->conn_streams));
    if (!ch->conns || !ch->conn_streams)
        return err_set(err, ERR_INTERNAL, "no memory for the connections of the sandbox");
    call = call_new(ch, &listen_kind, NULL, "listener", err);
    if (!call)
        return -(int) (ch->is_broken ? ERR_ENGINE : ERR_INTERNAL);
    ch->listen = ops;
    ch->listen_data = data;
    out = call_request(call, 4);
    frame_put(&out, port, 4);
    return call_submit(call, &out, NULL, err);
}

void channel_listen_stop(struct channel *ch)
{
    ch->listen = NULL;
    for (size_t i = 0; ch->conns && i < CHANNEL_CONNS; i++) {
        if (ch->conns[i])
            channel_conn_cut(ch->conns[i]);
    }
}

/* ---- places ---- */

static struct channel_conn **place_of(struct channel *ch, uint64_t stream)
{
    return &ch->conns[(stream - FRAME_STREAM_CONNS) % CHANNEL_CONNS];
}

void conn_free_all(struct channel *ch)
{
    for (size_t i = 0; ch->conns && i < CHANNEL_CONNS; i++)
        free(ch->conns[i]);
    free(ch->conns);
    free(ch->conn_streams);
    ch->conns = NULL;
    ch->conn_streams = NULL;
}

static int conn_open(struct channel *ch, const struct frame *f, struct err *err)
{
    struct frame_in in = { f->payload, f->len, false };
    struct channel_conn **place = place_of(ch, f->stream), *conn;
    uint64_t *last = &ch->conn_streams[place - ch->conns];
    struct frame_open o;

    if (*place || f->stream <= *last)
        return call_offence(err, "a connection where there is one");
    if (f->flags || !frame_open_decode(in, &o))
        return call_offence(err, "a connection that cannot be read");
    conn = calloc(1, sizeof(*conn));
    if (!conn)
        return err_set(err, ERR_INTERNAL, "no memory for a connection of the sandbox");
    *last = f->stream;
    *place = conn;
    conn->ch = ch;
    conn->stream = f->stream;
    conn->window = conn->window_max = o.window;
    conn->theirs = FRAME_WINDOW_CONN;
    if (ch->listen)
        ch->listen->on_open(ch->listen_data, conn, o.command);
    if (!ch->is_freed && !conn->ops)
        channel_conn_cut(conn);
    return 0;
}

void channel_conn_accept(struct channel_conn *conn, const struct conn_ops *ops, void *data)
{
    conn->ops = ops;
    conn->data = data;
}

/* ---- frames ---- */

static int conn_data(struct channel_conn *conn, const struct frame *f, struct err *err)
{
    bool is_end = f->flags & FRAME_END;

    if (conn->has_ended || (f->flags & ~FRAME_END) || (f->len == 0 && !is_end))
        return call_offence(err, "data after its end, or none");
    if (f->len > conn->theirs - conn->received)
        return call_offence(err, "more data than it has credit for");
    conn->received += f->len;
    conn->has_ended = is_end;
    if (conn->ops && f->len > 0)
        conn->ops->on_data(conn->data, span_make(f->payload, f->len));
    if (conn->ch->is_freed)
        return 0;
    if (conn->ops && is_end)
        conn->ops->on_end(conn->data);
    return 0;
}

static int conn_credit(struct channel_conn *conn, const struct frame *f, struct err *err)
{
    struct frame_in in = { f->payload, f->len, false };
    uint64_t fd = frame_get(&in, 1);
    uint32_t bytes = (uint32_t) frame_get(&in, 4);

    if (in.is_bad || in.len > 0 || fd != 0 || bytes > conn->window_max - conn->window)
        return call_offence(err, "credit that was not used");
    conn->window += bytes;
    if (conn->wants_room) {
        conn->ch->wants_grants = true;
        channel_soon(conn->ch);
    }
    return 0;
}

static void conn_free(struct channel_conn *conn)
{
    conn->ch->conns_wide -= conn->theirs == CHANNEL_CONN_WINDOW;
    free(conn);
}

static int conn_done(struct channel_conn *conn, const struct frame *f, struct err *err)
{
    struct frame_in in = { f->payload, f->len, false };
    struct channel *ch = conn->ch;
    struct frame_done d;

    if (!frame_done_decode(&in, &d) || in.len > 0)
        return call_offence(err, "an answer that cannot be read");
    *place_of(ch, conn->stream) = NULL;
    if (conn->ops)
        conn->ops->on_closed(conn->data);
    conn_free(conn);
    return 0;
}

int conn_frame(struct channel *ch, const struct frame *f, struct err *err)
{
    struct channel_conn *conn;

    if (!ch->is_listening)
        return call_offence(err, "a connection that nobody asked for");
    if (f->type == FRAME_OPEN)
        return conn_open(ch, f, err);
    conn = *place_of(ch, f->stream);
    if (!conn || conn->stream != f->stream)
        return call_offence(err, "something about a connection that is not there");
    switch (f->type) {
    case FRAME_DATA:
        return conn_data(conn, f, err);
    case FRAME_CREDIT:
        return conn_credit(conn, f, err);
    case FRAME_DONE:
        return conn_done(conn, f, err);
    default:
        return call_offence(err, "a frame that does not belong to a connection");
    }
}

/* ---- from the owner ---- */

size_t channel_conn_grant(struct channel_conn *conn)
{
    struct channel *ch = conn->ch;
    uint32_t most = conn->window < CHANNEL_CONN_AHEAD ? conn->window : CHANNEL_CONN_AHEAD;
    uint32_t more =
        most > conn->granted && !channel_is_crowded(ch) && !ch->is_broken ? most - conn->granted : 0;

    conn->granted += more;
    conn->wants_room = conn->granted < CHANNEL_CONN_AHEAD;
    if (conn->granted < most)
        ch->wants_grants = true; /* as soon as the way is free */
    return more;
}

void channel_conn_write(struct channel_conn *conn, struct span bytes)
{
    assert(bytes.len <= conn->granted);
    if (bytes.len == 0)
        return;
    conn->granted -= (uint32_t) bytes.len;
    conn->window -= (uint32_t) bytes.len;
    if (!conn->is_cut && !conn->has_said_end)
        channel_say(conn->ch, FRAME_DATA, 0, conn->stream, bytes);
}

void channel_conn_end(struct channel_conn *conn)
{
    if (conn->has_said_end || conn->is_cut)
        return;
    conn->has_said_end = true;
    channel_say(conn->ch, FRAME_DATA, FRAME_END, conn->stream, span_make(NULL, 0));
}

/* What a connection may send at once decides how fast it is, for each credit is a round trip behind. A
 * thousand of them may not have that much, but those that send a lot are few. */
static uint32_t widen(struct channel_conn *conn)
{
    uint32_t more = CHANNEL_CONN_WINDOW - conn->theirs;

    if (more == 0 || conn->ch->conns_wide >= CHANNEL_CONNS_WIDE)
        return 0;
    conn->ch->conns_wide++;
    conn->theirs += more;
    return more;
}

void channel_conn_dealt(struct channel_conn *conn, size_t len)
{
    uint8_t payload[5];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    conn->owed += (uint32_t) len;
    assert(conn->owed <= conn->received);
    if (conn->owed < conn->theirs / 4 || conn->has_ended || conn->is_cut)
        return;
    frame_put(&out, 0, 1);
    frame_put(&out, conn->owed + widen(conn), 4);
    conn->received -= conn->owed;
    conn->owed = 0;
    channel_say(conn->ch, FRAME_CREDIT, 0, conn->stream, span_make(payload, out.len));
}

/* It keeps its place until the guest has answered. */
void channel_conn_cut(struct channel_conn *conn)
{
    conn->ops = NULL;
    conn->wants_room = false;
    if (conn->is_cut)
        return;
    conn->is_cut = true;
    channel_say(conn->ch, FRAME_CANCEL, 0, conn->stream, span_make(NULL, 0));
}

/* ---- telling owners, from the loop ---- */

bool conn_tell_room(struct channel *ch)
{
    if (!ch->wants_grants || !ch->conns || ch->is_broken || channel_is_crowded(ch))
        return true;
    ch->wants_grants = false;
    for (size_t i = 0; i < CHANNEL_CONNS; i++) {
        struct channel_conn *conn = ch->conns[ch->conn_turn = (ch->conn_turn + 1) % CHANNEL_CONNS];

        if (!conn || !conn->ops || !conn->wants_room)
            continue;
        if (channel_is_crowded(ch)) {
            ch->wants_grants = true; /* the others when there is room again, beginning with this one */
            ch->conn_turn += CHANNEL_CONNS - 1;
            return true;
        }
        conn->wants_room = false;
        conn->ops->on_room(conn->data);
        if (ch->is_freed)
            return false;
    }
    return true;
}

bool conn_tell_lost(struct channel *ch)
{
    for (size_t i = 0; ch->conns && i < CHANNEL_CONNS; i++) {
        struct channel_conn *conn = ch->conns[i];

        if (!conn)
            continue;
        ch->conns[i] = NULL;
        if (conn->ops)
            conn->ops->on_closed(conn->data);
        conn_free(conn);
        if (ch->is_freed)
            return false;
    }
    return true;
}
