/* SPDX-License-Identifier: MIT */
/* From head and body to the typed end. */
#include "core/model/answer.h"

#include "core/model/retry.h"

#include <ctype.h>
#include <strings.h>

enum {
    NO_HEAD, /* nothing came yet */
    SNIFF,   /* 200, but the content type says nothing useful: the first byte decides */
    EVENTS,
    DOCUMENT,
    PAGE, /* 200 and HTML */
    REFUSAL,
    REDIRECT,
};

void answer_init(struct answer *a, const struct stream_ops *ops, void *data, const struct error_context *ctx)
{
    *a = (struct answer){ .mode = NO_HEAD, .should_retry = -1 };
    stream_init(&a->stream, ops, data, ctx);
    sse_init(&a->sse);
    buf_init(&a->body, ERRORS_BODY_MAX);
}

void answer_done(struct answer *a)
{
    sse_done(&a->sse);
    buf_done(&a->body);
}

static bool type_is(struct span content_type, const char *type)
{
    size_t len = strlen(type);

    return content_type.len >= len && strncasecmp(content_type.ptr, type, len) == 0 &&
           (content_type.len == len || strchr("; ", content_type.ptr[len]));
}

static void set_mode(struct answer *a, int mode)
{
    a->mode = mode;
    a->body.max = mode == DOCUMENT ? SSE_DATA_MAX : ERRORS_BODY_MAX;
}

static int mode_of(const struct answer_head *head)
{
    if (head->status >= 300 && head->status < 400)
        return REDIRECT;
    if (head->status < 200 || head->status >= 300)
        return REFUSAL;
    if (type_is(head->content_type, "text/event-stream"))
        return EVENTS;
    if (type_is(head->content_type, "application/json"))
        return DOCUMENT;
    return type_is(head->content_type, "text/html") ? PAGE : SNIFF;
}

void answer_head(struct answer *a, const struct answer_head *head)
{
    struct model_end *end = &a->stream.end;

    set_mode(a, mode_of(head));
    end->http_status = head->status;
    end->retry_after_ms = retry_after_headers(head->retry_after_ms, head->retry_after, head->now_wall_ms);
    errors_copy(end->request_id, sizeof(end->request_id), a->stream.ctx, head->request_id);
    if (span_is(head->should_retry, "true"))
        a->should_retry = 1;
    else if (span_is(head->should_retry, "false"))
        a->should_retry = 0;
    if (a->mode == REDIRECT) {
        errors_from_redirect(end, a->stream.ctx, head->status, head->location);
        a->stream.has_ended = true;
    }
}

static int on_event(void *data, struct span name, struct span payload)
{
    struct answer *a = data;

    if (a->tap && a->tap->on_event)
        a->tap->on_event(a->tap_data, name, payload);
    return stream_event(&a->stream, name, payload);
}

static void decoded(struct answer *a, int r)
{
    if (r >= 0)
        return;
    errors_broken(&a->stream.end, a->stream.ctx, false,
                  "the model server sent an event of more than %zu bytes", SSE_DATA_MAX);
    a->stream.has_ended = true;
}

/* Keep what fits; an error needs its first kilobytes only, a document must be whole. */
static void keep_body(struct answer *a, struct span chunk)
{
    size_t room = a->body.max - a->body.len;

    if (chunk.len > room && a->mode == DOCUMENT) {
        errors_broken(&a->stream.end, a->stream.ctx, false,
                      "the model server sent a response of more than %zu bytes", a->body.max);
        a->stream.has_ended = true;
        return;
    }
    (void) buf_add(&a->body, chunk.ptr, chunk.len < room ? chunk.len : room); /* no memory: a shorter text */
}

static void sniff(struct answer *a, struct span chunk)
{
    size_t n = 0;

    while (n < chunk.len && isspace((unsigned char) chunk.ptr[n]))
        n++;
    if (n == chunk.len)
        return;
    if (chunk.ptr[n] == '{')
        set_mode(a, DOCUMENT);
    else
        set_mode(a, chunk.ptr[n] == '<' ? PAGE : EVENTS);
}

int answer_body(struct answer *a, struct span chunk)
{
    if (a->stream.has_ended)
        return 1;
    if (a->mode == SNIFF)
        sniff(a, chunk);
    if (a->mode == EVENTS)
        decoded(a, sse_feed(&a->sse, chunk, on_event, a));
    else if (a->mode != SNIFF)
        keep_body(a, chunk);
    return a->stream.has_ended;
}

static void end_page(struct answer *a)
{
    struct model_end *end = &a->stream.end;
    struct buf text = BUF_INIT(ERR_TEXT_MAX);

    errors_clean(&text, a->stream.ctx, buf_span(&a->body), 200);
    errors_broken(end, a->stream.ctx, false, "the model server answered with a web page: %s",
                  buf_text(&text));
    (void) err_hint(&end->err, "check 'model.base_url': a proxy or a login page answers instead of the API");
    a->stream.has_ended = true;
    buf_done(&text);
}

static void end_cut(struct answer *a, const struct err *cut)
{
    struct model_end *end = &a->stream.end;

    if (a->mode == NO_HEAD)
        errors_broken(end, a->stream.ctx, true, "no answer from the model server: %s", cut->text);
    else
        errors_broken(end, a->stream.ctx, true, "the model server's answer was cut off: %s", cut->text);
    end->err.errnum = cut->errnum;
    if (cut->hint[0])
        (void) err_hint(&end->err, "%s", cut->hint);
    else if (a->mode == NO_HEAD)
        (void) err_hint(&end->err, "check 'model.base_url', and that this machine can reach it");
    a->stream.has_ended = true;
}

static void end_body(struct answer *a)
{
    if (a->mode == REFUSAL) {
        errors_from_body(&a->stream.end, a->stream.ctx, a->stream.end.http_status, buf_span(&a->body));
        a->stream.has_ended = true;
    } else if (a->mode == PAGE) {
        end_page(a);
    } else if (a->mode == DOCUMENT) {
        stream_document(&a->stream, buf_span(&a->body));
    } else {
        stream_eof(&a->stream);
    }
}

/* The server's word overrides the table, except where the same request can only fail again. */
static bool may_override(const struct model_end *end)
{
    return end->kind == MODEL_FAILED && end->http_status >= 400 &&
           strcmp(end->reason, "insufficient_quota") != 0 &&
           strcmp(end->reason, "billing_hard_limit_reached") != 0 && !end->wants_function_tools &&
           !end->wants_no_schema && !end->refuses_compaction && !end->is_too_long && !end->lost_previous &&
           !end->bad_reasoning;
}

void answer_close(struct answer *a, const struct err *cut)
{
    struct model_end *end = &a->stream.end;

    if (a->tap && a->tap->on_body && a->mode != EVENTS && a->mode != NO_HEAD)
        a->tap->on_body(a->tap_data, buf_span(&a->body));
    a->stream.is_closing = true;
    if (!a->stream.has_ended && a->mode == EVENTS && !cut)
        decoded(a, sse_end(&a->sse, on_event, a));
    /* The status of a refusal says more than the fate of its body. */
    if (!a->stream.has_ended && cut && a->mode != REFUSAL)
        end_cut(a, cut);
    if (!a->stream.has_ended)
        end_body(a);
    if (a->should_retry == 0)
        end->can_retry = false;
    else if (a->should_retry == 1 && may_override(end))
        end->can_retry = true;
}
