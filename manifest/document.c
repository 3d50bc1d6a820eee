/* SPDX-License-Identifier: MIT */
#include "manifest/document.h"

#include "core/base/json_schema.h"
#include "core/base/utf8.h"
#include "manifest/answer.h"
#include "manifest/yaml.h"

#include <string.h>

static void on_problem(void *data, struct tree_pos pos, const char *path, const char *message,
                       const char *hint)
{
    diags_add(data, pos, path, hint, "%s", message);
}

int document_problems(const char *name, const struct diags *diags, struct err *err)
{
    size_t count = diags->count + diags->dropped;

    return count == 0
               ? 0
               : err_set(err, ERR_MANIFEST, "%zu problem%s in '%s'", count, count == 1 ? "" : "s", name);
}

int document_decode(const char *name, struct span text, const struct table *table, void *out,
                    struct arena *arena, struct diags *diags, struct err *err)
{
    struct table_ctx ctx = { .arena = arena, .problem = on_problem, .data = diags };
    struct tree *root = NULL;
    int r = diags_source(diags, name, text.len <= YAML_SIZE_MAX ? text : span_of(""));

    if (r < 0)
        return err_set(err, ERR_INTERNAL, "no memory for '%s'", name);
    r = yaml_parse(text.len <= YAML_SIZE_MAX ? diags->text : text, arena, diags, &root, err);
    if (r < 0)
        return r;
    if (root->kind != TREE_OBJECT) {
        table_wrong(&ctx, root, "keys and values");
        return document_problems(name, diags, err);
    }
    return table_decode(table, root, out, &ctx) < 0 ? err_set(err, ERR_INTERNAL, "'%s' is too large", name)
                                                    : 0;
}

static struct tree_pos pos_of(const struct manifest_container *tool, const char *key)
{
    const struct tree *at = tree_get(tool->node, key);

    return at ? at->pos : tool->node ? tool->node->pos : (struct tree_pos){ 0, 0 };
}

void document_parameters(struct manifest_container *tool, struct span text, struct arena *arena,
                         struct diags *diags)
{
    const char *copy = utf8_valid(text) == text.len && (text.len == 0 || !memchr(text.ptr, '\0', text.len))
                           ? arena_copy(arena, text.ptr, text.len)
                           : NULL;

    if (copy)
        answer_read(&tool->parameters, copy, tree_get(tool->node, "parameters"), arena, diags);
    else
        diags_add(diags, pos_of(tool, "parameters"), "parameters", NULL, "'%s' is no text",
                  tool->parameters.file);
}

static bool is_texts(const struct tree *schema)
{
    return tree_is_string(tree_get(schema, "type"), "string") ||
           (tree_is_string(tree_get(schema, "type"), "array") &&
            tree_is_string(tree_path(schema, "items", "type", NULL), "string"));
}

void document_check(struct manifest_container *tool, struct diags *diags)
{
    const struct tree *properties = tree_get(tool->parameters.schema, "properties");

    for (size_t i = 0; i < tool->inputs.count; i++) {
        const char *argument = tool->inputs.items[i].argument;

        if (argument && !is_texts(tree_get(properties, argument)))
            diags_add(diags, pos_of(tool, "inputs"), "inputs", "a text, or a list of texts, of `parameters`",
                      "'%.80s' is no argument that can be a path", argument);
    }
    for (size_t i = 0; i < tool->command_count && !tool->files; i++)
        if (strstr(tool->command[i], TOOL_CONTAINER_PLACE))
            diags_add(diags, pos_of(tool, "command"), "command", "agentbox tools add DIR",
                      "only a tool of the library has files of its own: '" TOOL_CONTAINER_PLACE "'");
}
