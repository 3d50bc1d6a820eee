/* SPDX-License-Identifier: MIT */
/*
 * A patch that an earlier harness had begun when it died. Of each file it is known how it was and how it was
 * to be: so all of it was done, or what was done is taken back and the patch begins again. A file that is
 * neither was changed by somebody else since; the model is told then, and nothing is applied a second time.
 */
#include "core/tool/patch_job.h"

#include <stdlib.h>
#include <string.h>

static struct patch_write *write_of(struct patch_item *item)
{
    return &item->job->intent.writes[item->index];
}

static void found(struct patch_item *item, uint8_t state)
{
    item->job->states[item->index] = state;
    patch_item_end(item, 0, NULL);
}

/* Written; its second name is there unless the end was near. */
static uint8_t written(const struct patch_write *w)
{
    return (uint8_t) (PATCH_IS_WRITTEN | (w->backup ? PATCH_HAS_BACKUP : 0));
}

static void on_sum(void *data, int r, const uint8_t sum[32], const struct err *err)
{
    struct patch_item *item = data;
    char hex[DIGEST_HEX];

    if (r == -ERR_ENGINE) {
        patch_item_end(item, r, err);
        return;
    }
    if (r == 0)
        digest_hex(sum, hex);
    found(item, r == 0 && strcmp(hex, write_of(item)->sum) == 0 ? written(write_of(item)) : PATCH_IS_FOREIGN);
}

static bool is_as_it_was(const struct patch_write *w, const struct guest_stat *st)
{
    return w->backup && st->inode == w->inode && st->mtime_ns == w->mtime_ns;
}

/* Where a file was there is one of the folders now that the patch makes. */
static bool is_our_folder(const struct patch_job *job, const char *path)
{
    for (size_t i = 0; i < job->intent.folder_count; i++)
        if (strcmp(job->intent.folders[i], path) == 0)
            return true;
    return false;
}

static void on_stat(void *data, int r, const struct guest_stat *st, struct span link, const struct err *err)
{
    struct patch_item *item = data;
    const struct patch_write *w = write_of(item);
    struct channel *channel;

    (void) link;
    if (r == -ERR_NOT_FOUND || r == -ERR_INVALID) {
        found(item, w->is_removal ? written(w) : w->backup ? PATCH_IS_FOREIGN : PATCH_IS_UNTOUCHED);
    } else if (r < 0) {
        patch_item_end(item, r, err);
    } else if (w->is_removal && st->kind == GUEST_DIR && is_our_folder(item->job, w->path)) {
        found(item, written(w));
    } else if (is_as_it_was(w, st)) {
        found(item, PATCH_IS_UNTOUCHED);
    } else if (w->is_removal || st->kind != GUEST_FILE) {
        found(item, PATCH_IS_FOREIGN);
    } else {
        channel = patch_channel(item->job);
        r = channel ? channel_checksum(channel, w->path, on_sum, item, &item->call, &item->job->err)
                    : -ERR_ENGINE;
        if (r < 0)
            patch_item_end(item, r, NULL);
    }
}

static int start_check(struct patch_item *item)
{
    struct patch_job *job = item->job;
    struct channel *channel = patch_channel(job);

    if (!channel)
        return -ERR_ENGINE;
    return channel_stat(channel, write_of(item)->path, on_stat, item, &item->call, &job->err) < 0
               ? -(int) job->err.code
               : 1;
}

/* What was taken back may be begun again. */
static void begin_again(struct patch_job *job)
{
    if (!job->is_lost && job->unrestored.len == 0) {
        free(job->states);
        job->states = NULL;
        free(job->intent.folders);
        job->intent = (struct patch_intent){ 0 };
        job->folder_cap = 0;
        patch_load(job);
        return;
    }
    if (!job->is_lost)
        err_set(&job->err, ERR_CONFLICT, "the patch was interrupted and could not be taken back");
    job->end(job);
}

static void give_up(struct patch_job *job)
{
    struct buf names = BUF_INIT(600);

    for (size_t i = 0; i < job->intent.count; i++)
        if (job->states[i] & PATCH_IS_FOREIGN)
            (void) buf_printf(&names, "%s'%s'", names.len ? ", " : "", job->intent.writes[i].path);
    if (!job->is_lost)
        err_set(&job->err, ERR_CONFLICT,
                "the patch was interrupted, and meanwhile something else changed %s; look at what is there "
                "before you patch again",
                names.len ? names.data : "a file");
    buf_done(&names);
    job->end(job);
}

static bool all_are(const struct patch_job *job, uint8_t state)
{
    for (size_t i = 0; i < job->intent.count; i++)
        if (!(job->states[i] & state))
            return false;
    return true;
}

static bool any_is(const struct patch_job *job, uint8_t state)
{
    for (size_t i = 0; i < job->intent.count; i++)
        if (job->states[i] & state)
            return true;
    return false;
}

static void end_check(struct patch_job *job)
{
    if (job->err.code || job->is_lost) {
        job->end(job);
    } else if (all_are(job, PATCH_IS_WRITTEN)) {
        patch_clean(job);
    } else {
        patch_undo(job, any_is(job, PATCH_IS_FOREIGN) ? give_up : begin_again);
    }
}

void patch_recover(struct patch_job *job, struct span intent)
{
    static const struct patch_phase phase = { .start = start_check, .done = end_check };
    const char **folders = NULL;
    struct err err = { 0 };
    int r = patch_intent_decode(intent, &job->arena, &job->intent, &err);

    if (r == 0) {
        job->states = calloc(job->intent.count + 1, 1);
        folders = calloc(job->intent.folder_count + 1, sizeof(*folders));
        if (!job->states || !folders)
            r = err_set(&err, ERR_INTERNAL, "no memory for a patch");
    }
    if (folders && job->intent.folder_count > 0)
        memcpy(folders, job->intent.folders, job->intent.folder_count * sizeof(*folders));
    job->intent.folders = folders; /* from now on ours to free */
    if (r < 0) {
        job->intent.folder_count = 0;
        patch_fail(job, r, &err);
        job->end(job);
        return;
    }
    patch_phase_run(job, &phase, job->intent.count);
}
