/* SPDX-License-Identifier: MIT */
/* Where the hunks of an update go in a file. Pure. */
#ifndef TOOL_PATCH_MATCH_H
#define TOOL_PATCH_MATCH_H

#include "core/tool/patch.h"
#include "core/tool/patch_text.h"

/* Lines [at, at + old) of the file are those of the hunk that stay or go. */
struct patch_place {
    size_t at, old;
    size_t line_count; /* of the hunk's lines (anchors not counted) this many count */
};

struct patch_matcher {
    struct patch_text *text;
    const struct patch_op *op;
    struct span *old; /* memory for the lines of one hunk */
    size_t cursor;    /* nothing before it is matched any more */
    const char *note; /* about the last hunk; NULL: nothing */
    size_t other_at;  /* where it fits too; from 1; 0: nowhere */
};

int patch_matcher_init(struct patch_matcher *m, struct patch_text *text, const struct patch_op *op,
                       struct err *err);
void patch_matcher_done(struct patch_matcher *m);

/* The hunks in their order. */
int patch_match(struct patch_matcher *m, size_t index, struct patch_place *ret, struct err *err);

#endif
