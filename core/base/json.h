/* SPDX-License-Identifier: MIT */
/*
 * JSON in both directions; the only door to yajl.
 *
 * Parsing builds a bounded tree (core/base/tree.h) whose nodes keep the exact
 * source bytes (`raw`), so that what a model said can be sent back byte for
 * byte. One document per call; bytes behind it, comments, invalid UTF-8,
 * duplicate keys (refused), depth beyond JSON_DEPTH_MAX and trees past the arena's
 * ceiling are errors. Lone surrogate escapes become U+FFFD.
 *
 * Writing goes through struct json_writer into a buf. Mistakes in nesting are
 * bugs (assert); a full buffer is remembered and reported once by json_end().
 * Strings are given as spans and repaired to valid UTF-8 if they are not.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/tree.h"

#include <stdint.h>

#define JSON_DEPTH_MAX 100

/* Parse `text` into nodes owned by `arena`; text is copied, except that
 * node->raw points INTO `text` and is valid only as long as the caller keeps
 * those bytes. Error ERR_INVALID with line and column in the text, or
 * ERR_TOO_LARGE (the tree takes about 16 times the bytes of its text). */
int json_parse(struct span text, struct arena *arena, const struct tree **ret, struct err *err);

struct json_writer {
    struct buf *out;
    int depth;
    bool is_first[JSON_DEPTH_MAX + 1];
    bool is_object[JSON_DEPTH_MAX + 1];
    bool has_key;
    bool is_too_deep;
    bool is_pretty; /* two spaces of indent, for people */
    int failed;     /* 0, or the first negative result */
};

void json_begin(struct json_writer *w, struct buf *out);
/* 0, or -ERR_TOO_LARGE (bytes or levels). Asserts balance. */
int json_end(struct json_writer *w, struct err *err);

void json_object(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, const char *name);
void json_key_span(struct json_writer *w, struct span name);
void json_null(struct json_writer *w);
void json_bool(struct json_writer *w, bool value);
void json_int(struct json_writer *w, int64_t value);
void json_double(struct json_writer *w, double value);     /* shortest that reads back the same, or null */
void json_string(struct json_writer *w, const char *text); /* NULL writes null */
void json_span(struct json_writer *w, struct span text);
void json_raw(struct json_writer *w, struct span value);         /* an already encoded value, as it is */
void json_tree(struct json_writer *w, const struct tree *value); /* re-encode a node (a YAML one too) */

/* Append a JSON text that says the same, with every character that a terminal would act upon escaped
 * (glyph_is_unsafe()), and what is no UTF-8 repaired. Newlines and tabs between values stay. */
int json_armor(struct buf *out, struct span json);
/* The same for a text that is read as YAML too, where some of these end a line: those beyond U+FFFF stay,
 * since YAML knows no pairs of escapes. */
int json_armor_yaml(struct buf *out, struct span json);

/* Member in one go. */
void json_put_string(struct json_writer *w, const char *name, const char *text);
void json_put_span(struct json_writer *w, const char *name, struct span text);
void json_put_int(struct json_writer *w, const char *name, int64_t value);
void json_put_bool(struct json_writer *w, const char *name, bool value);
void json_put_double(struct json_writer *w, const char *name, double value);
void json_put_raw(struct json_writer *w, const char *name, struct span value);

#endif
