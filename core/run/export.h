/* SPDX-License-Identifier: MIT */
/*
 * Writes a checkpoint out of the run folder, on the host, without a sandbox: to a
 * new folder, or to a tar archive (`.tar`, `.tar.zst`, `.tgz`). Nothing is left behind on failure. Links are
 * written as they are and never followed.
 */
#ifndef RUN_EXPORT_H
#define RUN_EXPORT_H

#include "core/base/archive.h"
#include "core/base/err.h"
#include "core/run/checkpoint.h"
#include "core/run/outputs.h"
#include "core/run/state.h"

#include <stdbool.h>

/* `path` must not exist, or be an empty folder (ERR_CONFLICT). */
int export_folder(struct checkpoint_store *store, int64_t number, const char *path,
                  struct listing_totals *ret, struct err *err);
/* An existing file is replaced in one step. */
int export_tar(struct checkpoint_store *store, int64_t number, const char *path, struct listing_totals *ret,
               struct err *err);
/* The same, not compressed, piece by piece to `write`. */
int export_stream(struct checkpoint_store *store, int64_t number, archive_sink_fn *write, void *data,
                  struct listing_totals *ret, struct err *err);
/* Is this a name for export_tar()? .tar, .tar.zst, .tzst, .tar.gz or .tgz. */
bool export_is_tar(const char *path);

/* The outputs of a manifest, from a checkpoint, all or nothing as in outputs.h. *ret_reports (free()) has one
 * for each in order. -ERR_OUTPUT: what failed is in the reports. On any
 * other failure there are none. What has a `from` is found in `state`. */
int export_outputs(struct checkpoint_store *store, int64_t number, const struct run_state *state,
                   const struct run_output *list, size_t count, struct output_report **ret_reports,
                   struct err *err);

#endif
