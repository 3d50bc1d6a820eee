/* SPDX-License-Identifier: MIT */
/*
 * What a run does next: a pure function of its state, its spec, and how long it
 * has been running. Whoever carries the action out records it first, which
 * changes the state so that the same action is not decided again; then it asks again, until RUN_WAIT.
 *
 * Order of things, where it matters:
 * - the sandbox is started and the first request sent in the same breath;
 * - a call starts when its item is complete and the workspace is filled, while
 *   the stream may still go on; all calls of a turn at once;
 * - the next request needs every call of the turn answered;
 * - a final message ends the run once the workspace stands (a broken sandbox is an
 *   error whether or not the model was quicker) and the outputs are collected.
 *
 * What ends a run
 *   done         a final message, and the outputs are at their places
 *   failed       refusal, incomplete without a call to go on from, no message (agent); model, engine,
 *                sandbox lost, policy, workspace, outputs
 *   limit        limits.*, see below
 *   interrupted  a signal
 *
 * Limits, all checked before more work is begun, never after a final message:
 *   turns, tool_calls  would be passed by the next one
 *   tokens             sum of input and output of all answers reached it
 *   cost               reached, or the next request is sure to pass it: it carries at least the input of
 *                      the last one again, counted at the price of cached input (the lowest it can cost)
 *   wall               running time; the time between a crash and a resume does not count
 *   repeat             the same call had the same answer this often in a row
 */
#ifndef RUN_DECIDE_H
#define RUN_DECIDE_H

#include "core/base/err.h"
#include "core/run/spec.h"
#include "core/run/state.h"

#include <stdint.h>

enum run_action_kind {
    RUN_WAIT, /* for an event; or until wake_ms */
    RUN_START_SANDBOX,
    RUN_FILL_WORKSPACE,
    RUN_SEND_REQUEST,
    RUN_START_CALL,  /* call */
    RUN_REFUSE_CALL, /* call; answered with `why`, nothing runs */
    RUN_HIT_LIMIT,   /* limit, value, max */
    RUN_COLLECT_OUTPUTS,
    RUN_FINISH, /* end, reason, code */
};

struct run_action {
    enum run_action_kind kind;
    int64_t wake_ms;       /* RUN_WAIT: running time at which to ask again; -1 = none */
    int64_t turn, attempt; /* RUN_SEND_REQUEST */
    int64_t call;
    const char *why;
    const char *limit;
    int64_t value, max;
    enum run_end_state end;
    const char *reason; /* one word: answer, refusal, incomplete, no_answer, model, sandbox, sandbox_lost,
                           workspace, outputs, SIGINT, or the limit's name */
    enum err_code code; /* ERR_NONE when done */
};

struct run_action run_decide(const struct run_state *s, const struct run_spec *spec, int64_t elapsed_ms);

/* Message and hint for RUN_FINISH. */
void run_finish_err(const struct run_state *s, const struct run_action *finish, struct err *ret);

#endif
