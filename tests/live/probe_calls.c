/* SPDX-License-Identifier: MIT */
/* The probe's system calls: what must not reach the kernel at all, and namespaces. See probe.c. */
#include "probe.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#if defined(__x86_64__)
#define OF(x86, arm) (x86)
#else
#define OF(x86, arm) (arm)
#endif

/* The same numbers on every architecture from 424 on; -1: not there. */
static const struct call {
    const char *name;
    int number;
} calls[] = {
    { "io_uring_setup", 425 },
    { "io_uring_enter", 426 },
    { "io_uring_register", 427 },
    { "open_tree", 428 },
    { "move_mount", 429 },
    { "fsopen", 430 },
    { "fsconfig", 431 },
    { "fsmount", 432 },
    { "fspick", 433 },
    { "clone3", 435 },
    { "pidfd_getfd", 438 },
    { "process_madvise", 440 },
    { "mount_setattr", 442 },
    { "quotactl_fd", 443 },
    { "memfd_secret", 447 },
    { "process_mrelease", 448 },
    { "set_mempolicy_home_node", 450 },
    { "statmount", 457 },
    { "listmount", 458 },
    { "lsm_get_self_attr", 459 },
    { "lsm_set_self_attr", 460 },
    { "listns", 470 },
    { "io_setup", OF(206, 0) },
    { "ptrace", SYS_ptrace },
    { "process_vm_readv", SYS_process_vm_readv },
    { "process_vm_writev", SYS_process_vm_writev },
    { "kcmp", SYS_kcmp },
    { "bpf", SYS_bpf },
    { "perf_event_open", SYS_perf_event_open },
    { "userfaultfd", SYS_userfaultfd },
    { "keyctl", SYS_keyctl },
    { "add_key", SYS_add_key },
    { "request_key", SYS_request_key },
    { "kexec_load", SYS_kexec_load },
    { "kexec_file_load", OF(320, 294) },
    { "init_module", SYS_init_module },
    { "finit_module", SYS_finit_module },
    { "delete_module", SYS_delete_module },
    { "memfd_create", SYS_memfd_create },
    { "mount", SYS_mount },
    { "umount2", SYS_umount2 },
    { "pivot_root", SYS_pivot_root },
    { "chroot", SYS_chroot },
    { "setns", SYS_setns },
    { "name_to_handle_at", SYS_name_to_handle_at },
    { "open_by_handle_at", SYS_open_by_handle_at },
    { "fanotify_init", SYS_fanotify_init },
    { "lookup_dcookie", SYS_lookup_dcookie },
    { "quotactl", SYS_quotactl },
    { "acct", SYS_acct },
    { "swapon", SYS_swapon },
    { "reboot", SYS_reboot },
    { "syslog", SYS_syslog },
    { "vhangup", SYS_vhangup },
    { "settimeofday", SYS_settimeofday },
    { "clock_settime", SYS_clock_settime },
    { "clock_adjtime", SYS_clock_adjtime },
    { "mbind", SYS_mbind },
    { "set_mempolicy", SYS_set_mempolicy },
    { "migrate_pages", SYS_migrate_pages },
    { "move_pages", SYS_move_pages },
    { "nfsservctl", SYS_nfsservctl },
    { "vmsplice", SYS_vmsplice },
#ifdef __x86_64__
    { "modify_ldt", SYS_modify_ldt },
    { "iopl", SYS_iopl },
    { "ioperm", SYS_ioperm },
    { "uselib", SYS_uselib },
    { "_sysctl", SYS__sysctl },
    { "sysfs", SYS_sysfs },
    { "ustat", SYS_ustat },
#endif
};

/* An answer of the filter, not of a kernel that looked at arguments which are all wrong. */
static bool is_filters(long r)
{
    return r < 0 && (errno == EPERM || errno == ENOSYS);
}

static void try_one(const char *name, int number)
{
    char full[128];
    long r = syscall(number, -1, -1, -1, -1, -1, -1);

    (void) snprintf(full, sizeof(full), "seccomp/%s", name);
    report(full, is_filters(r), "%s", r < 0 ? strerror(errno) : "went through");
}

static void try_sockets(void)
{
    int made = 0, worst = -1;

    for (int domain = 0; domain < 64; domain++) {
        for (int type = 1; type < 11; type++) {
            int fd = domain == AF_UNIX || domain == AF_INET || domain == AF_INET6 || domain == AF_NETLINK
                         ? -1
                         : socket(domain, type, 0);

            if (fd >= 0 || (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6 &&
                            domain != AF_NETLINK && errno != EPERM)) {
                made++;
                worst = domain;
            }
            (void) close(fd);
        }
    }
    report("seccomp/socket-families", made == 0, "%d combinations, e.g. family %d", made, worst);
    made = 0;
    for (int protocol = 1; protocol < 23; protocol++) {
        int fd = socket(AF_NETLINK, SOCK_RAW, protocol);

        made += fd >= 0;
        (void) close(fd);
    }
    report("seccomp/netlink-families", made == 0, "%d", made);
    made = 0;
    for (int protocol = 0; protocol < 263; protocol++)
        made += socket(AF_INET, SOCK_RAW, protocol) >= 0 || socket(AF_INET6, SOCK_RAW, protocol) >= 0 ||
                socket(AF_INET, SOCK_SEQPACKET, protocol) >= 0;
    report("seccomp/raw-sockets", made == 0, "%d", made);
    report("seccomp/mptcp", is_filters(socket(AF_INET, SOCK_STREAM, 262)), "%s", strerror(errno));
    report("seccomp/vsock-type-bits", is_filters(socket(40, SOCK_STREAM | SOCK_CLOEXEC, 0)), "%s",
           strerror(errno));
}

#ifdef __x86_64__
static long old_door(long number, long a, long b, long c)
{
    long r;

    __asm__ volatile("int $0x80" : "=a"(r) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return r;
}

static void try_int80(const char *name)
{
    long r = old_door(20, 0, 0, 0); /* getpid */

    report(name, r < 0, "int 0x80 answered %ld", r);
}

static void try_socketcall(const char *name)
{
    long r = old_door(102, 1, 0, 0);

    report(name, r == -EPERM || r == -ENOSYS, "socketcall by int 0x80 answered %ld", r);
}

static void try_x32(const char *name)
{
    long r = syscall(0x40000000 | 39); /* getpid */

    report(name, r < 0, "x32 getpid answered %ld", r);
    r = syscall(0x40000000 | 521); /* ptrace */
    report(name, is_filters(r), "x32 ptrace: %s", strerror(errno));
}
#endif

static void try_namespaces(void)
{
    static const struct {
        const char *name;
        unsigned long flag;
    } kinds[] = { { "userns/user", 0x10000000 },       { "mounts/namespace", 0x00020000 },
                  { "network/namespace", 0x40000000 }, { "pid/namespace", 0x20000000 },
                  { "ipc/namespace", 0x08000000 },     { "uts/namespace", 0x04000000 },
                  { "cgroup/namespace", 0x02000000 },  { "userns/with-net", 0x50000000 },
                  { "userns/time", 0x00000080 } };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        long r = syscall(SYS_unshare, kinds[i].flag);

        refused(kinds[i].name, r);
        if (kinds[i].flag == 0x80)
            continue; /* no flag of clone(2) */
        r = syscall(SYS_clone, kinds[i].flag | SIGCHLD, 0, 0, 0, 0);
        if (r == 0)
            _exit(0);
        refused(kinds[i].name, r);
    }
    refused("userns/map", write(open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC), "0 0 1", 5));
}

/* Into a terminal: of ours there is none to be had, and a new one is ours alone. */
static void try_terminal(void)
{
    int made = 0;

    for (int fd = 0; fd < 3; fd++)
        made += ioctl(fd, 0x5412 /* TIOCSTI */, "x") == 0 || ioctl(fd, 0x541C /* TIOCLINUX */, "\x03") == 0;
    report("seccomp/terminal-injection", made == 0, "%d descriptors", made);
    refused("seccomp/controlling-terminal", open("/dev/tty", O_RDWR | O_CLOEXEC));
}

void try_calls(void)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        try_one(calls[i].name, calls[i].number);
    try_sockets();
#ifdef __x86_64__
    apart("seccomp/int80", try_int80);
    apart("seccomp/int80-socketcall", try_socketcall);
    apart("seccomp/x32", try_x32);
#endif
    report("seccomp/personality", is_filters(syscall(SYS_personality, 0x0040000)), "%s", strerror(errno));
    report("seccomp/personality-32", is_filters(syscall(SYS_personality, 8)), "%s", strerror(errno));
    try_namespaces();
    try_terminal();
}
