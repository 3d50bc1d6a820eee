/* SPDX-License-Identifier: MIT */
#include "core/guest/pry.h"

#include "core/guest/beneath.h"
#include "core/guest/scan.h"
#include "core/sandbox/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t ctime_ns(const struct stat *st)
{
    return (int64_t) st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

/* Any descriptor's own name, which the system calls that take no O_PATH descriptor accept. */
static const char *self(int fd, char text[40])
{
    (void) snprintf(text, 40, "/proc/self/fd/%d", fd);
    return text;
}

int pry_begin(struct pry *p, int fd, mode_t add)
{
    struct stat st;
    char text[40];

    p->is_open = false;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode) || st.st_uid != geteuid() || ((st.st_mode & S_ISGID) && st.st_gid != getegid()))
        return -EACCES;
    p->mode = st.st_mode & 07777;
    p->inode = st.st_ino;
    p->before_ns = p->after_ns = ctime_ns(&st);
    if (chmod(self(fd, text), p->mode | add) < 0)
        return -errno;
    p->is_open = true;
    return 0;
}

void pry_end(struct pry *p, int fd)
{
    struct stat st;
    char text[40];

    if (!p->is_open)
        return;
    p->is_open = false;
    (void) chmod(self(fd, text), p->mode); /* it was ours a moment ago */
    if (fstat(fd, &st) == 0)
        p->after_ns = ctime_ns(&st);
}

/* What an O_PATH descriptor stands for, opened for reading. */
static int reopen(int fd)
{
    struct stat st;
    char text[40];

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
    int r = open(self(fd, text), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    return r < 0 ? -errno : r;
}

/* Takes over `fd`. */
static int open_file(int fd, const char *path)
{
    struct pry p;
    int r = reopen(fd);

    if (r == -EACCES && pry_begin(&p, fd, S_IRUSR) == 0) {
        r = reopen(fd);
        pry_end(&p, fd);
        scan_settle(path, strlen(path), p.inode, p.before_ns, p.after_ns);
    }
    (void) close(fd);
    return r;
}

int pry_open_at(int folder_fd, const char *name, const char *path)
{
    int fd = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : open_file(fd, path);
}

/* The folder `fd`, whose path is the first `len` bytes, may be without x. */
static int step(int fd, const char *name, int flags, const char *path, size_t len)
{
    struct pry p;
    int next = openat(fd, name, flags);

    if (next >= 0 || errno != EACCES || pry_begin(&p, fd, S_IXUSR) < 0)
        return next < 0 ? -errno : next;
    next = openat(fd, name, flags);
    int errnum = errno;

    pry_end(&p, fd);
    scan_settle(path, len, p.inode, p.before_ns, p.after_ns);
    return next < 0 ? -errnum : next;
}

int pry_open(const char *path)
{
    int fd = beneath_folder("");
    char name[FRAME_PATH_MAX];
    const char *at = path;

    while (fd >= 0) {
        size_t len = strcspn(at, "/"), before = at > path ? (size_t) (at - path) - 1 : 0;
        bool is_last = at[len] == 0;
        int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC | (is_last ? 0 : O_DIRECTORY), next;

        memcpy(name, at, len);
        name[len] = 0;
        next = step(fd, name, flags, path, before);
        (void) close(fd);
        if (is_last)
            return next < 0 ? next : open_file(next, path);
        fd = next;
        at += len + 1;
    }
    return fd;
}
