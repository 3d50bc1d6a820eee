/* SPDX-License-Identifier: MIT */
/* `agentbox outputs RUN`: its declared outputs again, from its last checkpoint. */
#include "cmd/load.h"
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/units.h"
#include "core/run/export.h"
#include "core/run/origin.h"
#include "core/run/point.h"
#include "core/run/replay.h"
#include "manifest/host.h"

#include <stdlib.h>
#include <string.h>

#define REPORT_MAX (16 * 1024 * 1024)
#define PLACES_MAX (16 * 1024 * 1024)

static int outputs_json(const struct run_point *point, const struct output_report *list, size_t count,
                        struct buf *out, struct err *err)
{
    struct json_writer w;

    report_begin(&w, out);
    json_put_string(&w, "id", point->folder->id);
    json_put_int(&w, "checkpoint", point->checkpoint);
    json_key(&w, "outputs");
    json_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_object(&w);
        json_put_string(&w, "path", list[i].output->path);
        json_put_string(&w, "to", list[i].output->to);
        json_put_bool(&w, "missing", list[i].is_missing);
        json_put_int(&w, "files", list[i].files);
        json_put_int(&w, "size", list[i].size);
        json_put_string(&w, "sha256", list[i].sha256[0] ? list[i].sha256 : NULL);
        json_put_string(&w, "error", list[i].result < 0 ? list[i].err.text : NULL);
        json_object_end(&w);
    }
    json_array_end(&w);
    return report_end(&w, err);
}

static void outputs_text(const struct output_report *list, size_t count, struct buf *out)
{
    char size[32];

    for (size_t i = 0; i < count; i++) {
        const struct output_report *o = &list[i];

        term_clean(out, span_of(o->output->path), false);
        if (o->result < 0) {
            buf_add_text(out, ": ");
            term_clean(out, span_of(o->err.text), false);
        } else if (o->is_missing) {
            buf_add_text(out, " is not there (not required)");
        } else {
            buf_add_text(out, " -> ");
            term_clean(out, span_of(o->output->to), false);
            buf_printf(out, "  %s  sha256:%s", units_format_size(size, o->size), o->sha256);
        }
        buf_add_char(out, '\n');
    }
}

/* Also when it failed: the reports say which one, and why. */
static int tell(const struct options *opts, const struct run_point *point, const struct output_report *list,
                size_t count, struct err *err)
{
    struct buf out = BUF_INIT(REPORT_MAX);
    int r = 0;

    if (opts->json)
        r = outputs_json(point, list, count, &out, err);
    else
        outputs_text(list, count, &out);
    if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    buf_done(&out);
    return r;
}

/* ---- where to ---- */

/* Each at its path in `dir`, where `verify --outputs-in` finds it. */
static int move_to(const char *dir, struct run_output *list, size_t count, struct arena *arena,
                   struct err *err)
{
    CLEANUP(free) char *real = NULL;
    int r = file_make_dirs(dir, 0755, err);

    if (r < 0)
        return r;
    real = realpath(dir, NULL);
    if (!real)
        return err_errno(err, ERR_IO, "opening folder '%s'", dir);
    for (size_t i = 0; i < count; i++) {
        list[i].to = arena_printf(arena, "%s/%s", real, list[i].path);
        if (!list[i].to)
            return err_set(err, ERR_INTERNAL, "no memory for where outputs go");
    }
    return 0;
}

/* A run folder that somebody else made says where to write. Only what a look at this folder would show is
 * done then: a recorded place of the manifest would be his word again. */
static int check_places(const struct run_point *point, const struct run_output *list, size_t count,
                        struct arena *arena, struct err *err)
{
    const char *here = host_folder("-", arena), *real;
    bool is_ours = false;
    int r = run_origin_is_here(point->folder, &is_ours, err);

    if (r < 0 || is_ours)
        return r;
    if (!here)
        return err_set(err, ERR_IO, "the current folder is gone");
    for (size_t i = 0; i < count; i++) {
        if (!host_check_beneath(list[i].to, here, arena, &real).message)
            continue;
        err_set(err, ERR_USAGE,
                "run '%s' did not run on this machine since it was started, and its output '%s' would go to "
                "'%s', "
                "outside of the current folder",
                point->folder->id, list[i].path, list[i].to);
        return err_hint(err, "say where to: --to DIR; or go to a folder in which that lies");
    }
    return 0;
}

static int place(const struct options *opts, const struct run_point *point, struct run_output *list,
                 size_t count, struct arena *arena, struct err *err)
{
    return opts->to ? move_to(opts->to, list, count, arena, err)
                    : check_places(point, list, count, arena, err);
}

static int collect(const struct options *opts, const struct run_point *point, const struct run_spec *spec,
                   const struct run_state *state, struct err *err)
{
    struct arena arena = ARENA_INIT(PLACES_MAX);
    CLEANUP(free) struct run_output *outputs = NULL;
    CLEANUP(free) struct output_report *list = NULL;
    size_t count = spec->output_count;
    int r, told;

    if (count == 0)
        return err_set(err, ERR_USAGE, "run '%s' declares no outputs", point->folder->id);
    outputs = calloc(count, sizeof(*outputs));
    if (!outputs)
        return err_set(err, ERR_INTERNAL, "no memory for a list of outputs");
    memcpy(outputs, spec->outputs, count * sizeof(*outputs));
    r = place(opts, point, outputs, count, &arena, err);
    if (r == 0)
        r = export_outputs(point->store, point->checkpoint, state, outputs, count, &list, err);
    told = list ? tell(opts, point, list, count, r < 0 ? NULL : err) : 0;
    arena_done(&arena);
    return r < 0 ? r : told;
}

static bool needs_state(const struct run_spec *spec)
{
    for (size_t i = 0; i < spec->output_count; i++)
        if (spec->outputs[i].from)
            return true;
    return false;
}

int verb_outputs(const struct options *opts, struct err *err)
{
    struct run_point point = { 0 };
    struct replay said = { 0 }; /* for what the model's server has sent */
    struct run_spec *spec = NULL;
    int r = run_point_open(opts->args[0], &point, err);

    if (r == 0)
        r = load_recorded_spec(&(struct load_recorded){ .folder = point.folder }, &spec, err);
    if (r == 0 && needs_state(spec))
        r = replay_load(point.folder, &said, err);
    if (r == 0)
        r = collect(opts, &point, spec, &said.state, err);
    replay_done(&said);
    run_spec_free(spec);
    run_point_done(&point);
    return r;
}
