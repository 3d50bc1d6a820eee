/* SPDX-License-Identifier: MIT */
/*
 * What the model is told of the workspace without asking, as text: AGENTS.md files, and a short listing.
 * Pure.
 *
 * Both come out of the workspace and are hostile: what nobody sees or what would be taken for something else
 * (control characters, those that change the direction, the mark that ends the quotation) does not get
 * through, and everything is bounded.
 */
#ifndef RUN_CONTEXT_TEXT_H
#define RUN_CONTEXT_TEXT_H

#include "core/base/buf.h"
#include "core/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTEXT_AGENTS_MAX   (32 * 1024)   /* bytes of all AGENTS.md of a run; as others have it */
#define CONTEXT_FILE_MAX     (1024 * 1024) /* a larger AGENTS.md is not read at all */

#define CONTEXT_TREE_DEPTH   3    /* levels of the listing */
#define CONTEXT_TREE_ENTRIES 200  /* lines of it */
#define CONTEXT_TREE_BYTES   8192 /* of it in all */
#define CONTEXT_NAME_MAX     512  /* bytes of a longer path are not shown */

/* Append at most `max` bytes of `text`, made harmless, ending with a newline if there is anything. Returns
 * how many bytes were appended; *ret_is_cut: there would have been more. */
size_t context_clean(struct buf *out, struct span text, size_t max, bool *ret_is_cut);

/* The AGENTS.md of a folder beneath `root` ("" = itself), at most `max` bytes of it. `why` NULL: as it is;
 * else it is not given, or not read, for this reason. Returns the bytes of it that are told; *ret_is_cut:
 * there are more. */
size_t context_add_agents(struct buf *out, const char *root, const char *folder, struct span text, size_t max,
                          const char *why, bool *ret_is_cut);

struct context_entry {
    char *path; /* beneath the workspace */
    bool is_folder, is_link;
    uint64_t size;
};

struct context_tree {
    struct context_entry *entries; /* sorted by context_tree_compare() */
    size_t count;
    int64_t more;   /* entries that were seen and left out */
    int64_t unseen; /* folders that nobody looked into */
};

/* Order of a listing: by path, what is in a folder right after it. For qsort(). */
int context_tree_compare(const void *a, const void *b);
/* Is this folder's content never listed (caches, what version control keeps)? */
bool context_tree_skips(struct span name);

/* Nothing when the workspace is empty. Returns the number of entries told. */
size_t context_add_tree(struct buf *out, const char *root, const struct context_tree *tree);

#endif
