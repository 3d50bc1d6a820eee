/* SPDX-License-Identifier: MIT */
/*
 * Collecting outputs: ask what each path is, stage everything beside its target,
 * and only when all of it is there put it in place.
 */
#include "core/run/outputs.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/units.h"
#include "core/run/generated.h"
#include "core/run/hidden.h"
#include "core/run/output_digest.h"
#include "core/run/stage.h"
#include "core/sandbox/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX        32
#define FILES_MAX       200000      /* of one output */
#define FOLDER_PATH_MAX (64 * 1024) /* whatever the channel lets through */
#define LIST_MAX        (64 * 1024 * 1024)

/* A file of an output: where it is inside, and its digest once read. */
struct output_file {
    char *path;      /* beneath the workspace root */
    const char *rel; /* the same, beneath the output's folder; "" for a single file */
    uint64_t size;
    uint32_t mode;
    char sha256[DIGEST_HEX];
};

struct collected {
    struct outputs *owner;
    struct output_report report;
    struct stage *stage; /* NULL: nothing to put in place */
    struct output_file *files;
    size_t file_count, file_cap;
    uint64_t listed_bytes;
    size_t folders;     /* made or to be made */
    struct buf deepest; /* path of the folder listed last */
    struct buf list;    /* report.list */
    struct hidden hidden;
};

struct job {
    struct outputs *owner;
    struct collected *output;
    struct output_file *file;
    struct channel_call *call;
    struct stage_file *target;
    uint64_t received;
};

enum phase { PHASE_LOOK, PHASE_READ, PHASE_PLACE, PHASE_OVER };

struct outputs {
    struct loop *loop;
    struct channel *channel;
    struct collected *list;
    size_t count;
    const struct outputs_ops *ops;
    void *data;
    enum phase phase;
    size_t at;      /* the output that is looked at or read */
    size_t file_at; /* its file that is read next */
    struct channel_call *look;
    struct job jobs[JOBS_MAX];
    bool is_busy[JOBS_MAX];
    size_t open;
    uint64_t bytes_max; /* of each output */
    const struct run_state *state;
    struct loop_source *soon;
    int result;     /* -ERR_ENGINE: the sandbox is lost; -ERR_OUTPUT */
    struct err err; /* the first failure */
};

static void pump(void *data);

static void pump_soon(struct outputs *o)
{
    if (o->soon || o->phase == PHASE_OVER)
        return;
    if (loop_defer(o->loop, pump, o, &o->soon, &o->err) < 0 && o->result == 0)
        o->result = -ERR_INTERNAL;
}

/* One output failed; the others are still looked at, so that all problems are told at once. */
static void output_fail(struct collected *c, int result, const struct err *err)
{
    struct outputs *o = c->owner;

    if (c->report.result == 0) {
        c->report.err = *err;
        if (result != -ERR_ENGINE)
            err_recode(&c->report.err, ERR_OUTPUT);
        err_wrap(&c->report.err, "output '%s'", c->report.output->path);
        c->report.result = -ERR_OUTPUT;
    }
    if (o->result == 0) {
        o->result = result == -ERR_ENGINE ? -ERR_ENGINE : -ERR_OUTPUT;
        o->err = c->report.err;
    }
}

/* ---- what is there ---- */

static int too_large(const struct outputs *o, struct err *err)
{
    char size[32];

    err_set(err, ERR_TOO_LARGE, "its files add up to more than the workspace can hold, %s",
            units_format_size(size, (int64_t) o->bytes_max));
    return err_hint(err,
                    "holes of sparse files and each hard link count in full: pack them in the sandbox, or "
                    "raise workspace.size");
}

static int file_add(struct collected *c, struct span path, const struct guest_stat *st, struct err *err)
{
    size_t prefix = strlen(c->report.output->path), cap = c->file_cap ? c->file_cap * 2 : 16;
    struct output_file *files = c->files;

    if (c->file_count == FILES_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d files", FILES_MAX);
    if (st->size > c->owner->bytes_max - c->listed_bytes)
        return too_large(c->owner, err);
    c->listed_bytes += st->size;
    if (c->file_count == c->file_cap) {
        files = realloc(c->files, cap * sizeof(*files));
        if (!files)
            return err_set(err, ERR_INTERNAL, "no memory for the list of files");
        c->files = files;
        c->file_cap = cap;
    }
    files[c->file_count] = (struct output_file){ .size = st->size, .mode = st->mode & 0777 };
    files[c->file_count].path = strndup(path.ptr, path.len);
    if (!files[c->file_count].path)
        return err_set(err, ERR_INTERNAL, "no memory for the list of files");
    files[c->file_count].rel = files[c->file_count].path + (path.len > prefix ? prefix + 1 : prefix);
    c->file_count++;
    c->report.files++;
    return 0;
}

/* A walk tells parents first, so an honest folder is one name more than what was there before it. A guest
 * that lists deep ones only has each name of them made, and counted. */
static int folder_add(struct collected *c, struct span path, struct err *err)
{
    size_t prefix = strlen(c->report.output->path), same = 0;
    struct span last = buf_span(&c->deepest);

    while (same < last.len && same < path.len && last.ptr[same] == path.ptr[same])
        same++;
    while (same > prefix && same < path.len && path.ptr[same] != '/') /* within a name */
        same--;
    for (size_t i = same > prefix ? same : prefix; i < path.len; i++)
        c->folders += path.ptr[i] == '/';
    if (c->folders > FILES_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d folders", FILES_MAX);
    buf_clear(&c->deepest);
    if (buf_add_span(&c->deepest, path) < 0)
        return err_set(err, ERR_INTERNAL, "no memory for the list of files");
    return stage_folder(c->stage, path.ptr + prefix + 1, path.len - prefix - 1, err);
}

/* A listed path comes from inside: it must lie beneath the output, without tricks. */
static int check_listed(const struct collected *c, struct span path, struct err *err)
{
    const char *top = c->report.output->path;
    size_t prefix = strlen(top);

    if (memchr(path.ptr, '\0', path.len) || path.len <= prefix + 1 || memcmp(path.ptr, top, prefix) != 0 ||
        path.ptr[prefix] != '/')
        return err_set(err, ERR_INVALID, "the sandbox listed a path that is not beneath it");
    for (const char *p = path.ptr, *end = path.ptr + path.len, *next; p < end; p = next + 1) {
        next = memchr(p, '/', (size_t) (end - p));
        if (!next)
            next = end;
        if (next == p || (next - p == 1 && *p == '.') || (next - p == 2 && p[0] == '.' && p[1] == '.'))
            return err_set(err, ERR_INVALID, "the sandbox listed a path that is not beneath it");
    }
    return 0;
}

static void on_entry(void *data, struct span path, const struct guest_stat *st, struct span link_target)
{
    struct collected *c = data;
    struct err err = { 0 };
    int r = check_listed(c, path, &err);

    (void) link_target; /* never used: links are refused */
    if (r == 0 && c->report.output->is_hidden_refused)
        hidden_look(&c->hidden, c->report.output->path, path);
    if (r == 0 && c->hidden.count > 0)
        return; /* nothing of it is taken, so nothing else in it counts */
    if (r == 0 && st->kind == GUEST_DIR)
        r = folder_add(c, path, &err);
    else if (r == 0 && st->kind == GUEST_FILE)
        r = file_add(c, path, st, &err);
    else if (r == 0)
        r = err_set(&err, ERR_OUTPUT, "'" SPAN_FMT "' is a %s, which is not collected", SPAN_ARG(path),
                    st->kind == GUEST_LINK ? "link" : "special file");
    if (r < 0)
        output_fail(c, r, &err);
}

/* Not a failure of the others. */
static void leave_out_hidden(struct collected *c)
{
    struct err *err = &c->report.err;

    if (c->report.result < 0 || hidden_refuse(&c->hidden, err) == 0)
        return;
    err_wrap(err, "output '%s'", c->report.output->path);
    c->report.result = -ERR_OUTPUT;
    c->report.is_left_out = true;
    c->report.files = 0;
    stage_free(TAKE_PTR(c->stage));
}

static void on_listed(void *data, int result, const struct err *err)
{
    struct collected *c = data;
    struct outputs *o = c->owner;

    o->look = NULL;
    if (result < 0)
        output_fail(c, result, err);
    else
        leave_out_hidden(c);
    o->at++;
    pump_soon(o);
}

static const struct file_list_ops list_ops = { on_entry, on_listed };

/* What the declared path is: a file, a folder to be listed, not there, or nothing that we take. */
static int found(struct collected *c, const struct guest_stat *st, bool *ret_listing, struct err *err)
{
    struct outputs *o = c->owner;
    const char *path = c->report.output->path;
    int r;

    if (st->kind != GUEST_FILE && st->kind != GUEST_DIR) {
        err_set(err, ERR_OUTPUT, "it is a %s, which is not collected",
                st->kind == GUEST_LINK ? "link" : "special file");
        return err_hint(err, "let the agent write a real file there");
    }
    c->report.is_folder = st->kind == GUEST_DIR;
    r = stage_new(c->report.output->to, c->report.is_folder, &c->stage, err);
    if (r < 0)
        return r;
    if (!c->report.is_folder)
        return file_add(c, span_of(path), st, err);
    *ret_listing = true;
    return channel_list(o->channel, path, true, &list_ops, c, &o->look, err);
}

static void on_stat(void *data, int result, const struct guest_stat *st, struct span link_target,
                    const struct err *err)
{
    struct collected *c = data;
    struct outputs *o = c->owner;
    bool is_listing = false;
    struct err why = { 0 };
    int r = 0;

    (void) link_target; /* never used: links are refused */
    o->look = NULL;
    if (result == -ERR_NOT_FOUND && !c->report.output->required) {
        c->report.is_missing = true;
    } else if (result == -ERR_NOT_FOUND) {
        r = err_set(&why, ERR_OUTPUT, "it is required and not there");
        err_hint(&why, "say in the task that this file must be written, or set `required: false`");
    } else if (result < 0) {
        why = *err;
        r = result;
    } else {
        r = found(c, st, &is_listing, &why);
    }
    if (r < 0)
        output_fail(c, r, &why);
    if (r == 0 && is_listing)
        return;
    o->at++;
    pump_soon(o);
}

/* Nothing of it is in the sandbox. */
static int take_generated(struct outputs *o, struct collected *c, struct err *err)
{
    struct generated found = { 0 };
    int r = o->state ? generated_collect(o->state, c->report.output, &found, &c->list, err) : 0;

    if (r < 0)
        return r;
    c->stage = found.stage;
    c->report.is_folder = found.files > 0;
    c->report.is_missing = found.files == 0;
    c->report.files = found.files;
    c->report.size = found.size;
    c->report.list = buf_span(&c->list);
    memcpy(c->report.sha256, found.sha256, DIGEST_HEX);
    return 0;
}

static void look(struct outputs *o)
{
    struct collected *c;
    struct err err = { 0 };
    int r;

    while (o->at < o->count) {
        c = &o->list[o->at];
        if (c->report.output->from) {
            r = take_generated(o, c, &err);
            if (r < 0)
                output_fail(c, r, &err);
            o->at++;
            continue;
        }
        r = channel_stat(o->channel, c->report.output->path, on_stat, c, &o->look, &err);
        if (r == 0)
            return;
        output_fail(c, r, &err);
        o->at++;
    }
    o->at = 0;
    o->phase = o->result < 0 ? PHASE_PLACE : PHASE_READ;
    pump_soon(o);
}

/* ---- reading ---- */

static void job_end(struct job *job)
{
    struct outputs *o = job->owner;

    stage_file_drop(job->target);
    job->target = NULL;
    job->call = NULL;
    o->is_busy[job - o->jobs] = false;
    o->open--;
}

static void on_chunk(void *data, struct span chunk)
{
    struct job *job = data;
    struct err err = { 0 };
    int r = 0;

    if (job->output->report.result < 0)
        return;
    job->received += chunk.len;
    /* what the sandbox says now must fit what it said before: a stream without end stops here */
    if (job->received > job->file->size)
        r = err_set(&err, ERR_OUTPUT, "'%s' changed while it was read", job->file->path);
    if (r == 0)
        r = stage_file_add(job->target, chunk, &err);
    if (r < 0)
        output_fail(job->output, r, &err);
}

static void on_read(void *data, int result, const struct guest_stat *st, const struct err *err)
{
    struct job *job = data;
    struct collected *c = job->output;
    struct err why = { 0 };
    int r = result;

    (void) st; /* the size that counts is that of the bytes that came */
    if (r < 0)
        why = *err;
    else if (job->received != job->file->size)
        r = err_set(&why, ERR_OUTPUT, "'%s' changed while it was read", job->file->path);
    if (r == 0 && c->report.result == 0) {
        r = stage_file_end(job->target, job->file->sha256, &why);
        job->target = NULL;
        c->report.size += (int64_t) job->received;
    }
    if (r < 0)
        output_fail(c, r, &why);
    job_end(job);
    pump_soon(c->owner);
}

static const struct file_read_ops read_ops = { .on_chunk = on_chunk, .on_done = on_read };

static void read_one(struct outputs *o, struct collected *c, struct output_file *file)
{
    struct err err = { 0 };
    struct job *job = NULL;
    int r;

    for (size_t i = 0; i < JOBS_MAX && !job; i++)
        if (!o->is_busy[i])
            job = &o->jobs[i];
    *job = (struct job){ .owner = o, .output = c, .file = file };
    o->is_busy[job - o->jobs] = true;
    o->open++;
    r = stage_file_begin(c->stage, file->rel, file->mode, &job->target, &err);
    if (r == 0)
        r = channel_read(o->channel, file->path, &read_ops, job, &job->call, &err);
    if (r < 0) {
        output_fail(c, r, &err);
        job_end(job);
    }
}

static void read_more(struct outputs *o)
{
    while (o->result == 0 && o->open < JOBS_MAX && o->at < o->count) {
        struct collected *c = &o->list[o->at];

        if (o->file_at < c->file_count && !c->report.is_left_out) {
            read_one(o, c, &c->files[o->file_at++]);
        } else {
            o->at++;
            o->file_at = 0;
        }
    }
    if (o->open == 0) {
        o->phase = PHASE_PLACE;
        pump_soon(o);
    }
}

/* ---- the end ---- */

static int sum_up(struct collected *c, struct err *err)
{
    struct output_digest_file *list;
    int r;

    if (!c->report.is_folder) {
        if (c->file_count == 1)
            memcpy(c->report.sha256, c->files[0].sha256, DIGEST_HEX);
        return 0;
    }
    list = calloc(c->file_count + 1, sizeof(*list));
    if (!list)
        return err_set(err, ERR_INTERNAL, "no memory for the list of files");
    for (size_t i = 0; i < c->file_count; i++)
        list[i] = (struct output_digest_file){ c->files[i].rel, c->files[i].sha256 };
    r = output_digest(list, c->file_count, c->report.sha256, err);
    if (r == 0 && output_list(list, c->file_count, &c->list) == 0)
        c->report.list = buf_span(&c->list); /* without it less can be told later, no more */
    free(list);
    return r;
}

static void place_all(struct outputs *o)
{
    struct err err = { 0 };
    int r;

    for (size_t i = 0; i < o->count && o->result == 0; i++) {
        if (o->list[i].report.is_left_out)
            continue;
        r = stage_flush(o->list[i].stage, &err);
        if (r == 0 && !o->list[i].report.output->from)
            r = sum_up(&o->list[i], &err);
        if (r < 0)
            output_fail(&o->list[i], r, &err);
    }
    for (size_t i = 0; i < o->count && o->result == 0; i++) {
        r = stage_place(o->list[i].stage, &err);
        if (r < 0)
            output_fail(&o->list[i], r, &err);
    }
}

static void finish(struct outputs *o)
{
    place_all(o);
    o->phase = PHASE_OVER;
    for (size_t i = 0; i < o->count; i++)
        if (o->result == 0 || o->list[i].report.result < 0)
            o->ops->on_output(o->data, &o->list[i].report);
    for (size_t i = 0; i < o->count && o->result == 0; i++) {
        if (!o->list[i].report.is_left_out)
            continue;
        o->result = -ERR_OUTPUT;
        o->err = o->list[i].report.err;
    }
    o->ops->on_done(o->data, o->result, o->result < 0 ? &o->err : NULL);
}

static void pump(void *data)
{
    struct outputs *o = data;

    loop_source_free(o->soon);
    o->soon = NULL;
    switch (o->phase) {
    case PHASE_LOOK:
        look(o);
        break;
    case PHASE_READ:
        read_more(o);
        break;
    case PHASE_PLACE:
        finish(o); /* may have freed us */
        break;
    case PHASE_OVER:
        break;
    }
}

int outputs_check(const struct run_output *list, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (stage_check(list[i].to, err) < 0) {
            err_recode(err, ERR_OUTPUT);
            return err_wrap(err, "output '%s'", list[i].path);
        }
    return 0;
}

int outputs_start(struct loop *loop, struct channel *channel, const struct run_output *list, size_t count,
                  const struct outputs_ops *ops, void *data, struct outputs **ret, struct err *err)
{
    struct outputs *o = calloc(1, sizeof(*o));
    int r;

    if (o)
        o->list = calloc(count ? count : 1, sizeof(*o->list));
    if (!o || !o->list) {
        free(o);
        return err_set(err, ERR_INTERNAL, "no memory to collect outputs");
    }
    o->loop = loop;
    o->channel = channel;
    o->count = count;
    o->ops = ops;
    o->data = data;
    o->bytes_max = INT64_MAX;
    for (size_t i = 0; i < count; i++)
        o->list[i] = (struct collected){ .owner = o,
                                         .report = { .output = &list[i] },
                                         .list = BUF_INIT(LIST_MAX),
                                         .deepest = BUF_INIT(FOLDER_PATH_MAX) };
    r = loop_defer(loop, pump, o, &o->soon, err);
    if (r < 0) {
        free(o->list);
        free(o);
        return r;
    }
    *ret = o;
    return 0;
}

void outputs_set_max(struct outputs *o, int64_t bytes)
{
    o->bytes_max = (uint64_t) bytes;
}

void outputs_set_state(struct outputs *o, const struct run_state *state)
{
    o->state = state;
}

void outputs_free(struct outputs *o)
{
    if (!o)
        return;
    loop_source_free(o->soon);
    channel_cancel(o->look);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (!o->is_busy[i])
            continue;
        channel_cancel(o->jobs[i].call);
        job_end(&o->jobs[i]);
    }
    for (size_t i = 0; i < o->count; i++) {
        for (size_t k = 0; k < o->list[i].file_count; k++)
            free(o->list[i].files[k].path);
        free(o->list[i].files);
        buf_done(&o->list[i].list);
        buf_done(&o->list[i].deepest);
        stage_free(o->list[i].stage);
    }
    free(o->list);
    free(o);
}
