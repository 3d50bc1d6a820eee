/* SPDX-License-Identifier: MIT */
/* Servers of tools: which are up, and what tools they have, as recorded. */
#include "core/base/json.h"
#include "core/run/state_impl.h"
#include "core/tool/mcp.h"

#include <stdlib.h>
#include <string.h>

#define LIST_MAX ((size_t) 4 * MCP_DEFINITIONS_MAX)
#define TREE_MAX ((size_t) 32 * MCP_DEFINITIONS_MAX)

const struct run_mcp *run_state_mcp(const struct run_state *s, const char *server)
{
    for (size_t i = 0; i < s->mcp_count; i++)
        if (strcmp(s->mcp[i].server, server) == 0)
            return &s->mcp[i];
    return NULL;
}

static struct run_mcp *take(struct run_state *s, const char *server, struct err *err)
{
    void *list = s->mcp;
    size_t i = 0;
    int r;

    while (i < s->mcp_count && strcmp(s->mcp[i].server, server) != 0)
        i++;
    if (i < s->mcp_count)
        return &s->mcp[i];
    r = state_reserve(&list, &s->mcp_cap, s->mcp_count, sizeof(*s->mcp), err);
    s->mcp = list;
    if (r < 0)
        return NULL;
    s->mcp[i] = (struct run_mcp){ .arena = ARENA_INIT(LIST_MAX) };
    if (state_set_text(&s->mcp[i].server, server, err) < 0)
        return NULL;
    s->mcp_count++;
    return &s->mcp[i];
}

int apply_mcp_start(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_mcp *m = take(s, rec->mcp.server, err);

    if (!m)
        return -ERR_INTERNAL;
    m->phase = RUN_PART_STARTING;
    return 0;
}

/* Of a server that was up, calls say that it is down; its tools stay, since the conversation has them. */
int apply_mcp_down(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_mcp *m = take(s, rec->mcp.server, err);

    if (!m)
        return -ERR_INTERNAL;
    m->phase = m->phase == RUN_PART_READY ? RUN_PART_LOST : RUN_PART_FAILED;
    return state_set_failure(&m->why, rec->mcp.code, rec->mcp.message, NULL, err);
}

/* ---- the list ---- */

static enum mcp_tool_kind kind_of(const struct tree *item)
{
    const struct tree *kind = tree_get(item, "kind");

    return tree_is_string(kind, mcp_kind_name(MCP_TOOL_LIST_RESOURCES))  ? MCP_TOOL_LIST_RESOURCES
           : tree_is_string(kind, mcp_kind_name(MCP_TOOL_READ_RESOURCE)) ? MCP_TOOL_READ_RESOURCE
                                                                         : MCP_TOOL_CALL;
}

static bool fill_own(struct arena *arena, const char *server, const struct tree *item, struct tool_own *ret)
{
    const struct tree *parameters = tree_get(item, "parameters");
    struct mcp_ref *ref = arena_alloc(arena, sizeof(*ref));

    *ret = (struct tool_own){
        .kind = TOOL_MCP,
        .name = arena_text(arena, tree_string(tree_get(item, "name"), "")),
        .group = arena_text(arena, server),
        .description = arena_text(arena, tree_string(tree_get(item, "description"), "")),
        .parameters = parameters ? arena_copy(arena, parameters->raw.ptr, parameters->raw.len) : NULL,
        .is_strict = tree_bool(tree_get(item, "strict"), false),
        .spec = ref,
    };
    if (!ref)
        return false;
    *ref = (struct mcp_ref){ .server = ret->group,
                             .kind = kind_of(item),
                             .name = arena_text(arena, tree_string(tree_get(item, "tool"), "")) };
    return ret->name && ret->group && ret->description && ret->parameters && ref->name;
}

static int decode_list(struct arena *arena, const char *server, struct span json, struct tool_own **ret,
                       size_t *ret_count, struct err *err)
{
    struct arena scratch = ARENA_INIT(TREE_MAX);
    const struct tree *list = NULL;
    struct tool_own *own = NULL;
    size_t count = 0;
    int r = json_parse(json, &scratch, &list, err);

    if (r == 0 && (list->kind != TREE_ARRAY || list->count > MCP_TOOLS_MAX))
        r = err_set(err, ERR_INVALID, "this is no list of tools");
    if (r == 0 && !(own = arena_alloc(arena, (list->count + 1) * sizeof(*own))))
        r = err_set(err, ERR_TOO_LARGE, "a list of tools is too large");
    tree_each (item, r == 0 ? list : NULL)
        if (r == 0 && !fill_own(arena, server, item, &own[count++]))
            r = err_set(err, ERR_INVALID, "a tool in a list of tools is not whole");
    arena_done(&scratch);
    if (r == 0) {
        *ret = own;
        *ret_count = count;
    }
    return r;
}

int apply_mcp_tools(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_mcp *m = take(s, rec->mcp.server, err);
    struct arena arena = ARENA_INIT(2 * LIST_MAX);
    struct span list = rec->mcp.tools.json;
    struct tool_own *own = NULL;
    size_t count = 0;
    int r;

    if (!m)
        return -ERR_INTERNAL;
    list.ptr = arena_copy(&arena, list.ptr, list.len);
    r = list.len == 0
            ? 0 /* not loaded */
            : decode_list(&arena, m->server, span_make(list.ptr, list.ptr ? list.len : 0), &own, &count, err);
    if (r < 0) {
        arena_done(&arena);
        return r;
    }
    arena_done(&m->arena);
    m->arena = arena;
    m->list = list;
    m->own = own;
    m->own_count = count;
    m->phase = RUN_PART_READY;
    state_failure_done(&m->why);
    return 0;
}

/* ---- over processes ---- */

void state_mcp_stop(struct run_state *s)
{
    for (size_t i = 0; i < s->mcp_count; i++)
        s->mcp[i].phase = RUN_PART_NONE;
}

void state_mcp_done(struct run_state *s)
{
    for (size_t i = 0; i < s->mcp_count; i++) {
        free(s->mcp[i].server);
        state_failure_done(&s->mcp[i].why);
        arena_done(&s->mcp[i].arena);
    }
    free(s->mcp);
}
