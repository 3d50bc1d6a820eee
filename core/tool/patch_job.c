/* SPDX-License-Identifier: MIT */
/* The phases of a patch, and the first of them: what is there. */
#include "core/tool/patch_job.h"

#include "core/base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- phases ---- */

void patch_fail(struct patch_job *job, int r, const struct err *err)
{
    job->is_lost |= r == -ERR_ENGINE;
    if (!job->err.code && err && err->code)
        job->err = *err;
    if (!job->err.code)
        err_set(&job->err, (enum err_code) - r, "failed");
}

struct channel *patch_channel(struct patch_job *job)
{
    struct channel *channel = job->host->channel(job->host->data);

    if (!channel) {
        err_set(&job->err, ERR_ENGINE, "the sandbox is gone");
        job->is_lost = true;
    }
    return channel;
}

static struct patch_item *free_item(struct patch_job *job)
{
    size_t count = job->phase->is_single ? 1 : PATCH_AT_ONCE;

    for (size_t i = 0; i < count; i++)
        if (!job->items[i].is_busy)
            return &job->items[i];
    return NULL;
}

static bool may_go_on(const struct patch_job *job)
{
    return !job->is_lost && (!job->err.code || job->phase->goes_on);
}

static void pump(struct patch_job *job)
{
    struct patch_item *item;

    while (job->at < job->count && may_go_on(job) && (item = free_item(job))) {
        int r;

        *item = (struct patch_item){ .job = job, .index = job->at++, .is_busy = true };
        job->active++;
        r = job->phase->start(item);
        if (r == 1)
            continue;
        item->is_busy = false;
        job->active--;
        if (r < 0)
            patch_fail(job, r, NULL);
    }
    if (job->active == 0)
        job->phase->done(job);
}

void patch_phase_run(struct patch_job *job, const struct patch_phase *phase, size_t count)
{
    job->phase = phase;
    job->at = job->active = 0;
    job->count = count;
    pump(job);
}

void patch_item_end(struct patch_item *item, int r, const struct err *err)
{
    struct patch_job *job = item->job;

    item->is_busy = false;
    item->call = NULL;
    job->active--;
    if (r < 0)
        patch_fail(job, r, err);
    pump(job);
}

void patch_item_done(void *data, int r, const struct err *err)
{
    patch_item_end(data, r, err);
}

void patch_item_done_anyhow(void *data, int r, const struct err *err)
{
    patch_item_end(data, r == -ERR_ENGINE ? r : 0, err);
}

void patch_job_done(struct patch_job *job)
{
    for (size_t i = 0; i < PATCH_AT_ONCE; i++)
        if (job->items[i].is_busy)
            channel_cancel(job->items[i].call);
    loop_source_free(job->soon);
    loop_source_free(job->deadline);
    free(job->states);
    free(job->intent.folders);
    buf_done(&job->unrestored);
    patch_plan_done(&job->plan);
    patch_done(&job->patch);
}

/* ---- what is there ---- */

static struct patch_file *file_of(struct patch_item *item)
{
    return &item->job->plan.files[item->index];
}

int patch_add_folder(struct patch_job *job, const char *path)
{
    struct patch_intent *intent = &job->intent;

    for (size_t i = 0; i < intent->folder_count; i++)
        if (strcmp(intent->folders[i], path) == 0)
            return 0;
    if (intent->folder_count == job->folder_cap) {
        size_t cap = job->folder_cap ? 2 * job->folder_cap : 16;
        const char **grown = realloc(intent->folders, cap * sizeof(*grown));

        if (!grown)
            return err_set(&job->err, ERR_INTERNAL, "no memory for a patch");
        intent->folders = grown;
        job->folder_cap = cap;
    }
    intent->folders[intent->folder_count++] = path;
    return 0;
}

static int look_at_folder(struct patch_item *item);

static void block(struct patch_item *item, const struct err *err)
{
    struct patch_file *f = file_of(item);

    f->was = PATCH_BLOCKED;
    f->why = err->errnum == ENOTDIR ? "a folder on the way is a file"
                                    : arena_printf(&item->job->plan.arena, "%.300s", err->text);
    if (!f->why)
        f->why = "a folder on the way is none";
}

static void on_folder(void *data, int r, const struct guest_stat *st, struct span link, const struct err *err)
{
    struct patch_item *item = data;

    (void) link;
    if (r == -ERR_INVALID) {
        block(item, err);
        r = 0;
    } else if (r == -ERR_NOT_FOUND) {
        r = patch_add_folder(item->job, item->at);
        if (r == 0 && (r = look_at_folder(item)) == 1)
            return;
    } else if (r == 0 && st->kind != GUEST_DIR) {
        file_of(item)->was = PATCH_BLOCKED;
        file_of(item)->why = st->kind == GUEST_LINK ? "a folder on the way is a symbolic link, and links are "
                                                      "not followed"
                                                    : "a folder on the way is a file";
    }
    patch_item_end(item, r, err);
}

/* The folder of what was looked at last; 0: there is no other but the workspace. */
static int look_at_folder(struct patch_item *item)
{
    struct patch_job *job = item->job;
    const char *below = item->at ? item->at : file_of(item)->path, *slash = strrchr(below, '/');
    struct channel *channel = patch_channel(job);

    if (!channel)
        return -ERR_ENGINE;
    if (!slash)
        return 0;
    item->at = arena_copy(&job->plan.arena, below, (size_t) (slash - below));
    if (!item->at)
        return err_set(&job->err, ERR_INTERNAL, "no memory for a patch");
    return channel_stat(channel, item->at, on_folder, item, &item->call, &job->err) < 0 ? -(int) job->err.code
                                                                                        : 1;
}

static void on_chunk(void *data, struct span chunk)
{
    struct patch_item *item = data;
    struct patch_job *job = item->job;
    struct err err;

    job->read_total += chunk.len;
    if (job->err.code)
        return;
    if (buf_add_span(&file_of(item)->before, chunk) < 0) {
        err_set(&err, ERR_TOO_LARGE, "'%s' is larger than %zu MiB, too large to be patched",
                file_of(item)->path, PATCH_TEXT_MAX >> 20);
        patch_fail(job, -ERR_TOO_LARGE, &err);
    } else if (job->read_total > PATCH_TOTAL_MAX) {
        err_set(&err, ERR_TOO_LARGE, "the files of this patch are larger than %zu MiB together; split it",
                PATCH_TOTAL_MAX >> 20);
        patch_fail(job, -ERR_TOO_LARGE, &err);
    }
}

static void on_read(void *data, int r, const struct guest_stat *st, const struct err *err)
{
    struct patch_item *item = data;

    (void) st;
    file_of(item)->has_contents = r == 0;
    patch_item_end(item, r, err);
}

static const struct file_read_ops read_ops = { .on_chunk = on_chunk, .on_done = on_read };

static int read_file(struct patch_item *item, uint64_t size)
{
    struct patch_job *job = item->job;
    struct channel *channel = patch_channel(job);

    if (size > PATCH_TEXT_MAX) {
        file_of(item)->why = "it is larger than 10 MiB, too large to be patched";
        return 0;
    }
    if (!channel)
        return -ERR_ENGINE;
    return channel_read(channel, file_of(item)->path, &read_ops, item, &item->call, &job->err) < 0
               ? -(int) job->err.code
               : 1;
}

static void take_stat(struct patch_job *job, struct patch_file *f, const struct guest_stat *st,
                      struct span link)
{
    f->was = st->kind == GUEST_FILE ? PATCH_FILE : st->kind == GUEST_DIR ? PATCH_FOLDER : PATCH_LINK;
    f->mode = st->mode;
    f->inode = st->inode;
    f->mtime_ns = st->mtime_ns;
    if (st->kind == GUEST_LINK)
        f->why = arena_printf(&job->plan.arena, "it is a symbolic link to '%.*s', and links are not followed",
                              (int) (link.len < 300 ? link.len : 300), link.ptr ? link.ptr : "");
    if (f->was == PATCH_LINK && !f->why)
        f->why = "it is no regular file";
}

static void on_stat(void *data, int r, const struct guest_stat *st, struct span link, const struct err *err)
{
    struct patch_item *item = data;

    if (r == 0) {
        take_stat(item->job, file_of(item), st, link);
        if (st->kind == GUEST_FILE && file_of(item)->needs_contents)
            r = read_file(item, st->size);
    } else if (r == -ERR_NOT_FOUND) {
        r = look_at_folder(item);
    } else if (r == -ERR_INVALID) {
        block(item, err);
        r = 0;
    }
    if (r != 1)
        patch_item_end(item, r, err);
}

static int start_stat(struct patch_item *item)
{
    struct patch_job *job = item->job;
    struct channel *channel = patch_channel(job);

    if (!channel)
        return -ERR_ENGINE;
    return channel_stat(channel, file_of(item)->path, on_stat, item, &item->call, &job->err) < 0
               ? -(int) job->err.code
               : 1;
}

/* Too large, it is not read to its end; what it is, and why it cannot be patched, is found out as for others.
 */
static void on_first_chunk(void *data, struct span chunk)
{
    struct patch_item *item = data;
    struct buf *before = &file_of(item)->before;
    int r;

    if (chunk.len <= PATCH_TEXT_MAX - before->len) {
        on_chunk(item, chunk);
        return;
    }
    channel_cancel(item->call);
    item->job->read_total -= before->len;
    buf_clear(before);
    r = start_stat(item);
    if (r != 1)
        patch_item_end(item, r, NULL);
}

static void on_first_read(void *data, int r, const struct guest_stat *st, const struct err *err)
{
    struct patch_item *item = data;

    if (r == 0)
        take_stat(item->job, file_of(item), st, span_make(NULL, 0));
    if (r == 0 || r == -ERR_ENGINE) {
        on_read(item, r, st, err);
        return;
    }
    buf_clear(&file_of(item)->before);
    r = start_stat(item);
    if (r != 1)
        patch_item_end(item, r, NULL);
}

/* Mostly it is a file that can be read, and of that its reading tells all: one way there and back, not two.
 */
static int start_load(struct patch_item *item)
{
    static const struct file_read_ops first_ops = { .on_chunk = on_first_chunk, .on_done = on_first_read };
    struct patch_job *job = item->job;
    struct channel *channel = patch_channel(job);

    if (!channel)
        return -ERR_ENGINE;
    if (!file_of(item)->needs_contents)
        return start_stat(item);
    return channel_read(channel, file_of(item)->path, &first_ops, item, &item->call, &job->err) < 0
               ? -(int) job->err.code
               : 1;
}

static void end_load(struct patch_job *job)
{
    struct err err = { 0 };
    int r;

    if (job->err.code) {
        job->end(job);
        return;
    }
    r = patch_plan_run(&job->plan, &err);
    if (r < 0) {
        patch_fail(job, r, &err);
        job->end(job);
        return;
    }
    patch_commit(job);
}

/* What is under way is let come to its end, since nobody could say how far it came; nothing more is begun,
 * and what was written is taken back. */
static void on_deadline(void *data)
{
    struct patch_job *job = data;
    char time[32];
    struct err err = { 0 };

    job->is_late = true;
    patch_fail(job,
               err_set(&err, ERR_TIMEOUT, "it took longer than %s (limits.command)",
                       units_format_duration(time, job->host->command_ms)),
               &err);
}

void patch_in_time(struct patch_job *job)
{
    loop_source_free(job->deadline);
    job->deadline = NULL;
}

void patch_load(struct patch_job *job)
{
    static const struct patch_phase phase = { .start = start_load, .done = end_load };
    struct err err = { 0 };
    int r = patch_plan_init(&job->plan, &job->patch, job->host->root, &err);

    if (r == 0 && job->host->command_ms > 0)
        r = loop_timer(job->host->loop, job->host->command_ms, on_deadline, job, &job->deadline, &err);
    if (r < 0) {
        patch_fail(job, r, &err);
        job->end(job);
        return;
    }
    patch_phase_run(job, &phase, job->plan.count);
}

void patch_job_begin(struct patch_job *job, patch_end_fn *end)
{
    struct tool_host *host = job->host;
    struct span intent = host->declared ? host->declared(host->data, job->call_id) : span_make(NULL, 0);

    job->end = end;
    if (intent.len > 0)
        patch_recover(job, intent);
    else
        patch_load(job);
}
