/* SPDX-License-Identifier: MIT */
/*
 * A growing byte buffer with a ceiling.
 *
 * Every buffer gets its maximum at init and refuses to pass it; what arrives
 * from outside can therefore never size our memory. The bytes are always
 * followed by a NUL that is not counted, so buf.data is a C string whenever the
 * content is text. A zeroed struct with max set is a valid empty buffer.
 *
 *     struct buf b = BUF_INIT(64 * 1024);
 *     r = buf_add(&b, ptr, len, err);
 *     ...
 *     buf_done(&b);
 *
 * The adders return 0, or -ERR_TOO_LARGE / -ERR_INTERNAL (memory) with the
 * buffer unchanged. They take no err: the caller knows what was too large.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "core/base/span.h"

#include <stdarg.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL while nothing was added */
    size_t len;
    size_t cap;
    size_t max; /* bytes, the NUL not counted */
};

#define BUF_INIT(max_bytes)     \
    {                           \
        NULL, 0, 0, (max_bytes) \
    }

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b); /* frees; keeps max, so the buffer can be used again */

int buf_add(struct buf *b, const void *ptr, size_t len);
int buf_add_span(struct buf *b, struct span s);
int buf_add_text(struct buf *b, const char *text);
int buf_add_char(struct buf *b, char c);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));

/* Make room for `len` more bytes and return where they go, NULL if that passes
 * the ceiling. Follow with buf_commit() for what was really written. */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

void buf_clear(struct buf *b);            /* len = 0, memory kept */
void buf_drop(struct buf *b, size_t len); /* remove from the front */

/* The content as a string that the caller frees; the buffer is empty after. NULL: no memory. */
char *buf_take(struct buf *b);

/* The content as text: "" while empty. */
const char *buf_text(const struct buf *b);

static inline struct span buf_span(const struct buf *b)
{
    return span_make(b->data, b->len);
}

#endif
