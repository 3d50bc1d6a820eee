/* SPDX-License-Identifier: MIT */
/* Outputs on the disk beside what the journal says of them. */
#include "core/run/recheck.h"

#include "core/base/cleanup.h"
#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/walk.h"
#include "core/run/journal.h"
#include "core/run/object.h"
#include "core/run/output_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES (64 * 1024)

struct recheck {
    struct run_folder *folder;
    const char *beneath;
    recheck_fn *fn;
    void *data;
    uint64_t collected; /* the last outputs.begin: those behind it count */
    int64_t count;
};

/* A folder as it is on the disk. */
struct found_files {
    struct output_digest_file *list;
    size_t count, cap;
};

static void differs(struct recheck *c, const char *place, const struct record_output *o, struct err *why)
{
    (void) err_wrap(why, "output '%s'", o->path);
    c->fn(c->data, place, why);
}

/* ---- one file ---- */

/* -ERR_INVALID: it is nothing that an output can be. */
static int sum_at(int dir_fd, const char *name, char ret_sha256[DIGEST_HEX], int64_t *ret_size,
                  struct err *err)
{
    CLEANUP(fd) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_INVALID, "it is not there any more");
    if (fd < 0 && (errno == ELOOP || errno == EMLINK || errno == ENXIO || errno == ENOTDIR))
        return err_set(err, ERR_INVALID, "it is no file any more");
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, ERR_IO, "opening it");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "it is no file any more");
    return digest_fd(fd, ret_sha256, ret_size, err);
}

static int check_file(const char *place, const struct record_output *o, struct err *err)
{
    char sha256[DIGEST_HEX];
    int64_t size;
    int r = sum_at(AT_FDCWD, place, sha256, &size, err);

    if (r < 0 || strcmp(sha256, o->sha256) == 0)
        return r;
    if (size != o->size)
        return err_set(err, ERR_INVALID, "it has %lld bytes, and the run wrote %lld", (long long) size,
                       (long long) o->size);
    return err_set(err, ERR_INVALID, "it is sha256:%s, and the run wrote sha256:%s", sha256, o->sha256);
}

/* ---- a folder ---- */

static void files_done(struct found_files *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free((char *) (uintptr_t) f->list[i].name);
        free((char *) (uintptr_t) f->list[i].sha256);
    }
    free(f->list);
}

static int add_found(struct found_files *f, const char *path, const char *sha256, struct err *err)
{
    if (f->count == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 64;
        struct output_digest_file *more = realloc(f->list, cap * sizeof(*more));

        if (!more)
            return err_set(err, ERR_INTERNAL, "no memory to check outputs");
        f->list = more;
        f->cap = cap;
    }
    f->list[f->count] = (struct output_digest_file){ strdup(path), strdup(sha256) };
    f->count++;
    return f->list[f->count - 1].name && f->list[f->count - 1].sha256
               ? 0
               : err_set(err, ERR_INTERNAL, "no memory to check outputs");
}

static int look_at(struct found_files *f, const struct walk_entry *e, struct err *err)
{
    char sha256[DIGEST_HEX];
    int64_t size;
    int r;

    if (S_ISDIR(e->st.st_mode))
        return 0;
    if (!S_ISREG(e->st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' in it is no file, and the run wrote none but files", e->path);
    r = sum_at(e->dir_fd, e->name, sha256, &size, err);
    return r < 0 ? err_wrap(err, "'%s' in it", e->path) : add_found(f, e->path, sha256, err);
}

static int read_folder(const char *place, struct found_files *f, struct err *err)
{
    CLEANUP(fd) int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct walk_entry entry;
    struct walk *walk = NULL;
    int r;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EMLINK))
        return err_set(err, ERR_INVALID,
                       errno == ENOENT ? "it is not there any more" : "it is no folder any more");
    if (fd < 0)
        return err_errno(err, ERR_IO, "opening it");
    r = walk_new(fd, &walk, err);
    while (r >= 0 && (r = walk_next(walk, &entry, err)) > 0)
        r = look_at(f, &entry, err);
    walk_free(walk);
    return r;
}

static struct span take_line(struct span *rest)
{
    const char *end = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    struct span line = span_make(rest->ptr, end ? (size_t) (end - rest->ptr) : rest->len);

    *rest = span_make(rest->ptr + line.len + (end != NULL), rest->len - line.len - (end != NULL));
    return line;
}

/* Which file: the lists are sorted by name, so the first line that differs says it. */
static int first_difference(struct span now, struct span then, struct err *err)
{
    struct buf name = BUF_INIT(NAME_MAX_BYTES), other = BUF_INIT(NAME_MAX_BYTES);
    struct span a = { 0 }, b = { 0 };
    char sha256[DIGEST_HEX] = "", was[DIGEST_HEX] = "";
    int order, r = 0;

    while (now.len > 0 && then.len > 0 && span_equal(a, b)) {
        a = take_line(&now);
        b = take_line(&then);
    }
    if (span_equal(a, b)) {
        a = take_line(&now);
        b = take_line(&then);
    }
    if (a.len > 0)
        r = output_list_line(a, sha256, &name, err);
    if (r == 0 && b.len > 0)
        r = output_list_line(b, was, &other, err);
    order = !a.len ? 1 : !b.len ? -1 : strcmp(buf_text(&name), buf_text(&other));
    if (r == 0 && order == 0)
        r = err_set(err, ERR_INVALID, "'%s' in it is sha256:%s, and the run wrote sha256:%s", buf_text(&name),
                    sha256, was);
    else if (r == 0)
        r = err_set(err, ERR_INVALID,
                    order < 0 ? "'%s' in it is not of the run" : "'%s' in it is not there any more",
                    buf_text(order < 0 ? &name : &other));
    buf_done(&name);
    buf_done(&other);
    return r;
}

static int tell_difference(struct recheck *c, struct found_files *f, const struct record_output *o,
                           struct err *err)
{
    struct buf now = BUF_INIT(OBJECT_MAX), then = BUF_INIT(OBJECT_MAX);
    int r = o->list ? object_get(c->folder, o->list, &then, NULL) : 0;

    if (r == 0)
        r = output_list(f->list, f->count, &now);
    if (r == 0 && then.len > 0)
        r = first_difference(buf_span(&now), buf_span(&then), err);
    else
        r = err_set(err, ERR_INVALID, "its files are not what the run wrote: %zu, and there were %lld",
                    f->count, (long long) o->files);
    buf_done(&now);
    buf_done(&then);
    return r;
}

static int check_folder(struct recheck *c, const char *place, const struct record_output *o, struct err *err)
{
    struct found_files found = { 0 };
    char sha256[DIGEST_HEX];
    int r = read_folder(place, &found, err);

    if (r == 0)
        r = output_digest(found.list, found.count, sha256, err);
    if (r == 0 && strcmp(sha256, o->sha256) != 0)
        r = tell_difference(c, &found, o, err);
    files_done(&found);
    return r;
}

/* ---- all of them ---- */

static int check_output(struct recheck *c, const struct record_output *o, struct err *err)
{
    CLEANUP(free) char *place = c->beneath ? file_join(c->beneath, o->path) : strdup(o->to ? o->to : "");
    struct err why = { 0 };
    int r;

    if (o->is_missing || !o->sha256)
        return 0;
    if (!place)
        return err_set(err, ERR_INTERNAL, "no memory to check outputs");
    c->count++;
    r = o->is_folder ? check_folder(c, place, o, &why) : check_file(place, o, &why);
    if (r == -ERR_INVALID) {
        differs(c, place, o, &why);
        return 0;
    }
    if (r < 0 && err) {
        *err = why;
        return err_wrap(err, "output '%s' at '%s'", o->path, place);
    }
    return r;
}

static int find_last(struct recheck *c, struct err *err)
{
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(c->folder, &reader, err);

    while (r >= 0 && (r = journal_next(&reader, &rec, err)) > 0)
        if (rec.type == RECORD_OUTPUTS_BEGIN)
            c->collected = rec.seq;
    journal_close(&reader);
    return r;
}

int recheck_outputs(struct run_folder *folder, const char *beneath, recheck_fn *fn, void *data,
                    int64_t *ret_count, struct err *err)
{
    struct recheck c = { .folder = folder, .beneath = beneath, .fn = fn, .data = data };
    struct journal_reader reader;
    struct record rec;
    int r = find_last(&c, err);

    if (r < 0)
        return r;
    r = journal_open(folder, &reader, err);
    while (r >= 0 && (r = journal_next(&reader, &rec, err)) > 0)
        if (rec.type == RECORD_OUTPUT_DONE && rec.seq > c.collected)
            r = check_output(&c, &rec.output, err);
    journal_close(&reader);
    *ret_count = c.count;
    return r;
}
