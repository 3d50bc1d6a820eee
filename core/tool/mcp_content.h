/* SPDX-License-Identifier: MIT */
/*
 * What a server answers, as the model is given it: text with a line in the place of
 * each image, and the images behind it as content parts. Pure. What an image is, its bytes
 * say, never the server; what cannot be shown is named.
 */
#ifndef TOOL_MCP_CONTENT_H
#define TOOL_MCP_CONTENT_H

#include "core/base/json.h"

#define MCP_IMAGE_MAX ((size_t) 10 << 20)

enum { MCP_IMAGES_MAX = 8, MCP_BLOCKS_MAX = 1024 };

struct mcp_content {
    struct buf text;                   /* all of it */
    struct buf images[MCP_IMAGES_MAX]; /* "data:image/png;base64,..." */
    size_t image_count;
    bool is_error; /* the tool says that it failed */
};

void mcp_content_init(struct mcp_content *c);
void mcp_content_done(struct mcp_content *c);

/* The result of `tools/call`. */
void mcp_content_call(struct mcp_content *c, const struct tree *result);
/* The result of `resources/read`. */
void mcp_content_read(struct mcp_content *c, const struct tree *result);
/* The results of `resources/list` or `resources/templates/list`. */
void mcp_content_list(struct mcp_content *c, const struct tree *result);

/* The parts of an answer: this text, then the images. 0 or -ERR_TOO_LARGE. */
int mcp_content_parts(const struct mcp_content *c, struct span text, struct buf *out);

#endif
