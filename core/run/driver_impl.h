/* SPDX-License-Identifier: MIT */
/*
 * Inside of the driver, shared by its files: driver.c (decide-record-act, the end),
 * driver_life.c (made, started, resumed, freed), drive_model.c (requests), drive_compaction.c (summaries),
 * drive_memory.c (notes of earlier runs), drive_calls.c (tool calls), drive_agent.c (subagents),
 * drive_side.c (sandboxes beside the agent's), drive_context.c (what the model is told of the workspace),
 * drive_answer.c (what follows a final message), drive_approve.c (may a call run), drive_sandbox.c (sandbox),
 * drive_trust.c (what its commands must trust), drive_workspace.c (inputs, checkpoints, outputs),
 * drive_egress.c (the way out).
 *
 * The rule between them: an act_*() records an intent and queues an effect, nothing
 * more; an effect_*() starts something outside and is called only after the intent is
 * durable; what comes back is recorded, and the next decision is made before the
 * loop waits again.
 */
#ifndef RUN_DRIVER_IMPL_H
#define RUN_DRIVER_IMPL_H

#include "core/base/buf.h"
#include "core/egress/door.h"
#include "core/model/request.h"
#include "core/run/checkpoint_restore.h"
#include "core/run/checkpoint_take.h"
#include "core/run/conversation.h"
#include "core/run/decide.h"
#include "core/run/drive_agent.h"
#include "core/run/driver.h"
#include "core/run/journal.h"
#include "core/run/object.h"
#include "core/run/workspace.h"
#include "core/tool/tool.h"

#define STREAM_INLINE_MAX 4096               /* output of a command that stays in the record */
#define STREAM_KEEP_MAX   (16 * 1024 * 1024) /* of each stream, from its start */
#define STREAMS_MAX       32                 /* of one call */
#define LOST_WAIT_MS      10000 /* a call lost its sandbox: so long the sandbox may take to say why */

struct live_stream {
    char name[64];
    struct buf head; /* while it is small */
    struct object_writer *object;
    int64_t size, kept;
};

/* A call that runs. */
struct live_call {
    struct live_call *next;
    struct run *run;
    int64_t number, began_ms;
    int64_t execs; /* ids given out */
    char *call_id;
    struct tool_run *tool_run;
    loop_fn *on_declared; /* what it said to be about to do is on its way to the disk */
    void *on_declared_data;
    struct live_stream streams[STREAMS_MAX];
    size_t stream_count;
};

struct egress_links { /* oldest first */
    struct egress_link *first, *last;
    size_t count;
};

/* On their way into the sandbox: the certificates of rules that intercept. */
struct live_trust {
    struct buf text; /* of the file that is written */
    size_t sent, index;
    struct channel_call *call; /* NULL: none is */
};

/* The way out of the agent's sandbox, or of all sandboxes of one kind beside it: limits hold over those that
 * follow each other, and over processes. */
struct way_out {
    struct run *run;
    const char *side; /* NULL: the agent's own; else as in the run's spec */
    const struct egress_spec *network;
    struct door *door;                  /* NULL: closed */
    struct record_egress_total earlier; /* what earlier processes let through */
};

/* A sandbox of the run: the agent's own, or one beside it. */
struct box {
    struct run *run;
    const char *side;   /* NULL: the agent's own; else by which records know it */
    struct sandbox *sb; /* NULL: none now */
    struct sandbox_order order;
    struct way_out *out;
    struct egress_links links;
    struct live_trust trust;
    const struct box_ops *ops;
};

struct box_ops {
    void (*trusted)(struct box *box, int result, const struct err *err); /* see drive_trust_start() */
    void (*lose)(struct box *box, const struct err *err);                /* its way out could not be opened */
};

static inline struct channel *box_channel(const struct box *box)
{
    return box->sb ? sandbox_channel(box->sb) : NULL;
}

enum effect_kind {
    EFFECT_START_SANDBOX,
    EFFECT_ATTACH,
    EFFECT_PROCEED,
    EFFECT_SIDE_START,   /* number of the side */
    EFFECT_SIDE_PROCEED, /* the same */
    EFFECT_SERVER,       /* index in the spec's mcp */
    EFFECT_FILL,
    EFFECT_SEND,
    EFFECT_COMPACT,
    EFFECT_CALL,     /* number */
    EFFECT_DECLARED, /* number */
    EFFECT_CHECKPOINT,
    EFFECT_PRUNE,
    EFFECT_ASK, /* number */
    EFFECT_COLLECT,
    EFFECT_LOOK,
    EFFECT_END,
    EFFECT_REMOVED,
};

struct effect {
    enum effect_kind kind;
    int64_t number;
};

#define DRIVE_PART_SIZE  (RUN_ID_SIZE + 8)
#define DRIVE_EXEC_CALLS INT64_C(65536) /* numbers that a handoff has for calls in its parent's sandbox */
#define RUN_OWN_MAX      1024           /* tools of the manifest's own, and of servers */

struct run_own {
    struct tool_own items[RUN_OWN_MAX];
};

struct run {
    struct loop *loop;
    struct http *http;
    const char *program;
    char root_id[RUN_ROOT_ID + 1]; /* of the run that all belongs to */
    char part[DRIVE_PART_SIZE];    /* of a subagent's sandbox; "" */
    int64_t exec_base;             /* added to the numbers of calls where they become ids of commands */
    struct live_agent *self;       /* of a subagent's run: the call that it answers; NULL: it is none's */
    struct live_agent *agents;     /* calls of subagents that are not over */
    int64_t below_ms;              /* see record_agent.asked_ms; live, up to below_at_ms */
    int64_t below_at_ms;
    bool is_below_asking; /* since then */
    const struct run_spec *spec;
    struct run_folder *folder;
    const struct sandbox_maker *maker;
    struct box box; /* of the agent */
    struct way_out out;
    struct way_out *side_outs; /* as spec->sides */
    int64_t sb_attempt;        /* that its sandbox was made for */
    struct tool_side *sides;   /* sandboxes beside it */
    int64_t side_total;        /* so many were opened */
    const struct run_events *events;
    void *data;

    struct run_past *past; /* until run_resume() */
    struct journal *journal;
    struct run_state state;
    struct checkpoint_store *store;
    int64_t mono_base_ms; /* monotonic clock when the running time was 0 */
    struct buf told;      /* lines not yet handed out */
    int64_t sync_at_ms;   /* they may wait for an effect until then; 0 = there are none */
    bool wants_release;   /* results are on their way to the disk that the sandbox still keeps */
    struct effect *effects;
    size_t effect_count, effect_cap;
    struct err broken; /* code set: the journal cannot go on */
    bool is_over;      /* run.end was recorded, or could not be */
    bool has_ended;    /* and on_end was told so */
    struct err end_err;

    struct loop_source *before_wait, *wake, *soon;
    int64_t lost_at_ms; /* 0 = nothing lost */
    int64_t take_by_ms,
        collect_by_ms; /* the checkpoint, the outputs have to be there by then; 0 = not under way */

    /* model */
    struct model_client *model;
    struct model_exchange *exchange, *old_exchange; /* old: to be freed outside of its callbacks */
    struct buf task;                                /* the first input item */
    struct tool_memory memory;                      /* the manifest's, its folder known */
    char *memory_dir;
    struct buf notes; /* the item that tells them; empty: there are none */
    size_t note_count;
    struct buf instructions; /* of the manifest, and the index of its skills */
    struct buf body;
    struct buf tools;
    int64_t body_bytes, answer_bytes;
    unsigned dialect;   /* what the server is known not to take, from earlier runs (dialect.h) */
    struct buf summary; /* while it comes in */
    struct conversation_cut cut;

    /* calls */
    struct tool_host host;
    struct run_own *own; /* where there are servers of tools: see drive_own() */
    bool has_stopped_servers, is_stopping_servers;
    char *results; /* where those of tools are stored; NULL: nowhere */
    struct live_call *calls;

    bool has_approval; /* of what was asked before the run was resumed */
    bool is_approved;
    char *approval_reason;

    uint64_t egress_numbers; /* given out, over all sandboxes and processes */
    bool wants_sync;         /* something waits for its record to be durable */

    /* workspace */
    struct workspace_fill *fill;
    struct checkpoint_view kept; /* what the last checkpoint has of the workspace, for this channel */
    struct checkpoint_take *take;
    struct checkpoint_restore *restore;
    int64_t take_began_ms;
    int64_t take_begins; /* calls begun when it started */
    int64_t take_turn;
    struct record_checkpoint pruning; /* EFFECT_PRUNE; its texts are in prune_arena */
    struct arena prune_arena;
    struct context_look *look;
    struct outputs *outputs;
    struct output_report *reports;
    size_t report_count;
    bool has_started_sandbox;
    bool is_removing; /* the agent's own sandbox */
    int remove_result;
    struct err remove_err;
};

int64_t run_elapsed(const struct run *run);

/* Append and apply. Negative: the run is broken and will end; the caller just returns. */
int run_record(struct run *run, struct record *rec);
void run_break(struct run *run, const struct err *err);
void run_queue(struct run *run, enum effect_kind kind, int64_t number);

/* driver_life.c */
/* Of the run with that id: which part of the whole its sandbox is: "" or "agent-4". */
void drive_part_of(const char *id, char ret[DRIVE_PART_SIZE]);

/* driver.c */
void drive_cancel(struct run *run); /* everything that is under way, effects that wait included */
void drive_before_wait(void *data); /* decide, record, make durable, act, tell */
void drive_wake(void *data);

/* drive_model.c */
int drive_model_init(struct run *run, struct http *http, bool with_task, struct err *err);
void act_send_request(struct run *run, const struct run_action *action);
void act_close_request(struct run *run); /* that of a dead process, or one that a rollback makes void */
void effect_send(struct run *run);
/* The body for these items, as it is sent now: tools, instructions and repairs are those of the next request.
 */
int drive_model_encode(struct run *run, const struct span *items, size_t count, struct request_input *in,
                       struct err *err);
struct record_usage drive_model_usage(const struct run *run, const struct model_end *end);
int64_t drive_model_cost(const struct run *run, const struct record_usage *u);
int64_t drive_model_retry_ms(const struct run *run, const struct model_end *end, int64_t failures);
void drive_model_cancel(struct run *run);

/* drive_memory.c */
int drive_memory_init(struct run *run, bool with_notes, struct err *err); /* ERR_INVALID: they are damaged */
int drive_memory_record(struct run *run);                                 /* in front of the task */

/* drive_compaction.c */
void act_compact(struct run *run, const struct run_action *action);
void effect_compact(struct run *run);
void drive_compaction_close(struct run *run); /* whatever became of it, nobody waits for it any more */

/* drive_calls.c */
struct tool_list drive_tools(const struct run *run); /* what the model is offered now, and may call */
void drive_calls_init(struct run *run);
void act_start_call(struct run *run, const struct run_action *action);
void act_refuse_call(struct run *run, const struct run_action *action);
void effect_call(struct run *run, int64_t number);
void effect_declared(struct run *run, int64_t number);
int64_t drive_calls_number(struct run *run, const char *call_id); /* of a call that runs; 0 */
/* `fn` comes once what was recorded so far is durable, unless the call ends before. */
void drive_calls_when_durable(struct run *run, const char *call_id, loop_fn *fn, void *data);
void drive_calls_lost(struct run *run); /* the sandbox is gone: record which calls were open */
void drive_calls_cancel(struct run *run);

void drive_calls_adopt(struct run *run);   /* the sandbox is back: calls that run go on */
void drive_calls_release(struct run *run); /* results that are durable need not be kept in the sandbox */

/* drive_answer.c */
void act_check_answer(struct run *run, const struct run_action *action);
void act_start_check(struct run *run, const struct run_action *action);
/* The call that the shell tool carries out for a check. */
int drive_check_item(const struct run_call *call, struct buf *out, struct err *err);
/* It has ended: `end` as far as it is that of a call, `answer` what the tool said. */
void drive_check_end(struct run *run, struct record_call_end *end, struct span answer);

/* drive_approve.c */
/* What the rules say of an item that is a call of `tool`, for its record; `why` is APPROVE_WHY_MAX bytes. */
void drive_approve_judge(const struct run *run, const struct tool_found *tool, const struct tree *item,
                         char *why, struct record_request_item *ret);
void drive_approve_deny(struct run *run, const struct run_call *call, struct buf *words);
void act_ask_approval(struct run *run, const struct run_action *action);
void effect_ask(struct run *run, int64_t number);
void drive_approve_resumed(struct run *run);                    /* what was asked before has its answer now */
struct span drive_item_of(const struct run *run, int64_t call); /* of a call; empty: there is none */

/* drive_sandbox.c */
void act_start_sandbox(struct run *run);
void act_attach_sandbox(struct run *run);
void effect_start_sandbox(struct run *run);
void effect_attach(struct run *run);
void effect_proceed(struct run *run);
bool drive_sandbox_keeps(const struct run *run, enum run_end_state end); /* is the container left? */
void drive_sandbox_lose(struct run *run, const struct err *err);         /* it is of no use any more */
/* Something ended with the sandbox: it has LOST_WAIT_MS to say why. */
void drive_sandbox_suspect(struct run *run);
void drive_sandbox_give_up(struct run *run); /* wait no longer */
void drive_sandbox_remove(struct run *run);  /* ends with EFFECT_REMOVED, when the sides are gone too */
extern const struct box_ops drive_sandbox_box;
/* So ended the removal of one that belongs to the run, or to a subagent of it: the first that failed is told.
 */
void drive_removed(struct run *run, int result, const struct err *err);
void drive_sandbox_gone(struct run *run); /* a removal has ended: was it the last one? */
/* What is said of any of the run's sandboxes. */
int drive_record_intent(struct box *box, enum record_type type, const struct sandbox_info *info);
void drive_record_scan(struct box *box, enum record_type type, const struct sandbox_scanned *scanned);
void drive_record_ready(struct box *box, enum record_type type);
void drive_record_box_failure(struct box *box, enum record_type type, const struct err *why);
/* The record that says how `part` failed; `why` NULL: it did not. */
void drive_record_failure(struct run *run, enum record_type type, const struct err *why);
/* The order of a sandbox of this run; its `part` is the caller's to set. */
struct sandbox_order drive_sandbox_order(const struct run *run, const struct sandbox_spec *spec,
                                         int64_t attempt);
/* The sandbox object for this attempt, made if need be. */
int drive_sandbox_make(struct run *run, int64_t attempt, struct err *err);

/* drive_context.c */
void act_look_around(struct run *run);
void effect_look(struct run *run);
void drive_context_cancel(struct run *run);

/* drive_egress.c */
/* Before anything starts: the secrets of rules are read, which may fail. Nothing without rules. */
int drive_egress_init(struct run *run, struct err *err);
void drive_egress_open(struct box *box);   /* the sandbox is ready: let out what may */
void drive_egress_sum(struct run *run);    /* before waiting: record how much left, when it is much */
void drive_egress_cut(struct box *box);    /* the sandbox is gone, and with it all connections */
void drive_egress_cancel(struct run *run); /* the end; after all boxes were cut */

/* drive_trust.c */
/* What commands must trust goes into the sandbox, anew with each harness; ops->trusted comes once, perhaps at
 * once. */
void drive_trust_start(struct box *box);
void drive_trust_cancel(struct box *box);

/* drive_side.c: sandboxes beside the agent's; for tools by way of tool_host */
int drive_side_open(void *data, const char *name, const struct tool_side_ops *ops, void *ops_data,
                    struct tool_side **ret, struct err *err);
struct channel *drive_side_channel(struct tool_side *side);
void drive_side_close(struct tool_side *side);
const char *drive_side_image(struct tool_side *side);
void effect_side_start(struct run *run, int64_t number);
void effect_side_proceed(struct run *run, int64_t number);
void drive_sides_cancel(struct run *run); /* nobody is told anything any more */
void drive_sides_remove(struct run *run); /* each ends with drive_sandbox_gone() */
void drive_sides_free(struct run *run);
struct sandbox *drive_sides_take(struct run *run); /* one after the other; NULL: there is none */

/* drive_mcp.c: servers of tools */
/* Before anything starts: the secrets of servers are read, which may fail. */
int drive_mcp_init(struct run *run, struct http *http, struct err *err);
void act_start_server(struct run *run, const struct run_action *action);
void effect_server(struct run *run, int64_t index);
/* The tools of the manifest's own, and those of servers as of now; valid until it is asked again. */
const struct tool_own *drive_own(const struct run *run, size_t *ret_count);
void drive_mcp_words(const struct run *run, struct buf *out);
bool drive_mcp_is_outside(const struct run *run, const char *tool); /* is it a tool of a server? */
/* In a replay: `fn` gets, at once, the answer that the call had then. ERR_NOT_FOUND: it had none. */
int drive_mcp_answer_again(struct run *run, const char *call_id, tool_done_fn *fn, void *data,
                           struct err *err);
void drive_mcp_cancel(struct run *run); /* after the calls; sessions are ended meanwhile */
void drive_mcp_free(struct run *run);

/* drive_workspace.c */
void act_fill_workspace(struct run *run);
void act_take_checkpoint(struct run *run);
void act_collect_outputs(struct run *run);
void effect_fill(struct run *run);
void effect_checkpoint(struct run *run);
void effect_prune(struct run *run);
void effect_collect(struct run *run);
void drive_workspace_cancel(struct run *run);
int64_t drive_workspace_by(const struct run *run); /* the earlier of the two; 0 = neither is under way */
void drive_workspace_give_up(struct run *run);     /* what takes too long */

#endif
