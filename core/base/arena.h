/* SPDX-License-Identifier: MIT */
/*
 * Memory that dies together: a parsed document, a decoded spec.
 *
 * Allocation is a pointer bump; there is no free of single pieces. An arena has
 * a ceiling, so a hostile document cannot size our memory: past it, or without
 * memory, the allocators return NULL and the parser reports ERR_TOO_LARGE.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "core/base/span.h"

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used; /* bytes handed out */
    size_t max;
};

#define ARENA_INIT(max_bytes) \
    {                         \
        NULL, 0, (max_bytes)  \
    }

void arena_init(struct arena *a, size_t max);
void arena_done(struct arena *a); /* frees everything; usable again */

void *arena_alloc(struct arena *a, size_t size);                /* zeroed, aligned for anything */
char *arena_copy(struct arena *a, const void *ptr, size_t len); /* NUL appended */
char *arena_text(struct arena *a, const char *text);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
