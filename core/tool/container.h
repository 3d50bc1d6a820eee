/* SPDX-License-Identifier: MIT */
/*
 * Tools of an image of their own. A call is checked against the tool's schema, gets copies of its inputs from
 * the agent's workspace, and runs in the tool's sandbox (container_call.h), which is opened with the first
 * one and kept for the next. Calls of one tool run one after the other, each in an empty workspace; those of
 * different tools at once. Whatever goes wrong is an answer, and the next call gets a new sandbox.
 *
 * A stored result is found by everything that decides about it: the image by its id, the command, the tool's
 * own files, the arguments in canonical form, the inputs by path and content.
 *
 * A call that was begun before a crash is made again if nothing can have left its sandbox; one that may
 * reach out declares that it is about to, and is then not begun a second time.
 */
#ifndef TOOL_CONTAINER_H
#define TOOL_CONTAINER_H

#include "core/tool/tool.h"

extern const struct tool_ops container_tool;

void container_release(struct tool_host *host); /* part of tools_release() */

#endif
