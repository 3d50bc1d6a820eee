/* SPDX-License-Identifier: MIT */
/* Edits of a tree by path. */
#include "manifest/edit.h"

#include "core/base/units.h"
#include "manifest/yaml.h"

#include <stdlib.h>

static struct tree *child_of(struct tree *parent, const struct tree *found)
{
    for (struct tree *item = parent->child; item; item = item->next)
        if (item == found)
            return item;
    return NULL;
}

static void append(struct tree *parent, struct tree *value)
{
    struct tree **tail = &parent->child;

    while (*tail)
        tail = &(*tail)->next;
    *tail = value;
    value->next = NULL;
    parent->count++;
}

void edit_put(struct tree *map, struct span name, struct tree *value, struct tree_pos pos)
{
    struct tree **at = &map->child;

    value->key = name;
    value->key_pos = pos;
    while (*at && !span_equal((*at)->key, name))
        at = &(*at)->next;
    if (!*at) {
        append(map, value);
        return;
    }
    value->next = (*at)->next;
    *at = value;
}

/* The next name of a path: up to '.', or in double quotes. False: the path is not well-formed. */
static bool next_name(struct span *path, struct span *ret)
{
    const char *end;
    bool is_quoted = path->len > 0 && path->ptr[0] == '"';
    size_t used;

    if (is_quoted) {
        end = memchr(path->ptr + 1, '"', path->len - 1);
        if (!end)
            return false;
        *ret = span_make(path->ptr + 1, (size_t) (end - path->ptr) - 1);
        used = ret->len + 2;
    } else {
        end = memchr(path->ptr, '.', path->len);
        *ret = span_make(path->ptr, end ? (size_t) (end - path->ptr) : path->len);
        used = ret->len;
    }
    if (used < path->len && (path->ptr[used] != '.' || used + 1 == path->len))
        return false;
    used += used < path->len;
    *path = span_make(path->ptr + used, path->len - used);
    return ret->len > 0;
}

static struct tree *new_node(struct arena *arena, struct tree_pos pos)
{
    struct yaml_node *node = arena_alloc(arena, sizeof(*node));

    if (!node)
        return NULL;
    node->tree.kind = TREE_OBJECT;
    node->tree.pos = pos;
    return &node->tree;
}

/* Put `value` (NULL: whatever is there, or a new map) at `name` of `parent`; *ret is what is there then. */
static const char *enter(struct arena *arena, struct tree *parent, struct span name, struct tree *value,
                         struct tree_pos pos, struct tree **ret)
{
    const char *key = arena_copy(arena, name.ptr, name.len);
    int64_t index = 0;

    if (!key)
        return "too large";
    if (parent->kind == TREE_NULL) {
        parent->kind = TREE_OBJECT;
        parent->text = span_of("");
    }
    if (parent->kind == TREE_ARRAY && units_int(name, 0, parent->count, &index) < 0)
        return arena_printf(arena, "expected an index up to %u instead of '%s'", parent->count, key);
    if (parent->kind != TREE_ARRAY && parent->kind != TREE_OBJECT)
        return arena_printf(arena, "there are no keys above '%s'", key);
    *ret = child_of(parent,
                    parent->kind == TREE_ARRAY ? tree_at(parent, (size_t) index) : tree_get(parent, key));
    if (*ret && !value)
        return NULL;
    if (!value)
        value = new_node(arena, pos);
    if (!value)
        return "too large";
    if (parent->kind == TREE_OBJECT) {
        edit_put(parent, span_of(key), value, pos);
    } else if (*ret) {
        struct tree **at = &parent->child;

        while (*at != *ret)
            at = &(*at)->next;
        value->next = (*ret)->next;
        *at = value;
    } else {
        append(parent, value);
    }
    *ret = value;
    return NULL;
}

static void place(struct tree *node, struct tree_pos pos)
{
    node->pos = pos;
    node->key_pos = pos;
    yaml_node(node)->begin = 0;
    yaml_node(node)->end = 0;
    for (struct tree *item = node->child; item; item = item->next)
        place(item, pos);
}

static const char *parse_value(struct arena *arena, const char *text, struct tree_pos pos, struct tree **ret)
{
    struct diags *diags = calloc(1, sizeof(*diags));
    const char *why = "too large";

    if (!diags)
        return why;
    diags_init(diags);
    if (yaml_parse(span_of(text), arena, diags, ret, NULL) == 0 && diags->count == 0) {
        place(*ret, pos);
        why = NULL;
    } else if (diags->count > 0) {
        why = arena_printf(arena, "the value is not YAML: %s", diags->items[0].message);
    }
    diags_done(diags);
    free(diags);
    return why;
}

static bool is_path(struct span path)
{
    struct span name;

    while (path.len > 0)
        if (!next_name(&path, &name))
            return false;
    return true;
}

static void take_out(struct tree *parent, const struct tree *node)
{
    struct tree **at = &parent->child;

    while (*at && *at != node)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = node->next;
    parent->count--;
}

const char *edit_set(struct arena *arena, struct tree *root, const char *text, struct tree_pos pos)
{
    const char *equals = strchr(text, '=');
    struct span path = span_make(text, equals ? (size_t) (equals - text) : 0), name;
    struct tree *at = root, *above = root, *value = NULL;
    const char *why;

    if (!equals || path.len == 0)
        return "expected path=value";
    if (!is_path(path))
        return "not a path: names with dots between them";
    why = parse_value(arena, equals + 1, pos, &value);
    for (int level = 0; !why && path.len > 0 && next_name(&path, &name); level++) {
        above = at;
        why = level < YAML_DEPTH_MAX ? enter(arena, above, name, path.len == 0 ? value : NULL, pos, &at)
                                     : "too many levels";
    }
    if (!why && value->kind == TREE_NULL)
        take_out(above, value);
    return why;
}
