/* SPDX-License-Identifier: MIT */
#include "oci/doctor.h"

#include "core/base/json.h"
#include "tests/unit/unit.h"

static struct doctor_report report;

static void read_info(const char *text, bool is_podman)
{
    struct arena arena = ARENA_INIT(1 << 18);
    const struct tree *tree;

    assert_int_equal(json_parse(span_of(text), &arena, &tree, NULL), 0);
    report = (struct doctor_report){ .is_fine = true };
    doctor_read_info(tree, is_podman, &report);
    arena_done(&arena);
}

static const struct doctor_row *row(const char *name)
{
    for (size_t i = 0; i < report.count; i++)
        if (strcmp(report.rows[i].name, name) == 0)
            return &report.rows[i];
    return NULL;
}

static void an_ordinary_engine_is_fine(void **state)
{
    read_info(
        "{\"OSType\":\"linux\",\"OperatingSystem\":\"Debian "
        "12\",\"KernelVersion\":\"6.1\",\"NCPU\":2,\"MemTotal\":1073741824,"
        "\"CgroupVersion\":\"2\",\"CgroupDriver\":\"systemd\",\"SecurityOptions\":[\"name=apparmor\","
        "\"name=seccomp,profile=default\"],\"Runtimes\":{\"runc\":{},\"runsc\":{}},\"DefaultRuntime\":"
        "\"runc\","
        "\"Driver\":\"overlay2\",\"DriverStatus\":[[\"Backing Filesystem\",\"extfs\"]],\"MemoryLimit\":true,"
        "\"SwapLimit\":true,\"CpuCfsQuota\":true,\"PidsLimit\":true}",
        false);
    assert_true(report.is_fine);
    assert_string_equal(row("host")->text, "Debian 12, kernel 6.1, 2 processors, 1 GiB");
    assert_string_equal(row("cgroup")->text, "version 2, driver systemd");
    assert_string_equal(row("limits")->text, "memory, swap, processor time, processes");
    assert_string_equal(row("apparmor")->text, "offered");
    assert_string_equal(row("runtimes")->text, "runc, runsc; default runc");
    assert_string_equal(row("storage")->text, "overlay2 on extfs");
    assert_null(row("podman"));
}

static void what_cannot_be_enforced_names_its_row(void **state)
{
    read_info("{\"MemoryLimit\":true,\"SwapLimit\":false,\"PidsLimit\":false,\"CgroupDriver\":\"none\"}",
              false);
    assert_false(report.is_fine);
    assert_int_equal(row("cgroup")->state, DOCTOR_FAIL);
    assert_int_equal(row("seccomp")->state, DOCTOR_FAIL);
    assert_int_equal(row("pids")->state, DOCTOR_FAIL);
    assert_string_equal(row("pids")->text, "the engine cannot limit the number of processes");
    assert_non_null(strstr(row("pids")->hint, "lower: [pids]"));
    assert_int_equal(row("swap")->state, DOCTOR_WARN);
    assert_null(row("memory"));
    assert_null(row("limits"));
}

static void podman_and_windows_are_told(void **state)
{
    read_info("{\"OSType\":\"windows\",\"SecurityOptions\":[\"name=seccomp\",\"name=rootless\"],\"Driver\":"
              "\"vfs\"}",
              true);
    assert_int_equal(row("os")->state, DOCTOR_FAIL);
    assert_int_equal(row("podman")->state, DOCTOR_WARN);
    assert_string_equal(row("userns")->text, "rootless engine");
    assert_int_equal(row("storage")->state, DOCTOR_WARN);
}

static void garbage_breaks_nothing(void **state)
{
    report = (struct doctor_report){ .is_fine = true };
    doctor_read_info(NULL, false, &report);
    assert_false(report.is_fine);
    read_info(
        "{\"Runtimes\":[1],\"DriverStatus\":{\"a\":1},\"SecurityOptions\":\"name=seccomp\",\"NCPU\":\"x\"}",
        false);
    assert_false(report.is_fine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_engine_is_fine),
        cmocka_unit_test(what_cannot_be_enforced_names_its_row),
        cmocka_unit_test(podman_and_windows_are_told),
        cmocka_unit_test(garbage_breaks_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
