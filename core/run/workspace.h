/* SPDX-License-Identifier: MIT */
/*
 * Fills the workspace of a sandbox with the manifest's entries, through the
 * channel: folders, literal files, copies of host files and folders with their
 * modes. Entries with `mount: true` are binds of the container and are skipped.
 *
 * A copied folder is walked on the host without following links: a link whose
 * target stays inside the copied tree is copied as a link, one that leaves it is
 * refused by its name (ERR_MANIFEST); sockets, devices and pipes are refused too.
 * Every file is hashed while it goes (inputs.h). Reading goes piece by piece with the channel's credit:
 * memory does not grow with the size of the files, and nothing blocks the loop for longer than one piece.
 *
 * workspace_check() -> workspace_fill_start() -> one call of `fn` from the loop,
 * never from inside start -> workspace_fill_free() (also inside `fn`).
 */
#ifndef RUN_WORKSPACE_H
#define RUN_WORKSPACE_H

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/run/inputs.h"
#include "core/run/spec.h"

#include <stdint.h>

struct channel;
struct workspace_fill;

struct workspace_report {
    int64_t files, folders, links, bytes;
    const struct input_report *inputs; /* one for each entry; valid during the call, NULL on failure */
    size_t input_count;
};

/* result 0: everything is there. Else -ERR_IO / -ERR_MANIFEST (host side; err names the entry and the file)
 * or what the channel said (-ERR_ENGINE: sandbox lost). */
typedef void workspace_done_fn(void *data, int result, const struct workspace_report *report,
                               const struct err *err);

/* Before anything starts: every source exists, is of its kind and can be read. Touches nothing. */
int workspace_check(const struct run_entry *entries, size_t count, struct err *err);

/* `entries` and `channel` are borrowed until the end. No entries is fine: done at the next turn of the loop.
 */
int workspace_fill_start(struct loop *loop, struct channel *channel, const struct run_entry *entries,
                         size_t count, workspace_done_fn *fn, void *data, struct workspace_fill **ret,
                         struct err *err);
void workspace_fill_free(struct workspace_fill *fill); /* cancels; NULL is fine */

#endif
