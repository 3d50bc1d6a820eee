/* SPDX-License-Identifier: MIT */
/* Progress of a run for people. */
#include "cmd/progress.h"

#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (256 * 1024)
#define TICK_MS        120

struct progress {
    struct loop *loop;
    struct loop_source *timer;
    struct term term;
    int64_t began_ms;
    int64_t turn;
    int64_t open_calls;
    int64_t tokens, cost_micros;
    bool is_cost_unknown;
    char doing[96];
    unsigned frame;
    bool is_drawn;
};

/* ---- lines ---- */

enum tone { TONE_PLAIN, TONE_DIM, TONE_GOOD, TONE_BAD, TONE_STRONG };

static void tone(struct buf *out, const struct term *term, enum tone which)
{
    static const char *const codes[] = { "\033[0m", "\033[2m", "\033[32m", "\033[31m", "\033[1m" };

    if (term->has_color)
        buf_add_text(out, codes[which]);
}

/* One line of foreign text (NULL: none), cleaned and cut to the terminal. */
static void foreign(struct buf *out, const struct term *term, const char *text, int indent)
{
    struct buf clean = BUF_INIT(LINE_MAX_BYTES);
    int width = term->is_tty ? term->columns - indent : 160;

    if (text)
        term_clean(&clean, span_make(text, strnlen(text, LINE_MAX_BYTES / 8)), false);
    term_fit(out, buf_span(&clean), width > 20 ? width : 20);
    buf_done(&clean);
}

static void line_begin(struct buf *out, const struct record_run_begin *r, const struct term *term)
{
    tone(out, term, TONE_STRONG);
    buf_add_text(out, "run ");
    foreign(out, term, r->id, 4);
    tone(out, term, TONE_PLAIN);
    buf_add_text(out, "  ");
    foreign(out, term, r->name, 40);
    buf_add_text(out, ", model ");
    foreign(out, term, r->model, 40);
    buf_add_char(out, '\n');
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
    tone(out, term, TONE_DIM);
    buf_printf(out, "sandbox ready after %s, %zu rows of the lock-down verified",
               units_format_duration(time, record->ms), verified);
    tone(out, term, TONE_PLAIN);
    if (lowered > 0) {
        tone(out, term, TONE_BAD);
        buf_printf(out, ", %zu lowered by the manifest", lowered);
        tone(out, term, TONE_PLAIN);
    }
    buf_add_char(out, '\n');
}

static void line_item(struct buf *out, const struct record_request_item *r, const struct term *term)
{
    if (r->call > 0) {
        buf_printf(out, "turn %lld  ", (long long) r->turn);
        tone(out, term, TONE_STRONG);
        foreign(out, term, r->title ? r->title : r->item_type ? r->item_type : "call", 12);
        tone(out, term, TONE_PLAIN);
        buf_add_char(out, '\n');
    }
}

static void line_call_end(struct buf *out, const struct record_call_end *r, const struct term *term)
{
    bool is_good = r->outcome && strcmp(r->outcome, "ok") == 0 && r->exit_code <= 0;
    char time[32], size[32];

    buf_add_text(out, "        ");
    tone(out, term, is_good ? TONE_DIM : TONE_BAD);
    foreign(out, term, r->summary ? r->summary : r->outcome ? r->outcome : "", 40);
    tone(out, term, TONE_PLAIN);
    tone(out, term, TONE_DIM);
    buf_printf(out, "  %s, %s\n", units_format_size(size, r->output_bytes),
               units_format_duration(time, r->duration_ms));
    tone(out, term, TONE_PLAIN);
}

static void line_failed(struct buf *out, const struct record_request_failed *r, const struct term *term)
{
    char time[32];

    tone(out, term, TONE_BAD);
    buf_printf(out, "turn %lld  ", (long long) r->turn);
    foreign(out, term, r->message ? r->message : r->code ? r->code : "the request failed", 12);
    tone(out, term, TONE_PLAIN);
    if (r->repair) {
        buf_add_text(out, "; trying again (");
        foreign(out, term, r->repair, 40);
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
    tone(out, term, TONE_BAD);
    foreign(out, term, what, 40);
    buf_add_text(out, ": ");
    foreign(out, term, r->message, 20);
    tone(out, term, TONE_PLAIN);
    buf_add_char(out, '\n');
}

static void line_output(struct buf *out, const struct record_output *r, const struct term *term)
{
    char size[32];

    foreign(out, term, r->path, 20);
    if (r->is_missing) {
        buf_add_text(out, " is not there (not required)\n");
        return;
    }
    buf_add_text(out, " -> ");
    foreign(out, term, r->to, 20);
    buf_printf(out, "  %s\n", units_format_size(size, r->size));
}

static void line_end(struct buf *out, const struct record_run_end *r, const struct term *term)
{
    bool is_done = r->state && strcmp(r->state, "done") == 0;

    tone(out, term, is_done ? TONE_GOOD : TONE_BAD);
    foreign(out, term, r->state ? r->state : "ended", 40);
    tone(out, term, TONE_PLAIN);
    if (!is_done && r->message) {
        buf_add_text(out, ": ");
        foreign(out, term, r->message, 20);
    }
    buf_add_char(out, '\n');
}

int progress_line(struct buf *out, const struct record *record, const struct term *term)
{
    char text[32];

    switch ((int) record->type) {
    case RECORD_RUN_BEGIN:
        line_begin(out, &record->run_begin, term);
        break;
    case RECORD_SANDBOX_READY:
        line_ready(out, record, term);
        break;
    case RECORD_WORKSPACE_READY:
        if (record->workspace.files + record->workspace.folders + record->workspace.links > 0)
            buf_printf(out, "workspace filled: %lld file%s, %s\n", (long long) record->workspace.files,
                       record->workspace.files == 1 ? "" : "s",
                       units_format_size(text, record->workspace.bytes));
        break;
    case RECORD_REQUEST_ITEM:
        line_item(out, &record->request_item, term);
        break;
    case RECORD_REQUEST_FAILED:
        line_failed(out, &record->request_failed, term);
        break;
    case RECORD_CALL_END:
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
        foreign(out, term, record->limit_hit.limit, 40);
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
        foreign(out, term, record->interrupt.signal ? record->interrupt.signal : "signal", 60);
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

/* ---- the live line ---- */

static void erase(struct progress *p)
{
    if (!p->is_drawn)
        return;
    p->is_drawn = false;
    (void) term_write(&p->term, span_of("\r\033[K"), NULL); /* only for show */
}

static void draw(struct progress *p)
{
    static const char *const frames[] = { "|", "/", "-", "\\" };
    struct buf line = BUF_INIT(4096), fit = BUF_INIT(4096);
    char tokens[32], cost[32], time[32];
    int64_t seconds;

    buf_printf(&line, "%s ", frames[p->frame++ % 4]);
    if (p->turn > 0)
        buf_printf(&line, "turn %lld, ", (long long) p->turn);
    buf_printf(&line, "%s", p->doing);
    if (p->tokens > 0)
        buf_printf(&line, ", %s tokens", units_format_count(tokens, p->tokens));
    if (p->cost_micros > 0 && !p->is_cost_unknown)
        buf_printf(&line, ", %s", units_format_money(cost, p->cost_micros));
    seconds = (clock_mono_ms() - p->began_ms) / 1000;
    buf_printf(&line, ", %s", seconds > 0 ? units_format_duration(time, seconds * 1000) : "0 s");
    term_measure(&p->term);
    buf_add_text(&fit, p->term.has_color ? "\r\033[K\033[2m" : "\r\033[K");
    term_fit(&fit, buf_span(&line), p->term.columns - 1);
    if (p->term.has_color)
        buf_add_text(&fit, "\033[0m");
    (void) term_write(&p->term, buf_span(&fit), NULL); /* only for show */
    p->is_drawn = true;
    buf_done(&line);
    buf_done(&fit);
}

static void on_tick(void *data)
{
    struct progress *p = data;

    draw(p);
    (void) loop_timer_set(p->timer, TICK_MS, NULL); /* without it the line stands still, no more */
}

int progress_new(struct loop *loop, struct progress **ret, struct err *err)
{
    struct progress *p = calloc(1, sizeof(*p));
    int r = 0;

    if (!p)
        return err_set(err, ERR_INTERNAL, "no memory for the progress line");
    p->loop = loop;
    p->began_ms = clock_mono_ms();
    term_init(&p->term, STDERR_FILENO);
    snprintf(p->doing, sizeof(p->doing), "starting");
    if (loop && !p->term.is_plain)
        r = loop_timer(loop, TICK_MS, on_tick, p, &p->timer, err);
    if (r < 0) {
        free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void progress_free(struct progress *p)
{
    if (!p)
        return;
    loop_source_free(p->timer);
    erase(p);
    free(p);
}

static void note_doing(struct progress *p, const struct record *record)
{
    switch ((int) record->type) {
    case RECORD_REQUEST_BEGIN:
        snprintf(p->doing, sizeof(p->doing), "waiting for the model");
        break;
    case RECORD_CALL_BEGIN:
        p->open_calls++;
        snprintf(p->doing, sizeof(p->doing), "running %lld tool call%s", (long long) p->open_calls,
                 p->open_calls == 1 ? "" : "s");
        break;
    case RECORD_CALL_END:
    case RECORD_CALL_LOST:
        if (p->open_calls > 0)
            p->open_calls--;
        break;
    case RECORD_SANDBOX_READY:
        snprintf(p->doing, sizeof(p->doing), "filling the workspace");
        break;
    case RECORD_WORKSPACE_READY:
        if (p->open_calls == 0) /* it was asked meanwhile */
            snprintf(p->doing, sizeof(p->doing), "waiting for the model");
        break;
    case RECORD_OUTPUTS_BEGIN:
        snprintf(p->doing, sizeof(p->doing), "collecting outputs");
        break;
    default:
        break;
    }
}

void progress_record(struct progress *p, const struct record *record, const struct run_state *state)
{
    struct buf line = BUF_INIT(LINE_MAX_BYTES);

    p->turn = state->turn;
    p->tokens = state->usage.total;
    p->cost_micros = state->cost_micros;
    p->is_cost_unknown = state->is_cost_unknown;
    note_doing(p, record);
    /* the end is told by the summary */
    if (record->type != RECORD_RUN_END && record->type != RECORD_OUTPUT_DONE)
        progress_line(&line, record, &p->term);
    if (line.len > 0) {
        erase(p);
        (void) term_write(&p->term, buf_span(&line), NULL); /* only for show */
    }
    buf_done(&line);
}

void progress_delta(struct progress *p, enum model_delta kind, struct span text)
{
    static const char *const words[] = {
        [MODEL_DELTA_TEXT] = "the model writes",
        [MODEL_DELTA_REASONING] = "the model thinks",
        [MODEL_DELTA_ARGUMENTS] = "the model prepares a call",
        [MODEL_DELTA_OTHER] = "the model works",
    };

    if (p->open_calls == 0)
        snprintf(p->doing, sizeof(p->doing), "%s", words[kind]);
}

void progress_step(struct progress *p, const char *step, const char *text)
{
    struct buf clean = BUF_INIT(LINE_MAX_BYTES);

    term_clean(&clean, span_of(text), false);
    snprintf(p->doing, sizeof(p->doing), "%.*s", (int) utf8_cut(buf_span(&clean), sizeof(p->doing) - 1),
             buf_text(&clean));
    /* a pull lasts: without a live line it is worth lines */
    if (p->term.is_plain && strcmp(step, "pull") == 0)
        term_say("%s\n", buf_text(&clean));
    buf_done(&clean);
}

/* ---- the end ---- */

static void summary_output(struct buf *out, const struct output_report *report, const struct term *term)
{
    char size[32];

    if (report->is_missing || report->result < 0)
        return;
    buf_add_text(out, "  ");
    foreign(out, term, report->output->path, 4);
    buf_add_text(out, " -> ");
    foreign(out, term, report->output->to, 4);
    if (report->is_folder)
        buf_printf(out, "  %lld files", (long long) report->files);
    /* on a terminal its beginning is enough; `show` and the journal have all of it */
    buf_printf(out, "  %s  sha256:%.*s\n", units_format_size(size, report->size),
               term->is_tty ? 12 : DIGEST_HEX, report->sha256);
}

static void summary_numbers(struct buf *out, const struct run_summary *s)
{
    char text[32];

    buf_printf(out, " in %s", units_format_duration(text, s->elapsed_ms));
    buf_printf(out, ": %lld turn%s, %lld tool call%s", (long long) s->turns, s->turns == 1 ? "" : "s",
               (long long) s->calls, s->calls == 1 ? "" : "s");
    buf_printf(out, ", %s tokens", units_format_count(text, s->usage.total));
    if (s->cost_micros >= 0)
        buf_printf(out, ", %s", units_format_money(text, s->cost_micros));
    buf_add_char(out, '\n');
}

static void summary_kept(struct buf *out, const struct run_summary *s)
{
    char time[32];

    buf_printf(out, "the container is kept: %s", s->container_name);
    if (s->kept_ms > 0)
        buf_printf(out, " (it ends by itself after %s)", units_format_duration(time, s->kept_ms));
    buf_add_char(out, '\n');
}

int progress_summary(struct buf *out, const struct run_summary *s, const struct term *term)
{
    bool is_first = true;

    tone(out, term, s->end == RUN_DONE ? TONE_GOOD : TONE_BAD);
    buf_add_text(out, s->end == RUN_LIMIT ? "limit reached" : run_end_name(s->end));
    tone(out, term, TONE_PLAIN);
    summary_numbers(out, s);
    for (size_t i = 0; i < s->output_count; i++) {
        if (s->outputs[i].is_missing || s->outputs[i].result < 0)
            continue;
        if (is_first)
            buf_add_text(out, "outputs:\n");
        is_first = false;
        summary_output(out, &s->outputs[i], term);
    }
    if (s->is_kept && s->container_name)
        summary_kept(out, s);
    tone(out, term, TONE_DIM);
    buf_printf(out, "more: agentbox show %s\n", s->id);
    tone(out, term, TONE_PLAIN);
    return 0;
}
