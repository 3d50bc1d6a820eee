/* SPDX-License-Identifier: MIT */
#include "core/guest/procs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More processes than this are dealt with in several looks. */
enum { PROCS_MAX = 4096 };

enum { STAT_PARENT = 4, STAT_THREADS = 20 }; /* fields of /proc/PID/stat, from 1 */

struct proc {
    pid_t pid, parent;
    int threads;
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
    return true;
}

static void add(const char *name)
{
    char path[32], text[512];
    char *end;
    long pid = strtol(name, &end, 10);

    if (*end || pid <= 0 || strlen(name) > 10)
        return;
    if (proc_count == PROCS_MAX || (proc_count > 0 && procs[proc_count - 1].pid >= pid)) {
        is_partial = true; /* full; or not in order, which the kernel does not do */
        return;
    }
    (void) stpcpy(stpcpy(path, name), "/stat");
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return; /* gone */
    ssize_t n = read(fd, text, sizeof(text) - 1);

    (void) close(fd);
    if (n <= 0)
        return;
    text[n] = 0;
    procs[proc_count] = (struct proc){ .pid = (pid_t) pid };
    if (stat_parse(text, &procs[proc_count]))
        proc_count++;
}

static void look(void)
{
    static char buf[32768] __attribute__((aligned(8)));

    proc_count = 0;
    is_partial = lseek(proc_fd, 0, SEEK_SET) < 0;
    for (;;) {
        long n = syscall(SYS_getdents64, proc_fd, buf, sizeof(buf));

        if (n < 0)
            is_partial = true;
        if (n <= 0)
            return;
        for (long at = 0; at < n;) {
            const struct dirent_raw *d = (const void *) (buf + at);

            add(d->name);
            at += d->len;
        }
    }
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
