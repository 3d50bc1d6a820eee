/* SPDX-License-Identifier: MIT */
#include "core/run/checkpoint_place.h"

#include "core/base/cleanup.h"
#include "core/sandbox/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX    32
#define COPIES_MAX  16                /* files that one large content is written to at once */
#define SMALL_BYTES (256 * 1024)      /* held whole in memory */
#define HELD_BYTES  (4 * 1024 * 1024) /* all of them together */
#define PIECE_BYTES (128 * 1024)      /* of a large one */
#define SLICE_BYTES (2 * 1024 * 1024) /* of a large one, before the loop gets its turn */

/* A small content, shared by those who write it. */
struct whole {
    size_t size, users;
    char bytes[];
};

/* A file that is written. */
struct job {
    struct checkpoint_place *place;
    struct channel_call *call;
    const struct listing_entry *file;
    struct whole *whole; /* NULL: it gets the pieces of the stream */
    size_t offset;       /* of its whole; else of the piece */
};

struct checkpoint_place {
    struct loop *loop;
    struct channel *channel;
    struct checkpoint_store *store;
    const struct listing *listing;      /* what this pass is about; the borrowed one at first */
    struct listing own, rest;           /* own: of a later pass; rest: what is left to the next */
    const struct listing_entry **files; /* those with bytes, by content */
    size_t file_count;
    struct checkpoint_reader *reader;
    bool has_all; /* it has no more */

    bool has_content; /* `content` was not dealt with yet */
    struct listing_content content;
    size_t at, end; /* its files that were not begun yet */
    struct whole *whole;
    bool is_streaming, has_ended;
    char *piece;
    size_t piece_len;
    bool is_hole; /* it is zeros only */

    struct job jobs[JOBS_MAX];
    bool is_busy[JOBS_MAX];
    size_t open, held_bytes;
    struct loop_source *soon;
    checkpoint_place_fn *fn;
    void *data;
    bool is_over;
    int result;
    struct err err;
};

static void pump(void *data);

static void fail(struct checkpoint_place *p, int result, const struct err *err)
{
    if (p->result < 0)
        return;
    p->result = result;
    p->err = *err;
}

static void pump_soon(struct checkpoint_place *p)
{
    struct err err = { 0 };

    if (!p->soon && !p->is_over && loop_defer(p->loop, pump, p, &p->soon, &err) < 0)
        fail(p, -(int) err.code, &err);
}

int checkpoint_place_explain(const char *path, struct err *err)
{
    /* EFBIG: no file of a sandbox may be larger than its workspace */
    bool is_full = err->errnum == ENOSPC || err->errnum == EDQUOT || err->errnum == EFBIG;

    if (err->code != ERR_ENGINE)
        err_recode(err, ERR_IO);
    if (is_full)
        err_hint(err, "the workspace is too small for what it held: raise workspace.size");
    return err_wrap(err, "restoring '%s'", path);
}

/* ---- jobs ---- */

static void whole_drop(struct checkpoint_place *p, struct whole *w)
{
    if (!w || --w->users > 0)
        return;
    p->held_bytes -= w->size;
    free(w);
}

static void job_end(struct job *job)
{
    struct checkpoint_place *p = job->place;

    whole_drop(p, job->whole);
    job->whole = NULL;
    job->call = NULL;
    p->is_busy[job - p->jobs] = false;
    p->open--;
}

static void on_done(void *data, int result, const struct err *err)
{
    struct job *job = data;
    struct checkpoint_place *p = job->place;
    struct err why;

    if (result < 0) {
        why = *err;
        result = checkpoint_place_explain(job->file->path, &why);
        fail(p, result, &why);
    }
    job_end(job);
    pump_soon(p);
}

/* What of `bytes` is not sent yet. True: all of it was. */
static bool job_push(struct job *job, const char *bytes, size_t len)
{
    struct err err = { 0 };
    ssize_t n = 1;

    while (job->offset < len && n > 0) {
        n = channel_write_data(job->call, span_make(bytes + job->offset, len - job->offset), &err);
        if (n > 0)
            job->offset += (size_t) n;
    }
    if (n < 0) {
        fail(job->place, checkpoint_place_explain(job->file->path, &err), &err);
        pump_soon(job->place);
    }
    return job->offset == len;
}

static void job_close(struct job *job)
{
    struct err err = { 0 };

    if (channel_write_end(job->call, &err) == 0)
        return;
    fail(job->place, checkpoint_place_explain(job->file->path, &err), &err);
    pump_soon(job->place);
}

static void on_room(void *data)
{
    struct job *job = data;

    if (!job->whole)
        pump_soon(job->place); /* all its copies get on together */
    else if (job_push(job, job->whole->bytes, job->whole->size))
        job_close(job);
}

static void begin(struct checkpoint_place *p, const struct listing_entry *file, struct whole *whole)
{
    static const struct file_write_ops ops = { on_room, on_done };
    struct err err = { 0 };
    struct job *job = NULL;
    int r;

    for (size_t i = 0; i < JOBS_MAX && !job; i++)
        if (!p->is_busy[i])
            job = &p->jobs[i];
    *job = (struct job){ .place = p, .file = file, .whole = whole };
    p->is_busy[job - p->jobs] = true;
    p->open++;
    if (whole)
        whole->users++;
    r = channel_write(p->channel, file->path, 0600, &ops, job, &job->call, &err);
    if (r < 0) {
        fail(p, checkpoint_place_explain(file->path, &err), &err);
        job_end(job);
    } else if (whole && job_push(job, whole->bytes, whole->size)) {
        job_close(job);
    }
}

/* ---- the contents, one after the other ---- */

static int by_content(const void *a, const void *b)
{
    const struct listing_entry *x = *(const struct listing_entry *const *) a;
    const struct listing_entry *y = *(const struct listing_entry *const *) b;
    int r = strcmp(x->sha256, y->sha256);

    return r ? r : strcmp(x->path, y->path);
}

static int pass_begin(struct checkpoint_place *p, struct err *err)
{
    p->files = calloc(p->listing->count + 1, sizeof(const struct listing_entry *));
    if (!p->files)
        return err_set(err, ERR_INTERNAL, "no memory to restore a checkpoint");
    p->file_count = 0;
    for (size_t i = 0; i < p->listing->count; i++)
        if (p->listing->entries[i].kind == LISTING_FILE && p->listing->entries[i].size > 0)
            p->files[p->file_count++] = &p->listing->entries[i];
    if (p->file_count > 0)
        qsort(p->files, p->file_count, sizeof(const struct listing_entry *), by_content);
    return checkpoint_reader_new(p->store, p->listing, &p->reader, err);
}

/* The next pass is about what this one left. False: it was the last. */
static bool pass_end(struct checkpoint_place *p)
{
    checkpoint_reader_free(TAKE_PTR(p->reader));
    free(p->files);
    p->files = NULL;
    listing_done(&p->own);
    p->own = p->rest;
    listing_init(&p->rest);
    p->listing = &p->own;
    p->has_all = false;
    p->is_over = p->own.count == 0;
    return !p->is_over;
}

/* Which files have this content: `at` to `end`. */
static int files_find(struct checkpoint_place *p, struct err *err)
{
    size_t low = 0, high = p->file_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(p->files[mid]->sha256, p->content.sha256) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    p->at = p->end = low;
    while (p->end < p->file_count && strcmp(p->files[p->end]->sha256, p->content.sha256) == 0) {
        if (p->files[p->end]->size != p->content.size)
            return err_set(err, ERR_INVALID, "the checkpoint says two sizes of the content of '%s'",
                           p->files[p->end]->path);
        p->end++;
    }
    return 0;
}

/* Fill `out`; the content's end is where it should be. */
static int read_whole(struct checkpoint_place *p, char *out, size_t size, struct err *err)
{
    char beyond;
    size_t got = 0;
    ssize_t n = 1;

    while (got < size && n > 0) {
        n = checkpoint_reader_read(p->reader, out + got, size - got, err);
        got += n > 0 ? (size_t) n : 0;
    }
    if (n > 0)
        n = checkpoint_reader_read(p->reader, &beyond, 1, err); /* its end: now the digest is checked */
    if (n < 0)
        return (int) n;
    if (n > 0 || got < size)
        return err_set(err, ERR_INVALID, "a content in a pack has another size than the record says");
    return 0;
}

static int whole_begin(struct checkpoint_place *p, struct err *err)
{
    size_t size = (size_t) p->content.size;
    int r;

    p->whole = malloc(sizeof(*p->whole) + size);
    if (!p->whole)
        return err_set(err, ERR_INTERNAL, "no memory to restore a checkpoint");
    p->whole->size = size;
    p->whole->users = 1; /* we */
    p->held_bytes += size;
    r = read_whole(p, p->whole->bytes, size, err);
    return r;
}

/* A large content goes to some files at once, and to the others in another pass. */
static int stream_begin(struct checkpoint_place *p, struct err *err)
{
    int r = 0;

    if (!p->piece)
        p->piece = malloc(PIECE_BYTES);
    if (!p->piece)
        return err_set(err, ERR_INTERNAL, "no memory to restore a checkpoint");
    p->is_streaming = true;
    p->has_ended = p->is_hole = false;
    p->piece_len = 0;
    for (size_t i = 0; p->at < p->end && r == 0; i++, p->at++) {
        if (i < COPIES_MAX)
            begin(p, p->files[p->at], NULL);
        else
            r = listing_put(&p->rest, p->files[p->at], err);
    }
    return r;
}

/* The present piece, or what is left of it. True: all of it was sent. */
static bool piece_push(struct job *job)
{
    struct checkpoint_place *p = job->place;
    struct err err = { 0 };
    int r;

    if (!p->is_hole || job->offset > 0)
        return job_push(job, p->piece, p->piece_len);
    r = channel_write_hole(job->call, p->piece_len, &err);
    if (r < 0) {
        fail(p, checkpoint_place_explain(job->file->path, &err), &err);
        pump_soon(p);
    }
    if (r > 0)
        job->offset = p->piece_len;
    return r > 0;
}

/* Has everybody got the present piece? */
static bool piece_is_out(struct checkpoint_place *p)
{
    bool is_out = true;

    for (size_t i = 0; i < JOBS_MAX && p->result == 0; i++)
        if (p->is_busy[i] && !piece_push(&p->jobs[i]))
            is_out = false;
    return is_out && p->result == 0;
}

static bool is_zero(const char *p, size_t len)
{
    return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

static int piece_next(struct checkpoint_place *p, struct err *err)
{
    ssize_t n = checkpoint_reader_read(p->reader, p->piece, PIECE_BYTES, err);

    if (n < 0)
        return (int) n;
    p->piece_len = (size_t) n;
    p->has_ended = n == 0;
    p->is_hole = n > 0 && is_zero(p->piece, (size_t) n);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        p->jobs[i].offset = 0;
        if (p->is_busy[i] && p->has_ended)
            job_close(&p->jobs[i]);
    }
    return 0;
}

static int stream_step(struct checkpoint_place *p, struct err *err)
{
    size_t moved = 0;
    int r = 0;

    while (r == 0 && !p->has_ended && moved < SLICE_BYTES && piece_is_out(p)) {
        r = piece_next(p, err);
        moved += p->piece_len;
    }
    if (moved >= SLICE_BYTES)
        pump_soon(p);
    if (p->has_ended && p->open == 0) {
        p->is_streaming = p->has_content = false;
        pump_soon(p);
    }
    return r;
}

/* 1: something was done, 0: there is nothing to do now, or nothing at all (is_over). */
static int step(struct checkpoint_place *p, struct err *err)
{
    int r;

    if (!p->has_content) {
        r = p->reader ? 0 : pass_begin(p, err);
        if (r == 0 && !p->has_all)
            r = checkpoint_reader_next(p->reader, &p->content, err);
        if (r < 0)
            return r;
        if (r == 0) {
            p->has_all = true;
            return p->open == 0 && pass_end(p);
        }
        p->has_content = true;
        r = files_find(p, err);
        return r < 0 ? r : 1;
    }
    if (p->content.size > SMALL_BYTES) {
        if (p->open > 0)
            return 0;
        r = stream_begin(p, err);
        pump_soon(p);
        return r;
    }
    if (!p->whole && p->held_bytes + (size_t) p->content.size > HELD_BYTES)
        return 0;
    r = p->whole ? 0 : whole_begin(p, err);
    while (r == 0 && p->at < p->end && p->open < JOBS_MAX && p->result == 0)
        begin(p, p->files[p->at++], p->whole);
    if (r < 0 || p->at < p->end)
        return r;
    whole_drop(p, TAKE_PTR(p->whole));
    p->has_content = false;
    return 1;
}

static void pump(void *data)
{
    struct checkpoint_place *p = data;
    struct err err = { 0 };
    int r = 1;

    loop_source_free(TAKE_PTR(p->soon));
    if (p->is_streaming && p->result == 0)
        r = stream_step(p, &err);
    while (r > 0 && p->result == 0 && !p->is_streaming && p->open < JOBS_MAX)
        r = step(p, &err);
    if (r < 0)
        fail(p, r, &err);
    if (p->result == 0 && !p->is_over)
        return;
    p->is_over = true;
    loop_source_free(TAKE_PTR(p->soon));
    p->fn(p->data, p->result, p->result < 0 ? &p->err : NULL);
}

int checkpoint_place_start(struct loop *loop, struct channel *channel, struct checkpoint_store *store,
                           const struct listing *listing, checkpoint_place_fn *fn, void *data,
                           struct checkpoint_place **ret, struct err *err)
{
    struct checkpoint_place *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return err_set(err, ERR_INTERNAL, "no memory to restore a checkpoint");
    p->loop = loop;
    p->channel = channel;
    p->store = store;
    p->listing = listing;
    p->fn = fn;
    p->data = data;
    listing_init(&p->own);
    listing_init(&p->rest);
    r = loop_defer(loop, pump, p, &p->soon, err);
    if (r < 0) {
        free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void checkpoint_place_free(struct checkpoint_place *p)
{
    if (!p)
        return;
    loop_source_free(p->soon);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (!p->is_busy[i])
            continue;
        channel_cancel(p->jobs[i].call);
        job_end(&p->jobs[i]);
    }
    whole_drop(p, p->whole);
    checkpoint_reader_free(p->reader);
    listing_done(&p->own);
    listing_done(&p->rest);
    free(p->files);
    free(p->piece);
    free(p);
}
