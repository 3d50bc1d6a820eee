/* SPDX-License-Identifier: MIT */
/* The list of tools, as a manifest has it. */
#include "manifest/tools.h"

#include "core/base/utf8.h"
#include "manifest/agents.h"
#include "manifest/container.h"
#include "manifest/mcp.h"

#include <stdio.h>

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

/* A type of tools, and what an item of it means. */
struct type {
    const char *name;
    /* Put the item, which is of this type, into the list. False: reported. */
    bool (*take)(struct table_ctx *ctx, const struct type *type, const struct tree *item,
                 struct manifest_tools *tools);
    bool is_word;                                                   /* its word alone will do */
    void (*schema)(struct json_writer *w, const struct type *type); /* of a map of it; NULL: never a map */
    /* Of the model's server: the settings that the API has for it (openai-node 6, `Tool`). */
    const char *needs; /* the one that must be there; NULL: none */
    const char *settings[20];
};

/* Is the item of the list a map? */
static bool is_map(const struct tree *item)
{
    return item->kind == TREE_OBJECT;
}

/* Of types that the list has once at most. */
static bool is_first(struct table_ctx *ctx, const struct type *type, const struct tree *item,
                     const struct manifest_tools *tools)
{
    const struct span name = span_of(type->name);
    bool is_there = false;

    for (size_t i = 0; i < tools->count; i++)
        is_there = is_there || span_is(name, tools->names[i]);
    for (size_t i = 0; i < tools->hosted_count; i++)
        is_there = is_there || span_is(name, tools->hosted[i].type);
    return !is_there || kind_refuse(ctx, item, NULL, "this tool is in the list already");
}

/* --- tools of agentbox, without settings --- */

static bool take_word(struct table_ctx *ctx, const struct type *type, const struct tree *item,
                      struct manifest_tools *tools)
{
    if (is_map(item))
        return kind_refuse(ctx, item, "write the word alone", "this tool takes no settings");
    if (!is_first(ctx, type, item, tools))
        return false;
    tools->names[tools->count++] = type->name;
    return true;
}

/* --- tools of the model's server --- */

static size_t count_settings(const struct type *type)
{
    size_t n = 0;

    while (n < COUNT_OF(type->settings) && type->settings[n])
        n++;
    return n;
}

static bool is_setting(const struct type *type, struct span word)
{
    for (size_t i = 0; i < count_settings(type); i++)
        if (span_is(word, type->settings[i]))
            return true;
    return false;
}

/* Names only: what a setting may be is the server's to say. */
static bool check_hosted(struct table_ctx *ctx, const struct type *type, const struct tree *item)
{
    const struct tree *map = is_map(item) ? item : NULL;
    bool is_good = true;
    char hint[100];

    tree_each (member, map) {
        const char *nearest = table_nearest(member->key, type->settings, count_settings(type));

        if (span_is(member->key, "type") || is_setting(type, member->key))
            continue;
        (void) snprintf(hint, sizeof(hint), "did you mean '%s'?", nearest ? nearest : "");
        is_good = kind_refuse_key(ctx, member, nearest ? hint : NULL, "this tool has no such setting");
    }
    if (type->needs && !tree_get(map, type->needs)) {
        (void) snprintf(hint, sizeof(hint), "{type: %s, %s: [...]}", type->name, type->needs);
        table_problem(ctx, item, hint, "'%s' needs '%s'", type->name, type->needs);
        return false;
    }
    return is_good;
}

static bool take_hosted(struct table_ctx *ctx, const struct type *type, const struct tree *item,
                        struct manifest_tools *tools)
{
    if (!check_hosted(ctx, type, item) || !is_first(ctx, type, item, tools))
        return false;
    tools->hosted[tools->hosted_count++] =
        (struct tool_hosted){ .type = type->name, .settings = is_map(item) ? item : NULL };
    return true;
}

/* {"type": WORD, SETTING: anything ...}, nothing beside. */
static void hosted_schema(struct json_writer *w, const struct type *type)
{
    json_object(w);
    json_put_string(w, "type", "object");
    json_key(w, "properties");
    json_object(w);
    json_key(w, "type");
    json_object(w);
    json_put_string(w, "const", type->name);
    json_object_end(w);
    for (size_t i = 0; i < count_settings(type); i++)
        json_put_bool(w, type->settings[i], true);
    json_object_end(w);
    json_key(w, "required");
    json_array(w);
    json_string(w, "type");
    if (type->needs)
        json_string(w, type->needs);
    json_array_end(w);
    json_put_bool(w, "additionalProperties", false);
    json_object_end(w);
}

/* --- tools of the manifest's own --- */

/* What built-in tools are called by the model, or by the API. */
static const char *const taken[] = { "shell",           "exec_command", "write_stdin", "apply_patch",
                                     "view_image",      "read_file",    "list_dir",    "find_files",
                                     "search_text",     "load_skill",   "remember",    "else",
                                     "without_terminal" };

static bool is_taken(const char *name, const struct manifest_tools *tools)
{
    for (size_t i = 0; i < COUNT_OF(taken); i++)
        if (strcmp(name, taken[i]) == 0)
            return true;
    for (size_t i = 0; i < tools->own_count; i++)
        if (strcmp(name, tools->own[i].name) == 0)
            return true;
    return false;
}

bool tools_add_own(struct table_ctx *ctx, const struct tree *item, const struct manifest_own *own,
                   struct manifest_tools *tools)
{
    const struct tree *at = tree_get(item, "name") ? tree_get(item, "name") : item;
    size_t len = strlen(own->name);

    if (len == 0 || len > 64 ||
        strspn(own->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != len)
        return kind_refuse(ctx, at, "letters, digits, '_' and '-', at most 64",
                           "this is not a name of a tool");
    if (is_taken(own->name, tools))
        return kind_refuse(ctx, at, NULL, "another tool has this name");
    tools->own[tools->own_count++] = *own;
    return true;
}

static bool take_agent(struct table_ctx *ctx, const struct type *type, const struct tree *item,
                       struct manifest_tools *tools)
{
    return is_map(item) ? agents_take(ctx, item, tools)
                        : kind_refuse(ctx, item, "{type: agent, name: reviewer, manifest: reviewer.yaml}",
                                      "a subagent needs a name and a manifest");
}

static void agent_schema(struct json_writer *w, const struct type *type)
{
    agents_schema(w);
}

static bool take_mcp(struct table_ctx *ctx, const struct type *type, const struct tree *item,
                     struct manifest_tools *tools)
{
    return (is_map(item) || kind_refuse(ctx, item, "{type: mcp, name: ..., command: [...]}",
                                        "a server needs a name and a command or url")) &&
           mcp_take(ctx, item, tools);
}

static void mcp_schema(struct json_writer *w, const struct type *type)
{
    table_schema(&manifest_mcp_table, false, w);
}

static bool take_container(struct table_ctx *ctx, const struct type *type, const struct tree *item,
                           struct manifest_tools *tools)
{
    if (is_map(item))
        return container_take(ctx, item, tools);
    table_problem(ctx, item, "{type: container, name: ..., image: ..., command: [...]}",
                  "this tool is described by a map: '%s'", type->name);
    return false;
}

static void container_schema(struct json_writer *w, const struct type *type)
{
    (void) type;
    table_schema(&manifest_container_table, false, w);
}

/* --- the types --- */

static bool take_later(struct table_ctx *ctx, const struct type *type, const struct tree *item,
                       struct manifest_tools *tools)
{
    table_problem(ctx, is_map(item) ? tree_get(item, "type") : item, NULL, "not supported yet: tool '%s'",
                  type->name);
    return false;
}

/* In a container of the server's it is a tool of the server's; here, one of ours. */
static bool take_shell(struct table_ctx *ctx, const struct type *type, const struct tree *item,
                       struct manifest_tools *tools)
{
    const struct tree *where = is_map(item) ? tree_path(item, "environment", "type", NULL) : NULL;

    if (!is_map(item) || !tree_get(item, "environment"))
        return take_word(ctx, type, item, tools);
    if (!where || (!tree_is_string(where, "container_auto") && !tree_is_string(where, "container_reference")))
        return kind_refuse(
            ctx, where ? where : item,
            "container_auto or container_reference; the shell of the sandbox is the word alone",
            "'environment.type' must name a container of the model's server");
    return take_hosted(ctx, type, item, tools);
}

static const struct type types[] = {
    { "shell", take_shell, true, hosted_schema, NULL, { "environment" } },
    { "apply_patch", take_word, true, NULL, NULL, { NULL } },
    { "view_image", take_word, true, NULL, NULL, { NULL } },
    { "files", take_word, true, NULL, NULL, { NULL } },
    { "web_search",
      take_hosted,
      true,
      hosted_schema,
      NULL,
      { "filters", "user_location", "search_context_size", "external_web_access" } },
    { "file_search",
      take_hosted,
      false,
      hosted_schema,
      "vector_store_ids",
      { "vector_store_ids", "max_num_results", "filters", "ranking_options" } },
    { "code_interpreter", take_hosted, true, hosted_schema, NULL, { "container", "allowed_callers" } },
    { "image_generation",
      take_hosted,
      true,
      hosted_schema,
      NULL,
      { "action", "background", "input_fidelity", "input_image_mask", "model", "moderation",
        "output_compression", "output_format", "partial_images", "quality", "size" } },
    { "computer", take_later, false, NULL, NULL, { NULL } },
    { "mcp", take_mcp, false, mcp_schema, NULL, { NULL } },
    { "container", take_container, false, container_schema, NULL, { NULL } },
    { "agent", take_agent, false, agent_schema, NULL, { NULL } },
};

/* --- the list --- */

static void report_unknown(struct table_ctx *ctx, const struct tree *word)
{
    const char *names[COUNT_OF(types)], *nearest;
    char hint[100];

    for (size_t i = 0; i < COUNT_OF(types); i++)
        names[i] = types[i].name;
    nearest = table_nearest(word->text, names, COUNT_OF(types));
    (void) snprintf(hint, sizeof(hint), "did you mean '%s'?", nearest ? nearest : "");
    table_problem(ctx, word,
                  nearest ? hint
                          : "known: shell, apply_patch, view_image, files, web_search, file_search, "
                            "code_interpreter, image_generation, mcp, container, agent",
                  "unknown tool '" SPAN_FMT "'", (int) utf8_cut(word->text, 100), word->text.ptr);
}

static bool take(struct table_ctx *ctx, const struct tree *item, struct manifest_tools *tools)
{
    const struct tree *word = is_map(item) ? tree_get(item, "type") : item;

    if (is_map(item) && tree_get(item, "from"))
        return container_take_from(ctx, item, tools);
    if (!word || word->kind != TREE_STRING)
        return kind_refuse(ctx, word ? word : item, "shell, or {type: ..., ...}",
                           "a tool is a word or a map with 'type'");
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (span_is(word->text, types[i].name))
            return types[i].take(ctx, &types[i], item, tools);
    report_unknown(ctx, word);
    return false;
}

bool tools_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    struct manifest_tools *tools = kind_slot(out, field);
    size_t own = value->count + 1;
    bool is_good = true;

    if (value->kind != TREE_ARRAY) {
        table_wrong(ctx, value, "a list");
        return false;
    }
    tree_each (item, value)
        own += tree_get(item, "only") ? tree_get(item, "only")->count : 0;
    tools->names = arena_alloc(ctx->arena, (value->count + 1) * sizeof(*tools->names));
    tools->hosted = arena_alloc(ctx->arena, (value->count + 1) * sizeof(*tools->hosted));
    tools->own = arena_alloc(ctx->arena, own * sizeof(*tools->own));
    if (!tools->names || !tools->hosted || !tools->own)
        return kind_refuse(ctx, value, NULL, "too large");
    tree_each (item, value)
        is_good = take(ctx, item, tools) && is_good;
    return is_good;
}

void tools_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_string(w, "type", "array");
    json_key(w, "items");
    json_object(w);
    json_key(w, "anyOf");
    json_array(w);
    json_object(w);
    json_key(w, "enum");
    json_array(w);
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].is_word)
            json_string(w, types[i].name);
    json_array_end(w);
    json_object_end(w);
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].schema)
            types[i].schema(w, &types[i]);
    container_from_schema(w);
    json_array_end(w);
    json_object_end(w);
    json_put_bool(w, "uniqueItems", true);
    json_object_end(w);
}

bool tools_encode(struct json_writer *w, const struct field *field, const void *base)
{
    const struct manifest_tools *tools = kind_slot_of(base, field);

    if (!w)
        return true;
    json_array(w);
    for (size_t i = 0; i < tools->count; i++)
        json_string(w, tools->names[i]);
    for (size_t i = 0; i < tools->own_count; i++)
        tools->own[i].ops->encode(w, &tools->own[i]);
    for (size_t i = 0; i < tools->hosted_count; i++)
        if (tools->hosted[i].settings)
            json_tree(w, tools->hosted[i].settings);
        else
            json_string(w, tools->hosted[i].type);
    json_array_end(w);
    return true;
}
