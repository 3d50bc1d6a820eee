/* SPDX-License-Identifier: MIT */
/*
 * The conversation with one MCP server, whatever carries it (struct mcp_link): the
 * handshake, the list of its tools, requests and their answers, and what the server asks
 * of us: `ping` is answered, `roots/list` with the workspace of its sandbox, anything
 * else (sampling, elicitation) is declined. The server is hostile: answers nobody asked
 * for are dropped and counted, everything that waits or is kept has a ceiling.
 *
 * Life: mcp_session_new() -> mcp_session_open() -> on_ready -> mcp_session_call() ...
 * -> mcp_session_free(). The link feeds what comes and says when it is broken. on_broken
 * comes once, from the loop; every request that waits has its answer by then. It may free
 * the session, no other callback may.
 */
#ifndef TOOL_MCP_SESSION_H
#define TOOL_MCP_SESSION_H

#include "core/base/loop.h"
#include "core/tool/mcp_message.h"
#include "core/tool/mcp_tools.h"

enum {
    MCP_PENDING_MAX = 64, /* requests that wait */
    MCP_PAGES_MAX = 64,   /* of a list of tools */
    MCP_CURSOR_MAX = 4096,
    MCP_STRAYS_MAX = 10000, /* messages between two answers that were asked for */
    MCP_LISTS_MAX = 64,     /* times that a server may say that its list has changed */
};

struct mcp_session;
struct mcp_request;

/* One message to be carried. */
struct mcp_out {
    struct span text;
    int64_t id;    /* of the request that it is; 0: no answer is due */
    bool is_hello; /* `initialize`: goes before everything that waits */
};

struct mcp_link {
    int (*send)(void *data, const struct mcp_out *out, struct err *err);
    void (*forget)(void *data, int64_t id);          /* its answer is not waited for any more; may be NULL */
    void (*settle)(void *data, const char *version); /* the handshake is done; may be NULL */
};

struct mcp_session_ops {
    void (*on_ready)(void *data);   /* handshake and list are there */
    void (*on_changed)(void *data); /* another list */
    void (*on_broken)(void *data, const struct err *err);
};

struct mcp_session_spec {
    const char *server;         /* name in the manifest */
    const char *const *allow;   /* of its tools; NULL: all */
    const char *root;           /* of its workspace; NULL: it has none */
    const struct span *secrets; /* that must not come back from it */
    size_t secret_count;
};

struct mcp_answer {
    int result;               /* 0, or -code with err */
    const struct tree *value; /* valid inside the callback */
    const struct err *err;
    bool was_refused; /* the server itself said no, with a JSON-RPC error */
};
struct mcp_request_ops {
    void (*on_answer)(void *data, const struct mcp_answer *answer); /* once, unless canceled */
    void (*on_progress)(void *data, const char *text);              /* may be NULL: not asked for */
};

/* The spec's parts are borrowed. */
int mcp_session_new(struct loop *loop, const struct mcp_session_spec *spec, const struct mcp_session_ops *ops,
                    void *data, struct mcp_session **ret, struct err *err);
void mcp_session_free(struct mcp_session *s); /* nobody is told anything; NULL is fine */

/* Begin the handshake over this link, or begin it anew after the server forgot us. */
void mcp_session_open(struct mcp_session *s, const struct mcp_link *link, void *link_data);
/* From the link: a text came; an answer will not come; it is over. */
void mcp_session_feed(struct mcp_session *s, struct span text);
void mcp_session_fail(struct mcp_session *s, int64_t id, const struct err *err);
void mcp_session_lost(struct mcp_session *s, const struct err *err);
bool mcp_session_waits(const struct mcp_session *s, int64_t id);

/* `params`: a JSON object. The answer comes from the loop or from inside mcp_session_feed(). */
int mcp_session_call(struct mcp_session *s, const char *method, struct span params,
                     const struct mcp_request_ops *ops, void *data, struct mcp_request **ret,
                     struct err *err);
/* Give up: the server is told, no callback follows. NULL is fine. */
void mcp_request_cancel(struct mcp_request *request, const char *reason);

const struct mcp_hello *mcp_session_hello(const struct mcp_session *s);
const struct mcp_tools *mcp_session_tools(const struct mcp_session *s);

#endif
