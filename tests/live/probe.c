/* SPDX-License-Identifier: MIT */
/*
 * Runs inside a sandbox as any command of a model would, and tries to break each row of the lock-down. One
 * line per attempt: "ROW/ATTEMPT blocked|OPEN DETAIL". The rows are those of `agentbox plan`; a row without a
 * line fails the test, and so does any OPEN. Static, so that nothing of the image is needed. Bombs stay
 * within the container's limits.
 */
#include "probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>

/* ---- saying what came of it ---- */

void report(const char *name, bool is_blocked, const char *format, ...)
{
    char line[512];
    va_list ap;
    int n = snprintf(line, sizeof(line), "%s %s ", name, is_blocked ? "blocked" : "OPEN");

    va_start(ap, format);
    n += vsnprintf(line + n, sizeof(line) - (size_t) n - 1, format, ap);
    va_end(ap);
    if (n > (int) sizeof(line) - 2)
        n = (int) sizeof(line) - 2;
    line[n++] = '\n';
    (void) !write(1, line, (size_t) n);
}

void refused(const char *name, long r)
{
    report(name, r < 0, "%s", r < 0 ? strerror(errno) : "went through");
}

void unread(const char *name, const char *path)
{
    char buf[256];
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    long n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

    report(name, n <= 0, "%s: %s", path, n < 0 ? strerror(errno) : n ? "can be read" : "empty");
    if (fd >= 0)
        (void) close(fd);
}

void unwritable(const char *name, const char *path)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    report(name, fd < 0, "%s: %s", path, fd < 0 ? strerror(errno) : "opened for writing");
    if (fd >= 0)
        (void) close(fd);
}

void apart(const char *name, void (*attempt)(const char *))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        attempt(name);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        report(name, false, "could not be tried: %s", strerror(errno));
    else if (WIFSIGNALED(status))
        report(name, true, "killed by signal %d", WTERMSIG(status));
}

static size_t slurp(const char *path, char *buf, size_t size)
{
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    while (fd >= 0 && len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
        len += (size_t) n;
    if (fd >= 0)
        (void) close(fd);
    buf[len] = '\0';
    return len;
}

static bool starts(const char *s, const char *start)
{
    return strncmp(s, start, strlen(start)) == 0;
}

/* ---- capabilities, new privileges, user ---- */

static void try_capabilities(void)
{
    struct timex tx = { .modes = ADJ_FREQUENCY };
    struct timespec now;
    char status[8192], *p;
    int kept = 0;

    (void) slurp("/proc/self/status", status, sizeof(status));
    for (p = status; (p = strstr(p, "\nCap")); p++)
        kept += !starts(strchr(p, ':'), ":\t0000000000000000");
    report("capabilities/held", kept == 0, "%d sets are not empty", kept);
    kept = 0;
    for (int cap = 0; cap < 64; cap++)
        kept += prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 ||
                prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) == 0;
    report("capabilities/bounding-and-ambient", kept == 0, "%d of 64", kept);
    for (int cap = 0; cap < 41; cap++) {
        uint32_t head[2] = { 0x20080522, 0 }, data[6] = { 0 };

        data[cap / 32 * 3] = data[cap / 32 * 3 + 1] = data[cap / 32 * 3 + 2] = 1u << cap % 32;
        kept += syscall(SYS_capset, head, data) == 0;
    }
    report("capabilities/capset", kept == 0, "%d of 41 could be set", kept);
    (void) clock_gettime(CLOCK_REALTIME, &now);
    refused("capabilities/clock", clock_settime(CLOCK_REALTIME, &now));
    refused("capabilities/adjtime", adjtimex(&tx));
    refused("capabilities/chown", chown(".", 0, 0));
    refused("capabilities/reboot", reboot(RB_DISABLE_CAD));
    refused("capabilities/swapon", swapon("/dev/null", 0));
    refused("capabilities/acct", acct("/tmp/acct"));
    refused("capabilities/chroot", chroot("/"));
    refused("capabilities/nice", setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - 1));
    refused("capabilities/fifo", syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, (int[4]){ 1 }));
}

/* Every way to ask for a set-uid or set-gid bit; "OPEN" is a file that has one afterwards. */
static void has_set_id(const char *name)
{
    struct stat st;
    bool is_set = lstat("suid", &st) == 0 && st.st_mode & 06000 && S_ISREG(st.st_mode);

    report(name, !is_set, "%s", is_set ? "the bit is set" : "no bit");
    (void) unlink("suid");
}

static void try_set_id(void)
{
    uint64_t how[3] = { O_CREAT | O_WRONLY, 04755, 0 };
    int fd = open("suid", O_CREAT | O_RDWR, 0755);

    (void) chmod("suid", 04755);
    (void) chmod("suid", 02755);
    (void) fchmod(fd, 06755);
    (void) fchmodat(AT_FDCWD, "suid", 04755, 0);
    (void) syscall(452, AT_FDCWD, "suid", 04755, 0);
    (void) close(fd);
    has_set_id("no_new_privileges/chmod");
    (void) close(open("suid", O_CREAT | O_WRONLY, 06755));
    has_set_id("no_new_privileges/open");
    (void) close(creat("suid", 04755));
    has_set_id("no_new_privileges/creat");
    (void) close((int) syscall(437, AT_FDCWD, "suid", how, sizeof(how)));
    has_set_id("no_new_privileges/openat2");
    (void) mknod("suid", S_IFREG | 06755, 0);
    has_set_id("no_new_privileges/mknod");
}

static void find_set_id(const char *dir, int depth)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    struct stat st;
    char path[1024];

    while (d && (e = readdir(d))) {
        if (starts(e->d_name, ".") ||
            snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= (int) sizeof(path) ||
            lstat(path, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth > 0)
            find_set_id(path, depth - 1);
        if (!S_ISREG(st.st_mode) || !(st.st_mode & 06000))
            continue;
        pid_t pid = fork();

        if (pid == 0) { /* a shell or busybox; its answer is looked at by the case */
            (void) execl(path, "id", "-u", NULL);
            _exit(126);
        }
        (void) waitpid(pid, NULL, 0);
    }
    if (d)
        (void) closedir(d);
}

static void try_no_new_privileges(void)
{
    refused("no_new_privileges/off", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    report("no_new_privileges/on", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "as the kernel says");
    try_set_id();
    find_set_id("/bin", 1);
    find_set_id("/usr/bin", 1);
    refused("no_new_privileges/file-capability", syscall(SYS_setxattr, ".", "security.capability", "", 0, 0));
    refused("no_new_privileges/trusted-attribute", syscall(SYS_setxattr, ".", "trusted.a", "", 0, 0));
}

static void try_user(void)
{
    gid_t groups[64];
    int n = getgroups(64, groups), odd = 0;

    for (int i = 0; i < n; i++)
        odd += groups[i] != getgid();
    report("user/not-root", getuid() && geteuid() && getgid() && getegid(), "%d:%d", (int) getuid(),
           (int) getgid());
    report("user/groups", odd == 0, "%d further groups", odd);
    refused("user/setuid", setuid(0));
    refused("user/setreuid", setreuid(0, 0));
    refused("user/setresuid", setresuid(0, 0, 0));
    refused("user/setgid", setgid(0));
    refused("user/setresgid", setresgid(0, 0, 0));
    refused("user/setgroups", setgroups(1, (gid_t[]){ 0 }));
    unwritable("user/passwd", "/etc/passwd");
    unread("user/shadow", "/etc/shadow");
}

/* ---- writable places ---- */

static void try_read_only_root(void)
{
    static const char *const dirs[] = { "/",     "/etc",  "/bin",  "/usr",  "/var",     "/run",
                                        "/home", "/root", "/sbin", "/lib",  "/var/tmp", "/mnt",
                                        "/opt",  "/srv",  "/dev",  "/proc", "/sys",     NULL };
    char path[256];
    int made = 0, tried = 0;

    for (int i = 0; dirs[i]; i++) {
        int fd;

        (void) snprintf(path, sizeof(path), "%s/probe-file", dirs[i]);
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        made += fd >= 0;
        (void) close(fd);
        made += mkdir(path, 0700) == 0;
        made += symlink("x", path) == 0;
        fd = open(dirs[i], O_TMPFILE | O_RDWR, 0600);
        made += fd >= 0;
        tried += 4;
    }
    report("read_only_root/create", made == 0, "%d of %d", made, tried);
    unwritable("read_only_root/busybox", "/bin/busybox");
    refused("read_only_root/link", link("/bin/busybox", "/bin/probe"));
    refused("read_only_root/rename", rename("/etc/passwd", "/etc/probe"));
    refused("read_only_root/chmod", chmod("/tmp/..", 0777));
    refused("read_only_root/remount", syscall(SYS_mount, "none", "/", "", 32 /* MS_REMOUNT */, ""));
    refused("read_only_root/through-proc", open("/proc/self/root/probe", O_CREAT | O_WRONLY, 0600));
}

static bool may_be_written(const char *path)
{
    static const char *const fine[] = { "/dev/null",    "/dev/zero",   "/dev/full",   "/dev/random",
                                        "/dev/urandom", "/dev/tty",    "/dev/ptmx",   "/dev/pts",
                                        "/dev/shm",     "/dev/fd",     "/dev/mqueue", "/dev/stdin",
                                        "/dev/stdout",  "/dev/stderr", NULL };

    for (int i = 0; fine[i]; i++)
        if (starts(path, fine[i]))
            return true;
    return false;
}

/* How many files beneath can be opened for writing; processes' own folders have probes of their own. */
static int writable_beneath(const char *dir, int depth, char *example, size_t size)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    struct stat st;
    char path[1024];
    int n = 0, fd;

    while (d && (e = readdir(d))) {
        bool is_process = strcmp(dir, "/proc") == 0 &&
                          ((e->d_name[0] >= '0' && e->d_name[0] <= '9') || strstr(e->d_name, "self"));

        if (starts(e->d_name, ".") || is_process ||
            snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= (int) sizeof(path) ||
            lstat(path, &st) < 0 || may_be_written(path))
            continue;
        if (S_ISDIR(st.st_mode) && depth > 0)
            n += writable_beneath(path, depth - 1, example, size);
        if (S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode))
            continue;
        fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (!(st.st_rdev == 0x103 && S_ISCHR(st.st_mode))) { /* masked with /dev/null */
            n++;
            (void) snprintf(example, size, "%.200s", path);
        }
        (void) close(fd);
    }
    if (d)
        (void) closedir(d);
    return n;
}

static void nothing_writable(const char *name, const char *dir)
{
    char example[256] = "";
    int n = writable_beneath(dir, 8, example, sizeof(example));

    report(name, n == 0, "%d files can be written in %s: %s", n, dir, example);
}

static void try_readonly_paths(void)
{
    nothing_writable("readonly_paths/proc", "/proc");
    nothing_writable("readonly_paths/sys", "/sys");
    unwritable("readonly_paths/core-pattern", "/proc/sys/kernel/core_pattern");
    unwritable("readonly_paths/sysrq", "/proc/sysrq-trigger");
    refused("readonly_paths/remount", syscall(SYS_mount, "none", "/proc/sys", "", 32, ""));
    refused("readonly_paths/umount", syscall(SYS_umount2, "/proc/sys", 2));
}

static void try_masked_paths(void)
{
    static const char *const files[] = { "/proc/kcore",
                                         "/proc/keys",
                                         "/proc/key-users",
                                         "/proc/timer_list",
                                         "/proc/timer_stats",
                                         "/proc/sched_debug",
                                         "/proc/kallsyms",
                                         "/proc/modules",
                                         "/proc/cmdline",
                                         "/proc/config.gz",
                                         "/proc/interrupts",
                                         "/proc/iomem",
                                         "/proc/ioports",
                                         "/proc/kmsg",
                                         "/proc/kpageflags",
                                         "/proc/slabinfo",
                                         "/proc/vmallocinfo",
                                         "/proc/latency_stats",
                                         "/proc/partitions",
                                         "/proc/diskstats",
                                         "/proc/swaps",
                                         "/proc/kpagecount",
                                         "/dev/kmsg",
                                         "/dev/mem",
                                         NULL };
    static const char *const dirs[] = { "/proc/acpi",  "/proc/scsi",  "/proc/asound", "/proc/bus",
                                        "/proc/fs",    "/proc/irq",   "/proc/driver", "/sys/firmware",
                                        "/sys/kernel", "/sys/module", "/sys/block",   "/sys/bus",
                                        "/sys/class",  "/sys/dev",    "/sys/power",   "/sys/devices/virtual",
                                        NULL };
    char name[128];

    for (int i = 0; files[i]; i++) {
        (void) snprintf(name, sizeof(name), "masked_paths/%s", strrchr(files[i], '/') + 1);
        unread(name, files[i]);
    }
    for (int i = 0; dirs[i]; i++) {
        DIR *d = opendir(dirs[i]);
        int n = -2;

        while (d && readdir(d))
            n++;
        (void) snprintf(name, sizeof(name), "masked_paths%s", dirs[i]);
        report(name, n <= 0, "%d entries", n < 0 ? 0 : n);
        if (d)
            (void) closedir(d);
    }
}

static void try_devices(void)
{
    struct dirent *e;
    DIR *d = opendir("/dev");
    char path[300];

    while (d && (e = readdir(d))) {
        (void) snprintf(path, sizeof(path), "/dev/%s", e->d_name);
        if (!starts(e->d_name, ".") && strcmp(e->d_name, "core") != 0)
            report("devices/listed", may_be_written(path), "%s", path);
    }
    if (d)
        (void) closedir(d);
    refused("devices/mknod-disk", mknod("disk", S_IFBLK | 0600, 0xfe00));
    refused("devices/mknod-mem", mknod("mem", S_IFCHR | 0600, 0x101));
    refused("devices/mknod-null", mknod("null", S_IFCHR | 0600, 0x103));
    refused("devices/mknod-dev", mknod("/dev/shm/disk", S_IFBLK | 0600, 0x800));
    refused("devices/entropy", ioctl(open("/dev/random", O_RDWR | O_CLOEXEC), 0x40045201, &(int){ 1 }));
    nothing_writable("devices/written", "/dev");
}

/* ---- how much ---- */

/* Bytes that can be written to `path` before it ends; never more than `most`. */
static uint64_t fill(const char *path, uint64_t most)
{
    static char block[1 << 20];
    uint64_t done = 0;
    ssize_t n;
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

    memset(block, 'x', sizeof(block));
    while (fd >= 0 && done < most && (n = write(fd, block, sizeof(block))) > 0)
        done += (uint64_t) n;
    if (fd >= 0)
        (void) close(fd);
    (void) unlink(path);
    return done;
}

/* Enough to tell: beyond what the case gives the sandbox, and little enough for a host where nothing bounds
 * it. */
enum { MOST_BYTES = 96 << 20, MOST_FILES = 40000, MOST_PROCESSES = 300, MOST_MEMORY = 320 << 20 };

static void bounded(const char *name, const char *dir)
{
    char path[256];
    struct statvfs v = { 0 };
    uint64_t size, n;

    (void) snprintf(path, sizeof(path), "%s/probe-fill", dir);
    (void) statvfs(dir, &v);
    size = (uint64_t) v.f_blocks * v.f_frsize;
    n = fill(path, MOST_BYTES);
    report(name, n <= size && n < MOST_BYTES, "%llu of %llu bytes", (unsigned long long) n,
           (unsigned long long) size);
}

static void inodes_bounded(const char *name, const char *dir)
{
    char path[256];
    int n = 0;

    for (; n < MOST_FILES; n++) {
        int fd;

        (void) snprintf(path, sizeof(path), "%s/i%d", dir, n);
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0)
            break;
        (void) close(fd);
    }
    report(name, n < MOST_FILES, "%d files, then %s", n, n < MOST_FILES ? strerror(errno) : "no end");
    while (n-- > 0) {
        (void) snprintf(path, sizeof(path), "%s/i%d", dir, n);
        (void) unlink(path);
    }
}

static void no_exec(const char *name, const char *dir)
{
    char path[256], self[65536];
    ssize_t n;
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), out;
    pid_t pid;
    int status = 0;

    (void) snprintf(path, sizeof(path), "%s/probe-exec", dir);
    out = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
    while ((n = read(in, self, sizeof(self))) > 0)
        (void) !write(out, self, (size_t) n);
    (void) close(in);
    (void) close(out);
    pid = fork();
    if (pid == 0) {
        (void) execl(path, "probe", "--nothing", NULL);
        _exit(99);
    }
    (void) waitpid(pid, &status, 0);
    report(name, WIFEXITED(status) && WEXITSTATUS(status) == 99, "status %x", (unsigned) status);
    in = open(path, O_RDONLY | O_CLOEXEC);
    refused(name, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, in, 0) == MAP_FAILED ? -1 : 0);
    (void) close(in);
    (void) unlink(path);
}

static void try_tmpfs(void)
{
    bounded("tmpfs/tmp", "/tmp");
    bounded("tmpfs/shm", "/dev/shm");
    inodes_bounded("tmpfs/tmp-inodes", "/tmp");
    inodes_bounded("tmpfs/shm-inodes", "/dev/shm");
    no_exec("tmpfs/tmp-exec", "/tmp");
    no_exec("tmpfs/shm-exec", "/dev/shm");
}

static void try_workspace(void)
{
    int fd = open("sparse", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

    bounded("workspace/full", ".");
    inodes_bounded("workspace/inodes", ".");
    refused("workspace/sparse", ftruncate(fd, 1LL << 40));
    refused("workspace/allocate", fallocate(fd, 0, 0, 1LL << 40));
    (void) close(fd);
    (void) unlink("sparse");
}

static void try_memory_use(const char *name)
{
    enum { STEP = 4 << 20 };

    for (int i = 0; i < MOST_MEMORY / STEP; i++) {
        char *p = mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED) {
            report(name, true, "no more after %d MiB", i * 4);
            return;
        }
        memset(p, i + 1, STEP);
    }
    report(name, false, "%d MiB", MOST_MEMORY >> 20);
}

static void try_memory(void)
{
    apart("memory/bomb", try_memory_use);
    unwritable("memory/limit-v1", "/sys/fs/cgroup/memory/memory.limit_in_bytes");
    unwritable("memory/limit-v2", "/sys/fs/cgroup/memory.max");
    unwritable("memory/oom-off", "/sys/fs/cgroup/memory/memory.oom_control");
    unwritable("memory/force-empty", "/sys/fs/cgroup/memory/memory.force_empty");
}

static void try_swap(void)
{
    unwritable("swap/limit-v1", "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes");
    unwritable("swap/swappiness", "/sys/fs/cgroup/memory/memory.swappiness");
    unwritable("swap/limit-v2", "/sys/fs/cgroup/memory.swap.max");
    refused("swap/swapon", swapon("/tmp/none", 0));
    refused("swap/swapoff", swapoff("/dev/vda"));
}

/* The quota's, with cpus: 0.5 given by the case. A machine that is busy gives less, never more. */
static void try_cpus(void)
{
    struct timespec from, now;
    struct rusage used;
    pid_t pids[4];
    double wall, cpu;

    (void) clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        while (pids[i] == 0)
            ;
    }
    (void) poll(NULL, 0, 1000);
    for (int i = 0; i < 4; i++)
        (void) kill(pids[i], SIGKILL);
    for (int i = 0; i < 4; i++)
        (void) waitpid(pids[i], NULL, 0);
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    (void) getrusage(RUSAGE_CHILDREN, &used);
    wall = (double) (now.tv_sec - from.tv_sec) + (double) (now.tv_nsec - from.tv_nsec) / 1e9;
    cpu = (double) used.ru_utime.tv_sec + (double) used.ru_utime.tv_usec / 1e6;
    report("cpus/burn", cpu <= 0.5 * wall + 0.3, "%.2f s of processor in %.2f s", cpu, wall);
    unwritable("cpus/quota-v1", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    unwritable("cpus/quota-v2", "/sys/fs/cgroup/cpu.max");
}

static void try_fork_bomb(const char *name)
{
    int n = 0;

    (void) setpgid(0, 0);
    for (; n < MOST_PROCESSES; n++) {
        pid_t pid = fork();

        if (pid < 0)
            break;
        if (pid == 0) {
            (void) pause();
            _exit(0);
        }
    }
    report(name, n < MOST_PROCESSES, "%d processes, then %s", n, strerror(errno));
    (void) signal(SIGTERM, SIG_IGN);
    (void) kill(0, SIGTERM);
    while (wait(NULL) > 0)
        ;
}

static void try_pids(void)
{
    apart("pids/bomb", try_fork_bomb);
    unwritable("pids/limit-v1", "/sys/fs/cgroup/pids/pids.max");
    unwritable("pids/limit-v2", "/sys/fs/cgroup/pids.max");
}

static void try_fds(const char *name)
{
    int n = 0;
    struct rlimit l;

    (void) getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &l);
    while (n < 100000 && dup(0) >= 0)
        n++;
    report(name, n <= 4096, "%d descriptors", n);
}

static void try_core(const char *name)
{
    pid_t pid = fork();

    if (pid == 0)
        abort();
    (void) waitpid(pid, NULL, 0);
    report(name, access("core", F_OK) < 0, "%s", "no core file");
}

static void try_ulimits(void)
{
    static const struct {
        const char *name;
        int which;
    } raised[] = { { "ulimits/nofile", RLIMIT_NOFILE },
                   { "ulimits/core", RLIMIT_CORE },
                   { "ulimits/fsize", RLIMIT_FSIZE },
                   { "ulimits/memlock", RLIMIT_MEMLOCK },
                   { "ulimits/nproc", RLIMIT_NPROC },
                   { "ulimits/msgqueue", RLIMIT_MSGQUEUE },
                   { "ulimits/sigpending", RLIMIT_SIGPENDING },
                   { "ulimits/rtprio", RLIMIT_RTPRIO },
                   { "ulimits/nice", RLIMIT_NICE } };

    for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++) {
        struct rlimit l = { 0, 0 };

        (void) getrlimit(raised[i].which, &l);
        report(raised[i].name, l.rlim_max != RLIM_INFINITY, "hard limit %llu",
               (unsigned long long) l.rlim_max);
        l.rlim_max++;
        refused(raised[i].name, setrlimit(raised[i].which, &l));
    }
    apart("ulimits/descriptors", try_fds);
    apart("ulimits/core-file", try_core);
    refused("ulimits/message-queue", syscall(SYS_mq_open, "probe", O_CREAT | O_RDWR, 0600, NULL));
    refused("ulimits/locked-memory", mlockall(MCL_CURRENT | MCL_FUTURE));
}

static void try_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    /* down to what the engine itself has is refused only where the engine may say so (CAP_SYS_RESOURCE) */
    refused("oom/below-the-engine", write(fd, "-1", 2));
    refused("oom/never", write(fd, "-1000", 5));
    (void) close(fd);
    unwritable("oom/of-the-guest", "/proc/1/oom_score_adj");
}

int main(int argc, char **argv)
{
    (void) signal(SIGXFSZ, SIG_IGN); /* an error then tells */
    if (argc > 1)                    /* called by ourselves from where nothing may be run */
        return *argv == NULL;
    try_birth();
    try_capabilities();
    try_no_new_privileges();
    try_user();
    try_read_only_root();
    try_readonly_paths();
    try_masked_paths();
    try_devices();
    try_tmpfs();
    try_workspace();
    try_ulimits();
    try_oom();
    try_swap();
    try_cpus();
    try_calls();
    try_kernel();
    try_host();
    try_neighbours();
    try_pids();
    try_memory();
    (void) !write(1, "end\n", 4);
    return 0;
}
