/* SPDX-License-Identifier: MIT */
/* The lock-down table itself. Row order carries no meaning but that of a list for people. */
#include "oci/lockdown_rows.h"

#define HOST(x)     [SECTION_HOST] = write_##x
#define CONFIG(x)   [SECTION_CONFIG] = write_##x
#define SECURITY(x) [SECTION_SECURITY] = write_##x
#define TMPFS(x)    [SECTION_TMPFS] = write_##x
#define MOUNTS(x)   [SECTION_MOUNTS] = write_##x

/* Name (its ask_, verify_ and probe_ follow from it), what it is to people, where its verification looks,
 * flags, where it writes. */
#define ROW(x, title_, evidence_, flags_, ...)                                                           \
    {                                                                                                    \
        .name = #x, .title = (title_), .evidence = (evidence_), .flags = (flags_), .probe = "probe_" #x, \
        .ask = ask_##x, .write = { __VA_ARGS__ }, .verify = verify_##x                                   \
    }

const struct lockdown_row lockdown_table[] = {
    ROW(capabilities, "no capabilities", "inspect, /proc/self/status", 0, HOST(capabilities)),
    ROW(no_new_privileges, "no new privileges by exec", "/proc/self/status", 0, SECURITY(no_new_privileges)),
    ROW(user, "not root", "inspect, /proc/self/status", ROW_WRITES_LOWERED, CONFIG(user)),
    ROW(seccomp, "system calls", "inspect, /proc/self/status, closed calls tried", 0, SECURITY(seccomp)),
    ROW(apparmor, "AppArmor where the host has it", "inspect, /proc/self/attr", 0, NULL),
    ROW(privileged, "not privileged", "inspect, mountinfo", ROW_FIXED, HOST(privileged)),
    ROW(read_only_root, "read-only root", "inspect, mountinfo", 0, HOST(read_only_root)),
    ROW(network, "no network", "inspect, /proc/self/net/dev", ROW_FIXED, CONFIG(network_config),
        HOST(network)),
    ROW(memory, "memory", "inspect, cgroup", 0, HOST(memory)),
    ROW(swap, "no swap", "/proc/meminfo, cgroup", 0, HOST(swap)),
    ROW(cpus, "processor time", "inspect, cgroup", ROW_LIMIT, HOST(cpus)),
    ROW(pids, "number of processes", "inspect, cgroup", ROW_LIMIT, HOST(pids)),
    ROW(ulimits, "limits of each process", "/proc/self/limits", 0, HOST(ulimits)),
    ROW(oom, "killed before the host's own processes", "inspect, /proc/self/oom_score_adj", ROW_LIMIT,
        HOST(oom)),
    ROW(tmpfs, "writable space is bounded memory", "inspect, mountinfo", ROW_FIXED, TMPFS(tmpfs)),
    ROW(workspace, "the workspace is bounded", "inspect, mountinfo", ROW_WRITES_LOWERED,
        TMPFS(workspace_tmpfs), MOUNTS(workspace_mount)),
    ROW(mounts, "nothing of the host but what was declared", "inspect, mountinfo", ROW_FIXED, MOUNTS(mounts)),
    ROW(devices, "no devices", "inspect, device cgroup, mountinfo", ROW_FIXED, HOST(devices)),
    ROW(masked_paths, "kernel files that tell about the host", "inspect, mountinfo, the paths tried", 0,
        HOST(masked_paths)),
    ROW(readonly_paths, "kernel settings are read-only", "inspect, mountinfo", 0, HOST(readonly_paths)),
    ROW(ipc, "own IPC namespace", "inspect", 0, HOST(ipc)),
    ROW(pid, "own PID namespace", "inspect, /proc/self/status", ROW_FIXED, HOST(pid)),
    ROW(uts, "own host name", "inspect, /proc/sys", ROW_FIXED, CONFIG(hostname), HOST(uts)),
    ROW(cgroup, "own cgroup namespace", "inspect, /proc/self/cgroup", 0, HOST(cgroup)),
    ROW(userns, "the engine's user namespace", "inspect, /proc/self/uid_map", ROW_FIXED, HOST(userns)),
    ROW(runtime, "container runtime", "inspect", ROW_WRITES_LOWERED, HOST(runtime)),
    ROW(guest, "first process is our guest", "inspect, the channel", ROW_FIXED, CONFIG(guest)),
    ROW(environment, "variables", "inspect", ROW_FIXED, CONFIG(environment)),
    ROW(log_driver, "the engine logs nothing", "inspect", ROW_FIXED, HOST(log_driver)),
    ROW(restart, "never restarted", "inspect", ROW_FIXED, HOST(restart)),
    ROW(labels, "whose it is", "inspect", ROW_FIXED, CONFIG(labels)),
};

const size_t lockdown_table_count = sizeof(lockdown_table) / sizeof(lockdown_table[0]);

_Static_assert(sizeof(lockdown_table) / sizeof(lockdown_table[0]) <= LOCKDOWN_ROWS,
               "make LOCKDOWN_ROWS larger");
