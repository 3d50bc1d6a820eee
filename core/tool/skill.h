/* SPDX-License-Identifier: MIT */
/*
 * load_skill: gives the model the text of a skill. What is in the skill's folder lies, without permission to
 * write, in TOOL_SKILLS_DIR/NAME of the workspace, where its scripts can be run.
 */
#ifndef TOOL_SKILL_H
#define TOOL_SKILL_H

#include "core/tool/function.h"
#include "core/tool/spec.h"

extern const struct tool_ops skill_tool;

#endif
