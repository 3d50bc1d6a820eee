/* SPDX-License-Identifier: MIT */
/*
 * One character of foreign text and what a terminal makes of it: how many cells it
 * takes, and whether it is shown at all or obeyed.
 */
#ifndef BASE_GLYPH_H
#define BASE_GLYPH_H

#include "core/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first character of `s`, which is not empty; bytes that are no UTF-8 come back one by one as U+FFFD.
 * *ret_len: its bytes. */
uint32_t glyph_next(struct span s, size_t *ret_len);

/* What a terminal would obey instead of showing, or what would make text read otherwise than it is: control
 * characters, those that change the direction, those that end a line, and those that nobody sees. */
bool glyph_is_unsafe(uint32_t c);

/* Cells of a terminal: 2 for the blocks of East Asian width W and F, 0 for combining marks. */
int glyph_width(uint32_t c);

#endif
