/* SPDX-License-Identifier: MIT */
/* Progress of a run for people. */
#include "cmd/progress.h"

#include "cmd/advice.h"
#include "cmd/line.h"
#include "cmd/report.h"
#include "cmd/tone.h"
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
    char denied[128]; /* the last place that was */
    unsigned frame;
    bool is_drawn;
};

/* ---- the live line ---- */

static void erase(struct progress *p)
{
    if (!p->is_drawn)
        return;
    p->is_drawn = false;
    term_redraw(&p->term, (struct span){ 0 });
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
    tone_set(&fit, &p->term, TONE_DIM);
    term_fit(&fit, buf_span(&line), p->term.columns - 1);
    tone_set(&fit, &p->term, TONE_PLAIN);
    term_redraw(&p->term, buf_span(&fit));
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
    term_init(&p->term, TERM_ERR);
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

void progress_pause(struct progress *p, bool is_paused)
{
    if (!p->timer)
        return;
    erase(p);
    (void) loop_timer_set(p->timer, is_paused ? -1 : 0, NULL); /* as in on_tick() */
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
    case RECORD_CHECK_BEGIN:
        snprintf(p->doing, sizeof(p->doing), "running check %lld", (long long) record->call_begin.check);
        break;
    case RECORD_CALL_END:
    case RECORD_CALL_LOST:
        if (p->open_calls > 0)
            p->open_calls--;
        break;
    case RECORD_SANDBOX_READY:
        snprintf(p->doing, sizeof(p->doing), "filling the workspace");
        break;
    case RECORD_WORKSPACE_BEGIN:
        if (record->workspace.checkpoint > 0)
            snprintf(p->doing, sizeof(p->doing), "restoring checkpoint %lld",
                     (long long) record->workspace.checkpoint);
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

/* Not the same as the last one. */
static bool is_new_denial(struct progress *p, const struct record_egress *r)
{
    char place[sizeof(p->denied)];
    bool is_new;

    snprintf(place, sizeof(place), "%s:%lld", r->host ? r->host : "", (long long) r->port);
    is_new = strcmp(place, p->denied) != 0;
    memcpy(p->denied, place, sizeof(place));
    return is_new;
}

/* The end is told by the summary; checkpoints come with every other call and are for `logs`. */
static bool is_worth_a_line(struct progress *p, const struct record *record)
{
    switch ((int) record->type) {
    case RECORD_RUN_RESUME: /* progress_go_on() has told it */
    case RECORD_RUN_END:
    case RECORD_OUTPUT_DONE:
        return false;
    case RECORD_CHECKPOINT_DONE:
        return record->checkpoint.unkept > 0;
    case RECORD_EGRESS_DENY: /* some programs try for ever */
        return is_new_denial(p, &record->egress);
    case RECORD_EGRESS_END:
        return record->egress.is_denied && is_new_denial(p, &record->egress);
    case RECORD_ROLLBACK: /* to where a fork was put */
        return record->rollback.calls + record->rollback.turns_undone + record->rollback.turn > 0;
    default:
        return true;
    }
}

/* Each of its lines says whose it is: "reviewer 4 | ". */
static void put_agent(struct buf *out, const struct run_event *ev, struct buf *lines, const struct term *term)
{
    const char *at = buf_text(lines), *eol;

    for (; *at; at = eol + (*eol != '\0')) {
        eol = at + strcspn(at, "\n");
        tone_set(out, term, TONE_DIM);
        buf_printf(out, "%s %s | ", ev->agent_name, ev->agent + RUN_ROOT_ID + 1);
        tone_set(out, term, TONE_PLAIN);
        buf_add(out, at, (size_t) (eol - at));
        buf_add_char(out, '\n');
    }
}

void progress_agent(struct progress *p, const struct run_event *ev)
{
    struct buf line = BUF_INIT(LINE_MAX_BYTES), lines = BUF_INIT(2 * LINE_MAX_BYTES);

    if (is_worth_a_line(p, ev->record))
        line_record(&line, ev->record, &p->term);
    if (line.len > 0) {
        put_agent(&lines, ev, &line, &p->term);
        erase(p);
        (void) term_write(&p->term, buf_span(&lines), NULL); /* only for show */
    }
    buf_done(&line);
    buf_done(&lines);
}

void progress_record(struct progress *p, const struct record *record, const struct run_state *state)
{
    struct buf line = BUF_INIT(LINE_MAX_BYTES);

    p->turn = state->turn;
    p->tokens = state->usage.total;
    p->cost_micros = state->cost_micros;
    p->is_cost_unknown = state->is_cost_unknown;
    note_doing(p, record);
    if (is_worth_a_line(p, record))
        line_record(&line, record, &p->term);
    if (line.len > 0) {
        erase(p);
        (void) term_write(&p->term, buf_span(&line), NULL); /* only for show */
    }
    buf_done(&line);
}

static void resuming(struct buf *out, const struct run_state *s)
{
    buf_add_text(out, "resuming ");
    term_clean(out, span_of(s->id ? s->id : ""), false);
    buf_printf(out, " at turn %lld, call %lld\n", (long long) s->turn, (long long) s->calls_begun);
}

void progress_go_on(struct progress *p, const struct run_state *s)
{
    struct record_run_begin begin = { .id = s->id, .name = s->name, .model = s->model, .parent = s->parent };
    struct buf line = BUF_INIT(LINE_MAX_BYTES);

    if (s->parent && s->resumes == 0) /* a fork begins by going on from where it was put */
        line_run(&line, &begin, &p->term);
    else
        resuming(&line, s);
    erase(p);
    (void) term_write(&p->term, buf_span(&line), NULL); /* only for show */
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
    /* these last: without a live line they are worth lines */
    if (p->term.is_plain && (strcmp(step, "pull") == 0 || strcmp(step, "scan") == 0))
        term_say("%s", text);
    buf_done(&clean);
}

/* ---- the end ---- */

static void summary_output(struct buf *out, const struct output_report *report, const struct term *term)
{
    char size[32];

    if (report->is_missing || report->result < 0)
        return;
    buf_add_text(out, "  ");
    tone_foreign(out, term, report->output->path, 4);
    buf_add_text(out, " -> ");
    tone_foreign(out, term, report->output->to, 4);
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
    if (report_has_cost(s->cost_micros, s->usage.total))
        buf_printf(out, ", %s", units_format_money(text, s->cost_micros));
    buf_add_char(out, '\n');
}

static void summary_kept(struct buf *out, const struct run_summary *s)
{
    char time[32];

    buf_add_text(out, "the container is kept: ");
    term_clean(out, span_of(s->container_name), false);
    if (s->kept_ms > 0)
        buf_printf(out, " (it ends by itself after %s)", units_format_duration(time, s->kept_ms));
    buf_add_char(out, '\n');
}

int progress_summary(struct buf *out, const struct run_summary *s, const struct term *term)
{
    bool is_first = true;

    tone_set(out, term, s->end == RUN_DONE ? TONE_GOOD : TONE_BAD);
    buf_add_text(out, s->end == RUN_LIMIT ? "limit reached" : run_end_name(s->end));
    tone_set(out, term, TONE_PLAIN);
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
    tone_set(out, term, TONE_DIM);
    buf_printf(out, "more: agentbox show %s\n", s->id);
    advice_line(out, s->id, s->exit_status, s->reason);
    tone_set(out, term, TONE_PLAIN);
    return 0;
}
