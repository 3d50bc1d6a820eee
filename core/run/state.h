/* SPDX-License-Identifier: MIT */
/*
 * What a run knows of itself: the conversation, the open calls, the budgets, how
 * far sandbox, workspace and outputs are. run_apply() is the only function that
 * changes it, live and on replay, and it uses nothing but the record: so resuming
 * is reading.
 *
 * Any sequence of records that journal_decode() accepts is survived; one that makes no sense for the state
 * (an answer to a call that never was) is ERR_INVALID and leaves the state as it is.
 *
 * A turn is one answer of the model. Its items come in with request.item and
 * belong to the conversation only once request.end closed the turn (sorted by
 * output_index then); request.failed throws them away. Calls are numbered through
 * the run. When all calls of a closed turn have answers, these join the
 * conversation in the order of the calls.
 *
 * A call that began after the last checkpoint is not covered by it: should the sandbox go, its effects are
 * gone too. So what is needed to go back to that turn is kept (struct run_held) until a checkpoint covers it.
 * rollback takes the conversation there, and the calls that are not covered become RUN_CALL_LOST. Those of
 * them during which something may have left the sandbox are marked: they cannot be undone. What was done
 * outside of the sandbox (MCP) stays done: such a call keeps the answer that it has.
 *
 * What the harness tells of the workspace (context.done) stands in front of the task, or after the answers of
 * the turn whose calls touched the folder; it leaves the conversation with these, and may be said again then.
 *
 * Checks run after a final message, as calls that nobody asked for: one after the other, numbered with the
 * calls. The first that fails is told to the model, which makes another turn; a rollback begins the round
 * anew.
 */
#ifndef RUN_STATE_H
#define RUN_STATE_H

#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/run/egress_sums.h"
#include "core/run/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUN_TURN_ITEMS_MAX 1024 /* output items of one turn */
#define RUN_CHECKS_MAX     64

enum run_item_kind {
    RUN_ITEM_OTHER,
    RUN_ITEM_MESSAGE,
    RUN_ITEM_REASONING,
    RUN_ITEM_CALL,
    RUN_ITEM_INPUT,
    RUN_ITEM_ANSWER,
    RUN_ITEM_COMPACTION, /* of the server's: stands for what was before it; see conversation.h */
    RUN_ITEM_SUMMARY,    /* the same, asked for by us */
};

struct run_item {
    enum run_item_kind kind;
    int64_t turn; /* 0 = before the first */
    int64_t output_index;
    int64_t call; /* calls and answers: the number; else 0 */
    bool is_incomplete, is_refusal, is_commentary;
    bool is_whole;  /* item_is_sent_whole() */
    char *raw;      /* owned; NULL when the blob was not loaded */
    bool is_pinned; /* never replaced: the task, what was told of the workspace */
    int64_t keeps;  /* COMPACTION, SUMMARY: items from this one on stay */
    size_t len;
};

enum run_approval {
    RUN_APPROVAL_NONE,   /* not needed */
    RUN_APPROVAL_NEEDED, /* somebody must be asked */
    RUN_APPROVAL_ASKED,
    RUN_APPROVAL_GIVEN,
    RUN_APPROVAL_DENIED, /* by rule, or by who was asked */
};

/* The final message beside agent.output.schema. */
enum run_answer { RUN_ANSWER_OPEN, RUN_ANSWER_FITS, RUN_ANSWER_WRONG };

/* What a run has used, with all that is below it. */
struct run_spent {
    struct record_usage usage;
    int64_t cost_micros, calls, agents;
    bool is_cost_unknown;
};

enum run_call_phase {
    RUN_CALL_WAITING,
    RUN_CALL_RUNNING,
    RUN_CALL_ANSWERED,
    RUN_CALL_LOST, /* it ran, and its effects are gone with its sandbox */
};

struct run_call { /* of the current turn */
    int64_t number;
    int64_t output_index;
    enum run_call_phase phase;
    bool is_incomplete;
    char *call_id, *tool, *title; /* tool NULL: nobody's */
    char **folders;               /* of the workspace that it touches */
    size_t folder_count;
    int64_t exec_id;
    int64_t began_ms;
    int64_t begin_order;   /* its last call.begin was the run's Nth; 0 = never began */
    int64_t runs;          /* so often it began */
    int64_t losses;        /* so often its effects went with a sandbox that we did not end ourselves */
    bool has_left;         /* since it began the last time, something may have left that cannot be undone */
    bool is_outside;       /* what it does is not done in the sandbox, nor lost with it */
    char same[DIGEST_HEX]; /* fingerprint; "" = none */
    int64_t check;         /* no call of the model's but one of `checks`, from 1; `title` is its command */
    enum run_approval approval;
    char *approval_why; /* DENIED: in words; NEEDED: the rule */
    bool was_asked;     /* somebody; or was to be, but nobody was there: then by_nobody */
    bool approval_by_nobody;
    struct run_item
        intent; /* what it had said to be about to do since its last call.begin; no bytes: nothing */
    struct run_item answer;
    bool has_agent;         /* a subagent was begun for it */
    struct run_spent spent; /* by that, as far as it was told */
};

/* A turn with calls that no checkpoint covers, while the next turn goes on already. */
struct run_held {
    int64_t turn; /* 0 = none */
    struct run_call *calls;
    size_t call_count;
    size_t answers_at; /* its answers begin here in the conversation */
    char *previous_id;
    size_t previous_items;
};

enum run_part {
    RUN_PART_NONE,
    RUN_PART_STARTING,
    RUN_PART_READY,
    RUN_PART_FAILED,
    RUN_PART_LOST,
    RUN_PART_DETACHED, /* sandbox: it was ready when the harness died, and is to be attached again */
};

#define RUN_LOOKED_MAX  1024 /* folders of one run that are looked into */
#define RUN_TOUCHED_MAX 64   /* of these, before one request */

struct run_looked { /* a folder */
    char *folder;   /* beneath the workspace, "" = itself */
    int64_t shown;  /* bytes of its AGENTS.md that the model was given */
    size_t at;      /* so many items the conversation had then; with fewer it is not so any more */
};

/* What the model was told of the workspace without asking. */
struct run_context {
    enum run_part phase; /* NONE, STARTING */
    struct run_looked *looked;
    size_t looked_count, looked_cap; /* sorted by folder */
    char *touched[RUN_TOUCHED_MAX];  /* by the calls of this turn, and not looked into yet; sorted */
    size_t touched_count;
};

/* The conversation is made shorter, by the server within a request or by a request of its own for a summary.
 * The latter may be under way between two turns, and whenever the server says that it is too long. */
struct run_compaction {
    enum run_part phase; /* NONE, STARTING */
    bool is_lost;        /* it was under way when the harness died */
    bool is_wanted;      /* nothing can be sent before it: the conversation is too long */
    bool is_refused;     /* the server said that it does not know context_management */
    bool is_ignored;     /* it does not say so, and does nothing */
    int64_t asked;       /* compact_at of the last request */
    int64_t keeps;       /* of the one under way */
    int64_t body_bytes;
    int64_t failures;     /* in a row, since the last that came to something or was given up */
    int64_t at_turn;      /* of the last one */
    int64_t rest_turn;    /* given up: not by itself before this turn */
    int64_t tokens;       /* of the conversation as the server counted it; 0 = not known */
    size_t counted_items; /* so many items are in it */
};

struct run_session { /* a command that outlived its call */
    int64_t number;
    int64_t exec_id;
};

/* What went out of the sandbox. Of requests that are known to be GET or HEAD it is taken that they change
 * nothing where they go; of everything else, what is inside of a tunnel included, that they do. */
struct run_egress {
    int64_t numbers;         /* given out */
    int64_t allowed, denied; /* with a record */
    struct egress_sums sums;
    int64_t *open; /* numbers of those that may change something and have not ended */
    size_t open_count, open_cap;
    bool has_left; /* something may have, since the first call that is in no checkpoint began */
};

enum run_turn_phase {
    RUN_TURN_NONE,     /* no request yet */
    RUN_TURN_OPEN,     /* a request is on its way */
    RUN_TURN_VOID,     /* the last try failed: send again, at retry_at_ms */
    RUN_TURN_FAILED,   /* the last try failed and is not repeated */
    RUN_TURN_CLOSED,   /* answer complete; calls may be open */
    RUN_TURN_ANSWERED, /* every call has its answer in the conversation: next turn */
};

enum run_end_state { RUN_ACTIVE, RUN_DONE, RUN_FAILED, RUN_LIMIT, RUN_INTERRUPTED, RUN_END_STATES };

struct run_failure { /* why something failed, as recorded */
    char *code, *message, *hint;
};

struct run_mcp { /* a server of tools */
    char *server;
    enum run_part phase; /* LOST: it was up */
    struct run_failure why;
    struct arena arena; /* of the list */
    struct span list;   /* as it was recorded */
    struct tool_own *own;
    size_t own_count;
};

struct run_state {
    uint64_t seq;       /* of the last record applied */
    int64_t ms;         /* its running time */
    int64_t began_ms;   /* wall clock of run.begin */
    int64_t changed_ms; /* wall clock of the last record */
    char *id, *name, *model, *parent;
    int64_t parent_seq, parent_calls; /* of a fork: its point, and the calls that were asked for there */
    char *agent;                      /* a subagent: what it is called */
    int64_t resumes;
    char **sets; /* of all resumes, in order; NULL-terminated; NULL: none */
    size_t set_count;

    /* conversation: closed turns and their answers */
    struct run_item *items;
    size_t item_count, item_cap;
    char *previous_id;     /* response that the server can continue from; NULL: none */
    size_t previous_items; /* so many items are in it */
    size_t base_items;     /* those that came before the first turn */

    /* the current turn */
    int64_t turn;        /* from 1; 0 before the first */
    int64_t turns_spent; /* turns begun, those undone by a rollback too */
    enum run_turn_phase phase;
    size_t answers_at;    /* where the answers of this turn begin in the conversation, once they joined it */
    bool is_request_lost; /* its request was under way when the harness died */
    bool was_incomplete;  /* the answer ended `incomplete` */
    char *incomplete_reason;
    int64_t try_count;      /* of this turn */
    int64_t body_bytes;     /* of the last request */
    int64_t failures;       /* tries in a row that failed, over turns; repairs are not counted */
    int64_t retry_at_ms;    /* not before this running time; -1: no more, request_failure says why */
    bool has_begun;         /* a call of this turn has begun: its items stay whatever happens */
    struct run_item *fresh; /* items of the turn while it is open */
    size_t fresh_count, fresh_cap;
    struct run_call *calls;
    size_t call_count, call_cap;
    enum run_answer answer;
    int64_t answers_wrong; /* in a row */
    struct run_failure answer_failure;
    int64_t checks_failed[RUN_CHECKS_MAX]; /* how often each did, since the run was resumed */
    int64_t check_wrong;                   /* the one that ends the run; 0 */
    struct run_failure request_failure;
    bool use_function_tools, drop_reasoning, tell_schema; /* repairs made */
    struct run_held held;
    struct run_context context;
    struct run_compaction compaction;

    /* budgets */
    int64_t call_total; /* numbers given out */
    int64_t calls_begun;
    int64_t calls_below, agents; /* calls of subagents; subagents begun, with those below them */
    struct record_usage usage;   /* sums */
    struct record_usage last;    /* of the last answer that had one */
    int64_t cost_micros;
    bool is_cost_unknown;    /* some exchange had no price */
    char repeat[DIGEST_HEX]; /* fingerprint of the last answer */
    int64_t repeat_count;    /* so often in a row */

    /* parts */
    enum run_part sandbox, workspace, outputs;
    int64_t attempt;
    char *container_id, *container_name;
    struct run_failure sandbox_failure, workspace_failure, output_failure;
    int64_t outputs_done, outputs_failed;
    char *guest_boot;
    bool is_attaching;      /* STARTING, or FAILED, by attaching again */
    bool has_ended_sandbox; /* the run ended, and ended a sandbox that was well */
    bool must_roll_back;    /* the workspace is gone: go back before anything else */
    struct run_session *sessions;
    size_t session_count, session_cap;

    /* checkpoints */
    enum run_part keeping;  /* NONE, STARTING, FAILED */
    bool has_checkpoint;    /* the workspace can be had again */
    int64_t checkpoint;     /* as it was then; 0 = empty */
    int64_t begins;         /* call.begin records so far */
    int64_t covered_begins; /* of these, in the last checkpoint */
    int64_t passed_over;    /* 1 + `begins` when the workspace was more than a checkpoint can hold; 0 */
    int64_t taken, same;    /* checkpoints that stored something; that found nothing new */
    struct run_failure checkpoint_failure;

    struct run_egress egress;
    bool has_unsaid_left; /* a rollback took calls out of the conversation that have left something */

    struct run_mcp *mcp;
    size_t mcp_count, mcp_cap;

    /* end */
    int64_t interrupt; /* signal number */
    bool waits_for_approval;
    bool is_asking; /* somebody is asked about a call, since asked_at_ms of running time */
    int64_t asked_at_ms;
    int64_t asked_ms;       /* so long somebody was, in all, before */
    int64_t asked_below_ms; /* and when it was not, by subagents, as far as it was told */
    char *limit;            /* name of the limit that was hit */
    int64_t limit_value, limit_max;
    enum run_end_state end;
    char *reason;
    struct run_failure end_failure;
    int64_t exit_status;
    bool is_kept, is_removed;
};

void run_state_init(struct run_state *s);
void run_state_done(struct run_state *s);

/* Blobs that were not loaded become items without bytes: enough for counting, not for going on. */
int run_apply(struct run_state *s, const struct record *rec, struct err *err);

/* Did it begin, and no checkpoint has what it did? */
bool run_state_is_uncovered(const struct run_state *s, const struct run_call *call);
/* Does a rollback undo it? That, and no answer that came from outside of the sandbox. */
bool run_state_is_undone(const struct run_state *s, const struct run_call *call);
/* Is there a container to be attached to, were the run resumed now? */
bool run_state_can_attach(const struct run_state *s);
/* The turn that a rollback leads to; 0 = the beginning. */
int64_t run_state_rollback_turn(const struct run_state *s);
/* Does a rollback change the conversation? If not, a request that is under way may stay. */
bool run_state_rollback_unsays(const struct run_state *s);

bool run_state_has_looked(const struct run_state *s, const char *folder); /* for its AGENTS.md */
int64_t run_state_told_bytes(const struct run_state *s);                  /* of all of these together */
/* Are the calls of this turn not the model's, but checks of its final message? Those that ended well stay. */
static inline bool run_state_is_checking(const struct run_state *s)
{
    return s->call_count > 0 && s->calls[0].check > 0;
}
static inline bool run_state_has_calls(const struct run_state *s)
{
    return s->call_count > 0 && !run_state_is_checking(s);
}

/* Tokens that the next request has at least: what the server counted, and a guess of what came since. */
int64_t run_state_tokens(const struct run_state *s);

/* Is there a call about which somebody was asked, without an answer so far? */
bool run_state_waits(const struct run_state *s);
/* What counts against limits.wall: running time without that in which somebody was asked, `below_ms` of it by
 * subagents. */
int64_t run_state_worked_at(const struct run_state *s, int64_t elapsed_ms, int64_t below_ms);
static inline int64_t run_state_worked(const struct run_state *s, int64_t elapsed_ms)
{
    return run_state_worked_at(s, elapsed_ms, s->asked_below_ms);
}

const struct run_mcp *run_state_mcp(const struct run_state *s, const char *server); /* NULL: not started */
struct run_call *run_state_call(const struct run_state *s, int64_t number); /* of the current turn; NULL */

const char *run_end_name(enum run_end_state end); /* running done failed limit interrupted */

#endif
