/* SPDX-License-Identifier: MIT */
/*
 * What a row of the lock-down table is made of, and the functions the table
 * (lockdown_table.c) names. They live with their subject: lockdown_process.c,
 * lockdown_resources.c, lockdown_files.c.
 */
#ifndef OCI_LOCKDOWN_ROWS_H
#define OCI_LOCKDOWN_ROWS_H

#include "oci/lockdown.h"

/* Places of the create request that several rows write into. */
enum lockdown_section {
    SECTION_CONFIG,   /* members of the request itself */
    SECTION_HOST,     /* members of HostConfig */
    SECTION_SECURITY, /* elements of HostConfig.SecurityOpt */
    SECTION_TMPFS,    /* members of HostConfig.Tmpfs */
    SECTION_MOUNTS,   /* elements of HostConfig.Mounts */
    SECTIONS
};

enum {
    ROW_FIXED = 1,          /* cannot be lowered */
    ROW_WRITES_LOWERED = 2, /* is written although lowered; its writers look at lockdown_is_lowered() */
    ROW_LIMIT = 4,          /* the same, when a runtime was asked for by name */
};

#define ROW_TEXT 128

struct lockdown_row {
    const char *name;
    const char *title;
    const char *evidence;
    unsigned flags;
    const char *probe;
    void (*ask)(const struct lockdown *l, char ret[ROW_TEXT]);
    void (*write[SECTIONS])(const struct lockdown *l, struct json_writer *w);
    /* Whether it is as asked; `found` says what is, either way. */
    bool (*verify)(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT]);
};

extern const struct lockdown_row lockdown_table[];
extern const size_t lockdown_table_count;

/* ---- shared by the rows ---- */

const struct tree *row_host(const struct lockdown_evidence *e, const char *name);   /* HostConfig.NAME */
const struct tree *row_config(const struct lockdown_evidence *e, const char *name); /* Config.NAME */
bool row_is_empty(const struct tree *t);               /* absent, null, "", [], {} */
bool row_is_mapped(const struct lockdown_evidence *e); /* into a user namespace other than the host's */
bool row_say(char found[ROW_TEXT], bool is_fine, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Mount points that are ours, and how large; index from 0, false past the end. */
struct row_tmpfs {
    const char *path;
    int64_t bytes, inodes;
    const char *options; /* beside size and inodes */
    bool is_exec;
    bool is_workspace;
};
bool row_tmpfs_at(const struct lockdown *l, size_t index, struct row_tmpfs *ret);

#define ROW_ASK(x)   void ask_##x(const struct lockdown *l, char ret[ROW_TEXT])
#define ROW_WRITE(x) void write_##x(const struct lockdown *l, struct json_writer *w)
#define ROW_VERIFY(x) \
    bool verify_##x(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
#define ROW_ALL(x) \
    ROW_ASK(x);    \
    ROW_WRITE(x);  \
    ROW_VERIFY(x)

/* lockdown_process.c */
ROW_ALL(capabilities);
ROW_ALL(no_new_privileges);
ROW_ALL(user);
ROW_ALL(seccomp);
ROW_ASK(apparmor);
ROW_VERIFY(apparmor);
ROW_ALL(privileged);
ROW_ALL(ipc);
ROW_ALL(pid);
ROW_ALL(uts);
void write_hostname(const struct lockdown *l, struct json_writer *w);
ROW_ALL(cgroup);
ROW_ALL(userns);
ROW_ALL(runtime);
ROW_ALL(guest);
ROW_ALL(environment);
ROW_ALL(labels);

/* lockdown_resources.c */
ROW_ALL(memory);
ROW_ALL(swap);
ROW_ALL(cpus);
ROW_ALL(pids);
ROW_ALL(ulimits);
ROW_ALL(oom);
ROW_ALL(restart);
ROW_ALL(log_driver);

/* lockdown_files.c */
ROW_ALL(read_only_root);
ROW_ALL(tmpfs);
ROW_ASK(workspace);
ROW_VERIFY(workspace);
void write_workspace_tmpfs(const struct lockdown *l, struct json_writer *w);
void write_workspace_mount(const struct lockdown *l, struct json_writer *w);
ROW_ALL(mounts);
ROW_ALL(masked_paths);
ROW_ALL(readonly_paths);
ROW_ALL(devices);
ROW_ALL(network);
void write_network_config(const struct lockdown *l, struct json_writer *w);

#endif
