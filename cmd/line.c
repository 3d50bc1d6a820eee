/* SPDX-License-Identifier: MIT */
/* A line for each type of record. */
#include "cmd/line.h"

#include "cmd/tone.h"
#include "core/base/units.h"

#include <string.h>

void line_run(struct buf *out, const struct record_run_begin *r, const struct term *term)
{
    tone_set(out, term, TONE_STRONG);
    buf_add_text(out, "run ");
    tone_foreign(out, term, r->id, 4);
    tone_set(out, term, TONE_PLAIN);
    buf_add_text(out, "  ");
    tone_foreign(out, term, r->name, 40);
    buf_add_text(out, ", model ");
    tone_foreign(out, term, r->model, 40);
    if (r->parent) {
        buf_add_text(out, ", from ");
        tone_foreign(out, term, r->parent, 60);
        if (r->parent_seq > 0)
            buf_printf(out, "@%lld", (long long) r->parent_seq);
    }
    buf_add_char(out, '\n');
}

static void line_resume(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_run_resume *r = &rec->run_resume;

    tone_set(out, term, TONE_STRONG);
    buf_add_text(out, "resumed");
    tone_set(out, term, TONE_PLAIN);
    for (size_t i = 0; i < r->set_count; i++) {
        buf_add_text(out, i == 0 ? " with " : ", ");
        tone_foreign(out, term, r->sets[i].text, 20);
    }
    buf_add_char(out, '\n');
}

static void line_rollback(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_rollback *r = &rec->rollback;

    tone_set(out, term, TONE_BAD);
    if (r->checkpoint > 0)
        buf_printf(out, "back to checkpoint %lld", (long long) r->checkpoint);
    else
        buf_add_text(out, "back to the beginning");
    tone_set(out, term, TONE_PLAIN);
    if (r->turn > 0)
        buf_printf(out, ", turn %lld", (long long) r->turn);
    if (r->calls > 0)
        buf_printf(out, "; %lld call%s without effect", (long long) r->calls, r->calls == 1 ? "" : "s");
    if (r->turns_undone > 0)
        buf_printf(out, "; %lld turn%s undone", (long long) r->turns_undone, r->turns_undone == 1 ? "" : "s");
    buf_add_char(out, '\n');
}

static void line_checkpoint(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_checkpoint *r = &rec->checkpoint;
    char size[32];

    if (r->is_same)
        return;
    tone_set(out, term, TONE_DIM);
    buf_printf(out, "        checkpoint %lld: %lld file%s, %s", (long long) r->number, (long long) r->files,
               r->files == 1 ? "" : "s", units_format_size(size, r->bytes));
    buf_printf(out, " (%s new)", units_format_size(size, r->new_bytes));
    tone_set(out, term, TONE_PLAIN);
    if (r->unkept > 0) {
        tone_set(out, term, TONE_BAD);
        buf_printf(out, "; %lld thing%s cannot be kept", (long long) r->unkept, r->unkept == 1 ? "" : "s");
        tone_set(out, term, TONE_PLAIN);
    }
    buf_add_char(out, '\n');
}

static void line_workspace(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_workspace *r = &rec->workspace;
    char size[32];

    if (r->checkpoint > 0)
        buf_printf(out, "workspace restored from checkpoint %lld: ", (long long) r->checkpoint);
    else if (r->files + r->folders + r->links > 0)
        buf_add_text(out, "workspace filled: ");
    else
        return;
    buf_printf(out, "%lld file%s, %s\n", (long long) r->files, r->files == 1 ? "" : "s",
               units_format_size(size, r->bytes));
}

/* Which sandbox it is, when it is not the agent's own. */
static void put_side(struct buf *out, const char *lead, const char *side, const struct term *term)
{
    if (!side)
        return;
    buf_add_text(out, lead);
    tone_foreign(out, term, side, 64);
}

static void line_ready(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_sandbox_ready *r = &rec->sandbox_ready;
    size_t verified = 0, lowered = 0;
    char time[32];

    for (size_t i = 0; i < r->row_count; i++) {
        verified += r->rows[i].state && strcmp(r->rows[i].state, "verified") == 0;
        lowered += r->rows[i].state && strcmp(r->rows[i].state, "lowered") == 0;
    }
    tone_set(out, term, TONE_DIM);
    buf_add_text(out, "sandbox");
    put_side(out, " ", r->side, term);
    buf_printf(out, " ready at %s, %zu rows of the lock-down verified", units_format_duration(time, rec->ms),
               verified);
    tone_set(out, term, TONE_PLAIN);
    if (lowered > 0) {
        tone_set(out, term, TONE_BAD);
        buf_printf(out, ", %zu lowered by the manifest", lowered);
        tone_set(out, term, TONE_PLAIN);
    }
    buf_add_char(out, '\n');
}

static void line_scan(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_sandbox_scan *r = &rec->sandbox_scan;
    const char *answer = r->answer ? r->answer : "failed";
    bool is_good = strcmp(answer, "accepted") == 0;
    char time[32];

    tone_set(out, term, is_good ? TONE_DIM : TONE_BAD);
    if (strcmp(answer, "failed") == 0)
        buf_add_text(out, "no answer about the image by '");
    else
        buf_printf(out, "image %s by '", is_good ? "accepted" : "refused");
    tone_foreign(out, term, r->command_count > 0 ? r->command[0].text : "", 40);
    buf_add_char(out, '\'');
    if (r->age_ms > 0)
        buf_printf(out, ", %s ago", units_format_duration(time, r->age_ms));
    else
        buf_printf(out, ", in %s", units_format_duration(time, r->duration_ms));
    tone_set(out, term, TONE_PLAIN);
    buf_add_char(out, '\n');
}

static void line_item(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_request_item *r = &rec->request_item;
    bool is_hosted = r->call == 0 && r->title; /* the server ran it: not a call of ours */

    if (r->call == 0 && !is_hosted)
        return;
    buf_printf(out, "turn %lld  ", (long long) r->turn);
    tone_set(out, term, is_hosted ? TONE_DIM : TONE_STRONG);
    tone_foreign(out, term, r->title ? r->title : r->item_type ? r->item_type : "call", 12);
    tone_set(out, term, TONE_PLAIN);
    buf_add_char(out, '\n');
}

/* All but that the output was cut, which is no harm. */
static bool has_met_limit(const struct record_call_end *r)
{
    for (size_t i = 0; i < r->limit_count; i++)
        if (strcmp(r->limits[i].limit, "output") != 0)
            return true;
    return false;
}

static void line_call_end(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_call_end *r = &rec->call_end;
    bool is_good = r->outcome && strcmp(r->outcome, "ok") == 0 && r->exit_code <= 0 && !has_met_limit(r);
    char time[32], size[32];

    buf_add_text(out, "        ");
    tone_set(out, term, is_good ? TONE_DIM : TONE_BAD);
    tone_foreign(out, term, r->summary ? r->summary : r->outcome ? r->outcome : "", 40);
    tone_set(out, term, TONE_PLAIN);
    tone_set(out, term, TONE_DIM);
    buf_printf(out, "  %s, %s\n", units_format_size(size, r->output_bytes),
               units_format_duration(time, r->duration_ms));
    tone_set(out, term, TONE_PLAIN);
}

static void line_answer(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_answer_check *r = &rec->answer_check;

    if (r->fits)
        return;
    tone_set(out, term, TONE_BAD);
    buf_add_text(out, "        the final message does not match the schema: ");
    if (r->path && *r->path) {
        tone_foreign(out, term, r->path, 60);
        buf_add_text(out, ": ");
    }
    tone_foreign(out, term, r->message, 60);
    tone_set(out, term, TONE_PLAIN);
    buf_add_char(out, '\n');
}

static void line_check(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_call_begin *r = &rec->call_begin;

    buf_printf(out, "check %lld ", (long long) r->check);
    tone_set(out, term, TONE_STRONG);
    buf_add_text(out, "$ ");
    tone_foreign(out, term, r->run, 12);
    tone_set(out, term, TONE_PLAIN);
    buf_add_char(out, '\n');
}

static void line_approval(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_approval *r = &rec->approval;
    bool is_given = r->answer && strcmp(r->answer, "approve") == 0;

    buf_printf(out, "        call %lld ", (long long) r->call);
    tone_set(out, term, is_given ? TONE_GOOD : TONE_BAD);
    if (r->answer && strcmp(r->answer, "later") == 0)
        buf_add_text(out, "waits for approval");
    else
        buf_add_text(out, is_given ? "approved" : "not approved");
    tone_set(out, term, TONE_PLAIN);
    if (r->by && strcmp(r->by, "nobody") == 0)
        buf_add_text(out, ": there is no terminal to ask at");
    if (r->reason) {
        buf_add_text(out, ": ");
        tone_foreign(out, term, r->reason, 40);
    }
    buf_add_char(out, '\n');
}

static void line_failed(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_request_failed *r = &rec->request_failed;
    char time[32];

    tone_set(out, term, TONE_BAD);
    buf_printf(out, "turn %lld  ", (long long) r->turn);
    tone_foreign(out, term, r->message ? r->message : r->code ? r->code : "the request failed", 12);
    tone_set(out, term, TONE_PLAIN);
    if (r->repair) {
        buf_add_text(out, "; trying again (");
        tone_foreign(out, term, r->repair, 40);
        buf_add_char(out, ')');
    } else if (r->will_retry) {
        buf_printf(out, "; try %lld in %s", (long long) r->attempt + 1,
                   units_format_duration(time, r->retry_ms));
    }
    buf_add_char(out, '\n');
}

/* "WHAT NAME WORD: why", as much of it as there is. */
static void put_failure(struct buf *out, const char *what, const char *name, const char *word,
                        const char *message, const struct term *term)
{
    tone_set(out, term, TONE_BAD);
    tone_foreign(out, term, what, 40);
    put_side(out, " ", name, term);
    buf_add_text(out, word);
    buf_add_text(out, ": ");
    tone_foreign(out, term, message, 20);
    tone_set(out, term, TONE_PLAIN);
    buf_add_char(out, '\n');
}

static void line_failure(struct buf *out, const char *what, const struct record *rec, const struct term *term)
{
    put_failure(out, what, NULL, "", rec->failure.message, term);
}

static void put_place(struct buf *out, const struct record_egress *r, const struct term *term)
{
    tone_foreign(out, term, r->method ? r->method : "", 40);
    buf_add_text(out, r->method ? " " : "");
    tone_foreign(out, term, r->host ? r->host : "no valid host", 20);
    if (r->port > 0)
        buf_printf(out, ":%lld", (long long) r->port);
}

static void line_deny(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_egress *r = &rec->egress;

    tone_set(out, term, TONE_BAD);
    buf_add_text(out, "        denied");
    put_side(out, " to ", r->side, term);
    buf_add_text(out, ": ");
    put_place(out, r, term);
    tone_set(out, term, TONE_PLAIN);
    buf_add_text(out, ": ");
    tone_foreign(out, term, r->reason, 20);
    if (r->call > 0)
        buf_printf(out, " (call %lld)", (long long) r->call);
    buf_add_char(out, '\n');
}

static void line_left(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_egress *r = &rec->egress;
    char up[32], down[32], time[32];

    if (r->is_denied) {
        line_deny(out, rec, term);
        return;
    }
    tone_set(out, term, TONE_DIM);
    buf_add_text(out, "        out");
    put_side(out, " of ", r->side, term);
    buf_add_text(out, ": ");
    put_place(out, r, term);
    buf_printf(out, ", %s up, %s down, %s", units_format_size(up, r->bytes_up),
               units_format_size(down, r->bytes_down), units_format_duration(time, r->duration_ms));
    tone_set(out, term, TONE_PLAIN);
    if (r->reason) {
        buf_add_text(out, ": ");
        tone_foreign(out, term, r->reason, 20);
    }
    if (r->call > 0)
        buf_printf(out, " (call %lld)", (long long) r->call);
    buf_add_char(out, '\n');
}

static void line_output(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_output *r = &rec->output;
    char size[32];

    tone_foreign(out, term, r->path, 20);
    if (r->is_missing) {
        buf_add_text(out, " is not there (not required)\n");
        return;
    }
    buf_add_text(out, " -> ");
    tone_foreign(out, term, r->to, 20);
    buf_printf(out, "  %s\n", units_format_size(size, r->size));
}

/* What the model was told of the workspace without asking. */
static void line_context(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_context *r = &rec->context;
    char size[32];

    if (r->tree_shown > 0)
        buf_printf(out, "told of %lld file%s and folders of the workspace\n", (long long) r->tree_shown,
                   r->tree_shown == 1 ? "" : "s");
    for (size_t i = 0; i < r->looked_count; i++) {
        const struct record_looked *looked = &r->looked[i];

        if (!looked->shown && !looked->problem)
            continue;
        buf_add_text(out, "AGENTS.md of ");
        tone_foreign(out, term, *looked->folder ? looked->folder : "the workspace", 40);
        if (looked->problem) {
            buf_add_text(out, " is not given: ");
            tone_foreign(out, term, looked->problem, 20);
        } else {
            buf_printf(out, ", %s", units_format_size(size, looked->shown));
            if (looked->is_cut)
                buf_printf(out, " of %s", units_format_size(size, looked->size));
        }
        buf_add_char(out, '\n');
    }
}

static void line_input(struct buf *out, const struct record *rec, const struct term *term)
{
    if (rec->input_item.notes > 0)
        buf_printf(out, "told of %lld note%s of earlier runs\n", (long long) rec->input_item.notes,
                   rec->input_item.notes == 1 ? "" : "s");
}

static void line_compaction(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_compaction *r = &rec->compaction;
    char size[32];

    buf_printf(out, "the conversation is made shorter: %lld items of %s are summarised\n",
               (long long) r->items, units_format_size(size, r->bytes));
}

static void line_compaction_failed(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_compaction *r = &rec->compaction;

    buf_add_text(out, "no summary: ");
    tone_foreign(out, term, r->message ? r->message : r->code, 30);
    buf_add_text(out, r->will_retry ? "; trying again\n" : "; going on without\n");
}

static void line_end(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_run_end *r = &rec->run_end;
    bool is_done = r->state && strcmp(r->state, "done") == 0;

    tone_set(out, term, is_done ? TONE_GOOD : TONE_BAD);
    tone_foreign(out, term, r->state ? r->state : "ended", 40);
    tone_set(out, term, TONE_PLAIN);
    if (!is_done && r->message) {
        buf_add_text(out, ": ");
        tone_foreign(out, term, r->message, 20);
    }
    buf_add_char(out, '\n');
}

static void line_run_begin(struct buf *out, const struct record *rec, const struct term *term)
{
    line_run(out, &rec->run_begin, term);
}

static void line_attach(struct buf *out, const struct record *rec, const struct term *term)
{
    buf_add_text(out, "the sandbox may still be there: re-attaching\n");
}

static void line_call_begin(struct buf *out, const struct record *rec, const struct term *term)
{
    if (rec->call_begin.is_rerun)
        buf_printf(out, "        call %lld runs again\n", (long long) rec->call_begin.call);
}

static void line_call_lost(struct buf *out, const struct record *rec, const struct term *term)
{
    buf_printf(out, "        call %lld was running when the sandbox was lost\n",
               (long long) rec->call_lost.call);
}

static void line_checkpoint_failed(struct buf *out, const struct record *rec, const struct term *term)
{
    line_failure(out, "checkpoint", rec, term);
}

static void line_sandbox_failed(struct buf *out, const struct record *rec, const struct term *term)
{
    line_failure(out, "sandbox failed", rec, term);
}

static void line_sandbox_lost(struct buf *out, const struct record *rec, const struct term *term)
{
    line_failure(out, "sandbox lost", rec, term);
}

static void line_side_failed(struct buf *out, const struct record *rec, const struct term *term)
{
    put_failure(out, "sandbox", rec->failure.side, " failed", rec->failure.message, term);
}

static void line_side_lost(struct buf *out, const struct record *rec, const struct term *term)
{
    put_failure(out, "sandbox", rec->failure.side, " lost", rec->failure.message, term);
}

static void line_mcp_down(struct buf *out, const struct record *rec, const struct term *term)
{
    put_failure(out, "server", rec->mcp.server, "", rec->mcp.message, term);
}

static void line_workspace_failed(struct buf *out, const struct record *rec, const struct term *term)
{
    line_failure(out, "workspace", rec, term);
}

static void line_limit(struct buf *out, const struct record *rec, const struct term *term)
{
    buf_add_text(out, "limit '");
    tone_foreign(out, term, rec->limit_hit.limit, 40);
    buf_printf(out, "' reached: %lld of %lld\n", (long long) rec->limit_hit.value,
               (long long) rec->limit_hit.max);
}

static void line_output_failed(struct buf *out, const struct record *rec, const struct term *term)
{
    put_failure(out, rec->output.path ? rec->output.path : "output", NULL, "", rec->output.message, term);
}

static void line_interrupt(struct buf *out, const struct record *rec, const struct term *term)
{
    tone_foreign(out, term, rec->interrupt.signal ? rec->interrupt.signal : "signal", 60);
    buf_add_text(out, ": stopping cleanly; once more to stop at once\n");
}

static void line_agent(struct buf *out, const struct record *rec, const struct term *term)
{
    const struct record_agent *a = &rec->agent;
    char text[32];

    buf_add_text(out, "        ");
    tone_foreign(out, term, a->name, 40);
    buf_add_text(out, " ");
    tone_foreign(out, term, a->state, 20);
    buf_printf(out, ": %lld turn%s, %s tokens", (long long) a->turns, a->turns == 1 ? "" : "s",
               units_format_count(text, a->usage.total));
    if (a->cost_micros > 0)
        buf_printf(out, ", %s", units_format_money(text, a->cost_micros));
    buf_add_char(out, '\n');
}

typedef void line_fn(struct buf *out, const struct record *rec, const struct term *term);

/* Records that are not named have nothing to say while a run goes on. */
static line_fn *const lines[RECORD_TYPES] = {
    [RECORD_RUN_BEGIN] = line_run_begin,
    [RECORD_RUN_RESUME] = line_resume,
    [RECORD_SANDBOX_ATTACH] = line_attach,
    [RECORD_SANDBOX_SCAN] = line_scan,
    [RECORD_SANDBOX_READY] = line_ready,
    [RECORD_MCP_DOWN] = line_mcp_down,
    [RECORD_ROLLBACK] = line_rollback,
    [RECORD_CHECKPOINT_DONE] = line_checkpoint,
    [RECORD_CHECKPOINT_FAILED] = line_checkpoint_failed,
    [RECORD_CALL_BEGIN] = line_call_begin,
    [RECORD_CALL_LOST] = line_call_lost,
    [RECORD_EGRESS_DENY] = line_deny,
    [RECORD_EGRESS_END] = line_left,
    [RECORD_WORKSPACE_READY] = line_workspace,
    [RECORD_CONTEXT_DONE] = line_context,
    [RECORD_INPUT_ITEM] = line_input,
    [RECORD_COMPACTION_BEGIN] = line_compaction,
    [RECORD_COMPACTION_FAILED] = line_compaction_failed,
    [RECORD_REQUEST_ITEM] = line_item,
    [RECORD_REQUEST_FAILED] = line_failed,
    [RECORD_APPROVAL_ANSWER] = line_approval,
    [RECORD_AGENT_END] = line_agent,
    [RECORD_ANSWER_CHECK] = line_answer,
    [RECORD_CHECK_BEGIN] = line_check,
    [RECORD_CALL_END] = line_call_end,
    [RECORD_CHECK_END] = line_call_end,
    [RECORD_SANDBOX_FAILED] = line_sandbox_failed,
    [RECORD_SANDBOX_LOST] = line_sandbox_lost,
    [RECORD_SIDE_SCAN] = line_scan,
    [RECORD_SIDE_READY] = line_ready,
    [RECORD_SIDE_FAILED] = line_side_failed,
    [RECORD_SIDE_LOST] = line_side_lost,
    [RECORD_WORKSPACE_FAILED] = line_workspace_failed,
    [RECORD_LIMIT_HIT] = line_limit,
    [RECORD_OUTPUT_DONE] = line_output,
    [RECORD_OUTPUT_FAILED] = line_output_failed,
    [RECORD_INTERRUPT] = line_interrupt,
    [RECORD_RUN_END] = line_end,
};

int line_record(struct buf *out, const struct record *record, const struct term *term)
{
    if (lines[record->type])
        lines[record->type](out, record, term);
    return 0;
}
