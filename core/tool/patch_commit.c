/* SPDX-License-Identifier: MIT */
/* Writing what a patch comes to, and taking it back. */
#include "core/tool/patch_job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define INTENT_MAX ((size_t) 32 * 1024 * 1024)

static struct patch_write *write_of(struct patch_item *item)
{
    return &item->job->intent.writes[item->index];
}

static uint8_t *state_of(struct patch_item *item)
{
    return &item->job->states[item->index];
}

/* What every start ends with: 1, or the code. */
static int begun(struct patch_job *job, int r)
{
    job->is_lost |= r == -ERR_ENGINE;
    return r < 0 ? r : 1;
}

/* ---- the intent ---- */

static const char *backup_name(struct patch_job *job, const char *path, size_t index)
{
    const char *slash = strrchr(path, '/');

    return arena_printf(&job->plan.arena, "%.*s.agentbox-undo-%" PRIx64 "-%zu",
                        slash ? (int) (slash + 1 - path) : 0, path, job->id, index);
}

static bool add_write(struct patch_job *job, const struct patch_file *f)
{
    struct patch_intent *intent = &job->intent;
    struct patch_write *w = &intent->writes[intent->count];
    bool is_there = f->was == PATCH_FILE || f->was == PATCH_LINK;
    char sum[DIGEST_HEX];

    *w = (struct patch_write){ .path = f->path, .is_removal = f->step == PATCH_REMOVE };
    if (is_there) {
        w->backup = backup_name(job, f->path, intent->count);
        w->inode = f->inode;
        w->mtime_ns = f->mtime_ns;
    }
    if (!w->is_removal) {
        digest_of(buf_span(&f->now), sum);
        w->sum = arena_text(&job->plan.arena, sum);
    }
    intent->count++;
    return (w->backup || !is_there) && (w->sum || w->is_removal);
}

/* Folders that will come where this patch takes a file away. */
static bool add_folders(struct patch_job *job, const char *path)
{
    bool is_freed = false, is_fine = true;

    for (const char *slash = strchr(path, '/'); slash && is_fine; slash = strchr(slash + 1, '/')) {
        const char *folder = arena_copy(&job->plan.arena, path, (size_t) (slash - path));

        for (size_t i = 0; folder && i < job->plan.count; i++)
            is_freed |=
                job->plan.files[i].step == PATCH_REMOVE && strcmp(job->plan.files[i].path, folder) == 0;
        is_fine = folder && (!is_freed || patch_add_folder(job, folder) == 0);
    }
    return is_fine;
}

/* Removals stand first: what is removed may make room for a folder. */
static bool add_writes(struct patch_job *job)
{
    bool is_fine = true;

    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < job->plan.count; i++) {
            const struct patch_file *f = &job->plan.files[i];

            if (f->step == (pass == 0 ? PATCH_REMOVE : PATCH_WRITE))
                is_fine &= add_write(job, f);
            if (pass == 1 && f->step == PATCH_WRITE && f->was == PATCH_BLOCKED)
                is_fine &= add_folders(job, f->path);
        }
    return is_fine;
}

static int by_length(const void *a, const void *b)
{
    size_t len[2] = { strlen(*(const char *const *) a), strlen(*(const char *const *) b) };

    return len[0] < len[1] ? -1 : len[0] > len[1];
}

static int make_intent(struct patch_job *job, struct buf *json, struct err *err)
{
    struct patch_intent *intent = &job->intent;
    struct buf report = BUF_INIT(INTENT_MAX);
    int r = 0;

    intent->writes = arena_alloc(&job->plan.arena, (job->plan.count + 1) * sizeof(*intent->writes));
    job->states = calloc(job->plan.count + 1, 1);
    if (!intent->writes || !job->states || !add_writes(job) || patch_plan_report(&job->plan, &report) < 0 ||
        !(intent->report = arena_text(&job->plan.arena, buf_text(&report))))
        r = err_set(err, ERR_INTERNAL, "no memory for a patch");
    buf_done(&report);
    if (r == 0 && intent->folder_count > 0)
        qsort(intent->folders, intent->folder_count, sizeof(*intent->folders), by_length);
    return r < 0 ? r : patch_intent_encode(intent, json, err);
}

/* ---- writing ---- */

/* As much as there is room for. */
static int feed(struct patch_item *item, struct err *err)
{
    while (item->rest.len > 0) {
        ssize_t n = channel_write_data(item->call, item->rest, err);

        if (n <= 0)
            return (int) n;
        item->rest = span_make(item->rest.ptr + n, item->rest.len - (size_t) n);
    }
    return channel_write_end(item->call, err);
}

static void on_room(void *data)
{
    struct patch_item *item = data;
    struct err err = { 0 };
    int r = feed(item, &err);

    if (r < 0) {
        channel_cancel(item->call);
        patch_item_end(item, r, &err);
    }
}

static void on_written(void *data, int r, const struct err *err)
{
    struct patch_item *item = data;

    if (r == 0)
        *state_of(item) |= (uint8_t) (PATCH_IS_WRITTEN | (write_of(item)->backup ? PATCH_HAS_BACKUP : 0));
    patch_item_end(item, r, err);
}

static const struct file_write_ops write_ops = { on_room, on_written };

static int start_write(struct patch_item *item)
{
    struct patch_job *job = item->job;
    const struct patch_write *w = write_of(item);
    const struct patch_file *f = job->plan.files;
    struct channel *channel = patch_channel(job);
    int r;

    if (!channel)
        return -ERR_ENGINE;
    if (w->is_removal)
        return 0; /* done already */
    while (f->path != w->path)
        f++;
    item->rest = buf_span(&f->now);
    r = w->backup ? channel_replace(channel, f->path, w->backup, f->now_mode, &write_ops, item, &item->call,
                                    &job->err)
                  : channel_write(channel, f->path, f->now_mode, &write_ops, item, &item->call, &job->err);
    if (r == 0 && (r = feed(item, &job->err)) < 0)
        channel_cancel(item->call);
    return begun(job, r);
}

static void on_moved_away(void *data, int r, const struct err *err)
{
    struct patch_item *item = data;

    if (r == 0)
        *state_of(item) |= PATCH_HAS_BACKUP;
    patch_item_end(item, r, err);
}

static int start_remove(struct patch_item *item)
{
    struct patch_job *job = item->job;
    struct patch_write *w = write_of(item);
    struct channel *channel = patch_channel(job);

    if (!channel)
        return -ERR_ENGINE;
    if (!w->is_removal)
        return 0;
    return begun(job,
                 channel_rename(channel, w->path, w->backup, on_moved_away, item, &item->call, &job->err));
}

static void end_as_it_is(struct patch_job *job)
{
    job->end(job);
}

static void end_write(struct patch_job *job)
{
    if (job->is_lost)
        job->end(job);
    else if (job->err.code)
        patch_undo(job, end_as_it_is);
    else
        patch_clean(job);
}

static void end_remove(struct patch_job *job)
{
    static const struct patch_phase phase = { .start = start_write, .done = end_write };

    if (job->err.code)
        end_write(job);
    else
        patch_phase_run(job, &phase, job->intent.count);
}

static void on_declared(void *data)
{
    static const struct patch_phase phase = { .start = start_remove, .done = end_remove };
    struct patch_job *job = data;

    patch_phase_run(job, &phase, job->intent.count);
}

void patch_commit(struct patch_job *job)
{
    struct tool_host *host = job->host;
    struct buf json = BUF_INIT(INTENT_MAX);
    struct err err = { 0 };
    int r = make_intent(job, &json, &err);

    if (r == 0 && job->intent.count > 0)
        r = host->declare ? host->declare(host->data, job->call_id, buf_span(&json), on_declared, job, &err)
                          : loop_defer(host->loop, on_declared, job, &job->soon, &err);
    buf_done(&json);
    if (r < 0)
        patch_fail(job, r, &err);
    if (r < 0 || job->intent.count == 0)
        job->end(job);
}

/* ---- the second names go ---- */

/* So many at once as one request can name. */
static int start_clean(struct patch_item *item)
{
    struct patch_job *job = item->job;
    const char *names[CHANNEL_REMOVE_MANY];
    struct channel *channel = patch_channel(job);
    size_t count = 0, from = item->index * CHANNEL_REMOVE_MANY;

    if (!channel)
        return -ERR_ENGINE;
    for (size_t i = from; i < job->intent.count && i < from + CHANNEL_REMOVE_MANY; i++)
        if (job->intent.writes[i].backup)
            names[count++] = job->intent.writes[i].backup;
    if (count == 0)
        return 0;
    return begun(
        job, channel_remove_all(channel, names, count, patch_item_done_anyhow, item, &item->call, &job->err));
}

void patch_clean(struct patch_job *job)
{
    static const struct patch_phase phase = { .start = start_clean, .done = end_as_it_is };

    patch_in_time(job);
    patch_phase_run(job, &phase, (job->intent.count + CHANNEL_REMOVE_MANY - 1) / CHANNEL_REMOVE_MANY);
}

/* ---- taking back ---- */

static void note_unrestored(struct patch_item *item)
{
    (void) buf_printf(&item->job->unrestored, "%s'%s'", item->job->unrestored.len ? ", " : "",
                      write_of(item)->path);
}

/* Two names of one file: renaming one to the other does nothing, so it may still be there. */
static void on_restored(void *data, int r, const struct err *err)
{
    struct patch_item *item = data;
    struct patch_job *job = item->job;
    struct channel *channel = r == -ERR_ENGINE ? NULL : patch_channel(job);

    if (r < 0 && channel)
        note_unrestored(item);
    if (channel && channel_remove(channel, write_of(item)->backup, false, patch_item_done_anyhow, item,
                                  &item->call, NULL) == 0)
        return;
    patch_item_end(item, channel ? 0 : -ERR_ENGINE, err);
}

static void on_taken_away(void *data, int r, const struct err *err)
{
    struct patch_item *item = data;

    if (r < 0 && r != -ERR_ENGINE && r != -ERR_NOT_FOUND)
        note_unrestored(item);
    patch_item_done_anyhow(item, r, err);
}

static int start_undo(struct patch_item *item)
{
    struct patch_job *job = item->job;
    struct patch_write *w = write_of(item);
    struct channel *channel = patch_channel(job);
    uint8_t state = *state_of(item);

    if (!channel)
        return -ERR_ENGINE;
    *state_of(item) &= PATCH_IS_FOREIGN;
    if (state & PATCH_IS_UNTOUCHED) /* perhaps it has its second name already */
        return w->backup && !w->is_removal
                   ? begun(job, channel_remove(channel, w->backup, false, patch_item_done_anyhow, item,
                                               &item->call, &job->err))
                   : 0;
    if (state & PATCH_HAS_BACKUP)
        return begun(job,
                     channel_rename(channel, w->backup, w->path, on_restored, item, &item->call, &job->err));
    if (state & PATCH_IS_WRITTEN && !w->backup)
        return begun(job,
                     channel_remove(channel, w->path, false, on_taken_away, item, &item->call, &job->err));
    return 0;
}

static int start_undo_write(struct patch_item *item)
{
    return write_of(item)->is_removal ? 0 : start_undo(item);
}

static int start_undo_removal(struct patch_item *item)
{
    return write_of(item)->is_removal ? start_undo(item) : 0;
}

/* Somebody may have put something there: then it stays. So does a file, which is none of ours. */
static void on_undo_folder(void *data, int r, const struct guest_stat *st, struct span link,
                           const struct err *err)
{
    struct patch_item *item = data;
    struct channel *channel = r == 0 && st->kind == GUEST_DIR ? patch_channel(item->job) : NULL;

    (void) link;
    if (!channel ||
        channel_remove(channel, item->at, false, patch_item_done_anyhow, item, &item->call, NULL) < 0)
        patch_item_done_anyhow(item, r, err);
}

static int start_undo_folder(struct patch_item *item)
{
    struct patch_job *job = item->job;
    struct channel *channel = patch_channel(job);

    if (!channel)
        return -ERR_ENGINE;
    item->at = job->intent.folders[job->intent.folder_count - 1 - item->index]; /* the inner ones first */
    return begun(job, channel_stat(channel, item->at, on_undo_folder, item, &item->call, &job->err));
}

static void end_undo_removals(struct patch_job *job)
{
    job->undone(job);
}

static void end_undo_folders(struct patch_job *job)
{
    static const struct patch_phase phase = { .start = start_undo_removal,
                                              .done = end_undo_removals,
                                              .goes_on = true };

    patch_phase_run(job, &phase, job->intent.count);
}

static void end_undo_writes(struct patch_job *job)
{
    static const struct patch_phase phase = {
        .start = start_undo_folder, .done = end_undo_folders, .goes_on = true, .is_single = true
    };

    patch_phase_run(job, &phase, job->intent.folder_count);
}

/* In the order in which the parts need each other's room: a folder may stand where a file was. */
void patch_undo(struct patch_job *job, patch_end_fn *then)
{
    static const struct patch_phase phase = { .start = start_undo_write,
                                              .done = end_undo_writes,
                                              .goes_on = true };

    patch_in_time(job);
    job->undone = then;
    patch_phase_run(job, &phase, job->intent.count);
}
