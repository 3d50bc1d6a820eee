/* SPDX-License-Identifier: MIT */
/* Files of the host. */
#include "core/base/file.h"

#include "core/base/cleanup.h"
#include "core/base/digest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif
#if defined(SYS_openat2)
#include <linux/openat2.h>
#endif

#define READ_STEP (64 * 1024)

static int fail(struct err *err, const char *doing, const char *path)
{
    return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s '%s'", doing, path);
}

static ssize_t read_some(int fd, void *ptr, size_t len)
{
    ssize_t n;

    do
        n = read(fd, ptr, len);
    while (n < 0 && errno == EINTR);
    return n;
}

/* One read into `out`. Returns 1, 0 at the end, or an error. */
static int read_step(int fd, const char *path, struct buf *out, struct err *err)
{
    size_t room = out->max - out->len < READ_STEP ? out->max - out->len : READ_STEP;
    char probe, *at = &probe;
    ssize_t n;

    if (room > 0)
        at = buf_reserve(out, room);
    if (!at)
        return err_set(err, ERR_INTERNAL, "reading '%s': no memory", path);
    n = read_some(fd, at, room > 0 ? room : 1); /* a full buffer is fine if the file ends here */
    if (n < 0)
        return fail(err, "reading", path);
    if (n > 0 && room == 0)
        return err_set(err, ERR_TOO_LARGE, "'%s' is larger than %zu bytes", path, out->max);
    if (n > 0)
        buf_commit(out, (size_t) n);
    return n > 0;
}

static int read_all(int fd, const char *path, struct buf *out, struct err *err)
{
    int r;

    do
        r = read_step(fd, path, out, err);
    while (r > 0);
    return r;
}

int file_open_regular_at(int dir_fd, const char *name, int *ret_fd, struct err *err)
{
    CLEANUP(fd)
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 && errno != ELOOP && errno != EMLINK && errno != ENXIO)
        return fail(err, "opening", name);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' is not a regular file", name);
    *ret_fd = take_fd(&fd);
    return 0;
}

int file_read_at(int dir_fd, const char *path, struct buf *out, struct err *err)
{
    CLEANUP(fd) int fd = -1;
    struct stat st;
    int r = file_open_regular_at(dir_fd, path, &fd, err);

    if (r == 0 && fstat(fd, &st) == 0 && st.st_size > 0 && (uint64_t) st.st_size > out->max - out->len)
        return err_set(err, ERR_TOO_LARGE, "'%s' is larger than %zu bytes", path, out->max);
    return r < 0 ? r : read_all(fd, path, out, err);
}

int file_read(const char *path, struct buf *out, struct err *err)
{
    CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    return fd < 0 ? fail(err, "opening", path) : read_all(fd, path, out, err);
}

int file_write_all(int fd, const void *ptr, size_t len, struct err *err)
{
    const char *at = ptr;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_IO, "writing");
        at += n;
        len -= (size_t) n;
    }
    return 0;
}

static int sync_fd(int fd)
{
    int r;

    do
        r = fsync(fd);
    while (r < 0 && errno == EINTR);
    return r;
}

int file_sync_data(int fd, struct err *err)
{
#ifdef __APPLE__
    int r = fcntl(fd, F_FULLFSYNC); /* fsync() there leaves the bytes in the drive's cache */
#else
    int r = fdatasync(fd);
#endif

    return r < 0 ? err_errno(err, ERR_IO, "syncing") : 0;
}

int file_sync_dir(int dir_fd, struct err *err)
{
    /* Some file systems have no fsync for folders and say so; there is nothing to wait for then. */
    if (sync_fd(dir_fd) < 0 && errno != EINVAL && errno != ENOTSUP)
        return err_errno(err, ERR_IO, "syncing a folder");
    return 0;
}

/* A new file beside `name`; `temp` gets its name. */
static int create_temp(int dir_fd, const char *name, mode_t mode, char temp[NAME_MAX + 1])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t noise[6];
    char suffix[7];

    for (int tries = 0; tries < 16; tries++) {
        int fd;

        random_bytes(noise, sizeof(noise));
        for (size_t i = 0; i < sizeof(noise); i++)
            suffix[i] = letters[noise[i] & 31];
        suffix[6] = '\0';
        /* a name near the limit is cut: only the suffix has to be there */
        snprintf(temp, NAME_MAX + 1, ".%.*s.%s.tmp", NAME_MAX - 12, name, suffix);
        fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Fill the new file, so that its bytes and mode are on disk. */
static int fill_temp(int fd, const char *name, struct span content, mode_t mode, struct err *err)
{
    if (file_write_all(fd, content.ptr, content.len, err) < 0) {
        errno = err ? err->errnum : 0;
        return fail(err, "writing", name);
    }
    if (fchmod(fd, mode) < 0) /* the umask has no say */
        return fail(err, "setting the mode of", name);
    return sync_fd(fd) < 0 ? fail(err, "syncing", name) : 0;
}

int file_write_atomic_at(int dir_fd, const char *name, struct span content, mode_t mode, struct err *err)
{
    char temp[NAME_MAX + 1];
    CLEANUP(fd) int fd = -1;
    int r;

    if (name[0] == '\0' || strchr(name, '/'))
        return err_set(err, ERR_INVALID, "'%s' is not the name of a file", name);
    fd = create_temp(dir_fd, name, mode, temp);
    if (fd < 0)
        return fail(err, "creating a file beside", name);
    r = fill_temp(fd, name, content, mode, err);
    if (r == 0 && renameat(dir_fd, temp, dir_fd, name) < 0)
        r = fail(err, "replacing", name);
    if (r < 0) {
        (void) unlinkat(dir_fd, temp, 0); /* the first failure is the one to tell */
        return r;
    }
    r = file_sync_dir(dir_fd, err);
    return r < 0 ? err_wrap(err, "'%s'", name) : 0;
}

static int copy_content(int from, int to, const char *name, struct err *err)
{
    char piece[64 * 1024];
    ssize_t n = 0;

    do {
        do
            n = read(from, piece, sizeof(piece));
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return fail(err, "reading", name);
        if (n > 0 && file_write_all(to, piece, (size_t) n, err) < 0)
            return -ERR_IO;
    } while (n > 0);
    return fsync(to) < 0 ? fail(err, "flushing", name) : 0;
}

int file_copy_at(int from_dir_fd, const char *from, int to_dir_fd, const char *to, mode_t mode,
                 struct err *err)
{
    CLEANUP(fd) int in = -1;
    CLEANUP(fd) int out = -1;
    int r = file_open_regular_at(from_dir_fd, from, &in, err);

    if (r < 0)
        return r;
    out = openat(to_dir_fd, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (out < 0)
        return fail(err, "creating", to);
    r = copy_content(in, out, to, err);
    if (r < 0)
        (void) unlinkat(to_dir_fd, to, 0); /* the first failure is the one to tell */
    return r;
}

int file_write_atomic(const char *path, struct span content, mode_t mode, struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(free)
    char *dir = slash ? strndup(path, slash == path ? 1 : (size_t) (slash - path)) : strdup(".");
    CLEANUP(fd) int dir_fd = -1;
    int r;

    if (!dir)
        return err_set(err, ERR_INTERNAL, "no memory");
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return fail(err, "opening the folder of", path);
    r = file_write_atomic_at(dir_fd, slash ? slash + 1 : path, content, mode, err);
    if (r == 0 || !err || !err->errnum)
        return r;
    errno = err->errnum;
    return fail(err, "writing", path);
}

/* A folder, or there is one. Else errno says why mkdir() could not, not what a look at the place found. */
static int make_dir(const char *path, mode_t mode)
{
    int r = mkdir(path, mode), saved = errno;
    struct stat st;

    if (r == 0 || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return 0;
    errno = saved == EEXIST ? ENOTDIR : saved;
    return -1;
}

int file_make_dirs(const char *path, mode_t mode, struct err *err)
{
    CLEANUP(free) char *part = strdup(path);

    if (!part)
        return err_set(err, ERR_INTERNAL, "no memory");
    for (char *at = part; *at; at++) {
        char kept;

        while (*at == '/')
            at++;
        at += strcspn(at, "/");
        kept = *at;
        *at = '\0';
        if (part[0] != '\0' && make_dir(part, mode) < 0)
            return fail(err, "creating the folder", part);
        *at = kept;
        if (kept == '\0')
            break;
    }
    return 0;
}

/* Why a name from outside cannot be used at all; NULL: it can. */
static const char *bad_path(const char *path)
{
    if (path[0] == '\0')
        return "an empty path";
    if (path[0] == '/')
        return "an absolute path";
    for (const char *at = path; *at;) {
        size_t len = strcspn(at, "/");

        if (len == 2 && memcmp(at, "..", 2) == 0)
            return "a path with '..'";
        at += len;
        at += strspn(at, "/");
    }
    return NULL;
}

static int open_retry(int dir_fd, const char *name, int flags, mode_t mode)
{
    int fd;

    do
        fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* macOS and BSDs report a link in place of a folder as ENOTDIR, in place of a
 * file as ELOOP, EMLINK or EFTYPE: looked up here, so that all mean the same. */
static bool is_link(int dir_fd, const char *name)
{
    struct stat st;

    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* Folder by folder, following no link. errno is ELOOP for one. */
static int open_by_walk(int dir_fd, const char *path, int flags, mode_t mode)
{
    CLEANUP(fd) int at_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[NAME_MAX + 1];

    while (at_fd >= 0) {
        size_t len = strcspn(path, "/"), slashes = strspn(path + len, "/");
        bool is_last = path[len + slashes] == '\0';
        int fd, saved;

        if (len > NAME_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, path, len);
        name[len] = '\0';
        if (is_last && slashes > 0)
            flags |= O_DIRECTORY;
        fd = open_retry(at_fd, name, is_last ? flags : O_RDONLY | O_DIRECTORY, mode);
        saved = fd < 0 && is_link(at_fd, name) ? ELOOP : errno;
        (void) close(at_fd); /* only looked at */
        at_fd = -1;
        errno = saved;
        if (fd < 0 || is_last)
            return fd;
        at_fd = fd;
        path += len + slashes;
    }
    return -1;
}

#if defined(SYS_openat2)
/* Whether this kernel, or the filter around us, has no openat2. */
static bool is_missing(int errnum)
{
    return errnum == ENOSYS || errnum == EPERM;
}

static int open_by_kernel(int dir_fd, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (unsigned) (flags | O_CLOEXEC | O_NOCTTY),
        .mode = flags & O_CREAT ? mode & 07777 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd;

    do
        fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
    while (fd < 0 && (errno == EINTR || errno == EAGAIN)); /* EAGAIN: something was renamed on the way */
    if (fd < 0 && is_missing(errno))
        return open_by_walk(dir_fd, path, flags, mode);
    return (int) fd;
}
#else
static int open_by_kernel(int dir_fd, const char *path, int flags, mode_t mode)
{
    return open_by_walk(dir_fd, path, flags, mode);
}
#endif

int file_open_beneath(int dir_fd, const char *path, int flags, mode_t mode, int *ret_fd, struct err *err)
{
    const char *bad = bad_path(path);
    int fd;

    if (bad)
        return err_set(err, ERR_INVALID, "'%s' is %s", path, bad);
    fd = open_by_kernel(dir_fd, path, flags, mode);
    if (fd < 0 && (errno == ELOOP || errno == EXDEV))
        return err_set(err, ERR_INVALID, "'%s' goes through a symbolic link", path);
    if (fd < 0)
        return fail(err, "opening", path);
    *ret_fd = fd;
    return 0;
}

/* The folder `name` in at_fd, made if it is not there. */
static int enter_dir(int at_fd, const char *name, mode_t mode, int *ret_fd, struct err *err)
{
    if (mkdirat(at_fd, name, mode) < 0 && errno != EEXIST)
        return fail(err, "creating the folder", name);
    return file_open_beneath(at_fd, name, O_RDONLY | O_DIRECTORY, 0, ret_fd, err);
}

int file_make_parents_beneath(int dir_fd, const char *path, mode_t mode, int *ret_fd, struct err *err)
{
    const char *bad = bad_path(path);
    CLEANUP(fd) int at_fd = -1;
    char name[NAME_MAX + 1];

    if (bad)
        return err_set(err, ERR_INVALID, "'%s' is %s", path, bad);
    at_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at_fd < 0)
        return fail(err, "opening the folder of", path);
    for (const char *at = path;;) {
        size_t len = strcspn(at, "/"), slashes = strspn(at + len, "/");
        int fd = -1, r;

        if (at[len + slashes] == '\0')
            break;
        if (len > NAME_MAX)
            return err_set(err, ERR_INVALID, "'%s' has a name that is too long", path);
        memcpy(name, at, len);
        name[len] = '\0';
        r = enter_dir(at_fd, name, mode, &fd, err);
        if (r < 0)
            return err_wrap(err, "making the folders of '%s'", path);
        (void) close(at_fd); /* only looked at */
        at_fd = fd;
        at += len + slashes;
    }
    *ret_fd = take_fd(&at_fd);
    return 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Deeper folders are moved to the top of the tree that is being removed, so
 * that its depth costs neither stack nor descriptors. */
#define REMOVE_DEPTH_MAX 32

/* Enough for 100,000 levels; only somebody who adds files meanwhile needs more. */
#define REMOVE_PASSES_MAX 4096

struct removal {
    int top_fd; /* of the tree's own folder */
    struct err *err;
};

static int remove_children(struct removal *rm, int fd, int depth);

/* Open a folder to empty it, giving ourselves the rights if it is ours. */
static int open_to_empty(int dir_fd, const char *name)
{
    struct stat st;
    int fd = open_retry(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0 && errno == EACCES && fchmodat(dir_fd, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
        fd = open_retry(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
        (void) fchmod(fd, 0700); /* if it matters, the removal below fails and says why */
    return fd;
}

static int hoist(struct removal *rm, int dir_fd, const char *name)
{
    uint8_t noise[8];
    char text[40];

    random_bytes(noise, sizeof(noise));
    snprintf(text, sizeof(text), ".removing");
    for (size_t i = 0; i < sizeof(noise); i++)
        snprintf(text + 9 + 2 * i, 3, "%02x", noise[i]);
    return renameat(dir_fd, name, rm->top_fd, text) < 0 ? fail(rm->err, "moving", name) : 0;
}

/* Whether a removal failed because there is something inside. */
static bool is_not_empty(int errnum)
{
    return errnum == ENOTEMPTY || errnum == EEXIST;
}

/* Empty and remove one folder that is not empty. */
static int remove_dir(struct removal *rm, int dir_fd, const char *name, int depth)
{
    bool is_top = depth == 0;
    int passes = 0, r = 0;
    CLEANUP(fd) int fd = -1;

    if (depth >= REMOVE_DEPTH_MAX)
        return hoist(rm, dir_fd, name);
    fd = open_to_empty(dir_fd, name);
    if (fd < 0)
        return errno == ENOENT ? 0 : fail(rm->err, "opening the folder", name);
    if (is_top)
        rm->top_fd = fd;
    do {
        r = remove_children(rm, fd, depth);
        if (r < 0)
            return r;
        r = unlinkat(dir_fd, name, AT_REMOVEDIR);
    } while (r < 0 && is_not_empty(errno) && ++passes < REMOVE_PASSES_MAX);
    return r < 0 && errno != ENOENT ? fail(rm->err, "removing the folder", name) : 0;
}

/* Anything but a folder goes at once. unlink() of a folder is EISDIR on Linux, EPERM elsewhere. */
static int remove_entry(struct removal *rm, int dir_fd, const char *name, int depth)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return fail(rm->err, "removing", name);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (!is_not_empty(errno))
        return fail(rm->err, "removing", name);
    return remove_dir(rm, dir_fd, name, depth);
}

/* Recursion ends at REMOVE_DEPTH_MAX. */
static int remove_children(struct removal *rm, int fd, int depth)
{
    int own_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *dir = own_fd >= 0 ? fdopendir(own_fd) : NULL;
    struct dirent *entry;

    if (!dir) {
        r = fail(rm->err, "reading", "a folder");
        if (own_fd >= 0)
            (void) close(own_fd);
        return r;
    }
    while (r == 0 && (errno = 0, entry = readdir(dir))) {
        if (!is_dots(entry->d_name))
            r = remove_entry(rm, fd, entry->d_name, depth + 1);
    }
    if (r == 0 && errno != 0)
        r = fail(rm->err, "reading", "a folder");
    (void) closedir(dir); /* only read */
    return r;
}

int file_remove_tree(int dir_fd, const char *name, struct err *err)
{
    struct removal rm = { .top_fd = -1, .err = err };
    int r = remove_entry(&rm, dir_fd, name, 0);

    return r < 0 ? err_wrap(err, "removing '%s'", name) : 0;
}

char *file_join(const char *base, const char *rel)
{
    size_t len = strlen(base), total;
    char *path;

    if (rel[0] == '/' || base[0] == '\0')
        return strdup(rel);
    while (len > 0 && base[len - 1] == '/')
        len--;
    total = len + strlen(rel) + 2;
    path = malloc(total);
    if (path)
        snprintf(path, total, "%.*s/%s", (int) len, base, rel);
    return path;
}
