/* SPDX-License-Identifier: MIT */
/*
 * `workspace.entries`: what is put into the workspace before the run. The rows of
 * one entry, and the rules that need more than one row: which keys belong to
 * which type, and paths that get in each other's way. Pure.
 */
#ifndef MANIFEST_ENTRY_H
#define MANIFEST_ENTRY_H

#include "core/base/table.h"
#include "manifest/grammar.h"

extern const struct table manifest_entry_table;

/* All entries, the children of folders too, in order of their paths. Reports paths that are given twice, and
 * entries beneath something that is no folder or is mounted read-only. ctx->path is that of the entries.
 * False: no memory. */
bool entry_flatten(struct table_ctx *ctx, struct manifest_entry *items, size_t count,
                   const struct manifest_entry ***ret, size_t *ret_count);

#endif
