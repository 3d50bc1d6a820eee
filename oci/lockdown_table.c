/* SPDX-License-Identifier: MIT */
/* The lock-down table itself. Row order carries no meaning but that of a list for people. */
#include "oci/lockdown_rows.h"

#define HOST(x)     [SECTION_HOST] = write_##x
#define CONFIG(x)   [SECTION_CONFIG] = write_##x
#define SECURITY(x) [SECTION_SECURITY] = write_##x
#define TMPFS(x)    [SECTION_TMPFS] = write_##x
#define MOUNTS(x)   [SECTION_MOUNTS] = write_##x

/* Name (its ask_, verify_ and probe_ follow from it), what it is to people, flags, where it writes. */
#define ROW(x, title_, flags_, ...)                                                             \
    {                                                                                           \
        .name = #x, .title = (title_), .flags = (flags_), .probe = "probe_" #x, .ask = ask_##x, \
        .write = { __VA_ARGS__ }, .verify = verify_##x                                          \
    }

const struct lockdown_row lockdown_table[] = {
    ROW(capabilities, "no capabilities", 0, HOST(capabilities)),
    ROW(no_new_privileges, "no new privileges by exec", 0, SECURITY(no_new_privileges)),
    ROW(user, "not root", ROW_WRITES_LOWERED, CONFIG(user)),
    ROW(seccomp, "system calls", 0, SECURITY(seccomp)),
    ROW(apparmor, "AppArmor where the host has it", 0, NULL),
    ROW(privileged, "not privileged", ROW_FIXED, HOST(privileged)),
    ROW(read_only_root, "read-only root", 0, HOST(read_only_root)),
    ROW(network, "no network", ROW_FIXED, CONFIG(network_config), HOST(network)),
    ROW(memory, "memory", 0, HOST(memory)),
    ROW(swap, "no swap", 0, HOST(swap)),
    ROW(cpus, "processor time", 0, HOST(cpus)),
    ROW(pids, "number of processes", 0, HOST(pids)),
    ROW(ulimits, "limits of each process", 0, HOST(ulimits)),
    ROW(oom, "killed before the host's own processes", 0, HOST(oom)),
    ROW(tmpfs, "writable space is bounded memory", ROW_FIXED, TMPFS(tmpfs)),
    ROW(workspace, "the workspace is bounded", ROW_WRITES_LOWERED, TMPFS(workspace_tmpfs),
        MOUNTS(workspace_mount)),
    ROW(mounts, "nothing of the host but what was declared", ROW_FIXED, MOUNTS(mounts)),
    ROW(devices, "no devices", ROW_FIXED, HOST(devices)),
    ROW(masked_paths, "kernel files that tell about the host", 0, HOST(masked_paths)),
    ROW(readonly_paths, "kernel settings are read-only", 0, HOST(readonly_paths)),
    ROW(ipc, "own IPC namespace", 0, HOST(ipc)),
    ROW(pid, "own PID namespace", ROW_FIXED, HOST(pid)),
    ROW(uts, "own host name", ROW_FIXED, CONFIG(hostname), HOST(uts)),
    ROW(cgroup, "own cgroup namespace", 0, HOST(cgroup)),
    ROW(userns, "the engine's user namespace", ROW_FIXED, HOST(userns)),
    ROW(runtime, "container runtime", ROW_WRITES_LOWERED, HOST(runtime)),
    ROW(guest, "first process is our guest", ROW_FIXED, CONFIG(guest)),
    ROW(environment, "variables", ROW_FIXED, CONFIG(environment)),
    ROW(log_driver, "the engine logs nothing", ROW_FIXED, HOST(log_driver)),
    ROW(restart, "never restarted", ROW_FIXED, HOST(restart)),
    ROW(labels, "whose it is", ROW_FIXED, CONFIG(labels)),
};

const size_t lockdown_table_count = sizeof(lockdown_table) / sizeof(lockdown_table[0]);

_Static_assert(sizeof(lockdown_table) / sizeof(lockdown_table[0]) <= LOCKDOWN_ROWS,
               "make LOCKDOWN_ROWS larger");
