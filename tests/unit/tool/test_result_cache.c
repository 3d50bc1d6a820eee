/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/file.h"
#include "core/tool/result_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64], folder[96];

static int set_up(void **state)
{
    snprintf(top, sizeof(top), "/tmp/agentbox-results-XXXXXX");
    assert_non_null(mkdtemp(top));
    snprintf(folder, sizeof(folder), "%s/results", top);
    return 0;
}

static int tear_down(void **state)
{
    assert_int_equal(file_remove_tree(AT_FDCWD, top, NULL), 0);
    return 0;
}

static const char *key_of(int number)
{
    static char key[DIGEST_HEX];
    char text[16];

    snprintf(text, sizeof(text), "%d", number);
    digest_of(span_of(text), key);
    return key;
}

static bool get(int number, const char *want)
{
    struct buf out = BUF_INIT(65536);
    char run[RESULTS_RUN_MAX] = "";
    bool is_there = result_cache_get(folder, key_of(number), &out, run);

    if (is_there) {
        assert_string_equal(buf_text(&out), want);
        assert_string_equal(run, "20260101-000000-abcdef");
    }
    buf_done(&out);
    return is_there;
}

static void put(int number, const char *result)
{
    assert_int_equal(
        result_cache_put(folder, key_of(number), "20260101-000000-abcdef", span_of(result), NULL), 0);
}

static void path_of(int number, char path[256])
{
    snprintf(path, 256, "%s/%s", folder, key_of(number));
}

static void test_what_was_stored_comes_back(void **state)
{
    assert_false(get(1, ""));
    put(1, "{\"a\":\n1}");
    put(2, "");
    assert_true(get(1, "{\"a\":\n1}"));
    assert_true(get(2, ""));
    assert_false(get(3, ""));
    put(1, "[]");
    assert_true(get(1, "[]"));
}

static void test_what_is_damaged_is_not_there(void **state)
{
    static const char *const bad[] = { "", "\n", "{}\n", "{\"version\":1,\"run\":\"r\",\"sha256\":\"x\"}\n1",
                                       "no line end" };
    char path[256];
    int fd;

    put(1, "[1]");
    path_of(1, path);
    fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, " ", 1), 1);
    close(fd);
    assert_false(get(1, ""));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(file_write_atomic(path, span_of(bad[i]), 0600, NULL), 0);
        assert_false(get(1, ""));
    }
}

static void age(int number, int64_t seconds)
{
    const struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };
    char path[256];

    path_of(number, path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_old_ones_go(void **state)
{
    struct result_cache_swept swept;

    assert_int_equal(result_cache_sweep(folder, 1, false, &swept, NULL), 0);
    assert_int_equal(swept.kept, 0);
    for (int i = 0; i < 4; i++) {
        put(i, "1");
        age(i, 1000 + i);
    }
    assert_int_equal(result_cache_sweep(folder, 1002 * 1000, true, &swept, NULL), 0);
    assert_int_equal(swept.files, 2);
    assert_true(get(0, "1"));
    assert_int_equal(result_cache_sweep(folder, 1002 * 1000, false, &swept, NULL), 0);
    assert_int_equal(swept.files, 2);
    assert_int_equal(swept.kept, 2);
    assert_false(get(1, ""));
    assert_true(get(2, "1"));
}

/* The one that was written longest ago makes room. */
static void test_their_number_is_bounded(void **state)
{
    char path[256];

    put(0, "1");
    age(0, 1000);
    put(1, "1");
    for (int i = 2; i < RESULTS_MAX; i++) {
        path_of(i, path);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    assert_true(get(0, "1"));
    put(RESULTS_MAX, "1");
    assert_false(get(0, ""));
    assert_true(get(1, "1"));
    assert_true(get(RESULTS_MAX, "1"));
}

#define CACHE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    CACHE_TEST(test_what_was_stored_comes_back),
    CACHE_TEST(test_what_is_damaged_is_not_there),
    CACHE_TEST(test_old_ones_go),
    CACHE_TEST(test_their_number_is_bounded),
};

UNIT_MAIN(tests)
