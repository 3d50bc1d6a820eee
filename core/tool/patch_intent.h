/* SPDX-License-Identifier: MIT */
/*
 * What a patch is about to write, as it is kept durably before the first write: enough for a later harness to
 * know of each file whether it has been written, and to take it back. Pure.
 */
#ifndef TOOL_PATCH_INTENT_H
#define TOOL_PATCH_INTENT_H

#include "core/base/digest.h"
#include "core/tool/patch_plan.h"

struct patch_write {
    const char *path, *backup; /* backup: the file as it was gets this name; NULL: there was none */
    bool is_removal;
    uint64_t inode; /* of the file as it was */
    int64_t mtime_ns;
    const char *sum; /* SHA-256 of what is written, hex; NULL for a removal */
};

struct patch_intent {
    struct patch_write *writes;
    size_t count;
    const char **folders; /* that are made, the outer ones first */
    size_t folder_count;
    const char *report; /* the answer when all of it is done */
};

int patch_intent_encode(const struct patch_intent *intent, struct buf *out, struct err *err);
/* From the journal, so it is checked like anything from outside. */
int patch_intent_decode(struct span json, struct arena *arena, struct patch_intent *ret, struct err *err);

#endif
