/* SPDX-License-Identifier: MIT */
/* Requests that walk a tree (walk.h), in slices. Paths come checked and are resolved beneath the root,
 * following no link. */
#include "core/guest/beneath.h"
#include "core/guest/out.h"
#include "core/guest/request_table.h"
#include "core/guest/scan.h"
#include "core/guest/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLICE = 512 }; /* entries looked at before others have their turn */

static void entry_put(struct frame_out *out, const struct walk_item *item)
{
    struct frame_entry e = {
        .st = item->st,
        .path = item->path,
        .link = item->link,
        .path_len = (uint16_t) item->path_len,
        .link_len = (uint16_t) item->link_len,
    };

    frame_entry_encode(out, &e);
}

/* Safe: looks only. What the names may hold is the commands' choice and for the host to judge. */
int request_list_step(struct request *r, uint8_t *ret, uint32_t *ret_len)
{
    struct frame_out out = { ret, 0, OUT_PAYLOAD, false };
    struct walk_item item;
    int result = WALK_ENTRY;

    if (!r->has_begun) {
        int fd = beneath_folder(r->path);

        result = fd < 0 ? fd : walk_start(fd, r->path, r->number, false);
        r->has_begun = true;
        return result < 0 ? result : REQUEST_MORE;
    }
    for (int i = 0; i < SLICE && out.cap - out.len >= FRAME_ENTRY_MAX && result != WALK_END; i++) {
        result = walk_next(&item);
        if (result < 0)
            return result;
        if (result == WALK_ENTRY)
            entry_put(&out, &item);
    }
    *ret_len = (uint32_t) out.len;
    return result == WALK_END ? REQUEST_FINISHED : REQUEST_MORE;
}

static int scan_walk(struct request *r, struct frame_out *out)
{
    struct walk_item item;

    for (int i = 0; i < SLICE && out->cap - out->len >= FRAME_ENTRY_MAX; i++) {
        int result = walk_next(&item);

        if (result == WALK_LEAVE)
            continue;
        if (result != WALK_ENTRY)
            return result == WALK_END ? REQUEST_FINISHED : result;
        r->count++;
        result = scan_see(&item);
        if (result < 0)
            return result;
        if (result == 1)
            entry_put(out, &item);
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
        entry_put(out, &item);
    }
    return REQUEST_MORE;
}

/* Safe: as listing; the memory has fixed tables and says so when they are full. */
int request_scan_step(struct request *r, uint8_t *ret, uint32_t *ret_len)
{
    struct frame_out out = { ret, 0, OUT_PAYLOAD, false };
    int result;

    if (!r->has_begun) {
        int fd = beneath_folder("");

        scan_begin(r->number);
        r->has_begun = true;
        result = fd < 0 ? fd : walk_start(fd, "", true, false);
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
    return fd < 0 ? fd : walk_start(fd, r->path, true, true);
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
