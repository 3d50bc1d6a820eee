/* SPDX-License-Identifier: MIT */
/* A table with every kind of field, fed with any JSON. */
#include "tests/fuzz/fuzz.h"

#include "core/base/table.h"
#include "core/base/utf8.h"

#include <stdlib.h>

struct leaf {
    const char *name;
    int64_t x;
};

struct all {
    bool flag;
    int64_t number, size, duration, count, money, mode;
    double ratio;
    const char *text;
    struct span bytes;
    int choice;
    const char *const *words;
    struct leaf leaf, *list, *map;
    size_t word_count, list_count, map_count;
    const struct tree *any;
};

static const char *const choices[] = { "never", "missing", "always", NULL };

static const struct field leaf_rows[] = {
    { .name = "x", .kind = FIELD_INT, .offset = offsetof(struct leaf, x), .flags = FIELD_REQUIRED, .max = 9 },
};

static const struct table leaf_table = {
    .fields = leaf_rows,
    .count = 1,
    .size = sizeof(struct leaf),
    .key_offset = offsetof(struct leaf, name),
};

#define AT(member) .offset = offsetof(struct all, member)

static const struct field rows[] = {
    { .name = "b", .kind = FIELD_BOOL, AT(flag), .fallback = "true" },
    { .name = "i", .kind = FIELD_INT, AT(number), .min = 1, .max = 10, .flags = FIELD_UNSET_NEG },
    { .name = "n", .kind = FIELD_NUMBER, AT(ratio), .max = 1 },
    { .name = "size", .kind = FIELD_SIZE, AT(size), .min = 1024, .max = 1 << 30, .fallback = "\"64k\"" },
    { .name = "duration", .kind = FIELD_DURATION, AT(duration), .min = 100, .max = INT64_MAX },
    { .name = "count", .kind = FIELD_COUNT, AT(count) },
    { .name = "money", .kind = FIELD_MONEY, AT(money) },
    { .name = "mode", .kind = FIELD_MODE, AT(mode) },
    { .name = "text", .kind = FIELD_STRING, AT(text), .min = 1, .max = 5, .flags = FIELD_NULLABLE },
    { .name = "bytes", .kind = FIELD_BYTES, AT(bytes) },
    { .name = "choice", .kind = FIELD_ENUM, AT(choice), .names = choices },
    { .name = "words", .kind = FIELD_STRINGS, AT(words), .count_offset = offsetof(struct all, word_count) },
    { .name = "leaf", .kind = FIELD_TABLE, AT(leaf), .sub = &leaf_table },
    { .name = "list",
      .kind = FIELD_TABLES,
      AT(list),
      .count_offset = offsetof(struct all, list_count),
      .sub = &leaf_table },
    { .name = "map",
      .kind = FIELD_MAP,
      AT(map),
      .count_offset = offsetof(struct all, map_count),
      .sub = &leaf_table },
    { .name = "any", .kind = FIELD_TREE, AT(any) },
    { .name = "later", .kind = FIELD_TREE, AT(any), .flags = FIELD_LATER },
};

static const struct table all_table = { .fields = rows,
                                        .count = FIELD_COUNT_OF(rows),
                                        .size = sizeof(struct all) };

static void check_problem(void *data, struct tree_pos pos, const char *path, const char *message,
                          const char *hint)
{
    if (pos.line == 0 || utf8_valid(span_of(message)) != strlen(message) ||
        utf8_valid(span_of(path)) != strlen(path) || (hint && utf8_valid(span_of(hint)) != strlen(hint)))
        abort();
    for (const char *at = message; *at; at++) {
        if ((unsigned char) *at < 0x20)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT(16 << 20);
    struct table_ctx ctx = { .arena = &arena, .problem = check_problem };
    const struct tree *t = NULL;
    struct all all;

    if (json_parse(span_make(data, size), &arena, &t, NULL) == 0) {
        int r = table_decode(&all_table, t, &all, &ctx);

        if (ctx.path[0] != '\0' || (r >= 0 && (size_t) r != ctx.problems))
            abort();
    }
    arena_done(&arena);
    return 0;
}
