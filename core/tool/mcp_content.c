/* SPDX-License-Identifier: MIT */
#include "core/tool/mcp_content.h"

#include "core/base/digest.h"
#include "core/base/units.h"
#include "core/base/utf8.h"
#include "core/tool/image.h"
#include "core/tool/mcp_message.h"

#include <inttypes.h>

#define LINE_MAX_BYTES 1024 /* of a name, a URI, a description in a list */

void mcp_content_init(struct mcp_content *c)
{
    *c = (struct mcp_content){ .text = BUF_INIT(MCP_MESSAGE_MAX) };
}

void mcp_content_done(struct mcp_content *c)
{
    buf_done(&c->text);
    for (size_t i = 0; i < c->image_count; i++)
        buf_done(&c->images[i]);
    mcp_content_init(c);
}

/* Blocks stand on lines of their own. */
static void begin_block(struct mcp_content *c)
{
    if (c->text.len > 0 && c->text.data[c->text.len - 1] != '\n')
        (void) buf_add_char(&c->text, '\n');
}

static void add(struct mcp_content *c, struct span text)
{
    (void) buf_add_span(&c->text, text);
}

static void add_line(struct mcp_content *c, const char *lead, struct span text)
{
    size_t len = utf8_cut(text, LINE_MAX_BYTES);

    if (text.len == 0)
        return;
    (void) buf_add_text(&c->text, lead);
    for (size_t i = 0; i < len; i++)
        (void) buf_add_char(&c->text, (unsigned char) text.ptr[i] < 0x20 ? ' ' : text.ptr[i]);
}

/* ---- images and other bytes ---- */

static bool add_image(struct mcp_content *c, struct span bytes)
{
    struct buf *url = &c->images[c->image_count];
    struct image_info info;
    char size[32];

    if (c->image_count == MCP_IMAGES_MAX || bytes.len > MCP_IMAGE_MAX || !image_inspect(bytes, &info) ||
        info.is_text)
        return false;
    buf_init(url, 2 * MCP_IMAGE_MAX);
    if (buf_printf(url, "data:%s;base64,", info.type) < 0 || base64_encode(url, bytes) < 0) {
        buf_done(url);
        return false;
    }
    c->image_count++;
    (void) buf_printf(&c->text, "[image %zu: %s, %" PRIu32 " x %" PRIu32 ", %s]", c->image_count, info.name,
                      info.width, info.height, units_format_size(size, (int64_t) bytes.len));
    return true;
}

/* Base64 of an image becomes one; anything else is named only. */
static void add_bytes(struct mcp_content *c, const char *what, struct span base64, struct span type)
{
    struct buf bytes = BUF_INIT(MCP_MESSAGE_MAX);
    char size[32];

    if (base64_decode(&bytes, base64) < 0)
        (void) buf_printf(&c->text, "[%s that is no base64", what);
    else if (add_image(c, buf_span(&bytes)))
        goto out;
    else
        (void) buf_printf(&c->text, "[%s of %s that cannot be shown", what,
                          units_format_size(size, (int64_t) bytes.len));
    add_line(c, ", said to be ", type);
    (void) buf_add_char(&c->text, ']');
out:
    buf_done(&bytes);
}

/* ---- blocks ---- */

static void add_resource(struct mcp_content *c, const struct tree *resource)
{
    struct span text = tree_span(tree_get(resource, "text")), blob = tree_span(tree_get(resource, "blob"));
    struct span type = tree_span(tree_get(resource, "mimeType"));

    add_line(c, "[resource ", tree_span(tree_get(resource, "uri")));
    add_line(c, ", ", type);
    (void) buf_add_text(&c->text, "]\n");
    if (blob.ptr)
        add_bytes(c, "data", blob, type);
    else
        add(c, text);
}

static void add_link(struct mcp_content *c, const struct tree *link, const char *lead, const char *uri)
{
    (void) buf_add_text(&c->text, lead);
    add_line(c, "", tree_span(tree_get(link, uri)));
    add_line(c, " - ", tree_span(tree_get(link, "name")));
    add_line(c, ": ", tree_span(tree_get(link, "description")));
    add_line(c, " (", tree_span(tree_get(link, "mimeType")));
    if (tree_span(tree_get(link, "mimeType")).len > 0)
        (void) buf_add_char(&c->text, ')');
}

static void add_block(struct mcp_content *c, const struct tree *block)
{
    struct span type = tree_span(tree_get(block, "type"));

    begin_block(c);
    if (span_is(type, "text")) {
        add(c, tree_span(tree_get(block, "text")));
    } else if (span_is(type, "image") || span_is(type, "audio")) {
        add_bytes(c, span_is(type, "image") ? "image" : "audio", tree_span(tree_get(block, "data")),
                  tree_span(tree_get(block, "mimeType")));
    } else if (span_is(type, "resource")) {
        add_resource(c, tree_get(block, "resource"));
    } else if (span_is(type, "resource_link")) {
        add_link(c, block, "[resource link] ", "uri");
    } else {
        (void) buf_add_text(&c->text, "[content of an unknown kind");
        add_line(c, ": ", type);
        (void) buf_add_text(&c->text, "]");
    }
}

/* ---- structured content ---- */

/* Is this text the same JSON? Servers should give it as text, too, for clients that know no better. */
static bool says(struct span text, struct span compact)
{
    struct arena arena = ARENA_INIT(MCP_TREE_MAX);
    struct buf again = BUF_INIT(MCP_MESSAGE_MAX);
    const struct tree *tree = NULL;
    struct json_writer w;
    bool same = false;

    if (text.len > 0 && json_parse(text, &arena, &tree, NULL) == 0) {
        json_begin(&w, &again);
        json_tree(&w, tree);
        same = json_end(&w, NULL) == 0 && span_equal(buf_span(&again), compact);
    }
    buf_done(&again);
    arena_done(&arena);
    return same;
}

static void add_structured(struct mcp_content *c, const struct tree *result)
{
    const struct tree *value = tree_get(result, "structuredContent");
    struct buf compact = BUF_INIT(MCP_MESSAGE_MAX);
    struct json_writer w;
    bool is_said = false;

    if (!value || value->kind != TREE_OBJECT)
        return;
    json_begin(&w, &compact);
    json_tree(&w, value);
    if (json_end(&w, NULL) == 0) {
        tree_each (block, tree_get(result, "content"))
            is_said = is_said || says(tree_span(tree_get(block, "text")), buf_span(&compact));
        if (!is_said) {
            begin_block(c);
            add(c, buf_span(&compact));
        }
    }
    buf_done(&compact);
}

/* ---- results ---- */

void mcp_content_call(struct mcp_content *c, const struct tree *result)
{
    size_t count = 0;

    c->is_error = tree_bool(tree_get(result, "isError"), false);
    tree_each (block, tree_get(result, "content")) {
        if (++count > MCP_BLOCKS_MAX) {
            begin_block(c);
            (void) buf_printf(&c->text, "[more than %d blocks: the rest is left out]", MCP_BLOCKS_MAX);
            break;
        }
        add_block(c, block);
    }
    if (count <= MCP_BLOCKS_MAX)
        add_structured(c, result);
}

void mcp_content_read(struct mcp_content *c, const struct tree *result)
{
    size_t count = 0;

    tree_each (resource, tree_get(result, "contents")) {
        if (++count > MCP_BLOCKS_MAX)
            break;
        begin_block(c);
        add_resource(c, resource);
    }
}

void mcp_content_list(struct mcp_content *c, const struct tree *result)
{
    tree_each (item, tree_get(result, "resources")) {
        begin_block(c);
        add_link(c, item, "", "uri");
    }
    tree_each (item, tree_get(result, "resourceTemplates")) {
        begin_block(c);
        add_link(c, item, "[template] ", "uriTemplate");
    }
    begin_block(c);
    add_line(c, "nextCursor: ", tree_span(tree_get(result, "nextCursor")));
}

int mcp_content_parts(const struct mcp_content *c, struct span text, struct buf *out)
{
    struct json_writer w;

    json_begin(&w, out);
    json_array(&w);
    json_object(&w);
    json_put_string(&w, "type", "input_text");
    json_put_span(&w, "text", text);
    json_object_end(&w);
    for (size_t i = 0; i < c->image_count; i++) {
        json_object(&w);
        json_put_string(&w, "type", "input_image");
        json_put_span(&w, "image_url", buf_span(&c->images[i]));
        json_put_string(&w, "detail", "auto");
        json_object_end(&w);
    }
    json_array_end(&w);
    return json_end(&w, NULL);
}
