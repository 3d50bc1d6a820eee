/* SPDX-License-Identifier: MIT */
/* One call of a server's tool. */
#include "core/base/utf8.h"
#include "core/tool/capture.h"
#include "core/tool/function.h"
#include "core/tool/mcp.h"
#include "core/tool/mcp_content.h"

#include <inttypes.h>
#include <stdio.h>

struct calling {
    struct function f; /* first */
    struct mcp_ref ref;
    struct mcp_server *server;
    struct mcp_waiter waiter;
    struct mcp_request *request;
    const struct tree *args;
    char *call_id; /* in f.arena */
    struct mcp_content content;
    bool lists_templates; /* the second request of a list */
};

static void release(struct function *f)
{
    struct calling *c = (struct calling *) f;

    mcp_request_cancel(c->request, f->is_late ? "timed out" : "canceled");
    if (c->server)
        mcp_server_leave(c->server, &c->waiter);
    mcp_content_done(&c->content);
}

/* ---- the answer ---- */

static void summarize(struct calling *c)
{
    size_t images = c->content.image_count;
    char text[32] = "";

    if (images > 0)
        snprintf(text, sizeof(text), ", %zu image%s", images, images == 1 ? "" : "s");
    snprintf(c->f.summary, sizeof(c->f.summary), "%s%s", c->content.is_error ? "failed" : "ok", text);
}

/* The whole text is kept in the run; what the model is shown of it has a ceiling. */
static void show(struct calling *c)
{
    struct function *f = &c->f;
    struct tool_host *host = f->host;
    struct span text = buf_span(&c->content.text);
    struct capture capture;
    uint64_t tokens = 0;
    char place[120];

    if (text.len > 0 && host->keep_output)
        host->keep_output(host->data, c->call_id, "stdout", text);
    if (capture_init(&capture, (size_t) host->output_bytes) < 0) {
        function_fail(f, "no memory for the answer");
        return;
    }
    capture_add(&capture, text, 0);
    if (capture_render(&capture, (size_t) host->output_bytes, &f->text, &tokens) < 0)
        function_fail(f, "no memory for the answer");
    capture_done(&capture);
    if (tokens > 0 && host->number) {
        capture_place(host->number(host->data, c->call_id), "stdout", place, sizeof(place));
        (void) buf_printf(&f->text, "\n%s", place);
    }
    if (f->text.len == 0 && c->content.image_count == 0)
        (void) buf_add_text(&f->text, "(the tool answered with nothing)");
    summarize(c);
    f->is_failed = f->is_failed || c->content.is_error;
    if (c->content.image_count > 0 && !f->is_failed &&
        mcp_content_parts(&c->content, buf_span(&f->text), &f->parts) < 0) {
        buf_clear(&f->parts);
        (void) buf_add_text(&f->text, "\n(The images are too large to be shown.)");
    }
}

static int request(struct calling *c, struct mcp_session *session);

static void on_answer(void *data, const struct mcp_answer *a)
{
    struct calling *c = data;
    struct mcp_session *session;
    const char *why;
    bool is_list = c->ref.kind == MCP_TOOL_LIST_RESOURCES;

    c->request = NULL;
    if (a->result < 0 && !c->lists_templates) {
        function_fail(&c->f, "The MCP server '%s' %s: %s", c->ref.server,
                      a->was_refused ? "refuses this call" : "gave no answer", a->err->text);
    } else if (a->result == 0) {
        (c->ref.kind == MCP_TOOL_CALL ? mcp_content_call
         : is_list                    ? mcp_content_list
                                      : mcp_content_read)(&c->content, a->value);
    }
    if (is_list && !c->lists_templates && !c->f.is_failed && !tree_get(c->args, "cursor") &&
        (session = mcp_server_session(c->server, NULL, &why))) {
        c->lists_templates = true;
        if (request(c, session) == 0)
            return;
    }
    if (!c->f.is_failed)
        show(c);
    function_end(&c->f);
}

static void on_progress(void *data, const char *text)
{
    struct calling *c = data;
    struct tool_host *host = c->f.host;
    char line[256];

    if (!host->on_output)
        return;
    (void) snprintf(line, sizeof(line), "%s\n", text);
    host->on_output(host->data, c->call_id, 1, span_of(line));
}

/* ---- the request ---- */

static const char *method_of(const struct calling *c)
{
    static const char *const names[] = { [MCP_TOOL_CALL] = "tools/call",
                                         [MCP_TOOL_LIST_RESOURCES] = "resources/list",
                                         [MCP_TOOL_READ_RESOURCE] = "resources/read" };

    return c->lists_templates ? "resources/templates/list" : names[c->ref.kind];
}

static int encode_params(const struct calling *c, struct buf *out)
{
    static const char *const member[] = {
        [MCP_TOOL_LIST_RESOURCES] = "cursor", [MCP_TOOL_READ_RESOURCE] = "uri"
    };
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    if (c->ref.kind == MCP_TOOL_CALL) {
        json_put_string(&w, "name", c->ref.name);
        json_key(&w, "arguments");
        json_tree(&w, c->args);
    } else if (tree_span(tree_get(c->args, member[c->ref.kind])).ptr) {
        json_put_span(&w, member[c->ref.kind], tree_span(tree_get(c->args, member[c->ref.kind])));
    }
    json_object_end(&w);
    return json_end(&w, NULL);
}

/* 0, or it has failed and the answer says why. */
static int request(struct calling *c, struct mcp_session *session)
{
    static const struct mcp_request_ops call_ops = { on_answer, on_progress }, list_ops = { on_answer, NULL };
    struct buf params = BUF_INIT(MCP_MESSAGE_MAX);
    struct err err = { 0 };
    int r = encode_params(c, &params);

    if (r < 0)
        (void) err_set(&err, ERR_TOO_LARGE, "the arguments are larger than 16 MiB");
    else
        r = mcp_session_call(session, method_of(c), buf_span(&params),
                             c->ref.kind == MCP_TOOL_CALL ? &call_ops : &list_ops, c, &c->request, &err);
    buf_done(&params);
    if (r < 0)
        function_fail(&c->f, "The MCP server '%s' was not asked: %s", c->ref.server, err.text);
    return r;
}

/* 1: under way; 0: the answer is there. */
static int begin(struct calling *c)
{
    const char *why = NULL;
    struct mcp_session *session = mcp_server_session(c->server, &c->waiter, &why);

    if (session)
        return request(c, session) == 0;
    if (!why)
        return 1;
    function_fail(&c->f, "The MCP server '%s' is down: %s", c->ref.server, why);
    return 0;
}

static void on_server(struct mcp_waiter *waiter)
{
    struct calling *c = (struct calling *) ((char *) waiter - offsetof(struct calling, waiter));

    if (begin(c) == 0)
        function_end(&c->f);
}

static bool parse_args(struct calling *c)
{
    struct span input = function_input(c->f.item);
    struct err err = { 0 };

    if (input.len == 0)
        input = span_of("{}");
    if (json_parse(input, &c->f.arena, &c->args, &err) < 0)
        function_fail(&c->f, "the arguments are not valid JSON: %s", err.text);
    else if (c->args->kind != TREE_OBJECT)
        function_fail(&c->f, "the arguments must be a JSON object");
    return !c->f.is_failed;
}

static int start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                 struct tool_run **ret, struct err *err)
{
    struct function *f = NULL;
    int r = function_new(sizeof(struct calling), host, call, fn, data, &f, err);
    struct calling *c = (struct calling *) f;

    if (r < 0)
        return r;
    f->release = release;
    mcp_content_init(&c->content);
    c->waiter.fn = on_server;
    c->ref = *(const struct mcp_ref *) call->own->spec; /* the list may change meanwhile */
    c->ref.server = arena_text(&f->arena, c->ref.server);
    c->ref.name = arena_text(&f->arena, c->ref.name);
    c->call_id = arena_text(&f->arena, call->call_id);
    c->server = host->mcp && c->ref.server ? mcp_server_find(host->mcp, c->ref.server) : NULL;
    if (!c->call_id || !c->ref.server || !c->ref.name)
        r = err_set(err, ERR_INTERNAL, "no memory for a tool call");
    else if (!c->server)
        function_fail(f, "There is no MCP server '%s' here.", c->ref.server);
    if (r == 0 && (f->is_failed || !parse_args(c) || begin(c) == 0))
        r = function_end_soon(f, err);
    if (r < 0)
        function_free(f);
    else
        *ret = &f->run;
    return r;
}

const struct tool_ops mcp_tool = { .name = "mcp", .start = start };
