/* SPDX-License-Identifier: MIT */
/* Two statements: where they differ first. */
#include "tests/unit/unit.h"

#include "core/base/err.h"
#include "core/run/statement.h"

#include <stdio.h>

static const char ours[] = "{\n"
                           "  \"a\": \"one\",\n"
                           "  \"list\": [\n"
                           "    {\n"
                           "      \"n\": 1,\n"
                           "      \"on\": true\n"
                           "    },\n"
                           "    2\n"
                           "  ],\n"
                           "  \"none\": null\n"
                           "}\n";

static void expect(const char *theirs, const char *text)
{
    struct statement_difference d;
    struct err err = { 0 };
    int64_t first = 0;

    while (theirs[first] && theirs[first] == ours[first])
        first++;
    assert_int_equal(statement_compare(span_of(theirs), span_of(ours), &d, &err), 1);
    assert_string_equal(d.text, text);
    assert_int_equal(d.offset, first);
}

/* `from` is replaced once. */
static void changed(const char *from, const char *to, const char *text)
{
    const char *at = strstr(ours, from);
    char theirs[1024];

    assert_non_null(at);
    snprintf(theirs, sizeof(theirs), "%.*s%s%s", (int) (at - ours), ours, to, at + strlen(from));
    expect(theirs, text);
}

static void test_the_same(void **state)
{
    struct statement_difference d;

    assert_int_equal(statement_compare(span_of(ours), span_of(ours), &d, NULL), 0);
    assert_string_equal(d.text, "");
}

static void test_values(void **state)
{
    changed("one", "two", "line 2: a: is \"two\", and the run says \"one\"");
    changed("1,", "2,", "line 5: list[0].n: is 2, and the run says 1");
    changed("true", "false", "line 6: list[0].on: is false, and the run says true");
    changed("null", "{}", "line 10: none: is an object, and the run says null");
    changed("2\n", "\"2\"\n", "line 8: list[1]: is \"2\", and the run says 2");
}

static void test_members(void **state)
{
    changed("\"a\"", "\"b\"", "line 2: it: has 'b' where the run says 'a'");
    changed(",\n  \"none\": null", "", "line 9: it: has no 'none'");
    changed("null\n", "null,\n  \"more\": 1\n", "line 10: it: has 'more', which the run does not say");
    changed(",\n    2", "", "line 7: list: has 1 elements, and the run says 2");
    changed("2\n", "2, 3\n", "line 8: list: has 3 elements, and the run says 2: 3 is too much");
}

static void test_layout(void **state)
{
    changed("\"a\": ", "\"a\" : ",
            "line 2: it says what the run says, but is not written as it was: blanks, escapes or numbers");
    changed("null\n}\n", "null\n}",
            "line 11: it says what the run says, but is not written as it was: its end is missing");
}

static void test_something_follows(void **state)
{
    char theirs[sizeof(ours) + 8];

    snprintf(theirs, sizeof(theirs), "%s \n", ours);
    expect(theirs, "line 12: it says what the run says, but is not written as it was: something follows");
}

static void test_no_statement(void **state)
{
    expect("", "line 1: it is no statement: an empty text where JSON was expected");
    changed("null\n", "nul\n",
            "line 10: it is no statement: line 10, column 14: a word that is not true, false or null");
    changed("\"one\"", "\"one",
            "line 2: it is no statement: line 2, column 13: a control character in a string must be escaped");
}

/* Whatever byte of it is another one. */
static void test_every_byte(void **state)
{
    struct statement_difference d;
    char theirs[sizeof(ours)];

    for (size_t i = 0; i < sizeof(ours) - 1; i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(theirs, ours, sizeof(ours));
            theirs[i] = (char) (theirs[i] ^ 1 << bit);
            assert_int_equal(statement_compare(span_make(theirs, sizeof(ours) - 1), span_of(ours), &d, NULL),
                             1);
            assert_true(d.text[0] && d.offset >= 0 && d.offset <= (int64_t) i);
        }
}

static void test_long_values_are_cut(void **state)
{
    struct statement_difference d;
    char theirs[2048] = "[\"", want[256];

    memset(theirs + 2, 'x', 1000);
    memcpy(theirs + 1002, "\"]", 3);
    assert_int_equal(statement_compare(span_of(theirs), span_of("[1]"), &d, NULL), 1);
    snprintf(want, sizeof(want), "line 1: [0]: is \"%.79s..., and the run says 1", theirs + 2);
    assert_string_equal(d.text, want);
}

static void test_ours_must_be_json(void **state)
{
    struct statement_difference d;
    struct err err = { 0 };

    assert_int_equal(statement_compare(span_of("{}"), span_of("{"), &d, &err), -ERR_INTERNAL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_same),          cmocka_unit_test(test_values),
    cmocka_unit_test(test_members),           cmocka_unit_test(test_layout),
    cmocka_unit_test(test_something_follows), cmocka_unit_test(test_no_statement),
    cmocka_unit_test(test_every_byte),        cmocka_unit_test(test_long_values_are_cut),
    cmocka_unit_test(test_ours_must_be_json),
};

UNIT_MAIN(tests)
