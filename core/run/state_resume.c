/* SPDX-License-Identifier: MIT */
/* The fold of going on in another process, and of going back. */
#include "core/run/state_impl.h"

#include <stdlib.h>
#include <string.h>

bool run_state_is_uncovered(const struct run_state *s, const struct run_call *call)
{
    return call->begin_order > s->covered_begins;
}

bool run_state_is_undone(const struct run_state *s, const struct run_call *call)
{
    return run_state_is_uncovered(s, call) && !(call->is_outside && call->phase == RUN_CALL_ANSWERED);
}

static bool has_lost_call(const struct run_state *s)
{
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].phase == RUN_CALL_LOST)
            return true;
    return false;
}

/* A call whose effects are half done cannot go on where it was; then the sandbox is of no use either. */
bool run_state_can_attach(const struct run_state *s)
{
    bool is_there = s->sandbox == RUN_PART_READY || s->sandbox == RUN_PART_DETACHED ||
                    (s->is_attaching && s->sandbox != RUN_PART_NONE);
    bool was_left = s->end == RUN_ACTIVE || s->is_kept;

    return is_there && was_left && !s->is_removed && s->workspace == RUN_PART_READY && !has_lost_call(s);
}

/* ---- another process ---- */

static int add_sets(struct run_state *s, const struct record_run_resume *e, struct err *err)
{
    char **more = realloc(s->sets, (s->set_count + e->set_count + 1) * sizeof(*more));

    if (!more)
        return err_set(err, ERR_INTERNAL, "no memory for the state of the run");
    s->sets = more;
    for (size_t i = 0; i < e->set_count; i++) {
        s->sets[s->set_count] = NULL;
        if (state_set_text(&s->sets[s->set_count], e->sets[i].text, err) < 0)
            return -ERR_INTERNAL;
        s->set_count++;
    }
    s->sets[s->set_count] = NULL;
    return 0;
}

static void wake(struct run_state *s)
{
    s->end = RUN_ACTIVE;
    s->interrupt = 0;
    free(s->limit);
    free(s->reason);
    s->limit = s->reason = NULL;
    s->exit_status = 0;
    s->is_kept = false;
    s->failures = 0;
    s->retry_at_ms = 0;
    s->repeat_count = 0; /* who resumes a run that repeats itself wants it to go on */
    state_failure_done(&s->end_failure);
    state_answer_wake(s);
}

/* What was under way in the dead process is not any more. */
static void stop_parts(struct run_state *s)
{
    if (s->phase == RUN_TURN_OPEN)
        s->is_request_lost = true;
    else if (s->phase == RUN_TURN_FAILED)
        s->phase = RUN_TURN_VOID;
    state_egress_cut(s);
    state_mcp_stop(s);
    s->outputs = RUN_PART_NONE; /* collected once more: the end tells of them, and that costs little */
    s->keeping = RUN_PART_NONE;
    s->context.phase = RUN_PART_NONE;
    s->compaction.is_lost = s->compaction.phase == RUN_PART_STARTING;
    s->compaction.rest_turn = s->compaction.failures = 0;
}

int apply_run_resume(struct run_state *s, const struct record *rec, struct err *err)
{
    bool can_attach = run_state_can_attach(s);

    if (s->end == RUN_DONE)
        return state_misplaced(rec, err);
    if (rec->run_resume.set_count && add_sets(s, &rec->run_resume, err) < 0)
        return -ERR_INTERNAL;
    wake(s);
    stop_parts(s);
    s->resumes = state_add(s->resumes, 1);
    if (can_attach) {
        s->sandbox = RUN_PART_DETACHED;
    } else {
        s->must_roll_back = true;
        s->sandbox = s->workspace = RUN_PART_NONE;
        s->is_attaching = false;
    }
    return 0;
}

/* ---- back to a checkpoint ---- */

int64_t run_state_rollback_turn(const struct run_state *s)
{
    if (!s->has_checkpoint && s->begins > 0)
        return 0;
    return s->held.turn ? s->held.turn : s->turn;
}

bool run_state_rollback_unsays(const struct run_state *s)
{
    if (s->held.turn || run_state_rollback_turn(s) != s->turn)
        return true;
    for (size_t i = 0; i < s->call_count; i++)
        if (run_state_is_undone(s, &s->calls[i]))
            return true;
    return false;
}

static void truncate_items(struct run_state *s, size_t count)
{
    while (s->item_count > count)
        state_item_done(&s->items[--s->item_count]);
    if (s->previous_items > count)
        state_forget_previous(s);
    state_uncount(s);
    state_forget_context(s);
}

static void restart(struct run_state *s)
{
    state_drop_fresh(s);
    state_drop_calls(s);
    state_drop_held(s);
    state_drop_touched(s);
    s->answers_wrong = 0; /* what was told of them goes */
    s->compaction.is_wanted = false;
    truncate_items(s, s->base_items);
    state_forget_previous(s);
    s->turn = 0;
    s->phase = RUN_TURN_NONE;
    s->was_incomplete = false;
}

static void return_to_held(struct run_state *s)
{
    struct run_held *h = &s->held;

    state_drop_fresh(s);
    state_drop_calls(s);
    free(s->calls);
    s->calls = h->calls;
    s->call_count = s->call_cap = h->call_count;
    s->turn = h->turn;
    s->phase = RUN_TURN_ANSWERED;
    s->answers_at = h->answers_at;
    s->was_incomplete = false;
    s->answers_wrong = 0;
    free(s->previous_id);
    s->previous_id = h->previous_id;
    s->previous_items = h->previous_items;
    memset(h, 0, sizeof(*h));
}

/* The answers of the turn leave the conversation: some of them are not true any more. */
static void take_answers_back(struct run_state *s)
{
    if (s->phase != RUN_TURN_ANSWERED)
        return;
    s->phase = RUN_TURN_CLOSED;
    if (run_state_is_checking(s)) /* what they told goes; they are run again */
        truncate_items(s, s->answers_at);
    else {
        truncate_items(s, s->answers_at + s->call_count);
        for (size_t i = s->call_count; i > 0; i--)
            s->calls[i - 1].answer = s->items[--s->item_count];
    }
    state_forget_context(s);
    state_drop_touched(s);
}

static void lose_effects(struct run_state *s)
{
    bool is_any_lost = false;

    for (size_t i = 0; i < s->call_count; i++)
        is_any_lost = is_any_lost || run_state_is_undone(s, &s->calls[i]);
    if (is_any_lost)
        take_answers_back(s);
    for (size_t i = 0; i < s->call_count; i++) {
        struct run_call *call = &s->calls[i];

        if (!run_state_is_undone(s, call))
            continue;
        state_item_done(&call->answer);
        call->answer = (struct run_item){ 0 };
        call->phase = RUN_CALL_LOST;
        call->begin_order = 0;
        if (!s->has_ended_sandbox)
            call->losses = state_add(call->losses, 1);
    }
}

/* Something left during calls that no checkpoint has. Those that stay in the conversation are answered for
 * one by one; when none of them is, it left in calls that are said no more. */
static void account_for_egress(struct run_state *s)
{
    bool is_said = false;

    for (size_t i = 0; i < s->call_count; i++)
        is_said =
            is_said || (s->calls[i].phase == RUN_CALL_LOST && (s->calls[i].has_left || s->calls[i].check));
    s->has_unsaid_left = s->has_unsaid_left || (s->egress.has_left && !is_said);
    s->egress.has_left = false;
}

int apply_rollback(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_rollback *e = &rec->rollback;

    if (!s->must_roll_back || s->is_request_lost || s->compaction.phase != RUN_PART_NONE ||
        (s->phase == RUN_TURN_OPEN && run_state_rollback_unsays(s)) ||
        e->turn != run_state_rollback_turn(s) || e->checkpoint != s->checkpoint)
        return state_misplaced(rec, err);
    if (e->turn == 0)
        restart(s);
    else if (s->held.turn)
        return_to_held(s);
    lose_effects(s);
    account_for_egress(s);
    state_drop_checks(s);
    s->covered_begins = s->begins;
    s->must_roll_back = false;
    s->has_ended_sandbox = false;
    return 0;
}
