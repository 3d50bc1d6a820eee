/* SPDX-License-Identifier: MIT */
#include "core/guest/walk.h"

#include "core/guest/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct dirent_raw {
    uint64_t ino;
    int64_t off;
    uint16_t len;
    uint8_t type;
    char name[];
};

struct level {
    int fd;
    uint32_t first, next, end; /* of its names in `index` */
    size_t bytes;              /* of `names` when it began */
    size_t path_len;           /* of its own path */
    struct pry pry;            /* is_open: to be closed again */
};

enum { KEEP_BYTES = 1024 * 1024 }; /* after a walk that used more, the memory goes back to the system */

static char names[WALK_BYTES] __attribute__((aligned(4096)));
static uint32_t sorted[WALK_NAMES] __attribute__((aligned(4096))); /* offsets into names */
static size_t names_len, names_most;
static struct level levels[WALK_DEPTH];
static int depth;
static char path[FRAME_PATH_MAX];
static char target[FRAME_PATH_MAX];
static unsigned flags;
static uint64_t root_dev;
static bool may_enter;    /* the entry given out last is a folder to go into now */
static uint32_t may_mode; /* its mode */

void walk_stat(const struct stat *st, struct frame_stat *ret)
{
    ret->kind = S_ISREG(st->st_mode)   ? FRAME_KIND_FILE
                : S_ISDIR(st->st_mode) ? FRAME_KIND_DIR
                : S_ISLNK(st->st_mode) ? FRAME_KIND_LINK
                                       : FRAME_KIND_OTHER;
    ret->mode = st->st_mode & 07777;
    ret->links = (uint32_t) st->st_nlink;
    ret->size = (uint64_t) st->st_size;
    ret->inode = st->st_ino;
    ret->stored = (uint64_t) st->st_blocks * 512;
    ret->mtime_ns = (int64_t) st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    ret->ctime_ns = (int64_t) st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

/* ---- names of one folder ---- */

static int name_add(struct level *l, const char *name)
{
    size_t len = strlen(name) + 1;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (l->end == WALK_NAMES || len > WALK_BYTES - names_len)
        return -EOVERFLOW;
    memcpy(names + names_len, name, len);
    sorted[l->end++] = (uint32_t) names_len;
    names_len += len;
    return 0;
}

static int names_read(struct level *l)
{
    static char buf[32768] __attribute__((aligned(8)));

    for (;;) {
        long n = syscall(SYS_getdents64, l->fd, buf, sizeof(buf));

        if (n <= 0)
            return n < 0 && errno != ENOENT ? -errno : 0; /* ENOENT: removed while we are in it */
        for (long at = 0; at < n;) {
            const struct dirent_raw *d = (const void *) (buf + at);
            int r = name_add(l, d->name);

            if (r < 0)
                return r;
            at += d->len;
        }
    }
}

static bool before(uint32_t a, uint32_t b)
{
    return strcmp(names + a, names + b) < 0;
}

static void sift(uint32_t *v, uint32_t at, uint32_t count)
{
    for (;;) {
        uint32_t child = 2 * at + 1, keep = v[at];

        if (child >= count)
            return;
        if (child + 1 < count && before(v[child], v[child + 1]))
            child++;
        if (!before(keep, v[child]))
            return;
        v[at] = v[child];
        v[child] = keep;
        at = child;
    }
}

/* Heapsort: no memory, no recursion, no bad case. */
static void names_sort(uint32_t *v, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift(v, i, count);
    for (uint32_t i = count; i-- > 1;) {
        uint32_t top = v[0];

        v[0] = v[i];
        v[i] = top;
        sift(v, 0, i);
    }
}

/* ---- levels ---- */

static int enter(int fd, size_t path_len)
{
    struct level *l = &levels[depth];

    if (depth == WALK_DEPTH) {
        (void) close(fd);
        return -ENAMETOOLONG;
    }
    l->fd = fd;
    l->first = l->next = l->end = depth > 0 ? levels[depth - 1].end : 0;
    l->bytes = names_len;
    l->path_len = path_len;
    l->pry.is_open = false;
    depth++;
    int r = names_read(l);

    if (r < 0)
        return r;
    if (names_len > names_most)
        names_most = names_len;
    names_sort(sorted + l->first, l->end - l->first);
    return 0;
}

static void leave(void)
{
    struct level *l = &levels[--depth];

    pry_end(&l->pry, l->fd);
    (void) close(l->fd);
    names_len = l->bytes;
}

int walk_start(int folder_fd, const char *from, unsigned how)
{
    size_t len = strcmp(from, ".") == 0 ? 0 : strlen(from);
    struct stat st;

    walk_stop();
    memcpy(path, from, len);
    path[len] = 0;
    flags = how;
    may_enter = false;
    root_dev = fstat(folder_fd, &st) == 0 ? st.st_dev : 0;
    return enter(folder_fd, len);
}

void walk_stop(void)
{
    while (depth > 0)
        leave();
    if (names_most > KEEP_BYTES) { /* a saving, nothing more */
        (void) madvise(names, sizeof(names), MADV_DONTNEED);
        (void) madvise(sorted, sizeof(sorted), MADV_DONTNEED);
    }
    names_len = names_most = 0;
}

static bool path_set(const struct level *l, const char *name)
{
    size_t at = l->path_len, len = strlen(name);

    if (at + 1 + len + 1 > sizeof(path))
        return false;
    if (at > 0)
        path[at++] = '/';
    memcpy(path + at, name, len + 1);
    return true;
}

static const char *name_of(const struct level *l)
{
    return names + sorted[l->next - 1];
}

/* -1: with errno. `pry`: filled in. */
static int folder_open(const struct level *l, struct pry *pry)
{
    int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, fd;
    const char *name = name_of(l);

    pry->is_open = false;
    if ((flags & WALK_PRY) &&
        (may_mode & 0500) != 0500) { /* r alone opens it, but shows nothing of what is in it */
        int path_fd = openat(l->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (path_fd >= 0 && pry_begin(pry, path_fd, 0500) == 0) {
            fd = openat(path_fd, ".", how);
            if (fd < 0)
                pry_end(pry, path_fd);
            (void) close(path_fd);
            return fd;
        }
        if (path_fd >= 0)
            (void) close(path_fd);
    }
    fd = openat(l->fd, name, how);
    if (fd < 0 && errno == EACCES && (flags & WALK_FORCE) && beneath_chmod(l->fd, name, 0700) == 0)
        fd = openat(l->fd, name, how);
    return fd;
}

static bool is_fatal(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM ||
           ((flags & WALK_STRICT) && errnum == EACCES);
}

/* 1: entered, 0: not, but go on. */
static int entry_enter(void)
{
    const struct level *l = &levels[depth - 1];
    struct pry pry;

    may_enter = false;
    int fd = folder_open(l, &pry);

    if (fd < 0)
        return is_fatal(errno) ? -errno : 0;
    if (depth == WALK_DEPTH)
        pry_end(&pry, fd);
    int r = enter(fd, strlen(path));

    if (depth > 0 && levels[depth - 1].fd == fd)
        levels[depth - 1].pry = pry;
    return r < 0 ? r : 1;
}

/* ---- looking at one ---- */

/* Of linux/stat.h, which musl does not have. */
struct statx_time {
    int64_t sec;
    uint32_t nsec;
    int32_t reserved;
};
struct statx_raw {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad;
    uint64_t ino, size, blocks, attributes_mask;
    struct statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t spare[14];
};
_Static_assert(sizeof(struct statx_raw) == 256, "the kernel's");
enum { STATX_BASIC = 0x7ff, ATTR_MOUNT_ROOT = 0x2000 };

static int64_t time_ns(const struct statx_time *t)
{
    return t->sec * 1000000000 + t->nsec;
}

/* Like fstatat(2), but it can tell where something is mounted. */
static int look_closely(int fd, const char *name, struct frame_stat *ret, bool *ret_is_mounted)
{
    struct statx_raw x;

    if (syscall(SYS_statx, fd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC, &x) < 0)
        return -errno;
    *ret = (struct frame_stat){
        .kind = S_ISREG(x.mode)   ? FRAME_KIND_FILE
                : S_ISDIR(x.mode) ? FRAME_KIND_DIR
                : S_ISLNK(x.mode) ? FRAME_KIND_LINK
                                  : FRAME_KIND_OTHER,
        .mode = x.mode & 07777,
        .links = x.nlink,
        .size = x.size,
        .inode = x.ino,
        .stored = x.blocks * 512,
        .mtime_ns = time_ns(&x.mtime),
        .ctime_ns = time_ns(&x.ctime),
    };
    *ret_is_mounted = (x.attributes & ATTR_MOUNT_ROOT) ||
                      (S_ISDIR(x.mode) && makedev(x.dev_major, x.dev_minor) != root_dev);
    return 0;
}

/* An old kernel or a strict seccomp profile has no statx(2): then a folder of another device is a mount. */
static int look(int fd, const char *name, struct frame_stat *ret, bool *ret_is_mounted)
{
    static bool has_no_statx;
    struct stat st;
    int r = -ENOSYS;

    *ret_is_mounted = false;
    if ((flags & WALK_ONE_FS) && !has_no_statx)
        r = look_closely(fd, name, ret, ret_is_mounted);
    has_no_statx |= (flags & WALK_ONE_FS) && (r == -ENOSYS || r == -EPERM);
    if (r != -ENOSYS && r != -EPERM)
        return r;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    walk_stat(&st, ret);
    *ret_is_mounted = (flags & WALK_ONE_FS) && S_ISDIR(st.st_mode) && st.st_dev != root_dev;
    return 0;
}

/* Would the folder with a path of that length, or any name that can be in it, be more than there is room for?
 */
static bool is_too_deep(size_t path_len)
{
    return depth == WALK_DEPTH || path_len + 1 + NAME_MAX + 1 > sizeof(path);
}

/* 1: *ret is filled, 0: it has vanished, or is to be left out. */
static int entry_read(const struct level *l, struct walk_item *ret)
{
    bool is_mounted;

    *ret = (struct walk_item){ .folder_fd = l->fd, .name = name_of(l), .path = path, .link = "" };
    if (!path_set(l, ret->name))
        return -ENAMETOOLONG;
    ret->path_len = strlen(path);
    if (look(l->fd, ret->name, &ret->st, &is_mounted) < 0 || is_mounted)
        return 0;
    if (ret->st.kind == FRAME_KIND_LINK) {
        ssize_t n = readlinkat(l->fd, ret->name, target, sizeof(target) - 1);

        if (n <= 0)
            return 0;
        ret->link = target;
        ret->link_len = (size_t) n;
    }
    if (ret->st.kind == FRAME_KIND_DIR && (flags & WALK_SHALLOW) && is_too_deep(ret->path_len))
        ret->st.kind = FRAME_KIND_DEEP;
    may_enter = ret->st.kind == FRAME_KIND_DIR && (flags & WALK_RECURSIVE);
    may_mode = ret->st.mode;
    return 1;
}

static void left(struct walk_item *ret)
{
    struct level *l = &levels[depth - 1];
    const struct pry *pry = l->pry.is_open ? &l->pry : NULL; /* still there after leave() */

    leave();
    l = &levels[depth - 1];
    *ret = (struct walk_item){ .folder_fd = l->fd, .name = name_of(l), .path = path, .link = "", .pry = pry };
    (void) path_set(l, ret->name); /* it fitted before */
    ret->path_len = strlen(path);
}

int walk_next(struct walk_item *ret)
{
    if (may_enter) {
        int r = entry_enter();

        if (r < 0)
            return r;
        if (r == 0) { /* not readable or gone: it ends here */
            const struct level *l = &levels[depth - 1];

            *ret = (struct walk_item){
                .folder_fd = l->fd, .name = name_of(l), .path = path, .path_len = strlen(path), .link = ""
            };
            return WALK_LEAVE;
        }
    }
    while (depth > 0) {
        struct level *l = &levels[depth - 1];

        if (l->next == l->end) {
            if (depth == 1)
                break;
            left(ret);
            return WALK_LEAVE;
        }
        l->next++;
        int r = entry_read(l, ret);

        if (r != 0)
            return r < 0 ? r : WALK_ENTRY;
    }
    walk_stop();
    return WALK_END;
}
