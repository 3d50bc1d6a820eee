/* SPDX-License-Identifier: MIT */
/* What an MCP server says, line by line, to a session that has a request open; and what its tools answer. */
#include "tests/fuzz/fuzz.h"

#include "core/tool/mcp_content.h"
#include "core/tool/mcp_session.h"

#include <assert.h>
#include <stdlib.h>

struct world {
    struct mcp_session *session;
    struct mcp_request *request;
    size_t sent, answers;
};

/* Whatever is sent is one line of JSON. */
static int send_out(void *data, const struct mcp_out *out, struct err *err)
{
    struct world *w = data;
    struct arena arena = ARENA_INIT(MCP_TREE_MAX);
    const struct tree *tree = NULL;

    (void) err;
    assert(!memchr(out->text.ptr, '\n', out->text.len));
    assert(json_parse(out->text, &arena, &tree, NULL) == 0 && tree->kind == TREE_OBJECT);
    arena_done(&arena);
    w->sent++;
    return 0;
}

static const struct mcp_link link_ops = { .send = send_out };

static void check_tools(const struct mcp_session *s)
{
    const struct mcp_tools *tools = mcp_session_tools(s);

    assert(tools->count <= MCP_TOOLS_MAX);
    for (size_t i = 0; i < tools->count; i++) {
        const struct mcp_tool *tool = &tools->items[i];
        struct arena arena = ARENA_INIT(MCP_TREE_MAX);
        const struct tree *tree = NULL;

        assert(tool->wire[0] && strlen(tool->wire) <= MCP_NAME_MAX);
        assert(mcp_tools_find(tools, span_of(tool->wire)) == tool);
        assert(json_parse(span_of(tool->parameters), &arena, &tree, NULL) == 0);
        assert(tree_is_string(tree_get(tree, "type"), "object"));
        assert(tree_get(tree, "properties")->kind == TREE_OBJECT);
        arena_done(&arena);
    }
}

static void on_list(void *data)
{
    check_tools(((struct world *) data)->session);
}

static void on_broken(void *data, const struct err *err)
{
    (void) data;
    assert(err->text[0]);
}

static const struct mcp_session_ops session_ops = { on_list, on_list, on_broken };

static void render(void (*fn)(struct mcp_content *c, const struct tree *result), const struct tree *result)
{
    struct buf parts = BUF_INIT(64 << 20);
    struct arena arena = ARENA_INIT(MCP_TREE_MAX);
    const struct tree *tree = NULL;
    struct mcp_content c;

    mcp_content_init(&c);
    fn(&c, result);
    assert(c.image_count <= MCP_IMAGES_MAX);
    assert(mcp_content_parts(&c, buf_span(&c.text), &parts) == 0);
    assert(json_parse(buf_span(&parts), &arena, &tree, NULL) == 0);
    assert(tree->count == c.image_count + 1);
    arena_done(&arena);
    buf_done(&parts);
    mcp_content_done(&c);
}

static void on_answer(void *data, const struct mcp_answer *a)
{
    struct world *w = data;

    w->request = NULL;
    w->answers++;
    if (a->result < 0)
        return;
    render(mcp_content_call, a->value);
    render(mcp_content_read, a->value);
    render(mcp_content_list, a->value);
}

static void on_progress(void *data, const char *text)
{
    (void) data;
    assert(strlen(text) < 200);
}

static const struct mcp_request_ops request_ops = { on_answer, on_progress };

static void call(struct world *w)
{
    if (!w->request)
        (void) mcp_session_call(w->session, "tools/call", span_of("{}"), &request_ops, w, &w->request, NULL);
}

/* Lines are copies of their exact size, so that reading past one is noticed. */
static void feed(struct world *w, const char *line, size_t len)
{
    char *copy = malloc(len + 1);

    assert(copy);
    memcpy(copy, line, len);
    mcp_session_feed(w->session, span_make(copy, len));
    free(copy);
    call(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct span secrets[] = { { "secret", 6 } };
    const struct mcp_session_spec spec = {
        .server = "srv", .root = "/w", .secrets = secrets, .secret_count = 1
    };
    const char *at = (const char *) data, *end = at + size, *line_end;
    struct world w = { 0 };
    struct loop *loop = NULL;

    assert(loop_new(&loop, NULL) == 0);
    assert(mcp_session_new(loop, &spec, &session_ops, &w, &w.session, NULL) == 0);
    mcp_session_open(w.session, &link_ops, &w);
    for (; at < end; at = line_end + 1) {
        line_end = memchr(at, '\n', (size_t) (end - at));
        if (!line_end)
            line_end = end;
        feed(&w, at, (size_t) (line_end - at));
    }
    mcp_request_cancel(w.request, "the end");
    mcp_session_free(w.session);
    loop_free(loop);
    return 0;
}
