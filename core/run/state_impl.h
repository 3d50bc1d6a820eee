/* SPDX-License-Identifier: MIT */
/*
 * Inside of the state, shared by its files: state.c (what it owns, which record goes where,
 * the ends), state_parts.c (sandbox, workspace, outputs, checkpoints), state_turn.c (requests, items, calls),
 * state_agent.c (subagents), state_mcp.c (servers of tools), state_context.c (what was told of the
 * workspace), state_egress.c (what left), state_answer.c (is the answer good, may a call run),
 * state_compaction.c (the conversation made shorter), state_resume.c (going on in another process, going
 * back). An apply_*() gets a record of its type and changes the state, or refuses the record and changes
 * nothing.
 */
#ifndef RUN_STATE_IMPL_H
#define RUN_STATE_IMPL_H

#include "core/run/state.h"

/* ---- what the state owns ---- */

int state_set_text(char **slot, const char *text, struct err *err);
int state_set_failure(struct run_failure *f, const char *code, const char *message, const char *hint,
                      struct err *err);
int state_set_raw(struct run_item *item, const struct record_blob *blob, struct err *err);
void state_failure_done(struct run_failure *f);
void state_item_done(struct run_item *item);
void state_call_done(struct run_call *call);
void state_drop_fresh(struct run_state *s);
void state_drop_calls(struct run_state *s);
void state_drop_held(struct run_state *s);
/* Room for one more element of an array. */
int state_reserve(void **list, size_t *cap, size_t count, size_t size, struct err *err);
int state_reserve_item(struct run_state *s, struct err *err);
/* Numbers from servers and from disk: they can neither be negative nor overflow. */
int64_t state_add(int64_t a, int64_t b);
/* -ERR_INVALID: the record does not fit what came before. */
int state_misplaced(const struct record *rec, struct err *err);

/* ---- records ---- */

typedef int state_apply_fn(struct run_state *s, const struct record *rec, struct err *err);

state_apply_fn apply_sandbox_start, apply_sandbox_intent, apply_sandbox_scan, apply_sandbox_ready,
    apply_sandbox_gone, apply_sandbox_removed, apply_sandbox_attach, apply_workspace, apply_workspace_failed,
    apply_outputs_begin, apply_output, apply_outputs_end, apply_checkpoint_begin, apply_checkpoint_done,
    apply_checkpoint_failed;
state_apply_fn apply_input_item, apply_request_begin, apply_request_item, apply_request_end,
    apply_request_failed, apply_call_begin, apply_call_intent, apply_call_end, apply_call_lost;
state_apply_fn apply_answer_check, apply_check_begin, apply_check_end, apply_approval_ask,
    apply_approval_answer;
state_apply_fn apply_compaction_begin, apply_compaction_done, apply_compaction_failed;
state_apply_fn apply_agent_begin, apply_agent_end;
state_apply_fn apply_run_resume, apply_rollback;
state_apply_fn apply_context_begin, apply_context_done;
state_apply_fn apply_mcp_start, apply_mcp_tools, apply_mcp_down;
state_apply_fn apply_egress_allow, apply_egress_deny, apply_egress_end, apply_egress_total;

/* ---- state_turn.c ---- */

/* What call.begin and check.begin have in common. */
void state_begin_call(struct run_state *s, struct run_call *call, const struct record *rec);

void state_spend(struct run_state *s, const struct record_usage *u, int64_t cost_micros);

/* ---- state_compaction.c ---- */

void state_count_turn(struct run_state *s, const struct record_usage *u); /* its items have joined */
void state_uncount(struct run_state *s);                                  /* items left the conversation */

/* ---- state_egress.c ---- */

void state_egress_cut(struct run_state *s); /* nothing is open any more */
bool state_egress_is_open(const struct run_state *s);

void state_forget_previous(struct run_state *s);

/* ---- state_mcp.c ---- */

void state_mcp_stop(struct run_state *s); /* none is up any more */
void state_mcp_done(struct run_state *s);

/* ---- state_context.c ---- */

int state_touch(struct run_state *s, struct err *err); /* every call of the turn is answered */
void state_drop_touched(struct run_state *s);
void state_forget_context(struct run_state *s); /* items left the conversation */
void state_context_done(struct run_state *s);
/* ---- state_answer.c ---- */

/* Of a round of checks that is not over nothing counts: it begins anew. */
void state_drop_checks(struct run_state *s);
/* Somebody goes on with the run: what was tried too often may be tried again, who was asked is asked again.
 */
void state_answer_wake(struct run_state *s);

#endif
