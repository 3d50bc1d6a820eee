/* SPDX-License-Identifier: MIT */
/* An image as a file. */
#include "oci/image_export.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/units.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define FOLDER_NAME "agentbox-scan-"
#define FILE_NAME   "image.tar"
#define IDLE_MS     120000 /* an engine that packs a large image says nothing meanwhile */

struct image_export {
    struct engine *engine;
    struct engine_call *call;
    struct loop_source *deferred;
    char *folder, *path;
    int fd;
    int64_t bytes, bytes_max;
    int result; /* negative: the rest is dropped, and the call will be */
    image_export_fn *fn;
    void *data;
    struct err err;
};

const char *image_export_path(const struct image_export *x)
{
    return x->path;
}

static void finish(void *data)
{
    struct image_export *x = data;

    loop_source_free(TAKE_PTR(x->deferred));
    engine_call_free(TAKE_PTR(x->call));
    x->fn(x->data, x->result, x->result < 0 ? &x->err : NULL);
}

/* From inside the answer: the call is given up once it is left. */
static void fail(struct image_export *x, int result)
{
    x->result = result;
    if (loop_defer(engine_loop(x->engine), finish, x, &x->deferred, NULL) < 0)
        x->deferred = NULL; /* then the end of the answer tells it */
}

static void on_chunk(void *data, struct span chunk)
{
    struct image_export *x = data;
    char size[32];

    if (x->result < 0)
        return;
    x->bytes += (int64_t) chunk.len;
    if (x->bytes > x->bytes_max) {
        err_set(&x->err, ERR_TOO_LARGE, "the exported image is larger than %s",
                units_format_size(size, x->bytes_max));
        fail(x, err_hint(&x->err, "sandbox.scan.archive_max allows more"));
    } else if (file_write_all(x->fd, chunk.ptr, chunk.len, &x->err) < 0) {
        fail(x, err_wrap(&x->err, "exporting the image to '%s'", x->path));
    }
}

static void on_done(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct image_export *x = data;

    if (x->deferred)
        return; /* finish() comes */
    if (x->result >= 0 && result < 0) {
        x->err = *err;
        x->result = err_wrap(&x->err, "exporting the image");
    }
    finish(x);
}

/* ---- the file ---- */

static const char *temporary(void)
{
    const char *place = getenv("TMPDIR");

    return place && *place ? place : "/tmp";
}

/* Others may write into that place, so only folders of ours are looked into, and no link is followed. */
static void remove_if_left(int place_fd, const char *name)
{
    CLEANUP(fd) int folder_fd = openat(place_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CLEANUP(fd) int fd = -1;
    struct stat st;

    if (folder_fd < 0 || fstat(folder_fd, &st) < 0 || st.st_uid != geteuid())
        return;
    fd = openat(folder_fd, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return;                               /* it is just being made, or somebody's */
    (void) unlinkat(folder_fd, FILE_NAME, 0); /* the next one tries again */
    (void) unlinkat(place_fd, name, AT_REMOVEDIR);
}

static void remove_left(void)
{
    DIR *place = opendir(temporary());
    struct dirent *entry;

    while (place && (entry = readdir(place)) != NULL)
        if (strncmp(entry->d_name, FOLDER_NAME, strlen(FOLDER_NAME)) == 0)
            remove_if_left(dirfd(place), entry->d_name);
    if (place)
        (void) closedir(place); /* only read */
}

static int make_file(struct image_export *x, struct err *err)
{
    x->folder = file_join(temporary(), FOLDER_NAME "XXXXXX");
    if (!x->folder)
        return err_set(err, ERR_INTERNAL, "no memory for a path");
    if (!mkdtemp(x->folder)) {
        (void) err_errno(err, ERR_IO, "making the folder '%s'", x->folder);
        free(TAKE_PTR(x->folder)); /* not ours to remove */
        return err_hint(err, "TMPDIR names another place for what is temporary");
    }
    x->path = file_join(x->folder, FILE_NAME);
    if (!x->path)
        return err_set(err, ERR_INTERNAL, "no memory for a path");
    x->fd = open(x->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (x->fd < 0 || flock(x->fd, LOCK_EX | LOCK_NB) < 0)
        return err_errno(err, ERR_IO, "making '%s'", x->path);
    return 0;
}

int image_export_start(struct engine *engine, const char *id, int64_t bytes_max, image_export_fn *fn,
                       void *data, struct image_export **ret, struct err *err)
{
    struct image_export *x = calloc(1, sizeof(*x));
    char path[128];
    const struct engine_request req = {
        .path = path, .deadline_ms = -1, .idle_ms = IDLE_MS, .on_chunk = on_chunk
    };
    int r;

    if (!x)
        return err_set(err, ERR_INTERNAL, "no memory to export an image");
    x->engine = engine;
    x->fd = -1;
    x->bytes_max = bytes_max;
    x->fn = fn;
    x->data = data;
    snprintf(path, sizeof(path), "/images/%.80s/get", id);
    remove_left();
    r = make_file(x, err);
    if (r >= 0)
        r = engine_start(engine, &req, on_done, x, &x->call, err);
    if (r < 0) {
        image_export_free(x);
        return r;
    }
    *ret = x;
    return 0;
}

void image_export_free(struct image_export *x)
{
    if (!x)
        return;
    engine_call_free(x->call);
    loop_source_free(x->deferred);
    if (x->fd >= 0)
        (void) close(x->fd); /* it goes now */
    if (x->path)
        (void) unlink(x->path);
    if (x->folder)
        (void) rmdir(x->folder);
    free(x->path);
    free(x->folder);
    free(x);
}
