/* SPDX-License-Identifier: MIT */
/*
 * The tool that leaves a note for later runs (notes.h), there when agent.memory.write says so. A note is kept
 * at once, whatever becomes of the run: it names the run, so that everybody can see what that came to.
 */
#ifndef TOOL_REMEMBER_H
#define TOOL_REMEMBER_H

#include "core/tool/tool.h"

extern const struct tool_ops remember_tool;

#endif
