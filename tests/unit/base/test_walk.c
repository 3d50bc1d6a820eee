/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/file.h"
#include "core/base/walk.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char top[64];
static int top_fd;

static int set_up(void **state)
{
    snprintf(top, sizeof(top), "/tmp/agentbox-walk-XXXXXX");
    assert_non_null(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY);
    assert_true(top_fd >= 0);
    return 0;
}

static int tear_down(void **state)
{
    close(top_fd);
    assert_int_equal(file_remove_tree(AT_FDCWD, top, NULL), 0);
    return 0;
}

static void test_parents_come_first_and_links_are_not_followed(void **state)
{
    struct walk_entry e;
    struct walk *w;
    bool has_a = false, has_link = false;
    int count = 0;

    assert_int_equal(mkdirat(top_fd, "a", 0755), 0);
    assert_int_equal(mkdirat(top_fd, "a/b", 0755), 0);
    assert_int_equal(symlinkat("/", top_fd, "a/b/root"), 0);
    assert_int_equal(walk_new(top_fd, &w, NULL), 0);
    while (walk_next(w, &e, NULL) > 0) {
        count++;
        if (strcmp(e.path, "a") == 0)
            has_a = true;
        else
            assert_true(has_a);
        if (strcmp(e.path, "a/b/root") == 0) {
            has_link = true;
            assert_true(S_ISLNK(e.st.st_mode));
            assert_string_equal(e.name, "root");
        }
    }
    assert_int_equal(count, 3);
    assert_true(has_link);
    walk_free(w);
}

static void test_depth_is_bounded(void **state)
{
    struct walk_entry e;
    struct err err = { 0 };
    struct walk *w;
    int fd = dup(top_fd), next, r;

    for (int i = 0; i < WALK_DEPTH_MAX + 2; i++) {
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(walk_new(top_fd, &w, NULL), 0);
    while ((r = walk_next(w, &e, &err)) > 0)
        ;
    assert_int_equal(r, -ERR_TOO_LARGE);
    assert_non_null(strstr(err.text, "is nested too deeply, at most 128 folders"));
    walk_free(w);
}

static void test_empty_folder(void **state)
{
    struct walk_entry e;
    struct walk *w;

    assert_int_equal(walk_new(top_fd, &w, NULL), 0);
    assert_int_equal(walk_next(w, &e, NULL), 0);
    assert_int_equal(walk_next(w, &e, NULL), 0);
    walk_free(w);
}

#define WALK_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    WALK_TEST(test_parents_come_first_and_links_are_not_followed),
    WALK_TEST(test_depth_is_bounded),
    WALK_TEST(test_empty_folder),
};

UNIT_MAIN(tests)
