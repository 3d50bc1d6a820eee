/* SPDX-License-Identifier: MIT */
/* Writable places as volumes. */
#include "oci/spaces.h"

#include "core/base/cleanup.h"
#include "oci/lockdown_rows.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK 4096 /* the kernel's word for a block of a tmpfs: a page, here as small as pages are */

struct spaces {
    struct engine *engine;
    const struct lockdown *lockdown;
    struct engine_call *call;
    size_t next;
    spaces_fn *fn;
    void *data;
    struct err err;
};

size_t spaces_count(const struct lockdown *l)
{
    struct row_tmpfs t;
    size_t n = 0;

    if (!l->kind->tmpfs_is_volume)
        return 0;
    while (row_tmpfs_at(l, n, &t))
        n++;
    return n;
}

void spaces_name(const struct lockdown *l, size_t index, char ret[SPACE_NAME])
{
    snprintf(ret, SPACE_NAME, "%s-tmpfs-%zu", l->container_name, index);
}

/* `size` would be taken for a quota of the file system below. */
static void write_options(const struct lockdown *l, const struct row_tmpfs *t, struct json_writer *w)
{
    char options[256];

    snprintf(options, sizeof(options), "nosuid,nodev,%s,nr_blocks=%lld,nr_inodes=%lld,%s,uid=%lld,gid=%lld",
             t->is_exec ? "exec" : "noexec", (long long) ((t->bytes + BLOCK - 1) / BLOCK),
             (long long) t->inodes, t->options, (long long) l->spec->uid, (long long) l->spec->gid);
    json_key(w, "DriverOpts");
    json_object(w);
    json_put_string(w, "type", "tmpfs");
    json_put_string(w, "device", "tmpfs");
    json_put_string(w, "o", options);
    json_object_end(w);
}

int spaces_write(const struct lockdown *l, size_t index, struct buf *out, struct err *err)
{
    struct json_writer w;
    struct row_tmpfs t;
    char name[SPACE_NAME];

    if (!row_tmpfs_at(l, index, &t))
        return err_set(err, ERR_INTERNAL, "the sandbox has no writable place %zu", index);
    spaces_name(l, index, name);
    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "Name", name);
    json_put_string(&w, "Driver", "local");
    write_options(l, &t, &w);
    write_labels(l, &w);
    json_object_end(&w);
    return json_end(&w, err);
}

static int make_next(struct spaces *spaces);

static void on_made(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct spaces *spaces = data;

    if (result < 0)
        spaces->err = *err;
    else if (++spaces->next < spaces_count(spaces->lockdown))
        result = make_next(spaces);
    else
        result = 1;
    if (result != 0)
        spaces->fn(spaces->data, result < 0 ? result : 0, result < 0 ? &spaces->err : NULL);
}

/* One that is there already was made by an earlier try of the same attempt, with the same options. */
static int make_next(struct spaces *spaces)
{
    struct buf body = BUF_INIT(64 * 1024);
    struct engine_request req = { .method = "POST", .path = "/volumes/create" };
    int r = spaces_write(spaces->lockdown, spaces->next, &body, &spaces->err);

    req.body = buf_span(&body);
    engine_call_free(TAKE_PTR(spaces->call));
    if (r >= 0)
        r = engine_start(spaces->engine, &req, on_made, spaces, &spaces->call, &spaces->err);
    buf_done(&body);
    return r < 0 ? r : 0;
}

int spaces_make(struct engine *engine, const struct lockdown *l, spaces_fn *fn, void *data,
                struct spaces **ret, struct err *err)
{
    struct spaces *spaces = calloc(1, sizeof(*spaces));
    int r;

    if (!spaces)
        return err_set(err, ERR_INTERNAL, "no memory for the places of a sandbox");
    *spaces = (struct spaces){ .engine = engine, .lockdown = l, .fn = fn, .data = data };
    r = make_next(spaces);
    if (r < 0) {
        *err = spaces->err;
        spaces_free(spaces);
        return r;
    }
    *ret = spaces;
    return 0;
}

void spaces_free(struct spaces *spaces)
{
    if (!spaces)
        return;
    engine_call_free(spaces->call);
    free(spaces);
}
