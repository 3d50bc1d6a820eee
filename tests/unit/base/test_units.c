/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/err.h"
#include "core/base/units.h"

typedef int parse_fn(struct span text, int64_t *ret);

struct row {
    const char *text;
    int64_t value; /* or the negative code */
    int result;
};

#define ROWS(name) name, sizeof(name) / sizeof(name[0])

static void check(parse_fn *parse, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = -77;
        int r = parse(span_of(rows[i].text), &value);

        if (r != rows[i].result || value != (r == 0 ? rows[i].value : -77))
            fail_msg("'%s': result %d, value %lld", rows[i].text, r, (long long) value);
    }
}

static void test_sizes(void **state)
{
    int64_t value;
    static const struct row rows[] = {
        { "0", 0, 0 },
        { "512", 512, 0 },
        { "512b", 512, 0 },
        { "512B", 512, 0 },
        { "64k", 65536, 0 },
        { "64kb", 65536, 0 },
        { "64KiB", 65536, 0 },
        { "64KIB", 65536, 0 },
        { "1g", 1073741824, 0 },
        { "1.5m", 1572864, 0 },
        { "0.5k", 512, 0 },
        { "0.3k", 307, 0 },
        { "2t", INT64_C(2) << 40, 0 },
        { "1.000000000000000000k", 1024, 0 },
        { "9223372036854775807", INT64_MAX, 0 },
        { "9007199254740993", INT64_C(9007199254740993), 0 },
        { "8388607.99t", INT64_C(9223372025859659530), 0 },
        { "8388608t", 0, -ERR_TOO_LARGE },
        { "9223372036854775808", 0, -ERR_TOO_LARGE },
        { "99999999999999999999999999999g", 0, -ERR_TOO_LARGE },
        { "99999999999999999999999999999x", 0, -ERR_INVALID },
        { "1.0000000000000000000k", 0, -ERR_INVALID },
        { "", 0, -ERR_INVALID },
        { "k", 0, -ERR_INVALID },
        { "-1", 0, -ERR_INVALID },
        { "+1", 0, -ERR_INVALID },
        { "1 g", 0, -ERR_INVALID },
        { " 1g", 0, -ERR_INVALID },
        { "1g ", 0, -ERR_INVALID },
        { "1.g", 0, -ERR_INVALID },
        { ".5g", 0, -ERR_INVALID },
        { "1..5g", 0, -ERR_INVALID },
        { "1gg", 0, -ERR_INVALID },
        { "1ki", 0, -ERR_INVALID },
        { "0x10", 0, -ERR_INVALID },
        { "1e3", 0, -ERR_INVALID },
        { "1,5m", 0, -ERR_INVALID },
    };

    check(units_size, ROWS(rows));
    assert_int_equal(units_size(span_make("1\0", 2), &value), -ERR_INVALID);
    assert_int_equal(units_size(span_make("1k\0zzz", 6), &value), -ERR_INVALID);
}

static void test_durations(void **state)
{
    static const struct row rows[] = {
        { "0", 0, 0 },
        { "90", 90000, 0 },
        { "0.5", 500, 0 },
        { "250ms", 250, 0 },
        { "30s", 30000, 0 },
        { "10m", 600000, 0 },
        { "1h", 3600000, 0 },
        { "2d", 172800000, 0 },
        { "1h30m", 5400000, 0 },
        { "1H30M", 5400000, 0 },
        { "1d2h3m4s5ms", 93784005, 0 },
        { "1.5h", 5400000, 0 },
        { "1s500ms", 1500, 0 },
        { "0.0001", 0, 0 },
        { "9223372036854775807ms", INT64_MAX, 0 },
        { "9223372036854776s", 0, -ERR_TOO_LARGE },
        { "9223372036854775s808ms", 0, -ERR_TOO_LARGE },
        { "9223372036854775s807ms", INT64_MAX, 0 },
        { "30m1h", 0, -ERR_INVALID },
        { "1h1h", 0, -ERR_INVALID },
        { "1h30", 0, -ERR_INVALID },
        { "1h 30m", 0, -ERR_INVALID },
        { "h", 0, -ERR_INVALID },
        { "", 0, -ERR_INVALID },
        { "-1s", 0, -ERR_INVALID },
        { "1w", 0, -ERR_INVALID },
        { "1min", 0, -ERR_INVALID },
    };

    check(units_duration, ROWS(rows));
}

static void test_counts_and_money(void **state)
{
    static const struct row counts[] = {
        { "100", 100, 0 },
        { "2m", 2000000, 0 },
        { "500k", 500000, 0 },
        { "1.5M", 1500000, 0 },
        { "1g", 1000000000, 0 },
        { "1.9999", 1, 0 },
        { "10000000000g", 0, -ERR_TOO_LARGE },
        { "2mb", 0, -ERR_INVALID },
        { "", 0, -ERR_INVALID },
        { "-2m", 0, -ERR_INVALID },
    };
    static const struct row money[] = {
        { "5.00", 5000000, 0 },
        { "0.125", 125000, 0 },
        { "5", 5000000, 0 },
        { "0.0000019", 1, 0 },
        { "$5", 0, -ERR_INVALID },
        { "5k", 0, -ERR_INVALID },
        { "-1", 0, -ERR_INVALID },
        { "", 0, -ERR_INVALID },
        { "9223372036854.775807", INT64_MAX, 0 },
        { "9223372036854.775808", 0, -ERR_TOO_LARGE },
    };

    check(units_count, ROWS(counts));
    check(units_money, ROWS(money));
}

static void test_integers(void **state)
{
    int64_t value = -77;

    assert_int_equal(units_int(span_of("-9223372036854775808"), INT64_MIN, INT64_MAX, &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(units_int(span_of("9223372036854775807"), INT64_MIN, INT64_MAX, &value), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(units_int(span_of("007"), 0, 10, &value), 0);
    assert_int_equal(value, 7);
    assert_int_equal(units_int(span_of("11"), 0, 10, &value), -ERR_TOO_LARGE);
    assert_int_equal(units_int(span_of("-1"), 0, 10, &value), -ERR_TOO_LARGE);
    assert_int_equal(units_int(span_of("9223372036854775808"), INT64_MIN, INT64_MAX, &value), -ERR_TOO_LARGE);
    assert_int_equal(units_int(span_of("-9223372036854775809"), INT64_MIN, INT64_MAX, &value),
                     -ERR_TOO_LARGE);
    assert_int_equal(units_int(span_of(""), 0, 10, &value), -ERR_INVALID);
    assert_int_equal(units_int(span_of("-"), 0, 10, &value), -ERR_INVALID);
    assert_int_equal(units_int(span_of("+1"), 0, 10, &value), -ERR_INVALID);
    assert_int_equal(units_int(span_of(" 1"), 0, 10, &value), -ERR_INVALID);
    assert_int_equal(units_int(span_of("1\n"), 0, 10, &value), -ERR_INVALID);
    assert_int_equal(units_int(span_make("1\0", 2), 0, 10, &value), -ERR_INVALID);
    assert_int_equal(value, 7);
}

static void test_octal(void **state)
{
    uint32_t value = 77;

    assert_int_equal(units_octal(span_of("0644"), 07777, &value), 0);
    assert_int_equal(value, 0644);
    assert_int_equal(units_octal(span_of("755"), 07777, &value), 0);
    assert_int_equal(value, 0755);
    assert_int_equal(units_octal(span_of("37777777777"), UINT32_MAX, &value), 0);
    assert_true(value == UINT32_MAX);
    assert_int_equal(units_octal(span_of("40000000000"), UINT32_MAX, &value), -ERR_TOO_LARGE);
    assert_int_equal(units_octal(span_of("7777777777777777777777777777777"), UINT32_MAX, &value),
                     -ERR_TOO_LARGE);
    assert_int_equal(units_octal(span_of("10000"), 07777, &value), -ERR_TOO_LARGE);
    assert_int_equal(units_octal(span_of("8"), 07777, &value), -ERR_INVALID);
    assert_int_equal(units_octal(span_of("0o644"), 07777, &value), -ERR_INVALID);
    assert_int_equal(units_octal(span_of(""), 07777, &value), -ERR_INVALID);
}

typedef const char *format_fn(char out[32], int64_t value);

static void check_format(format_fn *format, int64_t value, const char *text)
{
    char out[32];

    assert_string_equal(format(out, value), text);
}

static void test_texts_for_people(void **state)
{
    check_format(units_write_size, 0, "0");
    check_format(units_write_size, 1000, "1000");
    check_format(units_write_size, 65536, "64k");
    check_format(units_write_size, 1536 << 20, "1536m");
    check_format(units_write_size, 1 << 30, "1g");
    check_format(units_write_size, INT64_C(3) << 50, "3072t");
    check_format(units_format_size, 0, "0 B");
    check_format(units_format_size, 1023, "1023 B");
    check_format(units_format_size, 65536, "64 KiB");
    check_format(units_format_size, 1536, "1.5 KiB");
    check_format(units_format_size, 1073741823, "1023.9 MiB");
    check_format(units_format_size, INT64_MAX, "8388607.9 TiB");
    check_format(units_format_size, -1, "-1 B");
    check_format(units_format_duration, 0, "0 ms");
    check_format(units_format_duration, 999, "999 ms");
    check_format(units_format_duration, 1500, "1.5 s");
    check_format(units_format_duration, 30000, "30 s");
    check_format(units_format_duration, 59999, "59.9 s");
    check_format(units_format_duration, 60000, "1m");
    check_format(units_format_duration, 123000, "2m 3s");
    check_format(units_format_duration, 5400000, "1h 30m");
    check_format(units_format_duration, 90000000, "1d 1h");
    check_format(units_format_duration, INT64_MAX, "106751991167d 7h");
    check_format(units_format_count, 999, "999");
    check_format(units_format_count, 1234, "1.2k");
    check_format(units_format_count, 3400000, "3.4m");
    check_format(units_format_count, INT64_MAX, "9223372036.8g");
    check_format(units_format_money, 0, "$0.00");
    check_format(units_format_money, 1200, "$0.0012");
    check_format(units_format_money, 5000000, "$5.00");
    check_format(units_format_money, 1500000, "$1.50");
    check_format(units_format_money, 1, "$0.000001");
    check_format(units_format_money, INT64_MAX, "$9223372036854.775807");
    check_format(units_format_money, -1500000, "-$1.50");
    check_format(units_format_money, INT64_MIN, "-$9223372036854.775808");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_sizes),
    cmocka_unit_test(test_durations),
    cmocka_unit_test(test_counts_and_money),
    cmocka_unit_test(test_integers),
    cmocka_unit_test(test_octal),
    cmocka_unit_test(test_texts_for_people),
};

UNIT_MAIN(tests)
