/* SPDX-License-Identifier: MIT */
/* What is seen of the lock-down under gVisor. */
#include "oci/lockdown_gvisor.h"

#include "core/base/units.h"
#include "oci/procfs.h"

#include <stdio.h>
#include <string.h>

static struct span field(const struct lockdown_evidence *e, const char *name)
{
    return procfs_field(e->files[LOCKDOWN_KERNEL], name);
}

/* Its words since 2018: no Linux was ever built at that second. */
bool gvisor_is(const struct lockdown *l, const struct lockdown_evidence *e)
{
    return lockdown_is_runtime_asked(l) && span_is(field(e, "release"), "4.4.0") &&
           span_is(field(e, "version"), "#1 SMP Sun Jan 10 15:06:54 PST 2016") &&
           span_is(field(e, "vdso"), "other");
}

bool gvisor_are_closed(const struct lockdown_evidence *e)
{
    struct span rest = e->files[LOCKDOWN_CALLS], line, name, number;
    int count = 0;

    for (; procfs_line(&rest, &line); count++)
        if (!procfs_word(&line, &name) || !procfs_word(&line, &number) ||
            !(span_is(number, "1") || span_is(number, "38")))
            return false;
    return count > 0;
}

bool gvisor_has_no_new_privileges(const struct lockdown_evidence *e)
{
    return span_is(field(e, "new_privileges"), "1");
}

/* Numbers of setrlimit(2), on every architecture that we have a guest for. */
static const struct {
    const char *name;
    int number;
} numbers[] = {
    { "fsize", 1 },       { "core", 4 },      { "nproc", 6 }, { "nofile", 7 },  { "memlock", 8 },
    { "sigpending", 11 }, { "msgqueue", 12 }, { "nice", 13 }, { "rtprio", 14 },
};

static bool read_limit(struct span *line, uint64_t *ret)
{
    struct span word;
    int64_t n;

    if (!procfs_word(line, &word) || units_int(word, -1, INT64_MAX, &n) < 0)
        return false;
    *ret = n < 0 ? UINT64_MAX : (uint64_t) n;
    return true;
}

bool gvisor_limit(const struct lockdown_evidence *e, const char *name, uint64_t *ret_soft, uint64_t *ret_hard)
{
    char title[32];
    struct span line;
    size_t i = 0;

    while (i < sizeof(numbers) / sizeof(numbers[0]) && strcmp(numbers[i].name, name) != 0)
        i++;
    if (i == sizeof(numbers) / sizeof(numbers[0]))
        return false;
    snprintf(title, sizeof(title), "rlimit %d", numbers[i].number);
    line = field(e, title);
    return read_limit(&line, ret_soft) && read_limit(&line, ret_hard);
}

/* "131072 kB" */
bool gvisor_memory(const struct lockdown_evidence *e, uint64_t *ret)
{
    struct span line = procfs_field(e->files[LOCKDOWN_MEMINFO], "MemTotal"), number, unit;
    int64_t n;

    if (!procfs_word(&line, &number) || !procfs_word(&line, &unit) || !span_is(unit, "kB") ||
        units_int(number, 1, INT64_MAX / 1024, &n) < 0)
        return false;
    *ret = (uint64_t) n * 1024;
    return true;
}
