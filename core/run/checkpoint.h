/* SPDX-License-Identifier: MIT */
/*
 * The checkpoints of a run, in its folder:
 *   checkpoints/000003.json     tree record: what the workspace held (listing.h)
 *   checkpoints/000003.tar.zst  pack: contents that no earlier pack has; members are named "1", "2", ... in
 *                               the order of the tree record's `contents`. Absent when there were none.
 * Both are written under temporary names, flushed, renamed, the folder is flushed, and only then
 * checkpoint.done goes into the journal with their digests. Numbers go up by one. Number 0 is the empty
 * workspace and has no files.
 *
 * A store knows what the journal told it (checkpoint_store_told()); a file that no
 * record speaks of does not exist for it.
 */
#ifndef RUN_CHECKPOINT_H
#define RUN_CHECKPOINT_H

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/run/listing.h"
#include "core/run/record.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHECKPOINT_DIR "checkpoints"
/* for printf(), with the number as long long */
#define CHECKPOINT_RECORD_NAME "%06lld.json"
#define CHECKPOINT_PACK_NAME   "%06lld.tar.zst"

struct run_folder;
struct checkpoint_store;

/* `folder` is borrowed. Nothing is read or made yet. */
int checkpoint_store_new(struct run_folder *folder, struct checkpoint_store **ret, struct err *err);
void checkpoint_store_free(struct checkpoint_store *store);
/* A checkpoint.done of the journal, in order; also those just written. `same` ones change nothing. */
int checkpoint_store_told(struct checkpoint_store *store, const struct record_checkpoint *rec,
                          struct err *err);
int64_t checkpoint_store_last(const struct checkpoint_store *store); /* number; 0 = none */
/* Read the tree record (with its bases) and check digests. ERR_NOT_FOUND: pruned; ERR_INVALID: damaged. */
int checkpoint_load(struct checkpoint_store *store, int64_t number, struct listing *ret, struct err *err);
/* Remove temporary files and files with numbers that the journal does not know: left by a crash. Only for the
 * one that holds the lock. */
int checkpoint_clean(struct checkpoint_store *store, struct err *err);

/* Is this content in a pack? Is any content of this size? (Then it is worth asking for a checksum.) The first
 * use reads the tree records. */
bool checkpoint_has(struct checkpoint_store *store, const char *sha256);
bool checkpoint_has_size(struct checkpoint_store *store, int64_t size);
/* Bytes of a content; -1: it is in no pack. */
int64_t checkpoint_size_of(struct checkpoint_store *store, const char *sha256);

/* ---- writing: begin, contents one after the other, commit ---- */

struct checkpoint_writer;

int checkpoint_begin(struct checkpoint_store *store, struct checkpoint_writer **ret, struct err *err);
/* One content of exactly `size` bytes. Small ones that turn out to be known are not stored; the empty one
 * never is. A call may wait for the compressor, which keeps up with some hundred MiB a second: so pieces of a
 * few hundred KiB, and zeros of some 64 MiB at a time, hold nothing up. */
int checkpoint_content_begin(struct checkpoint_writer *w, int64_t size, struct err *err);
int checkpoint_content_add(struct checkpoint_writer *w, struct span piece, struct err *err);
int checkpoint_content_zeros(struct checkpoint_writer *w, int64_t count, struct err *err);
/* Missing bytes are zeros (a file that shrank while it was read), surplus ones were ignored. */
int checkpoint_content_end(struct checkpoint_writer *w, char ret_sha256[DIGEST_HEX], struct err *err);
/* The three in one. `bytes`, from malloc(), are the writer's from here on, also on failure. */
int checkpoint_content_take(struct checkpoint_writer *w, char *bytes, int64_t size,
                            char ret_sha256[DIGEST_HEX], struct err *err);
void checkpoint_drop(
    struct checkpoint_writer *w); /* also while committing; removes what was written; NULL is fine */

struct checkpoint_commit { /* what is borrowed until `fn` */
    const struct listing *now;
    const struct listing_unkept *unkept;
    size_t unkept_count;
    int64_t keep; /* so many checkpoints can be restored, this one among them; 0 = all */
};

/* Finish both files and flush them, off the loop's thread. Then `fn` from the loop: `ret` has number, tree,
 * record, pack, counts and what may be pruned; its texts live until the writer is freed, inside `fn` or
 * later, with checkpoint_drop(). The prunable files are deleted by checkpoint_prune(), after the record is
 * durable. Until `fn` nothing may be told to the store. */
typedef void checkpoint_commit_fn(void *data, int result, const struct record_checkpoint *ret,
                                  const struct err *err);
int checkpoint_commit(struct checkpoint_writer *w, struct loop *loop, const struct checkpoint_commit *commit,
                      checkpoint_commit_fn *fn, void *data, struct err *err);
int checkpoint_prune(struct checkpoint_store *store, const struct record_checkpoint *rec, struct err *err);

/* ---- reading contents: every content that `listing` needs, each once, in the order of the packs; the empty
 * one is the first when there are empty files ---- */

struct checkpoint_reader;

int checkpoint_reader_new(struct checkpoint_store *store, const struct listing *listing,
                          struct checkpoint_reader **ret, struct err *err);
/* 1 = the next content; 0 = no more, everything was there; negative: ERR_INVALID damaged, missing. */
int checkpoint_reader_next(struct checkpoint_reader *r, struct listing_content *ret, struct err *err);
/* Up to `size` bytes of it; 0 = its end, and its digest was right. */
ssize_t checkpoint_reader_read(struct checkpoint_reader *r, char *out, size_t size, struct err *err);
void checkpoint_reader_free(struct checkpoint_reader *r); /* NULL is fine */

/* One content, whole, up to `out`'s limit: for comparing texts. */
int checkpoint_get(struct checkpoint_store *store, const char *sha256, struct buf *out, struct err *err);

#endif
