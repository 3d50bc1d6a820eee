/* SPDX-License-Identifier: MIT */
/* The fold of the conversation: requests, their items, calls and their answers. */
#include "core/run/state_impl.h"

#include <stdlib.h>
#include <string.h>

int apply_input_item(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_item item = { .kind = RUN_ITEM_INPUT,
                             .turn = s->turn,
                             .is_pinned = s->turn == 0 && !rec->input_item.is_history };
    int r;

    if (s->phase == RUN_TURN_OPEN)
        return state_misplaced(rec, err);
    r = state_reserve_item(s, err);
    if (r == 0)
        r = state_set_raw(&item, &rec->input_item.item, err);
    if (r < 0)
        return r;
    if (rec->input_item.notes > 0 && s->turn == 0) { /* what is always so comes before what is asked */
        memmove(s->items + 1, s->items, s->item_count * sizeof(*s->items));
        s->items[0] = item;
        s->item_count++;
    } else {
        s->items[s->item_count++] = item;
    }
    if (s->turn == 0)
        s->base_items = s->item_count;
    return 0;
}

/* ---- turns ---- */

/* The next turn begins while what calls of this one did is in no checkpoint: it may have to come back to
 * this. */
static int hold_turn(struct run_state *s, struct err *err)
{
    struct run_held *h = &s->held;
    bool is_covered = true;
    int r;

    for (size_t i = 0; i < s->call_count; i++)
        is_covered = is_covered && !run_state_is_undone(s, &s->calls[i]);
    if (is_covered || h->turn) /* an older one is as far back as it goes */
        return 0;
    r = state_set_text(&h->previous_id, s->previous_id, err);
    if (r < 0)
        return r;
    h->turn = s->turn;
    h->calls = s->calls;
    h->call_count = s->call_count;
    h->answers_at = s->answers_at;
    h->previous_items = s->previous_items;
    s->calls = NULL;
    s->call_count = s->call_cap = 0;
    return 0;
}

int apply_request_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_request_begin *b = &rec->request_begin;
    bool is_new = s->phase == RUN_TURN_NONE || s->phase == RUN_TURN_ANSWERED;

    if (s->compaction.phase != RUN_PART_NONE)
        return state_misplaced(rec, err);
    if (is_new ? b->turn != s->turn + 1 || b->attempt != 1
               : s->phase != RUN_TURN_VOID || b->turn != s->turn || b->attempt != s->try_count + 1)
        return state_misplaced(rec, err);
    if (is_new && hold_turn(s, err) < 0)
        return -ERR_INTERNAL;
    state_drop_fresh(s);
    state_drop_calls(s);
    state_drop_touched(s);
    if (is_new)
        s->turns_spent = state_add(s->turns_spent, 1);
    s->turn = b->turn;
    s->try_count = b->attempt;
    s->body_bytes = b->body_bytes;
    s->compaction.asked = b->compact_at;
    s->phase = RUN_TURN_OPEN;
    s->was_incomplete = false;
    s->answer = RUN_ANSWER_OPEN;
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

static int set_folders(struct run_call *call, const struct record_request_item *in, struct err *err)
{
    int r = 0;

    if (!in->folder_count)
        return 0;
    call->folders = calloc(in->folder_count, sizeof(*call->folders));
    if (!call->folders)
        return err_set(err, ERR_INTERNAL, "no memory for the state of the run");
    for (size_t i = 0; i < in->folder_count && r == 0; i++)
        r = state_set_text(&call->folders[call->folder_count++], in->folders[i].text, err);
    return r;
}

static int add_call(struct run_state *s, const struct record_request_item *in, struct err *err)
{
    struct run_call call = { .number = in->call,
                             .output_index = in->output_index,
                             .is_incomplete = in->is_incomplete };
    void *list = s->calls;
    int r = state_reserve(&list, &s->call_cap, s->call_count, sizeof(*s->calls), err);

    s->calls = list;
    if (r == 0)
        r = state_set_text(&call.call_id, in->call_id ? in->call_id : "", err);
    if (r == 0)
        r = state_set_text(&call.tool, in->tool, err);
    if (r == 0)
        r = state_set_text(&call.title, in->title, err);
    if (r == 0)
        r = set_folders(&call, in, err);
    if (r == 0)
        r = state_set_text(&call.approval_why, in->rule, err);
    if (in->approve)
        call.approval = strcmp(in->approve, "ask") == 0 ? RUN_APPROVAL_NEEDED : RUN_APPROVAL_DENIED;
    if (r < 0) {
        state_call_done(&call);
        return r;
    }
    s->calls[s->call_count++] = call;
    s->call_total = in->call;
    return 0;
}

int apply_request_item(struct run_state *s, const struct record *rec, struct err *err)
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

    if (item.kind == RUN_ITEM_OTHER && !in->is_incomplete && in->item_type &&
        strcmp(in->item_type, "compaction") == 0)
        item.kind = RUN_ITEM_COMPACTION;
    if (s->phase != RUN_TURN_OPEN || in->turn != s->turn || s->fresh_count >= RUN_TURN_ITEMS_MAX)
        return state_misplaced(rec, err);
    if (item.kind == RUN_ITEM_CALL ? s->call_total == INT64_MAX || in->call != s->call_total + 1
                                   : in->call != 0)
        return state_misplaced(rec, err);
    r = state_reserve(&list, &s->fresh_cap, s->fresh_count, sizeof(*s->fresh), err);
    s->fresh = list;
    if (r == 0)
        r = state_set_raw(&item, &in->item, err);
    if (r == 0 && item.kind == RUN_ITEM_CALL)
        r = add_call(s, in, err);
    if (r < 0)
        state_item_done(&item);
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
    state_call_done(call);
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
            state_item_done(item);
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
        state_item_done(&s->fresh[--s->fresh_count]);
}

static int join_conversation(struct run_state *s, struct err *err)
{
    int64_t first = (int64_t) s->item_count;

    for (size_t i = 0; i < s->fresh_count; i++) {
        int r = state_reserve_item(s, err);

        if (r < 0)
            return r;
        if (s->fresh[i].kind == RUN_ITEM_COMPACTION)
            s->fresh[i].keeps = first; /* calls of its turn are answered behind it */
        s->items[s->item_count++] = s->fresh[i];
        s->fresh[i].raw = NULL;
    }
    s->fresh_count = 0;
    return 0;
}

static void count_repeat(struct run_state *s, const struct run_call *call)
{
    if (call->same[0] && strcmp(call->same, s->repeat) == 0) {
        s->repeat_count = state_add(s->repeat_count, 1);
        return;
    }
    memcpy(s->repeat, call->same, sizeof(s->repeat));
    s->repeat_count = call->same[0] ? 1 : 0;
}

/* The turn is closed and its last call has been answered: the answers join the conversation, in order. */
static int join_answers(struct run_state *s, struct err *err)
{
    if (s->phase != RUN_TURN_CLOSED || !run_state_has_calls(s))
        return 0;
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].phase != RUN_CALL_ANSWERED)
            return 0;
    s->answers_at = s->item_count;
    for (size_t i = 0; i < s->call_count; i++) {
        int r = state_reserve_item(s, err);

        if (r < 0)
            return r;
        s->items[s->item_count++] = s->calls[i].answer;
        s->calls[i].answer = (struct run_item){ 0 };
        count_repeat(s, &s->calls[i]);
    }
    s->phase = RUN_TURN_ANSWERED;
    return state_touch(s, err);
}

void state_spend(struct run_state *s, const struct record_usage *u, int64_t cost_micros)
{
    if (u->total > 0 || u->input > 0) {
        s->usage.input = state_add(s->usage.input, u->input);
        s->usage.cached = state_add(s->usage.cached, u->cached);
        s->usage.output = state_add(s->usage.output, u->output);
        s->usage.reasoning = state_add(s->usage.reasoning, u->reasoning);
        s->usage.total = state_add(s->usage.total, u->total);
        s->usage.is_estimated = s->usage.is_estimated || u->is_estimated;
        s->last = *u;
    }
    if (cost_micros < 0)
        s->is_cost_unknown = true;
    s->cost_micros = state_add(s->cost_micros, cost_micros);
}

/* The server can go on from a completed answer only. */
static int remember_response(struct run_state *s, const struct record_request_end *e, struct err *err)
{
    if (strcmp(e->status, "completed") != 0 || !e->response_id || !e->response_id[0])
        return 0;
    s->previous_items = s->item_count;
    return state_set_text(&s->previous_id, e->response_id, err);
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
    s->failures = is_cut ? state_add(s->failures, 1) : 0;
    s->retry_at_ms = !is_cut ? 0 : e->retry_ms < 0 ? -1 : state_add(rec->ms, e->retry_ms);
    s->phase = RUN_TURN_CLOSED;
    s->is_request_lost = false;
    state_spend(s, &e->usage, e->cost_micros);
    r = join_conversation(s, err);
    state_count_turn(s, &e->usage);
    if (r == 0)
        r = remember_response(s, e, err);
    if (r == 0 && is_cut)
        r = state_set_failure(&s->request_failure, "model", e->message, NULL, err);
    return r;
}

int apply_request_end(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_request_end *e = &rec->request_end;
    int r;

    if (s->phase != RUN_TURN_OPEN || e->turn != s->turn)
        return state_misplaced(rec, err);
    r = state_set_text(&s->incomplete_reason, e->reason, err);
    if (r == 0)
        r = end_turn(s, rec, err);
    return r < 0 ? r : join_answers(s, err);
}

void state_forget_previous(struct run_state *s)
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
        state_forget_previous(s);
    else if (strcmp(repair, "no_reasoning") == 0)
        s->drop_reasoning = true;
    else if (strcmp(repair, "told_schema") == 0)
        s->tell_schema = true;
    else if (strcmp(repair, "no_compaction") == 0)
        s->compaction.is_refused = true;
    else if (strcmp(repair, "compact") == 0)
        s->compaction.is_wanted = true;
}

int apply_request_failed(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_request_failed *f = &rec->request_failed;

    if (s->phase != RUN_TURN_OPEN || f->turn != s->turn || s->has_begun)
        return state_misplaced(rec, err);
    state_drop_fresh(s);
    state_drop_calls(s);
    state_spend(s, &f->usage, f->cost_micros);
    s->is_request_lost = false;
    s->phase = f->will_retry ? RUN_TURN_VOID : RUN_TURN_FAILED;
    s->retry_at_ms = state_add(rec->ms, f->retry_ms);
    if (f->repair)
        note_repair(s, f->repair);
    else
        s->failures = state_add(s->failures, 1);
    return state_set_failure(&s->request_failure, f->code, f->message, f->hint, err);
}

/* ---- calls ---- */

void state_begin_call(struct run_state *s, struct run_call *call, const struct record *rec)
{
    s->begins = state_add(s->begins, 1);
    call->phase = RUN_CALL_RUNNING;
    call->is_outside = rec->call_begin.is_outside;
    /* a tunnel that is there may serve it too */
    call->has_left = state_egress_is_open(s);
    /* whatever becomes of it, what is done outside is answered for by the call, unless that goes as well */
    s->egress.has_left =
        s->egress.has_left || call->has_left || (call->is_outside && (s->held.turn || !s->has_checkpoint));
    call->has_left = call->has_left || call->is_outside;
    call->begin_order = s->begins;
    call->runs = state_add(call->runs, 1);
    call->exec_id = rec->call_begin.exec_id;
    call->began_ms = rec->ms;
}

int apply_call_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_call *call = run_state_call(s, rec->call_begin.call);

    if (!call || call->check || (call->phase != RUN_CALL_WAITING && call->phase != RUN_CALL_LOST))
        return state_misplaced(rec, err);
    if (call->runs == 0)
        s->calls_begun = state_add(s->calls_begun, 1);
    state_begin_call(s, call, rec);
    state_item_done(&call->intent); /* of a sandbox that is gone */
    call->intent = (struct run_item){ 0 };
    s->has_begun = true;
    return 0;
}

int apply_call_intent(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_call *call = run_state_call(s, rec->call_intent.call);

    if (!call || call->phase != RUN_CALL_RUNNING)
        return state_misplaced(rec, err);
    state_item_done(&call->intent);
    call->intent = (struct run_item){ .turn = s->turn, .call = call->number };
    return state_set_raw(&call->intent, &rec->call_intent.intent, err);
}

static int note_session(struct run_state *s, const struct record_call_end *e, struct err *err)
{
    void *list = s->sessions;
    int r;

    if (!e->session || !e->exec_id)
        return 0;
    for (size_t i = 0; i < s->session_count; i++)
        if (s->sessions[i].exec_id == e->exec_id) /* polled again */
            return 0;
    r = state_reserve(&list, &s->session_cap, s->session_count, sizeof(*s->sessions), err);
    s->sessions = list;
    if (r == 0)
        s->sessions[s->session_count++] = (struct run_session){ e->session, e->exec_id };
    return r;
}

int apply_call_end(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_call_end *e = &rec->call_end;
    struct run_call *call = run_state_call(s, e->call);
    int r;

    if (!call || call->check || call->phase == RUN_CALL_ANSWERED)
        return state_misplaced(rec, err);
    r = note_session(s, e, err);
    if (r < 0)
        return r;
    call->answer = (struct run_item){ .kind = RUN_ITEM_ANSWER, .turn = s->turn, .call = call->number };
    r = state_set_raw(&call->answer, &e->answer, err);
    if (r < 0)
        return r;
    if (call->runs == 0)
        s->calls_begun = state_add(s->calls_begun, 1);
    call->phase = RUN_CALL_ANSWERED;
    memset(call->same, 0, sizeof(call->same));
    if (e->same)
        strncpy(call->same, e->same, sizeof(call->same) - 1);
    return join_answers(s, err);
}

int apply_call_lost(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_call *call = run_state_call(s, rec->call_lost.call);

    if (!call || call->phase != RUN_CALL_RUNNING)
        return state_misplaced(rec, err);
    call->phase = RUN_CALL_LOST;
    return 0;
}
