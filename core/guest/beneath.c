/* SPDX-License-Identifier: MIT */
#include "core/guest/beneath.h"

#include "core/sandbox/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

/* linux/openat2.h, which musl's headers do not include */
struct how {
    uint64_t flags, mode, resolve;
};
enum { RESOLVE_NO_MAGIC = 0x02, RESOLVE_NO_LINKS = 0x04, RESOLVE_BENEATH_ROOT = 0x08 };

static int root_fd = -1;
static bool has_openat2 = true;

int beneath_init(const char *root)
{
    root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root_fd < 0 ? -errno : root_fd;
}

void beneath_no_openat2(void)
{
    has_openat2 = false;
}

/* The next component of *path into `name`; false at its end. */
static bool component(const char **path, char name[FRAME_PATH_MAX])
{
    size_t len = strcspn(*path, "/");

    if (len == 0)
        return false;
    memcpy(name, *path, len);
    name[len] = 0;
    *path += len + ((*path)[len] == '/');
    return true;
}

static int step(int fd, const char *name, bool make)
{
    int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int next = openat(fd, name, flags);

    if (next < 0 && errno == ENOENT && make && (mkdirat(fd, name, 0755) == 0 || errno == EEXIST))
        next = openat(fd, name, flags);
    if (next >= 0)
        return next;
    struct stat st;
    int errnum = errno;

    if (errnum == ENOTDIR && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
        errnum = ELOOP;
    return -errnum;
}

static int walk(const char *path, bool make)
{
    char name[FRAME_PATH_MAX];
    int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);

    if (fd < 0)
        return -errno;
    while (component(&path, name)) {
        int next = step(fd, name, make);

        (void) close(fd);
        if (next < 0)
            return next;
        fd = next;
    }
    return fd;
}

/* An O_PATH descriptor of a folder: "" is the root. */
static int resolve(const char *path, bool make)
{
    struct how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                       .resolve = RESOLVE_BENEATH_ROOT | RESOLVE_NO_LINKS | RESOLVE_NO_MAGIC };

    if (has_openat2 && path[0]) {
        long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

        if (fd >= 0)
            return (int) fd;
        if (errno == ENOSYS || errno == EPERM)
            has_openat2 = false;
        else if (errno != EAGAIN && !(errno == ENOENT && make)) /* EAGAIN: something was renamed meanwhile */
            return -errno;
    }
    return walk(path, make);
}

int beneath_parent(const char *path, bool make_parents, const char **ret_name)
{
    char folder[FRAME_PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (!frame_path_ok(path, strlen(path)))
        return -EINVAL;
    size_t len = slash ? (size_t) (slash - path) : 0;

    memcpy(folder, path, len);
    folder[len] = 0;
    *ret_name = slash ? slash + 1 : path;
    return resolve(folder, make_parents);
}

int beneath_folder(const char *path)
{
    const char *name = ".";
    bool is_root = path[0] == 0 || strcmp(path, ".") == 0;
    int parent = is_root ? resolve("", false) : beneath_parent(path, false, &name);
    struct stat st;

    if (parent < 0)
        return parent;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int errnum = errno;

    if (fd < 0 && errnum == ENOTDIR && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(st.st_mode))
        errnum = ELOOP;
    (void) close(parent);
    return fd < 0 ? -errnum : fd;
}

int beneath_root_open_up(void)
{
    struct stat st;

    if (fstat(root_fd, &st) < 0 || fchmod(root_fd, (st.st_mode & 07777) | 0500) < 0)
        return -errno;
    return 0;
}

/* fchmodat(2) follows links, and its successor is too new: go through the descriptor. */
int beneath_chmod(int folder_fd, const char *name, mode_t mode)
{
    char path[40];
    struct stat st;
    int r = 0, fd = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fstat(fd, &st) < 0)
        r = -errno;
    else if (S_ISLNK(st.st_mode))
        r = -ELOOP;
    else if (chmod(path, mode & 07777) < 0)
        r = -errno;
    (void) close(fd);
    return r;
}
