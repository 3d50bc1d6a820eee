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

static void line_resume(struct buf *out, const struct record_run_resume *r, const struct term *term)
{
    tone_set(out, term, TONE_STRONG);
    buf_add_text(out, "resumed");
    tone_set(out, term, TONE_PLAIN);
    for (size_t i = 0; i < r->set_count; i++) {
        buf_add_text(out, i == 0 ? " with " : ", ");
        tone_foreign(out, term, r->sets[i].text, 20);
    }
    buf_add_char(out, '\n');
}

static void line_rollback(struct buf *out, const struct record_rollback *r, const struct term *term)
{
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

static void line_checkpoint(struct buf *out, const struct record_checkpoint *r, const struct term *term)
{
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

static void line_workspace(struct buf *out, const struct record_workspace *r)
{
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

static void line_ready(struct buf *out, const struct record *record, const struct term *term)
{
    const struct record_sandbox_ready *r = &record->sandbox_ready;
    size_t verified = 0, lowered = 0;
    char time[32];

    for (size_t i = 0; i < r->row_count; i++) {
        verified += r->rows[i].state && strcmp(r->rows[i].state, "verified") == 0;
        lowered += r->rows[i].state && strcmp(r->rows[i].state, "lowered") == 0;
    }
    tone_set(out, term, TONE_DIM);
    buf_printf(out, "sandbox ready at %s, %zu rows of the lock-down verified",
               units_format_duration(time, record->ms), verified);
    tone_set(out, term, TONE_PLAIN);
    if (lowered > 0) {
        tone_set(out, term, TONE_BAD);
        buf_printf(out, ", %zu lowered by the manifest", lowered);
        tone_set(out, term, TONE_PLAIN);
    }
    buf_add_char(out, '\n');
}

static void line_scan(struct buf *out, const struct record_sandbox_scan *r, const struct term *term)
{
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

static void line_item(struct buf *out, const struct record_request_item *r, const struct term *term)
{
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

static void line_call_end(struct buf *out, const struct record_call_end *r, const struct term *term)
{
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

static void line_answer(struct buf *out, const struct record_answer_check *r, const struct term *term)
{
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

static void line_check(struct buf *out, const struct record_call_begin *r, const struct term *term)
{
    buf_printf(out, "check %lld ", (long long) r->check);
    tone_set(out, term, TONE_STRONG);
    buf_add_text(out, "$ ");
    tone_foreign(out, term, r->run, 12);
    tone_set(out, term, TONE_PLAIN);
    buf_add_char(out, '\n');
}

static void line_approval(struct buf *out, const struct record_approval *r, const struct term *term)
{
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

static void line_failed(struct buf *out, const struct record_request_failed *r, const struct term *term)
{
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

static void line_failure(struct buf *out, const char *what, const struct record_failure *r,
                         const struct term *term)
{
    tone_set(out, term, TONE_BAD);
    tone_foreign(out, term, what, 40);
    buf_add_text(out, ": ");
    tone_foreign(out, term, r->message, 20);
    tone_set(out, term, TONE_PLAIN);
    buf_add_char(out, '\n');
}

static void put_place(struct buf *out, const struct record_egress *r, const struct term *term)
{
    tone_foreign(out, term, r->method ? r->method : "", 40);
    buf_add_text(out, r->method ? " " : "");
    tone_foreign(out, term, r->host ? r->host : "no valid host", 20);
    if (r->port > 0)
        buf_printf(out, ":%lld", (long long) r->port);
}

static void line_deny(struct buf *out, const struct record_egress *r, const struct term *term)
{
    tone_set(out, term, TONE_BAD);
    buf_add_text(out, "        denied: ");
    put_place(out, r, term);
    tone_set(out, term, TONE_PLAIN);
    buf_add_text(out, ": ");
    tone_foreign(out, term, r->reason, 20);
    if (r->call > 0)
        buf_printf(out, " (call %lld)", (long long) r->call);
    buf_add_char(out, '\n');
}

static void line_left(struct buf *out, const struct record_egress *r, const struct term *term)
{
    char up[32], down[32], time[32];

    if (r->is_denied) {
        line_deny(out, r, term);
        return;
    }
    tone_set(out, term, TONE_DIM);
    buf_add_text(out, "        out: ");
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

static void line_output(struct buf *out, const struct record_output *r, const struct term *term)
{
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
static void line_context(struct buf *out, const struct record_context *r, const struct term *term)
{
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

static void line_end(struct buf *out, const struct record_run_end *r, const struct term *term)
{
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

int line_record(struct buf *out, const struct record *record, const struct term *term)
{
    switch ((int) record->type) {
    case RECORD_RUN_BEGIN:
        line_run(out, &record->run_begin, term);
        break;
    case RECORD_RUN_RESUME:
        line_resume(out, &record->run_resume, term);
        break;
    case RECORD_SANDBOX_ATTACH:
        buf_add_text(out, "the sandbox may still be there: re-attaching\n");
        break;
    case RECORD_SANDBOX_SCAN:
        line_scan(out, &record->sandbox_scan, term);
        break;
    case RECORD_SANDBOX_READY:
        line_ready(out, record, term);
        break;
    case RECORD_ROLLBACK:
        line_rollback(out, &record->rollback, term);
        break;
    case RECORD_CHECKPOINT_DONE:
        line_checkpoint(out, &record->checkpoint, term);
        break;
    case RECORD_CHECKPOINT_FAILED:
        line_failure(out, "checkpoint", &record->failure, term);
        break;
    case RECORD_CALL_BEGIN:
        if (record->call_begin.is_rerun)
            buf_printf(out, "        call %lld runs again\n", (long long) record->call_begin.call);
        break;
    case RECORD_CALL_LOST:
        buf_printf(out, "        call %lld was running when the sandbox was lost\n",
                   (long long) record->call_lost.call);
        break;
    case RECORD_EGRESS_DENY:
        line_deny(out, &record->egress, term);
        break;
    case RECORD_EGRESS_END:
        line_left(out, &record->egress, term);
        break;
    case RECORD_WORKSPACE_READY:
        line_workspace(out, &record->workspace);
        break;
    case RECORD_CONTEXT_DONE:
        line_context(out, &record->context, term);
        break;
    case RECORD_REQUEST_ITEM:
        line_item(out, &record->request_item, term);
        break;
    case RECORD_REQUEST_FAILED:
        line_failed(out, &record->request_failed, term);
        break;
    case RECORD_APPROVAL_ANSWER:
        line_approval(out, &record->approval, term);
        break;
    case RECORD_ANSWER_CHECK:
        line_answer(out, &record->answer_check, term);
        break;
    case RECORD_CHECK_BEGIN:
        line_check(out, &record->call_begin, term);
        break;
    case RECORD_CALL_END:
    case RECORD_CHECK_END:
        line_call_end(out, &record->call_end, term);
        break;
    case RECORD_SANDBOX_FAILED:
        line_failure(out, "sandbox failed", &record->failure, term);
        break;
    case RECORD_SANDBOX_LOST:
        line_failure(out, "sandbox lost", &record->failure, term);
        break;
    case RECORD_WORKSPACE_FAILED:
        line_failure(out, "workspace", &record->failure, term);
        break;
    case RECORD_LIMIT_HIT:
        buf_add_text(out, "limit '");
        tone_foreign(out, term, record->limit_hit.limit, 40);
        buf_printf(out, "' reached: %lld of %lld\n", (long long) record->limit_hit.value,
                   (long long) record->limit_hit.max);
        break;
    case RECORD_OUTPUT_DONE:
        line_output(out, &record->output, term);
        break;
    case RECORD_OUTPUT_FAILED:
        line_failure(out, record->output.path ? record->output.path : "output",
                     &(struct record_failure){ .message = record->output.message }, term);
        break;
    case RECORD_INTERRUPT:
        tone_foreign(out, term, record->interrupt.signal ? record->interrupt.signal : "signal", 60);
        buf_add_text(out, ": stopping cleanly; once more to stop at once\n");
        break;
    case RECORD_RUN_END:
        line_end(out, &record->run_end, term);
        break;
    default:
        break;
    }
    return 0;
}
