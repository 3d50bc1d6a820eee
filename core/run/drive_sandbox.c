/* SPDX-License-Identifier: MIT */
/* The driver's side to the sandbox: its start and end, filling the workspace, collecting outputs. */
#include "core/base/cleanup.h"
#include "core/run/driver_impl.h"
#include "core/sandbox/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- recording what the sandbox says ---- */

static void record_failure(struct run *run, enum record_type type, const struct err *why)
{
    struct record rec = { .type = type };

    rec.failure.attempt = run->state.attempt;
    if (why) {
        rec.failure.code = err_code_name(why->code);
        rec.failure.message = why->text;
        rec.failure.hint = why->hint[0] ? why->hint : NULL;
    }
    (void) run_record(run, &rec);
}

static const char *row_state(enum sandbox_row_state state)
{
    static const char *const names[] = {
        [SANDBOX_ROW_ASKED] = "asked",
        [SANDBOX_ROW_VERIFIED] = "verified",
        [SANDBOX_ROW_LOWERED] = "lowered",
        [SANDBOX_ROW_FAILED] = "failed",
    };

    return names[state];
}

static size_t copy_rows(const struct sandbox_info *info, struct record_row rows[RECORD_LIST_MAX])
{
    size_t count = info->row_count < RECORD_LIST_MAX ? info->row_count : RECORD_LIST_MAX;

    for (size_t i = 0; i < count; i++) {
        const struct sandbox_row *row = &info->rows[i];

        rows[i] = (struct record_row){ row->name, row_state(row->state), row->asked, row->found };
    }
    return count;
}

static void on_step(void *data, const char *step, const char *text)
{
    struct run *run = data;

    if (run->events->on_step && !run->is_over)
        run->events->on_step(run->data, step, text);
}

static void on_intent(void *data, const struct sandbox_info *info)
{
    struct run *run = data;
    struct record rec = { .type = RECORD_SANDBOX_INTENT };
    struct record_row rows[RECORD_LIST_MAX];

    if (run->is_over)
        return;
    rec.sandbox_intent = (struct record_sandbox_intent){
        .attempt = run->state.attempt,
        .backend = info->backend,
        .engine = info->engine,
        .engine_version = info->engine_version,
        .api_version = info->api_version,
        .image = info->image,
        .image_id = info->image_id,
        .image_digest = info->image_digest,
        .container_name = info->container_name ? info->container_name : "",
        .rows = rows,
        .row_count = copy_rows(info, rows),
    };
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_PROCEED, 0);
}

static void record_ready(struct run *run)
{
    struct channel *channel = sandbox_channel(run->sb);
    const struct channel_guest *guest = channel ? channel_guest(channel) : NULL;
    struct record rec = { .type = RECORD_SANDBOX_READY };
    struct record_row rows[RECORD_LIST_MAX];
    struct sandbox_info info = { 0 };
    char boot[17] = "";

    sandbox_info(run->sb, &info);
    if (guest)
        snprintf(boot, sizeof(boot), "%016llx", (unsigned long long) guest->boot);
    rec.sandbox_ready = (struct record_sandbox_ready){
        .attempt = run->state.attempt,
        .container_id = info.container_id,
        .container_name = info.container_name,
        .guest_boot = boot,
        .guest_build = guest ? guest->build : NULL,
        .rows = rows,
        .row_count = copy_rows(&info, rows),
    };
    (void) run_record(run, &rec);
}

static void on_ready(void *data, int result, const struct err *err)
{
    struct run *run = data;

    if (run->is_over)
        return;
    if (result < 0)
        record_failure(run, RECORD_SANDBOX_FAILED, err);
    else
        record_ready(run);
}

static void lose(struct run *run, const struct err *err)
{
    if (run->is_over || run->state.sandbox != RUN_PART_READY)
        return;
    run->lost_at_ms = 0;
    drive_calls_lost(run);
    record_failure(run, RECORD_SANDBOX_LOST, err);
}

static void on_lost(void *data, const struct err *err)
{
    lose(data, err);
}

void drive_sandbox_give_up(struct run *run)
{
    struct err err = { 0 };

    (void) err_set(&err, ERR_ENGINE, "the guest does not answer any more");
    lose(run, &err);
    run->lost_at_ms = 0;
}

static const struct sandbox_events sandbox_events = { on_step, on_intent, on_ready, on_lost };

/* ---- start ---- */

void act_start_sandbox(struct run *run)
{
    struct record rec = { .type = RECORD_SANDBOX_START };

    rec.sandbox_start.attempt = run->state.attempt + 1;
    rec.sandbox_start.image = run->spec->sandbox.image;
    rec.sandbox_start.engine = run->spec->sandbox.engine;
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_START_SANDBOX, 0);
}

void effect_start_sandbox(struct run *run)
{
    struct err err = { 0 };

    run->has_started_sandbox = true;
    if (sandbox_start(run->sb, &sandbox_events, run, &err) < 0)
        record_failure(run, RECORD_SANDBOX_FAILED, &err);
}

void effect_proceed(struct run *run)
{
    struct err err = { 0 };

    if (sandbox_proceed(run->sb, &err) < 0)
        record_failure(run, RECORD_SANDBOX_FAILED, &err);
}

/* ---- workspace ---- */

static void on_filled(void *data, int result, const struct workspace_report *report, const struct err *err)
{
    struct run *run = data;
    struct record rec = { .type = RECORD_WORKSPACE_READY };

    if (result < 0) {
        record_failure(run, RECORD_WORKSPACE_FAILED, err);
    } else {
        rec.workspace = (struct record_workspace){
            .attempt = run->state.attempt,
            .files = report->files,
            .folders = report->folders,
            .links = report->links,
            .bytes = report->bytes,
        };
        (void) run_record(run, &rec);
    }
    workspace_fill_free(TAKE_PTR(run->fill));
}

void act_fill_workspace(struct run *run)
{
    struct record rec = { .type = RECORD_WORKSPACE_BEGIN };

    rec.workspace.attempt = run->state.attempt;
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_FILL, 0);
}

void effect_fill(struct run *run)
{
    struct channel *channel = sandbox_channel(run->sb);
    const struct run_spec *spec = run->spec;
    struct err err = { 0 };
    int r;

    if (!channel)
        r = err_set(&err, ERR_ENGINE, "the sandbox is gone");
    else
        r = workspace_fill_start(run->loop, channel, spec->entries, spec->entry_count, on_filled, run,
                                 &run->fill, &err);
    if (r < 0)
        record_failure(run, RECORD_WORKSPACE_FAILED, &err);
}

/* ---- outputs ---- */

static void keep_report(struct run *run, const struct output_report *report)
{
    struct output_report *more = realloc(run->reports, (run->report_count + 1) * sizeof(*more));

    if (!more)
        return; /* the record has it; only the summary is shorter */
    run->reports = more;
    more[run->report_count++] = *report;
}

static void on_output(void *data, const struct output_report *report)
{
    struct run *run = data;
    bool failed = report->result < 0;
    struct record rec = { .type = failed ? RECORD_OUTPUT_FAILED : RECORD_OUTPUT_DONE };

    rec.output = (struct record_output){
        .path = report->output->path,
        .to = report->output->to,
        .is_missing = report->is_missing,
        .is_folder = report->is_folder,
        .files = report->files,
        .size = report->size,
        .sha256 = report->sha256[0] ? report->sha256 : NULL,
        .code = failed ? err_code_name(report->err.code) : NULL,
        .message = failed ? report->err.text : NULL,
    };
    keep_report(run, report);
    (void) run_record(run, &rec);
}

static void record_outputs_end(struct run *run, const struct err *why)
{
    struct record rec = { .type = RECORD_OUTPUTS_END };

    rec.outputs.count = (int64_t) run->report_count;
    if (why) {
        rec.outputs.code = err_code_name(why->code);
        rec.outputs.message = why->text;
        rec.outputs.hint = why->hint[0] ? why->hint : NULL;
    }
    (void) run_record(run, &rec);
}

static void on_collected(void *data, int result, const struct err *err)
{
    struct run *run = data;

    record_outputs_end(run, result < 0 ? err : NULL);
    outputs_free(TAKE_PTR(run->outputs));
}

static const struct outputs_ops outputs_ops = { on_output, on_collected };

void act_collect_outputs(struct run *run)
{
    struct record rec = { .type = RECORD_OUTPUTS_BEGIN };

    rec.outputs.count = (int64_t) run->spec->output_count;
    run->report_count = 0;
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_COLLECT, 0);
}

/* A workspace whose size nobody enforces may hold more than it says. */
static bool is_unbounded(const struct sandbox_spec *spec)
{
    for (size_t i = 0; i < spec->lower_count; i++)
        if (strcmp(spec->lower[i], "workspace") == 0)
            return true;
    return spec->size_bytes <= 0;
}

void effect_collect(struct run *run)
{
    struct channel *channel = sandbox_channel(run->sb);
    const struct run_spec *spec = run->spec;
    struct err err = { 0 };
    int r;

    if (!channel)
        r = err_set(&err, ERR_ENGINE, "the sandbox is gone");
    else
        r = outputs_start(run->loop, channel, spec->outputs, spec->output_count, &outputs_ops, run,
                          &run->outputs, &err);
    if (r < 0)
        record_outputs_end(run, &err);
    else if (!is_unbounded(&spec->sandbox))
        outputs_set_max(run->outputs, spec->sandbox.size_bytes);
}

/* ---- end ---- */

/* Only a container whose lock-down was verified is ever left. */
bool drive_sandbox_keeps(const struct run *run, enum run_end_state end)
{
    enum sandbox_keep keep = run->spec->sandbox.keep;
    bool has_one = run->state.sandbox == RUN_PART_READY || run->state.sandbox == RUN_PART_LOST;

    return has_one && (keep == SANDBOX_KEEP_ALWAYS || (keep == SANDBOX_KEEP_ON_FAILURE && end != RUN_DONE));
}

static void on_removed(void *data, int result, const struct err *err)
{
    struct run *run = data;

    run->remove_result = result;
    if (result < 0)
        run->remove_err = *err;
    record_failure(run, RECORD_SANDBOX_REMOVED, result < 0 ? err : NULL);
    run_queue(run, EFFECT_REMOVED, 0);
}

void drive_sandbox_remove(struct run *run)
{
    struct err err = { 0 };
    int r;

    if (!run->has_started_sandbox || (run->state.is_kept && !run->broken.code)) {
        run_queue(run, EFFECT_REMOVED, 0);
        return;
    }
    r = sandbox_remove(run->sb, on_removed, run, &err);
    if (r < 0)
        on_removed(run, r, &err);
}

void drive_sandbox_cancel(struct run *run)
{
    workspace_fill_free(TAKE_PTR(run->fill));
    outputs_free(TAKE_PTR(run->outputs));
}
