/* SPDX-License-Identifier: MIT */
/*
 * The probe's attempts with arguments that would be right: mounts, namespaces, keyrings, tracing, other
 * calling conventions, the network's settings. The tables of probe_calls.c ask whether a call reaches the
 * kernel at all; these, whether it works.
 */
#include "probe.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "ROW/WHAT" of two parts. */
static const char *joined(const char *start, const char *end)
{
    static char name[128];

    (void) snprintf(name, sizeof(name), "%s%s", start, end);
    return name;
}

/* ---- namespaces: every flag by every call ---- */

static const struct kind {
    const char *name; /* the row it belongs to, and what */
    const char *file; /* beneath /proc/self/ns */
    uint64_t flag;
} kinds[] = { { "userns/user", "user", 0x10000000 },     { "mounts/mnt", "mnt", 0x00020000 },
              { "network/net", "net", 0x40000000 },      { "pid/pid", "pid", 0x20000000 },
              { "ipc/ipc", "ipc", 0x08000000 },          { "uts/uts", "uts", 0x04000000 },
              { "cgroup/cgroup", "cgroup", 0x02000000 }, { "userns/time", "time", 0x00000080 } };

static void try_clone3(const char *name, uint64_t flags)
{
    uint64_t how[11] = { flags, 0, 0, 0, SIGCHLD };
    long r = syscall(435, how, sizeof(how));

    if (r == 0)
        _exit(0);
    refused(name, r);
}

static void try_namespace_calls(void)
{
    char path[64];

    for (size_t i = 0; i < COUNT(kinds); i++) {
        int fd;

        refused(joined(kinds[i].name, "-unshare"), syscall(SYS_unshare, kinds[i].flag));
        refused(joined(kinds[i].name, "-unshare-with-user"),
                syscall(SYS_unshare, kinds[i].flag | 0x10000000));
        try_clone3(joined(kinds[i].name, "-clone3"), kinds[i].flag | 0x10000000);
        (void) snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i].file);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        refused(joined(kinds[i].name, "-setns"), syscall(SYS_setns, fd, 0));
        (void) close(fd);
    }
    refused("userns/setgroups", write(open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC), "deny", 4));
    refused("userns/gid-map", write(open("/proc/self/gid_map", O_WRONLY | O_CLOEXEC), "0 0 1", 5));
    refused("pid/clone-into-cgroup", syscall(435, (uint64_t[11]){ UINT64_C(0x200000000) }, 88));
    refused("pid/setns-of-guest", syscall(SYS_setns, (int) syscall(434, 1, 0), 0x20000));
}

/* ---- mounts ---- */

static void try_chroot(const char *name)
{
    refused(name, syscall(SYS_chroot, "."));
}

static void try_mounts(void)
{
    static const struct {
        const char *name, *source, *target, *type;
        unsigned long flags;
        const char *data;
    } list[] = {
        { "mounts/sysfs", "x", "/tmp", "sysfs", 0, "" },
        { "mounts/cgroup", "x", "/tmp", "cgroup", 0, "memory" },
        { "mounts/cgroup2", "x", "/tmp", "cgroup2", 0, "" },
        { "mounts/devtmpfs", "x", "/tmp", "devtmpfs", 0, "" },
        { "mounts/debugfs", "x", "/tmp", "debugfs", 0, "" },
        { "mounts/securityfs", "x", "/tmp", "securityfs", 0, "" },
        { "mounts/overlay", "x", "/tmp", "overlay", 0, "lowerdir=/etc,upperdir=/tmp,workdir=/tmp" },
        { "mounts/fuse", "x", "/tmp", "fuse", 0, "fd=0,rootmode=40000,user_id=0,group_id=0" },
        { "mounts/binfmt", "x", "/tmp", "binfmt_misc", 0, "" },
        { "mounts/disk-vda", "/dev/vda", "/tmp", "ext4", 0, "" },
        { "mounts/disk-sda", "/dev/sda1", "/tmp", "ext4", 0, "" },
        { "mounts/nfs", "127.0.0.1:/", "/tmp", "nfs", 0, "" },
        { "mounts/move", "/tmp", "/workspace", "", 8192, "" },
        { "mounts/shared", "none", "/", "", 1048576, "" },
        { "mounts/private", "none", "/", "", 262144, "" },
        { "mounts/recursive-bind", "/", "/tmp", "", 4096 | 16384, "" },
        { "mounts/guest-writable", "none", "/.agentbox", "", 32 | 4096, "" },
        { "tmpfs/tmp-exec-remount", "none", "/tmp", "", 32 | 4096, "" },
        { "tmpfs/tmp-larger", "none", "/tmp", "tmpfs", 32, "size=100g" },
        { "tmpfs/shm-exec-remount", "none", "/dev/shm", "", 32 | 4096, "" },
        { "workspace/larger", "none", "/workspace", "tmpfs", 32, "size=100g" },
        { "readonly_paths/remount-sys", "none", "/sys", "", 32, "" },
        { "readonly_paths/remount-cgroup", "none", "/sys/fs/cgroup/memory", "", 32, "" },
        { "devices/dev-remount", "none", "/dev", "", 32, "" },
    };
    static const char *const covers[] = { "/proc/kcore",   "/proc/keys", "/proc/timer_list",
                                          "/sys/firmware", "/proc/acpi", "/proc/sys",
                                          "/dev/shm",      "/tmp",       "/.agentbox",
                                          "/proc",         "/dev",       "/etc/hostname" };

    for (size_t i = 0; i < COUNT(list); i++)
        refused(list[i].name, syscall(SYS_mount, list[i].source, list[i].target, list[i].type, list[i].flags,
                                      list[i].data));
    for (size_t i = 0; i < COUNT(covers); i++)
        refused(joined("masked_paths/umount", covers[i]),
                syscall(SYS_umount2, covers[i], 2 /* MNT_DETACH */));
    refused("mounts/open-tree", syscall(428, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */));
    refused("mounts/fsopen-tmpfs", syscall(430, "tmpfs", 0));
    refused("mounts/fsopen-proc", syscall(430, "proc", 0));
    refused("mounts/fspick-root", syscall(433, AT_FDCWD, "/", 0));
    refused("mounts/move-mount", syscall(429, AT_FDCWD, "/tmp", AT_FDCWD, "/workspace", 0));
    refused("read_only_root/mount-setattr", syscall(442, AT_FDCWD, "/", 0, (uint64_t[4]){ 0, 1 }, 32));
    refused("read_only_root/pivot", syscall(SYS_pivot_root, ".", "."));
    apart("read_only_root/chroot-here", try_chroot);
}

/* ---- other processes ---- */

static void try_traceme(const char *name)
{
    refused(name, syscall(SYS_ptrace, 0, 0, 0, 0));
}

static void try_tracing(void)
{
    struct {
        void *at;
        size_t len;
    } iov = { (void *) (uintptr_t) 0x400000, 16 }, mine = { malloc(16), 16 };
    pid_t pid = fork();

    if (pid == 0) {
        (void) pause();
        _exit(0);
    }
    refused("guest/ptrace-attach", syscall(SYS_ptrace, 16, 1, 0, 0));
    refused("guest/ptrace-seize", syscall(SYS_ptrace, 0x4206, 1, 0, 0));
    apart("seccomp/ptrace-traceme", try_traceme);
    refused("seccomp/ptrace-child", syscall(SYS_ptrace, 0x4206, pid, 0, 0));
    refused("seccomp/vm-readv-child", syscall(SYS_process_vm_readv, pid, &mine, 1, &iov, 1, 0));
    refused("seccomp/vm-writev-child", syscall(SYS_process_vm_writev, pid, &mine, 1, &iov, 1, 0));
    refused("guest/vm-readv", syscall(SYS_process_vm_readv, 1, &mine, 1, &iov, 1, 0));
    refused("guest/kcmp", syscall(SYS_kcmp, 1, pid, 0, 0, 0));
    refused("seccomp/kcmp-child", syscall(SYS_kcmp, getpid(), pid, 0, 0, 0));
    refused("guest/pidfd-getfd", syscall(438, (int) syscall(434, 1, 0), 0, 0));
    refused("seccomp/pidfd-getfd-child", syscall(438, (int) syscall(434, pid, 0), 0, 0));
    refused("guest/move-pages", syscall(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0));
    refused("guest/migrate-pages", syscall(SYS_migrate_pages, 1, 8, (long[1]){ 1 }, (long[1]){ 1 }));
    refused("guest/process-madvise", syscall(440, (int) syscall(434, 1, 0), &iov, 1, 20, 0));
    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, NULL, 0);
    free(mine.at);
}

/* ---- keyrings, modules, code from nowhere ---- */

static void try_keys(void)
{
    static const char *const types[] = { "user",       "logon",     "keyring", "big_key",
                                         "asymmetric", "encrypted", "trusted" };
    static const int rings[] = { -1, -2, -3, -4, -5 };
    char name[32], text[64];

    for (size_t i = 0; i < COUNT(types); i++) {
        (void) snprintf(name, sizeof(name), "seccomp/add-key-%s", types[i]);
        refused(name, syscall(SYS_add_key, types[i], "probe:key", "x", 1, -3));
    }
    for (size_t i = 0; i < COUNT(rings); i++) {
        (void) snprintf(name, sizeof(name), "seccomp/keyring%d", rings[i]);
        refused(name, syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, rings[i], 1));
        refused(name, syscall(SYS_keyctl, 11 /* READ */, rings[i], text, sizeof(text)));
    }
    refused("seccomp/keyring-join", syscall(SYS_keyctl, 1, "probe"));
    refused("seccomp/request-key-user", syscall(SYS_request_key, "user", "probe", NULL, -3));
}

static void try_code(void)
{
    static const unsigned flags[] = { 0, 1, 2, 4, 8, 16 };
    char name[64];
    void *ring = calloc(1, 256);

    for (size_t i = 0; i < COUNT(flags); i++) {
        (void) snprintf(name, sizeof(name), "seccomp/memfd-%u", flags[i]);
        refused(name, syscall(SYS_memfd_create, "x", flags[i]));
    }
    refused("seccomp/userfaultfd-user-mode", syscall(SYS_userfaultfd, 1));
    refused("seccomp/io-uring-one", syscall(425, 1, ring));
    refused("seccomp/io-uring-128", syscall(425, 128, ring));
    free(ring);
    refused("seccomp/bpf-map", syscall(SYS_bpf, 0, (uint32_t[32]){ 2, 4, 4, 1 }, 128));
    refused("seccomp/bpf-prog", syscall(SYS_bpf, 5, (uint32_t[32]){ 1 }, 128));
    refused("seccomp/perf-software", syscall(SYS_perf_event_open, (uint32_t[32]){ 1, 128 }, 0, -1, -1, 0));
    refused("seccomp/perf-hardware", syscall(SYS_perf_event_open, (uint32_t[32]){ 0, 128 }, 0, -1, -1, 8));
    refused("seccomp/fanotify", syscall(SYS_fanotify_init, 0x200, 0));
    refused("seccomp/handle-of-root",
            syscall(SYS_name_to_handle_at, AT_FDCWD, "/", (uint32_t[34]){ 128 }, (int[1]){ 0 }, 0));
    refused("seccomp/dmesg-read", syscall(SYS_syslog, 3, (char[64]){ 0 }, 64));
    refused("seccomp/dmesg-size", syscall(SYS_syslog, 10, NULL, 0));
    refused("seccomp/dmesg-clear", syscall(SYS_syslog, 5, NULL, 0));
    refused("seccomp/quota-sync", syscall(SYS_quotactl, 0x800001 << 8, NULL, 0, NULL));
    refused("seccomp/personality-no-randomize", syscall(SYS_personality, 0x0040000));
    refused("seccomp/personality-read-implies-exec", syscall(SYS_personality, 0x0400000));
    refused("seccomp/personality-3gb", syscall(SYS_personality, 0x8000000));
    refused("seccomp/vmsplice-gift", syscall(SYS_vmsplice, 1, NULL, 0, 8));
    refused("seccomp/mbind-own", syscall(SYS_mbind, NULL, 0, 0, NULL, 0, 0));
#ifdef __x86_64__
    refused("seccomp/ldt-read", syscall(SYS_modify_ldt, 0, (char[64]){ 0 }, 64));
    refused("seccomp/ldt-write", syscall(SYS_modify_ldt, 1, (uint32_t[4]){ 0 }, 16));
    refused("seccomp/iopl-3", syscall(SYS_iopl, 3));
    refused("seccomp/ioperm-80", syscall(SYS_ioperm, 0x80, 1, 1));
#endif
}

/* From where nothing may be run, by ways around execve(path). */
static void try_exec_of_nowhere(const char *name)
{
    char buf[65536];
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), out = open("/tmp", O_TMPFILE | O_RDWR, 0755);
    ssize_t n;

    while (out >= 0 && (n = read(in, buf, sizeof(buf))) > 0)
        (void) !write(out, buf, (size_t) n);
    refused(name, out < 0 ? -1
                          : syscall(SYS_execveat, out, "", (char *[]){ "probe", "--nothing", NULL },
                                    (char *[]){ NULL }, AT_EMPTY_PATH));
}

static void try_map_of_nowhere(const char *name)
{
    int fd = open("/tmp/probe-map", O_CREAT | O_RDWR | O_CLOEXEC, 0755);
    void *p;

    (void) !write(fd, "x", 1);
    p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    report(name, p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0, "%s", strerror(errno));
    (void) close(fd);
    (void) unlink("/tmp/probe-map");
}

/* ---- other calling conventions ---- */

#ifdef __x86_64__
static const struct {
    const char *name;
    int i386, x32;
} doors[] = { { "socket", 359, 41 },        { "ptrace", 26, 521 },       { "unshare", 310, 272 },
              { "mount", 21, 165 },         { "bpf", 357, 321 },         { "keyctl", 288, 250 },
              { "setns", 346, 308 },        { "chroot", 61, 161 },       { "io_uring_setup", 425, 425 },
              { "memfd_create", 356, 319 }, { "userfaultfd", 374, 323 }, { "perf_event_open", 336, 298 },
              { "personality", 136, 135 } };

static int door_at;

static void try_i386_one(const char *name)
{
    long r;

    __asm__ volatile("int $0x80"
                     : "=a"(r)
                     : "a"(doors[door_at].i386), "b"(-1), "c"(-1), "d"(-1), "S"(-1), "D"(-1)
                     : "memory");
    report(name, r == -EPERM || r == -ENOSYS, "answered %ld", r);
}

static void try_x32_one(const char *name)
{
    long r = syscall(0x40000000 | doors[door_at].x32, -1, -1, -1, -1, -1);

    report(name, r < 0 && (errno == EPERM || errno == ENOSYS), "%s",
           r < 0 ? strerror(errno) : "went through");
}

static void try_doors(void)
{
    for (door_at = 0; door_at < (int) COUNT(doors); door_at++) {
        apart(joined("seccomp/i386-", doors[door_at].name), try_i386_one);
        apart(joined("seccomp/x32-", doors[door_at].name), try_x32_one);
    }
}
#else
static void try_doors(void)
{
}
#endif

/* ---- settings of the network ---- */

static void try_interface(void)
{
    static const struct {
        const char *name;
        unsigned long request;
    } calls[] = { { "network/set-address", 0x8916 }, { "network/set-flags", 0x8914 },
                  { "network/set-mtu", 0x8922 },     { "network/rename", 0x8923 },
                  { "network/add-route", 0x890B },   { "network/bridge", 0x89a0 },
                  { "network/arp", 0x8955 },         { "network/set-hardware", 0x8924 } };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    struct ifreq r = { 0 };

    for (size_t i = 0; i < COUNT(calls); i++) {
        memset(&r, 0, sizeof(r));
        memcpy(r.ifr_name, "lo", 3);
        refused(calls[i].name, ioctl(fd, calls[i].request, &r));
    }
    refused("network/tun", ioctl(tun, 0x400454ca, &r));
    refused("network/mark", setsockopt(fd, SOL_SOCKET, 36 /* SO_MARK */, &(int){ 1 }, sizeof(int)));
    refused("network/priority", setsockopt(fd, SOL_SOCKET, 12 /* SO_PRIORITY */, &(int){ 7 }, sizeof(int)));
    refused("network/transparent",
            setsockopt(fd, IPPROTO_IP, 19 /* IP_TRANSPARENT */, &(int){ 1 }, sizeof(int)));
    refused("network/buffer-force",
            setsockopt(fd, SOL_SOCKET, 33 /* SO_RCVBUFFORCE */, &(int){ 1 << 30 }, sizeof(int)));
    (void) close(fd);
}

/* A message to the kernel: what the route socket, which must stay for getifaddrs(), does not do for us. */
static void try_route(const char *name, uint16_t type, const void *body, size_t len)
{
    struct {
        uint32_t length;
        uint16_t type, flags;
        uint32_t seq, pid;
        uint8_t body[128];
    } m = { (uint32_t) (16 + len), type, 0x605 /* REQUEST, ACK, CREATE, EXCL */, 1, 0, { 0 } };
    uint8_t answer[512] = { 0 };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0), code = 0;
    ssize_t n;

    memcpy(m.body, body, len);
    (void) send(fd, &m, m.length, 0);
    n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
    memcpy(&code, answer + 16, sizeof(code));
    report(name, n < 20 || code != 0, "%s", n < 20 ? "no answer" : strerror(-code));
    (void) close(fd);
}

static void try_routes(void)
{
    /* struct ifinfomsg for lo, up; then with IFLA_IFNAME and IFLA_LINKINFO "dummy"; struct ifaddrmsg; struct
     * rtmsg */
    static const uint8_t link_up[16] = { [4] = 1, [8] = 1, [12] = 1 };
    static const uint8_t link_new[16 + 8 + 16] = {
        [16] = 6, [18] = 3,   [20] = 'p', [24] = 16,  [26] = 18,  [28] = 9,
        [30] = 1, [32] = 'd', [33] = 'u', [34] = 'm', [35] = 'm', [36] = 'y'
    };
    static const uint8_t address[8 + 8] = { 2, 8, 0, 0, 1, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 1 };
    static const uint8_t route[12 + 8] = { 2, 8, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0, 8, 0, 1, 0, 10, 0, 0, 0 };

    try_route("network/netlink-link-up", 16, link_up, sizeof(link_up));
    try_route("network/netlink-new-link", 16, link_new, sizeof(link_new));
    try_route("network/netlink-address", 20, address, sizeof(address));
    try_route("network/netlink-route", 24, route, sizeof(route));
}

void try_kernel(void)
{
    try_namespace_calls();
    try_mounts();
    try_tracing();
    try_keys();
    try_code();
    apart("tmpfs/exec-unnamed", try_exec_of_nowhere);
    apart("tmpfs/exec-by-mprotect", try_map_of_nowhere);
    try_doors();
    try_interface();
    try_routes();
}
