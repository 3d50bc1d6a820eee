/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/tool/quota.h"

#define MIB INT64_C(1048576)

static const struct sandbox_spec spec = { .root = "/work",
                                          .memory_bytes = 1536 * MIB,
                                          .pids = 256,
                                          .nano_cpus = 500000000,
                                          .size_bytes = 1024 * MIB,
                                          .tmp_bytes = 64 * MIB };

static struct quota found[QUOTA_MAX];

/* What is found when a command ends like this and wrote that to stderr. */
static void check(struct exec_result result, const char *wrote, const char *expected)
{
    struct capture out, err;
    struct quota_facts facts = {
        .result = &result, .spec = &spec, .out = &out, .err = &err, .deadline_ms = 120000
    };
    char text[1024];

    assert_int_equal(capture_init(&out, 64), 0);
    assert_int_equal(capture_init(&err, 64), 0);
    capture_add(&err, span_of(wrote), 0);
    quota_text(found, quota_find(&facts, found), true, text, sizeof(text));
    assert_string_equal(text, expected);
    facts.out = &err; /* the same when both streams are one */
    facts.err = NULL;
    quota_text(found, quota_find(&facts, found), true, text, sizeof(text));
    assert_string_equal(text, expected);
    capture_done(&out);
    capture_done(&err);
}

static void nothing(void **state)
{
    check((struct exec_result){ .end = EXEC_EXITED }, "", "");
    check((struct exec_result){ .end = EXEC_EXITED, .code = 1 }, "no such file", "");
    check((struct exec_result){ .end = EXEC_SIGNALED, .code = 9 }, "", "");
    check((struct exec_result){ .end = EXEC_LOST, .memory_hit = true, .pids_hit = true }, "", "");
}

static void of_the_kernel(void **state)
{
    check((struct exec_result){ .end = EXEC_SIGNALED, .code = 9, .memory_hit = true }, "",
          "out of memory (limit 1536m)");
    assert_string_equal(found[0].limit, "memory");
    check((struct exec_result){ .end = EXEC_EXITED, .memory_hit = true }, "", "out of memory (limit 1536m)");
    check((struct exec_result){ .end = EXEC_EXITED, .code = 2, .pids_hit = true }, "", "process limit (256)");
    check((struct exec_result){ .end = EXEC_EXITED, .was_swept = true }, "",
          "process limit (256): what was left running in the background was killed");
    assert_string_equal(found[0].limit, "pids");
    check((struct exec_result){ .end = EXEC_FAILED, .errnum = 11, .pids_hit = true, .bytes_hit = { true } },
          "", "process limit (256)");
}

static void places(void **state)
{
    check((struct exec_result){ .end = EXEC_EXITED, .code = 1, .bytes_hit = { true } }, "",
          "disk full (limit 1g): /work");
    assert_string_equal(found[0].limit, "workspace");
    check((struct exec_result){ .end = EXEC_EXITED, .code = 1, .bytes_hit = { false, true } }, "",
          "disk full (limit 64m): /tmp");
    check((struct exec_result){ .end = EXEC_TIMEOUT, .bytes_hit = { false, false, true } }, "",
          "disk full (limit 16m): /dev/shm, command deadline (limit 2m)");
    check((struct exec_result){ .end = EXEC_EXITED, .code = 1, .files_hit = { true }, .files_max = 4096 }, "",
          "too many files (limit 4096): /work");
    assert_string_equal(found[0].limit, "workspace_files");
    check((struct exec_result){ .end = EXEC_EXITED, .bytes_hit = { true } }, "", ""); /* it did not mind */
}

/* A disk that an earlier command filled up is why only when the program says so. */
static void places_that_were_full(void **state)
{
    struct exec_result r = {
        .end = EXEC_EXITED, .code = 1, .bytes_hit = { true, true }, .was_full = { true, true }
    };

    check(r, "no match", "");
    check(r, "write: No space left on device", "disk full (limit 1g): /work, disk full (limit 64m): /tmp");
    r.was_full[1] = false;
    check(r, "write: No space left on device", "disk full (limit 64m): /tmp");
}

/* A program that cleans up behind itself: nothing is full any more. */
static void places_that_are_not_full_any_more(void **state)
{
    struct exec_result r = { .end = EXEC_EXITED, .code = 1 };

    check(r, "sh: No space left on device",
          "disk full (limit 1g in /work, 64m in /tmp) while it ran, not any more");
    r.code = 0;
    check(r, "sh: No space left on device", "");
}

static void long_files(void **state)
{
    check((struct exec_result){ .end = EXEC_SIGNALED, .code = 25 }, "", "file size limit (1g)");
    assert_string_equal(found[0].limit, "file_size");
    check((struct exec_result){ .end = EXEC_EXITED, .code = 153 }, "", "file size limit (1g)");
    check((struct exec_result){ .end = EXEC_EXITED, .code = 1 }, "OSError: [Errno 27] File too large",
          "file size limit (1g)");
    check((struct exec_result){ .end = EXEC_SIGNALED, .code = 25, .bytes_hit = { true } }, "",
          "disk full (limit 1g): /work");
}

static void open_files(void **state)
{
    check((struct exec_result){ .end = EXEC_EXITED, .code = 1 }, "sh: x: Too many open files",
          "too many open files (limit 1024, ulimit -n takes up to 4096)");
    check((struct exec_result){ .end = EXEC_EXITED }, "sh: x: Too many open files", "");
}

static void time_is_up(void **state)
{
    check((struct exec_result){ .end = EXEC_TIMEOUT, .cpu_hit = true }, "",
          "processor limit (0.5): held back most of the time, command deadline (limit 2m)");
    assert_string_equal(found[0].limit, "cpu");
    assert_string_equal(found[1].limit, "command");
}

static void lists(void **state)
{
    struct quota list[QUOTA_MAX] = { { "memory", "out of memory (limit 1g)" } };
    const struct quota more[] = { { "memory", "another" }, { "command", "command deadline (limit 1 s)" } };
    size_t count = 1;
    char text[64], little[8];

    quota_merge(list, &count, more, 2);
    assert_int_equal(count, 2);
    quota_cut(65536, &list[count++]);
    quota_text(list, count, false, text, sizeof(text));
    assert_string_equal(text, "out of memory (limit 1g), output cut (limit 64k)");
    quota_text(list, count, true, little, sizeof(little));
    assert_string_equal(little, "out of ");
    assert_string_equal(list[2].text, "output cut (limit 64k)");
    for (count = 3; count < QUOTA_MAX; count++)
        list[count].limit = "x";
    quota_merge(list, &count, &(struct quota){ .limit = "new" }, 1);
    assert_int_equal(count, QUOTA_MAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nothing),
    cmocka_unit_test(of_the_kernel),
    cmocka_unit_test(places),
    cmocka_unit_test(places_that_were_full),
    cmocka_unit_test(places_that_are_not_full_any_more),
    cmocka_unit_test(long_files),
    cmocka_unit_test(open_files),
    cmocka_unit_test(time_is_up),
    cmocka_unit_test(lists),
};

UNIT_MAIN(tests)
