/* SPDX-License-Identifier: MIT */
/* The probe's neighbours: the guest, keepers, descriptors and variables, other namespaces' things, the
 * network. See probe.c. */
#include "probe.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

extern char **environ;

/* "ROW/WHAT" of two parts. */
static const char *at(const char *start, const char *end)
{
    static char name[128];

    (void) snprintf(name, sizeof(name), "%s%s", start, end);
    return name;
}

/* ---- the guest and the keeper above us ---- */

static void try_folder_of(const char *row, int pid)
{
    static const char *const files[] = { "mem",     "environ", "maps",    "smaps", "auxv",     "stack",
                                         "syscall", "io",      "pagemap", "wchan", "fdinfo/0", NULL };
    static const char *const links[] = { "root", "cwd",    "exe",    "fd/0",        "fd/1",
                                         "fd/3", "ns/net", "ns/mnt", "task/1/fd/0", NULL };
    char name[128], path[128], target[256];

    for (int i = 0; files[i]; i++) {
        (void) snprintf(name, sizeof(name), "%s/%s", row, files[i]);
        (void) snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
        if (strcmp(files[i], "wchan") != 0)
            unread(name, path);
        unwritable(name, path);
    }
    for (int i = 0; links[i]; i++) {
        (void) snprintf(name, sizeof(name), "%s/%s", row, links[i]);
        (void) snprintf(path, sizeof(path), "/proc/%d/%s", pid, links[i]);
        refused(name, readlink(path, target, sizeof(target)));
        refused(name, open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        refused(name, open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    }
}

/* What is sent must not end it; that it still answers is what the case looks at afterwards. */
static void try_signals(const char *row, int pid)
{
    char name[128];

    for (int sig = 1; sig < 65; sig++) {
        (void) kill(pid, sig);
        (void) syscall(SYS_tgkill, pid, pid, sig);
    }
    (void) poll(NULL, 0, 50);
    (void) snprintf(name, sizeof(name), "%s/signals", row);
    report(name, kill(pid, 0) == 0, "%s", kill(pid, 0) == 0 ? "alive" : strerror(errno));
}

/* Same user, so the kernel would let us: a limit of processor time ends even a first process. */
static void try_settings(const char *row, int pid)
{
    static const struct {
        const char *name;
        int which;
    } limits[] = { { "cpu", RLIMIT_CPU },
                   { "nofile", RLIMIT_NOFILE },
                   { "nproc", RLIMIT_NPROC },
                   { "as", RLIMIT_AS },
                   { "fsize", RLIMIT_FSIZE } };
    struct rlimit l;
    char name[128];

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        (void) snprintf(name, sizeof(name), "%s/limit-%s", row, limits[i].name);
        refused(name, syscall(SYS_prlimit64, pid, limits[i].which, NULL, &l));
    }
    (void) snprintf(name, sizeof(name), "%s/nice", row);
    refused(name, setpriority(PRIO_PROCESS, (id_t) pid, 19));
    refused(name, setpriority(PRIO_USER, 0, 1));
    (void) snprintf(name, sizeof(name), "%s/idle", row);
    refused(name, syscall(SYS_sched_setscheduler, pid, 5 /* SCHED_IDLE */, (int[4]){ 0 }));
    refused(name, syscall(SYS_sched_setattr, pid, (uint32_t[14]){ 48, 5 }, 0));
    (void) snprintf(name, sizeof(name), "%s/io-priority", row);
    refused(name, syscall(SYS_ioprio_set, 1, pid, 3 << 13));
    (void) snprintf(name, sizeof(name), "%s/group", row);
    refused(name, setpgid(pid, 0));
}

/* The process above us whose parent is the guest. */
static int find_keeper(void)
{
    char path[64], text[512];
    int pid = getpid(), parent = getppid();

    while (parent > 1) {
        int fd;
        ssize_t n;

        pid = parent;
        (void) snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
        text[n < 0 ? 0 : n] = '\0';
        (void) close(fd);
        parent = strrchr(text, ')') ? (int) strtol(strrchr(text, ')') + 4, NULL, 10) : 0;
    }
    return pid;
}

static void try_guest(void)
{
    uint64_t how[3] = { O_WRONLY, 0, 0 };

    try_folder_of("guest", 1);
    try_settings("guest", 1);
    try_signals("pid", 1);
    if (find_keeper() != getpid()) { /* in an ordinary container nothing is above us */
        try_folder_of("guest/keeper", find_keeper());
        try_settings("guest/keeper", find_keeper());
    }
    unwritable("guest/program", "/.agentbox/guest");
    refused("guest/program-openat2", syscall(437, AT_FDCWD, "/.agentbox/guest", how, sizeof(how)));
    refused("guest/program-chmod", chmod("/.agentbox/guest", 0777));
    refused("guest/program-unlink", unlink("/.agentbox/guest"));
    refused("guest/program-beside", open("/.agentbox/probe", O_CREAT | O_WRONLY, 0600));
    refused("guest/program-rename", rename("/.agentbox/guest", "/.agentbox/other"));
    refused("guest/pidfd", syscall(438, syscall(434, 1, 0), 0, 0));
    refused("runtime/guest-exe", open("/proc/1/exe", O_RDWR | O_CLOEXEC));
    unwritable("runtime/own-exe", "/proc/self/exe");
    refused("pid/other-root", open("/proc/1/root/etc", O_RDONLY | O_DIRECTORY));
}

static void try_pid_namespace(void)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d)))
        n += e->d_name[0] >= '0' && e->d_name[0] <= '9';
    if (d)
        (void) closedir(d);
    report("pid/seen", n < 16, "%d processes", n);
}

/* ---- what a command is born with ---- */

static void try_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    int odd = 0;

    while (d && (e = readdir(d)))
        odd +=
            e->d_name[0] != '.' && strtol(e->d_name, NULL, 10) > 2 && strtol(e->d_name, NULL, 10) != dirfd(d);
    report("guest/descriptors", d && odd == 0, "%d beside 0, 1, 2", odd);
    if (d)
        (void) closedir(d);
}

static void try_environment(void)
{
    static const char *const fine[] = {
        "PATH=", "HOME=", "LANG=",     "LC_ALL=",   "TMPDIR=",   "PWD=",          "OLDPWD=", "SHLVL=",
        "_=",    "TZ=",   "HOSTNAME=", "TERM=dumb", "PAGER=cat", "GIT_PAGER=cat", NULL
    };

    for (char **v = environ; *v; v++) {
        bool is_fine = false;

        for (int i = 0; fine[i]; i++)
            is_fine = is_fine || strncmp(*v, fine[i], strlen(fine[i])) == 0;
        report("environment/variable", is_fine, "%.60s", *v);
    }
}

/* ---- other namespaces' things ---- */

static void try_ipc(void)
{
    static const char *const lists[] = { "/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg",
                                         NULL };
    char buf[4096];

    for (int i = 0; lists[i]; i++) {
        int fd = open(lists[i], O_RDONLY | O_CLOEXEC), lines = 0;
        ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof(buf));

        for (ssize_t k = 0; k < n; k++)
            lines += buf[k] == '\n';
        report(at("ipc/of-others", lists[i] + strlen("/proc/sysvipc")), lines <= 1, "%s: %d lines", lists[i],
               lines);
        (void) close(fd);
    }
    refused("ipc/mqueue", open("/dev/mqueue/probe", O_CREAT | O_RDWR, 0600));
}

static void try_uts(void)
{
    refused("uts/hostname", sethostname("evil", 4));
    refused("uts/domainname", setdomainname("evil", 4));
    unwritable("uts/through-proc", "/proc/sys/kernel/hostname");
}

static void try_cgroup(void)
{
    unwritable("cgroup/release-agent", "/sys/fs/cgroup/memory/release_agent");
    unwritable("cgroup/release-agent-systemd", "/sys/fs/cgroup/systemd/release_agent");
    unwritable("cgroup/notify", "/sys/fs/cgroup/memory/notify_on_release");
    unwritable("cgroup/procs-v1", "/sys/fs/cgroup/memory/cgroup.procs");
    unwritable("cgroup/procs-v2", "/sys/fs/cgroup/cgroup.procs");
    unwritable("cgroup/freezer", "/sys/fs/cgroup/freezer/freezer.state");
    unwritable("cgroup/freeze-v2", "/sys/fs/cgroup/cgroup.freeze");
    unwritable("cgroup/kill", "/sys/fs/cgroup/cgroup.kill");
    unwritable("cgroup/devices", "/sys/fs/cgroup/devices/devices.allow");
    refused("cgroup/mkdir-v1", mkdir("/sys/fs/cgroup/memory/probe", 0700));
    refused("cgroup/mkdir-v2", mkdir("/sys/fs/cgroup/probe", 0700));
}

/* ---- the outside ---- */

static void try_connect(const char *name, const char *address, int port, int type)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct pollfd p = { fd, POLLOUT, 0 };
    int failed = 0, r;
    socklen_t len = sizeof(failed);

    (void) inet_pton(AF_INET, address, &sa.sin_addr);
    r = connect(fd, (struct sockaddr *) &sa, sizeof(sa));
    if (r == 0 && type == SOCK_DGRAM)
        r = (int) send(fd, "x", 1, 0);
    if (r < 0 && errno == EINPROGRESS) {
        r = poll(&p, 1, 1000) > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) == 0 && failed == 0
                ? 0
                : -1;
        errno = failed ? failed : ETIMEDOUT;
    }
    report(name, r < 0, "%s:%d %s", address, port, r < 0 ? strerror(errno) : "reached");
    (void) close(fd);
}

static void try_connect6(const char *name, const char *address)
{
    struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

    (void) inet_pton(AF_INET6, address, &sa.sin6_addr);
    r = connect(fd, (struct sockaddr *) &sa, sizeof(sa));
    report(name, r < 0 && errno != EINPROGRESS, "%s %s", address, strerror(errno));
    (void) close(fd);
}

static void try_network(void)
{
    static const char *const hosts[] = { "169.254.169.254",
                                         "100.100.100.200",
                                         "168.63.129.16",
                                         "192.0.0.192",
                                         "172.17.0.1",
                                         "10.0.0.1",
                                         "192.168.0.1",
                                         "8.8.8.8",
                                         "1.1.1.1",
                                         "224.0.0.1",
                                         "255.255.255.255",
                                         "127.0.0.11",
                                         NULL };
    struct if_nameindex *list = if_nameindex();
    int odd = 0;

    for (int i = 0; list && list[i].if_index; i++)
        odd += strcmp(list[i].if_name, "lo") != 0;
    report("network/interfaces", odd == 0, "%d beside lo", odd);
    for (int i = 0; hosts[i]; i++) {
        try_connect(at("network/tcp-", hosts[i]), hosts[i], 80, SOCK_STREAM);
        if (strcmp(hosts[i], "127.0.0.11") != 0)
            try_connect(at("network/udp-", hosts[i]), hosts[i], 53, SOCK_DGRAM);
    }
    try_connect("network/engine", "127.0.0.1", 2375, SOCK_STREAM);
    try_connect("network/engine-tls", "127.0.0.1", 2376, SOCK_STREAM);
    try_connect("network/resolver", "127.0.0.1", 53, SOCK_STREAM);
    try_connect6("network/tcp6", "fd00:ec2::254");
    try_connect6("network/tcp6", "2001:4860:4860::8888");
    try_connect6("network/tcp6", "fe80::1");
    unread("network/routes6", "/proc/net/fib_trie_none");
}

static void try_engine(void)
{
    static const char *const paths[] = { "/var/run/docker.sock",
                                         "/run/docker.sock",
                                         "/run/containerd/containerd.sock",
                                         "/run/podman/podman.sock",
                                         "/run/systemd/private",
                                         "/run/dbus/system_bus_socket",
                                         NULL };
    char buf[65536], *line, *rest = buf;
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), odd = 0;
    ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);

    for (int i = 0; paths[i]; i++) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", paths[i]);
        refused(at("mounts/socket", paths[i]), connect(s, (struct sockaddr *) &sa, sizeof(sa)));
        (void) close(s);
    }
    buf[n < 0 ? 0 : n] = '\0';
    while ((line = strsep(&rest, "\n")))
        odd += strstr(line, "docker.sock") || strstr(line, " /home ") || strstr(line, " /root ");
    report("mounts/list", n > 0 && odd == 0, "%d odd ones", odd);
    unwritable("mounts/hosts", "/etc/hosts");
    unwritable("mounts/resolv", "/etc/resolv.conf");
    refused("mounts/bind", syscall(SYS_mount, "/", "/tmp", "", 4096 /* MS_BIND */, ""));
    refused("mounts/tmpfs", syscall(SYS_mount, "x", "/tmp", "tmpfs", 0, ""));
    refused("mounts/proc", syscall(SYS_mount, "x", "/tmp", "proc", 0, ""));
    refused("mounts/handle", syscall(SYS_open_by_handle_at, AT_FDCWD, buf, 0));
    report("labels/engine", access("/run/docker.sock", F_OK) < 0, "%s", "nobody to change them with");
}

static void try_apparmor(void)
{
    int fd = open("/proc/self/attr/exec", O_WRONLY | O_CLOEXEC);

    refused("apparmor/exec", write(fd, "exec unconfined", 15));
    (void) close(fd);
    fd = open("/proc/self/attr/current", O_WRONLY | O_CLOEXEC);
    refused("apparmor/current", write(fd, "changeprofile unconfined", 24));
    (void) close(fd);
    unwritable("privileged/debugfs", "/sys/kernel/debug/tracing/trace");
    unwritable("privileged/uevent", "/sys/kernel/uevent_helper");
    refused("privileged/sysctl", open("/proc/sys/vm/overcommit_memory", O_WRONLY));
    refused("log_driver/of-the-guest", open("/proc/1/fd/2", O_WRONLY));
    report("restart/first-process", kill(1, SIGKILL) == 0 && kill(1, 0) == 0, "%s", "still the same");
}

void try_birth(void)
{
    try_descriptors();
    try_environment();
}

void try_neighbours(void)
{
    try_pid_namespace();
    try_guest();
    try_ipc();
    try_uts();
    try_cgroup();
    try_network();
    try_engine();
    try_apparmor();
}
