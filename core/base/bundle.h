/* SPDX-License-Identifier: MIT */
/*
 * A small folder held in memory: its regular files by path, and one digest for all of them. What is checked
 * here is what is used later; whatever becomes of the folder in between does not matter.
 *
 *     struct bundle b;
 *
 *     bundle_init(&b);
 *     r = bundle_load(&b, "/some/folder", err);       (or bundle_add() for each file, then bundle_seal())
 *     ...
 *     bundle_done(&b);
 *
 * The digest is the SHA-256 of a line "HEX x|-  PATH\n" for each file, sorted by path: the content's digest,
 * whether it is a program, and its path. Empty folders, times and other bits of modes do not count.
 */
#ifndef BASE_BUNDLE_H
#define BASE_BUNDLE_H

#include "core/base/arena.h"
#include "core/base/digest.h"
#include "core/base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define BUNDLE_FILES_MAX 200
#define BUNDLE_BYTES_MAX (4 * 1024 * 1024) /* of all contents */
#define BUNDLE_PATH_MAX  255

struct bundle_file {
    const char *path; /* relative, '/' between names, no "." or ".." */
    struct span content;
    bool is_program; /* may be run */
};

struct bundle {
    struct arena arena;        /* of everything below */
    struct bundle_file *files; /* sorted by path once sealed */
    size_t count;
    size_t bytes;
    char digest[DIGEST_HEX]; /* once sealed */
};

void bundle_init(struct bundle *b);
void bundle_done(struct bundle *b);

/* The content is copied. ERR_INVALID: a path that may not be; ERR_TOO_LARGE; ERR_CONFLICT: it is there. */
int bundle_add(struct bundle *b, const struct bundle_file *file, struct err *err);
void bundle_seal(struct bundle *b);

/* Everything in a folder of the host, sealed. Links and special files are refused (ERR_INVALID). */
int bundle_load(struct bundle *b, const char *folder, struct err *err);
/* Into a folder that is made for it. Nothing in it may be written by anybody. */
int bundle_save(const struct bundle *b, const char *folder, struct err *err);

const struct bundle_file *bundle_find(const struct bundle *b, const char *path); /* NULL: not there */

#endif
