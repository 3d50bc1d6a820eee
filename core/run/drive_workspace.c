/* SPDX-License-Identifier: MIT */
/* The driver's side to the workspace: filled or restored, kept in checkpoints, outputs collected. */
#include "core/base/cleanup.h"
#include "core/run/driver_impl.h"
#include "core/run/object.h"
#include "core/sandbox/channel.h"

#include <stdlib.h>
#include <string.h>

/* ---- workspace ---- */

static int record_input(struct run *run, const struct input_report *report)
{
    struct record rec = { .type = RECORD_INPUT_DONE };

    rec.input = (struct record_input){
        .path = report->entry->path,
        .is_folder = report->is_folder,
        .is_mount = report->entry->mount,
        .files = report->files,
        .size = report->size,
        .sha256 = report->sha256[0] ? report->sha256 : NULL,
    };
    return run_record(run, &rec);
}

static void on_filled(void *data, int result, const struct workspace_report *report, const struct err *err)
{
    struct run *run = data;
    struct record rec = { .type = RECORD_WORKSPACE_READY };

    if (result < 0) {
        drive_record_failure(run, RECORD_WORKSPACE_FAILED, err);
    } else {
        int r = 0;

        for (size_t i = 0; i < report->input_count && r == 0; i++)
            r = record_input(run, &report->inputs[i]);
        rec.workspace = (struct record_workspace){
            .attempt = run->state.attempt,
            .files = report->files,
            .folders = report->folders,
            .links = report->links,
            .bytes = report->bytes,
        };
        if (r == 0)
            (void) run_record(run, &rec);
    }
    workspace_fill_free(TAKE_PTR(run->fill));
}

static void on_restored(void *data, int result, const struct checkpoint_restored *ret, const struct err *err)
{
    struct run *run = data;
    struct record rec = { .type = RECORD_WORKSPACE_READY };

    if (result < 0) {
        drive_record_failure(run, RECORD_WORKSPACE_FAILED, err);
    } else {
        rec.workspace = (struct record_workspace){
            .attempt = run->state.attempt,
            .files = ret->files,
            .folders = ret->folders,
            .links = ret->links,
            .bytes = ret->bytes,
            .checkpoint = run->state.checkpoint,
            .tree = ret->tree,
        };
        (void) run_record(run, &rec);
    }
    checkpoint_restore_free(TAKE_PTR(run->restore));
}

void act_fill_workspace(struct run *run)
{
    struct record rec = { .type = RECORD_WORKSPACE_BEGIN };

    rec.workspace.attempt = run->state.attempt;
    rec.workspace.checkpoint = run->state.has_checkpoint ? run->state.checkpoint : 0;
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_FILL, 0);
}

static int fill(struct run *run, struct channel *channel, struct err *err)
{
    const struct checkpoint_site site = { run->loop, channel, run->store, &run->kept };
    const struct run_spec *spec = run->spec;

    if (run->state.has_checkpoint)
        return checkpoint_restore_start(&site, run->state.checkpoint, on_restored, run, &run->restore, err);
    return workspace_fill_start(run->loop, channel, spec->entries, spec->entry_count, on_filled, run,
                                &run->fill, err);
}

void effect_fill(struct run *run)
{
    struct channel *channel = box_channel(&run->box);
    struct err err = { 0 };
    int r = channel ? fill(run, channel, &err) : err_set(&err, ERR_ENGINE, "the sandbox is gone");

    if (r < 0)
        drive_record_failure(run, RECORD_WORKSPACE_FAILED, &err);
}

/* ---- checkpoints ---- */

/* Before the conversation of now becomes another: what the checkpoint will fit. */
void act_take_checkpoint(struct run *run)
{
    struct record rec = { .type = RECORD_CHECKPOINT_BEGIN };

    rec.checkpoint.number = checkpoint_store_last(run->store) + 1;
    rec.checkpoint.turn = run->state.turn;
    rec.checkpoint.calls = run->state.begins;
    if (run_record(run, &rec) < 0)
        return;
    run->take_began_ms = run_elapsed(run);
    run->take_begins = run->state.begins;
    run->take_turn = run->state.turn;
    run_queue(run, EFFECT_CHECKPOINT, 0);
}

/* Texts of the record must live until the files were deleted, which must not be before it is durable. */
static void plan_pruning(struct run *run, const struct record_checkpoint *rec)
{
    struct record_text *list;

    arena_done(&run->prune_arena);
    list = rec->pruned_count ? arena_alloc(&run->prune_arena, rec->pruned_count * sizeof(*list)) : NULL;
    for (size_t i = 0; list && i < rec->pruned_count; i++)
        list[i].text = arena_text(&run->prune_arena, rec->pruned[i].text);
    run->pruning = (struct record_checkpoint){ .pruned = list, .pruned_count = list ? rec->pruned_count : 0 };
    if (list)
        run_queue(run, EFFECT_PRUNE, 0);
}

static void record_taken(struct run *run, const struct record_checkpoint *taken)
{
    struct record rec = { .type = RECORD_CHECKPOINT_DONE, .checkpoint = *taken };
    struct err err = { 0 };

    rec.checkpoint.turn = run->take_turn;
    rec.checkpoint.calls = run->take_begins;
    rec.checkpoint.duration_ms = run_elapsed(run) - run->take_began_ms;
    if (run_record(run, &rec) < 0)
        return;
    if (checkpoint_store_told(run->store, &rec.checkpoint, &err) < 0)
        run_break(run, &err);
    else
        plan_pruning(run, taken);
}

static void on_taken(void *data, int result, const struct record_checkpoint *rec, const struct err *err)
{
    struct run *run = data;

    run->take_by_ms = 0;
    if (result == -ERR_ENGINE)
        drive_sandbox_suspect(run);
    else if (result < 0)
        drive_record_failure(run, RECORD_CHECKPOINT_FAILED, err);
    else
        record_taken(run, rec);
    checkpoint_take_free(TAKE_PTR(run->take));
}

/* Neither is broken off at the wall limit: what was done shall be kept. But a guest that answers pings and
 * nothing else must not hold us for ever, so each may last as long as a whole run. */
static int64_t end_by(const struct run *run)
{
    return run->spec->limits.wall_ms ? run_elapsed(run) + run->spec->limits.wall_ms : 0;
}

int64_t drive_workspace_by(const struct run *run)
{
    if (run->take_by_ms && (!run->collect_by_ms || run->take_by_ms < run->collect_by_ms))
        return run->take_by_ms;
    return run->collect_by_ms;
}

void drive_workspace_give_up(struct run *run)
{
    struct channel *channel = box_channel(&run->box);
    struct err err = { 0 };

    run->take_by_ms = run->collect_by_ms = 0;
    (void) err_set(&err, ERR_ENGINE,
                   "the sandbox's guest did not bring what is in the workspace within %.1f s",
                   (double) run->spec->limits.wall_ms / 1e3);
    if (channel)
        channel_eof(channel, &err);
}

void effect_checkpoint(struct run *run)
{
    const struct checkpoint_site site = { run->loop, box_channel(&run->box), run->store, &run->kept };
    struct err err = { 0 };
    int r;

    if (!site.channel) {
        drive_sandbox_suspect(run);
        return;
    }
    run->take_by_ms = end_by(run);
    r = checkpoint_take_start(&site, run->spec->checkpoints.keep, on_taken, run, &run->take, &err);
    if (r < 0)
        on_taken(run, r, NULL, &err);
}

/* What is not deleted now takes room and no more. */
void effect_prune(struct run *run)
{
    (void) checkpoint_prune(run->store, &run->pruning, NULL);
    arena_done(&run->prune_arena);
    run->pruning = (struct record_checkpoint){ 0 };
}

/* ---- outputs ---- */

static void keep_report(struct run *run, const struct output_report *report)
{
    struct output_report *more = realloc(run->reports, (run->report_count + 1) * sizeof(*more));

    if (!more)
        return; /* the record has it; only the summary is shorter */
    run->reports = more;
    more[run->report_count] = *report;
    more[run->report_count++].list = (struct span){ 0 };
}

static void on_output(void *data, const struct output_report *report)
{
    struct run *run = data;
    bool failed = report->result < 0;
    char list[DIGEST_HEX];
    struct err err = { 0 };
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
    if (!failed && report->list.len > 0) {
        if (object_put(run->folder, report->list, list, &err) < 0) {
            run_break(run, &err);
            return;
        }
        rec.output.list = list;
    }
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

    run->collect_by_ms = 0;
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
    struct channel *channel = box_channel(&run->box);
    const struct run_spec *spec = run->spec;
    struct err err = { 0 };
    int r;

    if (!channel) {
        r = err_set(&err, ERR_ENGINE, "the sandbox is gone");
    } else {
        run->collect_by_ms = end_by(run);
        r = outputs_start(run->loop, channel, spec->outputs, spec->output_count, &outputs_ops, run,
                          &run->outputs, &err);
    }
    if (r < 0) {
        record_outputs_end(run, &err);
        return;
    }
    outputs_set_state(run->outputs, &run->state);
    if (!is_unbounded(&spec->sandbox))
        outputs_set_max(run->outputs, spec->sandbox.size_bytes);
}

void drive_workspace_cancel(struct run *run)
{
    workspace_fill_free(TAKE_PTR(run->fill));
    checkpoint_restore_free(TAKE_PTR(run->restore));
    checkpoint_take_free(TAKE_PTR(run->take));
    outputs_free(TAKE_PTR(run->outputs));
}
