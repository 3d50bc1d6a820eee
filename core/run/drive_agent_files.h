/* SPDX-License-Identifier: MIT */
/*
 * What a subagent is handed, and what it hands back: the declared paths and nothing else, by way of its run
 * folder, where they stay.
 *
 *     inputs/0, inputs/1 ...    out of the parent's workspace; they become entries of its own
 *     outputs/0, outputs/1 ...  its outputs, which go into the parent's workspace
 *
 * Both ways are those of outputs (outputs.h) and entries (workspace.h): links and special files are refused,
 * nothing is followed out of a workspace. In the parent's workspace each path appears as a whole, by rename.
 */
#ifndef RUN_DRIVE_AGENT_FILES_H
#define RUN_DRIVE_AGENT_FILES_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/run/folder.h"
#include "core/run/spec.h"

struct agent_files;
struct run;

/* result 0; -ERR_ENGINE: the parent's sandbox is lost; others say what is wrong. Perhaps from inside the
 * call. */
typedef void agent_files_fn(void *data, int result, const struct err *err);

/* `up` is the parent's run, `folder` the subagent's; all borrowed. */
int agent_files_new(struct run *up, const struct run_agent *agent, int64_t call, struct run_folder *folder,
                    struct agent_files **ret, struct err *err);
void agent_files_free(struct agent_files *files); /* cancels; NULL is fine; also inside a callback */

int agent_files_take(struct agent_files *files, agent_files_fn *fn, void *data, struct err *err);
/* Adds what was taken to the entries, and what it shall hand back to the outputs. */
int agent_files_spec(struct agent_files *files, struct run_spec *spec, struct err *err);
int agent_files_give(struct agent_files *files, agent_files_fn *fn, void *data, struct err *err);
/* Words for the parent's model: what was given, and what was not there. */
void agent_files_tell(const struct agent_files *files, struct buf *out);

#endif
