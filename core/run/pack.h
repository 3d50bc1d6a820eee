/* SPDX-License-Identifier: MIT */
/*
 * A pack: contents in a file that `tar --zstd` can read, members named "1", "2", ...
 *
 * Writing compresses on a thread of its own as soon as there is much to do, with a
 * queue of a few MiB between; what is little is done by pack_finish(). Errors are ERR_IO with errno, and may
 * come later than the bytes that they are about.
 *
 *     pack_writer_new(dir_fd, "000003.tar.zst.tmp", &w, err);
 *     pack_begin(w, size, err); pack_add(w, piece, err) ...      in all `size` bytes
 *     pack_finish(w, sha256, &size, err);          at least one member; flushed, still under that name
 *     pack_writer_free(w);                         not finished: removes the file
 */
#ifndef RUN_PACK_H
#define RUN_PACK_H

#include "core/base/digest.h"
#include "core/base/err.h"

#include <stdint.h>
#include <sys/types.h>

struct pack_writer;

/* `dir_fd` is borrowed. A file of that name is replaced. */
int pack_writer_new(int dir_fd, const char *name, struct pack_writer **ret, struct err *err);
void pack_writer_free(struct pack_writer *w); /* NULL is fine */
int pack_begin(struct pack_writer *w, int64_t size, struct err *err);
int pack_add(struct pack_writer *w, struct span piece, struct err *err);
/* Without a copy: `bytes` is from malloc() and the writer's from here on, also on failure. */
int pack_add_taken(struct pack_writer *w, char *bytes, size_t len, struct err *err);
int pack_add_zeros(struct pack_writer *w, int64_t count, struct err *err);
/* Once, from any thread. SHA-256 and size of the file. */
int pack_finish(struct pack_writer *w, char ret_sha256[DIGEST_HEX], int64_t *ret_size, struct err *err);

struct pack_reader;

/* ERR_NOT_FOUND, ERR_IO. */
int pack_reader_new(int dir_fd, const char *name, struct pack_reader **ret, struct err *err);
void pack_reader_free(struct pack_reader *r); /* NULL is fine */
int64_t pack_reader_at(
    const struct pack_reader *r); /* number of the member that was gone to last, from 1; 0 */
/* Go forward to member `number`, which must not lie before the last one. ERR_INVALID: damaged, no such
 * member. */
int pack_reader_go(struct pack_reader *r, int64_t number, int64_t *ret_size, struct err *err);
ssize_t pack_reader_read(struct pack_reader *r, char *out, size_t size, struct err *err); /* 0 = its end */
/* 0 when the last member gone to was the last there is: ERR_INVALID otherwise. Reads the rest of the file:
 * its digest. */
int pack_reader_end(struct pack_reader *r, char ret_sha256[DIGEST_HEX], int64_t *ret_size, struct err *err);

#endif
