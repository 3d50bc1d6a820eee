/* SPDX-License-Identifier: MIT */
/* Requests about one file. Paths come checked (request.c) and are resolved beneath the root, following no
 * link (beneath.h). */
#include "core/guest/beneath.h"
#include "core/guest/calls.h"
#include "core/guest/cgroup.h"
#include "core/guest/kernel.h"
#include "core/guest/out.h"
#include "core/guest/pry.h"
#include "core/guest/request_table.h"
#include "core/guest/sha256.h"
#include "core/guest/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void stat_answer(struct request *r, const struct stat *st, const char *link, size_t link_len)
{
    struct frame_stat fs;

    walk_stat(st, &fs);
    r->out.len = 0;
    frame_stat_encode(&r->out, &fs);
    frame_put(&r->out, link_len, 2);
    frame_put_bytes(&r->out, link, link_len);
}

/* Safe: looks, opens nothing. */
int request_stat(struct request *r)
{
    char target[FRAME_PATH_MAX];
    const char *name = ".";
    bool is_root = r->path[0] == 0 || strcmp(r->path, ".") == 0;
    int folder = is_root ? beneath_folder("") : beneath_parent(r->path, false, &name);
    struct stat st;
    ssize_t len = 0;

    if (folder < 0)
        return folder;
    r->folder = folder;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        len = readlinkat(folder, name, target, sizeof(target) - 1);
    if (len < 0)
        return -errno;
    stat_answer(r, &st, target, (size_t) len);
    return REQUEST_FINISHED;
}

static int open_plainly(struct request *r)
{
    const char *name;
    int folder = beneath_parent(r->path, false, &name);

    if (folder < 0)
        return folder;
    r->folder = folder;
    r->fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (r->fd < 0)
        return errno == ENXIO ? -EINVAL : -errno;
    return 0;
}

/* Safe: O_NONBLOCK keeps a FIFO from hanging us, and only regular files are read. A link is refused by
 * O_NOFOLLOW. What is ours is read whatever its mode says (pry.h); the commands could do the same. */
int request_read(struct request *r)
{
    struct stat st;
    int result = open_plainly(r);

    if (result == -EACCES)
        result = r->fd = pry_open(r->path);
    if (result < 0)
        return result;
    if (fstat(r->fd, &st) < 0)
        return -errno;
    r->is_sparse = r->number == 1 && (uint64_t) st.st_blocks * 512 < (uint64_t) st.st_size;
    return S_ISREG(st.st_mode) ? REQUEST_MORE : S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

static int probe_told(struct request *r, int fd)
{
    if (fd >= 0)
        r->fd = fd;
    return fd < 0 ? fd : REQUEST_MORE;
}

/* What the verification of the lock-down reads: a closed list of places, and what its own calls are answered.
 * Safe: reading changes nothing there, the guest has no right that the commands do not have, and the host is
 * shown nothing that it could not see in a command's output. */
int request_probe(struct request *r)
{
    static const char *const folders[] = { "/proc/", "/sys/" };
    static const char *const files[] = { "/etc/passwd",   "/etc/group",       "/etc/hosts",
                                         "/etc/hostname", "/etc/resolv.conf", "/etc/os-release" };
    bool is_fine = false;

    if (strcmp(r->path, FRAME_PROBE_CALLS) == 0)
        return probe_told(r, calls_open());
    if (strcmp(r->path, FRAME_PROBE_KERNEL) == 0)
        return probe_told(r, kernel_open());
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        is_fine |= strncmp(r->path, folders[i], strlen(folders[i])) == 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        is_fine |= strcmp(r->path, files[i]) == 0;
    if (!is_fine || !frame_path_ok(r->path + 1, strlen(r->path + 1)))
        return -EINVAL;
    if (strstr(r->path, "/root/") || strstr(r->path, "/cwd/") || strstr(r->path, "/fd/"))
        return -EINVAL; /* ways out of the list */
    r->fd = open(r->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return r->fd < 0 ? -errno : REQUEST_MORE;
}

static int hole_say(struct request *r, uint8_t *ret, uint32_t *ret_len, uint64_t len)
{
    struct frame_out out = { ret, 0, OUT_PAYLOAD, false };

    frame_put(&out, len, 8);
    r->answer = FRAME_HOLE;
    r->count += len;
    *ret_len = (uint32_t) out.len;
    return REQUEST_MORE;
}

/* Where data ends and another hole may begin, and the length of the hole here, if it is worth telling. */
static uint64_t hole_find(struct request *r)
{
    uint64_t at = r->count;
    off_t data = lseek(r->fd, (off_t) at, SEEK_DATA), end;
    struct stat st;

    if (data < 0 && errno == ENXIO && fstat(r->fd, &st) == 0)
        data = (uint64_t) st.st_size > at ? st.st_size : (off_t) at;
    if (data < (off_t) at) { /* this file system cannot tell */
        r->is_sparse = false;
        return 0;
    }
    if ((uint64_t) data - at >= FRAME_HOLE_MIN)
        return (uint64_t) data - at;
    end = lseek(r->fd, data, SEEK_HOLE);
    r->data_end = end > data ? (uint64_t) end : (uint64_t) data + OUT_PAYLOAD;
    return 0;
}

int request_read_step(struct request *r, uint8_t *ret, uint32_t *ret_len)
{
    struct stat st;
    size_t max = OUT_PAYLOAD;

    if (r->is_sparse && r->count >= r->data_end) {
        uint64_t hole = hole_find(r);

        if (hole > 0)
            return hole_say(r, ret, ret_len, hole);
    }
    if (r->is_sparse && r->data_end > r->count && r->data_end - r->count < max)
        max = (size_t) (r->data_end - r->count);
    ssize_t n = r->type == FRAME_PROBE ? read(r->fd, ret, max) : pread(r->fd, ret, max, (off_t) r->count);

    if (n < 0)
        return errno == EINTR ? REQUEST_MORE : -errno;
    r->count += (uint64_t) n;
    if (r->type == FRAME_PROBE && r->count > FRAME_PROBE_MAX)
        return -EFBIG;
    *ret_len = (uint32_t) n;
    if (n > 0)
        return REQUEST_MORE;
    if (fstat(r->fd, &st) < 0)
        return -errno;
    if (r->type == FRAME_READ)
        stat_answer(r, &st, "", 0);
    return REQUEST_FINISHED;
}

/* Safe: as reading; a slice at a time. The sum's state lives in the slot's result until it is overwritten by
 * the sum. */
int request_sum_step(struct request *r, uint8_t *ret, uint32_t *ret_len)
{
    static uint8_t buf[256 * 1024];
    struct sha256 s;
    uint8_t sum[32];

    (void) ret;
    (void) ret_len;
    if (r->count == 0)
        sha256_init(&s);
    else
        memcpy(&s, r->result, sizeof(s));
    ssize_t n = read(r->fd, buf, sizeof(buf));

    if (n < 0)
        return errno == EINTR ? REQUEST_MORE : -errno;
    if (n > 0) {
        sha256_add(&s, buf, (size_t) n);
        r->count += (uint64_t) n;
        memcpy(r->result, &s, sizeof(s));
        return REQUEST_MORE;
    }
    sha256_end(&s, sum);
    frame_put_bytes(&r->out, sum, sizeof(sum));
    return REQUEST_FINISHED;
}

/* The folder of the path before is mostly that of this one, too. */
static int open_beside(struct request *r, const char *before)
{
    const char *slash = strrchr(r->path, '/'), *name = slash ? slash + 1 : r->path;
    size_t len = (size_t) (name - r->path);

    if (r->folder < 0 || strncmp(before, r->path, len) != 0 || strchr(before + len, '/')) {
        if (r->folder >= 0)
            (void) close(r->folder);
        r->folder = beneath_parent(r->path, false, &name);
    }
    return r->folder < 0 ? r->folder
                         : openat(r->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool lacks(int fd, const char *text)
{
    static uint8_t buf[FRAME_FIND_BYTES + 1];
    struct stat st;
    ssize_t n = -1;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = read(fd, buf, sizeof(buf));
    return n >= 0 && n <= FRAME_FIND_BYTES &&
           !memchr(buf, 0, (size_t) (n < FRAME_TEXT_LOOK ? n : FRAME_TEXT_LOOK)) &&
           !memmem(buf, (size_t) n, text, strlen(text));
}

/* Safe: as reading. At once, because so many files that are small take no longer than one that is large. */
int request_find(struct request *r, struct frame_in in)
{
    char before[FRAME_PATH_MAX] = "";

    request_path_take(r->second, &in);
    for (int i = 0; in.len > 0 && !in.is_bad; i++) {
        int fd = -1;

        if (i == FRAME_FIND_MAX)
            return -EINVAL;
        request_path_take(r->path, &in);
        if (!in.is_bad && frame_path_ok(r->path, strlen(r->path))) {
            fd = open_beside(r, before);
            memcpy(before, r->path, strlen(r->path) + 1);
        }
        frame_put(&r->out, !lacks(fd, r->second), 1);
        if (fd >= 0)
            (void) close(fd);
    }
    return in.is_bad || !r->second[0] ? -EINVAL : REQUEST_FINISHED;
}

/* Safe: the one folder, where the commands can do the same; a link in its place is refused, a name with a
 * slash as well. */
static int trust_folder(const char *name)
{
    int fd;

    if (strchr(name, '/'))
        return -EINVAL;
    if (mkdir(FRAME_TRUST_DIR, 0755) < 0 && errno != EEXIST)
        return -errno;
    fd = open(FRAME_TRUST_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Safe: a new file of ours under a name nobody can guess, in a folder that was resolved beneath the root;
 * that descriptor is kept, so what is renamed later is in the same folder. A size ceiling is the file
 * system's. */
int request_write(struct request *r)
{
    const char *name;
    uint64_t random;
    bool is_bad = r->second[0] && (strchr(r->second, '/') || !frame_path_ok(r->second, strlen(r->second)));
    int folder = is_bad                            ? -EINVAL
                 : (r->number & FRAME_WRITE_TRUST) ? trust_folder(r->path)
                                                   : beneath_parent(r->path, true, &name);

    if (folder < 0)
        return folder;
    r->folder = folder;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t) sizeof(random))
        return -EIO;
    (void) snprintf(r->temporary, sizeof(r->temporary), ".agentbox-%016llx.tmp", (unsigned long long) random);
    r->fd = openat(folder, r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (r->fd < 0) {
        r->temporary[0] = 0;
        return -errno;
    }
    return REQUEST_MORE;
}

static int write_at(int fd, const uint8_t *p, size_t len, uint64_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t) at);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            p += n;
            len -= (size_t) n;
            at += (uint64_t) n;
        }
    }
    return 0;
}

enum { BLOCK = 4096 };

static bool is_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* The file is new, so what is not written reads as zeros: the parts of blocks that are zero need not be. */
static int write_sparse(struct request *r, const uint8_t *p, size_t len)
{
    size_t from = 0, at = 0;

    while (at < len) {
        size_t room = BLOCK - (r->count + at) % BLOCK, n = len - at < room ? len - at : room;
        bool is_hole = is_zero(p + at, n);
        int result = is_hole ? write_at(r->fd, p + from, at - from, r->count + from) : 0;

        if (result < 0)
            return result;
        at += n;
        if (is_hole)
            from = at;
    }
    int result = write_at(r->fd, p + from, len - from, r->count + from);

    r->count += len;
    return result;
}

int request_write_hole(struct request *r, uint64_t len)
{
    if (len > INT64_MAX - r->count)
        return -EFBIG;
    r->count += len;
    return REQUEST_MORE;
}

/* Safe: all names are in the one folder, and what has one keeps another. */
static int put_in_place(struct request *r, const char *name)
{
    if (r->second[0] && linkat(r->folder, name, r->folder, r->second, 0) < 0)
        return -errno;
    if (renameat(r->folder, r->temporary, r->folder, name) < 0) {
        int result = -errno;

        if (r->second[0])
            (void) unlinkat(r->folder, r->second, 0);
        return result;
    }
    r->temporary[0] = 0;
    return REQUEST_FINISHED;
}

int request_write_data(struct request *r, const uint8_t *p, size_t len, bool is_end)
{
    const char *slash = strrchr(r->path, '/');
    int result = len <= INT64_MAX - r->count ? write_sparse(r, p, len) : -EFBIG;

    if (result < 0 || !is_end)
        return result;
    if (ftruncate(r->fd, (off_t) r->count) < 0 || fchmod(r->fd, r->number & 01777) < 0)
        return -errno;
    return put_in_place(r, slash ? slash + 1 : r->path);
}

void request_write_abort(struct request *r)
{
    if (r->temporary[0])
        (void) unlinkat(r->folder, r->temporary, 0); /* a command may have been faster */
    r->temporary[0] = 0;
}

/* Safe: makes folders only; the mode is set through a descriptor that is no link, without set-id bits. */
int request_mkdir(struct request *r)
{
    const char *name;
    struct stat st;
    int folder = beneath_parent(r->path, true, &name);

    if (folder < 0)
        return folder;
    r->folder = folder;
    if (mkdirat(folder, name, 0755) < 0) {
        if (errno != EEXIST)
            return -errno;
        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return -errno;
        if (!S_ISDIR(st.st_mode))
            return -EEXIST;
    }
    int result = beneath_chmod(folder, name, r->number & 01777);

    return result < 0 ? result : REQUEST_FINISHED;
}

/* Safe: a link is only text until somebody follows it, and we never do. */
int request_symlink(struct request *r)
{
    const char *name;
    int folder = beneath_parent(r->path, true, &name);

    if (folder < 0)
        return folder;
    r->folder = folder;
    return symlinkat(r->second, folder, name) < 0 ? -errno : REQUEST_FINISHED;
}

/* Safe: both ends are names in folders beneath the root; of a link the link itself gets another name. */
int request_link(struct request *r)
{
    const char *name, *existing;

    r->folder = beneath_parent(r->path, false, &name);
    if (r->folder < 0)
        return r->folder;
    r->fd = beneath_parent(r->second, false, &existing);
    if (r->fd < 0)
        return r->fd;
    return linkat(r->fd, existing, r->folder, name, 0) < 0 ? -errno : REQUEST_FINISHED;
}

/* Safe: of what is at that name itself. Set-id bits too, as far as we may: the commands may as well. The time
 * comes last, because no other change sets it then. */
int request_set(struct request *r)
{
    const struct timespec times[2] = {
        { .tv_nsec = UTIME_OMIT },
        { .tv_sec = (time_t) (r->time_ns / 1000000000 - (r->time_ns % 1000000000 < 0)),
          .tv_nsec = (long) ((r->time_ns % 1000000000 + 1000000000) % 1000000000) },
    };
    const char *name;
    int result;

    r->folder = beneath_parent(r->path, false, &name);
    if (r->folder < 0)
        return r->folder;
    result = beneath_chmod(r->folder, name, r->number & 07777);
    if (result < 0 && result != -ELOOP)
        return result;
    return utimensat(r->folder, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : REQUEST_FINISHED;
}

/* Safe: both ends are names in folders beneath the root. */
int request_rename(struct request *r)
{
    const char *from, *to;

    r->folder = beneath_parent(r->path, false, &from);
    if (r->folder < 0)
        return r->folder;
    r->fd = beneath_parent(r->second, false, &to);
    if (r->fd < 0)
        return r->fd;
    return renameat(r->folder, from, r->fd, to) < 0 ? -errno : REQUEST_FINISHED;
}

/* Safe: no arguments. */
int request_stats(struct request *r)
{
    uint64_t value[FRAME_STATS_VALUES] = { 0 };
    struct statvfs fs;

    r->folder = beneath_folder("");
    cgroup_stats(value);
    if (r->folder >= 0 && fstatvfs(r->folder, &fs) == 0) {
        value[FRAME_STATS_SIZE] = (uint64_t) fs.f_blocks * fs.f_frsize;
        value[FRAME_STATS_USED] = (uint64_t) (fs.f_blocks - fs.f_bfree) * fs.f_frsize;
    }
    for (int i = 0; i < FRAME_STATS_VALUES; i++)
        frame_put(&r->out, value[i], 8);
    return REQUEST_FINISHED;
}
