/* SPDX-License-Identifier: MIT */
/* Requests that walk a tree (walk.h), in slices. Paths come checked and are resolved beneath the root,
 * following no link. */
#include "core/guest/beneath.h"
#include "core/guest/out.h"
#include "core/guest/pry.h"
#include "core/guest/request_table.h"
#include "core/guest/scan.h"
#include "core/guest/sha256.h"
#include "core/guest/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SLICE = 512,             /* entries looked at before others have their turn ... */
    SUM_SLICE = 1024 * 1024, /* ... or bytes read */
};
#define SUM_HOLES_MAX (UINT64_C(1) << 30) /* a file with more of them would take long for nothing */

static void entry_put(struct frame_out *out, const struct walk_item *item, const uint8_t *sum)
{
    struct frame_entry e = {
        .st = item->st,
        .path = item->path,
        .link = item->link,
        .path_len = (uint16_t) item->path_len,
        .link_len = (uint16_t) item->link_len,
        .sum = sum,
    };

    frame_entry_encode(out, &e);
}

/* A folder that was pried open has another ctime now, of our own making. */
static void settle(const struct walk_item *item)
{
    if (item->pry)
        scan_settle(item->path, item->path_len, item->pry->inode, item->pry->before_ns, item->pry->after_ns);
}

/* Safe: looks only, but for folders of ours without r or x, which get it for the moment: whoever lists a tree
 * wants all of it or an error. What the names may hold is the commands' choice and for the host to judge. */
int request_list_step(struct request *r, uint8_t *ret, uint32_t *ret_len)
{
    struct frame_out out = { ret, 0, OUT_PAYLOAD, false };
    struct walk_item item;
    int result = WALK_ENTRY;

    if (!r->has_begun) {
        int fd = beneath_folder(r->path);

        result =
            fd < 0 ? fd : walk_start(fd, r->path, r->number ? WALK_RECURSIVE | WALK_PRY | WALK_STRICT : 0);
        r->has_begun = true;
        return result < 0 ? result : REQUEST_MORE;
    }
    for (int i = 0; i < SLICE && out.cap - out.len >= FRAME_ENTRY_MAX && result != WALK_END; i++) {
        result = walk_next(&item);
        if (result < 0)
            return result;
        if (result == WALK_ENTRY)
            entry_put(&out, &item, NULL);
        else if (result == WALK_LEAVE)
            settle(&item);
    }
    *ret_len = (uint32_t) out.len;
    return result == WALK_END ? REQUEST_FINISHED : REQUEST_MORE;
}

/* ---- sums of what the scan tells ---- */

/* There is one walk at a time, so one file that is being read. */
static struct walk_item summed;
static struct sha256 sum_state;
static uint64_t sum_left;

/* False: there is none; that is not worth an error, because whoever wants the contents will see one. */
static bool sum_begin(struct request *r, const struct walk_item *item)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

    if (!(r->number & FRAME_SCAN_SUMS) || item->st.kind != FRAME_KIND_FILE ||
        (item->st.size > item->st.stored && item->st.size - item->st.stored > SUM_HOLES_MAX))
        return false;
    r->fd = openat(item->folder_fd, item->name, flags);
    if (r->fd < 0 && errno == EACCES)
        r->fd = pry_open_at(item->folder_fd, item->name, item->path);
    if (r->fd < 0)
        return false;
    summed = *item;
    sum_left = item->st.size;
    sha256_init(&sum_state);
    return true;
}

/* Reads on, at most SUM_SLICE bytes, taken from *budget. False: there is more. ret_sum NULL: not as long as
 * it was, so it is changing right now. */
static bool sum_step(struct request *r, size_t *budget, uint8_t sum[FRAME_SUM], const uint8_t **ret_sum)
{
    static uint8_t buf[64 * 1024];
    ssize_t n = 0;

    while (sum_left > 0 && *budget > 0) {
        n = read(r->fd, buf, sum_left < sizeof(buf) ? (size_t) sum_left : sizeof(buf));
        if (n <= 0)
            break;
        sha256_add(&sum_state, buf, (size_t) n);
        sum_left -= (uint64_t) n;
        *budget -= *budget < (size_t) n ? *budget : (size_t) n;
    }
    if (sum_left > 0 && n > 0)
        return false;
    *ret_sum = sum_left > 0 ? NULL : sum;
    sha256_end(&sum_state, sum);
    (void) close(r->fd);
    r->fd = -1;
    return true;
}

static int scan_walk(struct request *r, struct frame_out *out)
{
    size_t budget = SUM_SLICE;
    uint8_t space[FRAME_SUM];
    const uint8_t *sum;

    for (int i = 0; i < SLICE && budget > 0 && out->cap - out->len >= FRAME_ENTRY_MAX; i++) {
        struct walk_item item;
        int result;

        if (r->is_summing) {
            r->is_summing = !sum_step(r, &budget, space, &sum);
            if (r->is_summing)
                break;
            entry_put(out, &summed, sum);
            continue;
        }
        result = walk_next(&item);
        if (result == WALK_LEAVE) {
            settle(&item);
            continue;
        }
        if (result != WALK_ENTRY)
            return result == WALK_END ? REQUEST_FINISHED : result;
        r->count++;
        result = scan_see(&item);
        if (result < 0)
            return result;
        r->is_summing = result == 1 && sum_begin(r, &item);
        if (result == 1 && !r->is_summing)
            entry_put(out, &item, NULL);
    }
    return REQUEST_MORE;
}

static int scan_rest(struct request *r, struct frame_out *out)
{
    static char path[FRAME_PATH_MAX];

    while (out->cap - out->len >= FRAME_ENTRY_MAX) {
        struct walk_item item = { .path = path, .link = "", .st = { .kind = FRAME_KIND_GONE } };

        item.path_len = scan_gone(path);
        if (item.path_len == 0) {
            frame_put(&r->out, r->count, 8);
            return REQUEST_FINISHED;
        }
        entry_put(out, &item, NULL);
    }
    return REQUEST_MORE;
}

/* The root's own mode is nothing that is kept; without r and x of ours it is of no use to anybody. */
static int root_open(void)
{
    int fd = beneath_folder("");

    if (fd == -EACCES && beneath_root_open_up() == 0)
        fd = beneath_folder("");
    return fd;
}

/* Safe: as listing; the memory has fixed tables and says so when they are full. */
int request_scan_step(struct request *r, uint8_t *ret, uint32_t *ret_len)
{
    struct frame_out out = { ret, 0, OUT_PAYLOAD, false };
    int result;

    if (!r->has_begun) {
        int fd = root_open();

        if (r->number & FRAME_SCAN_ANEW)
            scan_forget();
        scan_begin(r->number & FRAME_SCAN_REMEMBER);
        r->has_begun = true;
        result = fd < 0 ? fd : walk_start(fd, "", WALK_RECURSIVE | WALK_PRY | WALK_ONE_FS | WALK_SHALLOW);
        return result < 0 ? result : REQUEST_MORE;
    }
    result = r->is_walked ? scan_rest(r, &out) : scan_walk(r, &out);
    if (result == REQUEST_FINISHED && !r->is_walked) {
        r->is_walked = true;
        result = REQUEST_MORE;
    }
    *ret_len = (uint32_t) out.len;
    return result;
}

static int remove_one(int folder, const char *name, int flags)
{
    if (unlinkat(folder, name, flags) == 0 || errno == ENOENT)
        return 0;
    if (errno == EACCES && fchmod(folder, 0700) == 0 && unlinkat(folder, name, flags) == 0)
        return 0; /* a read-only folder of ours, as package caches make them */
    return -errno;
}

/* Safe: names in folders beneath the root, links are removed, never followed; the root itself is no valid
 * path. */
int request_remove(struct request *r)
{
    const char *name;
    struct stat st;

    r->folder = beneath_parent(r->path, false, &name);
    if (r->folder < 0)
        return r->folder;
    if (fstatat(r->folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode) && r->number) {
        r->state = REQUEST_WAITING;
        return REQUEST_MORE;
    }
    if (unlinkat(r->folder, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
        return -errno;
    return REQUEST_FINISHED;
}

static int remove_begin(struct request *r)
{
    int fd = beneath_folder(r->path);

    if (fd == -EACCES) {
        const char *slash = strrchr(r->path, '/');

        (void) beneath_chmod(r->folder, slash ? slash + 1 : r->path, 0700);
        fd = beneath_folder(r->path);
    }
    return fd < 0 ? fd : walk_start(fd, r->path, WALK_RECURSIVE | WALK_FORCE);
}

static int remove_end(struct request *r)
{
    const char *slash = strrchr(r->path, '/');

    if (r->errnum != 0)
        return -r->errnum;
    if (unlinkat(r->folder, slash ? slash + 1 : r->path, AT_REMOVEDIR) < 0)
        return -errno;
    return REQUEST_FINISHED;
}

/* The first failure is the answer, but everything that can be removed is. */
int request_remove_step(struct request *r, uint8_t *ret, uint32_t *ret_len)
{
    struct walk_item item;

    (void) ret;
    (void) ret_len;
    if (!r->has_begun) {
        r->has_begun = true;
        int result = remove_begin(r);

        return result < 0 ? result : REQUEST_MORE;
    }
    for (int i = 0; i < SLICE; i++) {
        int failed = 0, result = walk_next(&item);

        if (result < 0)
            return result;
        if (result == WALK_END)
            return remove_end(r);
        if (result == WALK_LEAVE)
            failed = remove_one(item.folder_fd, item.name, AT_REMOVEDIR);
        else if (item.st.kind != FRAME_KIND_DIR)
            failed = remove_one(item.folder_fd, item.name, 0);
        if (failed < 0 && r->errnum == 0)
            r->errnum = -failed;
    }
    return REQUEST_MORE;
}
