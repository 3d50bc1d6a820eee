/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/clock.h"
#include "core/base/err.h"

static void check(int64_t ms, const char *want)
{
    char text[CLOCK_TEXT];
    int64_t back = -1;

    clock_text(ms, text);
    assert_string_equal(text, want);
    assert_int_equal(clock_parse(want, &back), 0);
    assert_true(back == ms);
}

static void test_text_both_ways(void **state)
{
    check(0, "1970-01-01T00:00:00.000Z");
    check(951827696123, "2000-02-29T12:34:56.123Z");
    check(1795309323456, "2026-11-22T01:02:03.456Z");
    check(253402300799999, "9999-12-31T23:59:59.999Z");
}

static void test_out_of_range_is_clamped(void **state)
{
    char text[CLOCK_TEXT];

    clock_text(-1, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_text(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2026-11-22",
        "2026-11-22T01:02:03Z",
        "2026-11-22T01:02:03.456",
        "2026-11-22T01:02:03.456Z ",
        "2026-11-22 01:02:03.456Z",
        "2026-11-22T01:02:03,456Z",
        "2026-1x-22T01:02:03.456Z",
        "2026-13-22T01:02:03.456Z",
        "2026-00-22T01:02:03.456Z",
        "2026-02-29T01:02:03.456Z",
        "2026-11-22T24:00:00.000Z",
        "2026-11-22T01:60:00.000Z",
        "2026-11-22T01:02:60.000Z",
        "1969-12-31T23:59:59.999Z",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms = 42;

        assert_int_equal(clock_parse(bad[i], &ms), -ERR_INVALID);
        assert_true(ms == 42);
    }
}

static void test_clocks_go_forward(void **state)
{
    int64_t us = clock_mono_us(), ms = clock_mono_ms();

    assert_true(ms >= us / 1000);
    assert_true(clock_mono_us() >= us);
    assert_true(clock_wall_ms() > INT64_C(1700000000000));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_text_both_ways),
    cmocka_unit_test(test_out_of_range_is_clamped),
    cmocka_unit_test(test_refused),
    cmocka_unit_test(test_clocks_go_forward),
};

UNIT_MAIN(tests)
