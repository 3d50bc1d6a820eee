/* SPDX-License-Identifier: MIT */
#include "manifest/path.h"
#include "tests/unit/unit.h"

static void beneath(void **state)
{
    static const struct {
        const char *text, *path, *why;
    } cases[] = {
        { "repo/README.md", "repo/README.md", NULL },
        { "a\\b", "a/b", NULL },
        { "./a//b/./", "a/b", NULL },
        { "...", "...", NULL },
        { "a:b", "a:b", NULL },
        { "../x", NULL, "must not hold '..'" },
        { "a/..", NULL, "must not hold '..'" },
        { "a\\..\\b", NULL, "must not hold '..'" },
        { "C:\\x", NULL, "must be relative to the workspace, not absolute" },
        { "/x", NULL, "must be relative to the workspace, not absolute" },
        { "\\x", NULL, "must be relative to the workspace, not absolute" },
        { "", NULL, "is empty" },
        { ".", NULL, "names the workspace itself" },
        { "./", NULL, "names the workspace itself" },
        { "a\nb", NULL, "holds a control character" },
        { "a\xc2\x85", NULL, "holds a control character" },
    };
    struct arena arena = ARENA_INIT(65536);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *path = NULL, *why = path_beneath(span_of(cases[i].text), &arena, &path);

        assert_int_equal(why == NULL, cases[i].why == NULL);
        assert_string_equal(why ? why : path, why ? cases[i].why : cases[i].path);
    }
    arena_done(&arena);
}

static void absolute(void **state)
{
    struct arena arena = ARENA_INIT(65536);
    const char *path = NULL;

    assert_null(path_absolute(span_of("//work/./a/"), &arena, &path));
    assert_string_equal(path, "/work/a");
    assert_null(path_absolute(span_of("/"), &arena, &path));
    assert_string_equal(path, "/");
    assert_string_equal(path_absolute(span_of("work"), &arena, &path), "must be an absolute path");
    assert_string_equal(path_absolute(span_of("/a/../b"), &arena, &path), "must not hold '..'");
    arena_done(&arena);
}

static void host(void **state)
{
    struct arena arena = ARENA_INIT(65536);

    assert_string_equal(path_host("/home/u", "./a//b/.", &arena), "/home/u/a/b");
    assert_string_equal(path_host("/home/u", "../x", &arena), "/home/u/../x");
    assert_string_equal(path_host("/home/u", "/abs/x/", &arena), "/abs/x");
    assert_string_equal(path_host("/", ".", &arena), "/");
    arena_done(&arena);
}

static void relations(void **state)
{
    assert_true(path_is_beneath("/a/b", "/a"));
    assert_true(path_is_beneath("/a", "/a"));
    assert_true(path_is_beneath("/a", "/"));
    assert_false(path_is_beneath("/ab", "/a"));
    assert_string_equal(path_name("a/b"), "b");
    assert_string_equal(path_name("b"), "b");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(beneath),
    cmocka_unit_test(absolute),
    cmocka_unit_test(host),
    cmocka_unit_test(relations),
};

UNIT_MAIN(tests)
