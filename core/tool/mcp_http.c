/* SPDX-License-Identifier: MIT */
#include "core/tool/mcp_http.h"

#include "core/base/cleanup.h"
#include "core/base/sse.h"
#include "core/base/url.h"
#include "core/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define REFUSAL_MAX ((size_t) 64 << 10) /* of the body of an answer that is none */

/* What may be sent now: after the handshake's first message its second one goes alone. */
enum gate { GATE_HELLO, GATE_INITIALIZED, GATE_OPEN };

/* One message on its way, with its answer; or the stream of what the server says by itself. */
struct turn {
    struct turn *next;
    struct mcp_http *h;
    int64_t id; /* of the request; 0: none */
    bool is_hello, is_initialized, is_stream;
    bool is_held; /* until the gate opens */
    bool is_busy, is_dead;
    struct buf message;
    struct http_exchange *x;
    struct loop_source *timer; /* until the stream is taken up again */
    int status;
    bool is_sse, is_json;
    struct buf body;
    struct sse sse;
    char event_id[SSE_NAME_MAX + 1];
    int64_t retry_ms;
    int resumes;
};

struct mcp_http {
    struct loop *loop;
    struct http *http;
    struct mcp_session *session;
    const char *url, *version; /* version NULL: not yet agreed upon */
    const struct credentials *credentials;
    char session_id[MCP_SESSION_ID_MAX + 1];
    enum gate gate;
    bool may_renew; /* something was answered in this session */
    struct turn *turns;
    size_t turn_count;
    struct http_exchange *bye;
    loop_fn *on_closed;
    void *on_closed_data;
};

/* ---- turns ---- */

static void turn_stop(struct turn *t)
{
    http_exchange_free(TAKE_PTR(t->x));
    loop_source_free(TAKE_PTR(t->timer));
}

static void turn_free(struct turn *t)
{
    turn_stop(t);
    buf_done(&t->message);
    buf_done(&t->body);
    sse_done(&t->sse);
    free(t);
}

static void turn_remove(struct turn *t)
{
    struct turn **slot = &t->h->turns;

    if (t->is_busy) { /* the decoder of its stream is at work: later */
        t->is_dead = true;
        return;
    }
    while (*slot != t)
        slot = &(*slot)->next;
    *slot = t->next;
    t->h->turn_count--;
    turn_free(t);
}

static struct turn *turn_new(struct mcp_http *h, struct err *err)
{
    struct turn *t = h->turn_count < MCP_TURNS_MAX ? calloc(1, sizeof(*t)) : NULL, **slot = &h->turns;

    if (!t) {
        (void) err_set(err, ERR_TOO_LARGE, "more than %d messages are on their way", MCP_TURNS_MAX);
        return NULL;
    }
    t->h = h;
    buf_init(&t->message, MCP_MESSAGE_MAX);
    buf_init(&t->body, MCP_MESSAGE_MAX);
    sse_init(&t->sse);
    while (*slot)
        slot = &(*slot)->next;
    *slot = t;
    h->turn_count++;
    return t;
}

static void fail_turn(struct turn *t, enum err_code code, const char *text)
{
    struct err err = { 0 };

    (void) err_set(&err, code, "%s", text);
    if (t->id > 0)
        mcp_session_fail(t->h->session, t->id, &err);
    turn_remove(t);
}

/* ---- requests ---- */

struct header_list {
    const char *items[CREDENTIALS_LINES_MAX + 8];
    size_t count;
    char session[MCP_SESSION_ID_MAX + 32], version[64], last[SSE_NAME_MAX + 32];
};

static void headers(const struct mcp_http *h, const char *event_id, struct header_list *list)
{
    *list = (struct header_list){ .count = 0 };
    for (size_t i = 0; i < h->credentials->line_count; i++)
        list->items[list->count++] = buf_text(&h->credentials->lines[i]);
    (void) snprintf(list->session, sizeof(list->session), "Mcp-Session-Id: %s", h->session_id);
    (void) snprintf(list->version, sizeof(list->version), "MCP-Protocol-Version: %s",
                    h->version ? h->version : "");
    (void) snprintf(list->last, sizeof(list->last), "Last-Event-ID: %s", event_id);
    if (h->session_id[0])
        list->items[list->count++] = list->session;
    if (h->version)
        list->items[list->count++] = list->version;
    if (event_id[0])
        list->items[list->count++] = list->last;
}

static const struct http_ops turn_ops;

static int turn_start(struct turn *t, struct err *err)
{
    struct header_list list;
    bool is_get = t->is_stream || t->event_id[0];
    struct http_request req = { .method = is_get ? "GET" : "POST", .url = t->h->url, .headers = list.items };

    turn_stop(t);
    headers(t->h, t->event_id, &list);
    list.items[list.count++] =
        is_get ? "Accept: text/event-stream" : "Accept: application/json, text/event-stream";
    if (!is_get) {
        list.items[list.count++] = "Content-Type: application/json";
        req.body = buf_span(&t->message);
    }
    t->status = 0;
    t->is_held = t->is_sse = t->is_json = false;
    buf_clear(&t->body);
    sse_done(&t->sse);
    return http_start(t->h->http, &req, &turn_ops, t, &t->x, err);
}

static void turn_restart(struct turn *t)
{
    struct err err = { 0 };

    if (turn_start(t, &err) < 0)
        fail_turn(t, err.code, err.text);
}

static void on_timer(void *data)
{
    turn_restart(data);
}

/* ---- the gate ---- */

static void stream_open(struct mcp_http *h)
{
    struct turn *t = turn_new(h, NULL);

    if (!t)
        return;
    t->is_stream = true;
    turn_restart(t);
}

/* The handshake is over: what waited goes on, and the server may speak. */
static void gate_open(struct mcp_http *h)
{
    struct turn *t = h->turns;

    h->gate = GATE_OPEN;
    while (t) { /* whoever is told of a failure may give up others: from the start again */
        bool was_held = t->is_held;

        if (was_held)
            turn_restart(t);
        t = was_held ? h->turns : t->next;
    }
    stream_open(h);
}

static const struct mcp_link link_ops;

/* The server has forgotten the session. */
static void renew(struct turn *t)
{
    struct mcp_http *h = t->h;

    turn_stop(t);
    t->is_held = true;
    t->event_id[0] = '\0';
    if (h->gate != GATE_OPEN)
        return;
    h->gate = GATE_HELLO;
    h->may_renew = false;
    h->version = NULL;
    h->session_id[0] = '\0';
    for (struct turn *other = h->turns, *next; other; other = next) {
        next = other->next;
        if (other->is_stream)
            turn_remove(other);
    }
    mcp_session_open(h->session, &link_ops, h);
}

/* ---- answers ---- */

static bool is_type(struct span value, const char *type)
{
    size_t len = strlen(type);

    return value.len >= len && strncasecmp(value.ptr, type, len) == 0 &&
           (value.len == len || strchr("; \t", value.ptr[len]));
}

static void take_session(struct mcp_http *h, struct span id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] < 0x21 || id.ptr[i] > 0x7e)
            return;
    if (id.len <= MCP_SESSION_ID_MAX)
        (void) snprintf(h->session_id, sizeof(h->session_id), SPAN_FMT, (int) id.len, id.ptr ? id.ptr : "");
}

static void on_head(void *data, const struct http_head *head)
{
    struct turn *t = data;
    struct span type = head->header(head, "Content-Type");

    t->status = head->status;
    t->is_sse = head->status == 200 && is_type(type, "text/event-stream");
    t->is_json = is_type(type, "application/json");
    if (t->is_hello && head->status == 200)
        take_session(t->h, head->header(head, "Mcp-Session-Id"));
}

static int on_event(void *data, struct span name, struct span payload)
{
    struct turn *t = data;

    (void) name;
    if (payload.len > 0) {
        t->resumes = 0;
        mcp_session_feed(t->h->session, payload);
    }
    return t->is_dead ? -ERR_CANCELED : 0;
}

static int on_body(void *data, struct span chunk)
{
    struct turn *t = data;
    int r = 0;

    if (t->is_sse) {
        t->is_busy = true;
        r = sse_feed(&t->sse, chunk, on_event, t);
        t->is_busy = false;
        if (t->sse.id[0])
            memcpy(t->event_id, t->sse.id, sizeof(t->event_id));
        if (t->sse.retry_ms >= 0)
            t->retry_ms = t->sse.retry_ms;
        if (t->is_dead) {
            turn_remove(t);
            return -ERR_CANCELED;
        }
        return r;
    }
    if (t->is_json)
        return buf_add_span(&t->body, chunk);
    if (t->body.len + chunk.len <= REFUSAL_MAX) /* it is no answer; some of it may say why */
        (void) buf_add_span(&t->body, chunk);
    return 0;
}

/* A stream ended. What it still owes is asked for where it broke off. */
static void on_stream_end(struct turn *t)
{
    struct mcp_http *h = t->h;
    bool is_owed = t->is_stream || mcp_session_waits(h->session, t->id);
    int64_t wait_ms = t->retry_ms > MCP_RETRY_MIN_MS ? t->retry_ms
                      : t->retry_ms > 0              ? MCP_RETRY_MIN_MS
                                                     : MCP_RETRY_MS;
    struct err err = { 0 };

    turn_stop(t);
    if (!is_owed)
        turn_remove(t);
    else if (!t->is_stream && !t->event_id[0])
        fail_turn(t, ERR_PROTOCOL, "the answer broke off");
    else if (++t->resumes > MCP_RESUMES_MAX)
        fail_turn(t, ERR_PROTOCOL, "the answer broke off, and could not be taken up again");
    else if (loop_timer(h->loop, wait_ms < MCP_RETRY_MAX_MS ? wait_ms : MCP_RETRY_MAX_MS, on_timer, t,
                        &t->timer, &err) < 0)
        fail_turn(t, err.code, err.text);
}

static void on_json(struct turn *t)
{
    t->is_busy = true;
    mcp_session_feed(t->h->session, buf_span(&t->body));
    t->is_busy = false;
}

static void refused(struct turn *t)
{
    const char *why = t->status == 401 || t->status == 403 ? ": it wants other credentials"
                      : t->status >= 300 && t->status < 400
                          ? ": it leads to another place, which is not followed"
                          : "";
    char text[300];

    (void) snprintf(text, sizeof(text), "HTTP %d%s%s%.*s", t->status, why,
                    t->body.len > 0 && !*why ? ": " : "", *why ? 0 : (int) utf8_cut(buf_span(&t->body), 200),
                    buf_text(&t->body));
    for (char *c = text; *c; c++)
        if ((unsigned char) *c < 0x20 || *c == 0x7f)
            *c = ' ';
    fail_turn(t, ERR_PROTOCOL, text);
}

/* Everything of an answer that is no stream is there. */
static void on_answered(struct turn *t)
{
    struct mcp_http *h = t->h;
    bool is_fine = t->status >= 200 && t->status < 300, opens = t->is_initialized;

    if (t->status == 404 && h->session_id[0] && h->may_renew && !t->is_hello && !t->is_initialized) {
        renew(t);
        return;
    }
    if (t->status == 404 && h->gate != GATE_OPEN && t->id > 0 && !t->is_hello) {
        t->is_held = true; /* another one has found out before */
        return;
    }
    h->may_renew = h->may_renew || (is_fine && t->id > 0 && !t->is_hello);
    if (t->is_json && t->id > 0)
        on_json(t);
    if (t->is_dead || t->id == 0 || !mcp_session_waits(h->session, t->id)) {
        turn_remove(t);
    } else if (is_fine) {
        fail_turn(t, ERR_PROTOCOL, "its answer has no answer to the request");
    } else {
        refused(t);
    }
    if (opens)
        gate_open(h);
}

static void on_done(void *data, int result, const struct err *err)
{
    struct turn *t = data;
    struct mcp_http *h = t->h;

    if (result == 0 && t->is_sse) {
        h->may_renew = h->may_renew || (t->id > 0 && !t->is_hello);
        t->is_busy = true;
        (void) sse_end(&t->sse, on_event, t);
        t->is_busy = false;
    }
    if (t->is_dead)
        turn_remove(t);
    else if (t->is_sse)
        on_stream_end(t);
    else if (result == 0)
        on_answered(t);
    else if (t->is_stream || t->event_id[0])
        on_stream_end(t); /* it may be back in a moment */
    else if (result == -ERR_TOO_LARGE)
        fail_turn(t, ERR_TOO_LARGE, "its answer is larger than 16 MiB");
    else
        mcp_session_lost(h->session, err);
}

static const struct http_ops turn_ops = { on_head, on_body, on_done };

/* ---- the link ---- */

static int send_out(void *data, const struct mcp_out *out, struct err *err)
{
    struct mcp_http *h = data;
    struct turn *t = turn_new(h, err);
    int r;

    if (!t)
        return -ERR_TOO_LARGE;
    t->id = out->id;
    t->is_hello = out->is_hello;
    t->is_initialized = h->gate == GATE_INITIALIZED && out->id == 0;
    t->is_held = !t->is_hello && !t->is_initialized && h->gate != GATE_OPEN;
    r = buf_add_span(&t->message, out->text);
    if (r < 0)
        r = err_set(err, ERR_TOO_LARGE, "a message is too large");
    if (r == 0 && t->is_initialized)
        h->gate = GATE_HELLO; /* nothing else until it is answered */
    if (r == 0 && !t->is_held)
        r = turn_start(t, err);
    if (r < 0)
        turn_remove(t);
    return r;
}

static void forget(void *data, int64_t id)
{
    struct mcp_http *h = data;

    for (struct turn *t = h->turns; t; t = t->next)
        if (t->id == id) {
            turn_remove(t);
            return;
        }
}

static void settle(void *data, const char *version)
{
    struct mcp_http *h = data;

    h->version = version;
    h->gate = GATE_INITIALIZED;
}

static const struct mcp_link link_ops = { send_out, forget, settle };

/* ---- life ---- */

int mcp_http_check(const char *url, const struct credentials *credentials, struct err *err)
{
    struct span host = url_host(span_of(url));

    if (host.len == 0 || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
        return err_set(err, ERR_INVALID, "its 'url' is not an address of the form https://HOST/PATH");
    if (url_has_userinfo(url))
        return err_set(err, ERR_INVALID,
                       "its 'url' holds a user name or password: use 'api_key' or 'headers'");
    if (credentials->secret_count > 0 && url_is_plain(url) && !url_is_loopback(host))
        return err_set(err, ERR_INVALID,
                       "the key would go to '" SPAN_FMT "' over plain HTTP, readable on the way",
                       SPAN_ARG(host));
    return 0;
}

int mcp_http_open(struct loop *loop, struct http *http, const char *url,
                  const struct credentials *credentials, struct mcp_session *session, struct mcp_http **ret,
                  struct err *err)
{
    struct mcp_http *h;
    int r = mcp_http_check(url, credentials, err);

    if (r < 0)
        return r;
    h = calloc(1, sizeof(*h));
    if (!h)
        return err_set(err, ERR_INTERNAL, "no memory for a server");
    h->loop = loop;
    h->http = http;
    h->session = session;
    h->url = url;
    h->credentials = credentials;
    *ret = h;
    mcp_session_open(session, &link_ops, h);
    return 0;
}

static void on_bye(void *data, int result, const struct err *err)
{
    struct mcp_http *h = data;

    (void) result; /* it need not allow it */
    (void) err;
    http_exchange_free(TAKE_PTR(h->bye));
    h->on_closed(h->on_closed_data);
}

int mcp_http_close(struct mcp_http *h, loop_fn *fn, void *data, struct err *err)
{
    static const struct http_ops ops = { .on_done = on_bye };
    struct header_list list;
    struct http_request req = {
        .method = "DELETE", .url = h->url, .headers = list.items, .total_ms = MCP_BYE_MS
    };

    if (!h->session_id[0])
        return err_set(err, ERR_NOT_FOUND, "there is no session");
    while (h->turns)
        turn_remove(h->turns);
    headers(h, "", &list);
    h->on_closed = fn;
    h->on_closed_data = data;
    return http_start(h->http, &req, &ops, h, &h->bye, err);
}

void mcp_http_free(struct mcp_http *h)
{
    if (!h)
        return;
    while (h->turns) {
        struct turn *t = h->turns;

        h->turns = t->next;
        turn_free(t);
    }
    http_exchange_free(h->bye);
    free(h);
}
