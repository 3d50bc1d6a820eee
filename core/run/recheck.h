/* SPDX-License-Identifier: MIT */
/*
 * The outputs of a run where they were put: are they still what the run wrote?
 * The disk is anybody's: links are not followed, special files not opened, and a folder may hold what it
 * likes.
 */
#ifndef RUN_RECHECK_H
#define RUN_RECHECK_H

#include "core/base/err.h"
#include "core/run/folder.h"

#include <stdint.h>

/* One output is not what it was: where it was looked for, and why. Of a folder the first file is named. */
typedef void recheck_fn(void *data, const char *place, const struct err *why);

/* `beneath`: a folder that the outputs were moved to, each at its path in the workspace; NULL: where the run
 * put them. *ret_count: outputs that were looked at. ERR_IO: something could not be read. */
int recheck_outputs(struct run_folder *folder, const char *beneath, recheck_fn *fn, void *data,
                    int64_t *ret_count, struct err *err);

#endif
