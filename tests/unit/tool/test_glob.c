/* SPDX-License-Identifier: MIT */
/* Patterns of paths. */
#include "tests/unit/unit.h"

#include "core/tool/glob.h"

static bool is(const char *pattern, const char *path)
{
    return glob_match(span_of(pattern), span_of(path));
}

static void test_names(void **state)
{
    (void) state;
    assert_true(is("*.c", "a.c"));
    assert_true(is("*.c", "src/deep/a.c"));
    assert_false(is("*.c", "a.ch"));
    assert_true(is("a?c", "abc"));
    assert_false(is("a?c", "ac"));
    assert_true(is("[a-c]x", "bx"));
    assert_false(is("[!a-c]x", "bx"));
    assert_true(is("[]]", "]"));
    assert_true(is("a[", "a["));
    assert_true(is("\\*", "*"));
    assert_false(is("\\*", "x"));
    assert_true(is("", ""));
    assert_false(is("", "x"));
    assert_true(is("na\xc3\xafve*", "d/na\xc3\xafve.txt"));
}

static void test_paths(void **state)
{
    (void) state;
    assert_true(is("src/*.c", "src/a.c"));
    assert_true(is("./src/*.c", "src/a.c"));
    assert_false(is("src/*.c", "src/deep/a.c"));
    assert_false(is("src/*.c", "x/src/a.c"));
    assert_true(is("src/**/*.c", "src/a.c"));
    assert_true(is("src/**/*.c", "src/x/y/a.c"));
    assert_true(is("**/a.c", "a.c"));
    assert_true(is("**/a.c", "x/y/a.c"));
    assert_false(is("**/a.c", "x/ya.c"));
    assert_true(is("src/**", "src/x/y"));
    assert_false(is("src/[a/]b", "src//b"));
}

static void test_many_stars_take_no_time(void **state)
{
    char path[4001];

    (void) state;
    memset(path, 'a', 4000);
    path[4000] = '\0';
    assert_false(is("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*ab", path));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_names),
    cmocka_unit_test(test_paths),
    cmocka_unit_test(test_many_stars_take_no_time),
};

UNIT_MAIN(tests)
