/* SPDX-License-Identifier: MIT */
#include "core/guest/cgroup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One value: where it is in version 2, else in version 1; the word before it in a file of many; its unit. */
struct source {
    const char *path[3];
    const char *word;
    uint64_t divisor;
};

static const struct source sources[FRAME_STATS_USED] = {
    [FRAME_STATS_MEMORY] = { { "memory.current", "memory/memory.usage_in_bytes" }, NULL, 1 },
    [FRAME_STATS_MEMORY_PEAK] = { { "memory.peak", "memory/memory.max_usage_in_bytes" }, NULL, 1 },
    [FRAME_STATS_OOM_KILLS] = { { "memory.events", "memory/memory.oom_control" }, "oom_kill ", 1 },
    [FRAME_STATS_PIDS] = { { "pids.current", "pids/pids.current" }, NULL, 1 },
    [FRAME_STATS_CPU_US] = { { "cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage" }, NULL, 1000 },
};
static const struct source pid_refusals = { { "pids.events", "pids/pids.events" }, "max ", 1 };
static const struct source pids_max = { { "pids.max", "pids/pids.max" }, NULL, 1 };
static const struct source periods = { { "cpu.stat", "cpu/cpu.stat", "cpu,cpuacct/cpu.stat" },
                                       "nr_periods ",
                                       1 };

static const char cpu_v2[] = "cpu.stat";

static int root_fd = -1, oom_fd = -1, pids_fd = -1;

/* Which of them is there does not change. */
static int source_open(const struct source *s)
{
    int fd = -1;

    for (int i = 0; i < 3 && s->path[i] && fd < 0 && root_fd >= 0; i++)
        fd = openat(root_fd, s->path[i], O_RDONLY | O_CLOEXEC);
    return fd;
}

void cgroup_init(const char *root)
{
    root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    oom_fd = source_open(&sources[FRAME_STATS_OOM_KILLS]);
    pids_fd = source_open(&pid_refusals);
}

static uint64_t value_of(const char *text, const char *word)
{
    if (!word)
        return strtoull(text, NULL, 10);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, word, strlen(word)) == 0)
            return strtoull(line + strlen(word), NULL, 10);
    }
    return 0;
}

static uint64_t value_read(int fd, const char *word)
{
    char text[2048];
    ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0);

    if (n <= 0)
        return 0;
    text[n] = 0;
    return value_of(text, word);
}

uint64_t cgroup_oom_kills(void)
{
    return value_read(oom_fd, sources[FRAME_STATS_OOM_KILLS].word);
}

uint64_t cgroup_pid_refusals(void)
{
    return value_read(pids_fd, pid_refusals.word);
}

/* Zero also where there is no such file. */
static uint64_t source_read(const struct source *s)
{
    int fd = source_open(s);
    uint64_t value = value_read(fd, s->word);

    if (fd >= 0)
        (void) close(fd);
    return value / s->divisor;
}

uint64_t cgroup_pids_max(void)
{
    return source_read(&pids_max); /* "max" is no number */
}

void cgroup_periods(uint64_t *ret_all, uint64_t *ret_used_up)
{
    int fd = source_open(&periods);

    *ret_all = value_read(fd, periods.word);
    *ret_used_up = value_read(fd, "nr_throttled ");
    if (fd >= 0)
        (void) close(fd);
}

void cgroup_stats(uint64_t ret[FRAME_STATS_VALUES])
{
    static const struct source cpu = { { cpu_v2 }, "usage_usec ", 1 };
    uint64_t cpu_us = source_read(&cpu);

    for (int v = 0; v < FRAME_STATS_USED; v++)
        ret[v] = source_read(&sources[v]);
    if (cpu_us > 0)
        ret[FRAME_STATS_CPU_US] = cpu_us; /* version 2 wins where it is */
}
