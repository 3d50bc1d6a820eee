/* SPDX-License-Identifier: MIT */
/*
 * A content that several files have is held until all have got it: in memory when
 * it is small, else in a file without a name.
 */
#include "core/run/delivery.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLD_MAX  ((int64_t) 1024 * 1024)
#define READ_STEP ((size_t) 128 * 1024)

struct delivery {
    struct checkpoint_reader *reader;
    struct delivery_item *items; /* sorted by their contents */
    size_t count;
    const struct delivery_ops *ops;
    void *data;
    struct buf held;
    char bytes[READ_STEP];
};

static int by_content(const void *a, const void *b)
{
    const struct delivery_item *x = a, *y = b;

    return strcmp(x->file->sha256, y->file->sha256);
}

static struct delivery_item *find(const struct delivery *d, const char *sha256)
{
    size_t from = 0, to = d->count;

    while (from < to) {
        size_t at = from + (to - from) / 2;

        if (strcmp(d->items[at].file->sha256, sha256) < 0)
            from = at + 1;
        else
            to = at;
    }
    return &d->items[from];
}

/* ---- to one file: straight through ---- */

static int stream(struct delivery *d, const struct delivery_item *item, struct err *err)
{
    int r = d->ops->begin(d->data, item, err);
    ssize_t n = 1;

    while (r == 0 && n > 0) {
        n = checkpoint_reader_read(d->reader, d->bytes, sizeof(d->bytes), err);
        if (n > 0)
            r = d->ops->add(d->data, span_make(d->bytes, (size_t) n), err);
    }
    if (r == 0 && n < 0)
        r = (int) n;
    return r == 0 ? d->ops->end(d->data, err) : r;
}

/* ---- to several ---- */

static int open_spool(int *ret_fd, struct err *err)
{
    const char *dir = getenv("TMPDIR");
    char path[4096];
    int fd;

    snprintf(path, sizeof(path), "%s/agentbox-XXXXXX", dir && dir[0] == '/' ? dir : "/tmp");
    fd = mkstemp(path);
    if (fd < 0)
        return err_errno(err, ERR_IO, "making a temporary file '%s'", path);
    (void) unlink(path); /* a leftover would only take room */
    *ret_fd = fd;
    return 0;
}

static int hold(struct delivery *d, int fd, struct err *err)
{
    ssize_t n;
    int r = 0;

    while ((n = checkpoint_reader_read(d->reader, d->bytes, sizeof(d->bytes), err)) > 0) {
        if (fd >= 0)
            r = file_write_all(fd, d->bytes, (size_t) n, err);
        else if (buf_add(&d->held, d->bytes, (size_t) n) < 0)
            r = err_set(err, ERR_INTERNAL, "no memory to read a checkpoint");
        if (r < 0)
            return r;
    }
    return (int) n;
}

static int give(struct delivery *d, int fd, struct err *err)
{
    off_t at = 0;
    ssize_t n;
    int r = 0;

    if (fd < 0)
        return d->held.len ? d->ops->add(d->data, buf_span(&d->held), err) : 0;
    while (r == 0 && ((n = pread(fd, d->bytes, sizeof(d->bytes), at)) > 0 || (n < 0 && errno == EINTR))) {
        if (n > 0)
            r = d->ops->add(d->data, span_make(d->bytes, (size_t) n), err);
        at += n > 0 ? n : 0;
    }
    return r == 0 && n < 0 ? err_errno(err, ERR_IO, "reading a temporary file") : r;
}

static int share(struct delivery *d, struct delivery_item *first, size_t count, struct err *err)
{
    CLEANUP(fd) int fd = -1;
    int r = first->file->size > HOLD_MAX ? open_spool(&fd, err) : 0;

    buf_clear(&d->held);
    if (r == 0)
        r = hold(d, fd, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = d->ops->begin(d->data, &first[i], err);
        if (r == 0)
            r = give(d, fd, err);
        if (r == 0)
            r = d->ops->end(d->data, err);
    }
    return r;
}

/* ---- all of it ---- */

static int deliver(struct delivery *d, struct err *err)
{
    struct listing_content content;
    int r;

    while ((r = checkpoint_reader_next(d->reader, &content, err)) > 0) {
        struct delivery_item *first = find(d, content.sha256);
        size_t left = (size_t) (d->items + d->count - first), count = 0;

        while (count < left && strcmp(first[count].file->sha256, content.sha256) == 0)
            count++;
        r = count == 1 ? stream(d, first, err) : share(d, first, count, err);
        if (r < 0)
            return r;
    }
    return r;
}

int delivery_run(struct checkpoint_store *store, struct delivery_item *items, size_t count,
                 const struct delivery_ops *ops, void *data, struct err *err)
{
    struct delivery *d = calloc(1, sizeof(*d));
    struct listing wanted;
    int r = 0;

    if (!d)
        return err_set(err, ERR_INTERNAL, "no memory to read a checkpoint");
    *d = (struct delivery){ .items = items, .count = count, .ops = ops, .data = data };
    buf_init(&d->held, (size_t) HOLD_MAX);
    if (count)
        qsort(items, count, sizeof(*items), by_content);
    listing_init(&wanted);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = listing_append(&wanted, items[i].file, err);
    listing_sort(&wanted);
    if (r == 0)
        r = checkpoint_reader_new(store, &wanted, &d->reader, err);
    if (r == 0)
        r = deliver(d, err);
    checkpoint_reader_free(d->reader);
    listing_done(&wanted);
    buf_done(&d->held);
    free(d);
    return r;
}
