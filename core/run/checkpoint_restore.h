/* SPDX-License-Identifier: MIT */
/*
 * Puts a checkpoint back into an empty workspace, through the channel: folders,
 * contents (holes stay holes), links, hard links, then modes and mtimes from the inside out; and proves it: a
 * scan with checksums must give the listing's digest. That scan is also the one the guest remembers, so that
 * the next checkpoint is as cheap as any. Binds of the manifest (`mount: true`) are there already and are
 * left alone.
 */
#ifndef RUN_CHECKPOINT_RESTORE_H
#define RUN_CHECKPOINT_RESTORE_H

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/run/checkpoint.h"
#include "core/run/checkpoint_take.h"

struct checkpoint_restore;

struct checkpoint_restored {
    int64_t files, folders, links, bytes;
    char tree[DIGEST_HEX];
};

/* result 0; -ERR_INVALID: the checkpoint is damaged (err says where); -ERR_ENGINE: the sandbox is gone;
 * -ERR_IO: the workspace cannot hold it; -ERR_INTERNAL: what came out is not what was put in. */
typedef void checkpoint_restored_fn(void *data, int result, const struct checkpoint_restored *ret,
                                    const struct err *err);

/* On success the view is the restored workspace's. `fn` comes once, from the loop, never from inside start.
 */
int checkpoint_restore_start(const struct checkpoint_site *site, int64_t number, checkpoint_restored_fn *fn,
                             void *data, struct checkpoint_restore **ret, struct err *err);
void checkpoint_restore_free(
    struct checkpoint_restore *restore); /* cancels; NULL is fine; also inside `fn` */

#endif
