/* SPDX-License-Identifier: MIT */
/*
 * What a patch makes of a tree of files. Pure: the caller says what is at each path, the plan runs all
 * operations over that in memory, and then says what is to be written. Nothing is to be written when it
 * fails.
 *
 *     patch_plan_init() -> the caller fills `was` of each file (and `before` where needs_contents) ->
 *     patch_plan_run() -> files with `step`
 */
#ifndef TOOL_PATCH_PLAN_H
#define TOOL_PATCH_PLAN_H

#include "core/tool/patch.h"

#define PATCH_RESULT_MAX (2 * PATCH_TEXT_MAX) /* bytes of a file when it is patched */

enum patch_was {
    PATCH_ABSENT,
    PATCH_FILE,
    PATCH_LINK, /* or another thing that can only be removed */
    PATCH_FOLDER,
    PATCH_BLOCKED, /* there can be nothing, because a folder on the way is none: `why` */
};

enum patch_step { PATCH_KEEP, PATCH_WRITE, PATCH_REMOVE };

struct patch_file {
    const char *path; /* beneath the workspace */
    bool needs_contents;

    enum patch_was was;
    const char
        *why; /* PATCH_LINK, PATCH_BLOCKED: words; or why the contents could not be had. Plan's arena */
    uint32_t mode;
    uint64_t inode;
    int64_t mtime_ns;
    bool has_contents;
    struct buf before;

    /* after the run */
    bool exists;
    struct buf now;
    uint32_t now_mode;
    enum patch_step step;
    int64_t added, removed; /* lines */
    bool is_moved_here;
};

struct patch_plan {
    const struct patch *patch;
    struct arena arena;
    struct patch_file *files;
    size_t count;
    size_t *of_op, *to_op; /* by operation: its file, and that it moves to (or the same) */
    struct buf notes;      /* lines for the model */
};

int patch_plan_init(struct patch_plan *plan, const struct patch *patch, const char *root, struct err *err);
void patch_plan_done(struct patch_plan *plan);

int patch_plan_run(struct patch_plan *plan, struct err *err);

/* "M path (+1 -2)" lines, in the order of the files. */
int patch_plan_report(const struct patch_plan *plan, struct buf *out);

#endif
