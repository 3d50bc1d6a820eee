/* SPDX-License-Identifier: MIT */
/* The fold: one small function for each type of record. */
#include "core/run/state.h"

#include <stdlib.h>
#include <string.h>

void run_state_init(struct run_state *s)
{
    memset(s, 0, sizeof(*s));
}

/* ---- what the state owns ---- */

static void failure_done(struct run_failure *f)
{
    free(f->code);
    free(f->message);
    free(f->hint);
    memset(f, 0, sizeof(*f));
}

static void item_done(struct run_item *item)
{
    free(item->raw);
    item->raw = NULL;
}

static void drop_fresh(struct run_state *s)
{
    for (size_t i = 0; i < s->fresh_count; i++)
        item_done(&s->fresh[i]);
    s->fresh_count = 0;
}

static void call_done(struct run_call *call)
{
    free(call->call_id);
    free(call->tool);
    free(call->title);
    item_done(&call->answer);
}

static void drop_calls(struct run_state *s)
{
    for (size_t i = 0; i < s->call_count; i++)
        call_done(&s->calls[i]);
    s->call_count = 0;
    s->has_begun = false;
}

void run_state_done(struct run_state *s)
{
    drop_fresh(s);
    drop_calls(s);
    for (size_t i = 0; i < s->item_count; i++)
        item_done(&s->items[i]);
    free(s->items);
    free(s->fresh);
    free(s->calls);
    failure_done(&s->request_failure);
    failure_done(&s->sandbox_failure);
    failure_done(&s->workspace_failure);
    failure_done(&s->output_failure);
    failure_done(&s->end_failure);
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

static int set_text(char **slot, const char *text, struct err *err)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        return no_memory(err);
    free(*slot);
    *slot = copy;
    return 0;
}

static int set_failure(struct run_failure *f, const char *code, const char *message, const char *hint,
                       struct err *err)
{
    int r = set_text(&f->code, code, err);

    if (r == 0)
        r = set_text(&f->message, message, err);
    return r < 0 ? r : set_text(&f->hint, hint, err);
}

static int set_raw(struct run_item *item, const struct record_blob *blob, struct err *err)
{
    item->len = blob->json.len;
    if (!blob->json.len)
        return 0;
    item->raw = malloc(blob->json.len + 1);
    if (!item->raw)
        return no_memory(err);
    memcpy(item->raw, blob->json.ptr, blob->json.len);
    item->raw[blob->json.len] = '\0';
    return 0;
}

/* Room for one more element of an array. */
static int reserve(void **list, size_t *cap, size_t count, size_t size, struct err *err)
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

static int reserve_item(struct run_state *s, struct err *err)
{
    void *list = s->items;
    int r = reserve(&list, &s->item_cap, s->item_count, sizeof(*s->items), err);

    s->items = list;
    return r;
}

/* Numbers from servers and from disk: they can neither be negative nor overflow. */
static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;

    if (b < 0)
        return a;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int misplaced(const struct record *rec, struct err *err)
{
    return err_set(err, ERR_INVALID, "record %llu '%s' does not fit what came before",
                   (unsigned long long) rec->seq, record_type_name(rec->type));
}

/* ---- run, sandbox, workspace, outputs ---- */

static int apply_run_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    int r = set_text(&s->id, rec->run_begin.id, err);

    s->began_ms = rec->time_ms;
    if (r == 0)
        r = set_text(&s->name, rec->run_begin.name, err);
    return r < 0 ? r : set_text(&s->model, rec->run_begin.model, err);
}

static int apply_input_item(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_item item = { .kind = RUN_ITEM_INPUT, .turn = s->turn };
    int r;

    if (s->phase == RUN_TURN_OPEN)
        return misplaced(rec, err);
    r = reserve_item(s, err);
    if (r == 0)
        r = set_raw(&item, &rec->input_item.item, err);
    if (r == 0)
        s->items[s->item_count++] = item;
    return r;
}

static int apply_sandbox_start(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->sandbox == RUN_PART_STARTING || s->sandbox == RUN_PART_READY)
        return misplaced(rec, err);
    s->sandbox = RUN_PART_STARTING;
    s->workspace = RUN_PART_NONE;
    s->attempt = rec->sandbox_start.attempt;
    failure_done(&s->sandbox_failure);
    return 0;
}

static int apply_sandbox_intent(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->sandbox != RUN_PART_STARTING)
        return misplaced(rec, err);
    s->is_removed = false;
    return set_text(&s->container_name, rec->sandbox_intent.container_name, err);
}

static int apply_sandbox_ready(struct run_state *s, const struct record *rec, struct err *err)
{
    int r;

    if (s->sandbox != RUN_PART_STARTING)
        return misplaced(rec, err);
    r = set_text(&s->container_id, rec->sandbox_ready.container_id, err);
    if (r == 0 && rec->sandbox_ready.container_name)
        r = set_text(&s->container_name, rec->sandbox_ready.container_name, err);
    if (r == 0)
        s->sandbox = RUN_PART_READY;
    return r;
}

static int apply_sandbox_gone(struct run_state *s, const struct record *rec, struct err *err)
{
    bool was_ready = rec->type == RECORD_SANDBOX_LOST;

    if (s->sandbox != (was_ready ? RUN_PART_READY : RUN_PART_STARTING))
        return misplaced(rec, err);
    s->sandbox = was_ready ? RUN_PART_LOST : RUN_PART_FAILED;
    return set_failure(&s->sandbox_failure, rec->failure.code, rec->failure.message, rec->failure.hint, err);
}

static int apply_workspace(struct run_state *s, const struct record *rec, struct err *err)
{
    bool begins = rec->type == RECORD_WORKSPACE_BEGIN;

    if (s->workspace != (begins ? RUN_PART_NONE : RUN_PART_STARTING))
        return misplaced(rec, err);
    s->workspace = begins ? RUN_PART_STARTING : RUN_PART_READY;
    return 0;
}

static int apply_workspace_failed(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->workspace != RUN_PART_STARTING)
        return misplaced(rec, err);
    s->workspace = RUN_PART_FAILED;
    return set_failure(&s->workspace_failure, rec->failure.code, rec->failure.message, rec->failure.hint,
                       err);
}

static int apply_outputs_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->outputs == RUN_PART_STARTING)
        return misplaced(rec, err);
    s->outputs = RUN_PART_STARTING;
    s->outputs_done = s->outputs_failed = 0;
    return 0;
}

static int apply_output(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->outputs != RUN_PART_STARTING)
        return misplaced(rec, err);
    if (rec->type == RECORD_OUTPUT_DONE)
        s->outputs_done++;
    else
        s->outputs_failed++;
    return 0;
}

static int apply_outputs_end(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_outputs *o = &rec->outputs;

    if (s->outputs != RUN_PART_STARTING)
        return misplaced(rec, err);
    s->outputs = o->code ? RUN_PART_FAILED : RUN_PART_READY;
    return set_failure(&s->output_failure, o->code, o->message, o->hint, err);
}

/* ---- turns ---- */

static int apply_request_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_request_begin *b = &rec->request_begin;
    bool is_new = s->phase == RUN_TURN_NONE || s->phase == RUN_TURN_ANSWERED;

    if (is_new ? b->turn != s->turn + 1 || b->attempt != 1
               : s->phase != RUN_TURN_VOID || b->turn != s->turn || b->attempt != s->try_count + 1)
        return misplaced(rec, err);
    drop_fresh(s);
    drop_calls(s);
    s->turn = b->turn;
    s->try_count = b->attempt;
    s->phase = RUN_TURN_OPEN;
    s->was_incomplete = false;
    return 0;
}

static enum run_item_kind kind_of(const char *word)
{
    static const char *const names[] = { "other", "message", "reasoning", "call" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(word, names[i]) == 0)
            return (enum run_item_kind) i;
    return RUN_ITEM_OTHER;
}

static int add_call(struct run_state *s, const struct record_request_item *in, struct err *err)
{
    struct run_call call = { .number = in->call,
                             .output_index = in->output_index,
                             .is_incomplete = in->is_incomplete };
    void *list = s->calls;
    int r = reserve(&list, &s->call_cap, s->call_count, sizeof(*s->calls), err);

    s->calls = list;
    if (r == 0)
        r = set_text(&call.call_id, in->call_id ? in->call_id : "", err);
    if (r == 0)
        r = set_text(&call.tool, in->tool, err);
    if (r == 0)
        r = set_text(&call.title, in->title, err);
    if (r < 0) {
        call_done(&call);
        return r;
    }
    s->calls[s->call_count++] = call;
    s->call_total = in->call;
    return 0;
}

static int apply_request_item(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_request_item *in = &rec->request_item;
    struct run_item item = { .kind = kind_of(in->kind),
                             .turn = in->turn,
                             .output_index = in->output_index,
                             .call = in->call,
                             .is_incomplete = in->is_incomplete,
                             .is_refusal = in->is_refusal,
                             .is_commentary = in->is_commentary };
    void *list = s->fresh;
    int r;

    if (s->phase != RUN_TURN_OPEN || in->turn != s->turn || s->fresh_count >= RUN_TURN_ITEMS_MAX)
        return misplaced(rec, err);
    if (item.kind == RUN_ITEM_CALL ? s->call_total == INT64_MAX || in->call != s->call_total + 1
                                   : in->call != 0)
        return misplaced(rec, err);
    r = reserve(&list, &s->fresh_cap, s->fresh_count, sizeof(*s->fresh), err);
    s->fresh = list;
    if (r == 0)
        r = set_raw(&item, &in->item, err);
    if (r == 0 && item.kind == RUN_ITEM_CALL)
        r = add_call(s, in, err);
    if (r < 0)
        item_done(&item);
    else
        s->fresh[s->fresh_count++] = item;
    return r;
}

/* Insertion sorts: stable, and the lists are nearly sorted already. Servers that give no index give the same
 * to all. */
static void sort_fresh(struct run_state *s)
{
    for (size_t i = 1; i < s->fresh_count; i++)
        for (size_t j = i; j > 0 && s->fresh[j].output_index < s->fresh[j - 1].output_index; j--) {
            struct run_item item = s->fresh[j];

            s->fresh[j] = s->fresh[j - 1];
            s->fresh[j - 1] = item;
        }
}

static void sort_calls(struct run_state *s)
{
    for (size_t i = 1; i < s->call_count; i++)
        for (size_t j = i; j > 0 && s->calls[j].output_index < s->calls[j - 1].output_index; j--) {
            struct run_call call = s->calls[j];

            s->calls[j] = s->calls[j - 1];
            s->calls[j - 1] = call;
        }
}

struct run_call *run_state_call(const struct run_state *s, int64_t number)
{
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].number == number)
            return &s->calls[i];
    return NULL;
}

static void drop_call(struct run_state *s, int64_t number)
{
    struct run_call *call = run_state_call(s, number);
    size_t at;

    if (!call)
        return;
    at = (size_t) (call - s->calls);
    call_done(call);
    memmove(call, call + 1, (s->call_count - at - 1) * sizeof(*call));
    s->call_count--;
}

/* A call that was cut off in an incomplete answer cannot be sent back: nothing could answer it. One that has
 * begun nevertheless stays. */
static bool is_cut_off(const struct run_state *s, const struct run_item *item)
{
    const struct run_call *call = run_state_call(s, item->call);

    return item->is_incomplete && !(call && call->phase != RUN_CALL_WAITING);
}

static void drop_cut_off(struct run_state *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->fresh_count; i++) {
        struct run_item *item = &s->fresh[i];

        if (item->kind == RUN_ITEM_CALL && is_cut_off(s, item)) {
            drop_call(s, item->call);
            item_done(item);
        } else {
            s->fresh[kept++] = *item;
        }
    }
    s->fresh_count = kept;
}

/* Reasoning must be followed by what it led to. */
static void drop_trailing_reasoning(struct run_state *s)
{
    while (s->fresh_count && s->fresh[s->fresh_count - 1].kind == RUN_ITEM_REASONING)
        item_done(&s->fresh[--s->fresh_count]);
}

static int join_conversation(struct run_state *s, struct err *err)
{
    for (size_t i = 0; i < s->fresh_count; i++) {
        int r = reserve_item(s, err);

        if (r < 0)
            return r;
        s->items[s->item_count++] = s->fresh[i];
        s->fresh[i].raw = NULL;
    }
    s->fresh_count = 0;
    return 0;
}

static void count_repeat(struct run_state *s, const struct run_call *call)
{
    if (call->same[0] && strcmp(call->same, s->repeat) == 0) {
        s->repeat_count = add(s->repeat_count, 1);
        return;
    }
    memcpy(s->repeat, call->same, sizeof(s->repeat));
    s->repeat_count = call->same[0] ? 1 : 0;
}

/* The turn is closed and its last call has been answered: the answers join the conversation, in order. */
static int join_answers(struct run_state *s, struct err *err)
{
    if (s->phase != RUN_TURN_CLOSED || !s->call_count)
        return 0;
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].phase != RUN_CALL_ANSWERED)
            return 0;
    for (size_t i = 0; i < s->call_count; i++) {
        int r = reserve_item(s, err);

        if (r < 0)
            return r;
        s->items[s->item_count++] = s->calls[i].answer;
        s->calls[i].answer = (struct run_item){ 0 };
        count_repeat(s, &s->calls[i]);
    }
    s->phase = RUN_TURN_ANSWERED;
    return 0;
}

static void spend(struct run_state *s, const struct record_usage *u, int64_t cost_micros)
{
    if (u->total > 0 || u->input > 0) {
        s->usage.input = add(s->usage.input, u->input);
        s->usage.cached = add(s->usage.cached, u->cached);
        s->usage.output = add(s->usage.output, u->output);
        s->usage.reasoning = add(s->usage.reasoning, u->reasoning);
        s->usage.total = add(s->usage.total, u->total);
        s->usage.is_estimated = s->usage.is_estimated || u->is_estimated;
        s->last = *u;
    }
    if (cost_micros < 0)
        s->is_cost_unknown = true;
    s->cost_micros = add(s->cost_micros, cost_micros);
}

/* The server can go on from a completed answer only. */
static int remember_response(struct run_state *s, const struct record_request_end *e, struct err *err)
{
    if (strcmp(e->status, "completed") != 0 || !e->response_id || !e->response_id[0])
        return 0;
    s->previous_items = s->item_count;
    return set_text(&s->previous_id, e->response_id, err);
}

static int end_turn(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_request_end *e = &rec->request_end;
    bool is_cut = strcmp(e->status, "cut") == 0;
    int r;

    s->was_incomplete = strcmp(e->status, "incomplete") == 0;
    if (s->was_incomplete)
        drop_cut_off(s);
    sort_fresh(s);
    sort_calls(s);
    if (is_cut || s->was_incomplete)
        drop_trailing_reasoning(s);
    s->failures = is_cut ? add(s->failures, 1) : 0;
    s->retry_at_ms = !is_cut ? 0 : e->retry_ms < 0 ? -1 : add(rec->ms, e->retry_ms);
    s->phase = RUN_TURN_CLOSED;
    spend(s, &e->usage, e->cost_micros);
    r = join_conversation(s, err);
    if (r == 0)
        r = remember_response(s, e, err);
    if (r == 0 && is_cut)
        r = set_failure(&s->request_failure, "model", e->message, NULL, err);
    return r;
}

static int apply_request_end(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_request_end *e = &rec->request_end;
    int r;

    if (s->phase != RUN_TURN_OPEN || e->turn != s->turn)
        return misplaced(rec, err);
    r = set_text(&s->incomplete_reason, e->reason, err);
    if (r == 0)
        r = end_turn(s, rec, err);
    return r < 0 ? r : join_answers(s, err);
}

static void forget_previous(struct run_state *s)
{
    s->previous_items = 0;
    free(s->previous_id);
    s->previous_id = NULL;
}

/* A repair is not a failure: the same request is sent again, changed. */
static void note_repair(struct run_state *s, const char *repair)
{
    if (strcmp(repair, "function_tools") == 0)
        s->use_function_tools = true;
    else if (strcmp(repair, "full_input") == 0)
        forget_previous(s);
    else if (strcmp(repair, "no_reasoning") == 0)
        s->drop_reasoning = true;
}

static int apply_request_failed(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_request_failed *f = &rec->request_failed;

    if (s->phase != RUN_TURN_OPEN || f->turn != s->turn || s->has_begun)
        return misplaced(rec, err);
    drop_fresh(s);
    drop_calls(s);
    spend(s, &f->usage, f->cost_micros);
    s->phase = f->will_retry ? RUN_TURN_VOID : RUN_TURN_FAILED;
    s->retry_at_ms = add(rec->ms, f->retry_ms);
    if (f->repair)
        note_repair(s, f->repair);
    else
        s->failures = add(s->failures, 1);
    return set_failure(&s->request_failure, f->code, f->message, f->hint, err);
}

/* ---- calls ---- */

static int apply_call_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_call *call = run_state_call(s, rec->call_begin.call);

    if (!call || call->phase != RUN_CALL_WAITING)
        return misplaced(rec, err);
    call->phase = RUN_CALL_RUNNING;
    call->exec_id = rec->call_begin.exec_id;
    call->began_ms = rec->ms;
    s->calls_begun = add(s->calls_begun, 1);
    s->has_begun = true;
    return 0;
}

static int apply_call_end(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_call_end *e = &rec->call_end;
    struct run_call *call = run_state_call(s, e->call);
    int r;

    if (!call || call->phase == RUN_CALL_ANSWERED || call->phase == RUN_CALL_LOST)
        return misplaced(rec, err);
    call->answer = (struct run_item){ .kind = RUN_ITEM_ANSWER, .turn = s->turn, .call = call->number };
    r = set_raw(&call->answer, &e->answer, err);
    if (r < 0)
        return r;
    if (call->phase == RUN_CALL_WAITING)
        s->calls_begun = add(s->calls_begun, 1);
    call->phase = RUN_CALL_ANSWERED;
    memset(call->same, 0, sizeof(call->same));
    if (e->same)
        strncpy(call->same, e->same, sizeof(call->same) - 1);
    return join_answers(s, err);
}

static int apply_call_lost(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_call *call = run_state_call(s, rec->call_lost.call);

    if (!call || call->phase != RUN_CALL_RUNNING)
        return misplaced(rec, err);
    call->phase = RUN_CALL_LOST;
    return 0;
}

/* ---- ends ---- */

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
    return set_text(&s->limit, rec->limit_hit.limit, err);
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
        return misplaced(rec, err);
    r = set_text(&s->reason, e->reason, err);
    if (r == 0)
        r = set_failure(&s->end_failure, e->code, e->message, e->hint, err);
    if (r < 0)
        return r;
    s->end = end;
    s->exit_status = e->exit_status;
    s->is_kept = e->is_kept;
    return 0;
}

static int apply_sandbox_removed(struct run_state *s, const struct record *rec, struct err *err)
{
    s->is_removed = !rec->failure.code;
    return 0;
}

static int apply_unknown(struct run_state *s, const struct record *rec, struct err *err)
{
    return 0;
}

typedef int apply_fn(struct run_state *s, const struct record *rec, struct err *err);

static apply_fn *const appliers[RECORD_TYPES] = {
    [RECORD_UNKNOWN] = apply_unknown,
    [RECORD_RUN_BEGIN] = apply_run_begin,
    [RECORD_INPUT_ITEM] = apply_input_item,
    [RECORD_SANDBOX_START] = apply_sandbox_start,
    [RECORD_SANDBOX_INTENT] = apply_sandbox_intent,
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
};

int run_apply(struct run_state *s, const struct record *rec, struct err *err)
{
    bool may_follow_end = rec->type == RECORD_SANDBOX_REMOVED || rec->type == RECORD_UNKNOWN;
    int r;

    if (s->end != RUN_ACTIVE && !may_follow_end)
        return misplaced(rec, err);
    r = appliers[rec->type](s, rec, err);
    if (r < 0)
        return r;
    s->seq = rec->seq;
    if (rec->ms > s->ms)
        s->ms = rec->ms;
    s->changed_ms = rec->time_ms;
    return 0;
}
