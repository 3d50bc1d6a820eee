/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 from outside: check, repair, cut.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "core/base/buf.h"

/* Length of the longest valid prefix (RFC 3629: no surrogates, no overlong forms). */
size_t utf8_valid(struct span s);

/* Length of the first character, or of the maximal subpart that is not one; 0 at the end. */
size_t utf8_step(struct span s, bool *ret_is_valid);

/* Append `s` with every invalid sequence replaced by U+FFFD (one per maximal
 * subpart, Unicode 15 section 3.9). Same errors as buf_add(). */
int utf8_repair(struct buf *out, struct span s);

/* The largest n <= max at which `s` can be cut without splitting a character. */
size_t utf8_cut(struct span s, size_t max);

/* The smallest n >= from at which a character of `s` begins. */
size_t utf8_next(struct span s, size_t from);

#endif
