/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints onto the host. A folder is staged beside its place: folders first,
 * open to us, then files, links, and last the folders' own modes and times from the inside out.
 */
#include "core/run/export.h"

#include "core/base/archive.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/run/delivery.h"
#include "core/run/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MODE_MASK  01777
#define HOLE_BLOCK ((size_t) 4096)

static struct timespec time_of(int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;

    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    return (struct timespec){ .tv_sec = (time_t) seconds, .tv_nsec = (long) rest };
}

/* All files of a listing, to be delivered. */
static int list_files(const struct listing *l, struct delivery_item **ret, size_t *ret_count, struct err *err)
{
    struct delivery_item *items = calloc(l->count + 1, sizeof(*items));
    size_t count = 0;

    if (!items)
        return err_set(err, ERR_INTERNAL, "no memory to export");
    for (size_t i = 0; i < l->count; i++)
        if (l->entries[i].kind == LISTING_FILE)
            items[count++].file = &l->entries[i];
    *ret = items;
    *ret_count = count;
    return 0;
}

/* ---- to a folder ---- */

struct tree_out {
    int root_fd;
    const struct listing_entry *file; /* that is being written */
    int fd;
    int64_t at;
};

static int fail(const char *path, struct err *err)
{
    return err_errno(err, ERR_IO, "writing '%s'", path);
}

/* The folder that `path` is to be in, and its name there. */
static int open_parent(const struct tree_out *t, const char *path, int *ret_fd, const char **ret_name,
                       struct err *err)
{
    const char *slash = strrchr(path, '/');

    *ret_name = slash ? slash + 1 : path;
    return file_make_parents_beneath(t->root_fd, path, 0700, ret_fd, err);
}

static int make_folder(const struct tree_out *t, const char *path, struct err *err)
{
    CLEANUP(fd) int fd = -1;
    const char *name;
    int r = open_parent(t, path, &fd, &name, err);

    if (r < 0)
        return r;
    return mkdirat(fd, name, 0700) < 0 && errno != EEXIST ? fail(path, err) : 0;
}

static int file_begin(void *data, const struct delivery_item *item, struct err *err)
{
    struct tree_out *t = data;
    CLEANUP(fd) int dir_fd = -1;
    const char *name;
    int r = open_parent(t, item->file->path, &dir_fd, &name, err);

    if (r < 0)
        return r;
    t->file = item->file;
    t->at = 0;
    t->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return t->fd < 0 ? fail(t->file->path, err) : 0;
}

static bool is_zero(const char *bytes, size_t len)
{
    return len == 0 || (bytes[0] == '\0' && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static int write_at(struct tree_out *t, const char *bytes, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t n = pwrite(t->fd, bytes, len, (off_t) t->at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(t->file->path, err);
        bytes += n;
        len -= (size_t) n;
        t->at += n;
    }
    return 0;
}

/* Blocks of zeros stay holes. */
static int file_add(void *data, struct span piece, struct err *err)
{
    struct tree_out *t = data;
    int r = 0;

    while (r == 0 && piece.len > 0) {
        size_t step = HOLE_BLOCK - (size_t) t->at % HOLE_BLOCK;

        if (step > piece.len)
            step = piece.len;
        if (is_zero(piece.ptr, step))
            t->at += (int64_t) step;
        else
            r = write_at(t, piece.ptr, step, err);
        piece = span_make(piece.ptr + step, piece.len - step);
    }
    return r;
}

static int file_end(void *data, struct err *err)
{
    struct tree_out *t = data;
    CLEANUP(fd) int fd = take_fd(&t->fd);
    struct timespec times[2] = { time_of(t->file->mtime_ns), time_of(t->file->mtime_ns) };

    if (ftruncate(fd, (off_t) t->at) < 0 || fchmod(fd, t->file->mode & MODE_MASK) < 0 ||
        futimens(fd, times) < 0)
        return fail(t->file->path, err);
    return 0;
}

static int make_link(const struct tree_out *t, const struct listing_entry *e, struct err *err)
{
    struct timespec times[2] = { time_of(e->mtime_ns), time_of(e->mtime_ns) };
    CLEANUP(fd) int fd = -1;
    const char *name;
    int r = open_parent(t, e->path, &fd, &name, err);

    if (r < 0)
        return r;
    if (symlinkat(e->link, fd, name) < 0 || utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(e->path, err);
    return 0;
}

static int make_hard(const struct tree_out *t, const struct listing_entry *e, struct err *err)
{
    CLEANUP(fd) int from_fd = -1;
    CLEANUP(fd) int fd = -1;
    const char *from_name = NULL, *name = NULL;
    int r = open_parent(t, e->link, &from_fd, &from_name, err);

    if (r == 0)
        r = open_parent(t, e->path, &fd, &name, err);
    if (r < 0)
        return r;
    return linkat(from_fd, from_name, fd, name, 0) < 0 ? fail(e->path, err) : 0;
}

static int finish_folder(const struct tree_out *t, const struct listing_entry *e, struct err *err)
{
    struct timespec times[2] = { time_of(e->mtime_ns), time_of(e->mtime_ns) };
    CLEANUP(fd) int fd = -1;
    int r = file_open_beneath(t->root_fd, e->path, O_RDONLY | O_DIRECTORY, 0, &fd, err);

    if (r < 0)
        return r;
    return fchmod(fd, e->mode & MODE_MASK) < 0 || futimens(fd, times) < 0 ? fail(e->path, err) : 0;
}

static int make_rest(const struct tree_out *t, const struct listing *l, struct err *err)
{
    int r = 0;

    /* links only when every file is there, so that nothing is ever written through one */
    for (size_t i = 0; r == 0 && i < l->count; i++)
        if (l->entries[i].kind == LISTING_HARD)
            r = make_hard(t, &l->entries[i], err);
    for (size_t i = 0; r == 0 && i < l->count; i++)
        if (l->entries[i].kind == LISTING_LINK)
            r = make_link(t, &l->entries[i], err);
    for (size_t i = l->count; r == 0 && i > 0; i--)
        if (l->entries[i - 1].kind == LISTING_DIR)
            r = finish_folder(t, &l->entries[i - 1], err);
    return r;
}

static int write_tree(struct checkpoint_store *store, const struct listing *l, int root_fd, struct err *err)
{
    static const struct delivery_ops ops = { file_begin, file_add, file_end };
    struct tree_out t = { .root_fd = root_fd, .fd = -1 };
    struct delivery_item *items = NULL;
    size_t count = 0;
    int r = list_files(l, &items, &count, err);

    for (size_t i = 0; r == 0 && i < l->count; i++)
        if (l->entries[i].kind == LISTING_DIR)
            r = make_folder(&t, l->entries[i].path, err);
    if (r == 0)
        r = delivery_run(store, items, count, &ops, &t, err);
    if (t.fd >= 0)
        (void) close(t.fd); /* of a file that is given up */
    free(items);
    return r == 0 ? make_rest(&t, l, err) : r;
}

/* Absolute, without slashes at its end. */
static int full_path(const char *path, char **ret, struct err *err)
{
    char here[PATH_MAX];
    char *full;
    size_t len;

    if (!getcwd(here, sizeof(here)))
        return err_errno(err, ERR_IO, "looking for the current folder");
    full = file_join(here, path);
    if (!full)
        return err_set(err, ERR_INTERNAL, "no memory to export");
    for (len = strlen(full); len > 1 && full[len - 1] == '/'; len--)
        full[len - 1] = '\0';
    *ret = full;
    return 0;
}

static int in_the_way(const char *path, const char *what, struct err *err)
{
    (void) err_set(err, ERR_CONFLICT, "'%s' %s", path, what);
    (void) err_hint(err, "give a name that is free, or that of an empty folder");
    return -ERR_CONFLICT;
}

static int check_free(const char *path, struct err *err)
{
    struct dirent *entry;
    struct stat st;
    size_t count = 0;
    DIR *dir;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_errno(err, ERR_IO, "looking at '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return in_the_way(path, "is there already", err);
    dir = opendir(path);
    if (!dir)
        return err_errno(err, ERR_IO, "reading '%s'", path);
    while ((entry = readdir(dir)) != NULL)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void) closedir(dir); /* only read */
    return count ? in_the_way(path, "is not empty", err) : 0;
}

int export_folder(struct checkpoint_store *store, int64_t number, const char *path,
                  struct listing_totals *ret, struct err *err)
{
    CLEANUP(free) char *full = NULL;
    struct stage *stage = NULL;
    struct listing l;
    int r = full_path(path, &full, err);

    if (r == 0)
        r = check_free(full, err);
    if (r == 0)
        r = checkpoint_load(store, number, &l, err);
    if (r < 0)
        return r;
    r = stage_new(full, true, &stage, err);
    if (r == 0)
        r = write_tree(store, &l, stage_fd(stage), err);
    if (r == 0)
        r = stage_flush(stage, err);
    if (r == 0)
        r = stage_place(stage, err);
    stage_free(stage);
    if (r == 0)
        listing_totals(&l, ret);
    listing_done(&l);
    return r;
}

/* ---- to a tar archive ---- */

static const struct {
    const char *ending;
    enum archive_filter filter;
} endings[] = {
    { ".tar", ARCHIVE_PLAIN },   { ".tar.zst", ARCHIVE_ZSTD }, { ".tzst", ARCHIVE_ZSTD },
    { ".tar.gz", ARCHIVE_GZIP }, { ".tgz", ARCHIVE_GZIP },
};

static bool find_filter(const char *path, enum archive_filter *ret)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t end = strlen(endings[i].ending);

        if (len > end && strcmp(path + len - end, endings[i].ending) == 0) {
            *ret = endings[i].filter;
            return true;
        }
    }
    return false;
}

bool export_is_tar(const char *path)
{
    enum archive_filter filter;

    return find_filter(path, &filter);
}

static int to_stage(void *data, struct span bytes, struct err *err)
{
    return stage_file_add(data, bytes, err);
}

static int add_entry(struct archive_writer *w, const struct listing_entry *e, struct err *err)
{
    static const enum archive_kind kinds[] = {
        [LISTING_FILE] = ARCHIVE_FILE,
        [LISTING_DIR] = ARCHIVE_DIR,
        [LISTING_LINK] = ARCHIVE_LINK,
        [LISTING_HARD] = ARCHIVE_HARD,
    };
    struct archive_item item = { .name = e->path,
                                 .kind = kinds[e->kind],
                                 .mode = e->mode & MODE_MASK,
                                 .mtime_ns = e->mtime_ns,
                                 .size = e->size,
                                 .link = e->link };

    return archive_writer_begin(w, &item, err);
}

static int add_all(struct archive_writer *w, const struct listing *l, enum listing_kind kind, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < l->count; i++)
        if (l->entries[i].kind == kind)
            r = add_entry(w, &l->entries[i], err);
    return r;
}

static int member_begin(void *data, const struct delivery_item *item, struct err *err)
{
    return add_entry(data, item->file, err);
}

static int member_add(void *data, struct span piece, struct err *err)
{
    return archive_writer_add(data, piece, err);
}

static int member_end(void *data, struct err *err)
{
    return 0;
}

/* From the inside out. */
static int add_folders(struct archive_writer *w, const struct listing *l, struct err *err)
{
    int r = 0;

    for (size_t i = l->count; r == 0 && i > 0; i--)
        if (l->entries[i - 1].kind == LISTING_DIR)
            r = add_entry(w, &l->entries[i - 1], err);
    return r;
}

/* Files in the order of the packs, then links, so that nothing is unpacked through one. Folders come last,
 * like everywhere here: tar gives one its mode and time as soon as a member outside of it comes, and what is
 * put into it after that fails, or changes its time again. */
static int write_members(struct checkpoint_store *store, const struct listing *l, struct archive_writer *w,
                         struct err *err)
{
    static const struct delivery_ops ops = { member_begin, member_add, member_end };
    struct delivery_item *items = NULL;
    size_t count = 0;
    int r = list_files(l, &items, &count, err);

    if (r == 0)
        r = delivery_run(store, items, count, &ops, w, err);
    free(items);
    if (r == 0)
        r = add_all(w, l, LISTING_HARD, err);
    if (r == 0)
        r = add_all(w, l, LISTING_LINK, err);
    if (r == 0)
        r = add_folders(w, l, err);
    return r == 0 ? archive_writer_finish(w, err) : r;
}

struct sink {
    enum archive_filter filter;
    archive_sink_fn *write;
    void *data;
};

static int write_archive(struct checkpoint_store *store, const struct listing *l, const struct sink *to,
                         struct err *err)
{
    struct archive_options options = { .filter = to->filter, .is_detailed = true };
    struct archive_writer *w = NULL;
    int r = archive_writer_open(&w, &options, to->write, to->data, err);

    if (r == 0)
        r = write_members(store, l, w, err);
    archive_writer_free(w);
    return r;
}

static int write_tar_file(struct checkpoint_store *store, const struct listing *l, const char *path,
                          struct err *err)
{
    CLEANUP(free) char *full = NULL;
    struct sink sink = { ARCHIVE_PLAIN, to_stage, NULL };
    struct stage_file *file = NULL;
    struct stage *stage = NULL;
    char sha256[DIGEST_HEX];
    int r = full_path(path, &full, err);

    (void) find_filter(path, &sink.filter); /* any other name: not compressed */

    if (r == 0)
        r = stage_new(full, false, &stage, err);
    if (r == 0)
        r = stage_file_begin(stage, "", 0644, &file, err);
    sink.data = file;
    if (r == 0)
        r = write_archive(store, l, &sink, err);
    if (r == 0)
        r = stage_file_end(TAKE_PTR(file), sha256, err);
    if (r == 0)
        r = stage_place(stage, err);
    stage_file_drop(file);
    stage_free(stage);
    return r;
}

int export_stream(struct checkpoint_store *store, int64_t number, archive_sink_fn *write, void *data,
                  struct listing_totals *ret, struct err *err)
{
    const struct sink sink = { ARCHIVE_PLAIN, write, data };
    struct listing l;
    int r = checkpoint_load(store, number, &l, err);

    if (r < 0)
        return r;
    r = write_archive(store, &l, &sink, err);
    if (r == 0)
        listing_totals(&l, ret);
    listing_done(&l);
    return r;
}

int export_tar(struct checkpoint_store *store, int64_t number, const char *path, struct listing_totals *ret,
               struct err *err)
{
    struct listing l;
    int r = checkpoint_load(store, number, &l, err);

    if (r < 0)
        return r;
    r = write_tar_file(store, &l, path, err);
    if (r == 0)
        listing_totals(&l, ret);
    listing_done(&l);
    return r;
}
