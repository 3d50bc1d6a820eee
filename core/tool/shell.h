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
 * session; write_stdin sends to it and polls it. Waits are 250 ms to 30 s, at least 5 s when
 * nothing is sent; the end of the command ends them. A session lives until it ends, the run
 * does, or 64 others are used more lately: the model is told when that happens. Ctrl-C (the one
 * byte 3) works with a terminal, whose line discipline makes it a signal, and without
 * one, where the guest does. `limits.command` bounds a call, not a session.
 */
#ifndef TOOL_SHELL_H
#define TOOL_SHELL_H

#include "core/tool/tool.h"

extern const struct tool_ops shell_tool;

#endif
