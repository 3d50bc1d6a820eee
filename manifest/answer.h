/* SPDX-License-Identifier: MIT */
/*
 * What the manifest says of the final answer: the schema it must match (`agent.output`) and the commands that
 * must succeed after it (`checks`). A schema stands in the manifest or in a JSON file of its own; either way
 * it must be within what the API accepts (core/base/json_schema.h), and each problem is told with its place.
 */
#ifndef MANIFEST_ANSWER_H
#define MANIFEST_ANSWER_H

#include "manifest/diag.h"
#include "manifest/kinds.h"

extern const struct table manifest_answer_table; /* struct manifest_answer */
extern const struct table manifest_check_table;  /* struct manifest_check */

/* struct manifest_answer: a path or a schema. */
kind_decode_fn answer_decode;
kind_schema_fn answer_schema;
kind_encode_fn answer_encode;

/* The content of answer->file: it becomes answer->schema. Problems go to `diags`, at `at`. */
void answer_read(struct manifest_answer *answer, const char *text, const struct tree *at, struct arena *arena,
                 struct diags *diags);

#endif
