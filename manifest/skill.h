/* SPDX-License-Identifier: MIT */
/*
 * SKILL.md: front matter in YAML between two lines `---`, then the text.
 *
 *     ---
 *     name: release
 *     description: How to cut a release of this project. Use it when ...
 *     ---
 *     # How to cut a release
 *
 * `name` (small letters, digits and '-', at most 64) and `description` (at most 1024 characters, made one
 * line) are required; other keys are for others and are passed over. Pure.
 */
#ifndef MANIFEST_SKILL_H
#define MANIFEST_SKILL_H

#include "core/base/arena.h"
#include "core/base/span.h"
#include "core/base/tree.h"

#include <stdbool.h>

#define SKILL_NAME_MAX        64
#define SKILL_DESCRIPTION_MAX 1024        /* characters */
#define SKILL_TEXT_MAX        (64 * 1024) /* bytes */
#define SKILL_FILE_MAX        (96 * 1024) /* bytes of SKILL.md in all */

struct skill_file {
    const char *name, *description, *text; /* in the arena */
};

struct skill_problem {
    struct tree_pos pos; /* in SKILL.md; column in bytes */
    char message[512];
};

/* False: *why says what is wrong, and where. */
bool skill_parse(struct span bytes, struct arena *arena, struct skill_file *ret, struct skill_problem *why);

/* Is it a name for a skill? */
bool skill_is_name(const char *text);
/* One line out of any text: blanks of all kinds become one space, what nobody sees is left out. NULL: no
 * memory. */
const char *skill_line(struct span text, struct arena *arena);

#endif
