/* SPDX-License-Identifier: MIT */
/* Objects: temporary name, digest while writing, rename. */
#include "core/run/object.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/run/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct object_writer {
    struct run_folder *folder;
    struct digest *digest;
    int fd;
    char temp[32];
    bool is_broken; /* an add failed: it is never committed */
};

int object_put(struct run_folder *folder, struct span content, char ret_name[DIGEST_HEX], struct err *err)
{
    char name[DIGEST_HEX];

    digest_of(content, name);
    if (faccessat(folder->objects_fd, name, F_OK, 0) < 0 &&
        file_write_atomic_at(folder->objects_fd, name, content, 0600, err) < 0)
        return run_folder_unwritable(folder, err);
    memcpy(ret_name, name, sizeof(name));
    return 0;
}

int object_get(const struct run_folder *folder, const char *name, struct buf *out, struct err *err)
{
    size_t before = out->len;
    char found[DIGEST_HEX];

    if (strlen(name) != DIGEST_HEX - 1 || strchr(name, '/'))
        return err_set(err, ERR_INVALID, "'%s' is no name of an object", name);
    if (file_read_at(folder->objects_fd, name, out, err) < 0)
        return err_wrap(err, "run '%s': object", folder->id);
    digest_of(span_make(out->data + before, out->len - before), found);
    if (strcmp(found, name) == 0)
        return 0;
    buf_clear(out);
    return err_set(err, ERR_INVALID, "run '%s': object '%s' is damaged", folder->id, name);
}

void object_drop(struct object_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0) {
        (void) close(w->fd);
        (void) unlinkat(w->folder->objects_fd, w->temp, 0); /* a leftover would only take room */
    }
    digest_free(w->digest);
    free(w);
}

int object_begin(struct run_folder *folder, struct object_writer **ret, struct err *err)
{
    struct object_writer *w = calloc(1, sizeof(*w));
    uint64_t noise;

    if (!w)
        return err_set(err, ERR_INTERNAL, "no memory for an object");
    random_bytes(&noise, sizeof(noise));
    snprintf(w->temp, sizeof(w->temp), ".%016llx.tmp", (unsigned long long) noise);
    w->folder = folder;
    w->fd = -1;
    w->digest = digest_new();
    if (w->digest)
        w->fd =
            openat(folder->objects_fd, w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (w->fd < 0) {
        int r;

        (void) err_errno(err, ERR_IO, "making a file");
        r = run_folder_unwritable(folder, err);
        object_drop(w);
        return r;
    }
    *ret = w;
    return 0;
}

int object_add(struct object_writer *w, struct span piece, struct err *err)
{
    if (w->is_broken)
        return err_set(err, ERR_IO, "a file of the run's folder is not whole");
    if (file_write_all(w->fd, piece.ptr, piece.len, err) < 0) {
        w->is_broken = true; /* what is on disk may be less than the digest would say, or more */
        return run_folder_unwritable(w->folder, err);
    }
    digest_add(w->digest, piece.ptr, piece.len);
    return 0;
}

static int settle(struct object_writer *w, const char *name, struct err *err)
{
    int fd = take_fd(&w->fd);
    bool is_synced = fsync(fd) == 0;

    if (close(fd) < 0 || !is_synced ||
        renameat(w->folder->objects_fd, w->temp, w->folder->objects_fd, name) < 0) {
        int r;

        (void) err_errno(err, ERR_IO, "storing a file");
        r = run_folder_unwritable(w->folder, err);
        (void) unlinkat(w->folder->objects_fd, w->temp, 0); /* the first failure counts */
        return r;
    }
    return file_sync_dir(w->folder->objects_fd, err);
}

int object_commit(struct object_writer *w, char ret_name[DIGEST_HEX], struct err *err)
{
    uint8_t sum[DIGEST_SIZE];
    char name[DIGEST_HEX];
    int r;

    if (w->is_broken) {
        object_drop(w);
        return err_set(err, ERR_IO, "a file of the run's folder is not whole");
    }
    digest_end(w->digest, sum);
    digest_hex(sum, name);
    r = settle(w, name, err);
    object_drop(w);
    if (r == 0)
        memcpy(ret_name, name, sizeof(name));
    return r;
}
