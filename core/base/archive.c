/* SPDX-License-Identifier: MIT */
/* Tar archives with a libarchive that is loaded when it is needed. */
#include "core/base/archive.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

/* What we call, with the types of libarchive's own headers. */
struct library {
    __typeof__(&archive_write_new) write_new;
    __typeof__(&archive_write_free) write_free;
    __typeof__(&archive_write_close) write_close;
    __typeof__(&archive_write_open) write_open;
    __typeof__(&archive_write_header) write_header;
    __typeof__(&archive_write_data) write_data;
    __typeof__(&archive_write_set_format_pax_restricted) set_format;
    __typeof__(&archive_write_set_bytes_per_block) set_block;
    __typeof__(&archive_write_set_bytes_in_last_block) set_last_block;
    __typeof__(&archive_error_string) error_string;
    __typeof__(&archive_entry_new) entry_new;
    __typeof__(&archive_entry_free) entry_free;
    __typeof__(&archive_entry_set_pathname) set_pathname;
    __typeof__(&archive_entry_set_size) set_size;
    __typeof__(&archive_entry_set_filetype) set_filetype;
    __typeof__(&archive_entry_set_perm) set_perm;
    __typeof__(&archive_entry_set_mtime) set_mtime;
};

static const struct {
    const char *name;
    size_t offset;
} symbols[] = {
    { "archive_write_new", offsetof(struct library, write_new) },
    { "archive_write_free", offsetof(struct library, write_free) },
    { "archive_write_close", offsetof(struct library, write_close) },
    { "archive_write_open", offsetof(struct library, write_open) },
    { "archive_write_header", offsetof(struct library, write_header) },
    { "archive_write_data", offsetof(struct library, write_data) },
    { "archive_write_set_format_pax_restricted", offsetof(struct library, set_format) },
    { "archive_write_set_bytes_per_block", offsetof(struct library, set_block) },
    { "archive_write_set_bytes_in_last_block", offsetof(struct library, set_last_block) },
    { "archive_error_string", offsetof(struct library, error_string) },
    { "archive_entry_new", offsetof(struct library, entry_new) },
    { "archive_entry_free", offsetof(struct library, entry_free) },
    { "archive_entry_set_pathname", offsetof(struct library, set_pathname) },
    { "archive_entry_set_size", offsetof(struct library, set_size) },
    { "archive_entry_set_filetype", offsetof(struct library, set_filetype) },
    { "archive_entry_set_perm", offsetof(struct library, set_perm) },
    { "archive_entry_set_mtime", offsetof(struct library, set_mtime) },
};

static const char *const library_names[] = { "libarchive.so.13", "libarchive.so", "libarchive.dylib", NULL };

static int resolve(void *handle, struct library *ret, struct err *err)
{
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *symbol = dlsym(handle, symbols[i].name);

        if (!symbol)
            return err_set(err, ERR_IO, "the installed libarchive has no '%s'", symbols[i].name);
        memcpy((char *) ret + symbols[i].offset, &symbol, sizeof(symbol));
    }
    return 0;
}

static int load_from(const char *const *names, struct library *ret, struct err *err)
{
    for (; *names; names++) {
        void *handle = dlopen(*names, RTLD_NOW | RTLD_LOCAL);

        if (handle)
            return resolve(handle, ret, err);
    }
    (void) err_set(err, ERR_IO, "libarchive is not installed");
    (void) err_hint(err, "install the package 'libarchive13' (Debian, Ubuntu) or 'libarchive' (elsewhere)");
    return -ERR_IO;
}

/* The library stays loaded until the process ends. */
static int load(const struct library **ret, struct err *err)
{
    static struct library library;
    static bool is_loaded;

    if (!is_loaded) {
        struct library fresh = { 0 };
        int r = load_from(library_names, &fresh, err);

        if (r < 0)
            return r;
        library = fresh;
        is_loaded = true;
    }
    *ret = &library;
    return 0;
}

struct archive_writer {
    const struct library *lib;
    struct archive *archive;
    struct buf *out;
    int full; /* what buf_add() said */
};

static la_ssize_t on_bytes(struct archive *archive, void *data, const void *ptr, size_t len)
{
    struct archive_writer *w = data;

    w->full = buf_add(w->out, ptr, len);
    return w->full < 0 ? -1 : (la_ssize_t) len;
}

/* Warnings are about what old tar programs would not understand. */
static bool is_fine(int result)
{
    return result == ARCHIVE_OK || result == ARCHIVE_WARN;
}

static int fail(struct archive_writer *w, const char *name, struct err *err)
{
    const char *why = w->lib->error_string(w->archive);

    if (w->full == -ERR_TOO_LARGE)
        return err_set(err, ERR_TOO_LARGE, "the archive is larger than %zu bytes", w->out->max);
    return err_set(err, ERR_INTERNAL, "packing '%s': %s", name, why ? why : "no memory");
}

int archive_writer_new(struct archive_writer **ret, struct buf *out, struct err *err)
{
    struct archive_writer *w = calloc(1, sizeof(*w));
    const struct library *lib = NULL;
    int r = w ? load(&lib, err) : err_set(err, ERR_INTERNAL, "no memory");

    if (r < 0) {
        free(w);
        return r;
    }
    w->lib = lib;
    w->out = out;
    w->archive = lib->write_new();
    /* no padding to tape blocks: the end is marked by two empty records */
    if (!w->archive || !is_fine(lib->set_format(w->archive)) || !is_fine(lib->set_block(w->archive, 0)) ||
        !is_fine(lib->set_last_block(w->archive, 1)) ||
        !is_fine(lib->write_open(w->archive, w, NULL, on_bytes, NULL))) {
        archive_writer_free(w);
        return err_set(err, ERR_INTERNAL, "libarchive cannot start an archive");
    }
    *ret = w;
    return 0;
}

void archive_writer_free(struct archive_writer *w)
{
    if (!w)
        return;
    if (w->archive)
        (void) w->lib->write_free(w->archive); /* what it still writes is nobody's */
    free(w);
}

static bool is_name(const char *name)
{
    if (name[0] == '\0' || name[0] == '/')
        return false;
    for (const char *at = name; *at;) {
        size_t len = strcspn(at, "/");

        if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && memcmp(at, "..", 2) == 0))
            return false;
        at += len + (at[len] == '/');
    }
    return true;
}

static int add_entry(struct archive_writer *w, const char *name, struct span content, unsigned type,
                     mode_t mode, struct err *err)
{
    struct archive_entry *entry;
    int r;

    if (!is_name(name))
        return err_set(err, ERR_INVALID, "'%s' cannot be a name in an archive", name);
    entry = w->lib->entry_new();
    if (!entry)
        return err_set(err, ERR_INTERNAL, "no memory");
    w->lib->set_pathname(entry, name);
    w->lib->set_filetype(entry, type);
    w->lib->set_perm(entry, mode & 07777);
    w->lib->set_size(entry, (la_int64_t) content.len);
    w->lib->set_mtime(entry, 0, 0);
    r = w->lib->write_header(w->archive, entry);
    w->lib->entry_free(entry);
    if (!is_fine(r))
        return fail(w, name, err);
    if (content.len > 0 &&
        w->lib->write_data(w->archive, content.ptr, content.len) != (la_ssize_t) content.len)
        return fail(w, name, err);
    return 0;
}

int archive_writer_add_file(struct archive_writer *w, const char *name, struct span content, mode_t mode,
                            struct err *err)
{
    return add_entry(w, name, content, AE_IFREG, mode, err);
}

int archive_writer_add_dir(struct archive_writer *w, const char *name, mode_t mode, struct err *err)
{
    return add_entry(w, name, (struct span){ NULL, 0 }, AE_IFDIR, mode, err);
}

int archive_writer_finish(struct archive_writer *w, struct err *err)
{
    return is_fine(w->lib->write_close(w->archive)) ? 0 : fail(w, "the end", err);
}

int archive_pack_file(struct buf *out, const char *name, struct span content, mode_t mode, struct err *err)
{
    struct archive_writer *w = NULL;
    int r = archive_writer_new(&w, out, err);

    if (r == 0)
        r = archive_writer_add_file(w, name, content, mode, err);
    if (r == 0)
        r = archive_writer_finish(w, err);
    archive_writer_free(w);
    return r;
}
