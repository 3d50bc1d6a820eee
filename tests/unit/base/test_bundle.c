/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/bundle.h"
#include "core/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];

static int set_up(void **state)
{
    snprintf(top, sizeof(top), "/tmp/agentbox-bundle-XXXXXX");
    assert_non_null(mkdtemp(top));
    return 0;
}

static int tear_down(void **state)
{
    assert_int_equal(file_remove_tree(AT_FDCWD, top, NULL), 0);
    return 0;
}

static int add(struct bundle *b, const char *path, const char *content, bool is_program)
{
    const struct bundle_file file = { path, span_of(content), is_program };

    return bundle_add(b, &file, NULL);
}

static void test_a_saved_one_is_the_same(void **state)
{
    struct bundle one, other;
    struct err err = { 0 };
    char path[96];
    struct stat st;

    bundle_init(&one);
    bundle_init(&other);
    assert_int_equal(add(&one, "run.py", "print(1)\n", true), 0);
    assert_int_equal(add(&one, "a/empty", "", false), 0);
    bundle_seal(&one);
    assert_string_equal(one.files[0].path, "a/empty");
    snprintf(path, sizeof(path), "%s/saved", top);
    assert_int_equal(bundle_save(&one, path, &err), 0);
    assert_int_equal(bundle_load(&other, path, &err), 0);
    assert_string_equal(one.digest, other.digest);
    assert_int_equal(other.count, 2);
    assert_true(bundle_find(&other, "run.py")->is_program);
    snprintf(path, sizeof(path), "%s/saved/run.py", top);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0500);
    bundle_done(&one);
    bundle_done(&other);
}

/* The digest is of paths, contents and the right to run, whatever the order was. */
static void test_what_counts(void **state)
{
    static const struct {
        const char *path, *content;
        bool is_program;
    } variants[] = { { "b", "1", false }, { "b", "2", false }, { "c", "1", false }, { "b", "1", true } };
    char digests[4][DIGEST_HEX];
    struct bundle b;

    for (size_t i = 0; i < 4; i++) {
        bundle_init(&b);
        assert_int_equal(add(&b, i % 2 ? "a" : variants[i].path, i % 2 ? "x" : variants[i].content,
                             i % 2 ? false : variants[i].is_program),
                         0);
        assert_int_equal(add(&b, i % 2 ? variants[i].path : "a", i % 2 ? variants[i].content : "x",
                             i % 2 ? variants[i].is_program : false),
                         0);
        bundle_seal(&b);
        memcpy(digests[i], b.digest, DIGEST_HEX);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(digests[i], digests[k]);
        bundle_done(&b);
    }
    bundle_init(&b);
    assert_int_equal(add(&b, "a", "x", false), 0);
    assert_int_equal(add(&b, "b", "1", false), 0);
    bundle_seal(&b);
    assert_string_equal(b.digest, digests[0]);
    bundle_done(&b);
}

static void test_paths_that_may_not_be(void **state)
{
    static const char *const bad[] = { "",    "/a",   "a/",   "a//b",         ".",   "..", "a/../b",
                                       "./a", "a\\b", "a\nb", "\xe2\x80\xae", "\xff" };
    struct bundle b;

    bundle_init(&b);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(add(&b, bad[i], "", false), -ERR_INVALID);
    assert_int_equal(add(&b, "a..b/.c", "", false), 0);
    assert_int_equal(add(&b, "a..b/.c", "", false), -ERR_CONFLICT);
    bundle_done(&b);
}

static void test_bounds(void **state)
{
    struct bundle b;
    char *large = calloc(1, BUNDLE_BYTES_MAX + 2);

    memset(large, 'x', BUNDLE_BYTES_MAX + 1);
    bundle_init(&b);
    assert_int_equal(add(&b, "a", large, false), -ERR_TOO_LARGE);
    assert_int_equal(add(&b, "a", large + 1, false), 0);
    assert_int_equal(add(&b, "b", "1", false), -ERR_TOO_LARGE);
    bundle_done(&b);
    bundle_init(&b);
    for (int i = 0; i < BUNDLE_FILES_MAX; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(add(&b, name, "", false), 0);
    }
    assert_int_equal(add(&b, "more", "", false), -ERR_TOO_LARGE);
    bundle_done(&b);
    free(large);
}

static void test_links_are_refused(void **state)
{
    struct bundle b;
    struct err err = { 0 };
    char path[96];

    snprintf(path, sizeof(path), "%s/link", top);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    bundle_init(&b);
    assert_int_equal(bundle_load(&b, top, &err), -ERR_INVALID);
    assert_non_null(strstr(err.text, "'link' is no regular file"));
    bundle_done(&b);
}

#define BUNDLE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    BUNDLE_TEST(test_a_saved_one_is_the_same), BUNDLE_TEST(test_what_counts),
    BUNDLE_TEST(test_paths_that_may_not_be),   BUNDLE_TEST(test_bounds),
    BUNDLE_TEST(test_links_are_refused),
};

UNIT_MAIN(tests)
