/* SPDX-License-Identifier: MIT */
/*
 * `agent.tools`: a list of tools, each by its word, or as a map with `type` and what else its type takes.
 *
 *     tools: [shell, files, {type: file_search, vector_store_ids: [vs_1]}]
 *
 * A type is a row of the table in tools.c: how an item of it is taken, and how it is described. Nothing else
 * here knows a type by its name.
 */
#ifndef MANIFEST_TOOLS_H
#define MANIFEST_TOOLS_H

#include "manifest/kinds.h"

/* FIELD_CUSTOM at a struct manifest_tools: names of tools, and tools of the server with their settings. */
kind_decode_fn tools_decode;
kind_schema_fn tools_schema;
kind_encode_fn tools_encode;

struct loader;
struct run_side;

/* What a type of tools that are described in the list does with an item once it is decoded. */
struct manifest_own_ops {
    /* Before everything else: paths are made whole, files are read; what is wrong is reported. Where the
     * manifest is untrusted (l->opt), it stays in its folder. */
    void (*load)(struct loader *l, struct manifest_own *own);
    /* As a resolved manifest has it: everything it needs is in it. */
    void (*encode)(struct json_writer *w, const struct manifest_own *own);
    /* Into plain data (load_impl.h): a tool, and the sandbox it runs in, if it has one. A server of tools has
     * a sandbox only: leave ret->name NULL then. False: no memory. */
    bool (*fill)(struct loader *l, const struct manifest_own *own, struct tool_own *ret,
                 struct run_side *side);
};

/* For types: put a tool of the list's own into it. Its name must be [a-zA-Z0-9_-]{1,64}, and no other tool's.
 * False: reported at `item`. */
bool tools_add_own(struct table_ctx *ctx, const struct tree *item, const struct manifest_own *own,
                   struct manifest_tools *tools);

#endif
