/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/json.h"

#include <stdio.h>

#define FFFD "\xEF\xBF\xBD"

static struct arena arena = ARENA_INIT(256 << 20);
static struct err err;

static int drop_arena(void **state)
{
    arena_done(&arena);
    return 0;
}

static const struct tree *parse_span(struct span text)
{
    const struct tree *t = NULL;

    memset(&err, 0, sizeof(err));
    if (json_parse(text, &arena, &t, &err) < 0)
        fail_msg("%.100s: %s", text.ptr, err.text);
    assert_non_null(t);
    return t;
}

static const struct tree *parse(const char *text)
{
    return parse_span(span_of(text));
}

static void check_refused(const char *text, const char *message)
{
    const struct tree *t = NULL;

    memset(&err, 0, sizeof(err));
    assert_int_equal(json_parse(span_of(text), &arena, &t, &err), -ERR_INVALID);
    assert_string_equal(err.text, message);
    assert_null(t);
}

static void check_raw(const struct tree *t, enum tree_kind kind, const char *raw)
{
    assert_non_null(t);
    assert_int_equal(t->kind, kind);
    assert_int_equal(t->raw.len, strlen(raw));
    assert_memory_equal(t->raw.ptr, raw, t->raw.len);
}

static void check_text(const struct tree *t, const char *text, size_t len)
{
    assert_int_equal(t->text.len, len);
    assert_memory_equal(t->text.ptr, text, len + 1);
}

static void test_top_level_values_keep_their_bytes(void **state)
{
    check_raw(parse("12"), TREE_NUMBER, "12");
    check_raw(parse(" \t-1.5e+3\r\n"), TREE_NUMBER, "-1.5e+3");
    check_raw(parse("0 "), TREE_NUMBER, "0");
    check_raw(parse("true"), TREE_BOOL, "true");
    check_raw(parse(" false "), TREE_BOOL, "false");
    check_raw(parse("null\n"), TREE_NULL, "null");
    check_raw(parse("\"\""), TREE_STRING, "\"\"");
    check_raw(parse(" \"a\\u00e9\\\"\" "), TREE_STRING, "\"a\\u00e9\\\"\"");
    check_raw(parse(" [ ] "), TREE_ARRAY, "[ ]");
    check_raw(parse("{\n}"), TREE_OBJECT, "{\n}");
    assert_true(parse("true")->is_true);
    assert_false(parse("false")->is_true);
}

static void test_nested_values_keep_their_bytes_and_places(void **state)
{
    const char *text =
        "{ \"a\" : [1 ,-2.50, \"x,y:z\",\n  {\"b\":null , \"c\" : [ [] ,{}]} ],\n\"d\\n\":false }";
    const struct tree *t = parse(text), *a = tree_get(t, "a"), *inner = tree_at(a, 3);

    check_raw(t, TREE_OBJECT, text);
    assert_int_equal(t->count, 2);
    check_raw(a, TREE_ARRAY, "[1 ,-2.50, \"x,y:z\",\n  {\"b\":null , \"c\" : [ [] ,{}]} ]");
    check_raw(tree_at(a, 0), TREE_NUMBER, "1");
    check_raw(tree_at(a, 1), TREE_NUMBER, "-2.50");
    check_raw(tree_at(a, 2), TREE_STRING, "\"x,y:z\"");
    check_raw(inner, TREE_OBJECT, "{\"b\":null , \"c\" : [ [] ,{}]}");
    check_raw(tree_get(inner, "b"), TREE_NULL, "null");
    check_raw(tree_get(inner, "c"), TREE_ARRAY, "[ [] ,{}]");
    check_raw(tree_at(tree_get(inner, "c"), 1), TREE_OBJECT, "{}");
    check_raw(tree_get(t, "d\n"), TREE_BOOL, "false");
    assert_int_equal(inner->pos.line, 2);
    assert_int_equal(inner->pos.column, 3);
    assert_int_equal(tree_get(t, "d\n")->key_pos.line, 3);
    assert_int_equal(tree_get(t, "d\n")->key_pos.column, 1);
    assert_int_equal(tree_get(t, "d\n")->pos.column, 7);
    assert_string_equal(tree_get(t, "d\n")->key.ptr, "d\n");
}

static void test_strings_are_decoded(void **state)
{
    check_text(parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\/\b\f\n\r\t", 8);
    check_text(parse("\"a\\u0000b\""), "a\0b", 3);
    check_text(parse("\"\\u00e9\\u20AC\\ud83d\\uDE00\""), "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9);
    check_text(parse("\"\xF0\x9F\x98\x80\""), "\xF0\x9F\x98\x80", 4);
    check_text(parse("\"\""), "", 0);
    check_text(tree_get(parse("{\"\":\"k\"}"), ""), "k", 1);
    assert_true(span_equal(parse("{\"a\\u0000b\":1}")->child->key, span_make("a\0b", 3)));
}

static void test_lone_surrogates_become_replacements(void **state)
{
    check_text(parse("\"\\ud800\""), FFFD, 3);
    check_text(parse("\"\\ud800x\""), FFFD "x", 4);
    check_text(parse("\"\\udc00y\""), FFFD "y", 4);
    check_text(parse("\"\\ud800\\u0041\""), FFFD "A", 4);
    check_text(parse("\"\\ud800\\n\""), FFFD "\n", 4);
    check_text(parse("\"\\ud800\\ud83d\\ude00\""), FFFD "\xF0\x9F\x98\x80", 7);
    check_text(parse("\"\\udc00\\ud800\""), FFFD FFFD, 6);
}

static void test_mistakes_are_named_with_their_place(void **state)
{
    check_refused("", "an empty text where JSON was expected");
    check_refused(" \n\t", "an empty text where JSON was expected");
    check_refused("[1,,2]", "line 1, column 4: a value is missing here");
    check_refused("[1,]", "line 1, column 4: a value is missing here");
    check_refused("]", "line 1, column 1: a value is missing here");
    check_refused("[1\n 2]", "line 2, column 2: a ',' or ']' is missing after an element");
    check_refused("[1}", "line 1, column 3: a ',' or ']' is missing after an element");
    check_refused("{\"a\":1 \"b\":2}", "line 1, column 8: a ',' or '}' is missing after a member");
    check_refused("{\"a\":1,}", "line 1, column 8: a key must be a string in double quotes");
    check_refused("{a:1}", "line 1, column 2: a character that cannot begin a value");
    check_refused("{1:2}", "line 1, column 2: a key must be a string in double quotes");
    check_refused("{\"a\" \"b\"}", "line 1, column 6: a ':' is missing between key and value");
    check_refused("{\"a\":}", "line 1, column 6: a value is missing here");
    check_refused("{\"a\":1", "line 1, column 7: the text ends in the middle of a value");
    check_refused("[1,", "line 1, column 4: the text ends in the middle of a value");
    check_refused("\"abc", "line 1, column 5: the text ends in the middle of a value");
    check_refused("\"abc\\", "line 1, column 6: '\\' must be followed by one of \"\\/bfnrtu");
    check_refused("1 2", "line 1, column 3: there is something after the end of the value");
    check_refused("{}\n\n{}", "line 3, column 1: there is something after the end of the value");
    check_refused("[1]]", "line 1, column 4: there is something after the end of the value");
    check_refused("tru", "line 1, column 4: a word that is not true, false or null");
    check_refused("[nulx]", "line 1, column 5: a word that is not true, false or null");
    check_refused("NaN", "line 1, column 1: a character that cannot begin a value");
    check_refused("-", "line 1, column 2: a digit is missing after the '-' of a number");
    check_refused("[1.]", "line 1, column 4: a digit is missing after the point of a number");
    check_refused("[1e+]", "line 1, column 5: a digit is missing after the exponent of a number");
    check_refused("[01]", "line 1, column 3: a ',' or ']' is missing after an element");
    check_refused("[+1]", "line 1, column 2: a character that cannot begin a value");
    check_refused("/* c */ 1", "line 1, column 1: comments are not allowed in JSON");
    check_refused("[1] // c", "line 1, column 5: there is something after the end of the value");
    check_refused("'a'", "line 1, column 1: a character that cannot begin a value");
    check_refused("\xEF\xBB\xBF{}", "line 1, column 1: a character that cannot begin a value");
}

static void test_only_the_blanks_of_json_are_blanks(void **state)
{
    check_refused("\f5", "line 1, column 1: a character that cannot begin a value");
    check_refused("[1,\v2]", "line 1, column 4: a character that cannot begin a value");
    check_refused("[1\f,2]", "line 1, column 3: a character that cannot begin a value");
    check_refused("{\"a\"\v:1}", "line 1, column 5: a character that cannot begin a value");
    check_refused("{\f\"a\":1}", "line 1, column 2: a character that cannot begin a value");
    check_refused("[\f]", "line 1, column 2: a character that cannot begin a value");
    check_refused("[1] \v", "line 1, column 5: there is something after the end of the value");
    check_refused("5\f", "line 1, column 2: there is something after the end of the value");
}

static void test_bad_strings_are_refused(void **state)
{
    check_refused("\"a\\x\"", "line 1, column 3: '\\' must be followed by one of \"\\/bfnrtu");
    check_refused("\"\\u12g4\"", "line 1, column 6: '\\u' must be followed by four hex digits");
    check_refused("\"a\nb\"", "line 1, column 3: a control character in a string must be escaped");
    check_refused("[\n\"ok\xC3\xA9\", \"\xC0\x80\"]", "line 2, column 10: bytes that are not UTF-8");
    check_refused("\"\xED\xA0\x80\"", "line 1, column 2: bytes that are not UTF-8");
    check_refused("\xFF", "line 1, column 1: bytes that are not UTF-8");
}

static void test_a_nul_outside_a_string_is_refused(void **state)
{
    const struct tree *t;

    assert_int_equal(json_parse(span_make("[1]\0", 4), &arena, &t, &err), -ERR_INVALID);
    assert_int_equal(json_parse(span_make("\0", 1), &arena, &t, &err), -ERR_INVALID);
    assert_int_equal(json_parse(span_make("[\0]", 3), &arena, &t, &err), -ERR_INVALID);
}

static void test_duplicate_keys_are_refused(void **state)
{
    struct buf text = BUF_INIT(1 << 20);

    check_refused("{\"a\":1,\"b\":2,\"a\":3}", "line 1, column 14: duplicate key 'a'");
    check_refused("[{\"x\":{\"a\":1,\n\"\\u0061\":2}}]", "line 2, column 1: duplicate key 'a'");
    check_refused("{\"\":1,\"\":2}", "line 1, column 7: duplicate key ''");
    assert_non_null(parse("{\"a\":{\"a\":{\"a\":1}},\"A\":2,\"a\\u0000\":3}"));

    buf_add_text(&text, "{\"k0\":0");
    for (int i = 1; i < 20000; i++)
        buf_printf(&text, ",\"k%d\":%d", i, i);
    buf_add_text(&text, "}");
    assert_int_equal(parse_span(buf_span(&text))->count, 20000);
    text.len--;
    buf_add_text(&text, ",\n\"k77\":1,\"k5\":1}");
    check_refused(buf_text(&text), "line 2, column 1: duplicate key 'k77'");
    buf_done(&text);
}

static void nest(struct buf *b, const char *open, int times)
{
    buf_clear(b);
    for (int i = 0; i < times; i++)
        buf_add_text(b, open);
}

/* Looking for the place of each value from the start of its line once took a minute for such a text. */
static void test_many_values_on_one_line(void **state)
{
    struct buf text = BUF_INIT(16 << 20);
    const struct tree *t;

    buf_add_text(&text, "[0");
    for (int i = 1; i < 500000; i++)
        buf_add_text(&text, ",0");
    buf_add_text(&text, "]");
    t = parse_span(buf_span(&text));
    assert_int_equal(t->count, 500000);
    assert_int_equal(tree_at(t, 499999)->pos.column, 1000000);
    buf_done(&text);
}

static void test_depth_is_limited_to_100(void **state)
{
    struct buf text = BUF_INIT(16 << 20);

    nest(&text, "[", 100);
    for (int i = 0; i < 100; i++)
        buf_add_char(&text, ']');
    assert_non_null(parse_span(buf_span(&text)));
    nest(&text, "[", 101);
    check_refused(buf_text(&text), "line 1, column 101: nested deeper than 100 levels");
    nest(&text, "{\"a\":", 101);
    check_refused(buf_text(&text), "line 1, column 501: nested deeper than 100 levels");
    nest(&text, "[", 10 << 20);
    check_refused(buf_text(&text), "line 1, column 101: nested deeper than 100 levels");
    buf_done(&text);
}

static void test_a_string_of_10_mb(void **state)
{
    const size_t len = 10 << 20;
    char *text = malloc(len + 2);
    const struct tree *t;

    memset(text, 'x', len + 2);
    text[0] = text[len + 1] = '"';
    t = parse_span(span_make(text, len + 2));
    assert_int_equal(t->text.len, len);
    assert_int_equal(t->raw.len, len + 2);
    memcpy(text + 1, "\\n", 2); /* now one that has to be decoded */
    t = parse_span(span_make(text, len + 2));
    assert_int_equal(t->text.len, len - 1);
    assert_int_equal(t->text.ptr[0], '\n');
    free(text);
}

static void test_the_arena_bounds_the_tree(void **state)
{
    struct arena small = ARENA_INIT(1000);
    const struct tree *t;

    assert_int_equal(json_parse(span_of("[0,0,0,0,\n0,0,0,0,0,0]"), &small, &t, &err), -ERR_TOO_LARGE);
    assert_string_equal(err.text, "line 2, column 9: the document needs more than 1000 bytes of memory");
    arena_done(&small);
}

static void test_numbers_keep_their_text(void **state)
{
    const struct tree *t = parse("[1e999999, 123456789012345678901234567890, 0.10, -0]");

    check_text(tree_at(t, 0), "1e999999", 8);
    assert_int_equal(tree_int(tree_at(t, 0), -1), -1);
    assert_true(tree_double(tree_at(t, 0), -1) == -1);
    assert_int_equal(tree_int(tree_at(t, 1), -1), -1);
    check_text(tree_at(t, 2), "0.10", 4);
    check_text(tree_at(t, 3), "-0", 2);
}

static void check_written(struct json_writer *w, struct buf *out, const char *text)
{
    assert_int_equal(json_end(w, &err), 0);
    assert_string_equal(buf_text(out), text);
    buf_done(out);
}

static void test_writes_every_kind(void **state)
{
    struct buf out = BUF_INIT(1000);
    struct json_writer w;

    json_begin(&w, &out);
    json_object(&w);
    json_put_string(&w, "s", "a\"\\\n\r\t\b\f\x01\x7F/");
    json_put_string(&w, "none", NULL);
    json_put_span(&w, "nul", span_make("a\0b", 3));
    json_put_int(&w, "min", INT64_MIN);
    json_put_bool(&w, "yes", true);
    json_put_double(&w, "d", 0.1);
    json_put_raw(&w, "raw", span_of("[1, 2]"));
    json_key(&w, "list");
    json_array(&w);
    json_null(&w);
    json_bool(&w, false);
    json_object(&w);
    json_object_end(&w);
    json_array(&w);
    json_array_end(&w);
    json_array_end(&w);
    json_object_end(&w);
    check_written(&w, &out,
                  "{\"s\":\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\x7F/\",\"none\":null,\"nul\":\"a\\u0000b\","
                  "\"min\":-9223372036854775808,\"yes\":true,\"d\":0.1,\"raw\":[1, 2],"
                  "\"list\":[null,false,{},[]]}");
}

static void test_writes_for_people(void **state)
{
    struct buf out = BUF_INIT(1000);
    struct json_writer w;

    json_begin(&w, &out);
    w.is_pretty = true;
    json_object(&w);
    json_put_int(&w, "a", 1);
    json_key(&w, "b");
    json_array(&w);
    json_int(&w, 2);
    json_object(&w);
    json_object_end(&w);
    json_array_end(&w);
    json_object_end(&w);
    check_written(&w, &out, "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    {}\n  ]\n}");
}

static void test_invalid_text_is_repaired(void **state)
{
    struct buf out = BUF_INIT(1000);
    struct json_writer w;

    json_begin(&w, &out);
    json_array(&w);
    json_string(&w, "a\xFF\xE2\x82z\xE2\x80\xA8");
    json_string(&w, "\xED\xA0\x80");
    json_array_end(&w);
    check_written(&w, &out, "[\"a" FFFD FFFD "z\xE2\x80\xA8\",\"" FFFD FFFD FFFD "\"]");
}

static void test_doubles_read_back(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        { 0.1, "0.1" },
        { 1.0, "1" },
        { 1e300, "1e+300" },
        { 1.0 / 3, "0.3333333333333333" },
        { -0.0, "-0" },
        { 5e-324, "4.94065645841247e-324" },
        { 0.1 + 0.2, "0.30000000000000004" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = BUF_INIT(100);
        struct json_writer w;

        json_begin(&w, &out);
        json_double(&w, rows[i].value);
        assert_true(strtod(buf_text(&out), NULL) == rows[i].value);
        check_written(&w, &out, rows[i].text);
    }
}

static void test_what_is_no_number_is_null(void **state)
{
    struct buf out = BUF_INIT(100);
    struct json_writer w;

    json_begin(&w, &out);
    json_array(&w);
    json_double(&w, strtod("inf", NULL));
    json_double(&w, strtod("nan", NULL));
    json_array_end(&w);
    check_written(&w, &out, "[null,null]");
}

static void test_a_full_buffer_is_reported_at_the_end(void **state)
{
    struct buf out = BUF_INIT(10);
    struct json_writer w;

    json_begin(&w, &out);
    json_array(&w);
    json_string(&w, "0123456789");
    json_array(&w);
    json_array_end(&w);
    json_array_end(&w);
    assert_int_equal(json_end(&w, &err), -ERR_TOO_LARGE);
    assert_string_equal(err.text, "a JSON text of more than 10 bytes");
    buf_done(&out);
}

static void test_too_deep_is_reported_at_the_end(void **state)
{
    struct buf out = BUF_INIT(1000);
    struct json_writer w;

    json_begin(&w, &out);
    for (int i = 0; i < 150; i++)
        json_array(&w);
    json_object(&w);
    json_put_int(&w, "a", 1);
    json_object_end(&w);
    for (int i = 0; i < 150; i++)
        json_array_end(&w);
    assert_int_equal(json_end(&w, &err), -ERR_TOO_LARGE);
    assert_string_equal(err.text, "JSON nested deeper than 100 levels");
    buf_done(&out);
}

static void test_the_deepest_tree_survives_a_level_more(void **state)
{
    struct buf text = BUF_INIT(1000), out = BUF_INIT(1000);
    struct json_writer w;
    const struct tree *t;

    nest(&text, "[", 100);
    for (int i = 0; i < 100; i++)
        buf_add_char(&text, ']');
    t = parse_span(buf_span(&text));
    json_begin(&w, &out);
    json_tree(&w, t);
    assert_int_equal(json_end(&w, &err), 0);
    assert_string_equal(buf_text(&out), buf_text(&text));
    buf_clear(&out);
    json_begin(&w, &out);
    json_array(&w);
    json_tree(&w, t);
    json_array_end(&w);
    assert_int_equal(json_end(&w, &err), -ERR_TOO_LARGE);
    buf_done(&text);
    buf_done(&out);
}

static void test_a_tree_is_written_again(void **state)
{
    const char *text = "{\"a\":[1,-2.5e3,\"x\\ny\\u0000\",null,true],\"b\":{\"\":{}}}";
    struct buf out = BUF_INIT(1000);
    struct json_writer w;

    json_begin(&w, &out);
    json_tree(&w, parse(text));
    check_written(&w, &out, text);
}

static void test_numbers_of_yaml_become_json(void **state)
{
    static const char *const texts[] = { "0644", "0x1F", ".5", "5.", "+1", "1_000",
                                         ".inf", "-",    "1e", "",   "1e+" };
    struct buf out = BUF_INIT(1000);
    struct json_writer w;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct tree t = { .kind = TREE_NUMBER, .text = span_of(texts[i]) };
        char quoted[32];

        snprintf(quoted, sizeof(quoted), "\"%s\"", texts[i]);
        json_begin(&w, &out);
        json_tree(&w, &t);
        check_written(&w, &out, quoted);
    }
}

static void armored(const char *json, const char *want, const char *want_yaml)
{
    struct buf out = BUF_INIT(4096);

    assert_int_equal(json_armor(&out, span_of(json)), 0);
    assert_string_equal(buf_text(&out), want);
    buf_clear(&out);
    assert_int_equal(json_armor_yaml(&out, span_of(json)), 0);
    assert_string_equal(buf_text(&out), want_yaml);
    buf_done(&out);
}

static void test_armor(void **state)
{
    armored("", "", "");
    armored("{\n\t\"a\": \"\xc3\xbc\"}\r\n", "{\n\t\"a\": \"\xc3\xbc\"} \n", "{\n\t\"a\": \"\xc3\xbc\"} \n");
    armored("[\"\x7f\xc2\x85\xe2\x80\xa8\"]", "[\"\\u007f\\u0085\\u2028\"]", "[\"\\u007f\\u0085\\u2028\"]");
    armored("[\"\xf3\xa0\x81\x81\"]", "[\"\\udb40\\udc41\"]", "[\"\xf3\xa0\x81\x81\"]");
    armored("[\"\xff\"]", "[\"\xef\xbf\xbd\"]", "[\"\xef\xbf\xbd\"]");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_armor),
    cmocka_unit_test_teardown(test_top_level_values_keep_their_bytes, drop_arena),
    cmocka_unit_test_teardown(test_nested_values_keep_their_bytes_and_places, drop_arena),
    cmocka_unit_test_teardown(test_strings_are_decoded, drop_arena),
    cmocka_unit_test_teardown(test_lone_surrogates_become_replacements, drop_arena),
    cmocka_unit_test_teardown(test_mistakes_are_named_with_their_place, drop_arena),
    cmocka_unit_test_teardown(test_only_the_blanks_of_json_are_blanks, drop_arena),
    cmocka_unit_test_teardown(test_bad_strings_are_refused, drop_arena),
    cmocka_unit_test_teardown(test_a_nul_outside_a_string_is_refused, drop_arena),
    cmocka_unit_test_teardown(test_duplicate_keys_are_refused, drop_arena),
    cmocka_unit_test_teardown(test_many_values_on_one_line, drop_arena),
    cmocka_unit_test_teardown(test_depth_is_limited_to_100, drop_arena),
    cmocka_unit_test_teardown(test_a_string_of_10_mb, drop_arena),
    cmocka_unit_test_teardown(test_the_arena_bounds_the_tree, drop_arena),
    cmocka_unit_test_teardown(test_numbers_keep_their_text, drop_arena),
    cmocka_unit_test_teardown(test_writes_every_kind, drop_arena),
    cmocka_unit_test_teardown(test_writes_for_people, drop_arena),
    cmocka_unit_test_teardown(test_invalid_text_is_repaired, drop_arena),
    cmocka_unit_test_teardown(test_doubles_read_back, drop_arena),
    cmocka_unit_test_teardown(test_what_is_no_number_is_null, drop_arena),
    cmocka_unit_test_teardown(test_a_full_buffer_is_reported_at_the_end, drop_arena),
    cmocka_unit_test_teardown(test_too_deep_is_reported_at_the_end, drop_arena),
    cmocka_unit_test_teardown(test_the_deepest_tree_survives_a_level_more, drop_arena),
    cmocka_unit_test_teardown(test_a_tree_is_written_again, drop_arena),
    cmocka_unit_test_teardown(test_numbers_of_yaml_become_json, drop_arena),
};

UNIT_MAIN(tests)
