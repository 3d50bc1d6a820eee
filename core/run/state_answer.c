/* SPDX-License-Identifier: MIT */
/* The fold of what is asked before a call runs, and after the final message: approvals, the schema, checks.
 */
#include "core/run/state_impl.h"

#include <stdlib.h>
#include <string.h>

static bool has_message(const struct run_state *s)
{
    return s->phase == RUN_TURN_CLOSED && !s->was_incomplete && !run_state_has_calls(s);
}

static bool is_empty(const struct record_blob *blob)
{
    return blob->size == 0 && blob->json.len == 0;
}

/* The model is told something after its final message: the conversation goes on. */
static int tell(struct run_state *s, const struct record_blob *blob, struct err *err)
{
    struct run_item item = { .kind = RUN_ITEM_INPUT, .turn = s->turn };
    int r = state_reserve_item(s, err);

    if (r == 0)
        r = state_set_raw(&item, blob, err);
    if (r < 0)
        return r;
    s->answers_at = s->item_count;
    s->items[s->item_count++] = item;
    s->phase = RUN_TURN_ANSWERED;
    return 0;
}

/* ---- the schema ---- */

int apply_answer_check(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_answer_check *e = &rec->answer_check;
    int r;

    if (!has_message(s) || s->call_count || s->answer != RUN_ANSWER_OPEN || e->turn != s->turn)
        return state_misplaced(rec, err);
    if (e->fits) {
        s->answer = RUN_ANSWER_FITS;
        s->answers_wrong = 0;
        return 0;
    }
    r = state_set_failure(&s->answer_failure, e->path, e->message, NULL, err);
    if (r == 0 && !is_empty(&e->input))
        r = tell(s, &e->input, err);
    if (r < 0)
        return r;
    s->answer = RUN_ANSWER_WRONG;
    s->answers_wrong = state_add(s->answers_wrong, 1);
    return 0;
}

/* ---- checks ---- */

void state_drop_checks(struct run_state *s)
{
    if (s->phase == RUN_TURN_CLOSED && run_state_is_checking(s))
        state_drop_calls(s);
    s->answer = s->phase == RUN_TURN_CLOSED ? RUN_ANSWER_OPEN : s->answer;
}

static bool is_check_running(const struct run_state *s)
{
    return s->call_count > 0 && s->calls[s->call_count - 1].phase != RUN_CALL_ANSWERED;
}

int apply_check_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_call_begin *e = &rec->call_begin;
    struct run_call call = { .number = e->call, .check = e->check };
    void *list = s->calls;
    int r;

    if (!has_message(s) || is_check_running(s) || e->turn != s->turn || s->call_total == INT64_MAX ||
        e->call != s->call_total + 1 || e->check != (int64_t) s->call_count + 1 || e->check > RUN_CHECKS_MAX)
        return state_misplaced(rec, err);
    r = state_reserve(&list, &s->call_cap, s->call_count, sizeof(*s->calls), err);
    s->calls = list;
    if (r == 0)
        r = state_set_text(&call.call_id, e->call_id, err);
    if (r == 0)
        r = state_set_text(&call.title, e->run, err);
    if (r < 0) {
        state_call_done(&call);
        return r;
    }
    state_begin_call(s, &call, rec);
    s->calls[s->call_count++] = call;
    s->call_total = e->call;
    return 0;
}

int apply_check_end(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_call_end *e = &rec->call_end;
    struct run_call *call = run_state_call(s, e->call);
    bool is_bad = strcmp(e->outcome, "ok") != 0;
    int r = 0;

    if (!call || call->check != e->check || call->check == 0 || call->phase != RUN_CALL_RUNNING ||
        s->phase != RUN_TURN_CLOSED)
        return state_misplaced(rec, err);
    if (is_bad && !is_empty(&e->answer))
        r = tell(s, &e->answer, err);
    if (r < 0)
        return r;
    call->phase = RUN_CALL_ANSWERED;
    if (!is_bad)
        return 0;
    s->checks_failed[e->check - 1] = state_add(s->checks_failed[e->check - 1], 1);
    s->check_wrong = s->phase == RUN_TURN_CLOSED ? e->check : 0;
    return state_set_failure(&s->answer_failure, call->title, e->summary, NULL, err);
}

/* ---- approvals ---- */

int64_t run_state_worked_at(const struct run_state *s, int64_t elapsed_ms, int64_t below_ms)
{
    int64_t until_ms = s->is_asking && s->asked_at_ms < elapsed_ms ? s->asked_at_ms : elapsed_ms;
    int64_t asked_ms = state_add(s->asked_ms, below_ms);

    return until_ms > asked_ms ? until_ms - asked_ms : 0;
}

static void end_asking(struct run_state *s, int64_t now_ms)
{
    if (s->is_asking && now_ms > s->asked_at_ms)
        s->asked_ms = state_add(s->asked_ms, now_ms - s->asked_at_ms);
    s->is_asking = false;
}

int apply_approval_ask(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_call *call = run_state_call(s, rec->approval.call);

    if (!call || call->phase != RUN_CALL_WAITING || call->approval != RUN_APPROVAL_NEEDED)
        return state_misplaced(rec, err);
    call->approval = RUN_APPROVAL_ASKED;
    call->was_asked = true;
    if (!s->is_asking)
        s->asked_at_ms = rec->ms;
    s->is_asking = true;
    return 0;
}

int apply_approval_answer(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_approval *e = &rec->approval;
    struct run_call *call = run_state_call(s, e->call);
    bool is_given = strcmp(e->answer, "approve") == 0, is_later = strcmp(e->answer, "later") == 0;

    if (!call || call->phase != RUN_CALL_WAITING ||
        (call->approval != RUN_APPROVAL_NEEDED && call->approval != RUN_APPROVAL_ASKED))
        return state_misplaced(rec, err);
    if (call->approval == RUN_APPROVAL_ASKED)
        end_asking(s, rec->ms);
    if (is_later) {
        s->waits_for_approval = true;
        return 0;
    }
    call->approval = is_given ? RUN_APPROVAL_GIVEN : RUN_APPROVAL_DENIED;
    call->approval_by_nobody = strcmp(e->by, "nobody") == 0;
    call->was_asked = !call->approval_by_nobody;
    return is_given || call->approval_by_nobody ? 0 : state_set_text(&call->approval_why, e->reason, err);
}

/* ---- going on ---- */

bool run_state_waits(const struct run_state *s)
{
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].phase == RUN_CALL_WAITING && s->calls[i].was_asked &&
            (s->calls[i].approval == RUN_APPROVAL_NEEDED || s->calls[i].approval == RUN_APPROVAL_ASKED))
            return true;
    return false;
}

void state_answer_wake(struct run_state *s)
{
    memset(s->checks_failed, 0, sizeof(s->checks_failed));
    if (s->check_wrong)
        state_drop_checks(s);
    s->check_wrong = 0;
    if (s->answer == RUN_ANSWER_WRONG)
        s->answer = RUN_ANSWER_OPEN;
    s->answers_wrong = 0;
    s->waits_for_approval = false;
    end_asking(s, s->ms);
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].approval == RUN_APPROVAL_ASKED)
            s->calls[i].approval = RUN_APPROVAL_NEEDED;
}
