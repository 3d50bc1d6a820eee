/* SPDX-License-Identifier: MIT */
/* The fold: one small function for each type of record. */
#include "core/model/item.h"
#include "core/run/state_impl.h"

#include <stdlib.h>
#include <string.h>

void run_state_init(struct run_state *s)
{
    memset(s, 0, sizeof(*s));
}

/* ---- what the state owns ---- */

void state_failure_done(struct run_failure *f)
{
    free(f->code);
    free(f->message);
    free(f->hint);
    memset(f, 0, sizeof(*f));
}

void state_item_done(struct run_item *item)
{
    free(item->raw);
    item->raw = NULL;
}

void state_drop_fresh(struct run_state *s)
{
    for (size_t i = 0; i < s->fresh_count; i++)
        state_item_done(&s->fresh[i]);
    s->fresh_count = 0;
}

void state_call_done(struct run_call *call)
{
    free(call->call_id);
    free(call->tool);
    free(call->title);
    for (size_t i = 0; i < call->folder_count; i++)
        free(call->folders[i]);
    free(call->folders);
    free(call->approval_why);
    state_item_done(&call->intent);
    state_item_done(&call->answer);
    memset(call, 0, sizeof(*call));
}

void state_drop_held(struct run_state *s)
{
    for (size_t i = 0; i < s->held.call_count; i++)
        state_call_done(&s->held.calls[i]);
    free(s->held.calls);
    free(s->held.previous_id);
    memset(&s->held, 0, sizeof(s->held));
}

void state_drop_calls(struct run_state *s)
{
    for (size_t i = 0; i < s->call_count; i++)
        state_call_done(&s->calls[i]);
    s->call_count = 0;
    s->has_begun = false;
}

void run_state_done(struct run_state *s)
{
    state_drop_fresh(s);
    state_drop_calls(s);
    state_drop_held(s);
    for (size_t i = 0; i < s->set_count; i++)
        free(s->sets[i]);
    for (size_t i = 0; i < s->item_count; i++)
        state_item_done(&s->items[i]);
    state_context_done(s);
    state_mcp_done(s);
    free(s->items);
    free(s->fresh);
    free(s->calls);
    state_failure_done(&s->request_failure);
    state_failure_done(&s->answer_failure);
    state_failure_done(&s->sandbox_failure);
    state_failure_done(&s->workspace_failure);
    state_failure_done(&s->output_failure);
    state_failure_done(&s->end_failure);
    state_failure_done(&s->checkpoint_failure);
    free(s->egress.open);
    egress_sums_done(&s->egress.sums);
    free(s->sets);
    free(s->sessions);
    free(s->guest_boot);
    free(s->parent);
    free(s->agent);
    free(s->id);
    free(s->name);
    free(s->model);
    free(s->previous_id);
    free(s->incomplete_reason);
    free(s->container_id);
    free(s->container_name);
    free(s->limit);
    free(s->reason);
    run_state_init(s);
}

static int no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "no memory for the state of the run");
}

int state_set_text(char **slot, const char *text, struct err *err)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        return no_memory(err);
    free(*slot);
    *slot = copy;
    return 0;
}

int state_set_failure(struct run_failure *f, const char *code, const char *message, const char *hint,
                      struct err *err)
{
    int r = state_set_text(&f->code, code, err);

    if (r == 0)
        r = state_set_text(&f->message, message, err);
    return r < 0 ? r : state_set_text(&f->hint, hint, err);
}

int state_set_raw(struct run_item *item, const struct record_blob *blob, struct err *err)
{
    item->len = blob->json.len;
    if (!blob->json.len)
        return 0;
    item->raw = malloc(blob->json.len + 1);
    if (!item->raw)
        return no_memory(err);
    memcpy(item->raw, blob->json.ptr, blob->json.len);
    item->raw[blob->json.len] = '\0';
    item->is_whole = item_is_sent_whole(blob->json);
    return 0;
}

/* Room for one more element of an array. */
int state_reserve(void **list, size_t *cap, size_t count, size_t size, struct err *err)
{
    size_t more = *cap ? *cap * 2 : 8;
    void *grown;

    if (count < *cap)
        return 0;
    grown = realloc(*list, more * size);
    if (!grown)
        return no_memory(err);
    *list = grown;
    *cap = more;
    return 0;
}

int state_reserve_item(struct run_state *s, struct err *err)
{
    void *list = s->items;
    int r = state_reserve(&list, &s->item_cap, s->item_count, sizeof(*s->items), err);

    s->items = list;
    return r;
}

/* Numbers from servers and from disk: they can neither be negative nor overflow. */
int64_t state_add(int64_t a, int64_t b)
{
    int64_t sum;

    if (b < 0)
        return a;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

int state_misplaced(const struct record *rec, struct err *err)
{
    return err_set(err, ERR_INVALID, "record %llu '%s' does not fit what came before",
                   (unsigned long long) rec->seq, record_type_name(rec->type));
}

/* ---- begin and end ---- */

static int apply_run_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    int r = state_set_text(&s->id, rec->run_begin.id, err);

    s->began_ms = rec->time_ms;
    s->parent_seq = rec->run_begin.parent_seq;
    if (rec->run_begin.parent_calls > 0)
        s->parent_calls = s->call_total = rec->run_begin.parent_calls;
    if (r == 0)
        r = state_set_text(&s->name, rec->run_begin.name, err);
    if (r == 0)
        r = state_set_text(&s->agent, rec->run_begin.agent, err);
    if (r == 0 && !rec->run_begin.agent)
        r = state_set_text(&s->parent, rec->run_begin.parent, err);
    return r < 0 ? r : state_set_text(&s->model, rec->run_begin.model, err);
}

static const char *const end_names[RUN_END_STATES] = {
    [RUN_ACTIVE] = "running",          [RUN_DONE] = "done", [RUN_FAILED] = "failed", [RUN_LIMIT] = "limit",
    [RUN_INTERRUPTED] = "interrupted",
};

const char *run_end_name(enum run_end_state end)
{
    return end < RUN_END_STATES ? end_names[end] : "unknown";
}

static int apply_limit_hit(struct run_state *s, const struct record *rec, struct err *err)
{
    s->limit_value = rec->limit_hit.value;
    s->limit_max = rec->limit_hit.max;
    return state_set_text(&s->limit, rec->limit_hit.limit, err);
}

static int apply_interrupt(struct run_state *s, const struct record *rec, struct err *err)
{
    s->interrupt = rec->interrupt.signum;
    return 0;
}

static int apply_run_end(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_run_end *e = &rec->run_end;
    enum run_end_state end = RUN_DONE;
    int r;

    while (end < RUN_END_STATES && strcmp(e->state, end_names[end]) != 0)
        end++;
    if (end == RUN_END_STATES)
        return state_misplaced(rec, err);
    r = state_set_text(&s->reason, e->reason, err);
    if (r == 0)
        r = state_set_failure(&s->end_failure, e->code, e->message, e->hint, err);
    if (r < 0)
        return r;
    s->end = end;
    s->exit_status = e->exit_status;
    s->is_kept = e->is_kept;
    s->has_ended_sandbox = s->sandbox == RUN_PART_READY;
    if (s->is_attaching && s->sandbox == RUN_PART_FAILED)
        return 0;
    /* whoever ends a run kills what it runs, where it can reach it */
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].phase == RUN_CALL_RUNNING)
            s->calls[i].phase = RUN_CALL_LOST;
    return 0;
}

static int apply_unknown(struct run_state *s, const struct record *rec, struct err *err)
{
    return 0;
}

static state_apply_fn *const appliers[RECORD_TYPES] = {
    [RECORD_UNKNOWN] = apply_unknown,
    [RECORD_RUN_BEGIN] = apply_run_begin,
    [RECORD_INPUT_ITEM] = apply_input_item,
    [RECORD_SANDBOX_START] = apply_sandbox_start,
    [RECORD_SANDBOX_INTENT] = apply_sandbox_intent,
    [RECORD_SANDBOX_SCAN] = apply_sandbox_scan,
    [RECORD_SANDBOX_READY] = apply_sandbox_ready,
    [RECORD_SANDBOX_FAILED] = apply_sandbox_gone,
    [RECORD_SANDBOX_LOST] = apply_sandbox_gone,
    [RECORD_WORKSPACE_BEGIN] = apply_workspace,
    [RECORD_WORKSPACE_READY] = apply_workspace,
    [RECORD_WORKSPACE_FAILED] = apply_workspace_failed,
    [RECORD_REQUEST_BEGIN] = apply_request_begin,
    [RECORD_REQUEST_ITEM] = apply_request_item,
    [RECORD_REQUEST_END] = apply_request_end,
    [RECORD_REQUEST_FAILED] = apply_request_failed,
    [RECORD_CALL_BEGIN] = apply_call_begin,
    [RECORD_CALL_INTENT] = apply_call_intent,
    [RECORD_CALL_END] = apply_call_end,
    [RECORD_CALL_LOST] = apply_call_lost,
    [RECORD_LIMIT_HIT] = apply_limit_hit,
    [RECORD_OUTPUTS_BEGIN] = apply_outputs_begin,
    [RECORD_OUTPUT_DONE] = apply_output,
    [RECORD_OUTPUT_FAILED] = apply_output,
    [RECORD_OUTPUTS_END] = apply_outputs_end,
    [RECORD_INTERRUPT] = apply_interrupt,
    [RECORD_RUN_END] = apply_run_end,
    [RECORD_SANDBOX_REMOVED] = apply_sandbox_removed,
    [RECORD_RUN_RESUME] = apply_run_resume,
    [RECORD_SANDBOX_ATTACH] = apply_sandbox_attach,
    [RECORD_ROLLBACK] = apply_rollback,
    [RECORD_CHECKPOINT_BEGIN] = apply_checkpoint_begin,
    [RECORD_CHECKPOINT_DONE] = apply_checkpoint_done,
    [RECORD_CHECKPOINT_FAILED] = apply_checkpoint_failed,
    [RECORD_INPUT_DONE] = apply_unknown, /* nothing is decided by it */
    [RECORD_EGRESS_ALLOW] = apply_egress_allow,
    [RECORD_EGRESS_DENY] = apply_egress_deny,
    [RECORD_EGRESS_END] = apply_egress_end,
    [RECORD_EGRESS_TOTAL] = apply_egress_total,
    [RECORD_CONTEXT_BEGIN] = apply_context_begin,
    [RECORD_CONTEXT_DONE] = apply_context_done,
    [RECORD_ANSWER_CHECK] = apply_answer_check,
    [RECORD_CHECK_BEGIN] = apply_check_begin,
    [RECORD_CHECK_END] = apply_check_end,
    [RECORD_APPROVAL_ASK] = apply_approval_ask,
    [RECORD_APPROVAL_ANSWER] = apply_approval_answer,
    [RECORD_SIDE_START] = apply_unknown, /* no decision of the run depends on them */
    [RECORD_SIDE_SCAN] = apply_unknown,
    [RECORD_SIDE_INTENT] = apply_unknown,
    [RECORD_SIDE_READY] = apply_unknown,
    [RECORD_SIDE_FAILED] = apply_unknown,
    [RECORD_SIDE_LOST] = apply_unknown,
    [RECORD_SIDE_REMOVED] = apply_unknown,
    [RECORD_COMPACTION_BEGIN] = apply_compaction_begin,
    [RECORD_COMPACTION_DONE] = apply_compaction_done,
    [RECORD_COMPACTION_FAILED] = apply_compaction_failed,
    [RECORD_AGENT_BEGIN] = apply_agent_begin,
    [RECORD_AGENT_END] = apply_agent_end,
    [RECORD_MCP_START] = apply_mcp_start,
    [RECORD_MCP_TOOLS] = apply_mcp_tools,
    [RECORD_MCP_DOWN] = apply_mcp_down,
};

int run_apply(struct run_state *s, const struct record *rec, struct err *err)
{
    bool may_follow_end = rec->type == RECORD_SANDBOX_REMOVED || rec->type == RECORD_SIDE_REMOVED ||
                          rec->type == RECORD_RUN_RESUME || rec->type == RECORD_UNKNOWN;
    int r;

    if (s->end != RUN_ACTIVE && !may_follow_end)
        return state_misplaced(rec, err);
    r = appliers[rec->type](s, rec, err);
    if (r < 0)
        return r;
    s->seq = rec->seq;
    if (rec->ms > s->ms)
        s->ms = rec->ms;
    s->changed_ms = rec->time_ms;
    return 0;
}
