/* SPDX-License-Identifier: MIT */
/*
 * Tar archives, written and read as streams; the only door to libarchive, which
 * is loaded on first use: linking it would cost every start 3.3 MB of memory, for
 * libxml2 and ICU that come along, and most runs need no archive. Where it is
 * missing, or knows no zstd, the functions fail with ERR_IO and a hint what to install.
 *
 * Names are bytes, relative paths without empty, '.' or '..' components: writing
 * refuses others, and so does reading (ERR_INVALID), which only drops "./" at the front and '/' at the end.
 * Owner and group are 0 and have no names, so that the same input gives the same bytes.
 *
 *     archive_writer_new(&w, &out, err);
 *     archive_writer_add_dir(w, "bin", 0755, err);
 *     archive_writer_add_file(w, "bin/tool", content, 0755, err);
 *     archive_writer_finish(w, err);      writes the end of the archive
 *     archive_writer_free(w);             always
 */
#ifndef BASE_ARCHIVE_H
#define BASE_ARCHIVE_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdint.h>
#include <sys/types.h>

enum archive_kind {
    ARCHIVE_FILE,
    ARCHIVE_DIR,
    ARCHIVE_LINK, /* symbolic; any target */
    ARCHIVE_HARD, /* another name of an earlier file */
};

enum archive_filter { ARCHIVE_PLAIN, ARCHIVE_ZSTD, ARCHIVE_GZIP };

struct archive_item {
    const char *name;
    enum archive_kind kind;
    uint32_t mode;    /* permission bits with set-id and sticky */
    int64_t mtime_ns; /* before 1970 only whole seconds are written */
    int64_t size;     /* files */
    const char *link; /* ARCHIVE_LINK: target; ARCHIVE_HARD: the earlier name; else NULL */
};

/* ---- writing ---- */

struct archive_writer;

/* To memory: ustar, with pax headers where a name or size needs them; not compressed, times whole seconds.
 * Write to `out`, which the caller keeps until after archive_writer_free(). */
int archive_writer_new(struct archive_writer **ret, struct buf *out, struct err *err);
void archive_writer_free(struct archive_writer *w); /* NULL is fine */

/* Bytes of the archive, in order. Its failure is the writer's. */
typedef int archive_sink_fn(void *data, struct span bytes, struct err *err);

struct archive_options {
    enum archive_filter filter;
    int level;        /* of compression, 1 and up; 0 = the usual one */
    bool is_detailed; /* pax headers for whatever ustar cannot say, so also for parts of a second */
};

/* To a function. */
int archive_writer_open(struct archive_writer **ret, const struct archive_options *options,
                        archive_sink_fn *sink, void *data, struct err *err);

/* One entry; a file's bytes follow in pieces, `size` in all (else ERR_INVALID from what comes after). */
int archive_writer_begin(struct archive_writer *w, const struct archive_item *item, struct err *err);
int archive_writer_add(struct archive_writer *w, struct span piece, struct err *err);

/* Whole entries with time 0. `mode`: permission bits. ERR_TOO_LARGE when `out` is full. */
int archive_writer_add_file(struct archive_writer *w, const char *name, struct span content, mode_t mode,
                            struct err *err);
int archive_writer_add_dir(struct archive_writer *w, const char *name, mode_t mode, struct err *err);
int archive_writer_finish(struct archive_writer *w, struct err *err);

/* An archive of one regular file, in one go. */
int archive_pack_file(struct buf *out, const char *name, struct span content, mode_t mode, struct err *err);

/* ---- reading ---- */

struct archive_reader;

/* More bytes of the archive, empty at its end; they stay until the next call. Its failure is the reader's. */
typedef int archive_source_fn(void *data, struct span *ret, struct err *err);

/* Tar of any dialect; filters as above, found out. Nothing is read yet. */
int archive_reader_new(struct archive_reader **ret, archive_source_fn *source, void *data, struct err *err);
/* Before the first entry: xz, too. For archives of our own making only, since to read one takes as much
 * memory as it says itself. */
int archive_reader_take_xz(struct archive_reader *r, struct err *err);
void archive_reader_free(struct archive_reader *r); /* NULL is fine */

/* 1 = the next entry, its texts valid until the next call; 0 = no more. ERR_INVALID: damaged, a bad name, or
 * neither file, folder nor link. What was not read of the entry before is passed over. */
int archive_reader_next(struct archive_reader *r, struct archive_item *ret, struct err *err);
/* Up to `size` bytes of the file; 0 = its end. */
ssize_t archive_reader_read(struct archive_reader *r, char *out, size_t size, struct err *err);

#endif
