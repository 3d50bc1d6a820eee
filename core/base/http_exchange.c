/* SPDX-License-Identifier: MIT */
/* One request and its answer: head, body, silence; and the whole answer at once. */
#include "core/base/http_call.h"

#include "core/base/clock.h"
#include "core/base/http_head.h"

#include <stdlib.h>

#define HEADER_MAX_DEFAULT (256 * 1024)

struct transfer {
    struct http_exchange exchange; /* first */
    struct http_call *call;
    struct http_ops ops;
    void *data;
    struct buf head;
    bool has_head, is_head_too_large;
    struct loop_source *idle_timer; /* NULL: no limit */
    int64_t idle_ms, active_ms, uploaded;
};

static struct span head_value(const struct http_head *head, const char *name)
{
    const struct buf *lines = head->impl;

    return http_head_find(buf_span(lines), name);
}

/* The blank line was seen: tell the owner, unless it is an interim answer. Frees may happen inside. */
static void tell_head(struct transfer *t)
{
    struct http_head head = { http_call_status(t->call), head_value, &t->head };

    if (head.status < 200)
        return;
    t->has_head = true;
    if (t->ops.on_head)
        t->ops.on_head(t->data, &head);
}

static int on_line(void *owner, struct span line)
{
    struct transfer *t = owner;

    t->active_ms = clock_mono_ms();
    if (t->has_head) /* a trailer: nobody asked for it */
        return 0;
    if (span_starts(line, "HTTP/"))
        buf_clear(&t->head);
    if (buf_add_span(&t->head, line) < 0) {
        t->is_head_too_large = true;
        return -ERR_TOO_LARGE;
    }
    if (span_is(line, "\r\n") || span_is(line, "\n"))
        tell_head(t);
    return 0;
}

static int on_body(void *owner, struct span chunk)
{
    struct transfer *t = owner;

    t->active_ms = clock_mono_ms();
    return t->ops.on_body ? t->ops.on_body(t->data, chunk) : 0;
}

static void on_end(void *owner, const struct err *cause)
{
    struct transfer *t = owner;
    struct err err;

    loop_source_free(t->idle_timer);
    t->idle_timer = NULL;
    if (!cause) {
        t->ops.on_done(t->data, 0, NULL);
        return;
    }
    err = *cause;
    /* libcurl's own ceiling for one line looks like used-up memory */
    if (t->is_head_too_large || (!t->has_head && t->head.len > 0 && err.code == ERR_INTERNAL))
        (void) err_set(&err, ERR_TOO_LARGE, "the headers of '%s' are too large", http_call_target(t->call));
    t->ops.on_done(t->data, -(int) err.code, &err);
}

/* What goes out counts too: a large upload is no silence. */
static int64_t idle_left(struct transfer *t)
{
    int64_t uploaded = http_call_uploaded(t->call), now = clock_mono_ms();

    if (uploaded != t->uploaded)
        t->active_ms = now;
    t->uploaded = uploaded;
    return t->active_ms + t->idle_ms - now;
}

static void on_idle(void *data)
{
    struct transfer *t = data;
    int64_t left = idle_left(t);
    struct err err;

    if (left > 0) {
        (void) loop_timer_set(t->idle_timer, left, NULL); /* fails only for a timer being closed */
        return;
    }
    (void) err_set(&err, ERR_TIMEOUT, "'%s' sent nothing for %g s", http_call_target(t->call),
                   (double) t->idle_ms / 1000);
    http_call_free(t->call);
    t->call = NULL;
    t->ops.on_done(t->data, -ERR_TIMEOUT, &err);
}

static void transfer_free(struct http_exchange *x)
{
    struct transfer *t = (struct transfer *) (void *) x;

    http_call_free(t->call);
    loop_source_free(t->idle_timer);
    buf_done(&t->head);
    free(t);
}

int http_start(struct http *http, const struct http_request *req, const struct http_ops *ops, void *data,
               struct http_exchange **ret, struct err *err)
{
    static const struct http_call_ops call_ops = { on_line, on_body, on_end };
    struct transfer *t = calloc(1, sizeof(*t));
    int r;

    if (!t)
        return err_set(err, ERR_INTERNAL, "no memory for a request");
    t->exchange.free = transfer_free;
    t->ops = *ops;
    t->data = data;
    t->idle_ms = req->idle_ms;
    t->active_ms = clock_mono_ms();
    buf_init(&t->head, req->header_max > 0 ? req->header_max : HEADER_MAX_DEFAULT);
    r = http_call_new(http, req, false, &call_ops, t, &t->call, err);
    if (r == 0 && t->idle_ms > 0)
        r = loop_timer(http_loop(http), t->idle_ms, on_idle, t, &t->idle_timer, err);
    if (r < 0) {
        transfer_free(&t->exchange);
        return r;
    }
    *ret = &t->exchange;
    return 0;
}

void http_exchange_free(struct http_exchange *x)
{
    if (x)
        x->free(x);
}

/* ---- the whole answer at once ---- */

struct fetch {
    struct buf *body;
    int status, result;
    bool is_done;
    struct err err;
};

static void on_fetch_head(void *data, const struct http_head *head)
{
    struct fetch *f = data;

    f->status = head->status;
}

static int on_fetch_body(void *data, struct span chunk)
{
    struct fetch *f = data;

    return buf_add_span(f->body, chunk);
}

static void on_fetch_done(void *data, int result, const struct err *err)
{
    struct fetch *f = data;

    f->result = result;
    f->is_done = true;
    if (result < 0)
        f->err = *err;
}

int http_fetch(struct http *http, const struct http_request *req, int *ret_status, struct buf *body,
               struct err *err)
{
    static const struct http_ops ops = { on_fetch_head, on_fetch_body, on_fetch_done };
    struct fetch f = { .body = body };
    struct http_exchange *x;
    int r = http_start(http, req, &ops, &f, &x, err);

    if (r < 0)
        return r;
    r = loop_run(http_loop(http), &f.is_done, err);
    http_exchange_free(x);
    if (r < 0)
        return r;
    if (!f.is_done)
        return err_set(err, ERR_CANCELED, "interrupted while waiting for an answer");
    if (f.result == -ERR_TOO_LARGE && f.status > 0)
        return err_set(err, ERR_TOO_LARGE, "an answer is larger than %zu bytes", body->max);
    if (f.result < 0) {
        if (err)
            *err = f.err;
        return f.result;
    }
    *ret_status = f.status;
    return 0;
}
