/* SPDX-License-Identifier: MIT */
/*
 * Field tables: one row says how a member of a document is named, what it may
 * be, where it goes in a struct, what it is when absent, and what it means. From
 * the rows come decoding, defaults, checks, unknown-key hints, the JSON
 * Schema (for editors and for the model) and the reference in the docs. The
 * same tables decode YAML and JSON, since both become core/base/tree.h.
 *
 * Decoding collects all problems instead of stopping at the first. Row order
 * never carries meaning.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "core/base/arena.h"
#include "core/base/json.h"
#include "core/base/tree.h"

#include <stdint.h>

enum field_kind {
    FIELD_BOOL,     /* bool */
    FIELD_INT,      /* int64_t in min..max */
    FIELD_NUMBER,   /* double in min..max */
    FIELD_SIZE,     /* int64_t bytes, "64k" or a number; min..max */
    FIELD_DURATION, /* int64_t milliseconds, "30s" or a number of seconds; min..max in ms */
    FIELD_COUNT,    /* int64_t, "2m" or a number; min..max */
    FIELD_MONEY,    /* int64_t millionths of a USD; min..max */
    FIELD_MODE,     /* int64_t permission bits: "0644" (octal text) or "rw-r--r--"; at most max, or 0777 */
    FIELD_STRING,   /* const char *, no NUL inside; min..max bytes of length when max > 0 */
    FIELD_BYTES,    /* struct span, may hold NUL */
    FIELD_ENUM,     /* int: index into names */
    FIELD_STRINGS,  /* const char *const * (NULL-terminated) at offset, size_t at count_offset; min..max many
                     */
    FIELD_TABLE,    /* struct of `sub` embedded at offset */
    FIELD_TABLES,   /* array of `sub` structs: pointer at offset, size_t at count_offset; min..max many */
    FIELD_MAP,      /* the same from an object: each member a `sub` struct, its name to sub->key_offset */
    FIELD_TREE,     /* const struct tree *, as it is */
    FIELD_CUSTOM,   /* `decode` does it */
};

enum {
    FIELD_REQUIRED = 1,  /* absent is a problem */
    FIELD_LATER = 2,     /* known, but "not supported yet: NAME" when present */
    FIELD_NULLABLE = 4,  /* null means absent (always so in tolerant tables) */
    FIELD_UNSET_NEG = 8, /* absent numbers and enums become -1 instead of 0 (when there is no fallback) */
};

struct table;
struct table_ctx;

struct field {
    const char *name;
    enum field_kind kind : 8; /* there are hundreds of rows, so they are packed */
    unsigned flags : 24;
    uint16_t offset, count_offset;
    int64_t min, max;         /* both 0: no range */
    const char *const *names; /* FIELD_ENUM: NULL-terminated */
    const struct table *sub;
    /* FIELD_CUSTOM: report through table_problem(); return false if it did. `out` is the whole struct that is
     * being decoded (so that one key can set several members), not the member at offset. */
    bool (*decode)(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out);
    /* FIELD_CUSTOM: write the JSON Schema object of the value. */
    void (*schema)(struct json_writer *w, const struct field *field);
    const char *fallback; /* value when absent, as JSON text ("\"1g\"", "true", "[]"); NULL: zero */
    const char *help;     /* one sentence */
    const char *example;  /* JSON text, for reference and schema; may be NULL */
};

struct table {
    const char *name; /* of the thing, for messages: "workspace" */
    const struct field *fields;
    size_t count;
    size_t size;       /* of the struct */
    size_t key_offset; /* FIELD_MAP: const char * of the member's name */
    bool is_tolerant;  /* unknown members are ignored (replies of servers), null is absent */
    const char *help;
    /* Checks across fields, after decoding; may be NULL. Called after problems too: a member that had one is
     * zero, and `value` says whether it was there. */
    void (*check)(struct table_ctx *ctx, const struct tree *value, void *out);
};

#define FIELD_COUNT_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

/* One problem. `path` is dotted: "workspace.entries.data.mount", "outputs.0.path"; for an unknown or missing
 * key that of the object. `hint` may be NULL. */
typedef void table_problem_fn(void *data, struct tree_pos pos, const char *path, const char *message,
                              const char *hint);

struct table_ctx {
    struct arena *arena; /* strings and arrays of the result */
    table_problem_fn *problem;
    void *data;      /* of problem */
    void *user;      /* for custom decoders: whatever the caller put there */
    size_t problems; /* how many were reported */
    char path[512];  /* where we are; may start with a prefix */
};

/* Decode `value` (an object) into `out`, which is zeroed first. NULL value: all defaults, and neither missing
 * keys nor table->check, which also holds for sub-tables that are absent. A field with a problem stays zero.
 * Returns the number of problems of this call (0 = fine), -ERR_INTERNAL when the arena has no room.
 * FIELD_BYTES and FIELD_TREE point into the tree of `value`, everything else is copied into ctx->arena. */
int table_decode(const struct table *table, const struct tree *value, void *out, struct table_ctx *ctx);

/* Report at `at` (position and ctx->path), message by format. For custom decoders and checks. */
void table_problem(struct table_ctx *ctx, const struct tree *at, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same for decoders that go into parts themselves: table_enter() appends ".name" to ctx->path and returns
 * what table_leave() takes back. */
size_t table_enter(struct table_ctx *ctx, struct span name);
void table_leave(struct table_ctx *ctx, size_t mark);

/* Report a value of the wrong type: "expected WHAT, got a list". */
void table_wrong(struct table_ctx *ctx, const struct tree *value, const char *what);

/* The nearest name within an edit distance that a typo makes (1 for short, 2 for longer words), or NULL. */
const char *table_nearest(struct span word, const char *const *names, size_t count);

/* JSON Schema 2020-12 object of a table. `is_strict`: for function tools of the Responses API (every property
 * required, optional ones nullable, additionalProperties false, defaults said in the description; such a
 * table should be tolerant or its optional fields FIELD_NULLABLE, so that null is accepted back). FIELD_MAP
 * and FIELD_TREE have no strict form. */
void table_schema(const struct table *table, bool is_strict, struct json_writer *w);

/* Its members alone, into an object that the caller has opened and may add "$schema" and the like to. */
void table_schema_members(const struct table *table, bool is_strict, struct json_writer *w);

#endif
