/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/file.h"
#include "core/run/stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];
static char path[128];

static int set_up(void **state)
{
    snprintf(top, sizeof(top), "/tmp/agentbox-stage-XXXXXX");
    assert_non_null(mkdtemp(top));
    snprintf(path, sizeof(path), "%s/deep/target", top);
    return 0;
}

static int tear_down(void **state)
{
    assert_int_equal(file_remove_tree(AT_FDCWD, top, NULL), 0);
    return 0;
}

static void expect_file(const char *name, const char *content)
{
    struct buf text = BUF_INIT(1024);
    char full[256];

    snprintf(full, sizeof(full), "%s/%s", top, name);
    assert_int_equal(file_read(full, &text, NULL), 0);
    assert_string_equal(buf_text(&text), content);
    buf_done(&text);
}

/* Nothing but `want` entries in deep/: no temporary is left behind. */
static void expect_entries(int want)
{
    char command[256];
    FILE *pipe;
    int got = -1;

    snprintf(command, sizeof(command), "ls -A %s/deep | wc -l", top);
    pipe = popen(command, "r");
    assert_int_equal(fscanf(pipe, "%d", &got), 1);
    pclose(pipe);
    assert_int_equal(got, want);
}

static void put(struct stage *s, const char *name, const char *content)
{
    struct stage_file *f;
    char sum[DIGEST_HEX], want[DIGEST_HEX];

    assert_int_equal(stage_file_begin(s, name, 0640, &f, NULL), 0);
    assert_int_equal(stage_file_add(f, span_of(content), NULL), 0);
    assert_int_equal(stage_file_end(f, sum, NULL), 0);
    digest_of(span_of(content), want);
    assert_string_equal(sum, want);
}

static void test_file_replaces_its_target(void **state)
{
    struct stage *s;
    struct stat st;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(stage_new(path, false, &s, NULL), 0);
        put(s, "", i ? "two" : "one");
        if (i)
            expect_file("deep/target", "one");
        assert_int_equal(stage_flush(s, NULL), 0);
        assert_int_equal(stage_place(s, NULL), 0);
        stage_free(s);
    }
    expect_file("deep/target", "two");
    expect_entries(1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void test_given_up_leaves_nothing(void **state)
{
    struct stage_file *f;
    struct stage *s;

    assert_int_equal(stage_new(path, false, &s, NULL), 0);
    assert_int_equal(stage_file_begin(s, "", 0644, &f, NULL), 0);
    assert_int_equal(stage_file_add(f, span_of("half"), NULL), 0);
    stage_file_drop(f);
    stage_free(s);
    expect_entries(0);
    assert_int_equal(stage_new(path, true, &s, NULL), 0);
    put(s, "a/b", "x");
    stage_free(s);
    expect_entries(0);
}

static void test_folder_replaces_a_folder_whole(void **state)
{
    struct stage *s;

    assert_int_equal(stage_new(path, true, &s, NULL), 0);
    put(s, "old.txt", "old");
    assert_int_equal(stage_place(s, NULL), 0);
    stage_free(s);
    assert_int_equal(stage_new(path, true, &s, NULL), 0);
    assert_int_equal(stage_folder(s, "empty/inner", 11, NULL), 0);
    put(s, "sub/new.txt", "new");
    assert_int_equal(stage_flush(s, NULL), 0);
    assert_int_equal(stage_place(s, NULL), 0);
    stage_free(s);
    expect_file("deep/target/sub/new.txt", "new");
    strcat(path, "/old.txt");
    assert_int_equal(access(path, F_OK), -1);
    expect_entries(1);
}

static void test_names_cannot_lead_out(void **state)
{
    static const char *const names[] = { "../x", "/tmp/x", "a/../../x", "" };
    struct stage_file *f;
    struct stage *s;

    assert_int_equal(stage_new(path, true, &s, NULL), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_true(stage_file_begin(s, names[i], 0644, &f, NULL) < 0);
    assert_true(stage_folder(s, "..", 2, NULL) < 0);
    stage_free(s);
    expect_entries(0);
}

static void test_kinds_are_not_mixed(void **state)
{
    struct err err = { 0 };
    struct stage *s;

    assert_int_equal(file_make_dirs(path, 0755, NULL), 0);
    assert_int_equal(stage_new(path, false, &s, &err), -ERR_CONFLICT);
    assert_non_null(strstr(err.text, "is a folder already, the output is a file"));
}

#define STAGE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    STAGE_TEST(test_file_replaces_its_target),
    STAGE_TEST(test_given_up_leaves_nothing),
    STAGE_TEST(test_folder_replaces_a_folder_whole),
    STAGE_TEST(test_names_cannot_lead_out),
    STAGE_TEST(test_kinds_are_not_mixed),
};

UNIT_MAIN(tests)
