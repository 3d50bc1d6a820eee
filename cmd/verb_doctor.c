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

static int doctor_json(const struct doctor_report *report, struct buf *out, struct err *err)
{
    struct json_writer w;

    report_begin(&w, out);
    json_put_bool(&w, "ok", report->is_fine);
    json_key(&w, "checks");
    json_array(&w);
    for (size_t i = 0; i < report->count; i++) {
        json_object(&w);
        json_put_string(&w, "name", report->rows[i].name);
        json_put_string(&w, "state", doctor_state_name(report->rows[i].state));
        json_put_string(&w, "text", report->rows[i].text);
        json_put_string(&w, "hint", report->rows[i].hint[0] ? report->rows[i].hint : NULL);
        json_object_end(&w);
    }
    json_array_end(&w);
    return report_end(&w, err);
}

static void doctor_text(const struct doctor_report *report, const struct term *term, struct buf *out)
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

static int examine(const char *engine, struct doctor_report *report, struct err *err)
{
    struct loop *loop = NULL;
    struct http *http = NULL;
    int r = loop_new(&loop, err);

    if (r == 0)
        r = http_new(loop, &http, err);
    if (r == 0)
        r = doctor_run(loop, http, engine, report, err);
    http_free(http);
    loop_free(loop);
    return r;
}

int verb_doctor(const struct options *opts, struct err *err)
{
    struct doctor_report *report = calloc(1, sizeof(*report));
    struct buf out = BUF_INIT(REPORT_MAX);
    bool is_fine = false;
    struct term term;
    int r;

    if (!report)
        return err_set(err, ERR_INTERNAL, "no memory for the report");
    term_init(&term, TERM_OUT);
    r = examine(opts->engine, report, err);
    if (r == 0) {
        check_state_folder(report);
        check_key(report);
        is_fine = report->is_fine;
        if (opts->json)
            r = doctor_json(report, &out, err);
        else
            doctor_text(report, &term, &out);
    }
    if (r == 0)
        r = opts->json ? term_json(&term, buf_span(&out), err) : term_write(&term, buf_span(&out), err);
    buf_done(&out);
    free(report);
    return r < 0 ? r : is_fine ? 0 : err_exit_status(ERR_ENGINE);
}
