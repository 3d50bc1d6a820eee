/* SPDX-License-Identifier: MIT */
/*
 * Tar archives in memory; the only door to libarchive, which is loaded on first
 * use: linking it would cost every start 3.3 MB of memory, for libxml2 and ICU
 * that come along, and most runs need no archive. Where it is missing, the
 * functions fail with ERR_IO and a hint what to install.
 *
 * What is written is ustar, with pax headers where a name or size needs them;
 * never compressed, owner and group 0, all times 0, so that the same input gives
 * the same bytes. Names are relative paths without '..' (ERR_INVALID otherwise).
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

#include <sys/types.h>

struct archive_writer;

/* Write to `out`, which the caller keeps until after archive_writer_free(). */
int archive_writer_new(struct archive_writer **ret, struct buf *out, struct err *err);
void archive_writer_free(struct archive_writer *w); /* NULL is fine */

/* `mode`: permission bits. ERR_TOO_LARGE when `out` is full. */
int archive_writer_add_file(struct archive_writer *w, const char *name, struct span content, mode_t mode,
                            struct err *err);
int archive_writer_add_dir(struct archive_writer *w, const char *name, mode_t mode, struct err *err);
int archive_writer_finish(struct archive_writer *w, struct err *err);

/* An archive of one regular file, in one go. */
int archive_pack_file(struct buf *out, const char *name, struct span content, mode_t mode, struct err *err);

#endif
