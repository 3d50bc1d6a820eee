/* SPDX-License-Identifier: MIT */
/* Server-sent events: a state machine over lines. */
#include "core/base/sse.h"

enum { IN_FIELD, BEFORE_VALUE, IN_VALUE };
enum { TO_NOWHERE, TO_PAYLOAD, TO_NAME, TO_ID, TO_RETRY };

static const char bom[] = "\xef\xbb\xbf";

void sse_init(struct sse *s)
{
    *s = (struct sse){ .payload = BUF_INIT(SSE_DATA_MAX), .retry_ms = -1 };
}

void sse_done(struct sse *s)
{
    buf_done(&s->payload);
    sse_init(s);
}

/* A cut id would be that of another event: one that is too long, or has a NUL, is none. */
static void add_id(struct sse *s, struct span piece)
{
    if (s->id_len + piece.len > SSE_NAME_MAX || memchr(piece.ptr, 0, piece.len)) {
        s->id_len = 0;
        s->target = TO_NOWHERE;
    } else {
        memcpy(s->id + s->id_len, piece.ptr, piece.len);
        s->id_len += piece.len;
    }
    s->id[s->id_len] = '\0';
}

static void add_retry(struct sse *s, struct span piece)
{
    for (size_t i = 0; i < piece.len && s->target == TO_RETRY; i++) {
        if (piece.ptr[i] < '0' || piece.ptr[i] > '9' || s->retry_ms > SSE_RETRY_MAX / 10) {
            s->retry_ms = -1;
            s->target = TO_NOWHERE;
        } else {
            s->retry_ms = (s->retry_ms < 0 ? 0 : s->retry_ms * 10) + (piece.ptr[i] - '0');
        }
    }
}

static int add_value(struct sse *s, struct span piece)
{
    size_t room = SSE_NAME_MAX - s->name_len;

    if (s->target == TO_PAYLOAD)
        return buf_add_span(&s->payload, piece);
    if (s->target == TO_ID)
        add_id(s, piece);
    if (s->target == TO_RETRY)
        add_retry(s, piece);
    if (s->target == TO_NAME) {
        if (piece.len > room)
            piece.len = room;
        memcpy(s->name + s->name_len, piece.ptr, piece.len);
        s->name_len += piece.len;
    }
    return 0;
}

/* The field's name is complete: decide where its value goes. */
static int begin_value(struct sse *s)
{
    struct span field = span_make(s->field, s->field_len);

    s->state = BEFORE_VALUE;
    s->target = TO_NOWHERE;
    if (span_is(field, "event")) {
        s->target = TO_NAME;
        s->name_len = 0;
    } else if (span_is(field, "id")) {
        s->target = TO_ID;
        s->id_len = 0;
        s->id[0] = '\0';
    } else if (span_is(field, "retry")) {
        s->target = TO_RETRY;
        s->retry_ms = -1;
    } else if (span_is(field, "data")) {
        s->target = TO_PAYLOAD;
        if (s->has_data)
            return buf_add_char(&s->payload, '\n');
        s->has_data = true;
    }
    return 0;
}

static void add_field(struct sse *s, const char *ptr, size_t len)
{
    size_t room = sizeof(s->field) - s->field_len;

    if (len > room)
        len = room;
    memcpy(s->field + s->field_len, ptr, len);
    s->field_len += len;
}

/* A piece of a line, without its end. */
static int add_piece(struct sse *s, struct span piece)
{
    const char *colon;
    size_t len;
    int r;

    if (piece.len == 0)
        return 0;
    if (s->state == IN_FIELD) {
        colon = memchr(piece.ptr, ':', piece.len);
        len = colon ? (size_t) (colon - piece.ptr) : piece.len;
        add_field(s, piece.ptr, len);
        if (!colon)
            return 0;
        r = begin_value(s);
        if (r < 0)
            return r;
        piece = span_make(colon + 1, piece.len - len - 1);
    }
    if (s->state == BEFORE_VALUE && piece.len > 0) {
        s->state = IN_VALUE;
        if (piece.ptr[0] == ' ')
            piece = span_make(piece.ptr + 1, piece.len - 1);
    }
    return piece.len > 0 ? add_value(s, piece) : 0;
}

static int deliver(struct sse *s, sse_event_fn *fn, void *data)
{
    int r = 0;

    if (s->has_data)
        r = fn(data, span_make(s->name, s->name_len), span_make(buf_text(&s->payload), s->payload.len));
    if (s->payload.cap > SSE_KEEP)
        buf_done(&s->payload);
    buf_clear(&s->payload);
    s->name_len = 0;
    s->has_data = false;
    return r;
}

static int end_line(struct sse *s, sse_event_fn *fn, void *data)
{
    int r = 0;

    if (s->state == IN_FIELD)
        r = s->field_len == 0 ? deliver(s, fn, data) : begin_value(s);
    s->state = IN_FIELD;
    s->field_len = 0;
    return r;
}

/* Bytes of `chunk` that belong to the BOM. A BOM that breaks off was ordinary text. */
static int skip_bom(struct sse *s, struct span chunk, size_t *ret_len)
{
    int seen = s->bom_len;
    size_t n = 0;

    while (n < chunk.len && s->bom_len < 3 && chunk.ptr[n] == bom[s->bom_len]) {
        s->bom_len++;
        n++;
    }
    *ret_len = n;
    if (s->bom_len == 3) {
        s->bom_len = -1;
    } else if (n < chunk.len) {
        seen = s->bom_len;
        s->bom_len = -1;
        return add_piece(s, span_make(bom, (size_t) seen));
    }
    return 0;
}

static size_t line_length(const char *p, const char *end)
{
    const char *q = p;

    while (q < end && *q != '\n' && *q != '\r')
        q++;
    return (size_t) (q - p);
}

int sse_feed(struct sse *s, struct span chunk, sse_event_fn *fn, void *data)
{
    const char *p = chunk.ptr, *end = p + chunk.len;
    size_t n = 0;
    int r = 0;

    if (chunk.len == 0)
        return 0;
    if (s->bom_len >= 0)
        r = skip_bom(s, chunk, &n);
    for (p += n; p < end && r == 0;) {
        if (s->is_after_cr) {
            s->is_after_cr = false;
            if (*p == '\n') {
                p++;
                continue;
            }
        }
        n = line_length(p, end);
        r = add_piece(s, span_make(p, n));
        p += n;
        if (r < 0 || p == end)
            break;
        s->is_after_cr = *p++ == '\r';
        r = end_line(s, fn, data);
    }
    return r;
}

int sse_end(struct sse *s, sse_event_fn *fn, void *data)
{
    int r = 0;

    if (s->bom_len > 0) {
        r = add_piece(s, span_make(bom, (size_t) s->bom_len));
        s->bom_len = -1;
    }
    if (r == 0 && (s->state != IN_FIELD || s->field_len > 0))
        r = end_line(s, fn, data);
    return r ? r : deliver(s, fn, data);
}
