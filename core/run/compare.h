/* SPDX-License-Identifier: MIT */
/*
 * What changed in a workspace between two checkpoints, of one run or of two.
 */
#ifndef RUN_COMPARE_H
#define RUN_COMPARE_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/run/checkpoint.h"

#include <stdint.h>

enum compare_kind { COMPARE_ADDED, COMPARE_REMOVED, COMPARE_CHANGED, COMPARE_META /* mode only */ };

struct compare_item {
    const char *path;
    enum compare_kind kind;
    const struct listing_entry *before,
        *after;     /* NULL: not there; another name of a file is as good as one */
    bool is_binary; /* no text diff: not text, or larger than 1 MiB */
    int64_t lines_added, lines_removed;
};

struct compare;

/* Stores and numbers of both sides. mtime alone is no change. */
int compare_new(struct checkpoint_store *a, int64_t number_a, struct checkpoint_store *b, int64_t number_b,
                struct compare **ret, struct err *err);
void compare_free(struct compare *c);
size_t compare_count(const struct compare *c);
/* Sorted by path. */
const struct compare_item *compare_at(const struct compare *c, size_t i);
/* Append the unified text diff of item i ("--- a/path" ...), names escaped as git does, with "Binary files
 * differ" lines; modes, links, additions and removals are said too, so that `git apply` takes it where it
 * can; what git has no words for stands behind a '#'. */
int compare_text(struct compare *c, size_t i, struct buf *out, struct err *err);

#endif
