/* SPDX-License-Identifier: MIT */
/*
 * A new run that begins where another one was: its conversation and workspace as of
 * a point (point.h), in a folder of its own that needs the old one no more.
 *
 * The new journal begins with run.begin, which names the parent, the record and the
 * digest of that record's line; then the conversation as input items; then the
 * checkpoint, whose files are linked or copied. Budgets begin anew. A turn of which no call was answered
 * at the point is left out; where some were, the others are answered with a word about the fork. From there
 * it goes the way of a resumed run (run_past_load(), run_new(), run_resume()).
 */
#ifndef RUN_FORK_H
#define RUN_FORK_H

#include "core/base/err.h"
#include "core/run/folder.h"
#include "core/run/point.h"
#include "core/run/spec.h"

struct run_fork {
    const struct run_point *from;
    const struct run_spec *spec; /* of the new run, as decided: limits, model, task ... */
    const char *task;            /* said to the model as the next user message; NULL: nothing is */
    const char *program;         /* "agentbox 0.1.0" */
};

/* *ret is the new folder, locked. Nothing is left behind on failure. ERR_USAGE: there is nothing to go on
 * with (the run had ended with an answer, and no task was given). */
int run_fork(const struct run_fork *fork, struct run_folder **ret, struct err *err);

#endif
