/* SPDX-License-Identifier: MIT */
/*
 * What a call printed, out of the journal: of this run, or of the runs that it was forked from, as far as
 * they belong to it. Calls of a fork are numbered on from those of its parent, so that a number means the
 * same call in both.
 */
#ifndef RUN_PAST_OUTPUT_H
#define RUN_PAST_OUTPUT_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/run/folder.h"

#include <stdint.h>

/* ERR_NOT_FOUND: there is none, or the run that has it is not there any more. */
int past_output(struct run_folder *folder, int64_t number, const char *stream, struct buf *out,
                struct err *err);

#endif
