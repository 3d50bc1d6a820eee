/* SPDX-License-Identifier: MIT */
/* The search of Knuth, Morris and Pratt: what is held back is always a prefix of the text. */
#include "core/egress/redact.h"

#include "core/base/err.h"

#include <stdlib.h>

int redact_text_init(struct redact_text *t, struct span text)
{
    size_t border = 0;

    *t = (struct redact_text){ 0 };
    if (text.len < REDACT_MIN)
        return 0;
    if (text.len > REDACT_MAX)
        return -ERR_TOO_LARGE;
    t->text = malloc(text.len);
    t->fall = calloc(text.len, sizeof(*t->fall));
    if (!t->text || !t->fall) {
        redact_text_done(t);
        return -ERR_INTERNAL;
    }
    memcpy(t->text, text.ptr, text.len);
    t->len = text.len;
    for (size_t i = 1; i < text.len; i++) {
        while (border > 0 && t->text[i] != t->text[border])
            border = t->fall[border - 1];
        if (t->text[i] == t->text[border])
            border++;
        t->fall[i] = (uint16_t) border;
    }
    return 0;
}

void redact_text_done(struct redact_text *t)
{
    volatile char *p = t->text;

    for (size_t i = 0; p && i < t->len; i++)
        p[i] = 0;
    free(t->text);
    free(t->fall);
    *t = (struct redact_text){ 0 };
}

static int add_stars(size_t count, struct buf *out)
{
    char *at = buf_reserve(out, count);

    if (!at)
        return -ERR_TOO_LARGE;
    memset(at, '*', count);
    buf_commit(out, count);
    return 0;
}

static int take(struct redact *r, char c, struct buf *out)
{
    const struct redact_text *t = r->text;
    int code = 0;

    while (code == 0 && r->held > 0 && t->text[r->held] != c) {
        size_t border = t->fall[r->held - 1];

        code = buf_add(out, t->text, r->held - border);
        r->held = border;
    }
    if (code < 0)
        return code;
    if (t->text[r->held] != c)
        return buf_add_char(out, c);
    if (++r->held < t->len)
        return 0;
    r->held = 0;
    return add_stars(t->len, out);
}

/* How many bytes are none of the text's first. */
static size_t skip(const struct redact_text *t, struct span bytes)
{
    const char *first = memchr(bytes.ptr, t->text[0], bytes.len);

    return first ? (size_t) (first - bytes.ptr) : bytes.len;
}

int redact_feed(struct redact *r, struct span bytes, struct buf *out)
{
    int code = 0;

    if (!r->text || r->text->len == 0)
        return buf_add_span(out, bytes);
    while (code == 0 && bytes.len > 0) {
        size_t len = r->held > 0 ? 0 : skip(r->text, bytes);

        if (len > 0) {
            code = buf_add(out, bytes.ptr, len);
        } else {
            code = take(r, *bytes.ptr, out);
            len = 1;
        }
        bytes = span_make(bytes.ptr + len, bytes.len - len);
    }
    return code;
}

int redact_end(struct redact *r, struct buf *out)
{
    int code = r->held > 0 ? buf_add(out, r->text->text, r->held) : 0;

    r->held = 0;
    return code;
}
