/* SPDX-License-Identifier: MIT */
/*
 * Inside of the channel, shared by channel.c (bytes, frames, life), channel_call.c
 * (the open requests) and the kinds of requests: channel_exec.c, channel_file.c,
 * channel_info.c; and the connections: channel_conn.c. Nobody else includes this.
 *
 * A call is WAITING until HELLO came, a slot of the guest is free and the
 * output is not crowded; OPEN until its DONE or EXIT; ENDED when the
 * channel broke under it and its owner is yet to be told. A call that was canceled while OPEN stays
 * as one whose owner is gone, so that what the guest still has to say about it is not taken
 * for an offence.
 */
#ifndef SANDBOX_CHANNEL_IMPL_H
#define SANDBOX_CHANNEL_IMPL_H

#include "core/base/buf.h"
#include "core/sandbox/channel.h"
#include "core/sandbox/frame.h"

enum {
    CHANNEL_OUT_SOFT = 512 * 1024,        /* beyond it nobody adds contents of files or input */
    CHANNEL_OUT_MAX = 48 * 1024 * 1024,   /* credits and requests still come; never reached by ours */
    CHANNEL_CONN_AHEAD = 32 * 1024,       /* granted to one connection and not yet written */
    CHANNEL_INPUT_MAX = 16 * 1024 * 1024, /* `input` of one command */
    CHANNEL_WRITE_MAX = 64 * 1024,        /* exec_write() waiting for credit, unless asked otherwise */
    CHANNEL_PATH_SHOWN = 256,
};

_Static_assert((int) CHANNEL_EXECS == FRAME_EXECS, "what the guest has slots for");

enum call_state { CALL_WAITING, CALL_OPEN, CALL_ENDED };

struct call_kind {
    uint8_t type;
    bool is_exec;
    /* DATA, ENTRIES, OUTPUT, CREDIT; NULL: the guest may not send it. */
    int (*on_data)(struct channel_call *call, struct frame_in in, struct err *err);
    int (*on_hole)(struct channel_call *call, struct frame_in in, struct err *err);
    int (*on_entries)(struct channel_call *call, struct frame_in in, struct err *err);
    /* DONE with FRAME_OK: decode the result, tell the owner. */
    int (*on_done)(struct channel_call *call, struct frame_in in, struct err *err);
    /* Any other end. */
    void (*on_fail)(struct channel_call *call, int result, const struct err *why);
};

union call_to {
    channel_done_fn *done;
    channel_stat_fn *stat;
    channel_text_fn *text;
    channel_stats_fn *stats;
    channel_sum_fn *sum;
    const struct file_read_ops *read;
    const struct file_list_ops *list;
    const struct file_write_ops *write;
    const struct scan_ops *scan;
    const struct exec_ops *exec;
    const struct listen_ops *listen;
};

struct channel_call {
    struct channel_call *prev, *next;
    struct call_list *list;
    struct channel *ch;
    const struct call_kind *kind;
    enum call_state state;
    bool is_detached; /* the owner is gone */
    bool is_calling;  /* its owner's function runs: do not free */
    uint64_t stream;
    void *data;
    union call_to to;
    struct buf request;             /* until sent */
    char shown[CHANNEL_PATH_SHOWN]; /* what it is about, for messages */

    uint32_t window;      /* we may send so much */
    uint32_t received[2]; /* of the guest's window, not given back */
    uint32_t owed[2];     /* of that, dealt with */

    /* writing */
    bool wants_room, is_ending;
    bool is_held; /* reading: no credit is given back */
    /* commands */
    struct buf input;
    size_t input_sent, input_max;
    bool has_input, is_killed;
    bool takes_over;
    uint64_t instead;
    uint64_t at[2]; /* position after the last output */
    uint64_t delivered[2], delivered_max;
    char cwd[CHANNEL_PATH_SHOWN];
    char alternative[72]; /* for messages */
    /* probe; list */
    struct buf text;
};

/* A command that the guest knows. */
struct exec_slot {
    uint64_t id, input;
    bool has_ended, reads;
};

struct call_list {
    struct channel_call *first, *last;
};

struct channel {
    struct loop *loop;
    const struct channel_ops *ops;
    void *data;
    struct loop_source *soon, *pulse;

    struct buf out;
    size_t out_sent;
    bool wants_output; /* on_output is due */

    struct buf in; /* a frame that is not complete */
    struct frame_reader reader;
    uint8_t nonce[FRAME_NONCE];

    bool is_greeted, is_broken, is_told, is_freed;
    int busy; /* depth of calls into the owner */
    struct err why;
    struct frame_hello hello;
    struct channel_guest guest;

    struct call_list waiting, open, ended;
    int open_requests;
    struct exec_slot slots[CHANNEL_EXECS];
    size_t slot_count;
    bool had_memory_hit;
    uint64_t next_stream;

    int64_t pulse_ms, sent_ms, ping_since_ms;
    uint64_t ping_sent, ping_heard;
    int ping_ticks; /* beats of the pulse since the oldest ping that was not answered */

    const struct listen_ops *listen; /* NULL: not asked for */
    void *listen_data;
    bool is_listening;           /* the guest said so: connections may come */
    bool wants_grants;           /* a connection was granted less than it could have */
    struct channel_conn **conns; /* CHANNEL_CONNS places, by stream; NULL before channel_listen() */
    uint64_t *conn_streams;      /* the last number of each place */
    size_t conn_turn;            /* who is granted something next */
    size_t conns_wide;           /* with a window of CHANNEL_CONN_WINDOW */

    struct buf log;
};

/* ---- channel.c ---- */

void channel_break(struct channel *ch, const struct err *why);
void channel_soon(struct channel *ch); /* let channel_turn() run from the loop */
size_t channel_waiting_bytes(const struct channel *ch);
bool channel_is_crowded(const struct channel *ch);
/* Queue one frame; a failure breaks the channel. */
void channel_say(struct channel *ch, uint8_t type, uint8_t flags, uint64_t stream, struct span payload);
/* Queue `payload` as as many frames as it takes; `last_flags` on the last, `more_flags` on the others. */
void channel_say_long(struct channel *ch, uint8_t type, uint64_t stream, struct span payload,
                      uint8_t more_flags, uint8_t last_flags);
void channel_ping_send(struct channel *ch);

/* Enter and leave the owner's code. false: the channel was freed in there, touch nothing. */
void channel_enter(struct channel *ch);
bool channel_leave(struct channel *ch);

/* ---- channel_call.c ---- */

/* A new call in the waiting list. `shown` is for messages. */
struct channel_call *call_new(struct channel *ch, const struct call_kind *kind, void *data, const char *shown,
                              struct err *err);
void call_free(struct channel_call *call);
/* The request is complete: hand out the call and send it when its time comes. -ERR_TOO_LARGE: the request is.
 */
int call_submit(struct channel_call *call, struct frame_out *request, struct channel_call **ret,
                struct err *err);
struct frame_out call_request(struct channel_call *call, size_t max); /* p NULL: no memory */
struct channel_call *call_find(struct channel *ch, uint64_t stream);
void call_pump(struct channel *ch); /* send what may be sent now */
void call_move(struct channel_call *call, struct call_list *to);
void call_lose_all(struct channel *ch);
bool call_tell_ended(struct channel *ch); /* false: channel freed */
bool call_tell_room(struct channel *ch);

/* The guest used up `len` of a window: -ERR_PROTOCOL when it had none. */
int call_receive(struct channel_call *call, int which, size_t len, struct err *err);
void call_give_back(struct channel_call *call, int which, size_t len);

/* Frames for a call. 0 or -ERR_PROTOCOL. */
int call_frame(struct channel *ch, const struct frame *f, struct err *err);

int call_offence(struct err *err, const char *what); /* -ERR_PROTOCOL */

/* ---- channel_conn.c ---- */

int conn_frame(struct channel *ch, const struct frame *f, struct err *err);
bool conn_tell_room(struct channel *ch); /* false: channel freed */
bool conn_tell_lost(struct channel *ch);
void conn_free_all(struct channel *ch);

/* May the owner be called? */
static inline bool call_is_wanted(const struct channel_call *call)
{
    return !call->is_detached;
}

/* ---- channel_exec.c, channel_file.c ---- */

void exec_greet(struct channel *ch); /* HELLO came */
bool exec_has_room(const struct channel_call *call);
void exec_sending(struct channel_call *call); /* it is on its way now */
void exec_pump(struct channel_call *call);    /* input that has credit */
int exec_exit(struct channel_call *call, struct frame_in in, struct err *err);
extern const struct call_kind exec_kind, adopt_kind, ping_kind, write_kind;
void stat_public(const struct frame_stat *st, struct guest_stat *ret);

#endif
