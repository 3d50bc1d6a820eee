/* SPDX-License-Identifier: MIT */
/*
 * An MCP server that runs as a command of a sandbox and is spoken to over its stdin
 * and stdout, one message a line. What it writes to stderr is kept only as last words.
 */
#ifndef TOOL_MCP_STDIO_H
#define TOOL_MCP_STDIO_H

#include "core/sandbox/channel.h"
#include "core/tool/mcp_session.h"

struct mcp_stdio;

struct mcp_stdio_command {
    uint64_t exec_id;
    const char *const *argv; /* NULL-terminated */
    const char *const *env;  /* "NAME=value"; NULL-terminated; may be NULL */
    const char *cwd;         /* NULL: workspace root */
};

/* Start it, and the session with it, which is told when it ends. Freed before the session. */
int mcp_stdio_open(struct channel *channel, const struct mcp_stdio_command *command,
                   struct mcp_session *session, struct mcp_stdio **ret, struct err *err);
/* Ends the command and all that came of it. NULL is fine. */
void mcp_stdio_free(struct mcp_stdio *io);

#endif
