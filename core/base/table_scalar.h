/* SPDX-License-Identifier: MIT */
/*
 * The single values of a field table: everything of enum field_kind that is
 * neither a list nor keys and values. Used by table.c only.
 */
#ifndef BASE_TABLE_SCALAR_H
#define BASE_TABLE_SCALAR_H

#include "core/base/table.h"

/* Decode `value` to `at` (the member, not the struct). 0, also after reporting a problem; -ERR_INTERNAL: no
 * room. */
int table_scalar(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *at);

/* Report a number outside of field->min..max; the bounds are written in the kind's own units. */
void table_range_problem(struct table_ctx *ctx, const struct field *field, const struct tree *value);

/* What a kind is called in messages: "a size such as 512m or 1g". */
const char *table_kind_text(enum field_kind kind);

#endif
