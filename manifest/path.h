/* SPDX-License-Identifier: MIT */
/*
 * Paths as a manifest writes them; string work only, nothing is looked up. (What
 * resolves them later, in the sandbox or on the host, works beneath a folder
 * descriptor and trusts no string.)
 */
#ifndef MANIFEST_PATH_H
#define MANIFEST_PATH_H

#include "core/base/arena.h"
#include "core/base/span.h"

#define PATH_TEXT_MAX 512 /* as long as a key of the manifest may be (YAML_KEY_MAX) */
#define PATH_NAME_MAX 255

/* A path beneath the workspace: backslashes become slashes, '.' and doubled slashes go. Refused: absolute
 * paths (drive letters too), any '..' even if it stays inside, control characters, names longer than
 * PATH_NAME_MAX. Returns the words that say what is wrong, or NULL with *ret set. */
const char *path_beneath(struct span text, struct arena *arena, const char **ret);

/* An absolute path with '.', doubled and trailing slashes removed; '..' is refused. As above. */
const char *path_absolute(struct span text, struct arena *arena, const char **ret);

/* A host path relative to the absolute folder `base`, made absolute and tidy; '..' is kept, since only the
 * file system knows what is behind a link. NULL: no memory. */
const char *path_host(const char *base, const char *text, struct arena *arena);

/* Is `path` equal to `folder` or beneath it? Both tidy. */
bool path_is_beneath(const char *path, const char *folder);

/* Where an output goes: `to`, or `path` when that is NULL; in a folder, `to` ending in '/', it keeps its
 * name. NULL: no memory. */
const char *path_target(const char *to, const char *path, struct arena *arena);

/* The last name of a tidy path. */
const char *path_name(const char *path);

#endif
