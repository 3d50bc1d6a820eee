/* SPDX-License-Identifier: MIT */
/* Rows of the lock-down about how much: memory, processor, processes, limits, and what the engine does on its
 * own. */
#include "core/base/units.h"
#include "oci/lockdown_gvisor.h"
#include "oci/lockdown_rows.h"
#include "oci/procfs.h"

#include <stdio.h>
#include <string.h>

#define OOM_SCORE  500
#define CPU_SHARES 256

/* ---- memory ---- */

int64_t lockdown_memory(const struct lockdown *l)
{
    int64_t total = l->spec->memory_bytes;
    struct row_tmpfs t;

    for (size_t i = 0; row_tmpfs_at(l, i, &t); i++)
        if (__builtin_add_overflow(total, t.bytes, &total))
            return INT64_MAX;
    return total;
}

static void say_bytes(char ret[ROW_TEXT], int64_t bytes)
{
    char text[32];

    snprintf(ret, ROW_TEXT, "%s", units_format_size(text, bytes));
}

void ask_memory(const struct lockdown *l, char ret[ROW_TEXT])
{
    char all[32], own[32];

    snprintf(ret, ROW_TEXT, "%s (%s for processes, the rest for tmpfs)",
             units_format_size(all, lockdown_memory(l)), units_format_size(own, l->spec->memory_bytes));
}

void write_memory(const struct lockdown *l, struct json_writer *w)
{
    json_put_int(w, "Memory", lockdown_memory(l));
}

/* The number in a cgroup file; "max" is UINT64_MAX. */
static bool read_number(struct span text, uint64_t *ret)
{
    struct span word = procfs_single(text);
    int64_t n;

    if (span_is(word, "max")) {
        *ret = UINT64_MAX;
        return true;
    }
    if (units_int(word, 0, INT64_MAX, &n) < 0)
        return false;
    *ret = (uint64_t) n;
    return true;
}

/* The kernel rounds down to whole pages. */
static bool is_near(uint64_t limit, int64_t asked)
{
    return limit <= (uint64_t) asked && limit + 65536 > (uint64_t) asked;
}

/* Either version of cgroups. */
static bool is_limit(struct span v1, struct span v2, int64_t asked, uint64_t *ret)
{
    if (!read_number(v2.ptr ? v2 : v1, ret))
        return false;
    return is_near(*ret, asked);
}

bool verify_memory(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    const int64_t asked = lockdown_memory(l);
    uint64_t limit = 0;
    bool is_kept;

    if (tree_int(row_host(e, "Memory"), 0) != asked)
        return row_say(found, false, "the engine says %lld bytes",
                       (long long) tree_int(row_host(e, "Memory"), 0));
    if (gvisor_is(l, e))
        is_kept = gvisor_memory(e, &limit) && is_near(limit, asked);
    else
        is_kept = is_limit(e->files[LOCKDOWN_V1_MEMORY], e->files[LOCKDOWN_V2_MEMORY], asked, &limit);
    if (!is_kept)
        return row_say(found, false, limit ? "another limit inside" : "no limit inside");
    say_bytes(found, (int64_t) limit);
    return true;
}

/* ---- swap ---- */

void ask_swap(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "none");
}

void write_swap(const struct lockdown *l, struct json_writer *w)
{
    if (!lockdown_is_lowered(l, "memory"))
        json_put_int(w, "MemorySwap", lockdown_memory(l)); /* memory and swap together */
}

/* Kernels without swap accounting cannot be told; a host without swap needs none. */
bool verify_swap(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    const int64_t asked = lockdown_memory(l);
    uint64_t limit = 1;

    if (span_is(procfs_field(e->files[LOCKDOWN_MEMINFO], "SwapTotal"), "0 kB"))
        return row_say(found, true, "the host has none");
    if (e->files[LOCKDOWN_V2_MEMORY].ptr) {
        if (!read_number(e->files[LOCKDOWN_V2_SWAP], &limit) || limit != 0)
            return row_say(found, false, "may be used");
    } else if (!is_limit(e->files[LOCKDOWN_V1_MEMSW], (struct span){ NULL, 0 }, asked, &limit)) {
        return row_say(found, false, "may be used: the kernel does not account for it");
    }
    return row_say(found, true, "none");
}

/* ---- cpus ---- */

void ask_cpus(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "%g of a processor", (double) l->spec->nano_cpus / 1e9);
}

void write_cpus(const struct lockdown *l, struct json_writer *w)
{
    json_put_int(w, "NanoCpus", l->spec->nano_cpus);
    json_put_int(w, "CpuShares", CPU_SHARES); /* a quarter of the host's own weight when both want all */
}

/* v1: two files; v2: "100000 100000" or "max 100000". */
static bool read_quota(const struct lockdown_evidence *e, int64_t *ret_quota, int64_t *ret_period)
{
    struct span line = { NULL, 0 }, rest = e->files[LOCKDOWN_V2_CPU], quota, period;

    if (rest.ptr) {
        if (!procfs_line(&rest, &line) || !procfs_word(&line, &quota) || !procfs_word(&line, &period))
            return false;
    } else {
        quota = procfs_single(e->files[LOCKDOWN_V1_QUOTA]);
        period = procfs_single(e->files[LOCKDOWN_V1_PERIOD]);
    }
    return units_int(quota, 1, INT32_MAX, ret_quota) >= 0 && units_int(period, 1, INT32_MAX, ret_period) >= 0;
}

bool verify_cpus(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    const double asked = (double) l->spec->nano_cpus / 1e9;
    int64_t quota, period;
    double is;

    if (tree_int(row_host(e, "NanoCpus"), 0) != l->spec->nano_cpus)
        return row_say(found, false, "the engine says %lld",
                       (long long) tree_int(row_host(e, "NanoCpus"), 0));
    if (!read_quota(e, &quota, &period))
        return row_say(found, false, gvisor_is(l, e) ? "not shown by gVisor" : "no limit inside");
    is = (double) quota / (double) period;
    return row_say(found, is <= asked + 0.011 && is >= asked - 0.011, "%g of a processor", is);
}

/* ---- pids ---- */

void ask_pids(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "%lld", (long long) l->spec->pids);
}

void write_pids(const struct lockdown *l, struct json_writer *w)
{
    json_put_int(w, "PidsLimit", l->spec->pids);
}

bool verify_pids(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    uint64_t limit = 0;

    if (tree_int(row_host(e, "PidsLimit"), 0) != l->spec->pids)
        return row_say(found, false, "the engine says %lld",
                       (long long) tree_int(row_host(e, "PidsLimit"), 0));
    if (!read_number(e->files[LOCKDOWN_V2_PIDS].ptr ? e->files[LOCKDOWN_V2_PIDS] : e->files[LOCKDOWN_V1_PIDS],
                     &limit) ||
        limit != (uint64_t) l->spec->pids)
        return row_say(found, false, "%s",
                       gvisor_is(l, e)                ? "not shown by gVisor"
                       : limit && limit != UINT64_MAX ? "another limit inside"
                                                      : "no limit inside");
    return row_say(found, true, "%llu", (unsigned long long) limit);
}

/* ---- ulimits ---- */

static const struct ulimit {
    const char *name;   /* the engine's */
    const char *title;  /* the kernel's, in /proc/self/limits */
    int64_t soft, hard; /* -1: as large as the largest writable space */
} ulimits[] = {
    { "nofile", "Max open files", SANDBOX_OPEN_FILES, SANDBOX_OPEN_FILES_MAX },
    { "core", "Max core file size", 0, 0 },
    { "fsize", "Max file size", -1, -1 },
    { "memlock", "Max locked memory", 65536, 65536 },
    { "msgqueue", "Max msgqueue size", 0, 0 },
    { "nice", "Max nice priority", 0, 0 },
    { "rtprio", "Max realtime priority", 0, 0 },
    { "sigpending", "Max pending signals", 1024, 1024 },
    /* Of all processes with this user id on the host: the cgroup's limit is the one that counts; this keeps a
     * user id shared by many sandboxes bounded, and Podman does not start without it. */
    { "nproc", "Max processes", 16384, 16384 },
};

static struct ulimit ulimit_at(const struct lockdown *l, size_t index)
{
    struct ulimit u = ulimits[index];

    if (u.soft < 0)
        u.soft = u.hard = sandbox_file_max(l->spec);
    return u;
}

void ask_ulimits(const struct lockdown *l, char ret[ROW_TEXT])
{
    char size[32];

    snprintf(ret, ROW_TEXT, "nofile 1024:4096, core 0, fsize %s, memlock 64 KiB, nproc 16384",
             units_format_size(size, sandbox_file_max(l->spec)));
}

void write_ulimits(const struct lockdown *l, struct json_writer *w)
{
    json_key(w, "Ulimits");
    json_array(w);
    for (size_t i = 0; i < sizeof(ulimits) / sizeof(ulimits[0]); i++) {
        const struct ulimit u = ulimit_at(l, i);

        json_object(w);
        json_put_string(w, "Name", u.name);
        json_put_int(w, "Soft", u.soft);
        json_put_int(w, "Hard", u.hard);
        json_object_end(w);
    }
    json_array_end(w);
}

bool verify_ulimits(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    for (size_t i = 0; i < sizeof(ulimits) / sizeof(ulimits[0]); i++) {
        const struct ulimit u = ulimit_at(l, i);
        uint64_t soft, hard;

        if (!procfs_limit(e->files[LOCKDOWN_LIMITS], u.title, &soft, &hard) &&
            !(gvisor_is(l, e) && gvisor_limit(e, u.name, &soft, &hard)))
            return row_say(found, false, "%s is unknown", u.name);
        /* the guest may move its own soft limit up to the hard one */
        if (hard != (uint64_t) u.hard || soft > hard)
            return row_say(found, false, "%s is %llu:%llu", u.name, (unsigned long long) soft,
                           (unsigned long long) hard);
    }
    ask_ulimits(l, found);
    return true;
}

/* ---- oom ---- */

void ask_oom(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "score %d", OOM_SCORE);
}

void write_oom(const struct lockdown *l, struct json_writer *w)
{
    json_put_bool(w, "OomKillDisable", false);
    json_put_int(w, "OomScoreAdj", OOM_SCORE);
}

bool verify_oom(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    int64_t score = 0;

    if (tree_bool(row_host(e, "OomKillDisable"), false))
        return row_say(found, false, "the killer is off");
    if (units_int(procfs_single(e->files[LOCKDOWN_OOM]), -1000, 1000, &score) < 0)
        return row_say(found, false, "the score is unknown");
    if (gvisor_is(l, e))
        return row_say(found, false, "not shown by gVisor");
    return row_say(found, score >= OOM_SCORE, "score %lld", (long long) score);
}

/* ---- what the engine does on its own ---- */

void ask_restart(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "never");
}

void write_restart(const struct lockdown *l, struct json_writer *w)
{
    json_key(w, "RestartPolicy");
    json_object(w);
    json_put_string(w, "Name", "no");
    json_object_end(w);
    json_put_bool(w, "AutoRemove", false); /* its exit status would be lost */
    json_put_bool(w, "Init", false);
}

bool verify_restart(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    const struct tree *name = tree_get(row_host(e, "RestartPolicy"), "Name");

    if (!row_is_empty(name) && !tree_is_string(name, "no"))
        return row_say(found, false, "'%.60s'", tree_string(name, ""));
    if (tree_bool(row_host(e, "AutoRemove"), false))
        return row_say(found, false, "removed by the engine");
    return row_say(found, true, "never");
}

void ask_log_driver(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "none");
}

/* Every other driver writes each byte of the channel to the host's disk. */
void write_log_driver(const struct lockdown *l, struct json_writer *w)
{
    json_key(w, "LogConfig");
    json_object(w);
    json_put_string(w, "Type", "none");
    json_key(w, "Config");
    json_object(w);
    json_object_end(w);
    json_object_end(w);
}

bool verify_log_driver(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    const char *type = tree_string(tree_get(row_host(e, "LogConfig"), "Type"), "");

    return row_say(found, strcmp(type, "none") == 0, "%.60s", type);
}
