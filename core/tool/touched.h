/* SPDX-License-Identifier: MIT */
/*
 * Which folders of the workspace a call touches, as far as its item says. A shell command may go anywhere; of
 * it only the folder it starts in is known.
 */
#ifndef TOOL_TOUCHED_H
#define TOOL_TOUCHED_H

#include "core/base/arena.h"
#include "core/base/span.h"
#include "core/base/tree.h"

#include <stdbool.h>

#define TOUCHED_MAX 16 /* folders of one call; further ones are not told */

struct touched {
    const char *root;                 /* of the workspace, in the sandbox */
    const char *folders[TOUCHED_MAX]; /* beneath it, in `arena`; each once, never the root itself */
    size_t count;
    struct arena arena;
};

/* For a tool: a path as the model wrote it. What leads out of the workspace, or nowhere, is left out. */
void touched_add(struct touched *t, struct span path, bool is_folder);
/* The same from a string of a function call's arguments. */
void touched_argument(struct touched *t, const struct tree *item, const char *name, bool is_folder);

void touched_init(struct touched *t, const char *root);
void touched_done(struct touched *t);

#endif
