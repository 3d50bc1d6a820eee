/* SPDX-License-Identifier: MIT */
/*
 * Files of the agent's workspace, read through its channel for a call of a container tool. Everything is
 * bounded, and nothing is followed: a link, a pipe, a path that is not there is an answer for the model.
 *
 * container_inputs_start() -> on_done, from inside channel_feed(), once, unless freed before; free it after
 * the files were used, inside on_done or later.
 */
#ifndef TOOL_CONTAINER_INPUTS_H
#define TOOL_CONTAINER_INPUTS_H

#include "core/base/arena.h"
#include "core/base/bundle.h"
#include "core/sandbox/channel.h"

#define CONTAINER_INPUT_FILES 1000
#define CONTAINER_INPUT_BYTES (INT64_C(64) * 1024 * 1024)

struct container_inputs;

/* 0: the files, sorted by path, are borrowed from it. ERR_ENGINE: the sandbox is lost; else `err` is for the
 * model. */
typedef void container_inputs_fn(void *data, int result, const struct bundle_file *files, size_t count,
                                 const struct err *err);

/* `paths`: beneath the workspace, files or folders, borrowed until on_done; the same one twice is fine. */
int container_inputs_start(struct channel *channel, const char *const *paths, size_t count, int64_t bytes_max,
                           container_inputs_fn *fn, void *data, struct container_inputs **ret,
                           struct err *err);
void container_inputs_free(struct container_inputs *in); /* NULL is fine */

#endif
