/* SPDX-License-Identifier: MIT */
/*
 * One text for one JSON value: no blanks, members sorted by the bytes of their names, whole numbers of 64
 * bits in decimal (1.0 and 1e0 are 1), other numbers as they were written. So equal texts mean equal values;
 * two spellings of the same fraction only make two texts.
 */
#ifndef BASE_JSON_CANONICAL_H
#define BASE_JSON_CANONICAL_H

#include "core/base/json.h"

/* Write the value into what is being written. Without memory the writer fails. */
void json_canonical(struct json_writer *w, const struct tree *value);

#endif
