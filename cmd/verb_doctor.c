/* SPDX-License-Identifier: MIT */
/* `agentbox doctor`: is this machine fit to run, and what to mend. */
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/file.h"
#include "core/run/folder.h"
#include "oci/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REPORT_MAX (1024 * 1024)

static struct doctor_row *row_add(struct doctor_report *report, const char *name, enum doctor_state state)
{
    static struct doctor_row spare; /* of a report that is full: nobody reads it */
    struct doctor_row *row = report->count < DOCTOR_ROWS ? &report->rows[report->count++] : &spare;

    *row = (struct doctor_row){ .name = name, .state = state };
    if (state == DOCTOR_FAIL)
        report->is_fine = false;
    return row;
}

static void check_state_folder(struct doctor_report *report)
{
    struct doctor_row *row;
    struct err err = { 0 };
    char *path = NULL;
    int r = run_folder_root(&path, &err);

    if (r == 0)
        r = file_make_dirs(path, 0700, &err);
    if (r == 0 && access(path, W_OK | X_OK) < 0)
        r = err_errno(&err, ERR_IO, "'%s' cannot be written", path);
    row = row_add(report, "state", r < 0 ? DOCTOR_FAIL : DOCTOR_OK);
    snprintf(row->text, sizeof(row->text), "%.250s", r < 0 ? err.text : path);
    if (r < 0)
        snprintf(row->hint, sizeof(row->hint), "%s",
                 err.hint[0] ? err.hint : "set XDG_STATE_HOME to a folder of yours");
    free(path);
}

static void check_key(struct doctor_report *report)
{
    const char *key = getenv("OPENAI_API_KEY");
    bool is_set = key && *key;
    struct doctor_row *row = row_add(report, "key", is_set ? DOCTOR_OK : DOCTOR_WARN);

    snprintf(row->text, sizeof(row->text), "OPENAI_API_KEY is %s", is_set ? "set" : "not set");
    if (!is_set)
        snprintf(row->hint, sizeof(row->hint), "export it, or name another source in model.api_key");
}

static void put_checks(struct json_writer *w, const struct doctor_report *report)
{
    json_key(w, "checks");
    json_array(w);
    for (size_t i = 0; i < report->count; i++) {
        json_object(w);
        json_put_string(w, "name", report->rows[i].name);
        json_put_string(w, "state", doctor_state_name(report->rows[i].state));
        json_put_string(w, "text", report->rows[i].text);
        json_put_string(w, "hint", report->rows[i].hint[0] ? report->rows[i].hint : NULL);
        json_object_end(w);
    }
    json_array_end(w);
}

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

static void put_engine(struct json_writer *w, const struct doctor_engine *engine)
{
    json_object(w);
    json_put_string(w, "url", or_null(engine->url));
    json_put_string(w, "version", or_null(engine->version));
    json_put_string(w, "runtime", or_null(engine->runtime));
    put_checks(w, &engine->report);
    json_put_string(w, "tried_with", or_null(engine->trial.image));
    json_key(w, "rows");
    json_array(w);
    for (size_t i = 0; engine->url[0] && i < lockdown_row_count(); i++) {
        json_object(w);
        json_put_string(w, "name", lockdown_row_name(i));
        json_put_string(w, "state", doctor_row_state(&engine->trial, i));
        json_put_string(w, "verified_by", lockdown_row_evidence(i));
        json_put_string(w, "asked", or_null(engine->trial.rows[i].asked));
        json_put_string(w, "found", or_null(engine->trial.rows[i].found));
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

struct doctor {
    struct doctor_engine engines[DOCTOR_ENGINES];
    int count;
    struct doctor_report host; /* what is no engine's matter */
};

static bool is_fine(const struct doctor *d)
{
    return d->engines[0].report.is_fine && d->host.is_fine;
}

static int doctor_json(const struct doctor *d, struct buf *out, struct err *err)
{
    struct json_writer w;

    report_begin(&w, out);
    json_put_bool(&w, "ok", is_fine(d));
    put_checks(&w, &d->host);
    json_key(&w, "engines");
    json_array(&w);
    for (int i = 0; i < d->count; i++)
        put_engine(&w, &d->engines[i]);
    json_array_end(&w);
    return report_end(&w, err);
}

static void checks_text(const struct doctor_report *report, const struct term *term, struct buf *out)
{
    static const char *const colors[] = {
        [DOCTOR_OK] = "\033[32m", [DOCTOR_WARN] = "\033[33m", [DOCTOR_FAIL] = "\033[31m"
    };

    for (size_t i = 0; i < report->count; i++) {
        const struct doctor_row *row = &report->rows[i];

        buf_printf(out, "%s%-4s%s  %-12s ", term->has_color ? colors[row->state] : "",
                   doctor_state_name(row->state), term->has_color ? "\033[0m" : "", row->name);
        term_clean(out, span_of(row->text), false);
        buf_add_char(out, '\n');
        if (row->hint[0]) {
            buf_printf(out, "%*s", 19, "");
            term_clean(out, span_of(row->hint), false);
            buf_add_char(out, '\n');
        }
    }
}

static void put_runtime(struct buf *out, const struct doctor_engine *engine)
{
    if (!engine->runtime[0])
        return;
    buf_add_text(out, ", sandbox.runtime: ");
    term_clean(out, span_of(engine->runtime), false);
}

/* One line a row, one column an engine; then what was found where it is not enforced. */
static void table_text(const struct doctor *d, struct buf *out)
{
    buf_printf(out, "\nThe lock-down, tried on a sandbox that was made and removed:\n\n%-18s", "row");
    for (int e = 0; e < d->count; e++)
        buf_printf(out, " [%d] %-13s", e + 1, "");
    buf_add_text(out, "verified by\n");
    for (size_t i = 0; i < lockdown_row_count(); i++) {
        buf_printf(out, "%-18s", lockdown_row_name(i));
        for (int e = 0; e < d->count; e++)
            buf_printf(out, " %-17s", doctor_row_state(&d->engines[e].trial, i));
        buf_printf(out, "%s\n", lockdown_row_evidence(i));
    }
    buf_add_char(out, '\n');
    for (int e = 0; e < d->count; e++) {
        buf_printf(out, "[%d] ", e + 1);
        term_clean(out, span_of(d->engines[e].version), false);
        buf_add_text(out, " at ");
        term_clean(out, span_of(d->engines[e].url), false);
        put_runtime(out, &d->engines[e]);
        buf_add_char(out, '\n');
        for (size_t i = 0; d->engines[e].trial.is_tried && i < lockdown_row_count(); i++) {
            const struct sandbox_row *row = &d->engines[e].trial.rows[i];

            if (row->state != SANDBOX_ROW_FAILED)
                continue;
            buf_printf(out, "    %s: asked '%s', found '", row->name, row->asked);
            term_clean(out, span_of(row->found), false);
            buf_add_text(out, "'\n");
        }
    }
}

static void doctor_text(const struct doctor *d, const struct term *term, struct buf *out)
{
    bool is_any_there = false;

    for (int e = 0; e < d->count; e++) {
        is_any_there |= d->engines[e].version[0] != '\0';
        if (d->count > 1)
            buf_printf(out, "%s[%d] ", e ? "\n" : "", e + 1);
        if (d->count > 1)
            term_clean(out, span_of(d->engines[e].url[0] ? d->engines[e].url : "none"), false);
        put_runtime(out, &d->engines[e]);
        if (d->count > 1)
            buf_add_char(out, '\n');
        checks_text(&d->engines[e].report, term, out);
    }
    if (d->count > 1)
        buf_add_text(out, "\nhost\n");
    checks_text(&d->host, term, out);
    if (is_any_there)
        table_text(d, out);
}

static int examine(const char *engine, struct doctor *d, struct err *err)
{
    struct loop *loop = NULL;
    struct http *http = NULL;
    int r = loop_new(&loop, err);

    if (r == 0)
        r = http_new(loop, &http, err);
    if (r == 0)
        r = doctor_run(loop, http, engine, d->engines, err);
    http_free(http);
    loop_free(loop);
    return r;
}

int verb_doctor(const struct options *opts, struct err *err)
{
    struct doctor *d = calloc(1, sizeof(*d));
    struct buf out = BUF_INIT(REPORT_MAX);
    struct term term;
    bool fine = false;
    int r;

    if (!d)
        return err_set(err, ERR_INTERNAL, "no memory for the report");
    term_init(&term, TERM_OUT);
    r = d->count = examine(opts->engine, d, err);
    if (r >= 0) {
        d->host.is_fine = true;
        check_state_folder(&d->host);
        check_key(&d->host);
        fine = is_fine(d);
        r = 0;
        if (opts->json)
            r = doctor_json(d, &out, err);
        else
            doctor_text(d, &term, &out);
    }
    if (r == 0)
        r = opts->json ? term_json(&term, buf_span(&out), err) : term_write(&term, buf_span(&out), err);
    buf_done(&out);
    free(d);
    return r < 0 ? r : fine ? 0 : err_exit_status(ERR_ENGINE);
}
