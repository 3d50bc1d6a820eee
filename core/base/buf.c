/* SPDX-License-Identifier: MIT */
/* Growing byte buffer with a ceiling. */
#include "core/base/buf.h"

#include "core/base/err.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){ .max = b->max };
}

/* Room for `len` more bytes and the NUL behind them. */
static int grow(struct buf *b, size_t len)
{
    size_t need, cap;
    char *data;

    if (len > b->max || b->len > b->max - len)
        return -ERR_TOO_LARGE;
    need = b->len + len + 1;
    if (need <= b->cap)
        return 0;
    cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->max + 1 && b->max != SIZE_MAX)
        cap = b->max + 1;
    data = realloc(b->data, cap);
    if (!data)
        return -ERR_INTERNAL;
    b->data = data;
    b->data[b->len] = '\0'; /* a reserve may be given up: the content stays a string */
    b->cap = cap;
    return 0;
}

int buf_add(struct buf *b, const void *ptr, size_t len)
{
    int r = grow(b, len);

    if (r < 0)
        return r;
    if (len > 0)
        memcpy(b->data + b->len, ptr, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int buf_add_span(struct buf *b, struct span s)
{
    return buf_add(b, s.ptr, s.len);
}

int buf_add_text(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

int buf_add_char(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

int buf_vprintf(struct buf *b, const char *format, va_list ap)
{
    va_list again;
    int n, r;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0)
        return -ERR_INTERNAL;
    r = grow(b, (size_t) n);
    if (r < 0)
        return r;
    vsnprintf(b->data + b->len, (size_t) n + 1, format, ap);
    b->len += (size_t) n;
    return 0;
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list ap;
    int r;

    va_start(ap, format);
    r = buf_vprintf(b, format, ap);
    va_end(ap);
    return r;
}

char *buf_reserve(struct buf *b, size_t len)
{
    return grow(b, len) < 0 ? NULL : b->data + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
    assert(b->len + len < b->cap);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

void buf_drop(struct buf *b, size_t len)
{
    assert(len <= b->len);
    if (len == 0)
        return;
    memmove(b->data, b->data + len, b->len - len + 1);
    b->len -= len;
}

char *buf_take(struct buf *b)
{
    char *data;

    if (grow(b, 0) < 0)
        return NULL;
    b->data[b->len] = '\0';
    data = b->data;
    *b = (struct buf){ .max = b->max };
    return data;
}

const char *buf_text(const struct buf *b)
{
    return b->data ? b->data : "";
}
