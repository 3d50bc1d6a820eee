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
        r = term_print_json(buf_span(&out), err);
    buf_done(&out);
    return r;
}

static void export_text(const struct run_point *point, const char *to, const struct listing_totals *t)
{
    char size[32];

    term_say("%s, checkpoint %lld -> %s  %lld file%s, %s", point->folder->id, (long long) point->checkpoint,
             to, (long long) t->files, t->files == 1 ? "" : "s", units_format_size(size, t->bytes));
}

static int to_stdout(void *data, struct span bytes, struct err *err)
{
    return term_keep(data, bytes, err);
}

static int stream(const struct run_point *point, struct listing_totals *ret, struct err *err)
{
    struct term out;

    term_init(&out, TERM_OUT);
    if (!out.is_tty)
        return export_stream(point->store, point->checkpoint, to_stdout, &out, ret, err);
    (void) err_set(err, ERR_USAGE, "an archive is nothing for a terminal");
    return err_hint(err, "name a file, or send it on: agentbox export %s - | tar -t", point->folder->id);
}

static int write_out(const struct run_point *point, const char *to, struct listing_totals *ret,
                     struct err *err)
{
    if (strcmp(to, "-") == 0)
        return stream(point, ret, err);
    return export_is_tar(to) ? export_tar(point->store, point->checkpoint, to, ret, err)
                             : export_folder(point->store, point->checkpoint, to, ret, err);
}

int verb_export(const struct options *opts, struct err *err)
{
    const char *to = opts->args[1];
    struct listing_totals totals = { 0 };
    struct run_point point = { 0 };
    int r = 0;

    if (strcmp(to, "-") == 0 && opts->json)
        r = err_set(err, ERR_USAGE, "the archive and the report cannot both go to stdout");
    if (r == 0)
        r = run_point_open(opts->args[0], &point, err);
    if (r == 0)
        r = write_out(&point, to, &totals, err);
    if (r == 0 && opts->json)
        r = export_json(&point, to, &totals, err);
    else if (r == 0)
        export_text(&point, to, &totals);
    run_point_done(&point);
    return r;
}
