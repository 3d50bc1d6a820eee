/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/buf.h"
#include "core/base/err.h"

static void test_grows_and_terminates(void **state)
{
    struct buf b = BUF_INIT(100);

    assert_string_equal(buf_text(&b), "");
    assert_int_equal(buf_printf(&b, "%d-%s", 7, "x"), 0);
    assert_int_equal(buf_add_char(&b, '!'), 0);
    assert_string_equal(buf_text(&b), "7-x!");
    buf_drop(&b, 2);
    assert_string_equal(buf_text(&b), "x!");
    buf_done(&b);
}

static void test_refuses_to_pass_its_ceiling(void **state)
{
    struct buf b = BUF_INIT(4);

    assert_int_equal(buf_add_text(&b, "1234"), 0);
    assert_int_equal(buf_add_char(&b, '5'), -ERR_TOO_LARGE);
    assert_string_equal(buf_text(&b), "1234");
    buf_drop(&b, 4);
    assert_null(buf_reserve(&b, 5));
    assert_non_null(buf_reserve(&b, 4));
    buf_done(&b);
}

static void test_take_hands_over(void **state)
{
    struct buf b = BUF_INIT(SIZE_MAX);
    char *text;

    buf_add(&b, "a\0b", 3);
    text = buf_take(&b);
    assert_memory_equal(text, "a\0b", 4);
    assert_int_equal(b.len, 0);
    free(text);
    text = buf_take(&b);
    assert_string_equal(text, "");
    free(text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_grows_and_terminates),
    cmocka_unit_test(test_refuses_to_pass_its_ceiling),
    cmocka_unit_test(test_take_hands_over),
};

UNIT_MAIN(tests)
