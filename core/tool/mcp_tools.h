/* SPDX-License-Identifier: MIT */
/*
 * The tools of one MCP server as the model is told of them. Pure. Each has a name
 * that the API takes (^[a-zA-Z0-9_-]{1,64}$), "server__tool"; names that do not fit or
 * would be those of another tool get a digest of what they really are. Names of servers have no
 * underscore, so those of two servers never meet.
 *
 * Everything that is told costs tokens in each request, and comes from a server that may
 * lie: count, lengths, depth and sizes have ceilings.
 */
#ifndef TOOL_MCP_TOOLS_H
#define TOOL_MCP_TOOLS_H

#include "core/base/json.h"

#define MCP_SCHEMA_MAX      ((size_t) 32 << 10)
#define MCP_DEFINITIONS_MAX ((size_t) 512 << 10) /* of all tools of a server */

enum {
    MCP_TOOLS_MAX = 128,
    MCP_NAME_MAX = 64,        /* of the API */
    MCP_TOOL_NAME_MAX = 1024, /* of a server's tool */
    MCP_DESCRIPTION_MAX = 2048,
    MCP_SCHEMA_DEPTH = 24,
};

enum mcp_tool_kind { MCP_TOOL_CALL, MCP_TOOL_LIST_RESOURCES, MCP_TOOL_READ_RESOURCE };

struct mcp_tool {
    enum mcp_tool_kind kind;
    const char *name;            /* the server's */
    char wire[MCP_NAME_MAX + 1]; /* the model's */
    const char *description;
    const char *parameters; /* a JSON Schema of an object, as JSON text */
    bool is_strict;         /* it is one that the API's strict mode takes */
};

struct mcp_tools {
    struct arena arena;
    const char *server;       /* name in the manifest; borrowed */
    const char *const *allow; /* NULL-terminated names; NULL: all; borrowed */
    struct mcp_tool items[MCP_TOOLS_MAX];
    size_t count;
    size_t dropped; /* for want of room, or because they were none */
};

void mcp_tools_init(struct mcp_tools *t, const char *server, const char *const *allow);
void mcp_tools_done(struct mcp_tools *t);

/* The tools of one page of `tools/list`. */
void mcp_tools_add_page(struct mcp_tools *t, const struct tree *result);
/* Those by which resources are listed and read. */
void mcp_tools_add_resources(struct mcp_tools *t);

/* What is in `allow` and not among the tools; NULL: nothing. */
const char *mcp_tools_missing(const struct mcp_tools *t);

/* NULL: none. */
const struct mcp_tool *mcp_tools_find(const struct mcp_tools *t, struct span wire);
bool mcp_tools_equal(const struct mcp_tools *a, const struct mcp_tools *b);

/* "call", "list_resources", "read_resource". */
const char *mcp_kind_name(enum mcp_tool_kind kind);

/* "server__tool" as the API takes it; with `always` it gets the digest in any case. */
void mcp_wire_name(const char *server, struct span tool, bool always, char ret[MCP_NAME_MAX + 1]);

/* Does a schema keep to what the API's strict functions may have? */
bool mcp_schema_is_strict(const struct tree *schema);

#endif
