/* SPDX-License-Identifier: MIT */
/*
 * JSON-RPC as servers of the Model Context Protocol speak it: bytes to messages
 * and back. Pure; everything that comes is hostile. Spoken is revision 2025-06-18;
 * a server may answer with any of mcp_versions. What differs between them for us:
 * 2025-03-26 has batches, 2024-11-05 has neither structured content nor links.
 */
#ifndef TOOL_MCP_MESSAGE_H
#define TOOL_MCP_MESSAGE_H

#include "core/base/json.h"

#include <stdint.h>

#define MCP_MESSAGE_MAX ((size_t) 16 << 20) /* images come as one line */
#define MCP_TREE_MAX    ((size_t) 64 << 20)

enum {
    MCP_BATCH_MAX = 64,  /* messages in one text */
    MCP_ID_MAX = 256,    /* bytes of the id of a server's request */
    MCP_METHOD_MAX = 64, /* longer ones are nothing that is known */
};

enum mcp_kind { MCP_NOISE, MCP_REQUEST, MCP_NOTICE, MCP_RESULT, MCP_ERROR };

/* Spans and trees are the arena's and the text's. */
struct mcp_message {
    enum mcp_kind kind;
    int64_t id;              /* RESULT, ERROR: of our request, which count from 1; 0: cannot be ours */
    struct span raw_id;      /* REQUEST: as it came, a number or a string */
    struct span method;      /* REQUEST, NOTICE */
    const struct tree *body; /* params, result or error; NULL: none */
};

extern const char *const mcp_versions[]; /* NULL-terminated; the first is the one we ask for */

/* The messages of a text, one or a batch; what is no message is MCP_NOISE. Invalid UTF-8 is repaired (*ret
 * then points into `repaired`). ERR_INVALID: no JSON. ERR_TOO_LARGE: larger than we read. */
int mcp_decode(struct span text, struct arena *arena, struct buf *repaired,
               struct mcp_message ret[MCP_BATCH_MAX], size_t *ret_count, struct err *err);

/* What to say of an error object: "CODE: message", cut. */
void mcp_error_text(const struct tree *error, char *out, size_t size);

/* Append a message without a line end inside or behind. `params`: an object, may be empty (not sent). With
 * `has_token` progress is asked for under the id. `id` 0: a notification. */
int mcp_encode(struct buf *out, int64_t id, const char *method, struct span params, bool has_token);
int mcp_encode_result(struct buf *out, struct span raw_id, struct span result);
int mcp_encode_error(struct buf *out, struct span raw_id, int code, const char *text);

/* What a server says of itself in its answer to `initialize`. */
struct mcp_hello {
    const char *version; /* of mcp_versions */
    char name[65], release[33];
    bool has_tools, has_resources;
};

/* ERR_PROTOCOL: no version that we speak. */
int mcp_hello_decode(const struct tree *result, struct mcp_hello *ret, struct err *err);
/* The parameters of `initialize`. */
int mcp_hello_encode(struct buf *out, bool has_roots);

#endif
