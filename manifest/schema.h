/* SPDX-License-Identifier: MIT */
/*
 * The JSON Schema (2020-12) of the manifest, from the field tables: for editors
 * (`agentbox schema`). It accepts what the decoder accepts, less the things a
 * schema cannot know (${...} where a number is wanted, files, names that refer to
 * each other); the decoder has the last word.
 */
#ifndef MANIFEST_SCHEMA_H
#define MANIFEST_SCHEMA_H

#include "core/base/buf.h"
#include "core/base/err.h"

/* Append the schema as indented JSON with a newline at its end. */
int schema_write(struct buf *out, struct err *err);

#endif
