/* SPDX-License-Identifier: MIT */
/*
 * The Docker sandbox on a real engine: it starts, every row of the lock-down is
 * verified, commands run, attempts to break out of each row fail, and nothing is
 * left behind. DOCKER_HOST says which engine; its images are those of `scripts/image demo test`.
 * Without them it fails: a test that is asked for and cannot run has not passed.
 */
#include "core/sandbox/guest_image.h"
#include "oci/docker_sandbox.h"
#include "oci/sweep.h"
#include "tests/live/live.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* ---- a sandbox from beginning to end ---- */

/* With nothing given up: either all is enforced, or it is refused with exactly these rows' names. */
static void what_the_engine_cannot_enforce_is_refused_by_name(void **state)
{
    const char *const *names = (const char *const *) live_engine()->refused;
    struct fixture f;
    char start_[80], rest[120], hint[200];

    setup(&f);
    f.spec.lower_count = 0;
    start(&f);
    if (!names[0]) {
        assert_int_equal(f.ready_result, 0);
    } else {
        assert_int_equal(f.ready_result, -ERR_POLICY);
        snprintf(start_, sizeof(start_), "the lock-down is not as asked: %s: asked '", names[0]);
        snprintf(rest, sizeof(rest), "; nor are: %s, %s", names[1], names[2]);
        snprintf(hint, sizeof(hint),
                 "see `agentbox doctor`; to do without them, say sandbox.lower: [%s, %s, %s]", names[0],
                 names[1], names[2]);
        assert_int_equal(strncmp(f.err.text, start_, strlen(start_)), 0);
        assert_string_equal(f.err.text + strlen(f.err.text) - strlen(rest), rest);
        assert_string_equal(f.err.hint, hint);
    }
    finish(&f);
}

static void starts_runs_and_verifies_every_row(void **state)
{
    struct fixture f;

    start_well(&f);
    print_rows(&f);
    print_message("# create to ready: %d us\n", (int) (f.ready_us - f.intent_us));
    assert_verified(&f);
    assert_sh(&f, "echo hi", 0, "hi\n");
    assert_sh(&f, "pwd; id -u; echo $HOME $TMPDIR; hostname", 0,
              "/workspace\n65532\n/workspace /tmp\nsandbox\n");
    assert_sh(&f, "echo x > a && cat a && cp /bin/busybox busybox && ./busybox echo run", 0, "x\nrun\n");
    finish(&f);
}

/* ---- each row, attacked from inside ---- */

static void no_row_gives_way_from_inside(void **state)
{
    struct fixture f;

    start_well(&f);
    /* probe_capabilities, probe_privileged */
    assert_sh(&f, "mount -t tmpfs x /tmp 2>/dev/null", 1, "");
    assert_sh(&f, "chown 0 /workspace 2>/dev/null", 1, "");
    assert_sh(&f, "exec 2>/dev/null; echo 1 > /proc/sys/kernel/panic", 1, "");
    assert_sh(&f, "grep Cap /proc/self/status | grep -c 0000000000000000", 0, "5\n");
    /* probe_no_new_privileges, probe_user */
    assert_sh(&f, "cp /bin/busybox busybox; chmod 4755 busybox 2>/dev/null", 1, "");
    assert_sh(&f, "grep NoNewPrivs /proc/self/status", 0, "NoNewPrivs:\t1\n");
    /* probe_seccomp */
    assert_sh(&f, "unshare -r true 2>/dev/null", 1, "");
    assert_sh(&f, "chroot / true 2>/dev/null", 1, "");
    /* probe_read_only_root */
    assert_sh(&f, "touch /x 2>/dev/null || touch /etc/x 2>/dev/null", 1, "");
    /* probe_network: no interface, no name, no address */
    assert_sh(&f, "grep -c : /proc/net/dev", 0, "1\n");
    assert_sh(&f, "nc -w 1 192.0.2.1 80 2>/dev/null", 1, "");
    assert_sh(&f, "grep -v '^Iface' /proc/net/route", 1, "");
    /* probe_memory, probe_swap, probe_tmpfs, probe_workspace: writing stops at the size */
    assert_sh(&f, "dd if=/dev/zero of=/tmp/big bs=1M count=64 2>/dev/null; stat -c %s /tmp/big", 0,
              "16777216\n");
    assert_sh(&f, "dd if=/dev/zero of=big bs=1M count=64 2>/dev/null; test $(stat -c %s big) -le 33554432", 0,
              "");
    assert_sh(&f, "rm -f big /tmp/big; cp /bin/busybox /tmp/busybox && /tmp/busybox true 2>/dev/null", 126,
              "");
    /* probe_pids: a fork bomb ends at the limit, its deadline takes all of it, and the sandbox still answers
     */
    assert_int_equal(
        sh_within(&f, "(for i in $(seq 200); do sleep 100 & done) 2>/dev/null & wait; exec sleep 100", 1500),
        1000 + EXEC_TIMEOUT);
    assert_sh(&f, "echo alive", 0, "alive\n");
    /* probe_ulimits, probe_oom */
    assert_sh(&f, "ulimit -c; ulimit -Hn", 0, "0\n4096\n");
    assert_sh(&f, "exec 2>/dev/null; echo -1 > /proc/self/oom_score_adj", 1, "");
    /* probe_mounts, probe_devices: no socket, no host file, no device */
    assert_sh(&f, "ls /var/run/docker.sock /run/docker.sock 2>/dev/null", 1, "");
    assert_sh(&f, "mknod d b 8 0 2>/dev/null", 1, "");
    assert_sh(&f, "ls /dev | tr '\\n' ' '", 0, NULL);
    assert_null(strstr(buf_text(&f.out), "sda"));
    assert_null(strstr(buf_text(&f.out), "kmsg"));
    /* probe_masked_paths, probe_readonly_paths */
    assert_sh(&f, "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c", 0, "0\n");
    assert_sh(&f, "ls /sys/firmware /sys/kernel /sys/class | grep -v :$ | grep .", 1, NULL);
    /* probe_pid, probe_guest: the guest cannot be ended, read or traced */
    assert_sh(&f,
              "kill -9 1; kill -TERM 1; kill -STOP 1; head -c1 /proc/1/mem 2>/dev/null || ls /proc/1/fd "
              "2>/dev/null || "
              "cat /proc/1/environ 2>/dev/null || cp /bin/busybox /.agentbox/guest 2>/dev/null",
              1, "");
    assert_sh(&f, "echo alive", 0, "alive\n");
    /* probe_uts, probe_cgroup, probe_ipc */
    assert_sh(&f, "hostname evil 2>/dev/null", 1, "");
    assert_sh(&f, "grep -vc ':/$' /proc/self/cgroup", 1, "0\n");
    assert_sh(&f, "mkdir /sys/fs/cgroup/memory/x /sys/fs/cgroup/x 2>/dev/null", 1, "");
    /* probe_environment */
    assert_sh(&f, "env | grep -c ^LD_", 1, "0\n");
    finish(&f);
}

/* The profile, call by call: EPERM is 1, ENOSYS 38, EOPNOTSUPP 95. */
static const char seccomp_answers[] =
    "socket-unix 0\nsocket-tcp 0\nsocket-tcp-named 0\nsocket-udp6 0\nsocket-route 0\nsocket-raw 1\n"
    "socket-ping 1\nsocket-sctp 1\nsocket-seqpacket 1\nsocket-dccp 1\nsocket-mptcp 1\n"
    "socket-packet 1\nsocket-vsock 1\nsocket-alg 1\nsocket-audit 1\nsocket-netfilter 1\n"
    "socketpair-tipc 1\nsocketpair-unix 0\nio_uring_setup 1\nptrace 1\nprocess_vm_readv 1\n"
    "pidfd_getfd 1\nbpf 1\nkeyctl 1\nadd_key 1\nuserfaultfd 1\nperf_event_open 1\nmemfd_create 1\n"
    "memfd_secret 1\nunshare-user 1\nclone-user 1\nclone3 38\nsetns 1\nmount 1\nfsopen 1\n"
    "open_by_handle_at 1\nchroot 1\nkexec_load 1\nsyslog 1\nvmsplice 38\npersonality 1\n"
    "personality-ask 0\nopenat2 38\nprlimit-self 0\nprlimit-guest 1\nsched-guest 1\npriority-self 0\n"
    "priority-guest 1\npriority-user 1\nioprio-guest 1\nptrace-guest 1\nmem-guest 13\n"
    "environ-guest 13\nopen 0\nchmod 0\nchmod-setuid 1\nfchmod-setgid 1\nfchmodat2 38\n"
    "mknod-device 1\nmkfifo 0\nsetxattr 95\nsync 0\n";

static void every_closed_call_is_closed(void **state)
{
    char folder[] = "/tmp/agentbox-live-XXXXXX";
    char command[512];
    struct sandbox_mount mount = { folder, "/workspace/probe" };
    struct fixture f;

    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof(command), "chmod 755 %s && cp '%s' %s/probe && chmod 755 %s/probe", folder,
             need("AGENTBOX_PROBE_SECCOMP"), folder, folder);
    assert_int_equal(system(command), 0);
    setup(&f);
    f.spec.mounts = &mount;
    f.spec.mount_count = 1;
    start(&f);
    if (f.ready_result < 0)
        fail_msg("%s", f.err.text);
    assert_sh(&f, "probe/probe", 0, seccomp_answers);
#ifdef __x86_64__
    assert_int_equal(sh(&f, "exec probe/probe old-door"), 1000 + EXEC_SIGNALED);
    assert_int_equal(f.result.code, SIGSYS);
#endif
    finish(&f);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* ---- odd images ---- */

/* With VOLUMEs, LD_PRELOAD and a token in its ENV, an ENTRYPOINT that fails, a HEALTHCHECK, USER 0, a set-uid
 * program. */
static void an_odd_image_changes_nothing(void **state)
{
    struct fixture f;

    setup(&f);
    f.spec.image = "agentbox-test:1";
    start(&f);
    if (f.ready_result < 0)
        fail_msg("%s", f.err.text);
    assert_verified(&f);
    assert_sh(&f, "env | grep -E 'LD_|TOKEN'", 1, "");
    assert_sh(&f, "id -u; pwd", 0, "65532\n/workspace\n");
    assert_sh(&f, "/bin/setuid/id -u; grep -c CapEff:.0000000000000000 /proc/self/status", 0, "65532\n1\n");
    assert_sh(&f, "dd if=/dev/zero of=/data/x bs=1M count=64 2>/dev/null; stat -c %s /data/x; rm /data/x", 0,
              "16777216\n");
    assert_sh(&f, "grep -E ' (/data|/var/cache/image) ' /proc/self/mountinfo | grep -c tmpfs", 0, "2\n");
    finish(&f);
}

static void an_image_without_any_program_starts(void **state)
{
    struct fixture f;

    setup(&f);
    f.spec.image = "agentbox-bare:1";
    start(&f);
    if (f.ready_result < 0)
        fail_msg("%s", f.err.text);
    assert_int_equal(sh(&f, "true"), 1000 + EXEC_FAILED);
    assert_int_equal(f.result.errnum, ENOENT);
    finish(&f);
}

/* ---- the guest's volume ---- */

static void a_half_filled_guest_is_filled_again(void **state)
{
    struct fixture f;
    char command[512];

    /* what a crash in the middle of the first filling leaves: a volume of the right name with nothing in it
     */
    snprintf(command, sizeof(command),
             "docker volume rm -f agentbox-guest-%s >/dev/null 2>&1; docker volume create "
             "agentbox-guest-%s >/dev/null",
             guest_image_digest(), guest_image_digest());
    assert_int_equal(system(command), 0);
    start_well(&f);
    assert_sh(&f, "echo hi", 0, "hi\n");
    finish(&f);
}

/* ---- what cannot be had ---- */

static void a_missing_image_names_the_way_out(void **state)
{
    struct fixture f;

    setup(&f);
    f.spec.image = "agentbox-no-such-image:1";
    start(&f);
    assert_int_equal(f.ready_result, -ERR_ENGINE);
    assert_string_equal(f.err.text, "image 'agentbox-no-such-image:1' is not on the engine");
    assert_string_equal(f.err.hint, "`docker pull agentbox-no-such-image:1`, or sandbox.pull: missing");
    finish(&f);
}

static void root_is_refused(void **state)
{
    struct fixture f;
    struct err err = { 0 };

    setup(&f);
    f.spec.uid = 0;
    assert_int_equal(make(&f, &err), -ERR_POLICY);
    assert_string_equal(err.text, "sandbox.user: commands would run as root");
    finish(&f);
}

static void the_engines_socket_is_never_mounted(void **state)
{
    struct fixture f;
    struct err err = { 0 };
    const char *socket = need("DOCKER_HOST") + strlen("unix://");
    struct sandbox_mount mount = { socket, "/workspace/s" };

    setup(&f);
    f.spec.mounts = &mount;
    f.spec.mount_count = 1;
    assert_int_equal(make(&f, &err), -ERR_POLICY);
    assert_non_null(strstr(err.text, "it holds the engine's socket"));
    finish(&f);
}

static void a_volume_without_a_limit_is_refused(void **state)
{
    struct fixture f;

    setup(&f);
    f.spec.storage = SANDBOX_STORAGE_VOLUME;
    start(&f);
    if (f.ready_result == 0) /* an engine on xfs with quotas */
        assert_sh(&f, "touch x", 0, "");
    else
        assert_int_equal(f.ready_result, -ERR_POLICY);
    finish(&f);
}

static void a_lowered_volume_is_the_users(void **state)
{
    struct fixture f;

    setup(&f);
    f.spec.storage = SANDBOX_STORAGE_VOLUME;
    give_up(&f, "workspace");
    start(&f);
    if (f.ready_result < 0)
        fail_msg("%s", f.err.text);
    /* Podman gives a volume to its first user, and knows no mode */
    assert_sh(&f, "touch x && stat -c '%u %a' .", 0,
              live_engine()->is_podman ? "65532 755\n" : "65532 700\n");
    finish(&f);
}

static void a_declared_folder_is_read_only(void **state)
{
    char folder[] = "/tmp/agentbox-live-XXXXXX";
    char file[64];
    struct sandbox_mount mount = { folder, "/workspace/data" };
    struct fixture f;
    FILE *out;

    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/f", folder);
    out = fopen(file, "w");
    assert_non_null(out);
    fputs("content", out);
    fclose(out);
    setup(&f);
    f.spec.mounts = &mount;
    f.spec.mount_count = 1;
    {
        struct err err = { 0 };

        assert_int_equal(make(&f, &err), -ERR_POLICY); /* mkdtemp() made it 0700 */
        assert_non_null(strstr(err.text, "cannot be read by user 65532:65532"));
    }
    assert_int_equal(system("chmod -R o+rX /tmp/agentbox-live-*"), 0);
    start(&f);
    if (f.ready_result < 0)
        fail_msg("%s", f.err.text);
    assert_sh(&f, "cat data/f", 0, "content");
    assert_sh(&f, "exec 2>/dev/null; echo x > data/g", 1, "");
    finish(&f);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- runtimes ---- */

static void try_runtime(struct fixture *f, const char *runtime)
{
    setup(f);
    f->spec.runtime = runtime;
    start(f);
}

/* 'second' is registered by scripts/engine. Podman has one, chosen when it was started, and drops the wish in
 * silence. */
static void a_second_runtime_is_taken_or_refused(void **state)
{
    struct fixture f;
    struct sandbox_info info;

    try_runtime(&f, "second");
    if (live_engine()->is_podman) {
        assert_int_equal(f.ready_result, -ERR_POLICY);
        assert_string_equal(f.err.text,
                            "the lock-down is not as asked: runtime: asked 'second', found 'runc'");
    } else {
        assert_int_equal(f.ready_result, 0);
        sandbox_info(f.sb, &info);
        for (size_t i = 0; i < info.row_count; i++)
            if (strcmp(info.rows[i].name, "runtime") == 0)
                assert_string_equal(info.rows[i].found, "second");
        assert_verified(&f);
    }
    finish(&f);
}

static void a_runtime_that_is_not_there_names_those_that_are(void **state)
{
    struct fixture f;

    try_runtime(&f, "nosuch");
    if (live_engine()->is_podman) {
        assert_string_equal(f.err.text,
                            "the lock-down is not as asked: runtime: asked 'nosuch', found 'runc'");
    } else {
        assert_int_equal(f.ready_result, -ERR_ENGINE);
        assert_string_equal(f.err.text, "the engine has no runtime 'nosuch'");
        assert_non_null(strstr(f.err.hint, "it has: "));
        assert_non_null(strstr(f.err.hint, "second"));
    }
    finish(&f);
}

/* gVisor's own kernel shows no limits of processor and processes, and uses a profile only when it is told to:
 * refused, by these names. Where it cannot be asked for, or cannot start at all, the engine says so. */
static void gvisor_is_refused_for_what_it_does_not_show(void **state)
{
    struct fixture f;

    try_runtime(&f, "runsc");
    if (f.ready_result == -ERR_POLICY && !live_engine()->is_podman) {
        assert_non_null(strstr(f.err.text, "seccomp: asked 'strict profile', found 'no filter: runsc wants "
                                           "--oci-seccomp'; nor are: "));
        assert_non_null(strstr(f.err.text, "oom"));
        assert_non_null(strstr(f.err.hint, "say sandbox.lower: [seccomp, "));
    } else if (!live_engine()->is_podman) {
        assert_int_equal(f.ready_result, -ERR_ENGINE);
    } else {
        assert_string_equal(f.err.text,
                            "the lock-down is not as asked: runtime: asked 'runsc', found 'runc'");
    }
    finish(&f);
}

/* The forbidden things, tried: what the host has is behind gVisor's kernel; what our profile closes is closed
 * when it is used. */
static void attack_gvisor(struct fixture *f, bool has_profile)
{
    assert_sh(f, "cat /proc/version", 0, "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n");
    assert_sh(
        f,
        "echo x 2>/dev/null >/x || echo x 2>/dev/null >/etc/passwd || echo x 2>/dev/null >/.agentbox/guest",
        1, "");
    assert_sh(f, "mount -t tmpfs none /tmp 2>/dev/null || umount /tmp 2>/dev/null || chroot /tmp 2>/dev/null",
              1, "");
    /* a node can be made, but what it stands for is not there */
    assert_sh(f, "mknod /tmp/x b 8 0 2>/dev/null; head -c 1 /tmp/x 2>/dev/null || chown 0 /tmp 2>/dev/null",
              1, "");
    assert_sh(f, "head -c 1 /proc/1/mem 2>/dev/null", 1, "");
    assert_sh(f, "echo 1 2>/dev/null >/proc/sys/net/ipv4/ip_forward || hostname x 2>/dev/null", 1, "");
    assert_sh(f, "tail -n +3 /proc/net/dev | wc -l", 0, "1\n"); /* lo */
    assert_sh(f,
              "head -c 64m /dev/zero 2>/dev/null >big; rm big; head -c 40m /dev/zero 2>/dev/null >/tmp/big; "
              "stat -c %s /tmp/big; rm /tmp/big",
              0, "16777216\n");
    assert_sh(f, "ls /sys/firmware /sys/block /sys/kernel /sys/module /sys/bus | grep -v : | grep . ", 1, "");
    assert_sh(f, "head -c 100m /dev/zero >/dev/null; ulimit -n; ulimit -c", 0, "1024\n0\n");
    if (has_profile)
        assert_sh(f, "unshare -r true 2>/dev/null || dmesg 2>/dev/null || unshare -n true 2>/dev/null", 1,
                  "");
}

/* Where no runsc is, or the engine's user may not start one, it is refused before; the engine of the
 * project's own tests has to. */
static void gvisor_holds(void **state)
{
    static const char *const names[] = { "runsc", "runsc-seccomp" };
    static const char *const rows[] = { "cpus", "pids", "oom", "seccomp" };
    struct fixture f;

    for (size_t i = 0; i < 2; i++) {
        setup(&f);
        f.spec.runtime = names[i];
        f.spec.pids = 512; /* gVisor's own threads count */
        f.spec.lower_count = 0;
        for (size_t k = 0; k < (i == 0 ? 4 : 3); k++)
            give_up(&f, rows[k]);
        start(&f);
        if (f.ready_result == 0) {
            assert_verified(&f);
            attack_gvisor(&f, i == 1);
        } else if (strcmp(live_engine()->kind, "docker") == 0 && access("/usr/bin/runsc", X_OK) == 0) {
            print_rows(&f);
            fail_msg("not ready: %s (%s)", f.err.text, f.err.hint);
        }
        finish(&f);
    }
}

/* ---- ends ---- */

static void a_sandbox_that_was_killed_says_so(void **state)
{
    struct fixture f;
    struct sandbox_info info;
    struct err err = { 0 };
    char command[256];

    start_well(&f);
    sandbox_info(f.sb, &info);
    snprintf(command, sizeof(command), "docker kill %s >/dev/null", info.container_id);
    assert_int_equal(system(command), 0);
    assert_int_equal(loop_run(f.loop, &f.is_lost, &err), 0);
    assert_string_equal(f.lost.text, "the sandbox was killed from outside (or ran out of memory)");
    assert_null(sandbox_channel(f.sb));
    finish(&f);
}

static void removing_while_starting_leaves_nothing(void **state)
{
    struct fixture f;
    struct err err = { 0 };

    setup(&f);
    assert_int_equal(make(&f, &err), 0);
    assert_int_equal(sandbox_start(f.sb, &live_events, &f, &err), 0);
    assert_int_equal(loop_run(f.loop, &f.has_intent, &err), 0);
    finish(&f); /* while create is on its way */
    assert_false(f.is_ready);
}

static struct sweep_result sweep(struct fixture *f, struct engine **ret_engine, struct sweep **ret,
                                 const char *run)
{
    struct arena arena = ARENA_INIT(1 << 24);
    struct endpoint at;
    struct sweep_result result;
    struct sweep_options options = { .run = run, .now_s = 1 };
    struct err err = { 0 };

    assert_int_equal(endpoint_resolve("auto", &endpoint_env_process, &arena, &at, &err), 0);
    assert_int_equal(engine_new(f->loop, f->http, &at, ret_engine, &err), 0);
    arena_done(&arena);
    if (engine_open_wait(*ret_engine, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sweep_wait(*ret_engine, &options, ret, &result, &err), 0);
    return result;
}

static void a_sweep_takes_the_run_and_nothing_else(void **state)
{
    struct fixture f;
    struct engine *engine = NULL;
    struct sweep *swept = NULL;
    struct sweep_result result;
    struct err err = { 0 };
    char run[64];

    start_well(&f);
    snprintf(run, sizeof(run), "live-%d", (int) getpid());
    result = sweep(&f, &engine, &swept, "another-run");
    assert_int_equal(result.removed, 0);
    sweep_free(swept);
    engine_free(engine);
    result = sweep(&f, &engine, &swept, run);
    assert_int_equal(result.removed, live_engine()->is_podman ? 4 : 1); /* three places are volumes there */
    assert_int_equal(loop_run(f.loop, &f.is_lost, &err), 0);
    sweep_free(swept);
    engine_free(engine);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_engine_cannot_enforce_is_refused_by_name),
        cmocka_unit_test(starts_runs_and_verifies_every_row),
        cmocka_unit_test(no_row_gives_way_from_inside),
        cmocka_unit_test(every_closed_call_is_closed),
        cmocka_unit_test(an_odd_image_changes_nothing),
        cmocka_unit_test(an_image_without_any_program_starts),
        cmocka_unit_test(a_half_filled_guest_is_filled_again),
        cmocka_unit_test(a_missing_image_names_the_way_out),
        cmocka_unit_test(root_is_refused),
        cmocka_unit_test(the_engines_socket_is_never_mounted),
        cmocka_unit_test(a_volume_without_a_limit_is_refused),
        cmocka_unit_test(a_lowered_volume_is_the_users),
        cmocka_unit_test(a_declared_folder_is_read_only),
        cmocka_unit_test(a_second_runtime_is_taken_or_refused),
        cmocka_unit_test(a_runtime_that_is_not_there_names_those_that_are),
        cmocka_unit_test(gvisor_is_refused_for_what_it_does_not_show),
        cmocka_unit_test(gvisor_holds),
        cmocka_unit_test(a_sandbox_that_was_killed_says_so),
        cmocka_unit_test(removing_while_starting_leaves_nothing),
        cmocka_unit_test(a_sweep_takes_the_run_and_nothing_else),
    };

    if (!getenv("DOCKER_HOST"))
        return live_no_engine();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
