/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/state_home.h"

#include "core/run/attachment.h"

static void test_kinds_by_name(void **state)
{
    assert_string_equal(attachment_mime("chart.PNG"), "image/png");
    assert_string_equal(attachment_mime("a.b.csv"), "text/csv");
    assert_string_equal(attachment_mime("Makefile"), "application/octet-stream");
    assert_string_equal(attachment_mime("x.unheard"), "application/octet-stream");
}

static void test_the_task_and_its_files(void **state)
{
    struct buf out = BUF_INIT(10000);
    char path[512], gone[512], expected[1024];
    const char *paths[] = { path, gone };
    struct err err = { 0 };

    snprintf(path, sizeof(path), "%s/dot.png", state_home);
    snprintf(gone, sizeof(gone), "%s/gone.txt", state_home);
    assert_int_equal(file_write_atomic(path, span_of("png"), 0600, NULL), 0);
    assert_int_equal(attachment_user_item(&out, "look", paths, 1, &err), 0);
    assert_non_null(strstr(buf_text(&out), "look"));
    assert_non_null(strstr(buf_text(&out), "data:image/png;base64,cG5n"));
    assert_int_equal(attachment_user_item(&out, "look", paths, 2, &err), -ERR_NOT_FOUND);
    snprintf(expected, sizeof(expected), "attachment: opening '%s': No such file or directory", gone);
    assert_string_equal(err.text, expected);
    buf_done(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_kinds_by_name),
    in_state_home(test_the_task_and_its_files),
};

UNIT_MAIN(tests)
