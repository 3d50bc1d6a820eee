/* SPDX-License-Identifier: MIT */
/* The driver's side to approvals: what the rules say, who is asked, what was answered. */
#include "core/base/utf8.h"
#include "core/run/driver_impl.h"
#include "core/tool/approve.h"

#include <stdlib.h>

#define TEXT_MAX ((size_t) 256 * 1024 * 1024)
#define TREE_MAX ((size_t) 64 * 1024 * 1024)

void drive_approve_judge(const struct run *run, const struct tool_found *tool, const struct tree *item,
                         char *why, struct record_request_item *ret)
{
    const char *group = tool->own ? tool->own->group : NULL;
    enum approve_word word = approve_judge(&run->spec->approve, tool->name, group, item, why);

    if (word == APPROVE_AUTO)
        return;
    ret->approve = approve_word_name(word);
    ret->rule = why;
}

void drive_approve_deny(struct run *run, const struct run_call *call, struct buf *words)
{
    const char *why = call->approval_why ? call->approval_why : "";

    (void) run;
    if (call->was_asked)
        (void) buf_printf(words, "The user did not approve this call, and it was not run.%s%s",
                          *why ? " Reason: " : "", why);
    else if (call->approval_by_nobody)
        (void) buf_printf(
            words,
            "This call needs the approval of the user (%s), and nobody is there to give it. It was not "
            "run. Do without it, or say in your final message what you need.",
            why);
    else
        (void) buf_printf(words, "This call is not allowed here (%s), and was not run. Find another way.",
                          why);
}

static void record_answer(struct run *run, const struct run_call *call, const char *answer, const char *by,
                          const char *reason)
{
    struct record rec = { .type = RECORD_APPROVAL_ANSWER };

    rec.approval = (struct record_approval){
        .turn = run->state.turn,
        .call = call->number,
        .call_id = call->call_id,
        .answer = answer,
        .by = by,
        .reason = reason && *reason ? reason : NULL,
    };
    (void) run_record(run, &rec);
}

void act_ask_approval(struct run *run, const struct run_action *action)
{
    const struct run_call *call = run_state_call(&run->state, action->call);
    struct record rec = { .type = RECORD_APPROVAL_ASK };

    rec.approval.turn = run->state.turn;
    rec.approval.call = call->number;
    rec.approval.call_id = call->call_id;
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_ASK, action->call);
}

static bool ask(struct run *run, const struct run_call *call, const struct tree *item)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    struct run_question question = { .call = call->number, .rule = call->approval_why };
    bool is_asked = false;

    approve_show(item, &text);
    question.text = buf_span(&text);
    if (run->events->on_ask)
        is_asked = run->events->on_ask(run->data, &question);
    buf_done(&text);
    return is_asked;
}

void effect_ask(struct run *run, int64_t number)
{
    const struct run_call *call = run_state_call(&run->state, number);
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *item;
    bool is_asked;

    if (!call || call->approval != RUN_APPROVAL_ASKED)
        return;
    is_asked = json_parse(drive_item_of(run, number), &arena, &item, NULL) == 0 && ask(run, call, item);
    arena_done(&arena);
    if (!is_asked)
        record_answer(run, call, run->spec->approve.waits ? "later" : "deny", "nobody", NULL);
}

void run_approve(struct run *top, const char *agent_id, int64_t number, enum run_approve_answer answer,
                 const char *reason)
{
    struct run *run = drive_agent_run(top, agent_id);
    const struct run_call *call = run ? run_state_call(&run->state, number) : NULL;

    if (!run || run->is_over || !call || call->approval != RUN_APPROVAL_ASKED)
        return;
    record_answer(run, call,
                  answer == RUN_APPROVE_YES  ? "approve"
                  : answer == RUN_APPROVE_NO ? "deny"
                                             : "later",
                  "terminal", reason);
}

int run_approve_resumed(struct run *run, bool is_approved, const char *reason, struct err *err)
{
    run->has_approval = true;
    run->is_approved = is_approved;
    run->approval_reason = reason ? strdup(reason) : NULL;
    return reason && !run->approval_reason ? err_set(err, ERR_INTERNAL, "no memory for a reason") : 0;
}

/* Only what somebody was asked about: what comes later is asked about anew. */
void drive_approve_resumed(struct run *run)
{
    const struct run_state *s = &run->state;

    for (size_t i = 0; run->has_approval && i < s->call_count; i++) {
        const struct run_call *call = &s->calls[i];

        if (call->phase == RUN_CALL_WAITING && call->approval == RUN_APPROVAL_NEEDED && call->was_asked)
            record_answer(run, call, run->is_approved ? "approve" : "deny", "resume", run->approval_reason);
    }
}
