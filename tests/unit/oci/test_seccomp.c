/* SPDX-License-Identifier: MIT */
/* The profiles against golden files: whoever changes one changes the other, and sees what. */
#include "oci/seccomp.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

static struct err err;

static void assert_golden(enum seccomp_arch arch, const char *name)
{
    struct buf is = BUF_INIT(SECCOMP_MAX), golden = BUF_INIT(SECCOMP_MAX);
    char path[512];

    assert_int_equal(seccomp_write(arch, &is, &err), 0);
    snprintf(path, sizeof(path), "%s/%s", OCI_DATA, name);
    assert_int_equal(file_read(path, &golden, &err), 0);
    while (golden.len && golden.data[golden.len - 1] == '\n')
        golden.data[--golden.len] = '\0';
    assert_string_equal(buf_text(&is), buf_text(&golden));
    buf_done(&is);
    buf_done(&golden);
}

static void the_profiles_are_as_reviewed(void **state)
{
    assert_golden(SECCOMP_X86_64, "seccomp-x86_64.json");
    assert_golden(SECCOMP_ARM64, "seccomp-arm64.json");
}

/* Whether a profile lets `name` pass without looking at arguments. */
static bool allows(const struct tree *profile, const char *name)
{
    tree_each (rule, tree_get(profile, "syscalls")) {
        if (!tree_is_string(tree_get(rule, "action"), "SCMP_ACT_ALLOW") || tree_get(rule, "args"))
            continue;
        tree_each (item, tree_get(rule, "names")) {
            if (tree_is_string(item, name))
                return true;
        }
    }
    return false;
}

static bool names(const struct tree *profile, const char *name)
{
    tree_each (rule, tree_get(profile, "syscalls")) {
        tree_each (item, tree_get(rule, "names")) {
            if (tree_is_string(item, name))
                return true;
        }
    }
    return false;
}

static void what_is_closed_stays_closed(void **state)
{
    static const char *const closed[] = {
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "pidfd_getfd",
        "kcmp",
        "bpf",
        "keyctl",
        "add_key",
        "request_key",
        "userfaultfd",
        "perf_event_open",
        "memfd_create",
        "memfd_secret",
        "modify_ldt",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "unshare",
        "setns",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "open_by_handle_at",
        "name_to_handle_at",
        "init_module",
        "finit_module",
        "kexec_load",
        "reboot",
        "swapon",
        "fanotify_init",
        "quotactl",
        "syslog",
        "acct",
        "settimeofday",
        "clock_settime",
        "fsopen",
        "fsmount",
        "move_mount",
        "open_tree",
        "mount_setattr",
        "socketcall",
        "clone",
        "socket",
        "socketpair",
        "personality",
        "clone3",
        "openat2",
        "prlimit64",
        "setpriority",
        "sched_setscheduler",
        "sched_setattr",
        "ioprio_set",
    };
    struct buf text = BUF_INIT(SECCOMP_MAX);
    struct arena arena = ARENA_INIT(1 << 22);
    const struct tree *profile;

    for (int arch = SECCOMP_X86_64; arch <= SECCOMP_ARM64; arch++) {
        buf_clear(&text);
        assert_int_equal(seccomp_write((enum seccomp_arch) arch, &text, &err), 0);
        assert_int_equal(json_parse(buf_span(&text), &arena, &profile, &err), 0);
        for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
            if (allows(profile, closed[i]))
                fail_msg("'%s' is allowed", closed[i]);
        /* what the guest itself needs */
        assert_true(allows(profile, "signalfd4") && allows(profile, "ppoll") &&
                    allows(profile, "pidfd_open") && allows(profile, "renameat2") &&
                    allows(profile, "setsid"));
        arena_done(&arena);
    }
    buf_done(&text);
}

static void arm64_has_no_calls_of_older_machines(void **state)
{
    static const char *const old[] = { "open",   "creat",  "mknod",      "fork",      "vfork", "stat",
                                       "lstat",  "chmod",  "chown",      "pipe",      "poll",  "dup2",
                                       "rename", "unlink", "arch_prctl", "epoll_wait" };
    struct buf text = BUF_INIT(SECCOMP_MAX);
    struct arena arena = ARENA_INIT(1 << 22);
    const struct tree *profile;

    assert_int_equal(seccomp_write(SECCOMP_ARM64, &text, &err), 0);
    assert_int_equal(json_parse(buf_span(&text), &arena, &profile, &err), 0);
    for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
        assert_false(names(profile, old[i]));
    assert_true(names(profile, "fchmodat"));
    arena_done(&arena);
    buf_done(&text);
}

static void architectures_have_docker_and_kernel_names(void **state)
{
    enum seccomp_arch arch;

    assert_int_equal(seccomp_arch_parse("amd64", &arch, &err), 0);
    assert_int_equal(arch, SECCOMP_X86_64);
    assert_int_equal(seccomp_arch_parse("aarch64", &arch, &err), 0);
    assert_int_equal(arch, SECCOMP_ARM64);
    assert_int_equal(seccomp_arch_parse("riscv64", &arch, &err), -ERR_ENGINE);
    assert_string_equal(err.text, "there is no seccomp profile for the architecture 'riscv64'");
}

static void a_profile_of_a_file_is_checked(void **state)
{
    char path[] = "/tmp/agentbox-seccomp-XXXXXX";
    struct buf out = BUF_INIT(SECCOMP_MAX);
    char text[256];
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, "{ \"defaultAction\" :\n\"X\" }", 25, &err), 0);
    assert_int_equal(seccomp_load(path, &out, &err), 0);
    assert_string_equal(buf_text(&out), "{\"defaultAction\":\"X\"}");
    assert_int_equal(file_write_atomic(path, span_of("{}"), 0600, &err), 0);
    assert_int_equal(seccomp_load(path, &out, &err), -ERR_INVALID);
    snprintf(text, sizeof(text), "seccomp profile '%s': it is no seccomp profile: 'defaultAction' is missing",
             path);
    assert_string_equal(err.text, text);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_profiles_are_as_reviewed),
        cmocka_unit_test(what_is_closed_stays_closed),
        cmocka_unit_test(arm64_has_no_calls_of_older_machines),
        cmocka_unit_test(architectures_have_docker_and_kernel_names),
        cmocka_unit_test(a_profile_of_a_file_is_checked),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
