/* SPDX-License-Identifier: MIT */
/*
 * The contents of a listing, out of the packs and into the sandbox. Each content is read once and written to
 * every file that has it. Small ones travel many at a time, a large one alone. Folders are there already; the
 * files get mode 0600 and no mtime, and empty ones are not made.
 */
#ifndef RUN_CHECKPOINT_PLACE_H
#define RUN_CHECKPOINT_PLACE_H

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/run/checkpoint.h"

struct channel;
struct checkpoint_place;

/* result 0; -ERR_INVALID: a pack is damaged; -ERR_ENGINE; -ERR_IO. */
typedef void checkpoint_place_fn(void *data, int result, const struct err *err);

/* Everything is borrowed. `fn` comes once, from the loop, never from inside start. */
int checkpoint_place_start(struct loop *loop, struct channel *channel, struct checkpoint_store *store,
                           const struct listing *listing, checkpoint_place_fn *fn, void *data,
                           struct checkpoint_place **ret, struct err *err);
void checkpoint_place_free(struct checkpoint_place *place); /* cancels; NULL is fine; also inside `fn` */

/* Says of a failure of the guest at `path` that a restore met it. Returns the code, negated. */
int checkpoint_place_explain(const char *path, struct err *err);

#endif
