/* SPDX-License-Identifier: MIT */
/*
 * The MCP servers of a run: started, listened to, started again once when they die, and
 * the calls of their tools. A call ends with an answer whatever becomes of its server.
 *
 * Life: mcp_servers_new() -> mcp_server_start() for each -> on_tools or on_down for each
 * -> calls through mcp_tool -> mcp_servers_stop() -> mcp_servers_free(). Callbacks come
 * from the loop.
 */
#ifndef TOOL_MCP_H
#define TOOL_MCP_H

#include "core/tool/mcp_session.h"
#include "core/tool/spec.h"
#include "core/tool/tool.h"

/* What tool_own.spec of a server's tool leads to. */
struct mcp_ref {
    const char *server;
    enum mcp_tool_kind kind;
    const char *name; /* the server's name for it */
};

struct mcp_servers;
struct mcp_server;

/* It is up, or has another list; or it did not come up, or has died for good. */
struct mcp_ops {
    void (*on_tools)(void *data, const struct tool_mcp *spec, const struct mcp_hello *hello,
                     const struct mcp_tools *tools);
    void (*on_down)(void *data, const struct tool_mcp *spec, const struct err *err);
};

/* The specs and the host are borrowed; the host's `mcp` is the caller's to set. */
int mcp_servers_new(struct tool_host *host, const struct tool_mcp *specs, size_t count,
                    const struct mcp_ops *ops, void *data, struct mcp_servers **ret, struct err *err);
void mcp_server_start(struct mcp_servers *m, size_t index);
/* Sessions over HTTP are ended; `fn` comes once, from the loop, when they are, unless freed before. */
int mcp_servers_stop(struct mcp_servers *m, loop_fn *fn, void *data, struct err *err);
void mcp_servers_free(struct mcp_servers *m); /* calls must have been canceled; NULL is fine */

bool mcp_servers_hold(const struct mcp_servers *m, struct span text); /* a secret of theirs? */

/* For calls (mcp_call.c): the session to use now; NULL: there is none, and `why` says why, or it is empty:
 * `fn` will be called when that is known, unless given up by mcp_server_leave(). */
struct mcp_waiter {
    struct mcp_waiter *next;
    void (*fn)(struct mcp_waiter *waiter);
};
struct mcp_server *mcp_server_find(struct mcp_servers *m, const char *name);
struct mcp_session *mcp_server_session(struct mcp_server *server, struct mcp_waiter *waiter,
                                       const char **ret_why);
void mcp_server_leave(struct mcp_server *server, struct mcp_waiter *waiter);

extern const struct tool_ops mcp_tool;

#endif
