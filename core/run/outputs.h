/* SPDX-License-Identifier: MIT */
/*
 * Collects the outputs of a run from the workspace to the host, through the
 * channel: beneath the declared path only, links and special files refused, every
 * file hashed while it is written.
 *
 * All or nothing: first everything is staged beside its target under a temporary
 * name; only when every output is there and flushed are the targets replaced,
 * by rename. When one fails (required and missing, a link, too large, no
 * permission, sandbox lost) the temporaries are removed and the
 * outputs of earlier runs stay as they were. An output that is neither required
 * nor there is reported as missing and leaves its target alone. So does one that holds hidden entries and may
 * not (hidden.h): it fails, the others are put in place.
 *
 * A folder's digest is that of the text which `sha256sum` prints for its files, names relative to the
 * folder and sorted by bytes: "<hex>  <name>\n" each.
 *
 * outputs_start() -> on_output for each, in the manifest's order, then on_done, all
 * from the loop and never from inside start -> outputs_free() (also inside on_done).
 */
#ifndef RUN_OUTPUTS_H
#define RUN_OUTPUTS_H

#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/run/spec.h"

#include <stdbool.h>
#include <stdint.h>

struct channel;
struct outputs;
struct run_state;

struct output_report {
    const struct run_output *output;
    bool is_missing; /* not required and not there; nothing was written */
    bool is_folder;
    int64_t files, size; /* size: bytes of all files */
    char sha256[DIGEST_HEX];
    struct span list; /* folders: the text whose digest that is; only during on_output. Empty: too long */
    int result;       /* 0, or -ERR_OUTPUT: then `err` says why; of the others nothing was written either,
                         unless `is_left_out` */
    bool is_left_out; /* for its hidden entries */
    struct err err;
};

struct outputs_ops {
    /* After the targets were replaced; or, on failure, only for the outputs that failed. One that was left
     * out does not keep the others from being put in place. */
    void (*on_output)(void *data, const struct output_report *report);
    /* result 0, -ERR_OUTPUT (reported by on_output already; err is the first), -ERR_ENGINE (sandbox lost). */
    void (*on_done)(void *data, int result, const struct err *err);
};

/* Before anything starts: ERR_OUTPUT when a target cannot be written. Touches nothing. */
int outputs_check(const struct run_output *list, size_t count, struct err *err);

/* `list` and `channel` are borrowed until the end. */
int outputs_start(struct loop *loop, struct channel *channel, const struct run_output *list, size_t count,
                  const struct outputs_ops *ops, void *data, struct outputs **ret, struct err *err);
/* Before the loop goes on: the files of one output together may not be larger. Without it a sparse file, or
 * one file with a thousand names, would fill the host's disk from a small workspace. */
void outputs_set_max(struct outputs *o, int64_t bytes);
/* Before the loop goes on: what has a `from` is found in this conversation. Borrowed. */
void outputs_set_state(struct outputs *o, const struct run_state *state);
void outputs_free(struct outputs *o); /* cancels, removes temporaries; NULL is fine */

#endif
