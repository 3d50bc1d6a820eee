/* SPDX-License-Identifier: MIT */
/*
 * What the probe can learn of the host and of others, and reach of them: devices, sockets with names,
 * settings of the kernel, names, secrets in variables and command lines, signals by every call. See probe.c.
 */
#include "probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>

#include <arpa/inet.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *named(const char *row, const char *path)
{
    static char name[160];
    size_t at = (size_t) snprintf(name, sizeof(name), "%s/", row);

    for (const char *p = path + 1; *p && at < sizeof(name) - 1; p++)
        name[at++] = (char) (*p == '/' ? '-' : *p);
    name[at] = '\0';
    return name;
}

static size_t slurp(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    size_t len = 0;
    ssize_t n;

    while (fd >= 0 && len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
        len += (size_t) n;
    if (fd >= 0)
        (void) close(fd);
    buf[len] = '\0';
    return len;
}

/* ---- devices ---- */

static void try_nodes(void)
{
    static const char *const nodes[] = {
        "/dev/mem",           "/dev/kmem",
        "/dev/port",          "/dev/kmsg",
        "/dev/vda",           "/dev/sda",
        "/dev/nvme0n1",       "/dev/loop0",
        "/dev/fuse",          "/dev/loop-control",
        "/dev/kvm",           "/dev/net/tun",
        "/dev/vsock",         "/dev/vhost-net",
        "/dev/vhost-vsock",   "/dev/userfaultfd",
        "/dev/uinput",        "/dev/autofs",
        "/dev/hwrng",         "/dev/watchdog",
        "/dev/rtc0",          "/dev/console",
        "/dev/ttyS0",         "/dev/tty0",
        "/dev/btrfs-control", "/dev/mapper/control",
        "/dev/cpu/0/msr",     "/dev/snapshot",
        "/dev/uhid",          "/dev/dri/card0",
    };
    static const struct {
        const char *name, *path;
        mode_t kind;
        dev_t device;
    } made[] = {
        { "devices/mknod-sda", "probe-node", S_IFBLK, 0x800 },
        { "devices/mknod-loop", "probe-node", S_IFBLK, 0x700 },
        { "devices/mknod-kmsg", "probe-node", S_IFCHR, 0x10b },
        { "devices/mknod-port", "probe-node", S_IFCHR, 0x104 },
        { "devices/mknod-fuse", "probe-node", S_IFCHR, 0xae5 },
        { "devices/mknod-kvm", "probe-node", S_IFCHR, 0xae8 },
        { "devices/mknod-in-tmp", "/tmp/probe-node", S_IFCHR, 0x101 },
        { "devices/mknod-zero", "probe-node", S_IFCHR, 0x105 },
        { "devices/mknod-whiteout", "probe-node", S_IFCHR, 0 },
    };

    for (size_t i = 0; i < COUNT(nodes); i++) {
        int fd = open(nodes[i], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        refused(named("devices", nodes[i]), fd);
        unwritable(named("devices", nodes[i]), nodes[i]);
        (void) close(fd);
    }
    for (size_t i = 0; i < COUNT(made); i++) {
        int fd = -1;

        if (mknod(made[i].path, made[i].kind | 0600, made[i].device) == 0)
            fd = open(made[i].path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        refused(made[i].name, fd);
        (void) unlink(made[i].path);
    }
}

/* ---- what the kernel tells ---- */

static void try_reading(void)
{
    static const char *const read[] = {
        "/proc/kpagecgroup",
        "/proc/mtrr",
        "/proc/pagetypeinfo",
        "/proc/softirqs",
        "/proc/buddyinfo",
        "/proc/zoneinfo",
        "/proc/locks",
        "/proc/consoles",
        "/proc/misc",
        "/proc/dma",
        "/proc/vmcore",
        "/proc/kpagecount",
        "/proc/fb",
        "/proc/mdstat",
        "/proc/sysrq-trigger",
        "/proc/pressure/memory",
        "/sys/firmware/dmi/tables/DMI",
        "/sys/class/dmi/id/product_uuid",
        "/sys/class/dmi/id/board_serial",
        "/sys/devices/virtual/dmi/id/product_name",
        "/sys/firmware/acpi/tables/DSDT",
        "/sys/firmware/efi/systab",
        "/sys/kernel/vmcoreinfo",
        "/sys/kernel/notes",
        "/sys/kernel/security/lsm",
        "/sys/kernel/slab/kmalloc-64/objects",
        "/sys/kernel/debug/sched_features",
        "/sys/kernel/tracing/trace",
        "/sys/fs/bpf/probe",
        "/sys/module/kvm/parameters/nx_huge_pages",
        "/sys/power/state",
        "/sys/block/vda/size",
        "/sys/bus/pci/rescan",
        "/sys/hypervisor/uuid",
        "/sys/devices/LNXSYSTM:00/uevent",
        "/sys/devices/pnp0/uevent",
        "/proc/net/pktgen/pgctrl",
        "/root/.ssh/id_rsa",
        "/root/.docker/config.json",
        "/etc/shadow",
        "/etc/gshadow",
        "/var/lib/docker",
        "/var/log/syslog",
        "/run/secrets/key",
    };

    for (size_t i = 0; i < COUNT(read); i++)
        unread(named("masked_paths", read[i]), read[i]);
}

static void try_writing(void)
{
    static const char *const written[] = {
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/hotplug",
        "/proc/sys/kernel/sysrq",
        "/proc/sys/kernel/randomize_va_space",
        "/proc/sys/kernel/dmesg_restrict",
        "/proc/sys/kernel/kptr_restrict",
        "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/kernel/shmmax",
        "/proc/sys/kernel/shm_rmid_forced",
        "/proc/sys/kernel/domainname",
        "/proc/sys/kernel/poweroff_cmd",
        "/proc/sys/kernel/usermodehelper/bset",
        "/proc/sys/kernel/yama/ptrace_scope",
        "/proc/sys/kernel/unprivileged_bpf_disabled",
        "/proc/sys/fs/binfmt_misc/register",
        "/proc/sys/fs/suid_dumpable",
        "/proc/sys/fs/file-max",
        "/proc/sys/fs/mqueue/queues_max",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/net/ipv4/ping_group_range",
        "/proc/sys/net/ipv4/ip_unprivileged_port_start",
        "/proc/sys/net/core/bpf_jit_enable",
        "/proc/sys/vm/drop_caches",
        "/proc/sys/vm/panic_on_oom",
        "/proc/sys/user/max_user_namespaces",
        "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity",
        "/proc/acpi/wakeup",
        "/proc/scsi/scsi",
        "/proc/mtrr",
        "/proc/kcore",
        "/sys/kernel/mm/ksm/run",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/kernel/kexec_crash_size",
        "/sys/kernel/profiling",
        "/sys/power/state",
        "/sys/module/apparmor/parameters/mode",
        "/sys/bus/pci/rescan",
        "/sys/class/net/lo/mtu",
        "/sys/devices/system/cpu/cpu1/online",
        "/sys/devices/system/memory/probe",
        "/sys/devices/system/cpu/intel_pstate/no_turbo",
        "/sys/fs/cgroup/devices/devices.allow",
        "/sys/fs/cgroup/devices/devices.deny",
        "/sys/fs/cgroup/cpuset/cpuset.cpus",
        "/sys/fs/cgroup/pids/notify_on_release",
        "/sys/fs/cgroup/memory/cgroup.event_control",
        "/sys/fs/cgroup/cgroup.subtree_control",
        "/sys/fs/cgroup/memory/tasks",
    };

    for (size_t i = 0; i < COUNT(written); i++) {
        struct stat st;
        bool is_covered = stat(written[i], &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0x103;

        if (is_covered) /* by /dev/null, which takes everything and does nothing */
            report(named("readonly_paths", written[i]), true, "covered");
        else
            unwritable(named("readonly_paths", written[i]), written[i]);
    }
}

/* ---- names ---- */

static void try_names(void)
{
    static const char *const telling[] = { "/etc/hostname", "/proc/sys/kernel/hostname" };
    struct utsname u;
    char text[4096];

    (void) uname(&u);
    report("uts/node-name", strcmp(u.nodename, "sandbox") == 0, "%.64s", u.nodename);
    report("uts/domain-name", u.domainname[0] == '\0' || strcmp(u.domainname, "(none)") == 0, "%.64s",
           u.domainname);
    for (size_t i = 0; i < COUNT(telling); i++) {
        size_t n = slurp(telling[i], text, sizeof(text));

        report(named("uts", telling[i]), n == 0 || strcmp(text, "sandbox\n") == 0, "%.64s", text);
    }
    (void) slurp("/etc/resolv.conf", text, sizeof(text));
    report("network/resolver-known", !strstr(text, "nameserver") && !strstr(text, "search"), "%.200s", text);
    (void) slurp("/proc/self/cgroup", text, sizeof(text));
    report("cgroup/path-of-host",
           !strstr(text, "docker") && !strstr(text, "kubepods") && !strstr(text, "libpod"), "%.100s", text);
    (void) slurp("/proc/net/unix", text, sizeof(text));
    report("network/sockets-of-others", !strstr(text, "@/") && !strstr(text, "/run/"), "%s",
           "listed sockets");
    report("network/tables", slurp("/proc/net/arp", text, sizeof(text)) < 100 && !strstr(text, "\n1"), "%s",
           "neighbours");
    report("network/route-table", slurp("/proc/net/route", text, sizeof(text)) < 200, "%s", "routes");
}

/* ---- secrets ---- */

static bool is_telling(const char *text, size_t len)
{
    static const char *const words[] = {
        "API_KEY", "SECRET", "TOKEN", "PASSWORD", "AWS_", "OPENAI", "Bearer "
    };

    for (size_t i = 0; i < COUNT(words); i++)
        if (memmem(text, len, words[i], strlen(words[i])))
            return true;
    return false;
}

static void try_secrets(void)
{
    static const char *const patterns[] = {
        "/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline", "/run/*", "/run/*/*",  "/var/run/*",
        "/run/secrets/*",       "/.agentbox/*.json",    "/tmp/*", "/dev/shm/*"
    };
    static char text[1 << 20];

    for (size_t i = 0; i < COUNT(patterns); i++) {
        glob_t g = { 0 };
        int found = 0;

        (void) glob(patterns[i], GLOB_NOSORT, NULL, &g);
        for (size_t k = 0; k < g.gl_pathc; k++)
            found += is_telling(text, slurp(g.gl_pathv[k], text, sizeof(text)));
        report(named("environment", patterns[i]), found == 0, "%d of %zu tell", found, g.gl_pathc);
        globfree(&g);
    }
    report("environment/engine-files", access("/.dockerinit", F_OK) < 0, "%s", "old engines left it");
}

/* ---- sockets with names ---- */

static void reach(const char *name, const struct sockaddr_un *sa, size_t len)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    refused(name, connect(fd, (const struct sockaddr *) sa, (socklen_t) len));
    (void) close(fd);
}

static void try_named_sockets(void)
{
    static const char *const paths[] = { "/run/containerd/containerd.sock.ttrpc",
                                         "/run/crio/crio.sock",
                                         "/run/buildkit/buildkitd.sock",
                                         "/run/systemd/notify",
                                         "/run/systemd/journal/socket",
                                         "/dev/log",
                                         "/run/udev/control",
                                         "/run/user/0/bus",
                                         "/run/dbus/system_bus_socket",
                                         "/var/run/nscd/socket",
                                         "/run/agentbox.sock",
                                         "/tmp/.X11-unix/X0",
                                         "/run/snapd.socket",
                                         "/run/acpid.socket" };
    static const char *const abstract[] = { "/containerd-shim/moby", "/org/freedesktop/systemd1/notify",
                                            "/tmp/.X11-unix/X0", "/com/ubuntu/upstart",
                                            "ISCSIADM_ABSTRACT_NAMESPACE" };
    struct sockaddr_un sa = { .sun_family = AF_UNIX };

    for (size_t i = 0; i < COUNT(paths); i++) {
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", paths[i]);
        reach(named("mounts", paths[i]), &sa, sizeof(sa));
    }
    for (size_t i = 0; i < COUNT(abstract); i++) {
        memset(sa.sun_path, 0, sizeof(sa.sun_path));
        (void) snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "%s", abstract[i]);
        reach(named("network", abstract[i]), &sa,
              offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract[i]));
    }
}

/* Families that have no business in a sandbox, by name; probe_calls.c walks through all numbers. */
static void try_families(void)
{
    static const struct {
        const char *name;
        int domain, type, protocol;
    } list[] = {
        { "packet", 17, SOCK_RAW, 0x0300 },
        { "packet-dgram", 17, SOCK_DGRAM, 0 },
        { "alg", 38, SOCK_SEQPACKET, 0 },
        { "vsock", 40, SOCK_STREAM, 0 },
        { "vsock-dgram", 40, SOCK_DGRAM, 0 },
        { "bluetooth", 31, SOCK_RAW, 1 },
        { "can", 29, SOCK_RAW, 1 },
        { "key", 15, SOCK_RAW, 2 },
        { "llc", 26, SOCK_STREAM, 0 },
        { "rds", 21, SOCK_SEQPACKET, 0 },
        { "tipc", 30, SOCK_STREAM, 0 },
        { "xdp", 44, SOCK_RAW, 0 },
        { "smc", 43, SOCK_STREAM, 0 },
        { "qipcrtr", 42, SOCK_DGRAM, 0 },
        { "nfc", 39, SOCK_RAW, 0 },
        { "raw-icmp", AF_INET, SOCK_RAW, 1 },
        { "raw-tcp", AF_INET, SOCK_RAW, 6 },
        { "raw-raw", AF_INET, SOCK_RAW, 255 },
        { "raw6", AF_INET6, SOCK_RAW, 58 },
        { "ping", AF_INET, SOCK_DGRAM, 1 },
        { "ping6", AF_INET6, SOCK_DGRAM, 58 },
        { "sctp", AF_INET, SOCK_STREAM, 132 },
        { "dccp", AF_INET, 6, 33 },
        { "udplite", AF_INET, SOCK_DGRAM, 136 },
        { "l2tp", AF_INET, SOCK_DGRAM, 115 },
    };
    static const char *const netlink[] = { "route",  "",          "usersock",  "firewall", "sock-diag",
                                           "nflog",  "xfrm",      "selinux",   "iscsi",    "audit",
                                           "fib",    "connector", "netfilter", "ip6-fw",   "dnrtmsg",
                                           "uevent", "generic",   "",          "scsi",     "ecryptfs",
                                           "rdma",   "crypto",    "smc" };
    char name[64];

    for (size_t i = 0; i < COUNT(list); i++) {
        (void) snprintf(name, sizeof(name), "seccomp/socket-%s", list[i].name);
        refused(name, socket(list[i].domain, list[i].type, list[i].protocol));
    }
    for (size_t i = 2; i < COUNT(netlink); i++) {
        (void) snprintf(name, sizeof(name), "seccomp/netlink-%s", netlink[i]);
        if (netlink[i][0])
            refused(name, socket(AF_NETLINK, SOCK_RAW, (int) i));
    }
    refused("seccomp/socketpair-vsock", socketpair(40, SOCK_STREAM, 0, (int[2]){ 0 }));
    refused("seccomp/socketpair-tipc", socketpair(30, SOCK_STREAM, 0, (int[2]){ 0 }));
}

/* ---- addresses ---- */

static void try_address(const char *label, int family, const char *address, int port)
{
    struct sockaddr_in six[2] = { 0 };
    struct sockaddr_in6 *v6 = (void *) six;
    struct sockaddr_in *v4 = six;
    char name[64];
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), why = 0, r;
    struct pollfd p = { fd, POLLOUT, 0 };
    socklen_t len = sizeof(why);

    if (family == AF_INET6) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t) port);
        (void) inet_pton(AF_INET6, address, &v6->sin6_addr);
        v6->sin6_scope_id = strncmp(address, "fe80", 4) == 0;
    } else {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t) port);
        (void) inet_pton(AF_INET, address, &v4->sin_addr);
    }
    (void) snprintf(name, sizeof(name), "network/%s", label);
    r = connect(fd, (struct sockaddr *) six, family == AF_INET6 ? sizeof(*v6) : sizeof(*v4));
    if (r < 0 && errno == EINPROGRESS && poll(&p, 1, 3000) == 1 &&
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) == 0)
        r = why ? -1 : 0; /* no answer at all is a packet that left: not blocked */
    else
        why = r < 0 ? errno : 0;
    report(name, r < 0 && why != EINPROGRESS, "%s:%d %s", address, port, why ? strerror(why) : "reached");
    (void) close(fd);
}

static void try_addresses(void)
{
    static const struct {
        const char *name;
        int family;
        const char *address;
        int port;
    } list[] = {
        { "metadata-aws", AF_INET, "169.254.169.254", 80 },
        { "metadata-ecs", AF_INET, "169.254.170.2", 80 },
        { "metadata-alibaba", AF_INET, "100.100.100.200", 80 },
        { "metadata-azure", AF_INET, "168.63.129.16", 80 },
        { "metadata-oracle", AF_INET, "192.0.0.192", 80 },
        { "metadata-aws6", AF_INET6, "fd00:ec2::254", 80 },
        { "metadata-gcp6", AF_INET6, "fd20:ce::254", 80 },
        { "metadata-mapped", AF_INET6, "::ffff:169.254.169.254", 80 },
        { "gateway-docker", AF_INET, "172.17.0.1", 2375 },
        { "gateway-podman", AF_INET, "10.88.0.1", 80 },
        { "gateway-lan", AF_INET, "192.168.1.1", 80 },
        { "neighbour", AF_INET, "172.17.0.2", 80 },
        { "neighbour-podman", AF_INET, "10.88.0.2", 80 },
        { "host-loopback-ssh", AF_INET, "127.0.0.1", 22 },
        { "host-loopback-web", AF_INET, "127.0.0.1", 80 },
        { "engine-2375", AF_INET, "127.0.0.1", 2375 },
        { "engine-6-2375", AF_INET6, "::1", 2375 },
        { "kubelet", AF_INET, "127.0.0.1", 10250 },
        { "etcd", AF_INET, "127.0.0.1", 2379 },
        { "dns-docker", AF_INET, "127.0.0.11", 53 },
        { "dns-resolved", AF_INET, "127.0.0.53", 53 },
        { "dns-google", AF_INET, "8.8.8.8", 53 },
        { "dns-google6", AF_INET6, "2001:4860:4860::8888", 53 },
        { "web", AF_INET, "93.184.216.34", 443 },
        { "zero", AF_INET, "0.0.0.0", 80 },
        { "multicast6", AF_INET6, "ff02::1", 80 },
        { "link-local6", AF_INET6, "fe80::1", 80 },
        { "slirp-host", AF_INET, "10.0.2.2", 80 },
        { "slirp-dns", AF_INET, "10.0.2.3", 53 },
        { "desktop-host", AF_INET, "192.168.65.2", 80 },
    };

    for (size_t i = 0; i < COUNT(list); i++)
        try_address(list[i].name, list[i].family, list[i].address, list[i].port);
}

/* ---- signals to the first process by every call, with a forged sender ---- */

static void try_signal_calls(void)
{
    int pidfd = (int) syscall(434, 1, 0);
    static const int codes[] = { -1, -2, -3, -4, -60 };

    for (int sig = 1; sig < 65; sig++) {
        (void) syscall(424, pidfd, sig, NULL, 0);
        for (size_t i = 0; i < COUNT(codes); i++) {
            int info[32] = { sig, 0, codes[i], 0, 0 /* pid: the kernel's */, 0 };

            (void) syscall(SYS_rt_sigqueueinfo, 1, sig, info);
            (void) syscall(SYS_rt_tgsigqueueinfo, 1, 1, sig, info);
        }
    }
    (void) close(pidfd);
    (void) poll(NULL, 0, 20);
    report("guest/forged-signals", kill(1, 0) == 0, "%s", "alive");
    /* The kernel hands the first process what it has a handler for; an ordinary `sh` or an `init` has some.
     */
    report("pid/still-first", access("/proc/1", F_OK) == 0, "%s", "there");
}

void try_host(void)
{
    try_nodes();
    try_reading();
    try_writing();
    try_names();
    try_secrets();
    try_named_sockets();
    try_families();
    try_addresses();
    try_signal_calls();
}
