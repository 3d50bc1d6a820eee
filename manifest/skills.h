/* SPDX-License-Identifier: MIT */
/*
 * The skills of a manifest, off the disk: `from` names the folder of a skill, or a folder of such folders, in
 * which every one that has a SKILL.md is taken, sorted by name. What was read becomes part of the manifest
 * (name, description, text), so that a run that goes on says the same as at its beginning.
 */
#ifndef MANIFEST_SKILLS_H
#define MANIFEST_SKILLS_H

#include "core/base/arena.h"
#include "manifest/diag.h"
#include "manifest/grammar.h"

#define SKILLS_MAX          64
#define SKILLS_TEXT_MAX     (256 * 1024)       /* bytes of all texts */
#define SKILLS_FOLDER_FILES 500                /* of one skill */
#define SKILLS_FOLDER_BYTES (50 * 1024 * 1024) /* of these */

struct skills_ask {
    const char *folder; /* of the manifest, absolute, links resolved */
    bool is_untrusted;  /* nothing outside of that folder is read, whatever leads there */
    struct arena *arena;
    struct diags *diags; /* gets the problems */
};

/* Replaces the list by one in which each skill has name, description and text, and an absolute `from` if it
 * has files. Without memory the list stays as it is, which is a problem too. */
void skills_load(const struct skills_ask *ask, struct manifest_agent *agent);

#endif
