/* SPDX-License-Identifier: MIT */
/*
 * A borrowed piece of bytes: pointer and length, never owned, not terminated.
 * Bytes that come from outside may hold NUL, so they travel as spans until
 * somebody has proven that they are text.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *ptr;
    size_t len;
};

#define SPAN_FMT    "%.*s"
#define SPAN_ARG(s) (int) (s).len, (s).ptr

static inline struct span span_of(const char *text)
{
    return (struct span){ text, text ? strlen(text) : 0 };
}

static inline struct span span_make(const void *ptr, size_t len)
{
    return (struct span){ ptr, len };
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
    return span_equal(a, span_of(text));
}

static inline bool span_starts(struct span a, const char *prefix)
{
    size_t len = strlen(prefix);

    return a.len >= len && memcmp(a.ptr, prefix, len) == 0;
}

#endif
