/* SPDX-License-Identifier: MIT */
/*
 * YAML to a tree with positions; the only door to libyaml, of which only the
 * events are used (its document loader builds cycles and keeps duplicates).
 *
 * The language is YAML 1.2 with the core schema (manifest/scalar.h), less what a
 * manifest does not need.
 *
 * Anchors, aliases and merge keys (`<<`, one map or a list of maps) are copied
 * in, with a bound on the whole, so neither cycles nor explosions exist.
 * Refused, with a position and plain words: tags, duplicate keys, keys that are
 * not text, second documents, bytes that are no UTF-8, control characters, more
 * than YAML_SIZE_MAX bytes, YAML_DEPTH_MAX levels or YAML_NODES_MAX values.
 *
 * Every node remembers where it stood in the text and whether it was written
 * plain; yaml_node() gets from a struct tree to that.
 */
#ifndef MANIFEST_YAML_H
#define MANIFEST_YAML_H

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/tree.h"
#include "manifest/diag.h"

#define YAML_SIZE_MAX    (1024 * 1024)
#define YAML_DEPTH_MAX   64
#define YAML_NODES_MAX   50000             /* values, after aliases are copied in */
#define YAML_BYTES_MAX   (4 * 1024 * 1024) /* of text, after aliases are copied in */
#define YAML_MEMBERS_MAX 5000              /* of one map */
#define YAML_ANCHORS_MAX 1000
#define YAML_KEY_MAX     512

/* What yaml_parse() makes; `tree` is first, so that a struct tree of its making is one of these. */
struct yaml_node {
    struct tree tree;
    uint32_t begin, end; /* bytes of the source text */
    bool is_plain;       /* a scalar written without quotes */
    bool is_based;       /* a number written as 0x or 0o */
    bool is_expanded;    /* by expand.c */
};

static inline struct yaml_node *yaml_node(const struct tree *tree)
{
    return (struct yaml_node *) (void *) (uintptr_t) tree;
}

/* Parse one document. Nodes live in `arena`, which should have at least 32 MiB of ceiling; nothing points
 * into `text`. Problems go to `diags`. 0: *ret is the tree, even if some problems were reported, so that the
 * rest can be checked too. -ERR_MANIFEST: reported, and no tree could be made. -ERR_INTERNAL: no memory. An
 * empty document is a null. */
int yaml_parse(struct span text, struct arena *arena, struct diags *diags, struct tree **ret,
               struct err *err);

/* Position of a byte of the text (without a BOM). */
struct tree_pos yaml_pos(struct span text, size_t offset);

#endif
