/* SPDX-License-Identifier: MIT */
/* Packs: a queue and a thread before libarchive, and members counted on the way back. */
#include "core/run/pack.h"

#include "core/base/archive.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREAD_MIN ((size_t) 1024 * 1024)     /* so much is worth a thread */
#define QUEUE_MAX  ((size_t) 4 * 1024 * 1024) /* then whoever adds waits */
#define NODE_COST  ((size_t) 64)              /* what an element takes beside its bytes, about */
#define ZEROS_STEP ((int64_t) 16 * 1024 * 1024)
#define READ_STEP  ((size_t) 128 * 1024)
#define LEVEL      1 /* of compression: the run waits for it, the disk is patient */

/* What is added travels as a list of steps. */
enum step { STEP_BEGIN, STEP_BYTES, STEP_ZEROS };

struct node {
    struct node *next;
    enum step step;
    int64_t count; /* of the member, or of zeros */
    size_t len;
    char *taken; /* the bytes, when they are not a copy */
    char copy[];
};

struct pack_writer {
    int dir_fd, fd;
    char name[64];
    int64_t members; /* begun */
    struct archive_writer *archive;
    struct digest *digest;
    int64_t size; /* of the file */

    struct node *first, **last;
    size_t queued;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool has_thread;
    bool is_over;     /* nothing is added any more */
    bool is_finished; /* and flushed */
    int failed;       /* what the first failure was; nothing is written after it */
    struct err err;
};

/* ---- the side that compresses ---- */

static int on_packed(void *data, struct span bytes, struct err *err)
{
    struct pack_writer *w = data;

    digest_add(w->digest, bytes.ptr, bytes.len);
    w->size += (int64_t) bytes.len;
    return file_write_all(w->fd, bytes.ptr, bytes.len, err);
}

static int write_begin(struct pack_writer *w, const struct node *node, struct err *err)
{
    static const struct archive_options options = { .filter = ARCHIVE_ZSTD, .level = LEVEL };
    struct archive_item item = { .kind = ARCHIVE_FILE, .mode = 0600, .size = node->count };
    char name[24];
    int r = 0;

    if (!w->archive)
        r = archive_writer_open(&w->archive, &options, on_packed, w, err);
    snprintf(name, sizeof(name), "%" PRId64, ++w->members);
    item.name = name;
    return r < 0 ? r : archive_writer_begin(w->archive, &item, err);
}

static int write_zeros(struct pack_writer *w, int64_t count, struct err *err)
{
    /* never written; const, it would take its size in the program file */
    static char zeros[64 * 1024];
    int r = 0;

    for (int64_t n; r == 0 && count > 0; count -= n) {
        n = count < (int64_t) sizeof(zeros) ? count : (int64_t) sizeof(zeros);
        r = archive_writer_add(w->archive, span_make(zeros, (size_t) n), err);
    }
    return r;
}

static int write_node(struct pack_writer *w, const struct node *node, struct err *err)
{
    switch (node->step) {
    case STEP_BEGIN:
        return write_begin(w, node, err);
    case STEP_BYTES:
        return archive_writer_add(w->archive, span_make(node->taken ? node->taken : node->copy, node->len),
                                  err);
    case STEP_ZEROS:
        return write_zeros(w, node->count, err);
    }
    return 0;
}

/* The lock is held. */
static struct node *take_node(struct pack_writer *w)
{
    struct node *node = w->first;

    if (!node)
        return NULL;
    w->first = node->next;
    if (!w->first)
        w->last = &w->first;
    return node;
}

/* What is in the queue, until it is empty. The lock is held, but not while something is written. */
static void drain(struct pack_writer *w)
{
    struct node *node;
    struct err err;

    while ((node = take_node(w)) != NULL) {
        int r = w->failed;

        (void) pthread_mutex_unlock(&w->lock);
        if (r == 0)
            r = write_node(w, node, &err);
        (void) pthread_mutex_lock(&w->lock);
        if (r < 0 && w->failed == 0) {
            w->failed = r;
            w->err = err;
        }
        w->queued -= node->len + NODE_COST;
        free(node->taken);
        free(node);
        (void) pthread_cond_broadcast(&w->changed);
    }
}

static void *compress(void *data)
{
    struct pack_writer *w = data;

    (void) pthread_mutex_lock(&w->lock);
    for (drain(w); !w->is_over; drain(w))
        (void) pthread_cond_wait(&w->changed, &w->lock);
    (void) pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- the side that adds ---- */

int pack_writer_new(int dir_fd, const char *name, struct pack_writer **ret, struct err *err)
{
    struct pack_writer *w = calloc(1, sizeof(*w));
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;

    if (!w)
        return err_set(err, ERR_INTERNAL, "no memory for a pack");
    w->dir_fd = dir_fd;
    w->last = &w->first;
    snprintf(w->name, sizeof(w->name), "%s", name);
    (void) pthread_mutex_init(&w->lock, NULL); /* default ones cannot fail */
    (void) pthread_cond_init(&w->changed, NULL);
    w->digest = digest_new();
    w->fd = openat(dir_fd, name, flags, 0600);
    if (w->fd < 0 || !w->digest) {
        int r = w->digest ? err_errno(err, ERR_IO, "making '%s'", name)
                          : err_set(err, ERR_INTERNAL, "no memory for a pack");

        pack_writer_free(w);
        return r;
    }
    *ret = w;
    return 0;
}

/* The thread has ended, and nothing is in the queue any more. */
static void settle(struct pack_writer *w)
{
    (void) pthread_mutex_lock(&w->lock);
    w->is_over = true;
    (void) pthread_cond_broadcast(&w->changed);
    if (!w->has_thread)
        drain(w);
    (void) pthread_mutex_unlock(&w->lock);
    if (w->has_thread)
        (void) pthread_join(w->thread, NULL); /* cannot fail: it is ours, and joined once */
    w->has_thread = false;
}

static void give_up(struct pack_writer *w)
{
    (void) pthread_mutex_lock(&w->lock);
    if (w->failed == 0)
        w->failed = -ERR_CANCELED;
    (void) pthread_mutex_unlock(&w->lock);
    settle(w);
}

void pack_writer_free(struct pack_writer *w)
{
    if (!w)
        return;
    if (!w->is_finished)
        give_up(w);
    archive_writer_free(w->archive);
    if (w->fd >= 0)
        (void) close(w->fd); /* given up, or flushed */
    if (w->fd >= 0 && !w->is_finished)
        (void) unlinkat(w->dir_fd, w->name, 0); /* a leftover would only take room */
    digest_free(w->digest);
    (void) pthread_cond_destroy(&w->changed);
    (void) pthread_mutex_destroy(&w->lock);
    free(w);
}

/* The lock is held. */
static int told_failure(const struct pack_writer *w, struct err *err)
{
    if (w->failed < 0 && err)
        *err = w->err;
    return w->failed;
}

/* Signals are for the thread of the loop. */
static bool start_thread(struct pack_writer *w)
{
    sigset_t all, before;
    bool is_started;

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    is_started = pthread_create(&w->thread, NULL, compress, w) == 0;
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    return is_started;
}

/* Hands `node` over; waits while there is too much already. */
static int push(struct pack_writer *w, struct node *node, struct err *err)
{
    int r;

    (void) pthread_mutex_lock(&w->lock);
    while (w->has_thread && w->queued > QUEUE_MAX)
        (void) pthread_cond_wait(&w->changed, &w->lock);
    *w->last = node;
    w->last = &node->next;
    w->queued += node->len + NODE_COST;
    if (!w->has_thread && w->queued > THREAD_MIN)
        w->has_thread = start_thread(w);
    if (!w->has_thread && w->queued > THREAD_MIN)
        drain(w); /* no thread to be had: it takes longer, that is all */
    (void) pthread_cond_broadcast(&w->changed);
    r = told_failure(w, err);
    (void) pthread_mutex_unlock(&w->lock);
    return r;
}

static int push_new(struct pack_writer *w, enum step step, int64_t count, struct span bytes, struct err *err)
{
    struct node *node = malloc(sizeof(*node) + bytes.len);

    if (!node)
        return err_set(err, ERR_INTERNAL, "no memory for a pack");
    *node = (struct node){ .step = step, .count = count, .len = bytes.len };
    if (bytes.len > 0)
        memcpy(node->copy, bytes.ptr, bytes.len);
    return push(w, node, err);
}

int pack_begin(struct pack_writer *w, int64_t size, struct err *err)
{
    return push_new(w, STEP_BEGIN, size, span_make(NULL, 0), err);
}

int pack_add(struct pack_writer *w, struct span piece, struct err *err)
{
    return piece.len > 0 ? push_new(w, STEP_BYTES, 0, piece, err) : 0;
}

int pack_add_taken(struct pack_writer *w, char *bytes, size_t len, struct err *err)
{
    struct node *node = malloc(sizeof(*node));

    if (!node) {
        free(bytes);
        return err_set(err, ERR_INTERNAL, "no memory for a pack");
    }
    *node = (struct node){ .step = STEP_BYTES, .len = len, .taken = bytes };
    return push(w, node, err);
}

int pack_add_zeros(struct pack_writer *w, int64_t count, struct err *err)
{
    int r = 0;

    /* in parts, so that the queue's limit means something */
    for (int64_t n; r == 0 && count > 0; count -= n) {
        n = count < ZEROS_STEP ? count : ZEROS_STEP;
        r = push_new(w, STEP_ZEROS, n, span_make(NULL, 0), err);
    }
    return r;
}

int pack_finish(struct pack_writer *w, char ret_sha256[DIGEST_HEX], int64_t *ret_size, struct err *err)
{
    uint8_t sum[DIGEST_SIZE];
    int r;

    settle(w);
    r = told_failure(w, err);
    if (r == 0)
        r = archive_writer_finish(w->archive, err);
    if (r == 0)
        r = file_sync_data(w->fd, err);
    if (r < 0)
        return r;
    digest_end(w->digest, sum);
    digest_hex(sum, ret_sha256);
    *ret_size = w->size;
    w->is_finished = true;
    return 0;
}

/* ---- reading ---- */

struct pack_reader {
    int fd;
    struct archive_reader *archive;
    struct digest *digest; /* of the file so far */
    int64_t size;          /* likewise */
    int64_t at;            /* member gone to last */
    bool is_past;          /* there was none behind it */
    char bytes[READ_STEP];
};

static int on_unpack(void *data, struct span *ret, struct err *err)
{
    struct pack_reader *r = data;
    ssize_t n;

    do
        n = read(r->fd, r->bytes, sizeof(r->bytes));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_errno(err, ERR_IO, "reading a pack");
    digest_add(r->digest, r->bytes, (size_t) n);
    r->size += n;
    *ret = span_make(r->bytes, (size_t) n);
    return 0;
}

int pack_reader_new(int dir_fd, const char *name, struct pack_reader **ret, struct err *err)
{
    struct pack_reader *reader = calloc(1, sizeof(*reader));
    int r;

    if (!reader)
        return err_set(err, ERR_INTERNAL, "no memory to read a pack");
    reader->digest = digest_new();
    reader->fd = -1;
    r = file_open_regular_at(dir_fd, name, &reader->fd, err);
    if (r == 0 && !reader->digest)
        r = err_set(err, ERR_INTERNAL, "no memory to read a pack");
    if (r == 0)
        r = archive_reader_new(&reader->archive, on_unpack, reader, err);
    if (r < 0)
        pack_reader_free(reader);
    else
        *ret = reader;
    return r;
}

void pack_reader_free(struct pack_reader *r)
{
    if (!r)
        return;
    archive_reader_free(r->archive);
    if (r->fd >= 0)
        (void) close(r->fd); /* only read */
    digest_free(r->digest);
    free(r);
}

int64_t pack_reader_at(const struct pack_reader *r)
{
    return r->at;
}

/* 1 = the next member, whose name must be its number; 0 = no more. */
static int next_member(struct pack_reader *r, int64_t *ret_size, struct err *err)
{
    struct archive_item item;
    char name[24];
    int result = r->is_past ? 0 : archive_reader_next(r->archive, &item, err);

    r->is_past = result == 0;
    if (result <= 0)
        return result;
    snprintf(name, sizeof(name), "%" PRId64, ++r->at);
    if (item.kind != ARCHIVE_FILE || strcmp(item.name, name) != 0)
        return err_set(err, ERR_INVALID, "'%s' where member %s must be", item.name, name);
    *ret_size = item.size;
    return 1;
}

int pack_reader_go(struct pack_reader *r, int64_t number, int64_t *ret_size, struct err *err)
{
    while (r->at < number) {
        int result = next_member(r, ret_size, err);

        if (result < 0)
            return result;
        if (result == 0)
            return err_set(err, ERR_INVALID, "member %" PRId64 " is missing", number);
    }
    return 0;
}

ssize_t pack_reader_read(struct pack_reader *r, char *out, size_t size, struct err *err)
{
    return archive_reader_read(r->archive, out, size, err);
}

int pack_reader_end(struct pack_reader *r, char ret_sha256[DIGEST_HEX], int64_t *ret_size, struct err *err)
{
    struct span rest = { "x", 1 };
    uint8_t sum[DIGEST_SIZE];
    int64_t size;
    int result = next_member(r, &size, err);

    if (result > 0)
        return err_set(err, ERR_INVALID, "there is a member %" PRId64 " too many", r->at);
    while (result == 0 && rest.len > 0)
        result = on_unpack(r, &rest, err);
    if (result < 0)
        return result;
    digest_end(r->digest, sum);
    digest_hex(sum, ret_sha256);
    *ret_size = r->size;
    return 0;
}
