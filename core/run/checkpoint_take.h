/* SPDX-License-Identifier: MIT */
/*
 * Takes a checkpoint of a running workspace through the channel: scan, contents
 * that are new, pack, tree record. Nothing of it waits for the model, and nobody may
 * write to the workspace meanwhile that wants to be consistent (commands in the background may).
 *
 * The guest remembers its last scan, so that only changes are looked at. The first scan of a connection has
 * no such memory: it comes with checksums, and only contents that no pack has travel. A file whose size was
 * seen before is asked for its checksum first.
 *
 * Kept: files, folders, links (any target), hard links, modes, mtimes, holes. Not kept, and named in the
 * record: sockets, pipes, devices, files that cannot be read, files of more than 4 GiB that are nearly all
 * hole.
 */
#ifndef RUN_CHECKPOINT_TAKE_H
#define RUN_CHECKPOINT_TAKE_H

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/run/checkpoint.h"

struct channel;
struct checkpoint_take;
struct found_memory;

/* What is known of the workspace as of the last checkpoint taken or restored over this channel. The owner
 * keeps one for each channel: zero at first (listing_init()), filled by takes and restores. */
struct checkpoint_view {
    struct listing now;
    bool is_scanned;             /* the guest remembers a scan that `now` agrees with */
    struct found_memory *memory; /* beside it: names of hard links, what is not kept (found.h); may be NULL */
};
void checkpoint_view_init(struct checkpoint_view *view);
void checkpoint_view_done(struct checkpoint_view *view);
/* The guest's memory agrees with these; both are taken over. `now` NULL: as before. */
void checkpoint_view_set(struct checkpoint_view *view, struct listing *now, struct found_memory **memory);

/* A workspace and where its checkpoints are kept. All of it is borrowed until the end; one take or restore at
 * a time for each channel. */
struct checkpoint_site {
    struct loop *loop;
    struct channel *channel;
    struct checkpoint_store *store;
    struct checkpoint_view *view;
};

/* result 0: `rec` says what was stored, or `is_same` (nothing changed since; nothing stored). -ERR_IO: the
 * run folder cannot be written; -ERR_ENGINE: the sandbox is gone; -ERR_TOO_LARGE: more than a checkpoint can
 * hold; -ERR_INVALID: the last checkpoint, which the view does not know, is damaged. After a failure or a
 * cancel the view is as of nothing, and the next take looks at everything. */
typedef void checkpoint_taken_fn(void *data, int result, const struct record_checkpoint *rec,
                                 const struct err *err);

/* `fn` comes once, from the loop, never from inside start. `keep` as for checkpoint_commit(). */
int checkpoint_take_start(const struct checkpoint_site *site, int64_t keep, checkpoint_taken_fn *fn,
                          void *data, struct checkpoint_take **ret, struct err *err);
void checkpoint_take_free(struct checkpoint_take *take); /* cancels; NULL is fine; also inside `fn` */

#endif
