/* SPDX-License-Identifier: MIT */
#include "core/guest/procs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More processes than this are dealt with in several looks. */
enum { PROCS_MAX = 4096 };

enum { STAT_PARENT = 4, STAT_THREADS = 20, STAT_BORN = 22 }; /* fields of /proc/PID/stat, from 1 */

struct proc {
    pid_t pid, parent;
    int threads;
    uint64_t born;
    bool is_dead, is_marked;
};

/* The kernel's record of getdents64(2), which libc does not declare. */
struct dirent_raw {
    uint64_t ino;
    int64_t off;
    uint16_t len;
    uint8_t type;
    char name[];
};

static struct proc procs[PROCS_MAX];
static int proc_count;
static bool is_partial; /* the look missed something: it cannot prove that nothing is left */
static int proc_fd = -1;

int procs_init(void)
{
    proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return proc_fd < 0 ? -errno : 0;
}

/* "PID (NAME) STATE PARENT ...": NAME is the process' own choice and may hold anything, so look for the last
 * ')'. */
static bool stat_parse(const char *text, struct proc *ret)
{
    const char *end = strrchr(text, ')');

    if (!end || end[1] != ' ' || !end[2] || end[3] != ' ')
        return false;
    ret->is_dead = end[2] == 'Z' || end[2] == 'X';
    ret->parent = (pid_t) strtol(end + 4, NULL, 10);
    end += 4;
    for (int i = 0; end && i < STAT_THREADS - STAT_PARENT; i++)
        end = strchr(end + 1, ' ');
    ret->threads = end ? (int) strtol(end, NULL, 10) : 0;
    for (int i = 0; end && i < STAT_BORN - STAT_THREADS; i++)
        end = strchr(end + 1, ' ');
    ret->born = end ? strtoull(end, NULL, 10) : 0;
    return true;
}

/* -1: not a number. */
static long number_of(const char *name)
{
    char *end;
    long n = strtol(name, &end, 10);

    return *end || strlen(name) > 10 || name[0] < '0' || name[0] > '9' ? -1 : n;
}

int procs_open_of(pid_t pid, const char *name)
{
    char path[64];

    if (pid == 0)
        (void) snprintf(path, sizeof(path), "self/%.40s", name);
    else
        (void) snprintf(path, sizeof(path), "%ld/%.40s", (long) pid, name);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static bool stat_read(pid_t pid, struct proc *ret)
{
    char text[512];
    int fd = procs_open_of(pid, "stat");
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        (void) close(fd);
    if (n <= 0)
        return false; /* gone */
    text[n] = 0;
    *ret = (struct proc){ .pid = pid };
    return stat_parse(text, ret);
}

uint64_t procs_born(pid_t pid)
{
    struct proc p;

    return stat_read(pid, &p) && !p.is_dead ? p.born : 0;
}

static bool add(void *data, const char *name)
{
    long pid = number_of(name);

    (void) data;
    if (proc_count == PROCS_MAX || (proc_count > 0 && procs[proc_count - 1].pid >= pid)) {
        is_partial = true; /* full; or not in order, which the kernel does not do */
        return true;
    }
    if (stat_read((pid_t) pid, &procs[proc_count]))
        proc_count++;
    return true;
}

/* Not on the stack, and not one for all: a look at processes looks into their folders. */
static bool names_read(int fd, char *buf, size_t size, procs_name_fn *fn, void *data)
{
    for (;;) {
        long n = syscall(SYS_getdents64, fd, buf, size);

        if (n <= 0)
            return n == 0;
        for (long at = 0; at < n;) {
            const struct dirent_raw *d = (const void *) (buf + at);

            if (number_of(d->name) >= 0 && !fn(data, d->name))
                return false;
            at += d->len;
        }
    }
}

bool procs_names(int fd, procs_name_fn *fn, void *data)
{
    static char buf[8192] __attribute__((aligned(8)));

    return names_read(fd, buf, sizeof(buf), fn, data);
}

static void look(void)
{
    static char buf[32768] __attribute__((aligned(8)));

    proc_count = 0;
    is_partial = lseek(proc_fd, 0, SEEK_SET) < 0;
    if (!names_read(proc_fd, buf, sizeof(buf), add, NULL))
        is_partial = true;
}

static struct proc *find(pid_t pid)
{
    int lo = 0, hi = proc_count;

    while (lo < hi) {
        int mid = (lo + hi) / 2;

        if (procs[mid].pid == pid)
            return &procs[mid];
        if (procs[mid].pid < pid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static bool belongs(const struct proc *p, pid_t top, bool (*spare)(pid_t pid))
{
    if (p->parent == top)
        return !spare || !spare(p->pid);
    if (p->parent <= 0)
        return false;
    const struct proc *parent = find(p->parent);

    if (!parent)
        is_partial =
            true; /* its parent died between the two lines: where it belongs is known at the next look */
    return parent && parent->is_marked;
}

/* Parents usually come before their children; numbers that wrapped around need further rounds. */
static void mark(pid_t top, bool (*spare)(pid_t pid))
{
    bool has_changed;

    do {
        has_changed = false;
        for (int i = 0; i < proc_count; i++) {
            if (!procs[i].is_marked && belongs(&procs[i], top, spare))
                procs[i].is_marked = has_changed = true;
        }
    } while (has_changed);
}

void procs_each(bool (*fn)(void *data, pid_t pid), void *data)
{
    bool goes_on = proc_fd >= 0;

    if (goes_on)
        look();
    for (int i = 0; i < proc_count && goes_on; i++) {
        if (!procs[i].is_dead)
            goes_on = fn(data, procs[i].pid);
    }
}

pid_t procs_top(pid_t pid, bool (*is_top)(pid_t pid))
{
    const struct proc *p = find(pid);

    for (int i = 0; p && i < PROCS_MAX; i++) { /* numbers that were used again could make a circle */
        if (is_top(p->pid))
            return p->pid;
        p = find(p->parent);
    }
    return 0;
}

int procs_kill_beneath(pid_t top, bool (*spare)(pid_t pid))
{
    int alive = 0;

    if (proc_fd < 0)
        return 0;
    look();
    mark(top, spare);
    for (int i = 0; i < proc_count; i++) {
        if (procs[i].is_marked && !procs[i].is_dead) {
            (void) kill(procs[i].pid, SIGKILL); /* gone already is as good */
            alive++;
        }
    }
    return alive + is_partial;
}

int procs_count_beneath(pid_t top, bool (*spare)(pid_t pid))
{
    int count = 0;

    if (proc_fd < 0)
        return 0;
    look();
    mark(top, spare);
    for (int i = 0; i < proc_count; i++) {
        if (procs[i].is_marked)
            count += procs[i].threads > 1 ? procs[i].threads : 1; /* a dead one has none, and still counts */
    }
    return count;
}

/* SIGSTOP reaches all at one moment: a fork(2) that is under way is begun anew after it. */
void procs_hold(bool hold)
{
    if (getpid() == 1)
        (void) kill(-1, hold ? SIGSTOP : SIGCONT);
}
