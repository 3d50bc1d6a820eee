/* SPDX-License-Identifier: MIT */
/* Hidden entries of an output's folder are found at any depth, and named. */
#include "core/run/hidden.h"

#include "tests/unit/unit.h"

#include <stdio.h>

static int look_at(const char *const *paths, struct err *err)
{
    struct hidden h = { 0 };

    for (; *paths; paths++)
        hidden_look(&h, "out", span_of(*paths));
    return hidden_refuse(&h, err);
}

static void names_that_begin_with_a_dot_are_hidden(void **state)
{
    static const char *const plain[] = { "out/a", "out/a/b.c", "out/a.", NULL };
    static const char *const one[] = { "out/a", "out/.git", "out/.git/config", "out/.git/hooks/x", NULL };
    static const char *const deep[] = { "out/a/b/.envrc", NULL };
    static const char *const only_beneath[] = { "out/.git/hooks/x", "out/.git/y", NULL };
    static const char *const dots[] = { "out/...", "out/..a", NULL };
    static const char *const many[] = { "out/.a", "out/.b", "out/c/.d", "out/.e", "out/.f/g", NULL };
    struct err err = { 0 };

    assert_int_equal(look_at(plain, &err), 0);
    assert_int_equal(look_at(one, &err), -ERR_OUTPUT);
    assert_string_equal(err.text, "it holds hidden entries: '.git'");
    assert_int_equal(look_at(deep, &err), -ERR_OUTPUT);
    assert_string_equal(err.text, "it holds hidden entries: 'a/b/.envrc'");
    assert_int_equal(look_at(only_beneath, &err), -ERR_OUTPUT);
    assert_string_equal(err.text, "it holds hidden entries: '.git'");
    assert_int_equal(look_at(dots, &err), -ERR_OUTPUT);
    assert_string_equal(err.text, "it holds hidden entries: '...', '..a'");
    assert_int_equal(look_at(many, &err), -ERR_OUTPUT);
    assert_string_equal(err.text, "it holds hidden entries: '.a', '.b', 'c/.d' and 2 more");
}

/* What does not fit is counted. */
static void long_names_are_only_counted(void **state)
{
    char path[1000];
    const char *const paths[] = { path, NULL };
    struct err err = { 0 };

    snprintf(path, sizeof(path), "out/.%0900d", 0);
    assert_int_equal(look_at(paths, &err), -ERR_OUTPUT);
    assert_string_equal(err.text, "it holds hidden entries: 1");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(names_that_begin_with_a_dot_are_hidden),
    cmocka_unit_test(long_names_are_only_counted),
};

UNIT_MAIN(tests)
