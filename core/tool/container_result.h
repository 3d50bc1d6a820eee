/* SPDX-License-Identifier: MIT */
/*
 * What a container tool said, decoded: its stdout is one JSON value and nothing else, and it exited with 0.
 * Whatever it is otherwise becomes words that a model can act on, with the first bytes of stdout and the last
 * ones of stderr quoted. Pure; every byte is the tool's.
 */
#ifndef TOOL_CONTAINER_RESULT_H
#define TOOL_CONTAINER_RESULT_H

#include "core/tool/container_call.h"
#include "core/tool/quota.h"

#define CONTAINER_SUMMARY_MAX 160

/* True: it worked, and `text` has the value as the tool wrote it, without blanks around it. False: `text` has
 * the words. Either way a line for people. */
bool container_result(const struct tool_container *tool, const struct container_done *done,
                      int64_t timeout_ms, struct buf *text, char summary[CONTAINER_SUMMARY_MAX]);

/* The limits that the call met, of the tool's own sandbox. */
size_t container_quotas(const struct tool_container *tool, const struct container_done *done,
                        struct quota ret[QUOTA_MAX]);

#endif
