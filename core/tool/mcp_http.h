/* SPDX-License-Identifier: MIT */
/*
 * An MCP server that is spoken to over HTTP ("streamable HTTP", 2025-06-18 section
 * Transports): each message is a POST, answered with JSON or with a stream of events. A
 * stream that breaks before the answer is taken up again from its last event. The session
 * that the server gives is kept, renewed once when the server has forgotten it, and ended
 * at the end. Redirects are not followed, so credentials go nowhere else.
 */
#ifndef TOOL_MCP_HTTP_H
#define TOOL_MCP_HTTP_H

#include "core/base/credentials.h"
#include "core/base/http.h"
#include "core/tool/mcp_session.h"

enum {
    MCP_SESSION_ID_MAX = 1024,
    MCP_TURNS_MAX = 128,      /* exchanges at once */
    MCP_RESUMES_MAX = 5,      /* of a stream, without an event between */
    MCP_RETRY_MS = 1000,      /* before a stream is taken up, unless the server says otherwise, ... */
    MCP_RETRY_MIN_MS = 50,    /* at least this, whatever the server says, ... */
    MCP_RETRY_MAX_MS = 30000, /* ... and at most this */
    MCP_BYE_MS = 2000,        /* for the end of a session */
};

struct mcp_http;

/* ERR_INVALID: no URL of a server, or the credentials would be readable on the way. Everything is borrowed.
 */
int mcp_http_check(const char *url, const struct credentials *credentials, struct err *err);
/* Begin the session with it. Freed before the session. */
int mcp_http_open(struct loop *loop, struct http *http, const char *url,
                  const struct credentials *credentials, struct mcp_session *session, struct mcp_http **ret,
                  struct err *err);
/* Tell the server that it is over; `fn` comes once, from the loop, unless it is freed before. */
int mcp_http_close(struct mcp_http *h, loop_fn *fn, void *data, struct err *err);
void mcp_http_free(struct mcp_http *h); /* NULL is fine */

#endif
