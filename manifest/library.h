/* SPDX-License-Identifier: MIT */
/*
 * The user's library of tools: `$XDG_DATA_HOME/agentbox/tools/` (else `~/.local/share/...`), mode 0700.
 *   NAME/DIGEST/       the files of one version: tool.yaml and what it needs; DIGEST as core/base/bundle.h
 *                      has it
 *   NAME/DIGEST.json   what is known of it: where it came from, whether it is approved, when it was tested
 *
 * A version never changes: what is read is hashed, and refused (ERR_POLICY) when it is not the digest that
 * it is named by. Approved is a digest, never a name: another version of the tool is off until it is approved
 * itself.
 */
#ifndef MANIFEST_LIBRARY_H
#define MANIFEST_LIBRARY_H

#include "core/base/arena.h"
#include "core/base/bundle.h"
#include "core/base/err.h"
#include "manifest/container.h"
#include "manifest/diag.h"

#include <stdbool.h>
#include <stdint.h>

#define LIBRARY_FILE       "tool.yaml" /* what makes a folder a tool */
#define LIBRARY_TOOLS_MAX  1000
#define LIBRARY_DIGEST_MIN 6 /* hex digits by which a version may be named */

struct library_tool {
    const char *name, *digest;
    bool is_approved;
    const char *from;     /* RUN:path, or a folder of the host */
    const char *image_id; /* that its tests ran in */
    int64_t added_ms;     /* wall time */
    int64_t tests;
};

/* The folder of the library; NULL: neither variable is an absolute path, or no memory. `env`:
 * "NAME=value". */
const char *library_root(const char *const *env, struct arena *arena);

/* All versions, by name, the newest first. An absent library is empty. */
int library_list(const char *root, struct arena *arena, struct library_tool **ret, size_t *ret_count,
                 struct err *err);
/* NAME, the newest version of it (`approved`: that is), or NAME@DIGEST or the beginning of one. ERR_NOT_FOUND
 * with a hint; ERR_USAGE: of no such form, or several begin so; ERR_POLICY: it is there, but not approved. */
int library_find(const char *root, const char *word, bool approved, struct arena *arena,
                 struct library_tool *ret, struct err *err);

/* The files of a version, hashed. */
int library_load(const char *root, const struct library_tool *tool, struct bundle *ret, struct err *err);
/* What is known of it, and with `files` these too. Both or neither are there after a crash. */
int library_save(const char *root, const struct library_tool *tool, const struct bundle *files,
                 struct err *err);
int library_remove(const char *root, const struct library_tool *tool, struct err *err);

/* What the files say: tool.yaml, and the schema if that is a file of its own. Problems go to `diags`, which
 * gets tool.yaml as its source; -ERR_MANIFEST then. Pure. `files` must outlive the result. */
int library_decode(const struct bundle *files, struct arena *arena, struct diags *diags,
                   struct manifest_container *ret, struct err *err);

#endif
