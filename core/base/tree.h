/* SPDX-License-Identifier: MIT */
/*
 * A parsed document, the same for JSON and YAML: nodes in an arena, linked as
 * siblings, each knowing where it stood. json.c and manifest/yaml.c make it,
 * table.c decodes it into structs. Read-only once made.
 *
 * Object members are kept in document order and are unique: both parsers
 * refuse or report duplicate keys.
 */
#ifndef BASE_TREE_H
#define BASE_TREE_H

#include "core/base/span.h"

#include <stdint.h>

enum tree_kind {
    TREE_NULL,
    TREE_BOOL,
    TREE_NUMBER, /* text as written; tree_int() and friends convert with range */
    TREE_STRING, /* decoded; JSON strings may hold NUL */
    TREE_ARRAY,
    TREE_OBJECT,
};

struct tree_pos {
    uint32_t line;   /* from 1; 0 = unknown */
    uint32_t column; /* from 1, in bytes */
};

struct tree {
    enum tree_kind kind;
    bool is_true;        /* TREE_BOOL */
    uint32_t count;      /* children of an array or object */
    struct tree *child;  /* the first */
    struct tree *next;   /* the sibling after this one */
    struct span key;     /* as a member of an object; NUL-terminated behind the length */
    struct span text;    /* TREE_STRING: content; TREE_NUMBER, TREE_BOOL: as written; NUL-terminated */
    struct span raw;     /* JSON only: the exact source bytes of this value */
    struct tree_pos pos; /* of the value */
    struct tree_pos key_pos;
};

/* Member by name, NULL when absent, or when `t` is NULL or no object. */
const struct tree *tree_get(const struct tree *t, const char *name);

/* Walk members by name: tree_path(t, "usage", "input_tokens_details", NULL). */
const struct tree *tree_path(const struct tree *t, ...) __attribute__((sentinel));

/* Element by index, NULL when out of range or no array. */
const struct tree *tree_at(const struct tree *t, size_t index);

bool tree_is_string(const struct tree *t, const char *text);

/* Lenient readers for replies of servers: the fallback when absent or of another kind. */
struct span tree_span(const struct tree *t);                        /* {NULL, 0} unless a string */
const char *tree_string(const struct tree *t, const char *or_else); /* or_else when it holds NUL too */
bool tree_bool(const struct tree *t, bool or_else);
int64_t tree_int(const struct tree *t, int64_t or_else);  /* 1.0 and 1e3 count as integers */
double tree_double(const struct tree *t, double or_else); /* or_else too when it does not fit a double */

/* As tree_int(), for those who must know: false when absent, of another kind, no integer, or past 64 bits. */
bool tree_read_int(const struct tree *t, int64_t *ret);

#define tree_each(item, parent) \
    for (const struct tree *item = (parent) ? (parent)->child : NULL; item; item = item->next)

#endif
