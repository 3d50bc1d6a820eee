/* SPDX-License-Identifier: MIT */
/*
 * The shell tool in both shapes that models know: the built-in `shell` of the
 * Responses API (a list of commands, one output per command) and the functions
 * `exec_command` and `write_stdin`. Both run commands in the sandbox through the
 * channel.
 *
 * Native: commands run one after the other, each in a fresh shell. A timeout kills
 * the whole process tree, and the commands behind it are not run.
 * `max_output_length` is one budget, in characters, over all outputs.
 *
 * Functions: a command that is still running after yield_time_ms becomes a
 * session; write_stdin sends to it and polls it. A session lives until it ends or
 * the run does.
 */
#ifndef TOOL_SHELL_H
#define TOOL_SHELL_H

#include "core/tool/tool.h"

extern const struct tool_ops shell_tool;

#endif
