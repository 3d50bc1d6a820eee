/* SPDX-License-Identifier: MIT */
/* References to secrets, found in a tree. */
#include "manifest/secrets.h"

static void walk(const struct tree *node, secrets_fn *fn, void *data)
{
    tree_each (item, node) {
        bool is_ref =
            node->kind == TREE_OBJECT && (span_is(item->key, "from_env") || span_is(item->key, "from_file") ||
                                          span_is(item->key, "from_command"));

        if (is_ref)
            fn(data, item);
        else
            walk(item, fn, data);
    }
}

void secrets_each(const struct tree *root, secrets_fn *fn, void *data)
{
    tree_each (section, root) {
        bool is_model = span_is(section->key, "model");

        if (span_is(section->key, "params") || span_is(section->key, "workspace"))
            continue;
        if (!is_model) {
            walk(section, fn, data);
            continue;
        }
        tree_each (item, section)
            if (!span_is(item->key, "extra"))
                walk(item, fn, data);
    }
}

struct names {
    const char **items;
    size_t count;
};

static void count_one(void *data, const struct tree *ref)
{
    (void) ref;
    ++*(size_t *) data;
}

static void add_name(void *data, const struct tree *ref)
{
    struct names *names = data;

    if (span_is(ref->key, "from_env") && ref->kind == TREE_STRING)
        names->items[names->count++] = ref->text.ptr;
}

const char *const *secrets_variables(const struct tree *root, struct arena *arena)
{
    struct names names = { NULL, 0 };
    size_t count = 0;

    secrets_each(root, count_one, &count);
    names.items = arena_alloc(arena, (count + 2) * sizeof(*names.items));
    if (!names.items)
        return NULL;
    names.items[names.count++] = "OPENAI_API_KEY";
    secrets_each(root, add_name, &names);
    return names.items;
}
