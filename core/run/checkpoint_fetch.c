/* SPDX-License-Identifier: MIT */
#include "core/run/checkpoint_fetch.h"

#include "core/sandbox/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX    32
#define SMALL_BYTES (1024 * 1024)      /* held whole in memory, so that several are on their way at once */
#define HELD_BYTES  (4 * 1024 * 1024)  /* all of them together */
#define ZERO_BYTES  (32 * 1024 * 1024) /* of a hole, before the loop gets its turn */
#define QUEUE_BYTES \
    (2 * 1024 * 1024) /* a window: what the guest may still send while a hole is dealt with, and more */

/* What is asked of one file. */
struct job {
    struct checkpoint_fetch *fetch;
    struct channel_call *call;
    size_t at; /* its item */
    char *bytes;
    int64_t received;
};

/* So many zeros and then so many bytes of the queue. */
struct stretch {
    int64_t zeros;
    size_t bytes;
};

/* The large file that is read. Holes take time; what comes behind them waits. */
struct stream {
    bool is_on, has_begun, is_ended;
    int64_t size, received;
    int64_t zeros;     /* to be stored before anything of the queue */
    struct buf queue;  /* bytes */
    struct buf pieces; /* struct stretch */
};

enum phase { PHASE_ASK, PHASE_READ, PHASE_OVER };

struct checkpoint_fetch {
    struct loop *loop;
    struct channel *channel;
    struct checkpoint_store *store;
    struct found *found;
    struct checkpoint_writer *writer;
    enum phase phase;
    size_t at; /* the item that is looked at next */
    struct job jobs[JOBS_MAX];
    bool is_busy[JOBS_MAX];
    size_t open;
    size_t held_bytes;
    struct stream stream;
    int64_t *large; /* sizes of large files, sorted: those that come twice are asked for a checksum */
    size_t large_count;
    struct loop_source *soon;
    checkpoint_fetch_fn *fn;
    void *data;
    int result;
    struct err err;
};

static void pump(void *data);

static void fail(struct checkpoint_fetch *f, int result, const struct err *err)
{
    if (f->result < 0)
        return;
    f->result = result;
    f->err = *err;
}

static void pump_soon(struct checkpoint_fetch *f)
{
    struct err err = { 0 };

    if (!f->soon && f->phase != PHASE_OVER && loop_defer(f->loop, pump, f, &f->soon, &err) < 0)
        fail(f, -(int) err.code, &err);
}

/* ---- jobs ---- */

static struct job *job_take(struct checkpoint_fetch *f, size_t at)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (f->is_busy[i])
            continue;
        f->jobs[i] = (struct job){ .fetch = f, .at = at };
        f->is_busy[i] = true;
        f->found->items[at].is_busy = true;
        f->open++;
        return &f->jobs[i];
    }
    return NULL;
}

/* Its bytes are another's now. */
static void job_let_go(struct job *job)
{
    if (job->bytes)
        job->fetch->held_bytes -= (size_t) job->fetch->found->items[job->at].size;
    job->bytes = NULL;
}

static void job_end(struct job *job)
{
    struct checkpoint_fetch *f = job->fetch;

    free(job->bytes);
    job_let_go(job);
    job->call = NULL;
    f->found->items[job->at].is_busy = false;
    f->is_busy[job - f->jobs] = false;
    f->open--;
}

/* The guest would not. Only a lost sandbox ends all. */
static void job_refused(struct job *job, int result, const struct err *err)
{
    struct checkpoint_fetch *f = job->fetch;
    size_t other = SIZE_MAX;

    if (result == -ERR_ENGINE)
        fail(f, result, err);
    else if (err->errnum == EACCES || err->errnum == EPERM)
        found_refuse(f->found, job->at, "a file that may not be read");
    else if (result == -ERR_NOT_FOUND || result == -ERR_INVALID || result == -ERR_CONFLICT)
        other = found_lose(f->found, job->at); /* gone, or something else is there now */
    else
        found_refuse(f->found, job->at, "a file that cannot be read");
    if (other < f->at)
        f->at = other;
}

/* ---- what is known ---- */

static bool is_known(struct checkpoint_fetch *f, struct found_item *item)
{
    if (item->size == 0)
        item->is_known = true;
    if (!item->is_known && item->sha256[0])
        item->is_known = checkpoint_size_of(f->store, item->sha256) == item->size;
    return item->is_known;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

    return x < y ? -1 : x > y;
}

static int large_collect(struct checkpoint_fetch *f, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < f->found->count; i++)
        n += f->found->items[i].kind == FOUND_FILE && f->found->items[i].size > SMALL_BYTES;
    f->large = calloc(n + 1, sizeof(*f->large));
    if (!f->large)
        return err_set(err, ERR_INTERNAL, "no memory to take a checkpoint");
    for (size_t i = 0; i < f->found->count; i++)
        if (f->found->items[i].kind == FOUND_FILE && f->found->items[i].size > SMALL_BYTES)
            f->large[f->large_count++] = f->found->items[i].size;
    if (n > 0)
        qsort(f->large, n, sizeof(*f->large), by_size);
    return 0;
}

static bool has_twin(const struct checkpoint_fetch *f, int64_t size)
{
    const int64_t *p =
        f->large_count > 0 ? bsearch(&size, f->large, f->large_count, sizeof(*f->large), by_size) : NULL;

    return p && ((p > f->large && p[-1] == size) || (p + 1 < f->large + f->large_count && p[1] == size));
}

static void on_sum(void *data, int result, const uint8_t sum[32], const struct err *err)
{
    struct job *job = data;
    struct checkpoint_fetch *f = job->fetch;
    struct found_item *item = &f->found->items[job->at];

    if (result < 0)
        job_refused(job, result, err);
    else
        digest_hex(sum, item->sha256);
    job_end(job);
    pump_soon(f);
}

/* False: nothing can be started now. */
static bool ask_one(struct checkpoint_fetch *f)
{
    struct found_item *item = &f->found->items[f->at];
    struct err err = { 0 };
    struct job *job;
    int r;

    if (item->kind == FOUND_FILE && !item->is_busy && !item->sha256[0] && !is_known(f, item) &&
        (checkpoint_has_size(f->store, item->size) || has_twin(f, item->size))) {
        if (f->open == JOBS_MAX)
            return false;
        job = job_take(f, f->at);
        r = channel_checksum(f->channel, item->path, on_sum, job, &job->call, &err);
        if (r < 0) {
            fail(f, r, &err);
            job_end(job);
        }
    }
    f->at++;
    return true;
}

/* ---- small files ---- */

static int writer_begin(struct checkpoint_fetch *f, struct err *err)
{
    return f->writer ? 0 : checkpoint_begin(f->store, &f->writer, err);
}

static void keep_whole(struct job *job)
{
    struct checkpoint_fetch *f = job->fetch;
    struct found_item *item = &f->found->items[job->at];
    struct err err = { 0 };
    int r = writer_begin(f, &err);

    if (r == 0) {
        r = checkpoint_content_take(f->writer, job->bytes, item->size, item->sha256, &err);
        job_let_go(job);
    }
    if (r < 0)
        fail(f, r, &err);
    item->is_known = true;
}

static void small_end(struct job *job)
{
    struct checkpoint_fetch *f = job->fetch;

    job_end(job);
    pump_soon(f);
}

static void small_advance(struct job *job, uint64_t len)
{
    int64_t size = job->fetch->found->items[job->at].size;

    if (len <= (uint64_t) (size - job->received)) {
        job->received += (int64_t) len;
        return;
    }
    job->received = size;
    channel_cancel(job->call); /* it grows: it might do so for ever */
    keep_whole(job);
    small_end(job);
}

static void on_small_chunk(void *data, struct span chunk)
{
    struct job *job = data;
    size_t left = (size_t) (job->fetch->found->items[job->at].size - job->received);

    memcpy(job->bytes + job->received, chunk.ptr, chunk.len < left ? chunk.len : left);
    small_advance(job, chunk.len);
}

static void on_small_hole(void *data, uint64_t len)
{
    struct job *job = data;
    uint64_t left = (uint64_t) (job->fetch->found->items[job->at].size - job->received);

    memset(job->bytes + job->received, 0, (size_t) (len < left ? len : left));
    small_advance(job, len);
}

static void on_small_done(void *data, int result, const struct guest_stat *st, const struct err *err)
{
    struct job *job = data;

    (void) st; /* what has changed since is told by the next scan */
    if (result < 0)
        job_refused(job, result, err);
    else { /* it may have become shorter */
        memset(job->bytes + job->received, 0,
               (size_t) (job->fetch->found->items[job->at].size - job->received));
        keep_whole(job);
    }
    small_end(job);
}

static const struct file_read_ops small_ops = { on_small_chunk, on_small_hole, on_small_done };

static void read_small(struct checkpoint_fetch *f, size_t at)
{
    struct job *job = job_take(f, at);
    const struct found_item *item = &f->found->items[at];
    struct err err = { 0 };
    int r = 0;

    job->bytes = malloc((size_t) item->size);
    if (!job->bytes)
        r = err_set(&err, ERR_INTERNAL, "no memory to take a checkpoint");
    else
        f->held_bytes += (size_t) item->size;
    if (r == 0)
        r = channel_read(f->channel, item->path, &small_ops, job, &job->call, &err);
    if (r < 0) {
        fail(f, r, &err);
        job_end(job);
    }
}

/* ---- a large file ---- */

static void stream_queue(struct checkpoint_fetch *f, int64_t zeros, struct span bytes)
{
    struct stream *s = &f->stream;
    struct stretch *last =
        s->pieces.len > 0 ? (struct stretch *) (void *) (s->pieces.data + s->pieces.len) - 1 : NULL;
    struct err err = { 0 };
    int r = 0;

    if (last && (zeros == 0 || last->bytes == 0))
        last->zeros += zeros;
    else {
        r = buf_add(&s->pieces, &(struct stretch){ .zeros = zeros }, sizeof(*last));
        last = r == 0 ? (struct stretch *) (void *) (s->pieces.data + s->pieces.len) - 1 : NULL;
    }
    if (r == 0)
        r = buf_add_span(&s->queue, bytes);
    if (r == 0)
        last->bytes += bytes.len;
    else
        fail(f, r,
             (err_set(&err, (enum err_code) - r, "the sandbox sends more than it has credit for"), &err));
}

static int stream_begin(struct checkpoint_fetch *f, struct err *err)
{
    int r = f->stream.has_begun ? 0 : writer_begin(f, err);

    if (r == 0 && !f->stream.has_begun)
        r = checkpoint_content_begin(f->writer, f->stream.size, err);
    f->stream.has_begun = true;
    return r;
}

/* So much of what came is still within the size that was said. The rest is cut off, and with it whatever
 * follows. */
static uint64_t stream_cut(struct job *job, uint64_t len)
{
    struct stream *s = &job->fetch->stream;
    uint64_t left = (uint64_t) (s->size - s->received);

    if (len > left) {
        len = left;
        channel_cancel(job->call);
        job->call = NULL;
        s->is_ended = true;
        pump_soon(job->fetch);
    }
    s->received += (int64_t) len;
    return len;
}

static void on_large_chunk(void *data, struct span chunk)
{
    struct job *job = data;
    struct checkpoint_fetch *f = job->fetch;
    struct err err = { 0 };
    int r;

    chunk.len = (size_t) stream_cut(job, chunk.len);
    if (f->result < 0 || chunk.len == 0)
        return;
    if (f->stream.zeros > 0) {
        stream_queue(f, 0, chunk);
        return;
    }
    r = stream_begin(f, &err);
    if (r == 0)
        r = checkpoint_content_add(f->writer, chunk, &err);
    if (r < 0) {
        fail(f, r, &err);
        pump_soon(f);
    }
}

static void on_large_hole(void *data, uint64_t len)
{
    struct job *job = data;
    struct checkpoint_fetch *f = job->fetch;
    struct err err = { 0 };
    int r;

    len = stream_cut(job, len);
    if (f->stream.zeros > 0) {
        stream_queue(f, (int64_t) len, span_make(NULL, 0));
        return;
    }
    f->stream.zeros = (int64_t) len;
    r = len > 0 ? stream_begin(f, &err) : 0;
    if (r < 0)
        fail(f, r, &err);
    if (job->call)
        channel_read_hold(job->call, true);
    pump_soon(f);
}

static void on_large_done(void *data, int result, const struct guest_stat *st, const struct err *err)
{
    struct job *job = data;

    (void) st; /* what has changed since is told by the next scan */
    job->call = NULL;
    job->fetch->stream.is_ended = true;
    if (result < 0)
        job_refused(job, result, err);
    pump_soon(job->fetch);
}

static const struct file_read_ops large_ops = { on_large_chunk, on_large_hole, on_large_done };

static void read_large(struct checkpoint_fetch *f, size_t at)
{
    struct job *job = job_take(f, at);
    const struct found_item *item = &f->found->items[at];
    struct err err = { 0 };
    int r;

    f->stream.is_on = true;
    f->stream.has_begun = f->stream.is_ended = false;
    f->stream.size = item->size;
    f->stream.received = f->stream.zeros = 0;
    r = channel_read(f->channel, item->path, &large_ops, job, &job->call, &err);
    if (r < 0)
        fail(f, r, &err);
}

/* Of a file that was refused nobody will ask for the content again. */
static void stream_end(struct checkpoint_fetch *f)
{
    struct job *job = &f->jobs[0];
    struct found_item *item = &f->found->items[job->at];
    char sum[DIGEST_HEX];
    struct err err = { 0 };
    int r = checkpoint_content_end(f->writer, sum, &err);

    if (r < 0)
        fail(f, r, &err);
    else if (item->kind == FOUND_FILE) {
        memcpy(item->sha256, sum, DIGEST_HEX);
        item->is_known = true;
    }
    f->stream.is_on = false;
    job_end(job);
}

/* What waited behind a hole. */
static int stream_next(struct checkpoint_fetch *f, struct err *err)
{
    struct stream *s = &f->stream;
    struct stretch piece;
    size_t used = 0, bytes = 0;
    int r = 0;

    while (r == 0 && s->zeros == 0 && used < s->pieces.len) {
        memcpy(&piece, s->pieces.data + used, sizeof(piece));
        if (piece.zeros > 0) { /* then its bytes */
            s->zeros = piece.zeros;
            piece.zeros = 0;
            memcpy(s->pieces.data + used, &piece, sizeof(piece));
            break;
        }
        if (piece.bytes > 0)
            r = checkpoint_content_add(f->writer, span_make(s->queue.data + bytes, piece.bytes), err);
        bytes += piece.bytes;
        used += sizeof(piece);
    }
    buf_drop(&s->queue, bytes);
    buf_drop(&s->pieces, used);
    return r;
}

/* All that came is stored. What is missing are zeros; of a file that was refused at once, nothing is. */
static void stream_finish(struct checkpoint_fetch *f)
{
    struct stream *s = &f->stream;
    struct err err = { 0 };
    int r = 0;

    if (!s->has_begun && f->found->items[f->jobs[0].at].kind != FOUND_FILE) {
        s->is_on = false;
        job_end(&f->jobs[0]);
    } else if (s->received < s->size) {
        r = stream_begin(f, &err);
        s->zeros = s->size - s->received;
        s->received = s->size;
    } else {
        stream_end(f);
    }
    if (r < 0)
        fail(f, r, &err);
    pump_soon(f);
}

/* A slice of a hole. */
static void stream_step(struct checkpoint_fetch *f)
{
    struct stream *s = &f->stream;
    struct job *job = &f->jobs[0];
    int64_t n = s->zeros < ZERO_BYTES ? s->zeros : ZERO_BYTES;
    struct err err = { 0 };
    int r = n > 0 ? checkpoint_content_zeros(f->writer, n, &err) : 0;

    s->zeros -= n;
    if (r == 0 && s->zeros == 0)
        r = stream_next(f, &err);
    if (r < 0)
        fail(f, r, &err);
    if (r < 0 || s->zeros > 0) {
        pump_soon(f);
        return;
    }
    if (job->call)
        channel_read_hold(job->call, false);
    else if (s->is_ended)
        stream_finish(f);
}

/* ---- the order of things ---- */

/* Has a file that came just before the same content? */
static bool is_twin(struct checkpoint_fetch *f, struct found_item *item)
{
    if (!item->sha256[0] || !has_twin(f, item->size))
        return false;
    for (size_t i = 0; i < f->at; i++) {
        const struct found_item *other = &f->found->items[i];

        if (other->kind == FOUND_FILE && other->is_known && other->size == item->size &&
            strcmp(other->sha256, item->sha256) == 0) {
            item->is_known = true;
            return true;
        }
    }
    return false;
}

/* False: nothing can be started now. */
static bool read_one(struct checkpoint_fetch *f)
{
    struct found_item *item = &f->found->items[f->at];

    if (item->kind == FOUND_FILE && !item->is_busy && !is_known(f, item) && !is_twin(f, item)) {
        if (f->open == JOBS_MAX || f->stream.is_on)
            return false;
        if (item->size > SMALL_BYTES) {
            if (f->open > 0)
                return false;
            read_large(f, f->at++);
            return false;
        }
        if (f->held_bytes + (size_t) item->size > HELD_BYTES)
            return false;
        read_small(f, f->at);
    }
    f->at++;
    return true;
}

static void work(struct checkpoint_fetch *f)
{
    bool (*one)(struct checkpoint_fetch *) = f->phase == PHASE_ASK ? ask_one : read_one;

    while (f->result == 0 && f->at < f->found->count && one(f))
        ;
    if (f->open > 0 || f->at < f->found->count)
        return;
    f->phase = f->phase == PHASE_ASK ? PHASE_READ : PHASE_OVER;
    f->at = 0;
}

static void pump(void *data)
{
    struct checkpoint_fetch *f = data;

    loop_source_free(f->soon);
    f->soon = NULL;
    if (f->result == 0 && f->stream.is_on)
        stream_step(f);
    do
        work(f);
    while (f->result == 0 && f->open == 0 && f->phase != PHASE_OVER);
    if (f->result == 0 && f->phase != PHASE_OVER)
        return;
    f->phase = PHASE_OVER;
    loop_source_free(f->soon);
    f->soon = NULL;
    f->fn(f->data, f->result, f->result < 0 ? &f->err : NULL);
}

int checkpoint_fetch_start(struct loop *loop, struct channel *channel, struct checkpoint_store *store,
                           struct found *found, checkpoint_fetch_fn *fn, void *data,
                           struct checkpoint_fetch **ret, struct err *err)
{
    struct checkpoint_fetch *f = calloc(1, sizeof(*f));
    int r;

    if (!f)
        return err_set(err, ERR_INTERNAL, "no memory to take a checkpoint");
    f->loop = loop;
    f->channel = channel;
    f->store = store;
    f->found = found;
    f->fn = fn;
    f->data = data;
    buf_init(&f->stream.queue, QUEUE_BYTES);
    buf_init(&f->stream.pieces, QUEUE_BYTES * 2);
    r = large_collect(f, err);
    if (r == 0)
        r = loop_defer(loop, pump, f, &f->soon, err);
    if (r < 0) {
        free(f->large);
        free(f);
        return r;
    }
    *ret = f;
    return 0;
}

struct checkpoint_writer *checkpoint_fetch_writer(struct checkpoint_fetch *f)
{
    struct checkpoint_writer *w = f->writer;

    f->writer = NULL;
    return w;
}

void checkpoint_fetch_free(struct checkpoint_fetch *f)
{
    if (!f)
        return;
    loop_source_free(f->soon);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (!f->is_busy[i])
            continue;
        channel_cancel(f->jobs[i].call);
        job_end(&f->jobs[i]);
    }
    checkpoint_drop(f->writer);
    buf_done(&f->stream.queue);
    buf_done(&f->stream.pieces);
    free(f->large);
    free(f);
}
