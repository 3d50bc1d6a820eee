/* SPDX-License-Identifier: MIT */
/*
 * `--set path=value`: edits of a manifest's tree before it is expanded and
 * decoded, so that every check applies to them too. A path is dotted; a list
 * takes an index (outputs.0.to), its length appends; names with dots stand in
 * double quotes (workspace.entries."notes.txt".content). What is missing on the way
 * is made. The value is YAML: 10, true, text, [shell], {type: dir}; null (or nothing)
 * takes the key or element out, as if it had not been written.
 */
#ifndef MANIFEST_EDIT_H
#define MANIFEST_EDIT_H

#include "core/base/arena.h"
#include "core/base/tree.h"

/* Set `text` ("path=value") in the tree, whose new nodes get the position `pos`.
 * Returns NULL, or the words that say what is wrong with it (in `arena`). */
const char *edit_set(struct arena *arena, struct tree *root, const char *text, struct tree_pos pos);

/* Add or replace the member `name` of an object; the value gets the name and the position `pos` as its key's.
 */
void edit_put(struct tree *map, struct span name, struct tree *value, struct tree_pos pos);

#endif
