/* SPDX-License-Identifier: MIT */
#include "core/base/bundle.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/glyph.h"
#include "core/base/utf8.h"
#include "core/base/walk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void bundle_init(struct bundle *b)
{
    *b = (struct bundle){ .arena = ARENA_INIT(2 * BUNDLE_BYTES_MAX) };
}

void bundle_done(struct bundle *b)
{
    arena_done(&b->arena);
    *b = (struct bundle){ 0 };
}

/* Names that mean the same everywhere, and show as what they are. */
static bool is_path(struct span path)
{
    if (path.len == 0 || path.len > BUNDLE_PATH_MAX || utf8_valid(path) != path.len)
        return false;
    for (size_t at = 0, used; at < path.len; at += used)
        if (path.ptr[at] == '\\' ||
            glyph_is_unsafe(glyph_next(span_make(path.ptr + at, path.len - at), &used)))
            return false;
    for (size_t at = 0; at <= path.len;) {
        const char *slash = memchr(path.ptr + at, '/', path.len - at);
        struct span name = span_make(path.ptr + at, slash ? (size_t) (slash - path.ptr) - at : path.len - at);

        if (name.len == 0 || span_is(name, ".") || span_is(name, ".."))
            return false;
        at += name.len + 1;
    }
    return true;
}

const struct bundle_file *bundle_find(const struct bundle *b, const char *path)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->files[i].path, path) == 0)
            return &b->files[i];
    return NULL;
}

int bundle_add(struct bundle *b, const struct bundle_file *file, struct err *err)
{
    struct bundle_file *to;

    if (!is_path(span_of(file->path)))
        return err_set(err, ERR_INVALID, "the name of a file is too long, or holds what it may not");
    if (bundle_find(b, file->path))
        return err_set(err, ERR_CONFLICT, "there are two files '%s'", file->path);
    if (b->count == BUNDLE_FILES_MAX || file->content.len > BUNDLE_BYTES_MAX - b->bytes)
        return err_set(err, ERR_TOO_LARGE, "more than %d files or %d MiB", BUNDLE_FILES_MAX,
                       BUNDLE_BYTES_MAX >> 20);
    if (!b->files)
        b->files = arena_alloc(&b->arena, BUNDLE_FILES_MAX * sizeof(*b->files));
    to = b->files ? &b->files[b->count] : NULL;
    if (to)
        *to = (struct bundle_file){ arena_text(&b->arena, file->path),
                                    { arena_copy(&b->arena, file->content.ptr, file->content.len),
                                      file->content.len },
                                    file->is_program };
    if (!to || !to->path || !to->content.ptr)
        return err_set(err, ERR_INTERNAL, "no memory for a folder");
    b->count++;
    b->bytes += file->content.len;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct bundle_file *) a)->path, ((const struct bundle_file *) b)->path);
}

void bundle_seal(struct bundle *b)
{
    struct buf list = BUF_INIT(BUNDLE_FILES_MAX * (BUNDLE_PATH_MAX + DIGEST_HEX + 8));

    if (b->count > 1)
        qsort(b->files, b->count, sizeof(*b->files), compare);
    for (size_t i = 0; i < b->count; i++) {
        char sum[DIGEST_HEX];

        digest_of(b->files[i].content, sum);
        (void) buf_printf(&list, "%s %c  %s\n", sum, b->files[i].is_program ? 'x' : '-',
                          b->files[i].path); /* it fits */
    }
    digest_of(buf_span(&list), b->digest);
    buf_done(&list);
}

static int load_entry(struct bundle *b, const struct walk_entry *entry, struct err *err)
{
    struct buf content = BUF_INIT(BUNDLE_BYTES_MAX);
    struct bundle_file file = { .path = entry->path, .is_program = entry->st.st_mode & S_IXUSR };
    int r;

    if (S_ISDIR(entry->st.st_mode))
        return 0;
    if (!S_ISREG(entry->st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' is no regular file", entry->path);
    r = file_read_at(entry->dir_fd, entry->name, &content, err);
    file.content = content.len > 0 ? buf_span(&content) : span_of("");
    if (r == 0)
        r = bundle_add(b, &file, err);
    buf_done(&content);
    return r;
}

int bundle_load(struct bundle *b, const char *folder, struct err *err)
{
    CLEANUP(fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct walk *walk = NULL;
    struct walk_entry entry;
    int r =
        fd < 0 ? err_errno(err, ERR_NOT_FOUND, "opening the folder '%s'", folder) : walk_new(fd, &walk, err);

    while (r >= 0 && (r = walk_next(walk, &entry, err)) > 0)
        r = load_entry(b, &entry, err);
    walk_free(walk);
    if (r < 0)
        return err_wrap(err, "reading '%s'", folder);
    bundle_seal(b);
    return 0;
}

static int save_file(int fd, const struct bundle_file *file, struct err *err)
{
    CLEANUP(fd) int parent = -1;
    const char *slash = strrchr(file->path, '/');
    int r = file_make_parents_beneath(fd, file->path, 0700, &parent, err);

    return r < 0 ? r
                 : file_write_atomic_at(parent, slash ? slash + 1 : file->path, file->content,
                                        file->is_program ? 0500 : 0400, err);
}

int bundle_save(const struct bundle *b, const char *folder, struct err *err)
{
    CLEANUP(fd) int fd = -1;
    int r = file_make_dirs(folder, 0700, err);

    if (r == 0 && (fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = err_errno(err, ERR_IO, "opening the folder '%s'", folder);
    for (size_t i = 0; i < b->count && r == 0; i++)
        r = save_file(fd, &b->files[i], err);
    return r < 0 ? err_wrap(err, "writing '%s'", folder) : 0;
}
