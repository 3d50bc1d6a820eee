/* SPDX-License-Identifier: MIT */
#include "core/tool/hosted.h"

#include "core/base/utf8.h"

#include <stdio.h>
#include <string.h>

/* What an item says of its work, as far as it fits into a line. */
static const struct kind {
    const char *type, *item;
    const char *path[3]; /* the first of its texts that is there: a member, or a member of `action` */
} kinds[] = {
    { "web_search", "web_search_call", { "query", "url", "pattern" } },
    { "file_search", "file_search_call", { "queries" } },
    { "code_interpreter", "code_interpreter_call", { "code" } },
    { "image_generation", "image_generation_call", { "revised_prompt" } },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const struct kind *kind_of(const struct tree *item)
{
    struct span type = tree_span(tree_get(item, "type"));

    for (size_t i = 0; i < KINDS; i++)
        if (span_is(type, kinds[i].item))
            return &kinds[i];
    return NULL;
}

void hosted_describe(struct json_writer *w, const struct tool_hosted *tool)
{
    json_object(w);
    json_put_string(w, "type", tool->type);
    tree_each (member, tool->settings) {
        if (span_is(member->key, "type"))
            continue;
        json_key_span(w, member->key);
        json_tree(w, member);
    }
    if (strcmp(tool->type, "code_interpreter") == 0 && !tree_get(tool->settings, "container")) {
        json_key(w, "container");
        json_object(w);
        json_put_string(w, "type", "auto");
        json_object_end(w);
    }
    json_object_end(w);
}

const char *hosted_find(const struct tree *item)
{
    const struct kind *kind = kind_of(item);

    return kind ? kind->type : NULL;
}

/* A member of the item or of its action; of a list the first. */
static struct span text_of(const struct tree *item, const char *name)
{
    const struct tree *value = tree_get(item, name);

    if (!value)
        value = tree_path(item, "action", name, NULL);
    if (value && value->kind == TREE_ARRAY)
        value = value->child;
    return tree_span(value);
}

void hosted_title(const struct tree *item, char *out, size_t size)
{
    const struct kind *kind = kind_of(item);
    struct span text = { 0 };

    for (size_t i = 0; i < 3 && kind->path[i] && text.len == 0; i++)
        text = text_of(item, kind->path[i]);
    (void) snprintf(out, size, "%s%s" SPAN_FMT, kind->type, text.len > 0 ? ": " : "",
                    (int) utf8_cut(text, size > 40 ? size - 40 : 0), text.ptr ? text.ptr : "");
}
