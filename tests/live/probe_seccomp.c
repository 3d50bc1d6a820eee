/* SPDX-License-Identifier: MIT */
/*
 * Runs inside a sandbox: tries what the seccomp profile closes and what it must leave open, one line each:
 * "name errno" (0: it went through). Static, no library of the image is needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say(const char *name, long r)
{
    printf("%s %d\n", name, r < 0 ? errno : 0);
}

static void try_sockets(void)
{
    say("socket-unix", socket(AF_UNIX, SOCK_STREAM, 0));
    say("socket-tcp", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    say("socket-tcp-named", socket(AF_INET, SOCK_STREAM, 6));
    say("socket-udp6", socket(AF_INET6, SOCK_DGRAM, 17));
    say("socket-route", socket(AF_NETLINK, SOCK_RAW, 0));
    say("socket-raw", socket(AF_INET, SOCK_RAW, 1));
    say("socket-ping", socket(AF_INET, SOCK_DGRAM, 1));
    say("socket-sctp", socket(AF_INET, SOCK_STREAM, 132));
    say("socket-seqpacket", socket(AF_INET, SOCK_SEQPACKET, 0));
    say("socket-dccp", socket(AF_INET, 6, 0));
    say("socket-mptcp", socket(AF_INET, SOCK_STREAM, 262));
    say("socket-packet", socket(17, SOCK_RAW, 0));
    say("socket-vsock", socket(40, SOCK_STREAM, 0));
    say("socket-alg", socket(38, SOCK_SEQPACKET, 0));
    say("socket-audit", socket(AF_NETLINK, SOCK_RAW, 9));
    say("socket-netfilter", socket(AF_NETLINK, SOCK_RAW, 12));
    say("socketpair-tipc", socketpair(30, SOCK_STREAM, 0, (int[2]){ 0 }));
    say("socketpair-unix", socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0 }));
}

static void try_kernel(void)
{
    char none[256] = { 0 };

    say("io_uring_setup", syscall(425, 1, none));
    say("ptrace", syscall(SYS_ptrace, 0, 0, 0, 0));
    say("process_vm_readv", syscall(SYS_process_vm_readv, 1, none, 0, none, 0, 0));
    say("pidfd_getfd", syscall(438, 0, 0, 0));
    say("bpf", syscall(SYS_bpf, 0, none, 0));
    say("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    say("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -1));
    say("userfaultfd", syscall(SYS_userfaultfd, 0));
    say("perf_event_open", syscall(SYS_perf_event_open, none, 0, -1, -1, 0));
    say("memfd_create", syscall(SYS_memfd_create, "x", 0));
    say("memfd_secret", syscall(447, 0));
    say("unshare-user", syscall(SYS_unshare, 0x10000000));
    say("clone-user", syscall(SYS_clone, 0x10000000 | 17, 0, 0, 0, 0));
    say("clone3", syscall(435, none, 88));
    say("setns", syscall(SYS_setns, 0, 0));
    say("mount", syscall(SYS_mount, "x", "/tmp", "tmpfs", 0, 0));
    say("fsopen", syscall(430, "tmpfs", 0));
    say("open_by_handle_at", syscall(SYS_open_by_handle_at, 0, none, 0));
    say("chroot", syscall(SYS_chroot, "/"));
    say("kexec_load", syscall(SYS_kexec_load, 0, 0, none, 0));
    say("syslog", syscall(SYS_syslog, 3, none, 8));
    say("vmsplice", syscall(SYS_vmsplice, 0, none, 0, 0));
    say("personality", syscall(SYS_personality, 0x0040000));
    say("personality-ask", syscall(SYS_personality, 0xffffffff));
}

/* The guest has our user: what the kernel would let us do to it, the profile must not. */
static void try_guest(void)
{
    uint64_t limit[2] = { 0 };
    int priority = 0;

    say("openat2", syscall(437, AT_FDCWD, "/", limit, 24));
    say("prlimit-self", syscall(SYS_prlimit64, 0, 0, NULL, limit));
    say("prlimit-guest", syscall(SYS_prlimit64, 1, 0, limit, NULL));
    say("sched-guest", syscall(SYS_sched_setscheduler, 1, 5, &priority));
    say("priority-self", syscall(SYS_setpriority, 0, 0, 1));
    say("priority-guest", syscall(SYS_setpriority, 0, 1, 19));
    say("priority-user", syscall(SYS_setpriority, 2, 0, 19));
    say("ioprio-guest", syscall(SYS_ioprio_set, 1, 1, 3 << 13));
    say("ptrace-guest", syscall(SYS_ptrace, 16, 1, 0, 0));
    say("mem-guest", open("/proc/1/mem", O_RDWR));
    say("environ-guest", open("/proc/1/environ", O_RDONLY));
}

#ifdef __x86_64__
/* The 32-bit door: socketcall() there would pass by every rule about sockets. The kernel ends us when it is
 * shut. */
static long old_door(long number)
{
    long r;

    __asm__ volatile("int $0x80" : "=a"(r) : "a"(number) : "memory");
    return r;
}
#endif

static void try_files(void)
{
    int fd = open("probe-file", O_CREAT | O_RDWR, 0644);

    say("open", fd);
    say("chmod", chmod("probe-file", 0755));
    say("chmod-setuid", chmod("probe-file", 04755));
    say("fchmod-setgid", fchmod(fd, 02755));
    say("fchmodat2", syscall(452, AT_FDCWD, "probe-file", 04755, 0));
    say("mknod-device", mknod("probe-dev", S_IFCHR | 0600, 0x103));
    say("mkfifo", mkfifo("probe-fifo", 0600));
    say("setxattr", syscall(SYS_setxattr, "probe-file", "user.a", "b", 1, 0));
    say("sync", syscall(SYS_sync));
    (void) unlink("probe-file");
    (void) unlink("probe-fifo");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "old-door") == 0) {
#ifdef __x86_64__
        printf("%ld\n", old_door(20)); /* getpid */
#endif
        return 0;
    }
    try_sockets();
    try_kernel();
    try_guest();
    try_files();
    return 0;
}
