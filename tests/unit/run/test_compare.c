/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/kept.h"

#include "core/run/compare.h"

static struct run_folder *folder;
static struct checkpoint_store *store;

static int setup(void **state)
{
    if (state_home_setup(state) < 0 || run_folder_create(&folder, NULL) < 0)
        return -1;
    return checkpoint_store_new(folder, &store, NULL);
}

static int teardown(void **state)
{
    checkpoint_store_free(store);
    run_folder_free(folder);
    return state_home_teardown(state);
}

static void set_mode(struct listing *l, const char *path, uint32_t mode)
{
    struct listing_entry e = *listing_find(l, path);

    e.path = path;
    e.mode = mode;
    e.mtime_ns += 5; /* no difference */
    assert_int_equal(listing_put(l, &e, NULL), 0);
}

static struct compare *compare_first_two(void)
{
    struct compare *c = NULL;
    struct err err = { 0 };

    assert_int_equal(compare_new(store, 1, store, 2, &c, &err), 0);
    return c;
}

static void expect_text(struct compare *c, size_t i, const char *want)
{
    struct buf out = BUF_INIT(1 << 20);

    assert_int_equal(compare_text(c, i, &out, NULL), 0);
    assert_string_equal(buf_text(&out), want);
    buf_done(&out);
}

static void expect_item(struct compare *c, size_t i, const char *path, enum compare_kind kind, int added,
                        int removed)
{
    const struct compare_item *item = compare_at(c, i);

    assert_string_equal(item->path, path);
    assert_int_equal(item->kind, kind);
    assert_int_equal(item->lines_added, added);
    assert_int_equal(item->lines_removed, removed);
}

static void test_all_kinds(void **state)
{
    struct checkpoint_writer *w = NULL;
    struct compare *c;
    struct kept kept;
    struct listing l;

    listing_init(&l);
    assert_int_equal(checkpoint_begin(store, &w, NULL), 0);
    kept_other(&l, "dir", LISTING_DIR, NULL);
    kept_file(w, &l, "changed", span_of("1\n2\n3\n"));
    kept_file(w, &l, "data", span_make("a\0b", 3));
    kept_file(w, &l, "exec", span_of("#!"));
    kept_file(w, &l, "gone", span_of("bye\n"));
    kept_other(&l, "hard", LISTING_HARD, "gone");
    kept_other(&l, "link", LISTING_LINK, "old");
    kept_file(w, &l, "mtime", span_of("same"));
    kept_file(w, &l, "secret", span_of("s"));
    kept_other(&l, "type", LISTING_LINK, "target");
    kept_commit(store, w, &l, 0, &kept);
    assert_int_equal(checkpoint_begin(store, &w, NULL), 0);
    kept_file(w, &l, "changed", span_of("1\ntwo\n3\n"));
    kept_file(w, &l, "data", span_make("a\0c", 3));
    set_mode(&l, "dir", 0700);
    set_mode(&l, "exec", 0755);
    set_mode(&l, "mtime", 0644);
    set_mode(&l, "secret", 0600);
    listing_remove(&l, "gone");
    kept_file(w, &l, "hard", span_of("bye\n")); /* the same content under its own name now */
    kept_other(&l, "link", LISTING_LINK, "new");
    kept_other(&l, "more", LISTING_DIR, NULL);
    kept_file(w, &l, "new \xc3\xa9\t\xff", span_of("x"));
    kept_file(w, &l, "new empty", span_of(""));
    kept_file(w, &l, "new file", span_of("x\n"));
    kept_file(w, &l, "type", span_of("text\n"));
    kept_commit(store, w, &l, 0, &kept);
    listing_done(&l);

    c = compare_first_two();
    assert_int_equal(compare_count(c), 12);
    expect_item(c, 0, "changed", COMPARE_CHANGED, 1, 1);
    expect_text(
        c, 0,
        "diff --git a/changed b/changed\n--- a/changed\n+++ b/changed\n@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n");
    expect_item(c, 1, "data", COMPARE_CHANGED, 0, 0);
    assert_true(compare_at(c, 1)->is_binary);
    expect_text(c, 1, "diff --git a/data b/data\nBinary files a/data and b/data differ\n");
    expect_item(c, 2, "dir", COMPARE_META, 0, 0);
    expect_text(c, 2, "# mode 0755 becomes 0700: dir\n");
    expect_item(c, 3, "exec", COMPARE_META, 0, 0);
    expect_text(c, 3, "diff --git a/exec b/exec\nold mode 100644\nnew mode 100755\n");
    expect_item(c, 4, "gone", COMPARE_REMOVED, 0, 1);
    expect_text(c, 4,
                "diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 "
                "@@\n-bye\n");
    expect_item(c, 5, "link", COMPARE_CHANGED, 1, 1);
    expect_text(
        c, 5,
        "diff --git a/link b/link\n--- a/link\n+++ b/link\n@@ -1 +1 @@\n-old\n\\ No newline at end of "
        "file\n+new\n\\ No newline at end of file\n");
    expect_item(c, 6, "more", COMPARE_ADDED, 0, 0);
    expect_text(c, 6, "# folder added: more\n");
    expect_item(c, 7, "new empty", COMPARE_ADDED, 0, 0);
    expect_text(c, 7, "diff --git a/new empty b/new empty\nnew file mode 100644\n");
    expect_item(c, 8, "new file", COMPARE_ADDED, 1, 0);
    expect_text(
        c, 8,
        "diff --git a/new file b/new file\nnew file mode 100644\n--- /dev/null\n+++ b/new file\t\n@@ -0,0 +1 "
        "@@\n+x\n");
    expect_item(c, 9, "new \xc3\xa9\t\xff", COMPARE_ADDED, 1, 0);
    expect_text(
        c, 9,
        "diff --git \"a/new \xc3\xa9\\t\\377\" \"b/new \xc3\xa9\\t\\377\"\nnew file mode 100644\n--- "
        "/dev/null\n+++ \"b/new \xc3\xa9\\t\\377\"\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n");
    expect_item(c, 10, "secret", COMPARE_META, 0, 0);
    expect_text(c, 10, "# mode 0644 becomes 0600: secret\n");
    expect_item(c, 11, "type", COMPARE_CHANGED, 1, 1);
    expect_text(
        c, 11,
        "diff --git a/type b/type\ndeleted file mode 120000\n--- a/type\n+++ /dev/null\n@@ -1 +0,0 "
        "@@\n-target\n\\ No newline at end of file\ndiff --git a/type b/type\nnew file mode 100644\n--- "
        "/dev/null\n+++ b/type\n@@ -0,0 +1 @@\n+text\n");
    compare_free(c);
}

static void test_with_the_empty_workspace(void **state)
{
    struct checkpoint_writer *w = NULL;
    struct compare *c = NULL;
    struct kept kept;
    struct listing l;
    char *large = calloc(1, (1 << 20) + 1);

    memset(large, 'x', 1 << 20);
    listing_init(&l);
    assert_int_equal(checkpoint_begin(store, &w, NULL), 0);
    kept_file(w, &l, "large", span_make(large, (1 << 20) + 1));
    kept_file(w, &l, "a", span_make(large, 1 << 20));
    kept_commit(store, w, &l, 0, &kept);
    assert_int_equal(compare_new(store, 0, store, 1, &c, NULL), 0);
    assert_int_equal(compare_count(c), 2);
    assert_false(compare_at(c, 0)->is_binary);
    assert_true(compare_at(c, 1)->is_binary);
    expect_text(
        c, 1,
        "diff --git a/large b/large\nnew file mode 100644\nBinary files /dev/null and b/large differ\n");
    compare_free(c);
    assert_int_equal(compare_new(store, 1, store, 1, &c, NULL), 0);
    assert_int_equal(compare_count(c), 0);
    compare_free(c);
    assert_int_equal(compare_new(store, 1, store, 2, &c, NULL), -ERR_NOT_FOUND);
    listing_done(&l);
    free(large);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_all_kinds, setup, teardown),
    cmocka_unit_test_setup_teardown(test_with_the_empty_workspace, setup, teardown),
};

UNIT_MAIN(tests)
