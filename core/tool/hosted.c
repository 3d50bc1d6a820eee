/* SPDX-License-Identifier: MIT */
#include "core/tool/hosted.h"

#include "core/base/digest.h"
#include "core/base/utf8.h"
#include "core/tool/image.h"

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
    { "shell", "shell_call", { "commands" } }, /* in a container of the server's */
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

/* ---- images ---- */

/* Behind "data:image/png;base64,"; of anything else nothing. */
static struct span data_of(struct span url)
{
    static const char mark[] = ";base64,";
    const char *at = span_starts(url, "data:") ? memmem(url.ptr, url.len, mark, sizeof(mark) - 1) : NULL;

    return at ? span_make(at + sizeof(mark) - 1, url.len - (size_t) (at + sizeof(mark) - 1 - url.ptr))
              : span_make(NULL, 0);
}

static struct span image_text(const struct tree *item, size_t number)
{
    const struct tree *outputs = tree_get(item, "outputs");

    if (tree_is_string(tree_get(item, "type"), "image_generation_call"))
        return number == 0 ? tree_span(tree_get(item, "result")) : span_make(NULL, 0);
    if (!tree_is_string(tree_get(item, "type"), "code_interpreter_call") || !outputs ||
        outputs->kind != TREE_ARRAY)
        return span_make(NULL, 0);
    tree_each (entry, outputs) {
        struct span data = tree_is_string(tree_get(entry, "type"), "image")
                               ? data_of(tree_span(tree_get(entry, "url")))
                               : span_make(NULL, 0);

        if (data.len > 0 && number-- == 0)
            return data;
    }
    return span_make(NULL, 0);
}

static const char *suffix_of(const struct image_info *info)
{
    static const char *const known[][2] = { { "image/png", ".png" },   { "image/jpeg", ".jpg" },
                                            { "image/webp", ".webp" }, { "image/gif", ".gif" },
                                            { "image/bmp", ".bmp" },   { "image/tiff", ".tiff" } };

    for (size_t i = 0; info->type && i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(info->type, known[i][0]) == 0)
            return known[i][1];
    return NULL;
}

int hosted_image(const struct tree *item, size_t number, struct buf *out, const char **ret_suffix,
                 struct err *err)
{
    struct span text = image_text(item, number);
    struct image_info info = { 0 };

    if (text.len == 0)
        return 0;
    buf_clear(out);
    if (base64_decode(out, text) < 0)
        return err_set(err, ERR_INVALID, "its bytes are not base64, or too many");
    if (!image_inspect(buf_span(out), &info) || !suffix_of(&info))
        return err_set(err, ERR_INVALID, "it is no image of a kind that is known");
    *ret_suffix = suffix_of(&info);
    return 1;
}
