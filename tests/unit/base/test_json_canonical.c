/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/json_canonical.h"

static void same(const char *json, const char *want)
{
    struct arena arena = ARENA_INIT(1024 * 1024);
    struct buf out = BUF_INIT(1024 * 1024);
    const struct tree *tree = NULL;
    struct json_writer w;
    struct err err = { 0 };

    assert_int_equal(json_parse(span_of(json), &arena, &tree, &err), 0);
    json_begin(&w, &out);
    json_canonical(&w, tree);
    assert_int_equal(json_end(&w, &err), 0);
    assert_string_equal(buf_text(&out), want);
    buf_done(&out);
    arena_done(&arena);
}

static void test_spelling(void **state)
{
    same(" { \"b\" : [ 1.0 , true ],\n\"a\": null, \"B\": {} } ", "{\"B\":{},\"a\":null,\"b\":[1,true]}");
    same("{\"aa\":1,\"a\":2,\"\":3}", "{\"\":3,\"a\":2,\"aa\":1}");
    same("[1e2, -0, 1.50, 1.5, 9223372036854775807]", "[100,0,1.50,1.5,9223372036854775807]");
    same("\"\\u0041\\/\"", "\"A/\"");
}

/* Numbers beyond 64 bits are not rounded into each other. */
static void test_large_numbers(void **state)
{
    same("[9223372036854775808, 9223372036854775809]", "[9223372036854775808,9223372036854775809]");
    same("[1e400]", "[1e400]");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_spelling),
    cmocka_unit_test(test_large_numbers),
};

UNIT_MAIN(tests)
