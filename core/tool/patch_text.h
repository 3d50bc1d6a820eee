/* SPDX-License-Identifier: MIT */
/*
 * A file as the lines that a patch is matched with. Pure. Equality has levels, from the same bytes to
 * what a model that retypes text gets wrong. Searching takes time that is linear in both sides.
 */
#ifndef TOOL_PATCH_TEXT_H
#define TOOL_PATCH_TEXT_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdint.h>

enum patch_level {
    PATCH_EXACT,
    PATCH_TRAILING,   /* blanks at the end do not count */
    PATCH_BLANKS,     /* nor those at the beginning */
    PATCH_TYPOGRAPHY, /* and dashes, quotes and spaces are those of ASCII */
    PATCH_LEVELS
};

struct patch_text {
    struct span bytes;
    uint32_t *starts; /* count + 1 of them */
    size_t count;
    uint32_t *hashes[PATCH_LEVELS]; /* made when they are needed */
    struct buf scratch[2];
    uint64_t effort; /* lines looked at so far */
};

int patch_text_init(struct patch_text *t, struct span bytes, struct err *err);
void patch_text_done(struct patch_text *t);

struct span patch_text_raw(const struct patch_text *t, size_t line); /* with its line end */
struct span patch_text_line(const struct patch_text *t, size_t line);
/* "\n", "\r\n", or "" for a last line without one. */
const char *patch_text_eol(const struct patch_text *t, size_t line);

/* Are these lines at `at`, at this level? */
bool patch_text_is_at(struct patch_text *t, const struct span *lines, size_t count, size_t at,
                      enum patch_level level);

/* The first place from `from` on; PATCH_NOWHERE; PATCH_GIVEN_UP: no memory, or all searches of this file
 * together took too long. */
enum { PATCH_NOWHERE = -1, PATCH_GIVEN_UP = -2 };
int64_t patch_text_seek(struct patch_text *t, const struct span *lines, size_t count, size_t from,
                        enum patch_level level);

/* Where most of these lines are, by the loosest level, near enough to be meant; *ret_same of them. */
int64_t patch_text_nearest(struct patch_text *t, const struct span *lines, size_t count, size_t *ret_same);

#endif
