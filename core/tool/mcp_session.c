/* SPDX-License-Identifier: MIT */
#include "core/tool/mcp_session.h"

#include "core/base/cleanup.h"
#include "core/base/utf8.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PARAMS_MAX   ((size_t) 64 << 10)
#define JSONRPC_NONE (-32601) /* method not found */

struct mcp_request {
    struct mcp_request *next;
    struct mcp_session *session;
    int64_t id;
    struct mcp_request_ops ops;
    void *data;
};

struct mcp_session {
    struct loop *loop;
    struct mcp_session_spec spec;
    const struct mcp_session_ops *ops;
    void *data;
    struct mcp_link link;
    void *link_data;

    struct mcp_request *pending;
    size_t pending_count;
    int64_t last_id;
    struct mcp_hello hello;
    struct mcp_tools tools, next_tools;
    char cursor[MCP_CURSOR_MAX + 1];
    int pages, lists;
    int64_t strays;
    bool is_ready, is_listing, must_list, is_broken;
    struct err why;
    struct loop_source *soon;
};

/* ---- the end ---- */

static void request_remove(struct mcp_request *request)
{
    struct mcp_request **slot = &request->session->pending;

    while (*slot != request)
        slot = &(*slot)->next;
    *slot = request->next;
    request->session->pending_count--;
    free(request);
}

static void answer(struct mcp_request *request, const struct mcp_answer *a)
{
    struct mcp_request_ops ops = request->ops;
    void *data = request->data;

    request_remove(request);
    ops.on_answer(data, a);
}

static void tell_broken(void *data)
{
    struct mcp_session *s = data;
    struct err why = s->why; /* s may go */

    loop_source_free(TAKE_PTR(s->soon));
    while (s->pending)
        answer(s->pending, &(struct mcp_answer){ .result = -(int) why.code, .err = &why });
    s->ops->on_broken(s->data, &why);
}

/* How much of the text is the secret, as it is or as JSON writes it; 0: it is not there. */
static size_t secret_len(struct span text, struct span secret)
{
    size_t at = 0;

    for (size_t i = 0; i < secret.len; i++, at++) {
        if (at + 1 < text.len && text.ptr[at] == '\\' && text.ptr[at + 1] == secret.ptr[i] &&
            memchr("\"/\\", secret.ptr[i], 3))
            at++;
        else if (at >= text.len || text.ptr[at] != secret.ptr[i])
            return 0;
    }
    return at;
}

/* Is it in the text? In `to`, which is the same text, it becomes asterisks; NULL: only asks. */
static bool hide(struct span text, struct span secret, char *to)
{
    bool is_there = false;

    for (size_t at = 0; secret.len > 0 && at < text.len;) {
        size_t len = text.ptr[at] == secret.ptr[0] || text.ptr[at] == '\\'
                         ? secret_len(span_make(text.ptr + at, text.len - at), secret)
                         : 0;

        is_there = is_there || len > 0;
        if (len > 0 && !to)
            return true;
        if (len > 0)
            memset(to + at, '*', len);
        at += len > 0 ? len : 1;
    }
    return is_there;
}

static void hide_all(const struct mcp_session *s, char *text, size_t len)
{
    for (size_t i = 0; i < s->spec.secret_count; i++)
        (void) hide(span_make(text, len), s->spec.secrets[i], text);
}

/* Failures quote what servers print. */
static struct err without_secrets_err(const struct mcp_session *s, const struct err *err)
{
    struct err ret = *err;

    hide_all(s, ret.text, strlen(ret.text));
    return ret;
}

void mcp_session_lost(struct mcp_session *s, const struct err *err)
{
    if (s->is_broken)
        return;
    s->is_broken = true;
    s->why = without_secrets_err(s, err);
    (void) loop_defer(s->loop, tell_broken, s, &s->soon, NULL); /* without memory its deadline tells */
}

static void broken(struct mcp_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void broken(struct mcp_session *s, const char *format, ...)
{
    struct err err = { 0 };
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, format);
    (void) vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    (void) err_set(&err, ERR_PROTOCOL, "%s", text);
    mcp_session_lost(s, &err);
}

/* ---- sending ---- */

static void send_text(struct mcp_session *s, const struct mcp_out *out)
{
    struct err err = { 0 };

    if (!s->is_broken && s->link.send(s->link_data, out, &err) < 0)
        mcp_session_lost(s, &err);
}

static void notify(struct mcp_session *s, const char *method, struct span params)
{
    struct buf text = BUF_INIT(PARAMS_MAX);

    if (mcp_encode(&text, 0, method, params, false) == 0)
        send_text(s, &(struct mcp_out){ .text = buf_span(&text) });
    buf_done(&text);
}

static int request(struct mcp_session *s, const char *method, struct span params,
                   const struct mcp_request *like, struct mcp_request **ret, struct err *err)
{
    struct buf text = BUF_INIT(MCP_MESSAGE_MAX);
    struct mcp_request *r = calloc(1, sizeof(*r));
    struct mcp_out out = { .id = s->last_id + 1, .is_hello = strcmp(method, "initialize") == 0 };

    if (!r)
        return err_set(err, ERR_INTERNAL, "no memory for a request");
    if (mcp_encode(&text, out.id, method, params, like->ops.on_progress != NULL) < 0) {
        free(r);
        buf_done(&text);
        return err_set(err, ERR_TOO_LARGE, "the request is larger than %zu MiB", MCP_MESSAGE_MAX >> 20);
    }
    *r = *like;
    r->session = s;
    r->id = ++s->last_id;
    r->next = s->pending;
    s->pending = r;
    s->pending_count++;
    if (ret)
        *ret = r;
    out.text = buf_span(&text);
    send_text(s, &out);
    buf_done(&text);
    return 0;
}

int mcp_session_call(struct mcp_session *s, const char *method, struct span params,
                     const struct mcp_request_ops *ops, void *data, struct mcp_request **ret, struct err *err)
{
    struct mcp_request like = { .ops = *ops, .data = data };

    if (s->is_broken)
        return err_set(err, s->why.code, "%s", s->why.text);
    if (s->pending_count >= MCP_PENDING_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d requests wait for it", MCP_PENDING_MAX);
    return request(s, method, params, &like, ret, err);
}

void mcp_request_cancel(struct mcp_request *r, const char *reason)
{
    struct buf params = BUF_INIT(PARAMS_MAX);
    struct mcp_session *s;
    struct json_writer w;
    int64_t id;

    if (!r)
        return;
    s = r->session;
    id = r->id;
    request_remove(r);
    if (s->is_broken)
        return;
    json_begin(&w, &params);
    json_object(&w);
    json_put_int(&w, "requestId", id);
    json_put_string(&w, "reason", reason);
    json_object_end(&w);
    if (json_end(&w, NULL) == 0)
        notify(s, "notifications/cancelled", buf_span(&params));
    buf_done(&params);
    if (s->link.forget)
        s->link.forget(s->link_data, id);
}

/* ---- the list of tools ---- */

static void list_begin(struct mcp_session *s);

/* A request of the session itself. */
static void own(struct mcp_session *s, const char *method, struct span params,
                void (*fn)(void *data, const struct mcp_answer *a))
{
    struct mcp_request like = { .ops = { .on_answer = fn }, .data = s };
    struct err err = { 0 };

    if (request(s, method, params, &like, NULL, &err) < 0)
        mcp_session_lost(s, &err);
}

static void list_end(struct mcp_session *s)
{
    bool is_same;

    if (s->hello.has_resources)
        mcp_tools_add_resources(&s->next_tools);
    is_same = mcp_tools_equal(&s->tools, &s->next_tools);
    mcp_tools_done(&s->tools);
    s->tools = s->next_tools;
    mcp_tools_init(&s->next_tools, s->spec.server, s->spec.allow);
    s->is_listing = false;
    if (!s->is_ready) {
        s->is_ready = true;
        s->ops->on_ready(s->data);
    } else if (!is_same) {
        s->ops->on_changed(s->data);
    }
    if (s->must_list)
        list_begin(s);
}

static void list_page(struct mcp_session *s);

static void on_page(void *data, const struct mcp_answer *a)
{
    struct mcp_session *s = data;
    struct span cursor = tree_span(tree_get(a->value, "nextCursor"));

    if (a->result < 0 && !s->is_ready) {
        broken(s, "listing its tools: %s", a->err->text);
        return;
    }
    if (a->result < 0) { /* the list of before goes on */
        s->is_listing = false;
        mcp_tools_done(&s->next_tools);
        return;
    }
    mcp_tools_add_page(&s->next_tools, a->value);
    if (cursor.len == 0 || cursor.len > MCP_CURSOR_MAX || span_is(cursor, s->cursor) ||
        memchr(cursor.ptr, 0, cursor.len) || s->pages >= MCP_PAGES_MAX ||
        s->next_tools.count == MCP_TOOLS_MAX) {
        list_end(s);
        return;
    }
    (void) snprintf(s->cursor, sizeof(s->cursor), SPAN_FMT, SPAN_ARG(cursor));
    list_page(s);
}

static void list_page(struct mcp_session *s)
{
    struct buf params = BUF_INIT(PARAMS_MAX);
    struct json_writer w;

    s->pages++;
    json_begin(&w, &params);
    json_object(&w);
    if (s->cursor[0])
        json_put_string(&w, "cursor", s->cursor);
    json_object_end(&w);
    if (json_end(&w, NULL) == 0)
        own(s, "tools/list", buf_span(&params), on_page);
    buf_done(&params);
}

static void list_begin(struct mcp_session *s)
{
    s->must_list = false;
    s->is_listing = true;
    s->pages = 0;
    s->cursor[0] = '\0';
    mcp_tools_done(&s->next_tools);
    if (s->hello.has_tools)
        list_page(s);
    else
        list_end(s);
}

static void on_list_changed(struct mcp_session *s)
{
    if ((!s->is_ready && !s->is_listing) || s->lists++ >= MCP_LISTS_MAX)
        return;
    s->must_list = true;
    if (!s->is_listing)
        list_begin(s);
}

/* ---- the handshake ---- */

static void on_hello(void *data, const struct mcp_answer *a)
{
    struct mcp_session *s = data;
    struct err err = { 0 };

    if (a->result < 0) {
        broken(s, "the handshake: %s", a->err->text);
        return;
    }
    if (mcp_hello_decode(a->value, &s->hello, &err) < 0) {
        mcp_session_lost(s, &err);
        return;
    }
    if (s->link.settle)
        s->link.settle(s->link_data, s->hello.version);
    notify(s, "notifications/initialized", (struct span){ 0 });
    if (!s->is_broken && !s->is_listing)
        list_begin(s);
}

void mcp_session_open(struct mcp_session *s, const struct mcp_link *link, void *link_data)
{
    struct buf params = BUF_INIT(PARAMS_MAX);

    s->link = *link;
    s->link_data = link_data;
    if (mcp_hello_encode(&params, s->spec.root != NULL) == 0)
        own(s, "initialize", buf_span(&params), on_hello);
    buf_done(&params);
}

/* ---- what the server asks ---- */

static void put_uri(struct buf *out, const char *path)
{
    (void) buf_add_text(out, "file://");
    for (; *path; path++)
        if (isalnum((unsigned char) *path) || strchr("/-._~", *path))
            (void) buf_add_char(out, *path);
        else
            (void) buf_printf(out, "%%%02X", (unsigned char) *path);
}

static int encode_roots(const struct mcp_session *s, struct buf *out)
{
    struct buf uri = BUF_INIT(PARAMS_MAX);
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_key(&w, "roots");
    json_array(&w);
    if (s->spec.root) {
        put_uri(&uri, s->spec.root);
        json_object(&w);
        json_put_span(&w, "uri", buf_span(&uri));
        json_put_string(&w, "name", "workspace");
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    buf_done(&uri);
    return json_end(&w, NULL);
}

static void on_request(struct mcp_session *s, const struct mcp_message *m)
{
    struct buf text = BUF_INIT(PARAMS_MAX), result = BUF_INIT(PARAMS_MAX);
    int r;

    if (span_is(m->method, "ping"))
        r = mcp_encode_result(&text, m->raw_id, span_of("{}"));
    else if (span_is(m->method, "roots/list"))
        r = encode_roots(s, &result) < 0 ? -1 : mcp_encode_result(&text, m->raw_id, buf_span(&result));
    else if (span_is(m->method, "sampling/createMessage"))
        r = mcp_encode_error(&text, m->raw_id, JSONRPC_NONE, "agentbox lends its model to no server");
    else if (span_is(m->method, "elicitation/create"))
        r = mcp_encode_error(&text, m->raw_id, JSONRPC_NONE, "nobody can be asked: agentbox runs unattended");
    else
        r = mcp_encode_error(&text, m->raw_id, JSONRPC_NONE, "agentbox does not know this method");
    if (r == 0)
        send_text(s, &(struct mcp_out){ .text = buf_span(&text) });
    buf_done(&result);
    buf_done(&text);
}

/* ---- what the server says ---- */

static struct mcp_request *find(const struct mcp_session *s, int64_t id)
{
    struct mcp_request *r = id > 0 ? s->pending : NULL;

    while (r && r->id != id)
        r = r->next;
    return r;
}

bool mcp_session_waits(const struct mcp_session *s, int64_t id)
{
    return find(s, id) != NULL;
}

static void on_answer(struct mcp_session *s, const struct mcp_message *m)
{
    struct mcp_request *r = find(s, m->id);
    struct mcp_answer a = { .value = m->body, .was_refused = m->kind == MCP_ERROR };
    char text[600];
    struct err err = { 0 };

    if (!r)
        return;
    s->strays = 0;
    if (a.was_refused) {
        mcp_error_text(m->body, text, sizeof(text));
        a.result = err_set(&err, ERR_PROTOCOL, "%s", text);
        a.err = &err;
    }
    answer(r, &a);
}

static void on_progress(struct mcp_session *s, const struct tree *params)
{
    struct mcp_request *r = find(s, tree_int(tree_get(params, "progressToken"), 0));
    struct span message = tree_span(tree_get(params, "message"));
    double total = tree_double(tree_get(params, "total"), 0);
    char text[200];
    int len;

    if (!r || !r->ops.on_progress)
        return;
    len = snprintf(text, sizeof(text), "%g", tree_double(tree_get(params, "progress"), 0));
    if (total > 0)
        len += snprintf(text + len, sizeof(text) - (size_t) len, "/%g", total);
    (void) snprintf(text + len, sizeof(text) - (size_t) len, " %.*s", (int) utf8_cut(message, 120),
                    message.ptr ? message.ptr : "");
    r->ops.on_progress(r->data, text);
}

static void on_message(struct mcp_session *s, const struct mcp_message *m)
{
    if (++s->strays > MCP_STRAYS_MAX) {
        broken(s, "it sent %d messages in a row that answer nothing", MCP_STRAYS_MAX);
        return;
    }
    if (m->kind == MCP_REQUEST)
        on_request(s, m);
    else if (m->kind == MCP_RESULT || m->kind == MCP_ERROR)
        on_answer(s, m);
    else if (m->kind == MCP_NOTICE && span_is(m->method, "notifications/progress"))
        on_progress(s, m->body);
    else if (m->kind == MCP_NOTICE && span_is(m->method, "notifications/tools/list_changed"))
        on_list_changed(s);
}

/* A copy without the secrets that the server was given, or the text itself when it has none. */
static struct span without_secrets(const struct mcp_session *s, struct span text, struct buf *copy)
{
    bool has_any = false;

    for (size_t i = 0; i < s->spec.secret_count; i++)
        has_any = has_any || hide(text, s->spec.secrets[i], NULL);
    if (!has_any)
        return text;
    if (buf_add_span(copy, text) < 0)
        return (struct span){ 0 };
    hide_all(s, copy->data, copy->len);
    return buf_span(copy);
}

void mcp_session_feed(struct mcp_session *s, struct span text)
{
    struct arena arena = ARENA_INIT(MCP_TREE_MAX);
    struct buf copy = BUF_INIT(MCP_MESSAGE_MAX), repaired = BUF_INIT(MCP_MESSAGE_MAX);
    struct mcp_message *messages = s->is_broken ? NULL : calloc(MCP_BATCH_MAX, sizeof(*messages));
    size_t count = 0;
    struct err err = { 0 };
    int r;

    if (s->is_broken)
        return;
    r = !messages ? err_set(&err, ERR_INTERNAL, "no memory for a message")
                  : mcp_decode(without_secrets(s, text, &copy), &arena, &repaired, messages, &count, &err);
    if (r == -ERR_INVALID) /* servers print what does not belong there */
        on_message(s, &(struct mcp_message){ .kind = MCP_NOISE });
    else if (r < 0)
        broken(s, "it sent %s", err.text);
    for (size_t i = 0; i < count && !s->is_broken; i++)
        on_message(s, &messages[i]);
    free(messages);
    buf_done(&repaired);
    buf_done(&copy);
    arena_done(&arena);
}

void mcp_session_fail(struct mcp_session *s, int64_t id, const struct err *err)
{
    struct mcp_request *r = find(s, id);
    struct err why = without_secrets_err(s, err);

    if (r)
        answer(r, &(struct mcp_answer){ .result = -(int) why.code, .err = &why });
}

/* ---- life ---- */

int mcp_session_new(struct loop *loop, const struct mcp_session_spec *spec, const struct mcp_session_ops *ops,
                    void *data, struct mcp_session **ret, struct err *err)
{
    struct mcp_session *s = calloc(1, sizeof(*s));

    if (!s)
        return err_set(err, ERR_INTERNAL, "no memory for a server");
    s->loop = loop;
    s->spec = *spec;
    s->ops = ops;
    s->data = data;
    mcp_tools_init(&s->tools, spec->server, spec->allow);
    mcp_tools_init(&s->next_tools, spec->server, spec->allow);
    *ret = s;
    return 0;
}

void mcp_session_free(struct mcp_session *s)
{
    if (!s)
        return;
    while (s->pending)
        request_remove(s->pending);
    loop_source_free(s->soon);
    mcp_tools_done(&s->tools);
    mcp_tools_done(&s->next_tools);
    free(s);
}

const struct mcp_hello *mcp_session_hello(const struct mcp_session *s)
{
    return &s->hello;
}

const struct mcp_tools *mcp_session_tools(const struct mcp_session *s)
{
    return &s->tools;
}
