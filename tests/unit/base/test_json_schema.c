/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/json.h"
#include "core/base/json_schema.h"
#include "core/base/regexp.h"

#include <stdio.h>

struct found {
    char text[4096];
    size_t len;
};

static void note(void *data, const struct tree *at, bool at_key, const char *path, const char *message,
                 const char *hint)
{
    struct found *f = data;
    int n = snprintf(f->text + f->len, sizeof(f->text) - f->len, "%s%s: %s\n", path, at_key ? " (key)" : "",
                     message);

    (void) at;
    (void) hint;
    assert_true(n > 0 && f->len + (size_t) n < sizeof(f->text));
    f->len += (size_t) n;
}

static const struct tree *parse(const char *text, struct arena *arena)
{
    const struct tree *ret;
    struct err err = { 0 };

    if (json_parse(span_of(text), arena, &ret, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return ret;
}

#define OBJECT(properties, required)                                               \
    "{\"type\":\"object\",\"properties\":{" properties "},\"required\":[" required \
    "],\"additionalProperties\":false}"

static void test_what_is_outside_of_the_subset_is_told(void **state)
{
    static const struct {
        const char *schema, *problems;
    } rows[] = {
        { OBJECT("", ""), "" },
        { OBJECT("\"a\":{\"type\":[\"string\",\"null\"],\"pattern\":\"^a+$\",\"description\":\"x\"}",
                 "\"a\""),
          "" },
        { "{\"$schema\":\"x\",\"type\":\"object\",\"properties\":{\"n\":{\"anyOf\":[{\"$ref\":\"#\"},{"
          "\"type\":\"null\"}]},"
          "\"d\":{\"$ref\":\"#/$defs/d\"}},\"required\":[\"n\",\"d\"],\"additionalProperties\":false,"
          "\"$defs\":{\"d\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/d\"}}}}",
          "" },
        { "[]", ": a schema is a map\n" },
        { "true", ": a schema is a map\n" },
        { "{\"type\":\"string\"}", ": the root must be of type object\n" },
        { "{}", ": a schema needs 'type', 'anyOf' or '$ref'\n: the root must be of type object\n" },
        { "{\"type\":\"object\",\"properties\":{}}",
          ": the API demands 'additionalProperties: false' of every object\n" },
        { "{\"type\":\"object\",\"additionalProperties\":true}",
          ": the API demands 'additionalProperties: false' of every object\n"
          ": an object needs 'properties', a map of schemas\n" },
        { OBJECT("\"a\":{\"type\":\"string\"}", ""),
          " (key): the property 'a' must be in 'required': the API demands all of them\n" },
        { OBJECT("", "\"b\""), ": there is no such property\n" },
        { OBJECT("\"a\":{\"type\":\"string\",\"minLength\":3}", "\"a\""),
          "/properties/a (key): the API does not accept 'minLength'\n" },
        { OBJECT("\"a\":{\"type\":\"strin\"}", "\"a\""),
          "/properties/a: not a type: object, array, string, number, integer, boolean, null\n" },
        { OBJECT("\"a\":{\"oneOf\":[]}", "\"a\""), "/properties/a: a schema needs 'type', 'anyOf' or '$ref'\n"
                                                   "/properties/a (key): the API does not accept 'oneOf'\n" },
        { OBJECT("\"a\":{\"type\":\"array\"}", "\"a\""),
          "/properties/a: an array needs 'items', a schema\n" },
        { OBJECT("\"a\":{\"type\":\"number\",\"pattern\":\"a\"}", "\"a\""),
          "/properties/a (key): 'pattern' says nothing about this type\n" },
        { OBJECT("\"a\":{\"type\":\"string\",\"pattern\":\"(?=a)\"}", "\"a\""),
          "/properties/a: the pattern looks around or sets flags, which is not supported\n" },
        { OBJECT("\"a\":{\"type\":\"string\",\"format\":\"uri\"}", "\"a\""),
          "/properties/a: not a format: date-time, time, date, duration, email, hostname, ipv4, ipv6, "
          "uuid\n" },
        { OBJECT("\"a\":{\"$ref\":\"#/$defs/x\"}", "\"a\""), "/properties/a: refers to nothing\n" },
        { "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/x\"}},\"required\":[\"a\"],"
          "\"additionalProperties\":false,\"$defs\":{\"x\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/"
          "$defs/x\"}]}}}",
          "/properties/a: refers to itself without end\n/$defs/x/anyOf/1: refers to itself without end\n" },
        { OBJECT("\"a\":{\"$ref\":\"#\",\"title\":\"x\"}", "\"a\""), "/properties/a: '$ref' stands alone\n" },
        { OBJECT("\"a\":{\"type\":\"string\",\"enum\":[\"x\",\"y\",\"x\"]}", "\"a\""),
          "/properties/a: this value is in the list already\n" },
        { OBJECT("\"a\":{\"type\":\"number\",\"multipleOf\":0}", "\"a\""),
          "/properties/a: must be a number above 0\n" },
        { OBJECT("\"a\":{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":-1}", "\"a\""),
          "/properties/a: must be a whole number from 0\n" },
        { "{\"type\":\"object\",\"anyOf\":[{\"type\":\"null\"}],\"properties\":{},\"additionalProperties\":"
          "false}",
          " (key): the root must be an object, without 'anyOf'\n" },
        { OBJECT("\"a\":{\"type\":\"string\",\"$defs\":{}}", "\"a\""),
          "/properties/a (key): '$defs' belongs to the root of the schema\n" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = ARENA_INIT(1 << 20);
        struct found found = { "", 0 };

        (void) json_schema_check(parse(rows[i].schema, &arena), note, &found);
        if (strcmp(found.text, rows[i].problems) != 0)
            fail_msg("%s\nsays: %s\nnot:  %s", rows[i].schema, found.text, rows[i].problems);
        arena_done(&arena);
    }
}

/* A schema of `depth` objects inside each other. */
static void nest(struct buf *out, int depth)
{
    for (int i = 1; i < depth; i++)
        buf_add_text(out, "{\"type\":\"object\",\"required\":[\"a\"],\"additionalProperties\":false,"
                          "\"properties\":{\"a\":");
    buf_add_text(out, OBJECT("", ""));
    for (int i = 1; i < depth; i++)
        buf_add_text(out, "}}");
}

static void test_ceilings(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    struct arena arena = ARENA_INIT(64 << 20);
    struct found found = { "", 0 };

    (void) state;
    nest(&text, 10);
    assert_int_equal(0, json_schema_check(parse(buf_text(&text), &arena), note, &found));
    buf_clear(&text);
    nest(&text, 11);
    assert_int_equal(1, json_schema_check(parse(buf_text(&text), &arena), note, &found));
    assert_non_null(strstr(found.text, "the API accepts 10 objects inside each other"));
    buf_clear(&text);
    buf_add_text(&text, "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"enum\":[\"\"");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, ",\"%d\"", i);
    buf_add_text(&text, "]}},\"required\":[\"a\"],\"additionalProperties\":false}");
    found.len = 0;
    assert_int_equal(1, json_schema_check(parse(buf_text(&text), &arena), note, &found));
    assert_non_null(strstr(found.text, "1000 enum values, these are 1001"));
    buf_done(&text);
    arena_done(&arena);
}

#define ONE(schema) OBJECT("\"a\":" schema, "\"a\"")

static void test_values(void **state)
{
    static const struct {
        const char *schema, *value, *violation; /* NULL: it fits */
    } rows[] = {
        { ONE("{\"type\":\"integer\"}"), "{\"a\":1.0}", NULL },
        { ONE("{\"type\":\"integer\"}"), "{\"a\":1.5}", "/a expected type integer, got 1.5" },
        { ONE("{\"type\":\"integer\"}"), "{}", " the property 'a' is missing" },
        { ONE("{\"type\":\"integer\"}"), "{\"a\":1,\"b\":2}", " the property 'b' is not allowed" },
        { ONE("{\"type\":\"integer\"}"), "[1]", " expected type object, got [1]" },
        { ONE("{\"type\":[\"string\",\"null\"]}"), "{\"a\":null}", NULL },
        { ONE("{\"type\":[\"string\",\"null\"]}"), "{\"a\":true}",
          "/a expected type string or null, got true" },
        { ONE("{\"type\":\"string\",\"enum\":[\"x\",\"y\"]}"), "{\"a\":\"z\"}",
          "/a expected one of [\"x\",\"y\"], got \"z\"" },
        { ONE("{\"type\":\"number\",\"const\":1}"), "{\"a\":1.0}", NULL },
        { ONE("{\"type\":\"number\",\"const\":1}"), "{\"a\":2}", "/a expected 1, got 2" },
        { ONE("{\"type\":\"number\",\"minimum\":0,\"exclusiveMaximum\":1}"), "{\"a\":1}",
          "/a expected less than 1, got 1" },
        { ONE("{\"type\":\"number\",\"minimum\":0}"), "{\"a\":-1e3}", "/a expected at least 0, got -1e3" },
        { ONE("{\"type\":\"number\",\"multipleOf\":0.1}"), "{\"a\":0.3}", NULL },
        { ONE("{\"type\":\"number\",\"multipleOf\":5}"), "{\"a\":12}",
          "/a expected a multiple of 5, got 12" },
        { ONE("{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":2}"),
          "{\"a\":[\"x\",2]}", "/a/1 expected type string, got 2" },
        { ONE("{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":2}"),
          "{\"a\":[]}", "/a expected at least 1 items, got 0" },
        { ONE("{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":2}"),
          "{\"a\":[\"\",\"\",\"\"]}", "/a expected at most 2 items, got 3" },
        { ONE("{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"}"), "{\"a\":\"ab1\"}",
          "/a expected a string that matches ^[a-z]+$, got \"ab1\"" },
        { ONE("{\"type\":\"string\",\"format\":\"date\"}"), "{\"a\":\"2026-02-29\"}",
          "/a expected a string of format date, got \"2026-02-29\"" },
        { ONE("{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}"), "{\"a\":1}",
          "/a fits none of the 2 alternatives; of one of them: expected type string, got 1" },
        { ONE("{\"anyOf\":[{\"type\":\"null\"}," ONE("{\"type\":\"null\"}") "]}"), "{\"a\":{\"a\":1}}",
          "/a/a expected type null, got 1" },
        { OBJECT("\"a~/\":{\"type\":\"null\"}", "\"a~/\""), "{\"a~/\":0}",
          "/a~0~1 expected type null, got 0" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = ARENA_INIT(1 << 20);
        struct json_violation why;
        const struct tree *schema = parse(rows[i].schema, &arena);
        bool fits = json_schema_fits(schema, parse(rows[i].value, &arena), &why);
        char got[1100];

        assert_int_equal(0, json_schema_check(schema, NULL, NULL));
        snprintf(got, sizeof(got), "%s %s", why.path, why.text);
        if (fits != !rows[i].violation || (!fits && strcmp(got, rows[i].violation) != 0))
            fail_msg("%s with %s: %s", rows[i].schema, rows[i].value, fits ? "fits" : got);
        arena_done(&arena);
    }
}

static void test_formats(void **state)
{
    static const struct {
        const char *format, *good, *bad;
    } rows[] = {
        { "date-time", "2026-11-30T07:00:00.5+01:00", "2026-11-30T24:00:00Z" },
        { "time", "23:59:60Z", "23:59" },
        { "date", "2024-02-29", "2023-02-29" },
        { "duration", "P3Y6M4DT12H30M5S", "P" },
        { "duration", "PT36H", "P1S" },
        { "email", "a.b+c@example.org", "a..b@example.org" },
        { "hostname", "a-b.example", "-a.example" },
        { "ipv4", "192.0.2.1", "192.0.2.256" },
        { "ipv6", "2001:db8::1", "2001:db8::1::2" },
        { "uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(1, json_schema_format(span_of(rows[i].format), span_of(rows[i].good)));
        assert_int_equal(0, json_schema_format(span_of(rows[i].format), span_of(rows[i].bad)));
        assert_int_equal(0, json_schema_format(span_of(rows[i].format), span_of("")));
    }
    assert_int_equal(-1, json_schema_format(span_of("uri"), span_of("x")));
}

static int search(const char *pattern, const char *text)
{
    struct arena arena = ARENA_INIT(4 << 20);
    const struct regexp *re;
    int64_t steps = 1000000;
    const char *why = regexp_compile(span_of(pattern), &arena, &re);
    int r = why ? -2 : regexp_search(re, span_of(text), &steps);

    arena_done(&arena);
    return r;
}

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *text;
        int result; /* -2: refused */
    } rows[] = {
        { "", "", 1 },
        { "a", "xxaxx", 1 },
        { "^a", "xa", 0 },
        { "a$", "ax", 0 },
        { "^(ab|c)+$", "abcab", 1 },
        { "^(ab|c)+$", "abca", 0 },
        { "^(a|b|c|d)$", "d", 1 },
        { "^(a|b|c|d)$", "e", 0 },
        { "^a{2,3}$", "aa", 1 },
        { "^a{2,3}$", "aaaa", 0 },
        { "^a{2,3}$", "a", 0 },
        { "^a{2}$", "aa", 1 },
        { "^a{2,}$", "aaaaa", 1 },
        { "^a{,2}$", "a{,2}", 1 },
        { "^.$", "\xc3\xa9", 1 },
        { "^.$", "\n", 0 },
        { "^[^a-c]$", "d", 1 },
        { "^[^a-c]$", "b", 0 },
        { "^[\\w-]+$", "a-b_9", 1 },
        { "^\\d{4}-\\d\\d$", "2026-11", 1 },
        { "^\\D$", "5", 0 },
        { "^[\\D5]$", "5", 1 },
        { "\\bcat\\b", "a cat.", 1 },
        { "\\bcat\\b", "concat", 0 },
        { "\\Bcat", "concat", 1 },
        { "^\\u0041\\x42\\u{1f600}$", "AB\xf0\x9f\x98\x80", 1 },
        { "^\\ud83d\\ude00$", "\xf0\x9f\x98\x80", 1 },
        { "^(?:a|b)??$", "b", 1 },
        { "^(?<name>a)$", "a", 1 },
        { "(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", 0 },
        { "^(a?){30}a{30}$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1 },
        { "(x+x+)+y", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0 },
        { "(", "", -2 },
        { ")", "", -2 },
        { "[", "", -2 },
        { "*", "", -2 },
        { "a{3,2}", "", -2 },
        { "a{1001}", "", -2 },
        { "[b-a]", "", -2 },
        { "\\1", "", -2 },
        { "(?!a)", "", -2 },
        { "(?<=a)", "", -2 },
        { "\\p{L}", "", -2 },
        { "\\", "", -2 },
        { "((((a{1000}){1000}){1000}){1000}){1000}", "", -2 },
        { "((((){1000}){1000}){1000}){1000}", "", -2 },
        /* full in the middle of a loop, and of an alternative */
        { "(?:(?:a{1000}){9})+", "a", -2 },
        { "(?:a{1000}){8}a{191}(?:b|c)", "a", -2 },
        { "(?:a{1000}){8}a{190}(?:b|c)", "a", -2 },
        { "(?:a{1000}){8}a{189}(?:b|c|d)+", "a", -2 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (search(rows[i].pattern, rows[i].text) != rows[i].result)
            fail_msg("%s in '%s': %d", rows[i].pattern, rows[i].text, search(rows[i].pattern, rows[i].text));
}

/* Alternatives of alternatives, which are tried again and again: it ends, and does not fit. */
static void test_work_is_bounded(void **state)
{
    struct arena arena = ARENA_INIT(64 << 20);
    struct buf text = BUF_INIT(1 << 20);
    struct json_violation why;
    const struct tree *schema = parse(
        "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/t\"}},\"required\":[\"a\"],"
        "\"additionalProperties\":false,\"$defs\":{\"t\":{\"anyOf\":[{\"type\":\"array\",\"items\":{\"$ref\":"
        "\"#/$defs/t\"}},{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"}}]}}}",
        &arena);

    (void) state;
    buf_add_text(&text, "{\"a\":");
    for (int i = 0; i < 90; i++)
        buf_add_char(&text, '[');
    buf_add_char(&text, '1');
    for (int i = 0; i < 90; i++)
        buf_add_char(&text, ']');
    buf_add_char(&text, '}');
    assert_int_equal(0, json_schema_check(schema, NULL, NULL));
    assert_false(json_schema_fits(schema, parse(buf_text(&text), &arena), &why));
    assert_non_null(strstr(why.text, "too much to check"));
    buf_done(&text);
    arena_done(&arena);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_what_is_outside_of_the_subset_is_told),
    cmocka_unit_test(test_ceilings),
    cmocka_unit_test(test_values),
    cmocka_unit_test(test_formats),
    cmocka_unit_test(test_patterns),
    cmocka_unit_test(test_work_is_bounded),
};

UNIT_MAIN(tests)
