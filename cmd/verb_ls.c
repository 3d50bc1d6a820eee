/* SPDX-License-Identifier: MIT */
/* `agentbox ls`: the runs of this user, newest first. */
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/run/view.h"

#include <stdio.h>
#include <stdlib.h>

#define LIST_MAX (64 * 1024 * 1024)

static int list_json(const struct run_view *views, size_t count, struct buf *out, struct err *err)
{
    struct json_writer w;
    int r;

    json_begin(&w, out);
    w.is_pretty = true;
    json_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_object(&w);
        report_view(&w, &views[i]);
        json_object_end(&w);
    }
    json_array_end(&w);
    r = json_end(&w, err);
    return r < 0 ? r : buf_add_char(out, '\n');
}

/* A narrow terminal goes without the start, which the id begins with, and with less of the name. */
static bool is_narrow(const struct term *term)
{
    return term->is_tty && term->columns < 108;
}

static void list_line(struct buf *out, const struct term *term, const char *const cells[7])
{
    int left = is_narrow(term) ? term->columns - 66 : 24, width = left < 8 ? 8 : left > 24 ? 24 : left;
    struct buf name = BUF_INIT(4096), fit = BUF_INIT(4096);

    term_clean(&name, span_of(cells[1]), false);
    term_fit(&fit, buf_span(&name), width);
    buf_printf(out, "%-22s  %-*s  %-11s  ", cells[0], width, buf_text(&fit), cells[2]);
    if (!is_narrow(term))
        buf_printf(out, "%-16.16s  ", cells[3]);
    buf_printf(out, "%5s  %7s  %9s\n", cells[4], cells[5], cells[6]);
    buf_done(&name);
    buf_done(&fit);
}

static void list_row(struct buf *out, const struct term *term, const struct run_view *v)
{
    char turns[32], tokens[32], cost[32], started[CLOCK_TEXT];

    clock_text(v->started_ms, started);
    started[10] = ' ';
    snprintf(turns, sizeof(turns), "%lld", (long long) v->turns);
    list_line(
        out, term,
        (const char *const[]){
            v->id, v->name, run_view_state_name(v->state), v->started_ms ? started : "-", turns,
            units_format_count(tokens, v->tokens),
            report_has_cost(v->cost_micros, v->tokens) ? units_format_money(cost, v->cost_micros) : "-" });
}

int verb_ls(const struct options *opts, struct err *err)
{
    static const char *const headings[7] = { "RUN",   "NAME",   "STATE", "STARTED (UTC)",
                                             "TURNS", "TOKENS", "COST" };
    struct buf out = BUF_INIT(LIST_MAX);
    struct run_view *views = NULL;
    struct term term;
    size_t count = 0;
    int r = run_view_all(&views, &count, err);

    term_init(&term, TERM_OUT);
    if (r == 0 && opts->json) {
        r = list_json(views, count, &out, err);
    } else if (r == 0 && count > 0) {
        list_line(&out, &term, headings);
        for (size_t i = 0; i < count; i++)
            list_row(&out, &term, &views[i]);
    } else if (r == 0) {
        term_say("no runs yet; `agentbox run MANIFEST` makes one");
    }
    if (r == 0)
        r = opts->json ? term_json(&term, buf_span(&out), err) : term_write(&term, buf_span(&out), err);
    free(views);
    buf_done(&out);
    return r;
}
