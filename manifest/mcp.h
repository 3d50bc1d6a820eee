/* SPDX-License-Identifier: MIT */
/* Items of `agent.tools` that are MCP servers: a command in a sandbox of its own, or a URL. */
#ifndef MANIFEST_MCP_H
#define MANIFEST_MCP_H

#include "manifest/tools.h"

extern const struct table manifest_mcp_table;

/* Put the item, a map, into the list. False: reported. */
bool mcp_take(struct table_ctx *ctx, const struct tree *item, struct manifest_tools *tools);

/* Could this be a tool of that server? Which it has is known when it is asked. */
bool mcp_has(const struct manifest_own *own, const char *tool);

#endif
