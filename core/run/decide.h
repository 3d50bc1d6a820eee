/* SPDX-License-Identifier: MIT */
/*
 * What a run does next: a pure function of its state, its spec, and how long it
 * has been running. Whoever carries the action out records it first, which
 * changes the state so that the same action is not decided again; then it asks again, until RUN_WAIT.
 *
 * Order of things, where it matters:
 * - the sandbox is started and the first request sent in the same breath, unless the model is to be told
 * first what is in the workspace (file_tree, AGENTS.md): then the request waits for it;
 * - before a later request the folders that the calls of the turn touched for the first time are looked into;
 * - a call starts when its item is complete and the workspace is filled, while
 *   the stream may still go on; all calls of a turn at once;
 * - a checkpoint is taken when what calls did is in none and no call is running
 *   (`every: turn`: and the turn's calls are all answered); the model does not wait for it,
 *   the next call does, and so does the end of the run;
 * - the next request needs every call of the turn answered;
 * - before it the conversation is made shorter by a summary when it has become long (agent.compaction) and
 * the server does not do that by itself, or when the server said that it is too long; at most once for a
 * turn;
 * - a call that needs approval is asked about when the turn's answer is complete, one at a time, while others
 *   run;
 * - a final message is put beside the schema it must match, then the checks are run, one after the other,
 * each on a workspace that a checkpoint has. What fails is told to the model, which makes another turn: once
 * for the schema, as often as the manifest says for a check;
 * - a final message ends the run once the workspace stands (a broken sandbox is an
 *   error whether or not the model was quicker) and the outputs are collected.
 *
 * After run.resume
 * - a request that was under way is given up: its turn ends with what was complete if a call
 *   had begun, else it is sent again;
 * - a sandbox that may still be there is attached to; when that fails, or there is none,
 *   conversation and workspace roll back to the last checkpoint, and a new sandbox is made;
 * - a call whose effects were lost runs again, once, when nothing can have left the sandbox
 *   since it began: no connection, or only requests that were GET or HEAD by our own record.
 *   Else, and when it is lost a second time, checkpoint.on_interrupt says what to do. When it
 *   left in calls that are no more in the conversation (checkpoint.every: off), nobody could be
 *   told: the run ends, unless on_interrupt is rerun.
 *
 * What ends a run
 *   done         a final message, and the outputs are at their places
 *   failed       refusal, incomplete without a call to go on from, no message (agent); model, engine,
 *                sandbox lost, policy, workspace, outputs; an answer that does not match (answer), a check
 * that goes on failing (check) limit        limits.*, see below interrupted  a signal; a call waits for
 * approval and nobody is there (approval)
 *
 * Limits, all checked before more work is begun, never after a final message:
 *   turns, tool_calls  would be passed by the next one
 *   tokens             sum of input and output of all answers reached it
 *   cost               reached, or the next request is sure to pass it: it carries at least the input of
 *                      the last one again, counted at the price of cached input (the lowest it can cost)
 *   wall               running time; neither the time between a crash and a resume counts, nor that in which
 *                      somebody is asked whether a call may run
 *   repeat             the same call had the same answer this often in a row
 */
#ifndef RUN_DECIDE_H
#define RUN_DECIDE_H

#include "core/base/err.h"
#include "core/run/spec.h"
#include "core/run/state.h"

#include <stdint.h>

enum run_action_kind {
    RUN_WAIT,          /* for an event; or until wake_ms */
    RUN_CLOSE_REQUEST, /* of a dead process, or one that a rollback makes void */
    RUN_ROLL_BACK,     /* turn */
    RUN_START_SERVER,  /* server: index in the spec's `mcp` */
    RUN_START_SANDBOX,
    RUN_ATTACH_SANDBOX,
    RUN_FILL_WORKSPACE,
    RUN_TAKE_CHECKPOINT,
    RUN_LOOK_AROUND, /* into the workspace, for what the model is told of it before the next request */
    RUN_COMPACT,     /* attempt: ask for a summary of the older part of the conversation */
    RUN_SEND_REQUEST,
    RUN_START_CALL,   /* call; is_rerun */
    RUN_REFUSE_CALL,  /* call; answered with `why` (NULL: it is denied), nothing runs */
    RUN_HIT_LIMIT,    /* limit, value, max */
    RUN_CHECK_ANSWER, /* whether it matches the schema; is_last: the model is told no more */
    RUN_START_CHECK,  /* call: its number; check; is_last: the same for this one */
    RUN_ASK_APPROVAL, /* call */
    RUN_COLLECT_OUTPUTS,
    RUN_FINISH, /* end, reason, code */
};

struct run_action {
    enum run_action_kind kind;
    int64_t wake_ms;       /* RUN_WAIT: running time at which to ask again; -1 = none */
    int64_t turn, attempt; /* RUN_SEND_REQUEST; attempt also RUN_COMPACT */
    size_t server;
    int64_t call;
    bool is_rerun;
    int64_t check; /* from 1 */
    bool is_last;
    const char *why;
    const char *outcome; /* RUN_REFUSE_CALL: refused, interrupted */
    const char *limit;
    int64_t value, max;
    enum run_end_state end;
    const char *reason; /* one word: answer, refusal, incomplete, no_answer, model, sandbox, sandbox_lost,
                           workspace, checkpoint, call_lost, mcp, outputs, answer, check, approval, SIGINT, or
                           the limit's name */
    enum err_code code; /* ERR_NONE when done */
};

/* `below_ms`: so long subagents asked somebody, of which the journal may not know all yet. */
struct run_action run_decide_at(const struct run_state *s, const struct run_spec *spec, int64_t elapsed_ms,
                                int64_t below_ms);
static inline struct run_action run_decide(const struct run_state *s, const struct run_spec *spec,
                                           int64_t elapsed_ms)
{
    return run_decide_at(s, spec, elapsed_ms, s->asked_below_ms);
}

/* Message and hint for RUN_FINISH. (A run that ends by a fault of ours, `reason` "fault", is not decided on.)
 */
void run_finish_err(const struct run_state *s, const struct run_action *finish, struct err *ret);

#endif
