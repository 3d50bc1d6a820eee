/* SPDX-License-Identifier: MIT */
/*
 * Kinds of values that core/base/table.h does not know: a secret by reference, maps from names to texts, and
 * keys that only accept their off value so far. Each kind decodes, describes itself as JSON Schema, and is
 * written back as JSON; a row of FIELD_CUSTOM names the first two, and kind_find() gets from the row to the
 * third.
 */
#ifndef MANIFEST_KINDS_H
#define MANIFEST_KINDS_H

#include "core/base/table.h"
#include "manifest/grammar.h"

typedef bool kind_decode_fn(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                            void *out);
typedef void kind_schema_fn(struct json_writer *w, const struct field *field);

/* For those who decode: the member of the struct that a row is about. */
static inline void *kind_slot(void *out, const struct field *field)
{
    return (char *) out + field->offset;
}

static inline const void *kind_slot_of(const void *base, const struct field *field)
{
    return (const char *) base + field->offset;
}

/* A problem with a value, or with the name of a member; always false. `hint` may be NULL. */
bool kind_refuse(struct table_ctx *ctx, const struct tree *at, const char *hint, const char *message);
bool kind_refuse_key(struct table_ctx *ctx, const struct tree *member, const char *hint, const char *message);

/* struct manifest_secret: {from_env: X}, {from_file: path}, {from_command: [...]}, each with an optional
 * prefix. */
kind_decode_fn kind_secret_decode;
kind_schema_fn kind_secret_schema;

/* struct manifest_pairs: request headers, text or secret. */
kind_decode_fn kind_headers_decode;
kind_schema_fn kind_headers_schema;

/* struct manifest_pairs: variables, plain values only. */
kind_decode_fn kind_environment_decode;
kind_schema_fn kind_environment_schema;

/* Nothing: the only acceptable values are those of field->names, as text. */
kind_decode_fn kind_off_decode;
kind_schema_fn kind_off_schema;

/* struct manifest_pairs: variables whose values are secrets. */
kind_decode_fn kind_secrets_decode;
kind_schema_fn kind_secrets_schema;

/* int64_t: 1. */
kind_decode_fn kind_version_decode;
kind_schema_fn kind_version_schema;

/* const struct tree *: an object of any content; a list of scalars. */
kind_decode_fn kind_object_decode;
kind_schema_fn kind_object_schema;
kind_decode_fn kind_scalars_decode;
kind_schema_fn kind_scalars_schema;
kind_decode_fn kind_scalar_decode;
kind_schema_fn kind_scalar_schema;

extern const struct table manifest_secret_table;

/* int64_t, -1 when absent (FIELD_UNSET_NEG): permissions as octal digits or as ls writes them. Needs a YAML
 * tree. */
kind_decode_fn kind_mode_decode;
kind_schema_fn kind_mode_schema;

/* Write the value back; false: there is nothing to write. `w` NULL only asks. */
typedef bool kind_encode_fn(struct json_writer *w, const struct field *field, const void *base);
kind_encode_fn *kind_find(const struct field *field);

/* The same for one secret. */
bool kind_secret_write(struct json_writer *w, const struct manifest_secret *s);

/* What a value of this row is, in a word or two, for the reference. */
const char *kind_word(const struct field *field);

#endif
