/* SPDX-License-Identifier: MIT */
/* `agentbox gc`: what dead and expired runs left on the engine. */
#include "cmd/report.h"
#include "cmd/sweeping.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/run/folder.h"
#include "core/sandbox/guest_image.h"
#include "core/tool/result_cache.h"
#include "oci/sweep.h"

#define REPORT_MAX     (16 * 1024 * 1024)
#define RESULTS_AGE_MS (INT64_C(30) * 24 * 3600 * 1000) /* so long stored results of tools are kept */

static const char *const kinds[] = {
    [SWEEP_CONTAINER] = "container",
    [SWEEP_VOLUME] = "volume",
    [SWEEP_GUEST_VOLUME] = "guest volume",
};

static const char *const verdicts[] = {
    [SWEEP_KEEP] = "in use",     [SWEEP_EXPIRED] = "expired",        [SWEEP_ORPHAN] = "its run is over",
    [SWEEP_ASKED] = "asked for", [SWEEP_OLD] = "of another version",
};

static int gc_json(const struct sweep_result *result, const struct result_cache_swept *stored,
                   struct buf *out, struct err *err)
{
    struct json_writer w;

    report_begin(&w, out);
    json_put_int(&w, "removed", (int64_t) result->removed);
    json_put_int(&w, "failed", (int64_t) result->failed);
    json_key(&w, "items");
    json_array(&w);
    for (size_t i = 0; i < result->count; i++) {
        const struct sweep_item *item = &result->items[i];

        json_object(&w);
        json_put_string(&w, "kind", kinds[item->kind]);
        json_put_string(&w, "name", item->name);
        json_put_string(&w, "run", item->run);
        json_put_string(&w, "why", verdicts[item->verdict]);
        json_put_bool(&w, "removed", item->is_removed);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_key(&w, "results");
    json_object(&w);
    json_put_int(&w, "removed", stored->files);
    json_put_int(&w, "removed_bytes", stored->bytes);
    json_put_int(&w, "kept", stored->kept);
    json_put_int(&w, "kept_bytes", stored->kept_bytes);
    json_object_end(&w);
    return report_end(&w, err);
}

static void gc_text(const struct sweep_result *result, const struct result_cache_swept *stored, bool is_dry,
                    struct buf *out)
{
    char size[32];

    for (size_t i = 0; i < result->count; i++) {
        const struct sweep_item *item = &result->items[i];

        if (item->verdict == SWEEP_KEEP)
            continue;
        buf_printf(out, "%s %s ",
                   is_dry             ? "would remove"
                   : item->is_removed ? "removed"
                                      : "could not remove",
                   kinds[item->kind]);
        term_line(out, span_of(item->name));
        buf_printf(out, " (%s)\n", verdicts[item->verdict]);
    }
    if (stored->files > 0)
        buf_printf(out, "%s %lld stored result%s of tools (%s)\n", is_dry ? "would remove" : "removed",
                   (long long) stored->files, stored->files == 1 ? "" : "s",
                   units_format_size(size, stored->bytes));
    if (out->len == 0)
        buf_add_text(out, "nothing to remove\n");
    else if (!is_dry)
        buf_printf(out, "%zu removed\n", result->removed);
}

static int sweep_results(bool is_dry, struct result_cache_swept *ret, struct err *err)
{
    CLEANUP(free) char *folder = NULL;
    int r = run_folder_beside(RESULTS_FOLDER, &folder, err);

    return r < 0 ? r : result_cache_sweep(folder, clock_wall_ms() - RESULTS_AGE_MS, is_dry, ret, err);
}

int verb_gc(const struct options *opts, struct err *err)
{
    struct sweep_options options = {
        .flags = SWEEP_DEAD | SWEEP_GUESTS,
        .guest_digest = guest_image_digest(),
        .is_held = sweeping_is_held,
        .is_dry = opts->dry_run,
        .now_s = clock_wall_ms() / 1000,
    };
    struct buf out = BUF_INIT(REPORT_MAX);
    struct sweep_result result = { 0 };
    struct engine_session session;
    struct sweep *sweep = NULL;
    struct result_cache_swept stored = { 0 };
    int r = engine_session_open(&session, opts->engine, err);

    if (r < 0)
        return r;
    r = sweep_wait(session.engine, &options, &sweep, &result, err);
    if (r == 0)
        r = sweep_results(opts->dry_run, &stored, err);
    if (r == 0 && opts->json)
        r = gc_json(&result, &stored, &out, err);
    else if (r == 0)
        gc_text(&result, &stored, opts->dry_run, &out);
    if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    if (r == 0 && result.failed > 0)
        r = -(int) err->code;
    sweep_free(sweep);
    engine_session_close(&session);
    buf_done(&out);
    return r;
}
