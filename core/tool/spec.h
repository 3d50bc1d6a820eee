/* SPDX-License-Identifier: MIT */
/*
 * What the tools are given by a manifest. Plain data; strings live in the arena of the run's spec.
 */
#ifndef TOOL_SPEC_H
#define TOOL_SPEC_H

#include <stdbool.h>

/* Where the folders of skills are in the workspace, each under the skill's name. */
#define TOOL_SKILLS_DIR ".agentbox/skills"

#define TOOL_LOAD_SKILL "load_skill" /* the tool's name; there whenever there are skills */

struct tool_skill {
    const char *name;        /* small letters, digits, '-' */
    const char *description; /* one line */
    const char *text;        /* of SKILL.md, after its front matter */
    bool has_files;          /* its folder is in the workspace */
};

#endif
