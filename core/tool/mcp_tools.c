/* SPDX-License-Identifier: MIT */
#include "core/tool/mcp_tools.h"

#include "core/base/digest.h"
#include "core/base/utf8.h"

#include <stdio.h>

#define HASH_LEN 8 /* hex digits of a digest in a name */

void mcp_tools_init(struct mcp_tools *t, const char *server, const char *const *allow)
{
    *t = (struct mcp_tools){ .server = server, .allow = allow };
    arena_init(&t->arena, 2 * MCP_DEFINITIONS_MAX);
}

void mcp_tools_done(struct mcp_tools *t)
{
    arena_done(&t->arena);
    mcp_tools_init(t, t->server, t->allow);
}

const char *mcp_kind_name(enum mcp_tool_kind kind)
{
    return kind == MCP_TOOL_CALL             ? "call"
           : kind == MCP_TOOL_LIST_RESOURCES ? "list_resources"
                                             : "read_resource";
}

/* ---- names ---- */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

void mcp_wire_name(const char *server, struct span tool, bool always, char ret[MCP_NAME_MAX + 1])
{
    size_t at = (size_t) snprintf(ret, MCP_NAME_MAX + 1, "%.40s__", server);
    bool is_other = always || tool.len > MCP_NAME_MAX - at;
    size_t room = MCP_NAME_MAX - at;
    char hex[DIGEST_HEX];

    for (size_t i = 0; i < tool.len && !is_other; i++)
        is_other = !is_plain(tool.ptr[i]);
    if (is_other)
        room -= HASH_LEN + 1;
    for (size_t i = 0; i < tool.len && i < room; i++)
        ret[at++] = tool.ptr[i];
    for (size_t i = 0; i < at; i++)
        if (!is_plain(ret[i]))
            ret[i] = '_';
    ret[at] = '\0';
    if (is_other) {
        digest_of(tool, hex);
        (void) snprintf(ret + at, MCP_NAME_MAX + 1 - at, "_%.*s", HASH_LEN, hex);
    }
}

const struct mcp_tool *mcp_tools_find(const struct mcp_tools *t, struct span wire)
{
    for (size_t i = 0; i < t->count; i++)
        if (span_is(wire, t->items[i].wire))
            return &t->items[i];
    return NULL;
}

static const struct mcp_tool *find_own(const struct mcp_tools *t, struct span name)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->items[i].kind == MCP_TOOL_CALL && span_is(name, t->items[i].name))
            return &t->items[i];
    return NULL;
}

static bool is_allowed(const struct mcp_tools *t, struct span name)
{
    for (size_t i = 0; t->allow && t->allow[i]; i++)
        if (span_is(name, t->allow[i]))
            return true;
    return !t->allow;
}

const char *mcp_tools_missing(const struct mcp_tools *t)
{
    for (size_t i = 0; t->allow && t->allow[i]; i++) {
        bool is_there = false;

        for (size_t j = 0; j < t->count && !is_there; j++)
            is_there = strcmp(t->items[j].name, t->allow[i]) == 0;
        if (!is_there)
            return t->allow[i];
    }
    return NULL;
}

/* ---- schemas ---- */

static size_t depth_of(const struct tree *t, size_t room)
{
    size_t deepest = 0;

    if (room == 0)
        return 1;
    tree_each (child, t) {
        size_t depth = depth_of(child, room - 1);

        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

static bool is_word_of(struct span word, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        if (span_is(word, words[i]))
            return true;
    return false;
}

static bool requires_all(const struct tree *schema)
{
    const struct tree *required = tree_get(schema, "required");

    tree_each (member, tree_get(schema, "properties")) {
        bool is_required = false;

        tree_each (name, required)
            is_required = is_required || span_equal(tree_span(name), member->key);
        if (!is_required)
            return false;
    }
    return true;
}

static bool is_strict_node(const struct tree *schema, bool is_top)
{
    static const char *const known[] = { "type",     "description",          "enum",  "const", "properties",
                                         "required", "additionalProperties", "items", NULL };
    const struct tree *type = tree_get(schema, "type");
    const struct tree *more = tree_get(schema, "additionalProperties");
    bool is_object = tree_is_string(type, "object");

    if (!schema || schema->kind != TREE_OBJECT || !type || (is_top && !is_object))
        return false;
    tree_each (member, schema)
        if (!is_word_of(member->key, known) && !(is_top && span_is(member->key, "$schema")))
            return false;
    if (tree_is_string(type, "array"))
        return is_strict_node(tree_get(schema, "items"), false);
    if (!is_object)
        return type->kind == TREE_STRING;
    if (!more || more->kind != TREE_BOOL || more->is_true || !tree_get(schema, "properties") ||
        !requires_all(schema))
        return false;
    tree_each (member, tree_get(schema, "properties"))
        if (!is_strict_node(member, false))
            return false;
    return true;
}

bool mcp_schema_is_strict(const struct tree *schema)
{
    return depth_of(schema, MCP_SCHEMA_DEPTH) <= 10 && is_strict_node(schema, true);
}

/* An object that the API takes as `parameters`: of type object, with properties. One that is no such thing,
 * or too large or deep to be told, becomes one that allows anything. */
static void put_schema(struct json_writer *w, const struct tree *schema)
{
    bool fits = schema && schema->kind == TREE_OBJECT && schema->raw.len <= MCP_SCHEMA_MAX &&
                depth_of(schema, MCP_SCHEMA_DEPTH + 1) <= MCP_SCHEMA_DEPTH;
    const struct tree *properties = fits ? tree_get(schema, "properties") : NULL;

    json_object(w);
    json_put_string(w, "type", "object");
    if (fits)
        tree_each (member, schema)
            if (!span_is(member->key, "type") && !span_is(member->key, "properties") &&
                !span_is(member->key, "$schema")) {
                json_key_span(w, member->key);
                json_tree(w, member);
            }
    json_key(w, "properties");
    if (properties && properties->kind == TREE_OBJECT) {
        json_tree(w, properties);
    } else {
        json_object(w);
        json_object_end(w);
    }
    json_object_end(w);
}

/* ---- the list ---- */

static const char *describe(struct mcp_tools *t, struct span text)
{
    size_t len = utf8_cut(text, MCP_DESCRIPTION_MAX);

    if (len > 0 && memchr(text.ptr, 0, len)) /* a text of ours has none */
        len = (size_t) ((const char *) memchr(text.ptr, 0, len) - text.ptr);
    if (len == 0)
        return arena_printf(&t->arena, "A tool of the MCP server '%s'.", t->server);
    return arena_printf(&t->arena, SPAN_FMT "%s", (int) len, text.ptr, len < text.len ? " [cut]" : "");
}

/* What is told of it, into the arena. False: there is no room. */
static bool define(struct mcp_tools *t, struct mcp_tool *tool, struct span description,
                   const struct tree *schema)
{
    struct buf out = BUF_INIT(MCP_SCHEMA_MAX * 4);
    struct json_writer w;

    json_begin(&w, &out);
    put_schema(&w, schema);
    tool->is_strict = mcp_schema_is_strict(schema);
    tool->description = describe(t, description);
    if (json_end(&w, NULL) == 0 && t->arena.used + out.len <= MCP_DEFINITIONS_MAX)
        tool->parameters = arena_copy(&t->arena, out.data, out.len);
    buf_done(&out);
    return tool->description && tool->parameters;
}

static bool add(struct mcp_tools *t, enum mcp_tool_kind kind, struct span name, struct span description,
                const struct tree *schema)
{
    struct mcp_tool *tool = &t->items[t->count];
    char *copy;

    if (t->count == MCP_TOOLS_MAX)
        return false;
    *tool = (struct mcp_tool){ .kind = kind };
    mcp_wire_name(t->server, name, false, tool->wire);
    if (mcp_tools_find(t, span_of(tool->wire)))
        mcp_wire_name(t->server, name, true, tool->wire);
    copy = mcp_tools_find(t, span_of(tool->wire)) ? NULL : arena_copy(&t->arena, name.ptr, name.len);
    tool->name = copy;
    if (!copy || !define(t, tool, description, schema))
        return false;
    t->count++;
    return true;
}

void mcp_tools_add_page(struct mcp_tools *t, const struct tree *result)
{
    tree_each (item, tree_get(result, "tools")) {
        struct span name = tree_span(tree_get(item, "name"));
        struct span description = tree_span(tree_get(item, "description"));

        if (name.len > 0 && !is_allowed(t, name))
            continue;
        if (description.len == 0)
            description = tree_span(tree_get(item, "title"));
        if (name.len == 0 || name.len > MCP_TOOL_NAME_MAX || memchr(name.ptr, 0, name.len) ||
            find_own(t, name) || !add(t, MCP_TOOL_CALL, name, description, tree_get(item, "inputSchema")))
            t->dropped++;
    }
}

static void add_text(struct mcp_tools *t, enum mcp_tool_kind kind, const char *name, const char *description,
                     const char *schema)
{
    struct arena arena = ARENA_INIT(64 * 1024);
    const struct tree *tree = NULL;

    if (is_allowed(t, span_of(name)) && json_parse(span_of(schema), &arena, &tree, NULL) == 0 &&
        !add(t, kind, span_of(name), span_of(description), tree))
        t->dropped++;
    arena_done(&arena);
}

void mcp_tools_add_resources(struct mcp_tools *t)
{
    add_text(t, MCP_TOOL_LIST_RESOURCES, "list_resources",
             "Lists resources (documents, data) that this MCP server has, and templates of their URIs.",
             "{\"type\":\"object\",\"properties\":{\"cursor\":{\"type\":\"string\",\"description\":"
             "\"nextCursor of an earlier answer, to go on from there.\"}},\"additionalProperties\":false}");
    add_text(t, MCP_TOOL_READ_RESOURCE, "read_resource", "Reads one resource of this MCP server by its URI.",
             "{\"type\":\"object\",\"properties\":{\"uri\":{\"type\":\"string\"}},\"required\":[\"uri\"],"
             "\"additionalProperties\":false}");
}

bool mcp_tools_equal(const struct mcp_tools *a, const struct mcp_tools *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].wire, b->items[i].wire) != 0 || a->items[i].kind != b->items[i].kind ||
            strcmp(a->items[i].description, b->items[i].description) != 0 ||
            strcmp(a->items[i].parameters, b->items[i].parameters) != 0 ||
            strcmp(a->items[i].name, b->items[i].name) != 0)
            return false;
    return true;
}
