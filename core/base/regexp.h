/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions as JSON Schema means them: those of ECMA-262 over characters, searched for anywhere in
 * a text. Alternatives, groups, classes, quantifiers (also lazy ones), anchors, \b, and the usual escapes;
 * what no automaton can do (references back, looking around) and \p are refused in words.
 *
 * Time is bounded whatever pattern and text are: the pattern becomes at most REGEXP_CODE_MAX instructions,
 * and each character of the text passes each of them once.
 */
#ifndef BASE_REGEXP_H
#define BASE_REGEXP_H

#include "core/base/arena.h"
#include "core/base/span.h"

#include <stdint.h>

#define REGEXP_PATTERN_MAX 2048 /* bytes */
#define REGEXP_CODE_MAX    8192
#define REGEXP_REPEAT_MAX  1000 /* in {m,n} */

struct regexp;

/* Into `arena`, where it lives; 2 MiB are enough. NULL: fine; else what is wrong with the pattern. */
const char *regexp_compile(struct span pattern, struct arena *arena, const struct regexp **ret);

/* 1: it is in the text; 0: it is not; -1: more than *steps were needed, which are counted down. Bytes that
 * are no UTF-8 count as U+FFFD. */
int regexp_search(const struct regexp *re, struct span text, int64_t *steps);

#endif
