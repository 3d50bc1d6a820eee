/* SPDX-License-Identifier: MIT */
/*
 * Filling a workspace: entries one by one, the files of a copied folder many at
 * a time. Requests reach the guest in the order they are made, so a folder is there
 * before what is put into it without waiting for its answer.
 */
#include "core/run/workspace.h"

#include "core/base/walk.h"
#include "core/sandbox/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOBS_MAX    32            /* requests under way at once */
#define PIECE_BYTES (64 * 1024)   /* read from a file at once */
#define SLICE_BYTES (1024 * 1024) /* moved before the loop gets its turn */
#define SLICE_FILES 64            /* started before the loop gets its turn */

/* One request under way: a file that is being written, or a folder or link that is being made. */
struct job {
    struct workspace_fill *fill;
    struct channel_call *call;
    int fd; /* -1: the bytes are in `content`, or there are none */
    struct span content;
    int64_t offset;
    bool is_file, has_ended_input;
    size_t entry;          /* the file belongs to this one */
    struct digest *digest; /* of the bytes that went */
    char path[WALK_PATH_MAX];
};

/* A folder whose own mode would keep us from filling it gets it last. */
struct late_mode {
    struct late_mode *next;
    uint32_t mode;
    char path[];
};

struct workspace_fill {
    struct loop *loop;
    struct channel *channel;
    const struct run_entry *entries;
    size_t count, at;
    struct walk *walk; /* of the current local_dir */
    int root_fd;       /* its folder */
    struct job jobs[JOBS_MAX];
    bool is_busy[JOBS_MAX];
    size_t open;
    struct late_mode *late;
    struct inputs *inputs;
    struct loop_source *soon;
    struct workspace_report report;
    workspace_done_fn *fn;
    void *data;
    int result;
    bool is_over; /* fn was called */
    struct err err;
    char piece[PIECE_BYTES];
};

static void fail(struct workspace_fill *fill, int result, const struct err *err)
{
    if (fill->result < 0)
        return;
    fill->result = result;
    fill->err = *err;
}

static void job_end(struct job *job)
{
    struct workspace_fill *fill = job->fill;

    if (job->fd >= 0)
        (void) close(job->fd); /* only read from */
    job->fd = -1;
    job->call = NULL;
    digest_free(job->digest);
    job->digest = NULL;
    fill->is_busy[job - fill->jobs] = false;
    fill->open--;
}

static void pump(void *data);

static void pump_soon(struct workspace_fill *fill)
{
    struct err err = { 0 };

    if (fill->soon || fill->is_over)
        return;
    if (loop_defer(fill->loop, pump, fill, &fill->soon, &err) < 0)
        fail(fill, -(int) err.code, &err);
}

/* All of a file is in the workspace. */
static void note_file(struct job *job)
{
    const struct run_entry *entry = &job->fill->entries[job->entry];
    size_t prefix = strlen(entry->path);
    uint8_t sum[DIGEST_SIZE];
    char sha256[DIGEST_HEX];
    struct err err = { 0 };
    int r;

    digest_end(job->digest, sum);
    digest_hex(sum, sha256);
    r = inputs_add(job->fill->inputs, job->entry, job->path + prefix + (job->path[prefix] == '/'),
                   job->offset, sha256, &err);
    if (r < 0)
        fail(job->fill, r, &err);
}

static void on_done(void *data, int result, const struct err *err)
{
    struct job *job = data;
    struct err why;

    if (result < 0) {
        why = *err;
        err_wrap(&why, "writing '%s' in the workspace", job->path);
        if (why.errnum == ENOSPC)
            err_hint(&why,
                     "raise workspace.size, or copy less: a local_dir with `mount: true` needs no room");
        fail(job->fill, result, &why);
    } else if (job->is_file) {
        note_file(job);
    }
    job_end(job);
    pump_soon(job->fill);
}

static void job_fail(struct job *job, int result, struct err *err)
{
    fail(job->fill, result, err);
    channel_cancel(job->call);
    job_end(job);
    pump_soon(job->fill);
}

/* The next piece of a job's bytes; empty = the end. */
static int job_piece(struct job *job, struct span *ret, struct err *err)
{
    ssize_t n;

    if (job->fd < 0) {
        *ret = (struct span){ 0 };
        if (job->content.len > (size_t) job->offset) /* else there may be no bytes to point at */
            *ret = span_make(job->content.ptr + job->offset, job->content.len - (size_t) job->offset);
        return 0;
    }
    do
        n = pread(job->fd, job->fill->piece, PIECE_BYTES, job->offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_errno(err, ERR_IO, "reading the source of '%s'", job->path);
    *ret = span_make(job->fill->piece, (size_t) n);
    return 0;
}

/* Give the guest as much as it has room for, a slice at most. True: there is more to do at once. */
static bool job_feed(struct job *job)
{
    struct err err = { 0 };
    struct span piece;
    ssize_t n = 0;
    int r = 0;

    for (size_t moved = 0; r == 0 && !job->has_ended_input; moved += (size_t) n) {
        if (moved >= SLICE_BYTES)
            return true;
        r = job_piece(job, &piece, &err);
        if (r == 0 && piece.len == 0) {
            job->has_ended_input = true;
            r = channel_write_end(job->call, &err);
            break;
        }
        n = r == 0 ? channel_write_data(job->call, piece, &err) : r;
        if (n == 0)
            return false;
        r = n < 0 ? (int) n : 0;
        if (n < 0)
            break;
        digest_add(job->digest, piece.ptr, (size_t) n);
        job->offset += n;
        job->fill->report.bytes += n;
    }
    if (r < 0)
        job_fail(job, r, &err);
    return false;
}

static void on_room(void *data)
{
    struct job *job = data;

    if (job_feed(job))
        pump_soon(job->fill);
}

static const struct file_write_ops write_ops = { on_room, on_done };

static struct job *job_take(struct workspace_fill *fill, const char *path)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &fill->jobs[i];

        if (fill->is_busy[i])
            continue;
        *job = (struct job){ .fill = fill, .fd = -1 };
        snprintf(job->path, sizeof(job->path), "%.*s", WALK_PATH_MAX - 1, path);
        fill->is_busy[i] = true;
        fill->open++;
        return job;
    }
    return NULL;
}

/* Takes `fd`. */
static void put_file(struct workspace_fill *fill, const char *path, int fd, struct span content,
                     uint32_t mode)
{
    struct job *job = job_take(fill, path);
    struct err err = { 0 };
    int r;

    job->fd = fd;
    job->content = content;
    job->is_file = true;
    job->entry = fill->at - 1;
    job->digest = digest_new();
    if (!job->digest) {
        r = err_set(&err, ERR_INTERNAL, "no memory to fill the workspace");
        job_fail(job, r, &err);
        return;
    }
    r = channel_write(fill->channel, path, mode, &write_ops, job, &job->call, &err);
    if (r < 0) {
        job_fail(job, r, &err);
        return;
    }
    fill->report.files++;
    if (job_feed(job))
        pump_soon(fill);
}

static int late_add(struct workspace_fill *fill, const char *path, uint32_t mode, struct err *err)
{
    struct late_mode *late = malloc(sizeof(*late) + strlen(path) + 1);

    if (!late)
        return err_set(err, ERR_INTERNAL, "no memory while filling the workspace");
    late->mode = mode;
    late->next = fill->late;
    memcpy(late->path, path, strlen(path) + 1);
    fill->late = late;
    return 0;
}

static void put_folder(struct workspace_fill *fill, const char *path, uint32_t mode)
{
    struct job *job = job_take(fill, path);
    struct err err = { 0 };
    int r = 0;

    if ((mode & 0700) != 0700)
        r = late_add(fill, path, mode, &err);
    if (r == 0)
        r = channel_mkdir(fill->channel, path, mode | 0700, on_done, job, &job->call, &err);
    if (r < 0)
        job_fail(job, r, &err);
    else
        fill->report.folders++;
}

/* Does a link at `path` (relative to the copied folder) lead out of that folder? By its text only: nothing is
 * followed. */
static bool leaves_tree(const char *path, const char *target)
{
    const char *next;
    long depth = 0;

    if (target[0] == '/')
        return true;
    for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
        depth++;
    for (const char *p = target; *p; p = *next ? next + 1 : next) {
        next = p + strcspn(p, "/");
        if (next - p == 2 && p[0] == '.' && p[1] == '.')
            depth--;
        else if (next > p && !(next - p == 1 && p[0] == '.'))
            depth++;
        if (depth < 0)
            return true;
    }
    return false;
}

static void put_link(struct workspace_fill *fill, const struct run_entry *entry, const char *path,
                     const struct walk_entry *found)
{
    char target[WALK_PATH_MAX];
    ssize_t n = readlinkat(found->dir_fd, found->name, target, sizeof(target) - 1);
    struct err err = { 0 };
    struct job *job;
    int r;

    if (n < 0) {
        r = err_errno(&err, ERR_IO, "reading link '%s/%s'", entry->src, found->path);
        fail(fill, r, &err);
        return;
    }
    target[n] = '\0';
    if (leaves_tree(found->path, target)) {
        r = err_set(&err, ERR_MANIFEST, "entry '%s': link '%s' leads out of '%s' (to '%s')", entry->path,
                    found->path, entry->src, target);
        err_hint(&err, "copy what it leads to into the folder, or give it an entry of its own");
        fail(fill, r, &err);
        return;
    }
    job = job_take(fill, path);
    r = channel_symlink(fill->channel, path, target, on_done, job, &job->call, &err);
    if (r < 0)
        job_fail(job, r, &err);
    else
        fill->report.links++;
}

/* A skill is there to be read and run. */
static uint32_t mode_of(const struct run_entry *entry, uint32_t mode)
{
    return entry->is_skill ? (mode & 0555) | 0444 : mode;
}

/* One thing found in a copied folder. */
static void put_found(struct workspace_fill *fill, const struct run_entry *entry,
                      const struct walk_entry *found)
{
    uint32_t mode = mode_of(entry, found->st.st_mode & 0777);
    char path[WALK_PATH_MAX];
    struct err err = { 0 };
    int fd, n, r;

    n = snprintf(path, sizeof(path), "%s/%s", entry->path, found->path);
    if (n < 0 || (size_t) n >= sizeof(path)) {
        r = err_set(&err, ERR_TOO_LARGE, "entry '%s': the path of '%s' is too long", entry->path,
                    found->path);
        fail(fill, r, &err);
        return;
    }
    if (S_ISDIR(found->st.st_mode)) {
        put_folder(fill, path, mode);
    } else if (S_ISLNK(found->st.st_mode)) {
        put_link(fill, entry, path, found);
    } else if (S_ISREG(found->st.st_mode)) {
        fd = openat(found->dir_fd, found->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
            put_file(fill, path, fd, (struct span){ 0 }, mode);
            return;
        }
        r = err_errno(&err, ERR_IO, "entry '%s': opening '%s/%s'", entry->path, entry->src, found->path);
        fail(fill, r, &err);
    } else {
        r = err_set(&err, ERR_MANIFEST,
                    "entry '%s': '%s/%s' is a socket, device or pipe, which cannot be copied", entry->path,
                    entry->src, found->path);
        fail(fill, r, &err);
    }
}

static void walk_end(struct workspace_fill *fill)
{
    walk_free(fill->walk);
    fill->walk = NULL;
    if (fill->root_fd >= 0)
        (void) close(fill->root_fd); /* only read from */
    fill->root_fd = -1;
}

static void begin_folder(struct workspace_fill *fill, const struct run_entry *entry)
{
    struct stat st;
    struct err err = { 0 };
    int r = 0;

    fill->root_fd = open(entry->src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fill->root_fd < 0 || fstat(fill->root_fd, &st) < 0)
        r = err_errno(&err, ERR_IO, "entry '%s': opening folder '%s'", entry->path, entry->src);
    if (r == 0)
        r = walk_new(fill->root_fd, &fill->walk, &err);
    if (r < 0) {
        fail(fill, r, &err);
        return;
    }
    put_folder(fill, entry->path,
               mode_of(entry, entry->mode >= 0 ? (uint32_t) entry->mode : st.st_mode & 0777));
}

static void begin_local_file(struct workspace_fill *fill, const struct run_entry *entry)
{
    int fd = open(entry->src, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    struct err err = { 0 };

    if (fd < 0 || fstat(fd, &st) < 0) {
        err_errno(&err, ERR_IO, "entry '%s': opening '%s'", entry->path, entry->src);
    } else if (!S_ISREG(st.st_mode)) {
        err_set(&err, ERR_MANIFEST, "entry '%s': '%s' is not a file", entry->path, entry->src);
    } else {
        put_file(fill, entry->path, fd, (struct span){ 0 },
                 entry->mode >= 0 ? (uint32_t) entry->mode : st.st_mode & 0777);
        return;
    }
    if (fd >= 0)
        (void) close(fd); /* only read from */
    fail(fill, -(int) err.code, &err);
}

static void begin_entry(struct workspace_fill *fill, const struct run_entry *entry)
{
    if (entry->mount)
        return;
    switch (entry->kind) {
    case RUN_ENTRY_DIR:
        put_folder(fill, entry->path, entry->mode >= 0 ? (uint32_t) entry->mode : 0755);
        break;
    case RUN_ENTRY_FILE:
        put_file(fill, entry->path, -1, entry->content, entry->mode >= 0 ? (uint32_t) entry->mode : 0644);
        break;
    case RUN_ENTRY_LOCAL_FILE:
        begin_local_file(fill, entry);
        break;
    case RUN_ENTRY_LOCAL_DIR:
        begin_folder(fill, entry);
        break;
    }
}

static void put_late_mode(struct workspace_fill *fill)
{
    struct late_mode *late = fill->late;
    struct job *job = job_take(fill, late->path);
    struct err err = { 0 };
    int r = channel_mkdir(fill->channel, late->path, late->mode, on_done, job, &job->call, &err);

    if (r < 0)
        job_fail(job, r, &err);
    fill->late = late->next;
    free(late);
}

/* Start the next thing there is to do. False: nothing is left. */
static bool step(struct workspace_fill *fill)
{
    struct walk_entry found;
    struct err err = { 0 };
    int r;

    if (fill->walk) {
        r = walk_next(fill->walk, &found, &err);
        if (r > 0)
            put_found(fill, &fill->entries[fill->at - 1], &found);
        else
            walk_end(fill);
        if (r < 0) {
            err_wrap(&err, "entry '%s'", fill->entries[fill->at - 1].path);
            fail(fill, r, &err);
        }
        return true;
    }
    if (fill->at < fill->count) {
        begin_entry(fill, &fill->entries[fill->at++]);
        return true;
    }
    if (!fill->late || fill->open > 0)
        return false;
    put_late_mode(fill);
    return true;
}

/* Files whose last slice ended early go on here. */
static bool feed_open(struct workspace_fill *fill)
{
    bool has_more = false;

    for (size_t i = 0; i < JOBS_MAX; i++)
        if (fill->is_busy[i] && fill->jobs[i].is_file && !fill->jobs[i].has_ended_input)
            has_more |= job_feed(&fill->jobs[i]);
    return has_more;
}

static void finish(struct workspace_fill *fill)
{
    struct err err = { 0 };
    int r;

    loop_source_free(fill->soon);
    fill->soon = NULL;
    fill->is_over = true;
    if (fill->result == 0) {
        r = inputs_end(fill->inputs, &fill->report.inputs, &err);
        fill->report.input_count = fill->count;
        if (r < 0)
            fail(fill, r, &err);
    }
    fill->fn(fill->data, fill->result, &fill->report, fill->result < 0 ? &fill->err : NULL);
}

static void pump(void *data)
{
    struct workspace_fill *fill = data;
    bool has_more;

    loop_source_free(fill->soon);
    fill->soon = NULL;
    has_more = feed_open(fill);
    for (size_t n = 0; fill->result == 0 && fill->open < JOBS_MAX; n++) {
        if (n == SLICE_FILES) {
            has_more = true;
            break;
        }
        if (!step(fill))
            break;
    }
    if (fill->result < 0 || (fill->open == 0 && !has_more && !fill->soon)) {
        finish(fill);
        return;
    }
    if (has_more)
        pump_soon(fill);
}

int workspace_fill_start(struct loop *loop, struct channel *channel, const struct run_entry *entries,
                         size_t count, workspace_done_fn *fn, void *data, struct workspace_fill **ret,
                         struct err *err)
{
    struct workspace_fill *fill = calloc(1, sizeof(*fill));
    int r;

    if (!fill)
        return err_set(err, ERR_INTERNAL, "no memory to fill the workspace");
    fill->loop = loop;
    fill->channel = channel;
    fill->entries = entries;
    fill->count = count;
    fill->root_fd = -1;
    fill->fn = fn;
    fill->data = data;
    r = inputs_new(entries, count, &fill->inputs, err);
    if (r == 0)
        r = loop_defer(loop, pump, fill, &fill->soon, err);
    if (r < 0) {
        inputs_free(fill->inputs);
        free(fill);
        return r;
    }
    *ret = fill;
    return 0;
}

void workspace_fill_free(struct workspace_fill *fill)
{
    struct late_mode *late;

    if (!fill)
        return;
    loop_source_free(fill->soon);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (!fill->is_busy[i])
            continue;
        channel_cancel(fill->jobs[i].call);
        job_end(&fill->jobs[i]);
    }
    while ((late = fill->late)) {
        fill->late = late->next;
        free(late);
    }
    walk_end(fill);
    inputs_free(fill->inputs);
    free(fill);
}

static int check_entry(const struct run_entry *entry, struct err *err)
{
    bool wants_folder = entry->kind == RUN_ENTRY_LOCAL_DIR;
    struct stat st;

    if (!entry->src)
        return 0;
    if (stat(entry->src, &st) < 0)
        return err_errno(err, ERR_MANIFEST, "entry '%s': '%s'", entry->path, entry->src);
    if (wants_folder != !!S_ISDIR(st.st_mode) || (!wants_folder && !S_ISREG(st.st_mode)))
        return err_set(err, ERR_MANIFEST, "entry '%s': '%s' is not a %s", entry->path, entry->src,
                       wants_folder ? "folder" : "file");
    if (!entry->mount && access(entry->src, wants_folder ? R_OK | X_OK : R_OK) < 0)
        return err_errno(err, ERR_MANIFEST, "entry '%s': '%s' cannot be read", entry->path, entry->src);
    return 0;
}

int workspace_check(const struct run_entry *entries, size_t count, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++)
        r = check_entry(&entries[i], err);
    return r;
}
