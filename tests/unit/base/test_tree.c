/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/tree.h"

static struct tree number(const char *text)
{
    return (struct tree){ .kind = TREE_NUMBER, .text = span_of(text) };
}

static void test_integers_are_read_exactly(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {
        { "0", 0 },
        { "-0", 0 },
        { "42", 42 },
        { "-7", -7 },
        { "1.0", 1 },
        { "1e3", 1000 },
        { "1E+3", 1000 },
        { "1.50e1", 15 },
        { "10e-1", 1 },
        { "120.0e-1", 12 },
        { "0e999999999999999999999999", 0 },
        { "0.000", 0 },
        { "9223372036854775807", INT64_MAX },
        { "-9223372036854775808", INT64_MIN },
        { "9223372036854775807.000", INT64_MAX },
        { "0.0000000000000000000000000000012e31", 12 },
        { "9007199254740993", INT64_C(9007199254740993) }, /* not a double */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tree t = number(rows[i].text);
        int64_t value = -99;

        assert_true(tree_read_int(&t, &value));
        assert_int_equal(value, rows[i].value);
        assert_int_equal(tree_int(&t, rows[i].value == 5 ? 6 : 5), rows[i].value);
    }
}

static void test_what_is_no_integer_gives_the_fallback(void **state)
{
    static const char *const texts[] = {
        "1.5",
        "1e-1",
        "9223372036854775808",
        "-9223372036854775809",
        "1e19",
        "1e999999",
        "1e99999999999999999999",
        "-1e999999",
        "1e-999999",
        "",
        "-",
        ".",
        "abc",
        "1x",
        "1e",
        "1e+",
        "0x10",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct tree t = number(texts[i]);

        assert_int_equal(tree_int(&t, -99), -99);
    }
    assert_int_equal(tree_int(NULL, 3), 3);
    assert_int_equal(tree_int(&(struct tree){ .kind = TREE_STRING, .text = span_of("1") }, 3), 3);
}

static void test_doubles(void **state)
{
    struct tree half = number("-0.5"), huge = number("1e999999"), tiny = number("1e-999999"),
                junk = number("1x");

    assert_true(tree_double(&half, 1) == -0.5);
    assert_true(tree_double(&huge, 7) == 7);
    assert_true(tree_double(&tiny, 7) == 0);
    assert_true(tree_double(&junk, 7) == 7);
    assert_true(tree_double(NULL, 7) == 7);
}

static void test_members_and_elements(void **state)
{
    struct tree c = { .kind = TREE_BOOL, .is_true = true, .key = span_of("c") };
    struct tree b2 = { .kind = TREE_STRING, .text = span_make("x\0y", 3), .key = span_of("b2") };
    struct tree b = { .kind = TREE_OBJECT, .child = &c, .count = 1, .key = span_of("b"), .next = &b2 };
    struct tree a = { .kind = TREE_OBJECT, .child = &b, .count = 2 };
    struct tree list = { .kind = TREE_ARRAY, .child = &b, .count = 2 };

    assert_ptr_equal(tree_get(&a, "b2"), &b2);
    assert_null(tree_get(&a, "bb"));
    assert_null(tree_get(&list, "b"));
    assert_null(tree_get(NULL, "b"));
    assert_ptr_equal(tree_path(&a, "b", "c", NULL), &c);
    assert_null(tree_path(&a, "x", "c", NULL));
    assert_ptr_equal(tree_at(&list, 1), &b2);
    assert_null(tree_at(&list, 2));
    assert_null(tree_at(&a, 0));
    assert_true(tree_bool(&c, false));
    assert_true(tree_bool(NULL, true));
    assert_string_equal(tree_string(&b2, "else"), "else"); /* a NUL inside */
    assert_int_equal(tree_span(&b2).len, 3);
    assert_null(tree_span(&c).ptr);
    assert_true(tree_is_string(&(struct tree){ .kind = TREE_STRING, .text = span_of("hi") }, "hi"));
    assert_false(tree_is_string(&b2, "x"));
    assert_false(tree_is_string(NULL, "x"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_integers_are_read_exactly),
    cmocka_unit_test(test_what_is_no_integer_gives_the_fallback),
    cmocka_unit_test(test_doubles),
    cmocka_unit_test(test_members_and_elements),
};

UNIT_MAIN(tests)
