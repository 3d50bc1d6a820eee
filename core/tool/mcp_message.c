/* SPDX-License-Identifier: MIT */
#include "core/tool/mcp_message.h"

#include "core/base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

/* The second is newer than what we ask for, and the same as far as tools go. */
const char *const mcp_versions[] = { "2025-06-18", "2025-11-25", "2025-03-26", "2024-11-05", NULL };

static struct mcp_message classify(const struct tree *t)
{
    const struct tree *id = tree_get(t, "id"), *method = tree_get(t, "method");
    const struct tree *result = tree_get(t, "result"), *error = tree_get(t, "error");
    struct mcp_message m = { .kind = MCP_NOISE, .method = tree_span(method) };
    bool has_id = id && (id->kind == TREE_NUMBER || id->kind == TREE_STRING);

    if (method && m.method.len > 0 && m.method.len <= MCP_METHOD_MAX && !result && !error) {
        m.body = tree_get(t, "params");
        m.kind = !id ? MCP_NOTICE : has_id && id->raw.len <= MCP_ID_MAX ? MCP_REQUEST : MCP_NOISE;
        if (m.kind == MCP_REQUEST)
            m.raw_id = id->raw;
    } else if (!method && !result != !error) {
        m.kind = result ? MCP_RESULT : MCP_ERROR;
        m.body = result ? result : error;
        if (!tree_read_int(id, &m.id) || m.id < 0)
            m.id = 0;
    }
    return m;
}

int mcp_decode(struct span text, struct arena *arena, struct buf *repaired,
               struct mcp_message ret[MCP_BATCH_MAX], size_t *ret_count, struct err *err)
{
    const struct tree *top = NULL;
    size_t count = 0;
    int r;

    if (text.len > MCP_MESSAGE_MAX)
        return err_set(err, ERR_TOO_LARGE, "a message of more than %zu MiB", MCP_MESSAGE_MAX >> 20);
    if (utf8_valid(text) < text.len) {
        if (utf8_repair(repaired, text) < 0)
            return err_set(err, ERR_TOO_LARGE, "a message of more than %zu MiB", MCP_MESSAGE_MAX >> 20);
        text = buf_span(repaired);
    }
    r = json_parse(text, arena, &top, err);
    if (r < 0)
        return r;
    if (top->kind != TREE_ARRAY) {
        ret[count++] = classify(top);
    } else {
        if (top->count > MCP_BATCH_MAX)
            return err_set(err, ERR_TOO_LARGE, "a batch of more than %d messages", MCP_BATCH_MAX);
        tree_each (item, top)
            ret[count++] = classify(item);
    }
    *ret_count = count;
    return 0;
}

void mcp_error_text(const struct tree *error, char *out, size_t size)
{
    struct span message = tree_span(tree_get(error, "message"));
    size_t len = utf8_cut(message, size > 40 ? size - 40 : 0);

    (void) snprintf(out, size, "%.*s (code %" PRId64 ")", len > 0 ? (int) len : 9,
                    len > 0 ? message.ptr : "no reason", tree_int(tree_get(error, "code"), 0));
}

static void begin(struct json_writer *w, struct buf *out)
{
    json_begin(w, out);
    json_object(w);
    json_put_string(w, "jsonrpc", "2.0");
}

static int end(struct json_writer *w)
{
    json_object_end(w);
    return json_end(w, NULL);
}

static void put_params(struct json_writer *w, struct span params, int64_t token)
{
    struct buf both = BUF_INIT(MCP_MESSAGE_MAX);
    int r =
        buf_printf(&both, "{\"_meta\":{\"progressToken\":%" PRId64 "}%s", token, params.len > 2 ? "," : "");

    if (r == 0)
        r = buf_add(&both, params.ptr + 1, params.len - 1);
    if (r == 0)
        json_put_raw(w, "params", buf_span(&both));
    else if (w->failed == 0)
        w->failed = r;
    buf_done(&both);
}

int mcp_encode(struct buf *out, int64_t id, const char *method, struct span params, bool has_token)
{
    struct json_writer w;

    begin(&w, out);
    if (id > 0)
        json_put_int(&w, "id", id);
    json_put_string(&w, "method", method);
    if (params.len > 1 && has_token)
        put_params(&w, params, id);
    else if (params.len > 1)
        json_put_raw(&w, "params", params);
    return end(&w);
}

int mcp_encode_result(struct buf *out, struct span raw_id, struct span result)
{
    struct json_writer w;

    begin(&w, out);
    json_put_raw(&w, "id", raw_id);
    json_put_raw(&w, "result", result);
    return end(&w);
}

int mcp_encode_error(struct buf *out, struct span raw_id, int code, const char *text)
{
    struct json_writer w;

    begin(&w, out);
    json_put_raw(&w, "id", raw_id);
    json_key(&w, "error");
    json_object(&w);
    json_put_int(&w, "code", code);
    json_put_string(&w, "message", text);
    json_object_end(&w);
    return end(&w);
}

/* ---- initialize ---- */

static void copy_cut(char *out, size_t size, struct span text)
{
    (void) snprintf(out, size, SPAN_FMT, (int) utf8_cut(text, size - 1), text.ptr ? text.ptr : "");
}

int mcp_hello_decode(const struct tree *result, struct mcp_hello *ret, struct err *err)
{
    struct span version = tree_span(tree_get(result, "protocolVersion"));
    const struct tree *can = tree_get(result, "capabilities"), *info = tree_get(result, "serverInfo");
    struct mcp_hello hello = { 0 };

    for (size_t i = 0; mcp_versions[i] && !hello.version; i++)
        if (span_is(version, mcp_versions[i]))
            hello.version = mcp_versions[i];
    if (!hello.version)
        return err_set(err, ERR_PROTOCOL, "it speaks version '%.*s' of the protocol, which agentbox does not",
                       (int) utf8_cut(version, 40), version.ptr ? version.ptr : "");
    hello.has_tools = tree_get(can, "tools") != NULL;
    hello.has_resources = tree_get(can, "resources") != NULL;
    copy_cut(hello.name, sizeof(hello.name), tree_span(tree_get(info, "name")));
    copy_cut(hello.release, sizeof(hello.release), tree_span(tree_get(info, "version")));
    *ret = hello;
    return 0;
}

int mcp_hello_encode(struct buf *out, bool has_roots)
{
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "protocolVersion", mcp_versions[0]);
    json_key(&w, "capabilities");
    json_object(&w);
    if (has_roots) {
        json_key(&w, "roots");
        json_object(&w);
        json_object_end(&w);
    }
    json_object_end(&w);
    json_key(&w, "clientInfo");
    json_object(&w);
    json_put_string(&w, "name", "agentbox");
    json_put_string(&w, "version", AGENTBOX_VERSION);
    json_object_end(&w);
    return end(&w);
}
