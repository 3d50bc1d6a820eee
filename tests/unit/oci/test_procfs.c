/* SPDX-License-Identifier: MIT */
#include "oci/procfs.h"

#include "tests/unit/unit.h"

static const char mounts[] =
    "230 203 0:96 / / ro,relatime master:5 - overlay overlay rw,lowerdir=/a:/b\n"
    "not a line\n"
    "231 230 0:99 / /with\\040blank rw,nosuid shared:1 master:2 - tmpfs tmpfs rw,size=16384k,nr_inodes=4k\n"
    "232 230 0:99 / /tmp rw - ext4 /dev/vda rw\n"
    "233 230 0:99 / /tmp ro,nosuid - tmpfs tmpfs rw,size=1g\n";

static void mounts_are_found_the_last_one_counts(void **state)
{
    struct procfs_mount m;
    uint64_t size;

    assert_true(procfs_mount_at(span_of(mounts), "/", &m));
    assert_true(span_is(m.type, "overlay"));
    assert_true(procfs_has_option(m.options, "ro"));
    assert_false(procfs_has_option(m.options, "r"));
    assert_false(procfs_has_option(m.super, "ro"));
    assert_true(procfs_mount_at(span_of(mounts), "/with blank", &m));
    assert_true(procfs_size_option(m.super, "size", &size));
    assert_int_equal(size, 16 * 1024 * 1024);
    assert_true(procfs_size_option(m.super, "nr_inodes", &size));
    assert_int_equal(size, 4096);
    assert_false(procfs_size_option(m.super, "inodes", &size));
    assert_true(procfs_mount_at(span_of(mounts), "/tmp", &m));
    assert_true(span_is(m.type, "tmpfs"));
    assert_false(procfs_mount_at(span_of(mounts), "/none", &m));
}

static void a_path_that_is_too_long_matches_nothing(void **state)
{
    struct procfs_mount m;
    char line[2048] = "1 2 0:1 / /";
    size_t n = strlen(line);
    struct span rest;

    memset(line + n, 'x', 1000);
    strcpy(line + n + 1000, " rw - tmpfs tmpfs rw\n");
    rest = span_of(line);
    assert_true(procfs_next_mount(&rest, &m));
    assert_string_equal(m.point, "");
    assert_false(procfs_next_mount(&rest, &m));
}

static void cut_lines_are_passed_over(void **state)
{
    struct procfs_mount m;

    for (size_t i = 0; i < strlen(mounts); i++)
        (void) procfs_mount_at(span_make(mounts, i), "/tmp", &m);
    assert_false(procfs_mount_at(span_of("1 2 0:1 / /tmp rw - tmpfs tmpfs"), "/tmp", &m));
    assert_false(procfs_mount_at(span_of("1 2 0:1 / /tmp rw"), "/tmp", &m));
}

static void fields_have_their_exact_name(void **state)
{
    struct span text = span_of("Name:\tx\nNSpid:\t5\nPid:\t1\nGroups:\t1 2 \nEmpty:\n");

    assert_true(span_is(procfs_field(text, "Pid"), "1"));
    assert_true(span_is(procfs_field(text, "Groups"), "1 2"));
    assert_int_equal(procfs_field(text, "Empty").len, 0);
    assert_non_null(procfs_field(text, "Empty").ptr);
    assert_null(procfs_field(text, "id").ptr);
    assert_null(procfs_field(text, "Seccomp").ptr);
}

static void limits_are_read(void **state)
{
    struct span text =
        span_of("Limit                     Soft Limit           Hard Limit           Units     \n"
                "Max open files            1024                 4096                 files     \n"
                "Max nice priority         0                    unlimited            \n"
                "Max locked memory         x                    4096                 bytes\n");
    uint64_t soft, hard;

    assert_true(procfs_limit(text, "Max open files", &soft, &hard));
    assert_int_equal(soft, 1024);
    assert_int_equal(hard, 4096);
    assert_true(procfs_limit(text, "Max nice priority", &soft, &hard));
    assert_true(hard == UINT64_MAX);
    assert_false(procfs_limit(text, "Max locked memory", &soft, &hard));
    assert_false(procfs_limit(text, "Max open", &soft, &hard));
    assert_false(procfs_limit(text, "Max stack size", &soft, &hard));
}

static void a_single_word_is_single(void **state)
{
    assert_true(span_is(procfs_single(span_of("max\n")), "max"));
    assert_true(span_is(procfs_single(span_of("64")), "64"));
    assert_null(procfs_single(span_of("64\n65\n")).ptr);
    assert_null(procfs_single(span_of("64 65\n")).ptr);
    assert_null(procfs_single(span_of("")).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mounts_are_found_the_last_one_counts),
        cmocka_unit_test(a_path_that_is_too_long_matches_nothing),
        cmocka_unit_test(cut_lines_are_passed_over),
        cmocka_unit_test(fields_have_their_exact_name),
        cmocka_unit_test(limits_are_read),
        cmocka_unit_test(a_single_word_is_single),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
