/* SPDX-License-Identifier: MIT */
/*
 * The contents of what a scan found: looked up where they are kept already, else brought out of the sandbox
 * into a new pack.
 *
 * A file of a size that was seen before is asked for its checksum first. Small files are read many at a time
 * and held whole until the pack can take them, one after the other; a large one streams alone. Memory stays
 * at a few MiB whatever there is.
 *
 * A file may change meanwhile. What is stored is as long as the scan said: cut off, or filled up with zeros.
 * The next scan tells of it again. One that vanished is left out; one that cannot be read is refused
 * (found.h).
 */
#ifndef RUN_CHECKPOINT_FETCH_H
#define RUN_CHECKPOINT_FETCH_H

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/run/checkpoint.h"
#include "core/run/found.h"

struct channel;
struct checkpoint_fetch;

/* result 0: each FOUND_FILE has its sha256. -ERR_ENGINE, -ERR_IO. */
typedef void checkpoint_fetch_fn(void *data, int result, const struct err *err);

/* Everything is borrowed; `found` is settled. `fn` comes once, from the loop, never from inside start. */
int checkpoint_fetch_start(struct loop *loop, struct channel *channel, struct checkpoint_store *store,
                           struct found *found, checkpoint_fetch_fn *fn, void *data,
                           struct checkpoint_fetch **ret, struct err *err);
/* The pack that was begun; NULL when nothing new came. The caller's from then on. */
struct checkpoint_writer *checkpoint_fetch_writer(struct checkpoint_fetch *fetch);
void checkpoint_fetch_free(struct checkpoint_fetch *fetch); /* cancels; NULL is fine; also inside `fn` */

#endif
