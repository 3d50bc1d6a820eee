/* SPDX-License-Identifier: MIT */
/* `agentbox export RUN[@POINT] DIR|FILE.tar`: the workspace as of a checkpoint, out of the run folder. */
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/units.h"
#include "core/run/export.h"
#include "core/run/point.h"

#include <string.h>

#define REPORT_MAX (64 * 1024)

static int export_json(const struct run_point *point, const char *to, const struct listing_totals *t,
                       struct err *err)
{
    struct buf out = BUF_INIT(REPORT_MAX);
    struct json_writer w;
    int r;

    report_begin(&w, &out);
    json_put_string(&w, "id", point->folder->id);
    json_put_int(&w, "seq", (int64_t) point->seq);
    json_put_int(&w, "checkpoint", point->checkpoint);
    json_put_string(&w, "to", to);
    json_put_int(&w, "files", t->files);
    json_put_int(&w, "folders", t->folders);
    json_put_int(&w, "links", t->links);
    json_put_int(&w, "bytes", t->bytes);
    r = report_end(&w, err);
    if (r == 0)
        r = term_print(buf_span(&out), err);
    buf_done(&out);
    return r;
}

static void export_text(const struct run_point *point, const char *to, const struct listing_totals *t)
{
    char size[32];

    term_say("%s, checkpoint %lld -> %s  %lld file%s, %s\n", point->folder->id, (long long) point->checkpoint,
             to, (long long) t->files, t->files == 1 ? "" : "s", units_format_size(size, t->bytes));
}

int verb_export(const struct options *opts, struct err *err)
{
    const char *to = opts->args[1];
    bool is_stdout = strcmp(to, "-") == 0;
    struct listing_totals totals = { 0 };
    struct run_point point = { 0 };
    int r = 0;

    if (is_stdout && opts->json)
        r = err_set(err, ERR_USAGE, "the archive and the report cannot both go to stdout");
    if (r == 0)
        r = run_point_open(opts->args[0], &point, err);
    if (r == 0)
        r = is_stdout || export_is_tar(to) ? export_tar(point.store, point.checkpoint, to, &totals, err)
                                           : export_folder(point.store, point.checkpoint, to, &totals, err);
    if (r == 0 && opts->json)
        r = export_json(&point, to, &totals, err);
    else if (r == 0)
        export_text(&point, to, &totals);
    run_point_done(&point);
    return r;
}
