/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/table.h"

#include <stdio.h>

struct point {
    const char *name;
    int64_t x;
};

struct thing {
    bool flag;
    int64_t number, size, duration, count, money, mode, unset;
    double ratio;
    const char *text, *other;
    struct span bytes;
    int choice, choice_unset;
    const char *const *words;
    size_t word_count;
    struct point point;
    struct point *points;
    size_t point_count;
    struct point *map;
    size_t map_count;
    const struct tree *any;
    int64_t custom;
};

static const char *const choices[] = { "never", "missing", "always", NULL };

static bool decode_even(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    struct thing *thing = out;
    int64_t number = tree_int(value, 1);

    if (number % 2 != 0) {
        table_problem(ctx, value, "try 2", "'%s' must be even", field->name);
        return false;
    }
    thing->custom = number + *(int *) ctx->user;
    return true;
}

static void schema_even(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_string(w, "type", "integer");
    json_put_int(w, "multipleOf", 2);
    json_object_end(w);
}

static void check_thing(struct table_ctx *ctx, const struct tree *value, void *out)
{
    const struct thing *thing = out;

    if (thing->text && thing->other)
        table_problem(ctx, tree_get(value, "other"), NULL, "'text' and 'other' exclude each other");
}

static const struct field point_rows[] = {
    { .name = "x",
      .kind = FIELD_INT,
      .offset = offsetof(struct point, x),
      .flags = FIELD_REQUIRED,
      .min = -9,
      .max = 9 },
};

static const struct table point_table = {
    .name = "point",
    .fields = point_rows,
    .count = FIELD_COUNT_OF(point_rows),
    .size = sizeof(struct point),
    .key_offset = offsetof(struct point, name),
    .help = "A place.",
};

#define AT(member) .offset = offsetof(struct thing, member)

static const struct field rows[] = {
    { .name = "flag", .kind = FIELD_BOOL, AT(flag), .fallback = "true" },
    { .name = "number",
      .kind = FIELD_INT,
      AT(number),
      .min = 1,
      .max = 10,
      .fallback = "3",
      .help = "How many." },
    { .name = "ratio", .kind = FIELD_NUMBER, AT(ratio), .min = 0, .max = 1, .fallback = "0.9" },
    { .name = "size", .kind = FIELD_SIZE, AT(size), .min = 1024, .max = 1 << 30, .fallback = "\"64k\"" },
    { .name = "duration",
      .kind = FIELD_DURATION,
      AT(duration),
      .min = 100,
      .max = INT64_MAX,
      .fallback = "\"1h\"" },
    { .name = "count", .kind = FIELD_COUNT, AT(count) },
    { .name = "money", .kind = FIELD_MONEY, AT(money), .example = "5.00" },
    { .name = "mode", .kind = FIELD_MODE, AT(mode), .fallback = "\"0644\"" },
    { .name = "unset", .kind = FIELD_INT, AT(unset), .flags = FIELD_UNSET_NEG },
    { .name = "text", .kind = FIELD_STRING, AT(text), .min = 1, .max = 5 },
    { .name = "other", .kind = FIELD_STRING, AT(other), .flags = FIELD_NULLABLE },
    { .name = "bytes", .kind = FIELD_BYTES, AT(bytes) },
    { .name = "choice", .kind = FIELD_ENUM, AT(choice), .names = choices, .fallback = "\"missing\"" },
    { .name = "choice_unset",
      .kind = FIELD_ENUM,
      AT(choice_unset),
      .names = choices,
      .flags = FIELD_UNSET_NEG },
    { .name = "words",
      .kind = FIELD_STRINGS,
      AT(words),
      .count_offset = offsetof(struct thing, word_count),
      .fallback = "[\"shell\"]" },
    { .name = "point", .kind = FIELD_TABLE, AT(point), .sub = &point_table },
    { .name = "points",
      .kind = FIELD_TABLES,
      AT(points),
      .count_offset = offsetof(struct thing, point_count),
      .sub = &point_table,
      .min = 1,
      .max = 2 },
    { .name = "map",
      .kind = FIELD_MAP,
      AT(map),
      .count_offset = offsetof(struct thing, map_count),
      .sub = &point_table },
    { .name = "any", .kind = FIELD_TREE, AT(any), .fallback = "{\"a\":1}" },
    { .name = "even", .kind = FIELD_CUSTOM, .decode = decode_even, .schema = schema_even, .help = "Even." },
    { .name = "compaction", .kind = FIELD_TREE, AT(any), .flags = FIELD_LATER, .help = "Of the context." },
};

static const struct table thing_table = {
    .name = "thing",
    .fields = rows,
    .count = FIELD_COUNT_OF(rows),
    .size = sizeof(struct thing),
    .check = check_thing,
};

/* Problems as lines: "1:7 number: must be ... (hint)". */
static struct buf problems = BUF_INIT(1 << 20);
static struct arena arena = ARENA_INIT(16 << 20);
static struct thing thing;

static void note_problem(void *data, struct tree_pos pos, const char *path, const char *message,
                         const char *hint)
{
    buf_printf(data, "%s%u:%u %s: %s%s%s%s", problems.len > 0 ? "\n" : "", pos.line, pos.column, path,
               message, hint ? " (" : "", hint ? hint : "", hint ? ")" : "");
}

static int drop(void **state)
{
    arena_done(&arena);
    buf_done(&problems);
    return 0;
}

static const struct tree *parse(const char *text)
{
    const struct tree *t = NULL;
    struct err err = { 0 };

    if (text && json_parse(span_of(text), &arena, &t, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return t;
}

static int decode_by(const struct table *table, const char *text, void *out)
{
    static int user = 1000;
    struct table_ctx ctx = { .arena = &arena, .problem = note_problem, .data = &problems, .user = &user };
    int r;

    buf_clear(&problems);
    r = table_decode(table, parse(text), out, &ctx);
    assert_string_equal(ctx.path, "");
    assert_true(r < 0 || (size_t) r == ctx.problems);
    return r;
}

static void check_fine(const char *text)
{
    if (decode_by(&thing_table, text, &thing) != 0)
        fail_msg("%s: %s", text ? text : "nothing", buf_text(&problems));
}

static void check_problems(const char *text, int count, const char *expected)
{
    int r = decode_by(&thing_table, text, &thing);

    assert_string_equal(buf_text(&problems), expected);
    assert_int_equal(r, count);
}

static void check_problem(const char *text, const char *expected)
{
    check_problems(text, 1, expected);
}

static void check_defaults(void)
{
    assert_true(thing.flag);
    assert_int_equal(thing.number, 3);
    assert_true(thing.ratio == 0.9);
    assert_int_equal(thing.size, 65536);
    assert_int_equal(thing.duration, 3600000);
    assert_int_equal(thing.count, 0);
    assert_int_equal(thing.money, 0);
    assert_int_equal(thing.mode, 0644);
    assert_int_equal(thing.unset, -1);
    assert_null(thing.text);
    assert_null(thing.bytes.ptr);
    assert_int_equal(thing.choice, 1);
    assert_int_equal(thing.choice_unset, -1);
    assert_int_equal(thing.word_count, 1);
    assert_string_equal(thing.words[0], "shell");
    assert_null(thing.words[1]);
    assert_int_equal(thing.point_count, 0);
    assert_int_equal(tree_int(tree_get(thing.any, "a"), 0), 1);
    assert_int_equal(thing.custom, 0);
}

static void test_defaults(void **state)
{
    memset(&thing, 0xFF, sizeof(thing));
    check_fine("{}");
    check_defaults();
    memset(&thing, 0xFF, sizeof(thing));
    check_fine(NULL);
    check_defaults();
}

static void test_every_kind(void **state)
{
    check_fine(
        "{\"flag\":false,\"number\":10,\"ratio\":0.25,\"size\":\"1.5m\",\"duration\":\"1h30m\",\"count\":"
        "\"2m\","
        "\"money\":\"0.125\",\"mode\":\"rwxr-x--x\",\"unset\":7,\"text\":\"abc\",\"bytes\":\"a\\u0000b\","
        "\"choice\":\"always\",\"choice_unset\":\"never\",\"words\":[\"a\",\"\"],\"point\":{\"x\":-9},"
        "\"points\":[{\"x\":1},{\"x\":2}],\"map\":{\"p\":{\"x\":3},\"\":{\"x\":4}},\"any\":[null],\"even\":"
        "4}");
    assert_false(thing.flag);
    assert_int_equal(thing.number, 10);
    assert_true(thing.ratio == 0.25);
    assert_int_equal(thing.size, 1572864);
    assert_int_equal(thing.duration, 5400000);
    assert_int_equal(thing.count, 2000000);
    assert_int_equal(thing.money, 125000);
    assert_int_equal(thing.mode, 0751);
    assert_int_equal(thing.unset, 7);
    assert_string_equal(thing.text, "abc");
    assert_int_equal(thing.bytes.len, 3);
    assert_int_equal(thing.choice, 2);
    assert_int_equal(thing.choice_unset, 0);
    assert_int_equal(thing.word_count, 2);
    assert_string_equal(thing.words[1], "");
    assert_null(thing.words[2]);
    assert_int_equal(thing.point.x, -9);
    assert_int_equal(thing.point_count, 2);
    assert_int_equal(thing.points[1].x, 2);
    assert_int_equal(thing.map_count, 2);
    assert_string_equal(thing.map[0].name, "p");
    assert_int_equal(thing.map[1].x, 4);
    assert_int_equal(thing.any->kind, TREE_ARRAY);
    assert_int_equal(thing.custom, 1004);
}

static void test_units_as_plain_numbers(void **state)
{
    check_fine("{\"size\":1e6,\"duration\":0.5,\"count\":1e3,\"money\":5.00,\"mode\":755,\"number\":1.0}");
    assert_int_equal(thing.size, 1000000);
    assert_int_equal(thing.duration, 500);
    assert_int_equal(thing.count, 1000);
    assert_int_equal(thing.money, 5000000);
    assert_int_equal(thing.mode, 0755);
    assert_int_equal(thing.number, 1);
}

static void test_wrong_types(void **state)
{
    check_problem("{\"flag\":\"yes\"}", "1:9 flag: expected true or false, got 'yes'");
    check_problem("{\"number\":\"3\"}", "1:11 number: expected a whole number, got '3'");
    check_problem("{\"number\":1.5}", "1:11 number: expected a whole number, got the number 1.5");
    check_problem("{\"ratio\":true}", "1:10 ratio: expected a number, got true");
    check_problem("{\"size\":[1]}", "1:9 size: expected a size such as 512m or 1g, got a list");
    check_problem("{\"size\":\"1 g\"}", "1:9 size: expected a size such as 512m or 1g, got '1 g'");
    check_problem("{\"size\":-5}", "1:9 size: expected a size such as 512m or 1g, got the number -5");
    check_problem("{\"duration\":{}}",
                  "1:13 duration: expected a duration such as 30s or 1h30m, got keys and values");
    check_problem("{\"count\":null}", "1:10 count: expected a number such as 500 or 2m, got nothing");
    check_problem("{\"money\":\"$5\"}", "1:10 money: expected an amount in USD such as 5.00, got '$5'");
    check_problem("{\"mode\":\"u+x\"}",
                  "1:9 mode: expected permissions such as \"0644\" or \"rw-r--r--\", got 'u+x'");
    check_problem("{\"mode\":\"wr-r--r--\"}",
                  "1:9 mode: expected permissions such as \"0644\" or \"rw-r--r--\", got 'wr-r--r--'");
    check_problem("{\"text\":12}", "1:9 text: expected text, got the number 12 (put it in quotes)");
    check_problem("{\"text\":true}", "1:9 text: expected text, got the word true (put it in quotes)");
    check_problem("{\"text\":[]}", "1:9 text: expected text, got a list");
    check_problem("{\"words\":\"shell\"}", "1:10 words: expected a list of texts, got 'shell'");
    check_problem("{\"words\":[\"a\",{}]}", "1:15 words.1: expected text, got keys and values");
    check_problem("{\"point\":[]}", "1:10 point: expected keys and values, got a list");
    check_problem("{\"points\":{}}", "1:11 points: expected a list, got keys and values");
    check_problem("{\"points\":[1]}", "1:12 points.0: expected keys and values, got the number 1");
    check_problem("{\"map\":[]}", "1:8 map: expected keys and values, got a list");
    check_problem("[1]", "1:1 : expected keys and values, got a list");
    check_problem("{\"even\":3}", "1:9 even: 'even' must be even (try 2)");
}

static void test_long_and_ugly_values_are_cut(void **state)
{
    check_problem("{\"flag\":\"a\\u001b[31m\\nx\\u007f\"}",
                  "1:9 flag: expected true or false, got 'a?[31m?x?'");
    check_problem("{\"flag\":\"0123456789012345678901234567890123456789x\"}",
                  "1:9 flag: expected true or false, got '0123456789012345678901234567890123456789...'");
    check_problem("{\"flag\":\"012345678901234567890123456789012345678\\u20acx\"}",
                  "1:9 flag: expected true or false, got '012345678901234567890123456789012345678...'");
}

static void test_ranges_are_told_in_their_units(void **state)
{
    check_problem("{\"number\":0}", "1:11 number: must be between 1 and 10");
    check_problem("{\"number\":99999999999999999999}", "1:11 number: must be between 1 and 10");
    check_problem("{\"ratio\":1.01}", "1:10 ratio: must be between 0 and 1");
    check_problem("{\"ratio\":1e999}", "1:10 ratio: must be between 0 and 1");
    check_problem("{\"size\":\"2g\"}", "1:9 size: must be between 1 KiB and 1 GiB");
    check_problem("{\"size\":\"99999999999t\"}", "1:9 size: must be between 1 KiB and 1 GiB");
    check_problem("{\"duration\":\"50ms\"}", "1:13 duration: must be at least 100 ms");
    check_problem("{\"count\":\"99999999999999999999\"}", "1:10 count: is out of range");
    check_problem("{\"unset\":99999999999999999999}", "1:10 unset: is out of range");
    check_problem("{\"mode\":\"4755\"}", "1:9 mode: must be between 0000 and 0777");
    check_problem("{\"text\":\"\"}", "1:9 text: must not be empty");
    check_problem("{\"text\":\"123456\"}", "1:9 text: must be at most 5 bytes long");
    check_problem("{\"other\":\"a\\u0000\"}", "1:10 other: must not contain a NUL byte");
    check_problem("{\"points\":[]}", "1:11 points: must not be empty");
    check_problem("{\"points\":[{\"x\":1},{\"x\":1},{\"x\":1}]}",
                  "1:11 points: has 3 entries, at most 2 are possible");
    check_problem("{\"map\":{\"a\\u0000\":{\"x\":1}}}", "1:9 map.a: must not contain a NUL byte");
}

static void test_enums_list_their_words(void **state)
{
    check_problem(
        "{\"choice\":\"mising\"}",
        "1:11 choice: expected one of never, missing, always, got 'mising' (did you mean 'missing'?)");
    check_problem("{\"choice\":\"sometimes\"}",
                  "1:11 choice: expected one of never, missing, always, got 'sometimes'");
    check_problem("{\"choice\":1}", "1:11 choice: expected one of never, missing, always, got the number 1");
    check_problem("{\"choice\":[]}", "1:11 choice: expected one of never, missing, always, got a list");
}

static void test_keys(void **state)
{
    check_problem("{\"numbr\":1}", "1:2 : unknown key 'numbr' (did you mean 'number'?)");
    check_problem("{\"nubmer\":1}", "1:2 : unknown key 'nubmer' (did you mean 'number'?)");
    check_problem("{\"whatever\":1}", "1:2 : unknown key 'whatever'");
    check_problem("{\"map\":{\"p\":{\"x\":1,\n\"y\":2}}}", "2:1 map.p: unknown key 'y'");
    check_problem("{\"points\":[{}]}", "1:12 points.0: missing 'x'");
    check_problem("{\"point\":{\"x\":null}}", "1:15 point.x: expected a whole number, got nothing");
    check_problem("{\"compaction\":{}}", "1:2 compaction: not supported yet: compaction");
    check_problem("{\"compactio\":{}}",
                  "1:2 : unknown key 'compactio'"); /* what is not there yet is no hint */
    check_fine("{\"other\":null}");
    assert_null(thing.other);
    check_problem("{\"text\":\"a\",\"other\":\"b\"}", "1:21 : 'text' and 'other' exclude each other");
}

static void test_all_problems_are_collected(void **state)
{
    check_problems("{\"flag\":1,\n \"points\":[{\"x\":99},\n{\"y\":1}],\n\"foo\":2,\"even\":5}", 6,
                   "1:9 flag: expected true or false, got the number 1\n"
                   "2:17 points.0.x: must be between -9 and 9\n"
                   "3:1 points.1: missing 'x'\n"
                   "3:2 points.1: unknown key 'y'\n"
                   "4:16 even: 'even' must be even (try 2)\n"
                   "4:1 : unknown key 'foo'");
}

static void test_tolerant_tables_take_what_they_know(void **state)
{
    struct table tolerant = thing_table;

    tolerant.is_tolerant = true;
    assert_int_equal(decode_by(&tolerant, "{\"future\":[1],\"number\":null,\"text\":\"x\"}", &thing), 0);
    assert_int_equal(thing.number, 3);
    assert_string_equal(thing.text, "x");
    assert_int_equal(decode_by(&tolerant, "null", &thing), 0);
    check_defaults();
}

static void test_a_full_arena_is_no_problem_of_the_document(void **state)
{
    const struct tree *t = parse("{\"text\":\"abc\"}");
    struct arena small = ARENA_INIT(8);
    struct table_ctx ctx = { .arena = &small };

    assert_int_equal(table_decode(&thing_table, t, &thing, &ctx), -ERR_INTERNAL);
    assert_int_equal(ctx.problems, 0);
    arena_done(&small);
}

static void test_long_paths_stay_within_bounds(void **state)
{
    struct table_ctx ctx = { .arena = &arena };
    size_t marks[400];

    for (size_t i = 0; i < 400; i++)
        marks[i] = table_enter(&ctx, span_of("\xE2\x82\xAC"));
    assert_true(strlen(ctx.path) < sizeof(ctx.path));
    for (size_t i = 400; i > 0; i--)
        table_leave(&ctx, marks[i - 1]);
    assert_string_equal(ctx.path, "");
}

static void check_nearest(const char *word, const char *expected)
{
    static const char *const names[] = { "memory", "cpus", "pids", "user", "id", "instructions", "tmp" };
    const char *near = table_nearest(span_of(word), names, FIELD_COUNT_OF(names));

    if (!expected)
        assert_null(near);
    else if (!near)
        fail_msg("nothing near '%s'", word);
    else
        assert_string_equal(near, expected);
}

static void test_nearest(void **state)
{
    check_nearest("memroy", "memory"); /* neighbours swapped: one edit */
    check_nearest("Memory", "memory"); /* capitals do not count */
    check_nearest("mmory", "memory");
    check_nearest("meemorry", "memory");
    check_nearest("memoires", NULL); /* three */
    check_nearest("cpu", "cpus");
    check_nearest("cp", NULL); /* two edits in a short word */
    check_nearest("pidz", "pids");
    check_nearest("ix", "id");
    check_nearest("x", NULL);
    check_nearest("", NULL);
    check_nearest("instructoins", "instructions");
    check_nearest("instructionsinstructionsinstructionsinstructions", NULL);
}

static void check_schema(const struct table *table, bool is_strict, const char *expected)
{
    struct buf out = BUF_INIT(1 << 20);
    struct err err = { 0 };
    struct json_writer w;

    json_begin(&w, &out);
    table_schema(table, is_strict, &w);
    assert_int_equal(json_end(&w, &err), 0);
    assert_string_equal(buf_text(&out), expected);
    buf_done(&out);
}

static const struct field call_rows[] = {
    { .name = "cmd",
      .kind = FIELD_STRING,
      .flags = FIELD_REQUIRED,
      .help = "What to run.",
      .min = 1,
      .max = 99 },
    { .name = "wait",
      .kind = FIELD_INT,
      .min = 1,
      .max = 9,
      .fallback = "5",
      .help = "How long.",
      .example = "7" },
    { .name = "how", .kind = FIELD_ENUM, .names = choices },
    { .name = "at", .kind = FIELD_TABLE, .sub = &point_table },
    { .name = "soon", .kind = FIELD_BOOL, .flags = FIELD_LATER, .help = "One day." },
};

static const struct table call_table = {
    .name = "call",
    .fields = call_rows,
    .count = FIELD_COUNT_OF(call_rows),
    .help = "A call.",
};

static void test_schema_for_editors(void **state)
{
    check_schema(
        &call_table, false,
        "{\"type\":\"object\",\"description\":\"A call.\",\"properties\":{"
        "\"cmd\":{\"description\":\"What to run.\",\"type\":\"string\",\"minLength\":1,\"maxLength\":99},"
        "\"wait\":{\"description\":\"How long.\",\"type\":\"integer\",\"minimum\":1,\"maximum\":9,"
        "\"default\":5,\"examples\":[7]},"
        "\"how\":{\"type\":\"string\",\"enum\":[\"never\",\"missing\",\"always\"]},"
        "\"at\":{\"description\":\"A place.\",\"type\":\"object\",\"properties\":{"
        "\"x\":{\"type\":\"integer\",\"minimum\":-9,\"maximum\":9}},\"required\":[\"x\"],"
        "\"additionalProperties\":false},"
        "\"soon\":{\"description\":\"Not supported yet. One day.\"}},"
        "\"required\":[\"cmd\"],\"additionalProperties\":false}");
}

static void test_schema_for_models(void **state)
{
    check_schema(&call_table, true,
                 "{\"type\":\"object\",\"description\":\"A call.\",\"properties\":{"
                 "\"cmd\":{\"description\":\"What to run.\",\"type\":\"string\"},"
                 "\"wait\":{\"description\":\"How long. Default: 5.\",\"type\":[\"integer\",\"null\"]},"
                 "\"how\":{\"type\":[\"string\",\"null\"],\"enum\":[\"never\",\"missing\",\"always\",null]},"
                 "\"at\":{\"description\":\"A place.\",\"type\":[\"object\",\"null\"],\"properties\":{"
                 "\"x\":{\"type\":\"integer\"}},\"required\":[\"x\"],\"additionalProperties\":false}},"
                 "\"required\":[\"cmd\",\"wait\",\"how\",\"at\"],\"additionalProperties\":false}");
}

/* One row of the big table as its schema. */
static void check_row_schema(const char *name, const char *expected)
{
    for (size_t i = 0; i < FIELD_COUNT_OF(rows); i++) {
        struct table one = { .fields = &rows[i], .count = 1 };
        char text[1000];

        if (strcmp(rows[i].name, name) != 0)
            continue;
        snprintf(
            text, sizeof(text),
            "{\"type\":\"object\",\"properties\":{\"%s\":%s},\"required\":[],\"additionalProperties\":false}",
            name, expected);
        check_schema(&one, false, text);
        return;
    }
    fail_msg("no row '%s'", name);
}

static void test_schema_of_each_kind(void **state)
{
    check_row_schema("size", "{\"type\":[\"string\",\"number\"],"
                             "\"pattern\":\"^[0-9]+(\\\\.[0-9]+)?([bB]|[kKmMgGtT]([iI]?[bB])?)?$\","
                             "\"minimum\":1024,\"maximum\":1073741824,\"default\":\"64k\"}");
    check_row_schema(
        "duration",
        "{\"type\":[\"string\",\"number\"],\"pattern\":\"^([0-9]+(\\\\.[0-9]+)?|([0-9]+(\\\\.[0-9]+)?[dD])?"
        "([0-9]+(\\\\.[0-9]+)?[hH])?([0-9]+(\\\\.[0-9]+)?[mM])?([0-9]+(\\\\.[0-9]+)?[sS])?"
        "([0-9]+(\\\\.[0-9]+)?[mM][sS])?)$\",\"minimum\":0.1,\"default\":\"1h\"}");
    check_row_schema("money", "{\"type\":[\"string\",\"number\"],\"pattern\":\"^[0-9]+(\\\\.[0-9]+)?$\","
                              "\"examples\":[5.00]}");
    check_row_schema("mode", "{\"type\":[\"string\",\"integer\"],"
                             "\"pattern\":\"^([0-7]{1,4}|([r-][w-][x-]){3})$\",\"default\":\"0644\"}");
    check_row_schema("other", "{\"type\":[\"string\",\"null\"]}");
    check_row_schema("words", "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"default\":[\"shell\"]}");
    check_row_schema("points",
                     "{\"description\":\"A place.\",\"type\":\"array\",\"items\":{\"type\":\"object\","
                     "\"description\":\"A place.\",\"properties\":{\"x\":{\"type\":\"integer\","
                     "\"minimum\":-9,\"maximum\":9}},\"required\":[\"x\"],"
                     "\"additionalProperties\":false},\"minItems\":1,\"maxItems\":2}");
    check_row_schema("any", "{\"default\":{\"a\":1}}");
    check_row_schema("even",
                     "{\"description\":\"Even.\",\"allOf\":[{\"type\":\"integer\",\"multipleOf\":2}]}");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown(test_defaults, drop),
    cmocka_unit_test_teardown(test_every_kind, drop),
    cmocka_unit_test_teardown(test_units_as_plain_numbers, drop),
    cmocka_unit_test_teardown(test_wrong_types, drop),
    cmocka_unit_test_teardown(test_long_and_ugly_values_are_cut, drop),
    cmocka_unit_test_teardown(test_ranges_are_told_in_their_units, drop),
    cmocka_unit_test_teardown(test_enums_list_their_words, drop),
    cmocka_unit_test_teardown(test_keys, drop),
    cmocka_unit_test_teardown(test_all_problems_are_collected, drop),
    cmocka_unit_test_teardown(test_tolerant_tables_take_what_they_know, drop),
    cmocka_unit_test_teardown(test_a_full_arena_is_no_problem_of_the_document, drop),
    cmocka_unit_test_teardown(test_long_paths_stay_within_bounds, drop),
    cmocka_unit_test_teardown(test_nearest, drop),
    cmocka_unit_test_teardown(test_schema_for_editors, drop),
    cmocka_unit_test_teardown(test_schema_for_models, drop),
    cmocka_unit_test_teardown(test_schema_of_each_kind, drop),
};

UNIT_MAIN(tests)
