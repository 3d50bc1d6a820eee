/* SPDX-License-Identifier: MIT */
/* Events to items, deltas and a typed end. */
#include "core/model/stream.h"

#include "core/base/json.h"
#include "core/model/usage.h"

#include <stdio.h>
#include <stdlib.h>

/* Nodes and strings of one event: 32 MiB of text is copied once; an array of 32 MiB of zeros is refused. */
#define TREE_MAX ((size_t) 96 << 20)

enum { ANNOUNCED = 1, DELIVERED = 2 };

enum event {
    EVENT_HEAD,
    EVENT_ADDED,
    EVENT_ITEM,
    EVENT_DELTA,
    EVENT_COMPLETED,
    EVENT_INCOMPLETE,
    EVENT_FAILED,
    EVENT_ERROR
};

static const struct row {
    const char *type;
    enum event event;
    enum model_delta delta;
} rows[] = {
    { "response.created", EVENT_HEAD, 0 },
    { "response.queued", EVENT_HEAD, 0 },
    { "response.in_progress", EVENT_HEAD, 0 },
    { "response.output_item.added", EVENT_ADDED, 0 },
    { "response.output_item.done", EVENT_ITEM, 0 },
    { "response.output_text.delta", EVENT_DELTA, MODEL_DELTA_TEXT },
    { "response.refusal.delta", EVENT_DELTA, MODEL_DELTA_TEXT },
    { "response.reasoning_summary_text.delta", EVENT_DELTA, MODEL_DELTA_REASONING },
    { "response.reasoning_text.delta", EVENT_DELTA, MODEL_DELTA_REASONING },
    { "response.function_call_arguments.delta", EVENT_DELTA, MODEL_DELTA_ARGUMENTS },
    { "response.custom_tool_call_input.delta", EVENT_DELTA, MODEL_DELTA_ARGUMENTS },
    { "response.shell_call_command.delta", EVENT_DELTA, MODEL_DELTA_ARGUMENTS },
    { "response.apply_patch_call_operation_diff.delta", EVENT_DELTA, MODEL_DELTA_ARGUMENTS },
    { "response.mcp_call_arguments.delta", EVENT_DELTA, MODEL_DELTA_OTHER },
    { "response.code_interpreter_call_code.delta", EVENT_DELTA, MODEL_DELTA_OTHER },
    { "response.completed", EVENT_COMPLETED, 0 },
    { "response.incomplete", EVENT_INCOMPLETE, 0 },
    { "response.failed", EVENT_FAILED, 0 },
    { "error", EVENT_ERROR, 0 },
};

void stream_end_init(struct model_end *end)
{
    *end = (struct model_end){ .kind = MODEL_BROKEN, .retry_after_ms = -1 };
}

void stream_init(struct stream *s, const struct stream_ops *ops, void *data, const struct error_context *ctx)
{
    *s = (struct stream){ .ops = ops, .data = data, .ctx = ctx };
    stream_end_init(&s->end);
}

static const struct row *row_of(struct span type)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (span_is(type, rows[i].type))
            return &rows[i];
    return NULL;
}

/* Later fields win only if they say something: `created` may name what `failed` leaves out. */
static void keep_text(const struct stream *s, char *field, size_t size, const struct tree *t)
{
    struct span text = tree_span(t);

    if (text.len > 0)
        errors_copy(field, size, s->ctx, text);
}

static void take_head(struct stream *s, const struct tree *response)
{
    keep_text(s, s->end.response_id, sizeof(s->end.response_id), tree_get(response, "id"));
    keep_text(s, s->end.model, sizeof(s->end.model), tree_get(response, "model"));
    if (usage_decode(tree_get(response, "usage"), &s->end.usage))
        s->end.has_usage = true;
}

/* -- items --------------------------------------------------------------- */

static int64_t index_of(struct stream *s, const struct tree *event)
{
    int64_t index = tree_int(tree_get(event, "output_index"), -1);

    if (index < 0)
        index = s->next_index;
    if (index < INT64_MAX && index >= s->next_index)
        s->next_index = index + 1;
    return index;
}

static bool is_marked(const struct stream *s, int64_t index, int mark)
{
    return index < STREAM_ITEMS_MAX && (s->seen[index] & mark);
}

static void mark(struct stream *s, int64_t index, int what)
{
    if (index < STREAM_ITEMS_MAX)
        s->seen[index] |= (unsigned char) what;
}

/* The raw bytes on one line. Inside JSON strings line breaks cannot stand, so only blanks change. */
static char *on_one_line(struct span raw)
{
    char *copy = malloc(raw.len);

    for (size_t i = 0; copy && i < raw.len; i++)
        copy[i] = raw.ptr[i] == '\n' || raw.ptr[i] == '\r' ? ' ' : raw.ptr[i];
    return copy;
}

static void break_off(struct stream *s, bool can_retry, const char *what)
{
    errors_broken(&s->end, s->ctx, can_retry, "the model server sent %s", what);
    s->has_ended = true;
}

static void deliver_item(struct stream *s, int64_t index, const struct tree *item)
{
    char *copy;

    if (!item || item->kind != TREE_OBJECT || tree_span(tree_get(item, "type")).len == 0) {
        break_off(s, true, "an output item without a type");
        return;
    }
    mark(s, index, ANNOUNCED | DELIVERED);
    if (!memchr(item->raw.ptr, '\n', item->raw.len) && !memchr(item->raw.ptr, '\r', item->raw.len)) {
        s->ops->on_item(s->data, index, item->raw);
        return;
    }
    copy = on_one_line(item->raw);
    if (copy)
        s->ops->on_item(s->data, index, span_make(copy, item->raw.len));
    else
        break_off(s, false, "an item that memory has no room for");
    free(copy);
}

/* Servers that never send `done` for some kinds of items, or for none. */
static void deliver_rest(struct stream *s, const struct tree *response, bool only_complete)
{
    const struct tree *status;
    int64_t index = 0;

    tree_each (item, tree_get(response, "output")) {
        bool is_due = s->has_item ? is_marked(s, index, ANNOUNCED) && !is_marked(s, index, DELIVERED) : true;

        status = tree_get(item, "status");
        if (only_complete && status && status->kind == TREE_STRING && !tree_is_string(status, "completed"))
            is_due = false;
        if (is_due && !s->has_ended)
            deliver_item(s, index, item);
        index++;
    }
}

/* -- ends ---------------------------------------------------------------- */

static void end_failed(struct stream *s, const struct tree *error)
{
    errors_from_event(&s->end, s->ctx, error && error->kind != TREE_NULL ? error : NULL);
    s->has_ended = true;
}

static void end_cancelled(struct stream *s)
{
    s->end.kind = MODEL_FAILED;
    snprintf(s->end.reason, sizeof(s->end.reason), "cancelled");
    (void) err_set(&s->end.err, ERR_MODEL, "the model server cancelled the response");
    (void) err_hint(&s->end.err, "somebody ended it on the server's side: run it again");
    s->has_ended = true;
}

static void end_response(struct stream *s, enum event event, const struct tree *response)
{
    const struct tree *status = tree_get(response, "status");

    take_head(s, response);
    if (tree_is_string(status, "failed") || event == EVENT_FAILED) {
        end_failed(s, tree_get(response, "error"));
        return;
    }
    if (tree_is_string(status, "cancelled")) {
        end_cancelled(s);
        return;
    }
    if (tree_is_string(status, "incomplete"))
        event = EVENT_INCOMPLETE;
    deliver_rest(s, response, event == EVENT_INCOMPLETE);
    if (s->has_ended)
        return;
    s->end.kind = event == EVENT_INCOMPLETE ? MODEL_INCOMPLETE : MODEL_COMPLETED;
    if (event == EVENT_INCOMPLETE)
        keep_text(s, s->end.reason, sizeof(s->end.reason),
                  tree_path(response, "incomplete_details", "reason", NULL));
    s->has_ended = true;
}

/* -- events -------------------------------------------------------------- */

static void take_delta(struct stream *s, const struct row *row, const struct tree *event)
{
    struct span text = tree_span(tree_get(event, "delta"));

    if (text.len > 0 && s->ops->on_delta)
        s->ops->on_delta(s->data, row->delta, text);
}

static void take_event(struct stream *s, const struct row *row, const struct tree *event)
{
    const struct tree *error;

    switch (row->event) {
    case EVENT_HEAD:
        take_head(s, tree_get(event, "response"));
        break;
    case EVENT_ADDED:
        mark(s, index_of(s, event), ANNOUNCED);
        break;
    case EVENT_ITEM:
        deliver_item(s, index_of(s, event), tree_get(event, "item"));
        s->has_item = true;
        break;
    case EVENT_DELTA:
        take_delta(s, row, event);
        break;
    case EVENT_COMPLETED:
    case EVENT_INCOMPLETE:
    case EVENT_FAILED:
        end_response(s, row->event, tree_get(event, "response"));
        break;
    case EVENT_ERROR:
        error = tree_get(event, "error");
        end_failed(s, error && error->kind != TREE_NULL ? error : event);
        break;
    }
}

/* The type when it stands first, as it does with most servers: saves parsing what is ignored. */
static struct span peek_type(struct span payload)
{
    static const char lead[] = "{\"type\":\"";
    size_t len = sizeof(lead) - 1;
    const char *end;

    if (!span_starts(payload, lead))
        return span_make(NULL, 0);
    end = memchr(payload.ptr + len, '"', payload.len - len);
    return end ? span_make(payload.ptr + len, (size_t) (end - payload.ptr) - len) : span_make(NULL, 0);
}

static bool can_skip(const struct stream *s, struct span name, struct span payload)
{
    struct span type = peek_type(payload);
    const struct row *row;

    if (type.len == 0 && span_starts(name, "response."))
        type = name;
    if (type.len == 0 || memchr(type.ptr, '\\', type.len))
        return false;
    row = row_of(type);
    return !row || (row->event == EVENT_DELTA && !s->ops->on_delta);
}

static void parse_event(struct stream *s, struct span name, struct span payload)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct row *row = NULL;
    const struct tree *event, *type;
    struct err err = { 0 };
    int r = json_parse(payload, &arena, &event, &err);

    if (r < 0 && s->is_closing) {
        stream_eof(s);
    } else if (r < 0) {
        errors_broken(&s->end, s->ctx, r != -ERR_TOO_LARGE,
                      "the model server sent an event that is not JSON: %s", err.text);
        s->has_ended = true;
    } else {
        type = tree_get(event, "type");
        row = row_of(type ? tree_span(type) : name);
        if (row)
            take_event(s, row, event);
        else if (!type && tree_get(event, "error"))
            end_failed(s, tree_get(event, "error")); /* proxies put a bare error between the events */
    }
    arena_done(&arena);
}

static bool is_done_mark(struct span payload)
{
    return span_is(payload, "[DONE]") || span_is(payload, "[DONE] ");
}

int stream_event(struct stream *s, struct span name, struct span payload)
{
    if (s->has_ended)
        return 1;
    if (payload.len == 0)
        return 0;
    s->has_event = true;
    if (is_done_mark(payload))
        stream_eof(s);
    else if (!can_skip(s, name, payload))
        parse_event(s, name, payload);
    return s->has_ended;
}

void stream_eof(struct stream *s)
{
    if (s->has_ended)
        return;
    break_off(s, true,
              s->has_event ? "only a part of the response: it ended before it was complete"
                           : "an empty response");
    (void) err_hint(&s->end.err, "the connection or a proxy cut it off: try again");
}

/* -- without streaming --------------------------------------------------- */

static void take_document(struct stream *s, const struct tree *response)
{
    const struct tree *error = tree_get(response, "error");
    const struct tree *status = tree_get(response, "status");

    if (tree_get(response, "output")) {
        if (tree_is_string(status, "queued") || tree_is_string(status, "in_progress"))
            break_off(s, true, "a response that is not finished");
        else
            end_response(s, EVENT_COMPLETED, response);
    } else if (error && error->kind != TREE_NULL) {
        end_failed(s, error);
    } else {
        break_off(s, false, "JSON that is no response");
        (void) err_hint(&s->end.err, "check 'model.base_url': does the server speak POST /responses?");
    }
}

void stream_document(struct stream *s, struct span body)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *response;
    struct err err = { 0 };
    int r;

    if (s->has_ended)
        return;
    r = json_parse(body, &arena, &response, &err);
    if (r < 0) {
        errors_broken(&s->end, s->ctx, r != -ERR_TOO_LARGE,
                      "the model server sent a response that is not JSON: %s", err.text);
        s->has_ended = true;
    } else {
        take_document(s, response);
    }
    arena_done(&arena);
}
