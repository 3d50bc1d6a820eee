/* SPDX-License-Identifier: MIT */
/* Tar archives with a libarchive that is loaded when it is needed. */
#include "core/base/archive.h"

#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
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
    __typeof__(&archive_write_set_format_pax_restricted) set_restricted;
    __typeof__(&archive_write_set_format_pax) set_pax;
    __typeof__(&archive_write_set_filter_option) set_filter_option;
    __typeof__(&archive_write_add_filter_zstd) add_zstd;
    __typeof__(&archive_write_add_filter_gzip) add_gzip;
    __typeof__(&archive_write_set_bytes_per_block) set_block;
    __typeof__(&archive_write_set_bytes_in_last_block) set_last_block;
    __typeof__(&archive_read_new) read_new;
    __typeof__(&archive_read_free) read_free;
    __typeof__(&archive_read_open) read_open;
    __typeof__(&archive_read_support_format_tar) read_tar;
    __typeof__(&archive_read_support_filter_zstd) read_zstd;
    __typeof__(&archive_read_support_filter_gzip) read_gzip;
    __typeof__(&archive_read_support_filter_xz) read_xz;
    __typeof__(&archive_read_next_header) read_header;
    __typeof__(&archive_read_data) read_data;
    __typeof__(&archive_error_string) error_string;
    __typeof__(&archive_entry_new) entry_new;
    __typeof__(&archive_entry_free) entry_free;
    __typeof__(&archive_entry_set_pathname) set_pathname;
    __typeof__(&archive_entry_set_size) set_size;
    __typeof__(&archive_entry_set_filetype) set_filetype;
    __typeof__(&archive_entry_set_perm) set_perm;
    __typeof__(&archive_entry_set_mtime) set_mtime;
    __typeof__(&archive_entry_set_symlink) set_symlink;
    __typeof__(&archive_entry_set_hardlink) set_hardlink;
    __typeof__(&archive_entry_pathname) pathname;
    __typeof__(&archive_entry_size) size;
    __typeof__(&archive_entry_filetype) filetype;
    __typeof__(&archive_entry_perm) perm;
    __typeof__(&archive_entry_mtime) mtime;
    __typeof__(&archive_entry_mtime_nsec) mtime_nsec;
    __typeof__(&archive_entry_symlink) symlink;
    __typeof__(&archive_entry_hardlink) hardlink;
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
    { "archive_write_set_format_pax_restricted", offsetof(struct library, set_restricted) },
    { "archive_write_set_format_pax", offsetof(struct library, set_pax) },
    { "archive_write_set_filter_option", offsetof(struct library, set_filter_option) },
    { "archive_write_add_filter_zstd", offsetof(struct library, add_zstd) },
    { "archive_write_add_filter_gzip", offsetof(struct library, add_gzip) },
    { "archive_write_set_bytes_per_block", offsetof(struct library, set_block) },
    { "archive_write_set_bytes_in_last_block", offsetof(struct library, set_last_block) },
    { "archive_read_new", offsetof(struct library, read_new) },
    { "archive_read_free", offsetof(struct library, read_free) },
    { "archive_read_open", offsetof(struct library, read_open) },
    { "archive_read_support_format_tar", offsetof(struct library, read_tar) },
    { "archive_read_support_filter_zstd", offsetof(struct library, read_zstd) },
    { "archive_read_support_filter_gzip", offsetof(struct library, read_gzip) },
    { "archive_read_support_filter_xz", offsetof(struct library, read_xz) },
    { "archive_read_next_header", offsetof(struct library, read_header) },
    { "archive_read_data", offsetof(struct library, read_data) },
    { "archive_error_string", offsetof(struct library, error_string) },
    { "archive_entry_new", offsetof(struct library, entry_new) },
    { "archive_entry_free", offsetof(struct library, entry_free) },
    { "archive_entry_set_pathname", offsetof(struct library, set_pathname) },
    { "archive_entry_set_size", offsetof(struct library, set_size) },
    { "archive_entry_set_filetype", offsetof(struct library, set_filetype) },
    { "archive_entry_set_perm", offsetof(struct library, set_perm) },
    { "archive_entry_set_mtime", offsetof(struct library, set_mtime) },
    { "archive_entry_set_symlink", offsetof(struct library, set_symlink) },
    { "archive_entry_set_hardlink", offsetof(struct library, set_hardlink) },
    { "archive_entry_pathname", offsetof(struct library, pathname) },
    { "archive_entry_size", offsetof(struct library, size) },
    { "archive_entry_filetype", offsetof(struct library, filetype) },
    { "archive_entry_perm", offsetof(struct library, perm) },
    { "archive_entry_mtime", offsetof(struct library, mtime) },
    { "archive_entry_mtime_nsec", offsetof(struct library, mtime_nsec) },
    { "archive_entry_symlink", offsetof(struct library, symlink) },
    { "archive_entry_hardlink", offsetof(struct library, hardlink) },
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
        const char *why;

        if (handle)
            return resolve(handle, ret, err);
        why = dlerror();
        /* it is there, and does not load: too little memory, the wrong machine, a library of its own missing
         */
        if (why && strncmp(why, *names, strlen(*names)) == 0 && !strstr(why, strerror(ENOENT)))
            return err_set(err, ERR_IO, "libarchive cannot be loaded: %s", why);
    }
    (void) err_set(err, ERR_IO, "libarchive is not installed");
    (void) err_hint(err, "install the package 'libarchive13' (Debian, Ubuntu) or 'libarchive' (elsewhere)");
    return -ERR_IO;
}

/* The library stays loaded until the process ends. Archives are written on threads too. */
static int load(const struct library **ret, struct err *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct library library;
    static bool is_loaded;
    struct library fresh = { 0 };
    int r = 0;

    (void) pthread_mutex_lock(&lock); /* cannot fail: it is a plain one */
    if (!is_loaded)
        r = load_from(library_names, &fresh, err);
    if (!is_loaded && r == 0) {
        library = fresh;
        is_loaded = true;
    }
    (void) pthread_mutex_unlock(&lock);
    *ret = &library;
    return r;
}

/* libarchive converts names between UTF-8, which pax headers are in, and the locale's characters. In the "C"
 * locale, which this program never leaves, it can do that for ASCII only, and writes the bytes as they are,
 * marked with hdrcharset=BINARY: right, but tar warns of the word. So names that are UTF-8 are said to be. */
#ifdef __GLIBC__
static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t utf8_locale;

static void make_locale(void)
{
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
}

static locale_t speak_utf8(void)
{
    (void) pthread_once(&locale_once, make_locale);
    return utf8_locale ? uselocale(utf8_locale) : (locale_t) 0;
}

static void speak_as_before(locale_t before)
{
    if (before)
        (void) uselocale(before);
}
#else
static int speak_utf8(void)
{
    return 0;
}

static void speak_as_before(int before)
{
}
#endif

/* Warnings are about what old tar programs would not understand. */
static bool is_fine(int result)
{
    return result == ARCHIVE_OK || result == ARCHIVE_WARN;
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

/* A libarchive built without the filter would run a program of that name instead: not ours to start. */
static int no_filter(const char *name, struct err *err)
{
    (void) err_set(err, ERR_IO, "the installed libarchive knows no %s", name);
    (void) err_hint(err, "install a libarchive that was built with %s", name);
    return -ERR_IO;
}

/* ---- writing ---- */

struct archive_writer {
    const struct library *lib;
    struct archive *archive;
    archive_sink_fn *sink;
    void *data;
    int64_t missing; /* bytes of the entry that is open */
    int failed;      /* what the sink said */
    struct err err;
};

static la_ssize_t on_bytes(struct archive *archive, void *data, const void *ptr, size_t len)
{
    struct archive_writer *w = data;

    if (w->failed == 0)
        w->failed = w->sink(w->data, span_make(ptr, len), &w->err);
    return w->failed < 0 ? -1 : (la_ssize_t) len;
}

static int fail(struct archive_writer *w, const char *name, struct err *err)
{
    const char *why = w->lib->error_string(w->archive);

    if (w->failed == 0)
        return err_set(err, ERR_INTERNAL, "packing '%s': %s", name, why ? why : "no memory");
    if (err)
        *err = w->err;
    return w->failed;
}

static int set_filter(struct archive_writer *w, const struct archive_options *options, struct err *err)
{
    const char *name = options->filter == ARCHIVE_ZSTD ? "zstd" : "gzip";
    char level[16];
    int r;

    if (options->filter == ARCHIVE_PLAIN)
        return 0;
    r = options->filter == ARCHIVE_ZSTD ? w->lib->add_zstd(w->archive) : w->lib->add_gzip(w->archive);
    if (r != ARCHIVE_OK)
        return no_filter(name, err);
    snprintf(level, sizeof(level), "%d", options->level);
    if (options->level > 0)
        r = w->lib->set_filter_option(w->archive, name, "compression-level", level);
    if (r == ARCHIVE_OK && options->filter == ARCHIVE_GZIP)
        r = w->lib->set_filter_option(w->archive, name, "timestamp", NULL);
    return r == ARCHIVE_OK ? 0 : fail(w, name, err);
}

/* No padding to tape blocks: the end is marked by two empty records. */
static int set_format(struct archive_writer *w, bool is_detailed, struct err *err)
{
    int r = is_detailed ? w->lib->set_pax(w->archive) : w->lib->set_restricted(w->archive);

    if (!is_fine(r) || !is_fine(w->lib->set_block(w->archive, 0)) ||
        !is_fine(w->lib->set_last_block(w->archive, 1)))
        return err_set(err, ERR_INTERNAL, "libarchive cannot start an archive");
    return 0;
}

int archive_writer_open(struct archive_writer **ret, const struct archive_options *options,
                        archive_sink_fn *sink, void *data, struct err *err)
{
    struct archive_writer *w = calloc(1, sizeof(*w));
    int r = w ? load(&w->lib, err) : err_set(err, ERR_INTERNAL, "no memory for an archive");

    if (r == 0) {
        w->sink = sink;
        w->data = data;
        w->archive = w->lib->write_new();
        r = w->archive ? 0 : err_set(err, ERR_INTERNAL, "no memory for an archive");
    }
    if (r == 0)
        r = set_filter(w, options, err);
    if (r == 0)
        r = set_format(w, options->is_detailed, err);
    if (r == 0 && !is_fine(w->lib->write_open(w->archive, w, NULL, on_bytes, NULL)))
        r = fail(w, "the beginning", err);
    if (r < 0)
        archive_writer_free(w);
    else
        *ret = w;
    return r;
}

static int to_buf(void *data, struct span bytes, struct err *err)
{
    struct buf *out = data;
    int r = buf_add_span(out, bytes);

    if (r == -ERR_TOO_LARGE)
        return err_set(err, ERR_TOO_LARGE, "the archive is larger than %zu bytes", out->max);
    return r < 0 ? err_set(err, ERR_INTERNAL, "no memory for an archive") : 0;
}

int archive_writer_new(struct archive_writer **ret, struct buf *out, struct err *err)
{
    static const struct archive_options plain = { .filter = ARCHIVE_PLAIN };

    return archive_writer_open(ret, &plain, to_buf, out, err);
}

/* libarchive ends an archive that is given up; none of it reaches the sink. */
void archive_writer_free(struct archive_writer *w)
{
    if (!w)
        return;
    w->failed = w->failed ? w->failed : -ERR_CANCELED;
    if (w->archive)
        (void) w->lib->write_free(w->archive); /* nothing is written any more */
    free(w);
}

/* Before 1970 whole seconds only: libarchive writes the parts of a second with the wrong sign. */
static void set_time(const struct library *lib, struct archive_entry *entry, int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;

    if (rest < 0) {
        rest = 0;
        seconds--;
    }
    lib->set_mtime(entry, (time_t) seconds, (long) rest);
}

static void fill_entry(const struct library *lib, struct archive_entry *entry,
                       const struct archive_item *item)
{
    static const unsigned types[] = { AE_IFREG, AE_IFDIR, AE_IFLNK, AE_IFREG };

    lib->set_pathname(entry, item->name);
    lib->set_filetype(entry, types[item->kind]);
    lib->set_perm(entry, item->kind == ARCHIVE_LINK ? 0777 : item->mode & 07777);
    lib->set_size(entry, item->kind == ARCHIVE_FILE ? item->size : 0);
    set_time(lib, entry, item->mtime_ns);
    if (item->kind == ARCHIVE_LINK)
        lib->set_symlink(entry, item->link);
    if (item->kind == ARCHIVE_HARD)
        lib->set_hardlink(entry, item->link);
}

static int end_entry(const struct archive_writer *w, struct err *err)
{
    if (w->missing > 0)
        return err_set(err, ERR_INVALID, "a file in the archive lacks %lld bytes", (long long) w->missing);
    return 0;
}

int archive_writer_begin(struct archive_writer *w, const struct archive_item *item, struct err *err)
{
    struct archive_entry *entry;
    __typeof__(speak_utf8()) before;
    int r = end_entry(w, err);

    if (r < 0)
        return r;
    if (!is_name(item->name) || (item->kind == ARCHIVE_HARD && !is_name(item->link)))
        return err_set(err, ERR_INVALID, "'%s' cannot be a name in an archive", item->name);
    entry = w->lib->entry_new();
    if (!entry)
        return err_set(err, ERR_INTERNAL, "no memory for an archive");
    fill_entry(w->lib, entry, item);
    before = speak_utf8();
    r = w->lib->write_header(w->archive, entry);
    speak_as_before(before);
    w->lib->entry_free(entry);
    if (!is_fine(r))
        return fail(w, item->name, err);
    w->missing = item->kind == ARCHIVE_FILE ? item->size : 0;
    return 0;
}

int archive_writer_add(struct archive_writer *w, struct span piece, struct err *err)
{
    if (piece.len == 0)
        return 0;
    if ((uint64_t) w->missing < piece.len)
        return err_set(err, ERR_INVALID, "a file in the archive has too many bytes");
    if (w->lib->write_data(w->archive, piece.ptr, piece.len) != (la_ssize_t) piece.len)
        return fail(w, "a file", err);
    w->missing -= (int64_t) piece.len;
    return 0;
}

int archive_writer_add_file(struct archive_writer *w, const char *name, struct span content, mode_t mode,
                            struct err *err)
{
    const struct archive_item item = {
        .name = name, .kind = ARCHIVE_FILE, .mode = mode, .size = (int64_t) content.len
    };
    int r = archive_writer_begin(w, &item, err);

    return r < 0 ? r : archive_writer_add(w, content, err);
}

int archive_writer_add_dir(struct archive_writer *w, const char *name, mode_t mode, struct err *err)
{
    const struct archive_item item = { .name = name, .kind = ARCHIVE_DIR, .mode = mode };

    return archive_writer_begin(w, &item, err);
}

int archive_writer_finish(struct archive_writer *w, struct err *err)
{
    int r = end_entry(w, err);

    if (r < 0)
        return r;
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

/* ---- reading ---- */

struct archive_reader {
    const struct library *lib;
    struct archive *archive;
    archive_source_fn *source;
    void *data;
    bool is_open, is_over;
    char *name, *link; /* of the entry returned last */
    int failed;        /* what the source said */
    struct err err;
};

static la_ssize_t on_want(struct archive *archive, void *data, const void **ret)
{
    struct archive_reader *r = data;
    struct span piece = { "", 0 };

    if (r->failed == 0)
        r->failed = r->source(r->data, &piece, &r->err);
    *ret = piece.ptr;
    return r->failed < 0 ? -1 : (la_ssize_t) piece.len;
}

static int damaged(struct archive_reader *r, struct err *err)
{
    const char *why = r->lib->error_string(r->archive);

    if (r->failed == 0)
        return err_set(err, ERR_INVALID, "the archive is damaged: %s", why ? why : "no reason is given");
    if (err)
        *err = r->err;
    return r->failed;
}

static int reader_init(struct archive_reader *r, struct err *err)
{
    r->archive = r->lib->read_new();
    if (!r->archive || !is_fine(r->lib->read_tar(r->archive)))
        return err_set(err, ERR_INTERNAL, "no memory to read an archive");
    if (r->lib->read_zstd(r->archive) != ARCHIVE_OK)
        return no_filter("zstd", err);
    return r->lib->read_gzip(r->archive) == ARCHIVE_OK ? 0 : no_filter("gzip", err);
}

int archive_reader_new(struct archive_reader **ret, archive_source_fn *source, void *data, struct err *err)
{
    struct archive_reader *reader = calloc(1, sizeof(*reader));
    int r = reader ? load(&reader->lib, err) : err_set(err, ERR_INTERNAL, "no memory to read an archive");

    if (r == 0) {
        reader->source = source;
        reader->data = data;
        r = reader_init(reader, err);
    }
    if (r < 0)
        archive_reader_free(reader);
    else
        *ret = reader;
    return r;
}

int archive_reader_take_xz(struct archive_reader *r, struct err *err)
{
    return r->lib->read_xz(r->archive) == ARCHIVE_OK ? 0 : no_filter("xz", err);
}

static void forget_texts(struct archive_reader *r)
{
    free(r->name);
    free(r->link);
    r->name = r->link = NULL;
}

void archive_reader_free(struct archive_reader *r)
{
    if (!r)
        return;
    if (r->archive)
        (void) r->lib->read_free(r->archive); /* only read */
    forget_texts(r);
    free(r);
}

/* "./a/b/" is a/b. NULL: no memory. */
static char *clean_name(const char *name)
{
    size_t len;

    while (name[0] == '.' && name[1] == '/')
        for (name += 2; *name == '/';)
            name++;
    len = strlen(name);
    while (len > 1 && name[len - 1] == '/')
        len--;
    return strndup(name, len);
}

static bool is_root(const char *name)
{
    return name[0] == '\0' || strcmp(name, ".") == 0;
}

static int take_name(const char *raw, char **ret, struct err *err)
{
    if (!raw)
        return err_set(err, ERR_INVALID, "a name in the archive cannot be read");
    *ret = clean_name(raw);
    return *ret ? 0 : err_set(err, ERR_INTERNAL, "no memory to read an archive");
}

static int take_kind(struct archive_reader *r, struct archive_entry *entry, struct archive_item *ret,
                     struct err *err)
{
    const char *hard = r->lib->hardlink(entry), *symbolic;

    if (hard) {
        ret->kind = ARCHIVE_HARD;
        return take_name(hard, &r->link, err);
    }
    switch (r->lib->filetype(entry)) {
    case AE_IFREG:
        ret->kind = ARCHIVE_FILE;
        ret->size = r->lib->size(entry);
        return ret->size < 0 ? err_set(err, ERR_INVALID, "'%s' has no size", r->name) : 0;
    case AE_IFDIR:
        ret->kind = ARCHIVE_DIR;
        return 0;
    case AE_IFLNK:
        symbolic = r->lib->symlink(entry);
        ret->kind = ARCHIVE_LINK;
        r->link = symbolic && *symbolic ? strdup(symbolic) : NULL;
        return r->link ? 0 : err_set(err, ERR_INVALID, "link '%s' has no target", r->name);
    default:
        return err_set(err, ERR_INVALID, "'%s' in the archive is neither file, folder nor link", r->name);
    }
}

/* Saturates: nobody has files of the year 2262. */
static int64_t time_of(const struct library *lib, struct archive_entry *entry)
{
    int64_t seconds = lib->mtime(entry), rest = lib->mtime_nsec(entry), ns;

    if (rest < 0 || rest > 999999999)
        rest = 0;
    if (__builtin_mul_overflow(seconds, INT64_C(1000000000), &ns) || __builtin_add_overflow(ns, rest, &ns))
        return seconds < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

static int take_entry(struct archive_reader *r, struct archive_entry *entry, struct archive_item *ret,
                      struct err *err)
{
    struct archive_item item = { .mode = (uint32_t) r->lib->perm(entry) & 07777,
                                 .mtime_ns = time_of(r->lib, entry) };
    int result = take_name(r->lib->pathname(entry), &r->name, err);

    if (result == 0)
        result = take_kind(r, entry, &item, err);
    if (result < 0)
        return result;
    if (item.kind == ARCHIVE_DIR && is_root(r->name))
        return 0;
    if (!is_name(r->name) || (item.kind == ARCHIVE_HARD && !is_name(r->link)))
        return err_set(err, ERR_INVALID, "'%s' cannot be a name in an archive",
                       is_name(r->name) ? r->link : r->name);
    item.name = r->name;
    item.link = r->link;
    *ret = item;
    return 1;
}

int archive_reader_next(struct archive_reader *r, struct archive_item *ret, struct err *err)
{
    struct archive_entry *entry;
    __typeof__(speak_utf8()) before;
    int result = 0;

    if (!r->is_open && !is_fine(r->lib->read_open(r->archive, r, NULL, on_want, NULL)))
        return damaged(r, err);
    r->is_open = true;
    while (result == 0 && !r->is_over) {
        forget_texts(r);
        before = speak_utf8();
        result = r->lib->read_header(r->archive, &entry);
        speak_as_before(before);
        r->is_over = result == ARCHIVE_EOF;
        if (r->is_over)
            return 0;
        /* a warning here is a header that is not what it should be */
        result = result == ARCHIVE_OK ? take_entry(r, entry, ret, err) : damaged(r, err);
    }
    return result;
}

ssize_t archive_reader_read(struct archive_reader *r, char *out, size_t size, struct err *err)
{
    la_ssize_t n = r->lib->read_data(r->archive, out, size);

    return n < 0 ? damaged(r, err) : (ssize_t) n;
}
