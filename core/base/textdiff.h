/* SPDX-License-Identifier: MIT */
/*
 * The difference of two texts, line by line, as a unified diff. Pure.
 *
 * Myers' search from both ends in linear space. Its effort is bounded: where two texts have so little in
 * common that the shortest difference would take too long, a longer one is good enough.
 */
#ifndef BASE_TEXTDIFF_H
#define BASE_TEXTDIFF_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdint.h>

#define TEXTDIFF_MAX ((size_t) 64 * 1024 * 1024) /* bytes of each text */

struct textdiff_counts {
    int64_t added, removed; /* lines */
};

/* Append the hunks, with `context` lines around each change, to `out`; NULL: only count. Equal texts give
 * nothing. ERR_TOO_LARGE: a text, or `out`. */
int textdiff(struct span before, struct span after, int context, struct buf *out, struct textdiff_counts *ret,
             struct err *err);

#endif
