/* SPDX-License-Identifier: MIT */
/*
 * Every row of the lock-down: the untouched evidence passes; each lie of an engine, and each
 * difference inside, is found by the row whose matter it is, with these words.
 */
#include "oci/lockdown.h"

#include "core/base/json.h"
#include "oci/seccomp.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#define MIB (1024 * 1024)

static const char *const argv[] = { LOCKDOWN_GUEST, "--root", "/workspace", NULL };
static const struct lockdown_label labels[] = { { "agentbox.run", "r1" }, { "agentbox.attempt", "1" } };
static const struct sandbox_mount mounts[] = { { "/home/u/data", "/workspace/data" } };
static const struct sandbox_env env[] = { { "TZ", "UTC" } };
static const struct image image = {
    .id = "sha256:1",
    .os = "linux",
    .arch = "amd64",
    .env = { "PATH=/bin", "LD_PRELOAD=/x.so", "API_KEY=k" },
    .env_count = 3,
    .volumes = { "/var/lib/x", "/tmp" },
    .volume_count = 2,
};

static const char status[] =
    "Name:\tguest\nPid:\t1\nUid:\t65532\t65532\t65532\t65532\nGid:\t65532\t65532\t65532\t65532\n"
    "Groups:\t65532 \nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
    "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n"
    "NoNewPrivs:\t1\nSeccomp:\t2\n";

static const char mountinfo[] =
    "1 0 0:96 / / ro,relatime - overlay overlay rw\n"
    "2 1 0:99 / /proc rw,nosuid,nodev,noexec - proc proc rw\n"
    "3 1 0:100 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n"
    "4 1 0:102 / /sys ro,nosuid,nodev,noexec - sysfs sysfs ro\n"
    "5 1 254:0 /v /.agentbox ro,relatime - ext4 /dev/vda rw\n"
    "6 1 0:104 / /workspace rw,nosuid,nodev - tmpfs tmpfs rw,size=32768k,nr_inodes=16384,uid=65532\n"
    "7 6 254:0 /home/u/data /workspace/data ro,relatime - ext4 /dev/vda rw\n"
    "8 1 0:105 / /tmp rw,nosuid,nodev,noexec - tmpfs tmpfs rw,size=16384k,nr_inodes=4096\n"
    "9 3 0:106 / /dev/shm rw,nosuid,nodev,noexec - tmpfs tmpfs rw,size=16384k,nr_inodes=4096\n"
    "10 1 0:107 / /var/lib/x rw,nosuid,nodev,noexec - tmpfs tmpfs rw,size=16384k,nr_inodes=4096\n"
    "11 1 254:0 /h /etc/hostname ro - ext4 /dev/vda rw\n"
    "12 2 0:99 /sys /proc/sys ro,nosuid,nodev,noexec - proc proc rw\n"
    "13 2 0:100 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw\n";

static const char limits[] = "Limit                     Soft Limit           Hard Limit           Units\n"
                             "Max file size             33554432             33554432             bytes\n"
                             "Max core file size        0                    0                    bytes\n"
                             "Max processes             16384                16384                processes\n"
                             "Max open files            1024                 4096                 files\n"
                             "Max locked memory         65536                65536                bytes\n"
                             "Max pending signals       1024                 1024                 signals\n"
                             "Max msgqueue size         0                    0                    bytes\n"
                             "Max nice priority         0                    0\n"
                             "Max realtime priority     0                    0\n";

static const char net[] = "Inter-|   Receive\n face |bytes\n    lo:       0       0\n";

/* 128 MiB and three tmpfs of 16, one of 32 */
#define MEMORY "218103808"

static const char *const v1[LOCKDOWN_FILES] = {
    [LOCKDOWN_STATUS] = status,
    [LOCKDOWN_MOUNTS] = mountinfo,
    [LOCKDOWN_LIMITS] = limits,
    [LOCKDOWN_NET] = net,
    [LOCKDOWN_CGROUP] = "4:memory:/\n0::/\n",
    [LOCKDOWN_UID_MAP] = "         0          0 4294967295\n",
    [LOCKDOWN_HOSTNAME_FILE] = "sandbox\n",
    [LOCKDOWN_OOM] = "500\n",
    [LOCKDOWN_MEMINFO] = "MemTotal:  1 kB\nSwapTotal:  1048576 kB\n",
    [LOCKDOWN_SHM_RMID] = "1\n",
    [LOCKDOWN_CALLS] = "io_uring_setup 1\nptrace 1\nmemfd_create 1\nprocess_vm_readv 1\nopenat2 38\n"
                       "vmsplice 38\nsetxattr 95\n",
    [LOCKDOWN_V1_MEMORY] = MEMORY "\n",
    [LOCKDOWN_V1_MEMSW] = MEMORY "\n",
    [LOCKDOWN_V1_PIDS] = "64\n",
    [LOCKDOWN_V1_QUOTA] = "100000\n",
    [LOCKDOWN_V1_PERIOD] = "100000\n",
    [LOCKDOWN_V1_DEVICES] = "b *:* m\nc *:* m\nc 1:3 rwm\n",
};

static const char *const v2[] = {
    [LOCKDOWN_V2_MEMORY] = MEMORY "\n",
    [LOCKDOWN_V2_SWAP] = "0\n",
    [LOCKDOWN_V2_PIDS] = "64\n",
    [LOCKDOWN_V2_CPU] = "100000 100000\n",
};

struct fixture {
    struct sandbox_spec spec;
    struct lockdown l;
    struct buf seccomp, body, inspect;
    struct arena arena;
    const char *files[LOCKDOWN_FILES];
    struct lockdown_evidence evidence;
    struct sandbox_row rows[LOCKDOWN_ROWS];
    struct err err;
};

static void replace_all(struct buf *b, const char *from, const char *to)
{
    struct buf out = BUF_INIT(4 * MIB);
    const char *at = buf_text(b), *hit;

    if (!strstr(at, from))
        fail_msg("there is no '%s'", from);
    hit = strstr(at, from);
    assert_int_equal(buf_add(&out, at, (size_t) (hit - at)), 0);
    assert_int_equal(buf_add_text(&out, to), 0);
    assert_int_equal(buf_add_text(&out, hit + strlen(from)), 0);
    buf_done(b);
    *b = out;
}

static void prepare(struct fixture *f)
{
    *f = (struct fixture){
        .spec = { .image = "x",
                  .uid = 65532,
                  .gid = 65532,
                  .memory_bytes = 128 * MIB,
                  .nano_cpus = 1000000000,
                  .pids = 64,
                  .tmp_bytes = 16 * MIB,
                  .runtime = "default",
                  .seccomp = "strict",
                  .root = "/workspace",
                  .size_bytes = 32 * MIB,
                  .env = env,
                  .env_count = 1,
                  .mounts = mounts,
                  .mount_count = 1 },
        .seccomp = BUF_INIT(SECCOMP_MAX),
        .body = BUF_INIT(LOCKDOWN_BODY_MAX),
        .inspect = BUF_INIT(4 * MIB),
        .arena = ARENA_INIT(16 * MIB),
    };
    f->l = (struct lockdown){ .spec = &f->spec,
                              .kind = &engine_kind_docker,
                              .container_name = "agentbox-r1-1",
                              .image = &image,
                              .image_ref = image.id,
                              .guest_argv = argv,
                              .guest_volume = "agentbox-guest-1",
                              .labels = labels,
                              .label_count = 2 };
    assert_int_equal(seccomp_write(SECCOMP_X86_64, &f->seccomp, &f->err), 0);
    f->l.seccomp = buf_text(&f->seccomp);
    memcpy(f->files, v1, sizeof(v1));
}

/* What an honest engine says about the container it made of the request. */
static void make_inspect(struct fixture *f)
{
    const struct tree *body;
    struct span host;

    assert_int_equal(lockdown_prepare(&f->l, &f->err), 0);
    buf_clear(&f->body);
    assert_int_equal(lockdown_write(&f->l, &f->body, &f->err), 0);
    assert_int_equal(json_parse(buf_span(&f->body), &f->arena, &body, &f->err), 0);
    host = tree_get(body, "HostConfig")->raw;
    buf_clear(&f->inspect);
    assert_int_equal(buf_printf(&f->inspect,
                                "{\"Path\":\"/.agentbox/guest\",\"Args\":[\"--root\",\"/"
                                "workspace\"],\"AppArmorProfile\":\"\",\"Mounts\":"
                                "[{\"Type\":\"volume\",\"Name\":\"agentbox-guest-1\",\"Destination\":\"/"
                                ".agentbox\",\"RW\":false},"
                                "{\"Type\":\"bind\",\"Source\":\"/home/u/data\",\"Destination\":\"/workspace/"
                                "data\",\"RW\":false}],"
                                "\"HostConfig\":" SPAN_FMT ",\"Config\":",
                                SPAN_ARG(host)),
                     0);
    assert_int_equal(buf_add_span(&f->inspect, buf_span(&f->body)), 0);
    assert_int_equal(buf_add_text(&f->inspect, "}"), 0);
}

static int verify(struct fixture *f)
{
    if (json_parse(buf_span(&f->inspect), &f->arena, &f->evidence.inspect, &f->err) < 0)
        fail_msg("%s", f->err.text);
    for (size_t i = 0; i < LOCKDOWN_FILES; i++)
        f->evidence.files[i] = span_of(f->files[i]);
    lockdown_ask(&f->l, f->rows);
    return lockdown_verify(&f->l, &f->evidence, f->rows, &f->err);
}

static void done(struct fixture *f)
{
    buf_done(&f->seccomp);
    buf_done(&f->body);
    buf_done(&f->inspect);
    arena_done(&f->arena);
}

static const struct sandbox_row *row(const struct fixture *f, const char *name)
{
    for (size_t i = 0; i < lockdown_row_count(); i++)
        if (strcmp(f->rows[i].name, name) == 0)
            return &f->rows[i];
    fail_msg("no row '%s'", name);
    return NULL;
}

static void the_truth_passes_on_both_cgroups(void **state)
{
    struct fixture f;

    prepare(&f);
    make_inspect(&f);
    if (verify(&f) < 0)
        fail_msg("%s", f.err.text);
    for (size_t i = 0; i < lockdown_row_count(); i++)
        assert_int_equal(f.rows[i].state, SANDBOX_ROW_VERIFIED);
    assert_string_equal(row(&f, "memory")->asked, "208 MiB (128 MiB for processes, the rest for tmpfs)");
    assert_string_equal(row(&f, "environment")->asked, "1 of the manifest, 2 of the image removed");
    assert_string_equal(row(&f, "tmpfs")->asked, "/tmp 16 MiB, /dev/shm 16 MiB, /var/lib/x 16 MiB");
    for (size_t i = LOCKDOWN_V1_MEMORY; i <= LOCKDOWN_V1_DEVICES; i++)
        f.files[i] = NULL;
    for (size_t i = LOCKDOWN_V2_MEMORY; i <= LOCKDOWN_V2_CPU; i++)
        f.files[i] = v2[i];
    if (verify(&f) < 0)
        fail_msg("%s", f.err.text);
    done(&f);
}

static void an_emptied_variable_is_as_good_as_none(void **state)
{
    struct fixture f;

    prepare(&f);
    make_inspect(&f);
    replace_all(&f.inspect, "\"API_KEY\"", "\"API_KEY=\"");
    if (verify(&f) < 0)
        fail_msg("%s", f.err.text);
    done(&f);
}

#define INSPECT LOCKDOWN_FILES /* the tampering is with what the engine says */

static const struct lie {
    const char *row;
    size_t where;
    const char *from, *to; /* to NULL: the file is not there */
    const char *found;
} lies[] = {
    { "capabilities", LOCKDOWN_STATUS, "CapBnd:\t0000000000000000", "CapBnd:\t00000000a80425fb",
      "CapBnd is 00000000a80425fb" },
    { "capabilities", LOCKDOWN_STATUS, "CapAmb:\t0000000000000000\n", "", "CapAmb is " },
    { "capabilities", INSPECT, "\"CapAdd\":[]", "\"CapAdd\":[\"SYS_ADMIN\"]", "the engine added some" },
    { "no_new_privileges", LOCKDOWN_STATUS, "NoNewPrivs:\t1", "NoNewPrivs:\t0", "off" },
    { "user", LOCKDOWN_STATUS, "Uid:\t65532\t65532\t65532\t65532", "Uid:\t65532\t0\t65532\t65532",
      "uid 65532\t0\t65532\t65532, gid 65532\t65532\t65532\t65532, groups 65532" },
    { "user", LOCKDOWN_STATUS, "Groups:\t65532 ", "Groups:\t0 65532",
      "uid 65532\t65532\t65532\t65532, gid 65532\t65532\t65532\t65532, groups 0 65532" },
    { "user", INSPECT, "\"User\":\"65532:65532\"", "\"User\":\"\"", "the engine says ''" },
    { "seccomp", LOCKDOWN_STATUS, "Seccomp:\t2", "Seccomp:\t0", "no filter" },
    { "seccomp", INSPECT, "seccomp={", "seccomp={ ", "the engine uses another profile" },
    { "seccomp", LOCKDOWN_CALLS, "openat2 38", "openat2 22", "calls that it closes are open" },
    { "seccomp", LOCKDOWN_CALLS, NULL, NULL, "calls that it closes are open" },
    { "apparmor", INSPECT, "\"AppArmorProfile\":\"\"", "\"AppArmorProfile\":\"unconfined\"", "unconfined" },
    { "apparmor", INSPECT, "no-new-privileges:true", "apparmor=unconfined", "unconfined" },
    { "privileged", INSPECT, "\"Privileged\":false", "\"Privileged\":true", "privileged" },
    { "privileged", INSPECT, "\"Privileged\":false,", "", "privileged" },
    { "privileged", LOCKDOWN_MOUNTS, "/sys ro,", "/sys rw,", "/sys is writable" },
    { "read_only_root", INSPECT, "\"ReadonlyRootfs\":true", "\"ReadonlyRootfs\":false", "off" },
    { "read_only_root", LOCKDOWN_MOUNTS, "/ / ro,", "/ / rw,", "writable inside" },
    { "network", INSPECT, "\"NetworkMode\":\"none\"", "\"NetworkMode\":\"bridge\"", "mode 'bridge'" },
    { "network", LOCKDOWN_NET, "    lo:", "  eth0: 5\n    lo:", "interface 'eth0:'" },
    { "network", LOCKDOWN_NET, NULL, NULL, "unknown" },
    { "memory", INSPECT, "\"Memory\":" MEMORY, "\"Memory\":0", "the engine says 0 bytes" },
    { "memory", LOCKDOWN_V1_MEMORY, MEMORY, "9223372036854771712", "another limit inside" },
    { "memory", LOCKDOWN_V1_MEMORY, NULL, NULL, "no limit inside" },
    { "swap", LOCKDOWN_V1_MEMSW, MEMORY, "9223372036854771712",
      "may be used: the kernel does not account for it" },
    { "swap", LOCKDOWN_V1_MEMSW, NULL, NULL, "may be used: the kernel does not account for it" },
    { "cpus", INSPECT, "\"NanoCpus\":1000000000", "\"NanoCpus\":0", "the engine says 0" },
    { "cpus", LOCKDOWN_V1_QUOTA, "100000", "-1", "no limit inside" },
    { "cpus", LOCKDOWN_V1_QUOTA, "100000", "200000", "2 of a processor" },
    { "pids", INSPECT, "\"PidsLimit\":64", "\"PidsLimit\":null", "the engine says 0" },
    { "pids", LOCKDOWN_V1_PIDS, "64", "max", "no limit inside" },
    { "pids", LOCKDOWN_V1_PIDS, "64", "65", "another limit inside" },
    { "ulimits", LOCKDOWN_LIMITS, "4096 ", "1048576 ", "nofile is 1024:1048576" },
    { "ulimits", LOCKDOWN_LIMITS, "Max core file size        0                    0 ",
      "Max core file size        0                    unlimited ", "core is 0:18446744073709551615" },
    { "ulimits", LOCKDOWN_LIMITS, "Max msgqueue size", "Max something", "msgqueue is unknown" },
    { "oom", LOCKDOWN_OOM, "500", "0", "score 0" },
    { "oom", LOCKDOWN_OOM, NULL, NULL, "the score is unknown" },
    { "oom", INSPECT, "\"OomKillDisable\":false", "\"OomKillDisable\":true", "the killer is off" },
    { "tmpfs", LOCKDOWN_MOUNTS, "/tmp rw,nosuid,nodev,noexec", "/tmp rw,nosuid,nodev",
      "/tmp is rw,nosuid,nodev" },
    { "tmpfs", LOCKDOWN_MOUNTS, "/dev/shm rw,nosuid,", "/dev/shm rw,", "/dev/shm is rw,nodev,noexec" },
    { "tmpfs", LOCKDOWN_MOUNTS, "tmpfs tmpfs rw,size=16384k,nr_inodes=4096\n9", "tmpfs tmpfs rw\n9",
      "/tmp has no size" },
    { "tmpfs", LOCKDOWN_MOUNTS, "tmpfs tmpfs rw,size=16384k,nr_inodes=4096\n11", "ext4 /dev/vda rw\n11",
      "/var/lib/x is no tmpfs; is it a link in the image?" },
    { "tmpfs", LOCKDOWN_MOUNTS, "size=16384k,nr_inodes=4096\n9", "size=16384k\n9",
      "/tmp has another number of inodes" },
    { "tmpfs", INSPECT, "\"/dev/shm\":\"rw", "\"/dev/shm\":\"ro", "/dev/shm: the engine says otherwise" },
    { "workspace", LOCKDOWN_MOUNTS, "size=32768k", "size=132768k", "/workspace has another size" },
    { "workspace", LOCKDOWN_MOUNTS, "/workspace rw", "/elsewhere rw",
      "/workspace is no tmpfs; is it a link in the image?" },
    { "mounts", INSPECT, "\"Mounts\":[{",
      "\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/\",\"Destination\":\"/host\",\"RW\":false},{",
      "a bind at '/host' nobody asked for" },
    { "mounts", INSPECT, "\"Destination\":\"/.agentbox\",\"RW\":false",
      "\"Destination\":\"/.agentbox\",\"RW\":true", "the guest is writable" },
    { "mounts", INSPECT, "\"Destination\":\"/workspace/data\",\"RW\":false",
      "\"Destination\":\"/workspace/data\"", "'/workspace/data' is writable" },
    { "mounts", INSPECT, "\"Source\":\"/home/u/data\",\"Destination\"", "\"Source\":\"/etc\",\"Destination\"",
      "another source at '/workspace/data'" },
    { "mounts", INSPECT, "\"Name\":\"agentbox-guest-1\"", "\"Name\":\"other\"",
      "a volume at '/.agentbox' nobody asked for" },
    { "mounts", INSPECT, "\"Tmpfs\":", "\"Binds\":[\"/:/host\"],\"Tmpfs\":", "binds nobody asked for" },
    { "mounts", LOCKDOWN_MOUNTS, "/var/lib/x rw", "/run rw", "a mount at '/run' nobody asked for" },
    { "mounts", LOCKDOWN_MOUNTS, "/workspace/data ro", "/workspace/data rw",
      "'/workspace/data' is writable" },
    { "mounts", LOCKDOWN_MOUNTS, "11 1", "14 7 0:1 / /workspace/data/sub rw - ext4 x rw\n11 1",
      "'/workspace/data/sub' is writable" },
    { "mounts", LOCKDOWN_MOUNTS, "7 6 254:0 /home/u/data /workspace/data ro,relatime - ext4 /dev/vda rw\n",
      "", "nothing is mounted at '/workspace/data'" },
    { "mounts", LOCKDOWN_MOUNTS, "/.agentbox ro", "/proc/x ro", "the guest is not mounted" },
    { "devices", INSPECT, "\"Devices\":[]", "\"Devices\":[{\"PathOnHost\":\"/dev/sda\"}]",
      "the engine added some" },
    { "devices", INSPECT,
      "\"Tmpfs\":", "\"DeviceRequests\":[{\"Driver\":\"nvidia\"}],\"Tmpfs\":", "the engine added some" },
    { "devices", LOCKDOWN_V1_DEVICES, "b *:* m", "a *:* rwm", "all: 'a *:* rwm'" },
    { "devices", LOCKDOWN_MOUNTS, "/dev rw,nosuid - tmpfs tmpfs", "/dev rw,nosuid - devtmpfs devtmpfs",
      "/dev is the host's" },
    { "devices", LOCKDOWN_MOUNTS, "11 1", "14 3 0:6 /sda /dev/sda rw - devtmpfs devtmpfs rw\n11 1",
      "the host's /dev/sda" },
    { "masked_paths", INSPECT, "\"/proc/kcore\",", "", "the engine says otherwise" },
    { "masked_paths", LOCKDOWN_MOUNTS, NULL, NULL, "unknown" },
    { "readonly_paths", INSPECT, "\"ReadonlyPaths\":[\"/proc/sys\"]", "\"ReadonlyPaths\":null",
      "the engine says otherwise" },
    { "readonly_paths", LOCKDOWN_MOUNTS, "/proc/sys ro", "/proc/sys rw", "/proc/sys is writable" },
    { "ipc", INSPECT, "\"IpcMode\":\"none\"", "\"IpcMode\":\"host\"", "'host'" },
    { "ipc", INSPECT, "{\"kernel.shm_rmid_forced\":\"1\"", "{\"kernel.msgmax\":\"65536\"",
      "own, with 'kernel.msgmax' set" },
    { "pid", INSPECT, "\"PidMode\":\"\"", "\"PidMode\":\"host\"", "'host'" },
    { "pid", LOCKDOWN_STATUS, "\nPid:\t1", "\nPid:\t4711", "the guest is not process 1" },
    { "uts", INSPECT, "\"UTSMode\":\"\"", "\"UTSMode\":\"host\"", "'host'" },
    { "uts", LOCKDOWN_HOSTNAME_FILE, "sandbox", "server-17", "server-17" },
    { "cgroup", INSPECT, "\"CgroupnsMode\":\"private\"", "\"CgroupnsMode\":\"host\"", "'host'" },
    { "cgroup", LOCKDOWN_CGROUP, "memory:/", "memory:/docker/1", "the host's" },
    { "cgroup", LOCKDOWN_CGROUP, NULL, NULL, "unknown" },
    { "userns", INSPECT, "\"UsernsMode\":\"\"", "\"UsernsMode\":\"host\"", "'host'" },
    { "runtime", INSPECT, NULL, NULL, "" }, /* below, with a runtime that is asked for */
    { "guest", INSPECT, "\"Path\":\"/.agentbox/guest\"", "\"Path\":\"/bin/sh\"", "'/bin/sh'" },
    { "guest", INSPECT, "\"Args\":[\"--root\"", "\"Args\":[\"--toor\"", "other arguments" },
    { "guest", INSPECT, "\"Args\":[\"--root\",\"/workspace\"]", "\"Args\":[\"--root\"]",
      "arguments are missing" },
    { "guest", INSPECT, "\"Init\":false", "\"Init\":true", "the engine's own init before it" },
    { "environment", INSPECT, "\"TZ=UTC\"", "\"TZ=CET\"", "'TZ' is not as asked" },
    { "environment", INSPECT, "\"API_KEY\"", "\"API_KEY=k\"", "'API_KEY', which nobody asked for" },
    { "environment", INSPECT, "\"TZ=UTC\"", "\"TZ=UTC\",\"BASH_ENV=/x\"",
      "'BASH_ENV', which nobody asked for" },
    { "environment", INSPECT, "\"HOME=/workspace\"", "\"HOME=/root\"", "'HOME', which nobody asked for" },
    { "log_driver", INSPECT, "\"Type\":\"none\"", "\"Type\":\"json-file\"", "json-file" },
    { "restart", INSPECT, "\"RestartPolicy\":{\"Name\":\"no\"}", "\"RestartPolicy\":{\"Name\":\"always\"}",
      "'always'" },
    { "restart", INSPECT, "\"AutoRemove\":false", "\"AutoRemove\":true", "removed by the engine" },
    { "labels", INSPECT, "\"agentbox.run\":\"r1\"", "\"agentbox.run\":\"r2\"",
      "'agentbox.run' is not as asked" },
};

#define LIES (sizeof(lies) / sizeof(lies[0]))

static void tell(const struct lie *lie)
{
    struct fixture f;
    struct buf changed = BUF_INIT(MIB);
    const struct sandbox_row *is;
    char text[400];

    prepare(&f);
    make_inspect(&f);
    if (lie->where == INSPECT) {
        replace_all(&f.inspect, lie->from, lie->to);
    } else if (!lie->to) {
        f.files[lie->where] = NULL;
    } else {
        assert_int_equal(buf_add_text(&changed, f.files[lie->where]), 0);
        replace_all(&changed, lie->from, lie->to);
        f.files[lie->where] = buf_text(&changed);
    }
    if (verify(&f) != -ERR_POLICY)
        fail_msg("%s: '%s' -> '%s' was not found", lie->row, lie->from, lie->to);
    is = row(&f, lie->row);
    if (is->state != SANDBOX_ROW_FAILED)
        fail_msg("%s: another row: %s", lie->row, f.err.text);
    assert_string_equal(is->found, lie->found);
    snprintf(text, sizeof(text), ": asked '%s', found '%s'", is->asked, lie->found);
    if (strncmp(f.err.text, "the lock-down is not as asked: ", 31) != 0 ||
        (strncmp(f.err.text + 31, lie->row, strlen(lie->row)) == 0 && !strstr(f.err.text, text)))
        fail_msg("%s", f.err.text);
    buf_done(&changed);
    done(&f);
}

static void every_lie_is_found_by_its_row(void **state)
{
    for (size_t i = 0; i < LIES; i++)
        if (strcmp(lies[i].row, "runtime") != 0)
            tell(&lies[i]);
}

static void every_row_has_a_lie_and_a_probe(void **state)
{
    for (size_t r = 0; r < lockdown_row_count(); r++) {
        size_t i = 0;

        while (i < LIES && strcmp(lies[i].row, lockdown_row_name(r)) != 0)
            i++;
        if (i == LIES)
            fail_msg("row '%s' is not tested", lockdown_row_name(r));
        assert_int_equal(strncmp(lockdown_row_probe(r), "probe_", 6), 0);
    }
    assert_null(lockdown_row_name(lockdown_row_count()));
}

static void a_runtime_that_is_ignored_is_found(void **state)
{
    struct fixture f;

    prepare(&f);
    f.spec.runtime = "runsc";
    make_inspect(&f);
    assert_int_equal(verify(&f), 0);
    replace_all(&f.inspect, "{\"Path\"", "{\"OCIRuntime\":\"runc\",\"Path\"");
    assert_int_equal(verify(&f), -ERR_POLICY);
    assert_string_equal(f.err.text, "the lock-down is not as asked: runtime: asked 'runsc', found 'runc'");
    done(&f);
}

/* ---- gVisor ---- */

static const char gvisor_kernel[] =
    "release:\t4.4.0\nversion:\t#1 SMP Sun Jan 10 15:06:54 PST 2016\nvdso:\tother\nnew_privileges:\t1\n"
    "rlimit 0:\t-1 -1\nrlimit 1:\t33554432 33554432\nrlimit 4:\t0 0\nrlimit 6:\t16384 16384\n"
    "rlimit 7:\t4096 4096\nrlimit 8:\t65536 65536\nrlimit 11:\t1024 1024\nrlimit 12:\t0 0\n"
    "rlimit 13:\t0 0\nrlimit 14:\t0 0\n";

static const char gvisor_status[] =
    "Name:\tguest\nPid:\t1\nUid:\t65532\t65532\t65532\t65532\nGid:\t65532\t65532\t65532\t65532\n"
    "Groups:\t 65532 \nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
    "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nSeccomp:\t2\n";

static const char gvisor_mounts[] =
    "8 8 0:8 / / ro  - 9p none ro,trans=fd\n9 8 0:6 / /dev rw  - tmpfs none rw,mode=0755\n"
    "10 8 0:9 / /sys ro,noexec  - sysfs none ro\n12 8 0:11 / /proc rw,noexec  - proc none rw\n"
    "13 8 0:5 / /.agentbox ro  - 9p none ro\n14 8 0:13 / /workspace rw  - tmpfs none rw,size=33554432\n"
    "15 8 0:7 / /workspace/data ro  - 9p none ro\n11 8 0:10 / /tmp rw,noexec  - tmpfs none rw,size=16777216\n"
    "16 8 0:14 / /dev/shm rw,noexec  - tmpfs none rw,size=16777216\n"
    "17 8 0:15 / /var/lib/x rw,noexec  - tmpfs none rw,size=16777216\n";

/* What runsc --oci-seccomp of 2022 shows, with what cannot be seen lowered. */
static void prepare_gvisor(struct fixture *f)
{
    static const char *const lower[] = { "cpus", "pids", "oom" };

    prepare(f);
    f->spec.runtime = "runsc";
    f->spec.lower = lower;
    f->spec.lower_count = 3;
    make_inspect(f);
    for (size_t i = LOCKDOWN_V1_MEMORY; i <= LOCKDOWN_V1_DEVICES; i++)
        f->files[i] = NULL;
    f->files[LOCKDOWN_KERNEL] = gvisor_kernel;
    f->files[LOCKDOWN_STATUS] = gvisor_status;
    f->files[LOCKDOWN_MOUNTS] = gvisor_mounts;
    f->files[LOCKDOWN_LIMITS] = NULL;
    f->files[LOCKDOWN_CGROUP] = "";
    f->files[LOCKDOWN_OOM] = "0\n";
    f->files[LOCKDOWN_MEMINFO] = "MemTotal:         212992 kB\nSwapTotal:             0 kB\n";
    f->files[LOCKDOWN_CALLS] = "io_uring_setup 1\nptrace 1\nmemfd_create 1\nprocess_vm_readv 1\nopenat2 1\n"
                               "vmsplice 38\nsetxattr 1\n";
    f->evidence.exposed = "/proc/cmdline";
}

static void gvisor_is_seen_in_its_own_way(void **state)
{
    struct fixture f;

    prepare_gvisor(&f);
    if (verify(&f) < 0)
        fail_msg("%s", f.err.text);
    assert_string_equal(row(&f, "runtime")->found, "runsc (gVisor)");
    assert_string_equal(row(&f, "masked_paths")->found, "gVisor's own files");
    assert_int_equal(row(&f, "pids")->state, SANDBOX_ROW_LOWERED);
    /* the limits are asked for all the same */
    assert_non_null(strstr(buf_text(&f.body), "\"PidsLimit\":64"));
    assert_non_null(strstr(buf_text(&f.body), "\"NanoCpus\":1000000000"));
    /* unless they are lowered they are refused, by their names */
    f.spec.lower_count = 0;
    assert_int_equal(lockdown_prepare(&f.l, &f.err), 0);
    assert_int_equal(verify(&f), -ERR_POLICY);
    assert_string_equal(f.err.text,
                        "the lock-down is not as asked: cpus: asked '1 of a processor', found 'not "
                        "shown by gVisor'; nor are: pids, oom");
    assert_string_equal(f.err.hint,
                        "see `agentbox doctor`; to do without them, say sandbox.lower: [cpus, pids, oom]");
    done(&f);
}

static const struct {
    const char *row;
    size_t where;
    const char *from, *to;
    const char *found;
} gvisor_lies[] = {
    { "capabilities", LOCKDOWN_STATUS, "CapEff:\t0000000000000000", "CapEff:\t0000000000000001",
      "CapEff is 0000000000000001" },
    { "no_new_privileges", LOCKDOWN_KERNEL, "new_privileges:\t1", "new_privileges:\t0", "off" },
    { "seccomp", LOCKDOWN_STATUS, "Seccomp:\t2", "Seccomp:\t0", "no filter: runsc wants --oci-seccomp" },
    { "seccomp", LOCKDOWN_CALLS, "memfd_create 1\n", "memfd_create 14\n", "calls that it closes are open" },
    { "seccomp", LOCKDOWN_CALLS, "memfd_create 1\n", "memfd_create\n", "calls that it closes are open" },
    { "memory", LOCKDOWN_MEMINFO, "212992 kB", "4212992 kB", "another limit inside" },
    { "memory", LOCKDOWN_MEMINFO, "212992 kB", "212992", "no limit inside" },
    { "ulimits", LOCKDOWN_KERNEL, "rlimit 7:\t4096 4096", "rlimit 7:\t4096 -1",
      "nofile is 4096:18446744073709551615" },
    { "ulimits", LOCKDOWN_KERNEL, "rlimit 14:\t0 0\n", "", "rtprio is unknown" },
    { "tmpfs", LOCKDOWN_MOUNTS, "/tmp rw,noexec  - tmpfs none rw,size=16777216",
      "/tmp rw,noexec  - tmpfs none rw", "/tmp has no size" },
    { "workspace", LOCKDOWN_MOUNTS, "size=33554432", "size=933554432", "/workspace has another size" },
    { "mounts", LOCKDOWN_MOUNTS, " /workspace/data ro ", " /workspace/data rw ",
      "'/workspace/data' is writable" },
};

static void what_gvisor_does_show_must_be_right(void **state)
{
    struct fixture f;
    struct buf text;

    for (size_t i = 0; i < sizeof(gvisor_lies) / sizeof(gvisor_lies[0]); i++) {
        prepare_gvisor(&f);
        buf_init(&text, MIB);
        assert_int_equal(buf_add_text(&text, f.files[gvisor_lies[i].where]), 0);
        replace_all(&text, gvisor_lies[i].from, gvisor_lies[i].to);
        f.files[gvisor_lies[i].where] = buf_text(&text);
        assert_int_equal(verify(&f), -ERR_POLICY);
        assert_int_equal(row(&f, gvisor_lies[i].row)->state, SANDBOX_ROW_FAILED);
        assert_string_equal(row(&f, gvisor_lies[i].row)->found, gvisor_lies[i].found);
        buf_done(&text);
        done(&f);
    }
}

/* A container of another runtime whose files inside say gVisor everywhere, but whose kernel does not; and one
 * that is gVisor, which nobody asked for. */
static void what_only_looks_like_gvisor_is_none(void **state)
{
    static const char *const kernels[][2] = {
        { "release:\t4.4.0", "release:\t6.1.0" },
        { "2016\n", "2017\n" },
        { "vdso:\tother", "vdso:\tlinux" },
        { "vdso:\tother", "vdso:\tnone" },
    };
    struct fixture f;
    struct buf text;

    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        prepare_gvisor(&f);
        buf_init(&text, MIB);
        assert_int_equal(buf_add_text(&text, gvisor_kernel), 0);
        replace_all(&text, kernels[i][0], kernels[i][1]);
        f.files[LOCKDOWN_KERNEL] = buf_text(&text);
        assert_int_equal(verify(&f), -ERR_POLICY);
        assert_string_equal(row(&f, "masked_paths")->found, "/proc/cmdline can be seen");
        assert_string_equal(row(&f, "no_new_privileges")->found, "off");
        assert_int_equal(row(&f, "ulimits")->state, SANDBOX_ROW_FAILED);
        assert_int_equal(row(&f, "tmpfs")->state, SANDBOX_ROW_FAILED);
        assert_int_equal(row(&f, "memory")->state, SANDBOX_ROW_FAILED);
        assert_int_equal(row(&f, "readonly_paths")->state, SANDBOX_ROW_FAILED);
        assert_int_equal(row(&f, "cgroup")->state, SANDBOX_ROW_FAILED);
        buf_done(&text);
        done(&f);
    }
    prepare_gvisor(&f);
    f.spec.runtime = "default";
    assert_int_equal(verify(&f), -ERR_POLICY);
    assert_int_equal(row(&f, "memory")->state, SANDBOX_ROW_FAILED);
    done(&f);
}

static void a_masked_path_that_shows_is_found(void **state)
{
    struct fixture f;
    const char *paths[64];
    size_t n;

    prepare(&f);
    make_inspect(&f);
    n = lockdown_uncovered(&f.l, span_of(mountinfo), paths, 64);
    assert_int_equal(n, 56); /* all but kcore */
    assert_string_equal(paths[0], "/proc/acpi");
    /* what is mounted read-only over itself is not covered */
    n = lockdown_uncovered(&f.l, span_of("1 1 0:1 /bus /proc/bus ro - proc proc rw\n"), paths, 64);
    assert_int_equal(n, 57);
    f.evidence.exposed = "/proc/keys";
    assert_int_equal(verify(&f), -ERR_POLICY);
    assert_string_equal(row(&f, "masked_paths")->found, "/proc/keys can be seen");
    assert_string_equal(f.err.hint,
                        "see `agentbox doctor`; to do without it, say sandbox.lower: [masked_paths]");
    done(&f);
}

static void all_that_failed_is_named(void **state)
{
    struct fixture f;

    prepare(&f);
    make_inspect(&f);
    f.files[LOCKDOWN_V1_PIDS] = f.files[LOCKDOWN_V1_QUOTA] = f.files[LOCKDOWN_V1_MEMORY] = NULL;
    assert_int_equal(verify(&f), -ERR_POLICY);
    assert_string_equal(f.err.text,
                        "the lock-down is not as asked: memory: asked '208 MiB (128 MiB for processes, the "
                        "rest for tmpfs)', found 'no limit inside'; nor are: cpus, pids");
    assert_string_equal(f.err.hint, "see `agentbox doctor`; to do without them, say sandbox.lower: [memory, "
                                    "cpus, pids]");
    f.files[LOCKDOWN_NET] = NULL;
    assert_int_equal(verify(&f), -ERR_POLICY);
    assert_string_equal(f.err.hint, "this engine cannot hold a sandbox; see `agentbox doctor`");
    done(&f);
}

/* In a user namespace no device can be made, and its cgroup lists none. */
static void mapped_user_ids_need_no_list_of_devices(void **state)
{
    struct fixture f;

    prepare(&f);
    make_inspect(&f);
    f.files[LOCKDOWN_V1_DEVICES] = "a *:* rwm\n";
    assert_int_equal(verify(&f), -ERR_POLICY);
    f.files[LOCKDOWN_UID_MAP] = "         0     100000      65536\n";
    assert_int_equal(verify(&f), 0);
    assert_string_equal(row(&f, "userns")->found, "user ids are mapped");
    done(&f);
}

static void a_host_without_swap_needs_no_limit(void **state)
{
    struct fixture f;

    prepare(&f);
    make_inspect(&f);
    f.files[LOCKDOWN_V1_MEMSW] = NULL;
    f.files[LOCKDOWN_MEMINFO] = "SwapTotal:             0 kB\n";
    assert_int_equal(verify(&f), 0);
    assert_string_equal(row(&f, "swap")->found, "the host has none");
    done(&f);
}

static void no_evidence_at_all_passes_nothing(void **state)
{
    struct fixture f;
    size_t failed = 0;

    prepare(&f);
    assert_int_equal(lockdown_prepare(&f.l, &f.err), 0);
    lockdown_ask(&f.l, f.rows);
    assert_int_equal(lockdown_verify(&f.l, &f.evidence, f.rows, &f.err), -ERR_POLICY);
    for (size_t i = 0; i < lockdown_row_count(); i++)
        failed += f.rows[i].state == SANDBOX_ROW_FAILED;
    assert_in_range(failed, lockdown_row_count() - 4,
                    lockdown_row_count()); /* but for those that only forbid */
    done(&f);
}

/* ---- lowering ---- */

static int lower(struct fixture *f, const char *name)
{
    static const char *names[1];

    names[0] = name;
    prepare(f);
    f->spec.lower = names;
    f->spec.lower_count = 1;
    return lockdown_prepare(&f->l, &f->err);
}

static void a_lowered_row_is_neither_asked_nor_verified(void **state)
{
    struct fixture f;

    assert_int_equal(lower(&f, "pids"), 0);
    make_inspect(&f);
    assert_null(strstr(buf_text(&f.body), "PidsLimit"));
    f.files[LOCKDOWN_V1_PIDS] = "max\n";
    assert_int_equal(verify(&f), 0);
    assert_int_equal(row(&f, "pids")->state, SANDBOX_ROW_LOWERED);
    assert_string_equal(row(&f, "pids")->found, "the engine says 0");
    done(&f);
}

static void what_may_not_be_lowered_is_not(void **state)
{
    struct fixture f;

    assert_int_equal(lower(&f, "network"), -ERR_POLICY);
    assert_string_equal(f.err.text, "sandbox.lower: the row 'network' cannot be given up");
    done(&f);
    assert_int_equal(lower(&f, "secomp"), -ERR_POLICY);
    assert_string_equal(f.err.text, "sandbox.lower: the lock-down has no row 'secomp'");
    assert_string_equal(f.err.hint, "did you mean 'seccomp'?");
    done(&f);
    assert_int_equal(lower(&f, "everything"), -ERR_POLICY);
    assert_string_equal(f.err.hint, "`agentbox plan` shows the rows");
    done(&f);
}

static void root_needs_its_row_lowered(void **state)
{
    struct fixture f;

    prepare(&f);
    f.spec.uid = 0;
    assert_int_equal(lockdown_prepare(&f.l, &f.err), -ERR_POLICY);
    assert_string_equal(f.err.text, "sandbox.user: commands would run as root");
    assert_string_equal(f.err.hint, "give a user that is not 0, or say lower: [user]");
    done(&f);
    (void) lower(&f, "user");
    f.spec.uid = 0;
    make_inspect(&f);
    assert_non_null(strstr(buf_text(&f.body), "\"User\":\"0:65532\""));
    done(&f);
}

/* ---- the request ---- */

static void the_request_says_what_the_rows_ask(void **state)
{
    static const char *const parts[] = {
        "{\"Image\":\"sha256:1\",",
        "\"Entrypoint\":[\"/.agentbox/guest\",\"--root\",\"/workspace\"],\"Cmd\":[]",
        "\"OpenStdin\":true,\"StdinOnce\":false",
        "\"Healthcheck\":{\"Test\":[\"NONE\"]}",
        "\"NetworkDisabled\":true",
        "\"Env\":[\"LANG=C.UTF-8\",\"HOME=/workspace\",\"TMPDIR=/"
        "tmp\",\"TZ=UTC\",\"LD_PRELOAD\",\"API_KEY\"]",
        "\"MemorySwap\":" MEMORY,
        "\"CapDrop\":[\"ALL\"],\"CapAdd\":[]",
        "\"LogConfig\":{\"Type\":\"none\",\"Config\":{}}",
        "\"/tmp\":\"rw,nosuid,nodev,noexec,size=16777216,nr_inodes=4096,mode=1777,uid=65532,gid=65532\"",
        "\"/workspace\":\"rw,nosuid,nodev,exec,size=33554432,nr_inodes=16384,mode=0700,uid=65532,gid=65532\"",
        "{\"Type\":\"bind\",\"Source\":\"/home/u/data\",\"Target\":\"/workspace/"
        "data\",\"ReadOnly\":true,\"BindOptions\":"
        "{\"Propagation\":\"rprivate\"}}",
    };
    struct fixture f;

    prepare(&f);
    make_inspect(&f);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (!strstr(buf_text(&f.body), parts[i]))
            fail_msg("no %s in %s", parts[i], buf_text(&f.body));
    assert_null(strstr(buf_text(&f.body),
                       "\"/tmp\":\"rw,nosuid,nodev,noexec,size=16777216,nr_inodes=4096,mode=1777\""));
    done(&f);
}

/* More than a checkpoint can hold would be of no use, whatever the size. */
static void a_place_has_a_bounded_number_of_files(void **state)
{
    struct fixture f;

    prepare(&f);
    f.spec.size_bytes = INT64_C(1) << 40;
    make_inspect(&f);
    assert_non_null(strstr(buf_text(&f.body), "size=1099511627776,nr_inodes=250000,"));
    done(&f);
}

static void the_digest_is_of_the_policy_not_of_the_run(void **state)
{
    struct fixture f;
    char a[65], b[65];
    const struct lockdown_label other[] = { { "agentbox.run", "r2" } };

    prepare(&f);
    assert_int_equal(lockdown_digest(&f.l, a, &f.err), 0);
    f.l.labels = other;
    assert_int_equal(lockdown_digest(&f.l, b, &f.err), 0);
    assert_string_equal(a, b);
    f.spec.pids++;
    assert_int_equal(lockdown_digest(&f.l, b, &f.err), 0);
    assert_string_not_equal(a, b);
    done(&f);
}

static void a_volume_asks_for_a_size_unless_lowered(void **state)
{
    struct fixture f;

    (void) lower(&f, "workspace");
    f.spec.storage = SANDBOX_STORAGE_VOLUME;
    f.l.workspace_volume = "w";
    make_inspect(&f);
    assert_null(strstr(buf_text(&f.body), "\"size\""));
    assert_int_equal(lockdown_memory(&f.l), (128 + 48) * MIB);
    f.spec.lower_count = 0;
    make_inspect(&f);
    assert_non_null(strstr(buf_text(&f.body),
                           "\"DriverConfig\":{\"Name\":\"local\",\"Options\":{\"size\":\"33554432\"}}"));
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_truth_passes_on_both_cgroups),
        cmocka_unit_test(an_emptied_variable_is_as_good_as_none),
        cmocka_unit_test(every_lie_is_found_by_its_row),
        cmocka_unit_test(every_row_has_a_lie_and_a_probe),
        cmocka_unit_test(a_runtime_that_is_ignored_is_found),
        cmocka_unit_test(gvisor_is_seen_in_its_own_way),
        cmocka_unit_test(what_gvisor_does_show_must_be_right),
        cmocka_unit_test(what_only_looks_like_gvisor_is_none),
        cmocka_unit_test(a_masked_path_that_shows_is_found),
        cmocka_unit_test(all_that_failed_is_named),
        cmocka_unit_test(mapped_user_ids_need_no_list_of_devices),
        cmocka_unit_test(a_host_without_swap_needs_no_limit),
        cmocka_unit_test(no_evidence_at_all_passes_nothing),
        cmocka_unit_test(a_lowered_row_is_neither_asked_nor_verified),
        cmocka_unit_test(what_may_not_be_lowered_is_not),
        cmocka_unit_test(root_needs_its_row_lowered),
        cmocka_unit_test(the_request_says_what_the_rows_ask),
        cmocka_unit_test(a_place_has_a_bounded_number_of_files),
        cmocka_unit_test(the_digest_is_of_the_policy_not_of_the_run),
        cmocka_unit_test(a_volume_asks_for_a_size_unless_lowered),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
