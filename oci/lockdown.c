/* SPDX-License-Identifier: MIT */
/* The lock-down table, used: request, plan, verification. */
#include "oci/lockdown.h"

#include "core/base/digest.h"
#include "core/base/table.h"
#include "core/sandbox/frame.h"
#include "oci/lockdown_rows.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *const lockdown_paths[LOCKDOWN_FILES] = {
    [LOCKDOWN_STATUS] = "/proc/self/status",
    [LOCKDOWN_MOUNTS] = "/proc/self/mountinfo",
    [LOCKDOWN_LIMITS] = "/proc/self/limits",
    [LOCKDOWN_NET] = "/proc/self/net/dev",
    [LOCKDOWN_CGROUP] = "/proc/self/cgroup",
    [LOCKDOWN_UID_MAP] = "/proc/self/uid_map",
    [LOCKDOWN_APPARMOR] = "/proc/self/attr/current",
    [LOCKDOWN_HOSTNAME_FILE] = "/proc/sys/kernel/hostname",
    [LOCKDOWN_OOM] = "/proc/self/oom_score_adj",
    [LOCKDOWN_MEMINFO] = "/proc/meminfo",
    [LOCKDOWN_SHM_RMID] = "/proc/sys/kernel/shm_rmid_forced",
    [LOCKDOWN_CALLS] = FRAME_PROBE_CALLS,
    [LOCKDOWN_KERNEL] = FRAME_PROBE_KERNEL,
    [LOCKDOWN_V1_MEMORY] = "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    [LOCKDOWN_V1_MEMSW] = "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
    [LOCKDOWN_V1_PIDS] = "/sys/fs/cgroup/pids/pids.max",
    [LOCKDOWN_V1_QUOTA] = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    [LOCKDOWN_V1_PERIOD] = "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
    [LOCKDOWN_V1_DEVICES] = "/sys/fs/cgroup/devices/devices.list",
    [LOCKDOWN_V2_MEMORY] = "/sys/fs/cgroup/memory.max",
    [LOCKDOWN_V2_SWAP] = "/sys/fs/cgroup/memory.swap.max",
    [LOCKDOWN_V2_PIDS] = "/sys/fs/cgroup/pids.max",
    [LOCKDOWN_V2_CPU] = "/sys/fs/cgroup/cpu.max",
};

size_t lockdown_row_count(void)
{
    return lockdown_table_count;
}

const char *lockdown_row_name(size_t index)
{
    return index < lockdown_table_count ? lockdown_table[index].name : NULL;
}

const char *lockdown_row_evidence(size_t index)
{
    return index < lockdown_table_count ? lockdown_table[index].evidence : NULL;
}

const char *lockdown_row_probe(size_t index)
{
    return index < lockdown_table_count ? lockdown_table[index].probe : NULL;
}

static size_t find_row(const char *name)
{
    size_t i = 0;

    while (i < lockdown_table_count && strcmp(lockdown_table[i].name, name) != 0)
        i++;
    return i;
}

bool lockdown_is_runtime_asked(const struct lockdown *l)
{
    return strcmp(l->spec->runtime, "default") != 0;
}

bool lockdown_is_lowered(const struct lockdown *l, const char *row)
{
    size_t i = find_row(row);

    assert(i < lockdown_table_count);
    return l->lowered >> i & 1;
}

static int unknown_row(const char *name, struct err *err)
{
    const char *names[LOCKDOWN_ROWS];
    const char *near;

    for (size_t i = 0; i < lockdown_table_count; i++)
        names[i] = lockdown_table[i].name;
    near = table_nearest(span_of(name), names, lockdown_table_count);
    err_set(err, ERR_POLICY, "sandbox.lower: the lock-down has no row '%s'", name);
    if (near)
        return err_hint(err, "did you mean '%s'?", near);
    return err_hint(err, "`agentbox plan` shows the rows");
}

int lockdown_prepare(struct lockdown *l, struct err *err)
{
    l->lowered = 0;
    for (size_t i = 0; i < l->spec->lower_count; i++) {
        const char *name = l->spec->lower[i];
        size_t row = find_row(name);

        if (row == lockdown_table_count)
            return unknown_row(name, err);
        if (lockdown_table[row].flags & ROW_FIXED)
            return err_set(err, ERR_POLICY, "sandbox.lower: the row '%s' cannot be given up", name);
        l->lowered |= UINT64_C(1) << row;
    }
    if (l->spec->uid == 0 && !lockdown_is_lowered(l, "user")) {
        err_set(err, ERR_POLICY, "sandbox.user: commands would run as root");
        return err_hint(err, "give a user that is not 0, or say lower: [user]");
    }
    return 0;
}

static bool is_written(const struct lockdown *l, size_t row)
{
    const unsigned flags = lockdown_table[row].flags;

    return !(l->lowered >> row & 1) || flags & ROW_WRITES_LOWERED ||
           (flags & ROW_LIMIT && lockdown_is_runtime_asked(l));
}

static void write_section(const struct lockdown *l, enum lockdown_section section, struct json_writer *w)
{
    for (size_t i = 0; i < lockdown_table_count; i++)
        if (lockdown_table[i].write[section] && is_written(l, i))
            lockdown_table[i].write[section](l, w);
}

int lockdown_write(const struct lockdown *l, struct buf *out, struct err *err)
{
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "Image", l->image_ref);
    write_section(l, SECTION_CONFIG, &w);
    json_key(&w, "HostConfig");
    json_object(&w);
    write_section(l, SECTION_HOST, &w);
    json_key(&w, "SecurityOpt");
    json_array(&w);
    write_section(l, SECTION_SECURITY, &w);
    json_array_end(&w);
    json_key(&w, "Tmpfs");
    json_object(&w);
    write_section(l, SECTION_TMPFS, &w);
    json_object_end(&w);
    json_key(&w, "Mounts");
    json_array(&w);
    write_section(l, SECTION_MOUNTS, &w);
    json_array_end(&w);
    json_object_end(&w);
    json_object_end(&w);
    return json_end(&w, err);
}

void lockdown_ask(const struct lockdown *l, struct sandbox_row rows[LOCKDOWN_ROWS])
{
    for (size_t i = 0; i < lockdown_table_count; i++) {
        rows[i] = (struct sandbox_row){
            .name = lockdown_table[i].name,
            .title = lockdown_table[i].title,
            .state = l->lowered >> i & 1 ? SANDBOX_ROW_LOWERED : SANDBOX_ROW_ASKED,
        };
        lockdown_table[i].ask(l, rows[i].asked);
    }
}

/* ", memory, pids": the names of all that failed, behind the first. */
static void list_others(const struct sandbox_row *rows, const struct sandbox_row *first, char *ret,
                        size_t size)
{
    size_t n = 0;

    ret[0] = '\0';
    for (const struct sandbox_row *row = first + 1; row < rows + lockdown_table_count && n < size; row++)
        if (row->state == SANDBOX_ROW_FAILED)
            n += (size_t) snprintf(ret + n, size - n, ", %s", row->name);
}

static int refuse(const struct lockdown *l, const struct sandbox_row *rows, const struct sandbox_row *first,
                  bool can_be_lowered, struct err *err)
{
    char others[ROW_TEXT * 2];

    list_others(rows, first, others, sizeof(others));
    err_set(err, ERR_POLICY, "the lock-down is not as asked: %s: asked '%s', found '%s'%s%s", first->name,
            first->asked, first->found, *others ? "; nor are: " : "", *others ? others + 2 : "");
    if (!can_be_lowered && lockdown_is_runtime_asked(l))
        return err_hint(
            err, "what runs under '%.60s' does not show that it is locked down: leave sandbox.runtime out",
            l->spec->runtime);
    if (!can_be_lowered)
        return err_hint(err, "this engine cannot hold a sandbox; see `agentbox doctor`");
    return err_hint(err, "see `agentbox doctor`; to do without %s, say sandbox.lower: [%s%s]",
                    *others ? "them" : "it", first->name, others);
}

int lockdown_verify(const struct lockdown *l, const struct lockdown_evidence *e,
                    struct sandbox_row rows[LOCKDOWN_ROWS], struct err *err)
{
    const struct sandbox_row *first = NULL;
    bool can_be_lowered = true;

    for (size_t i = 0; i < lockdown_table_count; i++) {
        bool is_fine = lockdown_table[i].verify(l, e, rows[i].found);

        if (rows[i].state == SANDBOX_ROW_LOWERED)
            continue;
        rows[i].state = is_fine ? SANDBOX_ROW_VERIFIED : SANDBOX_ROW_FAILED;
        if (is_fine)
            continue;
        first = first ? first : &rows[i];
        can_be_lowered = can_be_lowered && !(lockdown_table[i].flags & ROW_FIXED);
    }
    return first ? refuse(l, rows, first, can_be_lowered, err) : 0;
}

int lockdown_digest(const struct lockdown *l, char *ret, struct err *err)
{
    struct sandbox_row rows[LOCKDOWN_ROWS];
    struct digest *d = digest_new();
    uint8_t sum[DIGEST_SIZE];

    if (!d)
        return err_set(err, ERR_INTERNAL, "no memory for a digest");
    lockdown_ask(l, rows);
    for (size_t i = 0; i < lockdown_table_count; i++) {
        if (strcmp(rows[i].name, "labels") == 0)
            continue; /* they hold this digest, and say whose, not how */
        digest_add(d, rows[i].name, strlen(rows[i].name) + 1);
        digest_add(d, &(char){ (char) ('0' + rows[i].state) }, 1);
        digest_add(d, rows[i].asked, strlen(rows[i].asked) + 1);
    }
    if (l->seccomp)
        digest_add(d, l->seccomp, strlen(l->seccomp));
    digest_end(d, sum);
    digest_free(d);
    digest_hex(sum, ret);
    return 0;
}
