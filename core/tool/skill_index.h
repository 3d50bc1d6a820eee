/* SPDX-License-Identifier: MIT */
/*
 * Skills: texts that say how something is done, with scripts and files beside them. The model is told their
 * names and what each is for, as part of its instructions; the rest is read on demand (skill.h). Pure.
 */
#ifndef TOOL_SKILL_INDEX_H
#define TOOL_SKILL_INDEX_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/tool/spec.h"

#include <stddef.h>

/* The instructions of a run with the index of its skills after them; nothing is appended without skills.
 * `root` is that of the workspace. `instructions` NULL: none. */
int skill_instructions(struct buf *out, const char *instructions, const struct tool_skill *skills,
                       size_t count, const char *root, struct err *err);

#endif
