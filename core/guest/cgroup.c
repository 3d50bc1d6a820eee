/* SPDX-License-Identifier: MIT */
#include "core/guest/cgroup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup/"

/* One value: where it is in version 2, else in version 1; the word before it in a file of many; its unit. */
struct source {
    const char *path[3];
    const char *word;
    uint64_t divisor;
};

static const struct source sources[FRAME_STATS_USED] = {
    [FRAME_STATS_MEMORY] = { { ROOT "memory.current", ROOT "memory/memory.usage_in_bytes" }, NULL, 1 },
    [FRAME_STATS_MEMORY_PEAK] = { { ROOT "memory.peak", ROOT "memory/memory.max_usage_in_bytes" }, NULL, 1 },
    [FRAME_STATS_OOM_KILLS] = { { ROOT "memory.events", ROOT "memory/memory.oom_control" }, "oom_kill ", 1 },
    [FRAME_STATS_PIDS] = { { ROOT "pids.current", ROOT "pids/pids.current" }, NULL, 1 },
    [FRAME_STATS_CPU_US] = { { ROOT "cpuacct/cpuacct.usage", ROOT "cpu,cpuacct/cpuacct.usage" }, NULL, 1000 },
};

static const char cpu_v2[] = ROOT "cpu.stat";

static int oom_fd = -1;

/* Which of the two is there does not change, and the file is read twice for each command: keep it open. */
void cgroup_init(void)
{
    const struct source *s = &sources[FRAME_STATS_OOM_KILLS];

    for (int i = 0; s->path[i] && oom_fd < 0; i++)
        oom_fd = open(s->path[i], O_RDONLY | O_CLOEXEC);
}

static uint64_t value_read(int fd, const char *word)
{
    char text[2048];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    if (n <= 0)
        return 0;
    text[n] = 0;
    if (!word)
        return strtoull(text, NULL, 10);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, word, strlen(word)) == 0)
            return strtoull(line + strlen(word), NULL, 10);
    }
    return 0;
}

uint64_t cgroup_oom_kills(void)
{
    return oom_fd < 0 ? 0 : value_read(oom_fd, sources[FRAME_STATS_OOM_KILLS].word);
}

static bool file_value(const char *path, const char *word, uint64_t *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    *ret = value_read(fd, word);
    (void) close(fd);
    return true;
}

void cgroup_stats(uint64_t ret[FRAME_STATS_VALUES])
{
    for (int v = 0; v < FRAME_STATS_USED; v++) {
        const struct source *s = &sources[v];

        ret[v] = 0;
        for (int i = 0; s->path[i]; i++) {
            if (file_value(s->path[i], s->word, &ret[v])) {
                ret[v] /= s->divisor;
                break;
            }
        }
    }
    (void) file_value(cpu_v2, "usage_usec ", &ret[FRAME_STATS_CPU_US]); /* version 2 wins where it is */
}
