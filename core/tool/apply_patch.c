/* SPDX-License-Identifier: MIT */
/* The apply_patch tool's face to the run: calls in, answers out, one patch at a time. */
#include "core/tool/apply_patch.h"

#include "core/tool/patch_job.h"
#include "core/tool/touched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEM_MAX   ((size_t) 256 * 1024 * 1024) /* the tree of a call with a patch of PATCH_TEXT_MAX */
#define ANSWER_MAX ((size_t) 8 * 1024 * 1024)

struct patch_queue {
    struct patch_job *first;
};

static void job_free(struct patch_job *job)
{
    patch_job_done(job);
    arena_done(&job->arena);
    free(job->raw);
    free(job);
}

/* ---- the queue ---- */

static void on_end(struct patch_job *job);

static void on_turn(void *data)
{
    struct patch_job *job = data;

    loop_source_free(job->soon);
    job->soon = NULL;
    if (job->err.code) /* it could not be read */
        on_end(job);
    else
        patch_job_begin(job, on_end);
}

static int give_turn(struct patch_job *job, struct err *err)
{
    return loop_defer(job->host->loop, on_turn, job, &job->soon, err);
}

static int queue_add(struct patch_job *job, struct err *err)
{
    struct tool_host *host = job->host;
    struct patch_job **slot;
    bool is_first;

    if (!host->patches)
        host->patches = calloc(1, sizeof(*host->patches));
    if (!host->patches)
        return err_set(err, ERR_INTERNAL, "no memory for a tool call");
    slot = &host->patches->first;
    is_first = !*slot;
    if (is_first && give_turn(job, err) < 0)
        return -ERR_INTERNAL;
    while (*slot)
        slot = &(*slot)->next;
    *slot = job;
    return 0;
}

static void queue_remove(struct patch_job *job)
{
    struct patch_queue *queue = job->host->patches;
    struct patch_job **slot = &queue->first;
    bool was_first = queue->first == job;

    while (*slot != job)
        slot = &(*slot)->next;
    *slot = job->next;
    /* no memory: limits.wall remains */
    if (was_first && queue->first)
        (void) give_turn(queue->first, NULL);
}

void apply_patch_release(struct tool_host *host)
{
    free(host->patches);
    host->patches = NULL;
}

/* ---- answers ---- */

static int write_text(const struct patch_job *job, struct buf *out)
{
    int r;

    if (!job->err.code && job->intent.count == 0)
        return buf_printf(out, "Success. Nothing had to be changed.\n%s", buf_text(&job->plan.notes));
    if (!job->err.code)
        return buf_printf(out, "Success. Updated the following files:\n%s", job->intent.report);
    r = buf_printf(out, "apply_patch failed: %s.%s", job->err.text,
                   job->unrestored.len ? "" : " Nothing was changed.");
    if (r == 0 && job->unrestored.len)
        r = buf_printf(out, " These could not be put back as they were: %s. Look at them.",
                       buf_text(&job->unrestored));
    return r;
}

static void summarize(const struct patch_job *job, char *out, size_t size)
{
    int64_t added = 0, removed = 0;

    for (size_t i = 0; i < job->plan.count; i++) {
        added += job->plan.files[i].added;
        removed += job->plan.files[i].removed;
    }
    if (job->err.code)
        snprintf(out, size, "failed: %.200s", job->err.text);
    else if (job->plan.count == 0)
        snprintf(out, size, "%zu file%s, written before the interruption", job->intent.count,
                 job->intent.count == 1 ? "" : "s");
    else
        snprintf(out, size, "%zu file%s, +%lld -%lld", job->intent.count, job->intent.count == 1 ? "" : "s",
                 (long long) added, (long long) removed);
}

static void answer(struct patch_job *job)
{
    struct buf text = BUF_INIT(ANSWER_MAX), item = BUF_INIT(2 * ANSWER_MAX);
    char summary[256] = "sandbox lost";
    struct tool_answer answer = { .outcome = TOOL_LOST, .exit_code = -1, .summary = summary };

    if (!job->is_lost) {
        summarize(job, summary, sizeof(summary));
        answer.outcome = job->is_late ? TOOL_TIMEOUT : job->err.code ? TOOL_FAILED : TOOL_OK;
        if (write_text(job, &text) == 0 &&
            tool_answer(job->item, buf_span(&text), job->err.code != ERR_NONE, &item, NULL) == 0)
            answer.item = buf_span(&item);
    }
    job->fn(job->data, &answer);
    buf_done(&text);
    buf_done(&item);
}

static void on_end(struct patch_job *job)
{
    queue_remove(job);
    answer(job);
    job_free(job);
}

static void cancel(struct tool_run *run)
{
    struct patch_job *job = (struct patch_job *) run;

    queue_remove(job);
    job_free(job);
}

/* ---- calls ---- */

static int take(struct patch_job *job, const struct tool_call *call, struct err *err)
{
    job->raw = strndup(call->raw.ptr, call->raw.len);
    if (!job->raw)
        return err_set(err, ERR_INTERNAL, "no memory for a tool call");
    job->call_id = arena_text(&job->arena, call->call_id);
    if (!job->call_id)
        return err_set(err, ERR_INTERNAL, "no memory for a tool call");
    return json_parse(span_make(job->raw, call->raw.len), &job->arena, &job->item, err);
}

static int start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                 struct tool_run **ret, struct err *err)
{
    struct patch_job *job = calloc(1, sizeof(*job));
    int r;

    if (!job)
        return err_set(err, ERR_INTERNAL, "no memory for a tool call");
    job->run.cancel = cancel;
    job->host = host;
    job->fn = fn;
    job->data = data;
    job->id = host->next_exec_id(host->data, call->call_id);
    arena_init(&job->arena, ITEM_MAX);
    buf_init(&job->unrestored, 64 * 1024);
    patch_init(&job->patch);
    r = take(job, call, err);
    if (r == 0) {
        (void) apply_patch_parse(job->item, &job->patch, &job->err); /* its answer comes in its turn */
        r = queue_add(job, err);
    }
    if (r < 0) {
        job_free(job);
        return r;
    }
    *ret = &job->run;
    return 0;
}

static void touch(const struct tree *item, struct touched *ret)
{
    struct err err = { 0 };
    struct patch patch;

    patch_init(&patch);
    if (apply_patch_parse(item, &patch, &err) == 0)
        for (size_t i = 0; i < patch.count; i++) {
            touched_add(ret, span_of(patch.ops[i].path), false);
            if (patch.ops[i].move_to)
                touched_add(ret, span_of(patch.ops[i].move_to), false);
        }
    patch_done(&patch);
}

const struct tool_ops apply_patch_tool = {
    .name = "apply_patch",
    .describe = apply_patch_describe,
    .owns = apply_patch_owns,
    .title = apply_patch_title,
    .touch = touch,
    .start = start,
};
