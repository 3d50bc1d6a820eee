/* SPDX-License-Identifier: MIT */
/* The module itself is included, so that its loader can be asked for libraries that do not exist. */
#include "core/base/archive.c" /* NOLINT */

#include "tests/unit/unit.h"

#include <stdio.h>

static unsigned long octal_at(const struct buf *b, size_t at, size_t len)
{
    char text[16] = { 0 };

    assert_true(len < sizeof(text) && at + len <= b->len);
    memcpy(text, b->data + at, len);
    return strtoul(text, NULL, 8);
}

/* The fields of a ustar header, by their offsets in the standard. */
static void check_header(const struct buf *b, size_t at, const char *name, char type, unsigned long mode,
                         unsigned long size)
{
    assert_string_equal(b->data + at, name);
    assert_int_equal(octal_at(b, at + 100, 7), mode);
    assert_int_equal(octal_at(b, at + 108, 7), 0); /* owner */
    assert_int_equal(octal_at(b, at + 116, 7), 0); /* group */
    assert_int_equal(octal_at(b, at + 124, 11), size);
    assert_int_equal(octal_at(b, at + 136, 11), 0); /* time */
    assert_int_equal(b->data[at + 156], type);
    assert_memory_equal(b->data + at + 257,
                        "ustar\0"
                        "00",
                        8);
    assert_string_equal(b->data + at + 265, ""); /* no user name */
}

static void check_zero(const struct buf *b, size_t from)
{
    for (size_t i = from; i < b->len; i++)
        assert_int_equal(b->data[i], 0);
}

static void test_one_file(void **state)
{
    struct buf out = BUF_INIT(1 << 20);
    struct err err = { 0 };

    assert_int_equal(archive_pack_file(&out, "agentbox-guest",
                                       span_of("\x7F"
                                               "ELF!"),
                                       0755, &err),
                     0);
    check_header(&out, 0, "agentbox-guest", '0', 0755, 5);
    assert_memory_equal(out.data + 512,
                        "\x7F"
                        "ELF!\0",
                        6);
    assert_int_equal(out.len, 4 * 512);
    check_zero(&out, 517);
    buf_done(&out);
}

static void test_folders_and_files(void **state)
{
    struct archive_writer *w = NULL;
    struct buf out = BUF_INIT(1 << 20);
    struct err err = { 0 };

    assert_int_equal(archive_writer_new(&w, &out, &err), 0);
    assert_int_equal(archive_writer_add_dir(w, "bin", 0700, &err), 0);
    assert_int_equal(archive_writer_add_file(w, "bin/empty", (struct span){ NULL, 0 }, 0644, &err), 0);
    assert_int_equal(archive_writer_finish(w, &err), 0);
    archive_writer_free(w);
    check_header(&out, 0, "bin/", '5', 0700, 0);
    check_header(&out, 512, "bin/empty", '0', 0644, 0);
    check_zero(&out, 1024);
    buf_done(&out);
}

static void test_the_same_input_gives_the_same_bytes(void **state)
{
    struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);
    struct err err = { 0 };
    char name[201];

    memset(name, 'n', sizeof(name)); /* past ustar's 100: needs a pax header */
    name[100] = '/';
    name[200] = '\0';
    assert_int_equal(archive_pack_file(&a, name, span_of("x"), 0644, &err), 0);
    assert_int_equal(archive_pack_file(&b, name, span_of("x"), 0644, &err), 0);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_done(&a);
    buf_done(&b);
}

static void test_a_name_that_is_not_ascii_is_kept(void **state)
{
    struct buf out = BUF_INIT(1 << 20);
    struct err err = { 0 };

    assert_int_equal(archive_pack_file(&out, "\xC3\xA9t\xC3\xA9", span_of("x"), 0644, &err), 0);
    assert_non_null(memmem(out.data, out.len, "\xC3\xA9t\xC3\xA9", 5));
    buf_done(&out);
}

static void test_bad_names_are_refused(void **state)
{
    static const char *const names[] = { "", "/etc/passwd", "..", "a/../b", "../x", ".", "a//b", "a/./b" };
    struct buf out = BUF_INIT(1 << 20);
    struct err err = { 0 };
    char text[64];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(archive_pack_file(&out, names[i], span_of("x"), 0644, &err), -ERR_INVALID);
        snprintf(text, sizeof(text), "'%s' cannot be a name in an archive", names[i]);
        assert_string_equal(err.text, text);
    }
    buf_done(&out);
}

static void test_a_full_buffer_is_an_error(void **state)
{
    struct buf out = BUF_INIT(1000);
    struct err err = { 0 };

    assert_int_equal(archive_pack_file(&out, "a", span_of("x"), 0644, &err), -ERR_TOO_LARGE);
    assert_string_equal(err.text, "the archive is larger than 1000 bytes");
    buf_done(&out);
}

static void test_a_missing_library_is_said(void **state)
{
    static const char *const names[] = { "libnot-there.so.1", "libnot-there-either.so", NULL };
    struct library library = { 0 };
    struct err err = { 0 };

    assert_int_equal(load_from(names, &library, &err), -ERR_IO);
    assert_string_equal(err.text, "libarchive is not installed");
    assert_string_equal(err.hint,
                        "install the package 'libarchive13' (Debian, Ubuntu) or 'libarchive' (elsewhere)");
    assert_int_equal(load_from(names, &library, NULL), -ERR_IO);
}

static void test_another_library_is_not_taken_for_it(void **state)
{
    static const char *const names[] = { "libcrypto.so.3", "libcrypto.so", "libcrypto.dylib", NULL };
    struct library library = { 0 };
    struct err err = { 0 };

    assert_int_equal(load_from(names, &library, &err), -ERR_IO);
    assert_string_equal(err.text, "the installed libarchive has no 'archive_write_new'");
}

/* ---- streams ---- */

static int add_to_buf(void *data, struct span bytes, struct err *err)
{
    return buf_add_span(data, bytes) < 0 ? err_set(err, ERR_INTERNAL, "full") : 0;
}

/* Hands a buffer out in pieces of `step` bytes. */
struct pieces {
    const struct buf *from;
    size_t at, step;
};

static int next_piece(void *data, struct span *ret, struct err *err)
{
    struct pieces *p = data;
    size_t left = p->from->len - p->at;

    *ret = span_make(p->from->data + p->at, left < p->step ? left : p->step);
    p->at += ret->len;
    return 0;
}

#define NS INT64_C(1000000000)

/* Each awkward in its own way. */
static const struct archive_item items[] = {
    { "dir", ARCHIVE_DIR, 01755, 1700000000 * NS + 123456789, 0, NULL },
    { "dir/a\nb", ARCHIVE_FILE, 0600, -5 * NS, 5, NULL },
    { "\xff\xfe bytes", ARCHIVE_FILE, 04755, 1, 5, NULL },
    { "\xc3\xa9t\xc3\xa9", ARCHIVE_FILE, 0644, 0, 0, NULL },
    { "c:\\dir", ARCHIVE_FILE, 0, 0, 5, NULL },
    { "link", ARCHIVE_LINK, 0777, 2 * NS + 2, 0, "/usr/bin/../\xff" },
    { "\xff\xfe hard", ARCHIVE_HARD, 04755, 1, 0, "\xff\xfe bytes" },
    { "5=x", ARCHIVE_LINK, 0777, 0, 0, "\n" },
};

#define ITEMS (sizeof(items) / sizeof(items[0]))

static void write_items(struct buf *out, enum archive_filter filter)
{
    struct archive_options options = { .filter = filter, .level = 1, .is_detailed = true };
    struct archive_writer *w = NULL;
    struct err err = { 0 };

    assert_int_equal(archive_writer_open(&w, &options, add_to_buf, out, &err), 0);
    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(archive_writer_begin(w, &items[i], &err), 0);
        if (items[i].size) {
            assert_int_equal(archive_writer_add(w, span_of("ab"), &err), 0);
            assert_int_equal(archive_writer_add(w, span_of("cde"), &err), 0);
        }
    }
    assert_int_equal(archive_writer_finish(w, &err), 0);
    archive_writer_free(w);
}

static void expect_item(struct archive_reader *r, const struct archive_item *want)
{
    struct archive_item got;
    struct err err = { 0 };
    char content[16];

    assert_int_equal(archive_reader_next(r, &got, &err), 1);
    assert_string_equal(got.name, want->name);
    assert_int_equal(got.kind, want->kind);
    assert_int_equal(got.mode, want->mode);
    assert_int_equal(got.mtime_ns, want->mtime_ns);
    assert_int_equal(got.size, want->size);
    if (want->link)
        assert_string_equal(got.link, want->link);
    else
        assert_null(got.link);
    if (want->size == 0)
        return;
    assert_int_equal(archive_reader_read(r, content, sizeof(content), &err), 5);
    assert_memory_equal(content, "abcde", 5);
    assert_int_equal(archive_reader_read(r, content, sizeof(content), &err), 0);
}

static void read_items(const struct buf *from, size_t step)
{
    struct pieces pieces = { .from = from, .step = step };
    struct archive_reader *r = NULL;
    struct archive_item item;
    struct err err = { 0 };

    assert_int_equal(archive_reader_new(&r, next_piece, &pieces, &err), 0);
    for (size_t i = 0; i < ITEMS; i++)
        expect_item(r, &items[i]);
    assert_int_equal(archive_reader_next(r, &item, &err), 0);
    assert_int_equal(archive_reader_next(r, &item, &err), 0);
    archive_reader_free(r);
}

static void test_round_trip(void **state)
{
    static const enum archive_filter filters[] = { ARCHIVE_PLAIN, ARCHIVE_ZSTD, ARCHIVE_GZIP };

    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        struct buf out = BUF_INIT(1 << 20);

        write_items(&out, filters[i]);
        read_items(&out, out.len);
        read_items(&out, 1);
        buf_done(&out);
    }
}

static void test_parts_of_seconds_before_1970(void **state)
{
    struct archive_item item = { .name = "a", .kind = ARCHIVE_DIR, .mtime_ns = -5 * NS + 7 };
    struct archive_options options = { .is_detailed = true };
    struct archive_writer *w = NULL;
    struct buf out = BUF_INIT(1 << 20);
    struct pieces pieces = { .from = &out, .step = 512 };
    struct archive_reader *r = NULL;

    assert_int_equal(archive_writer_open(&w, &options, add_to_buf, &out, NULL), 0);
    assert_int_equal(archive_writer_begin(w, &item, NULL), 0);
    assert_int_equal(archive_writer_finish(w, NULL), 0);
    archive_writer_free(w);
    assert_int_equal(archive_reader_new(&r, next_piece, &pieces, NULL), 0);
    assert_int_equal(archive_reader_next(r, &item, NULL), 1);
    assert_int_equal(item.mtime_ns, -5 * NS);
    archive_reader_free(r);
    buf_done(&out);
}

static int refuse(void *data, struct span bytes, struct err *err)
{
    return err_set(err, ERR_IO, "no room");
}

static int no_bytes(void *data, struct span *ret, struct err *err)
{
    return err_set(err, ERR_IO, "no such disk");
}

static void test_failures_of_the_other_side(void **state)
{
    struct archive_options options = { .filter = ARCHIVE_ZSTD };
    struct archive_writer *w = NULL;
    struct archive_reader *r = NULL;
    struct archive_item item = { .name = "a", .kind = ARCHIVE_FILE };
    struct err err = { 0 };
    int result;

    assert_int_equal(archive_writer_open(&w, &options, refuse, NULL, &err), 0);
    result = archive_writer_begin(w, &item, &err);
    if (result == 0)
        result = archive_writer_finish(w, &err);
    assert_int_equal(result, -ERR_IO);
    assert_string_equal(err.text, "no room");
    archive_writer_free(w);
    assert_int_equal(archive_reader_new(&r, no_bytes, NULL, &err), 0);
    assert_int_equal(archive_reader_next(r, &item, &err), -ERR_IO);
    assert_string_equal(err.text, "no such disk");
    archive_reader_free(r);
}

static void test_given_up_writes_nothing(void **state)
{
    struct archive_options options = { .filter = ARCHIVE_PLAIN };
    struct archive_item item = { .name = "a", .kind = ARCHIVE_FILE, .size = 3 };
    struct archive_writer *w = NULL;
    struct buf out = BUF_INIT(1 << 20);
    size_t before;

    assert_int_equal(archive_writer_open(&w, &options, add_to_buf, &out, NULL), 0);
    assert_int_equal(archive_writer_begin(w, &item, NULL), 0);
    before = out.len;
    archive_writer_free(w);
    assert_int_equal(out.len, before);
    buf_done(&out);
}

static void test_sizes_are_kept(void **state)
{
    struct archive_options options = { .filter = ARCHIVE_PLAIN };
    struct archive_item item = { .name = "a", .kind = ARCHIVE_FILE, .size = 3 };
    struct archive_writer *w = NULL;
    struct buf out = BUF_INIT(1 << 20);
    struct err err = { 0 };

    assert_int_equal(archive_writer_open(&w, &options, add_to_buf, &out, &err), 0);
    assert_int_equal(archive_writer_begin(w, &item, &err), 0);
    assert_int_equal(archive_writer_add(w, span_of("four"), &err), -ERR_INVALID);
    assert_int_equal(archive_writer_add(w, span_of("1"), &err), 0);
    assert_int_equal(archive_writer_begin(w, &item, &err), -ERR_INVALID);
    assert_string_equal(err.text, "a file in the archive lacks 2 bytes");
    assert_int_equal(archive_writer_finish(w, &err), -ERR_INVALID);
    archive_writer_free(w);
    buf_done(&out);
}

/* A plain archive of one file whose name is then replaced. */
static void write_named(struct buf *out, const char *name)
{
    unsigned sum = 0;

    assert_int_equal(archive_pack_file(out, "abcdefgh", span_of("x"), 0644, NULL), 0);
    memset(out->data, 0, 8);
    memcpy(out->data, name, strlen(name));
    memset(out->data + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += (unsigned char) out->data[i];
    snprintf(out->data + 148, 8, "%06o", sum);
}

static int read_named(const char *name, char *ret_name)
{
    struct buf out = BUF_INIT(1 << 20);
    struct pieces pieces = { .from = &out, .step = 100 };
    struct archive_reader *r = NULL;
    struct archive_item item;
    int result;

    write_named(&out, name);
    assert_int_equal(archive_reader_new(&r, next_piece, &pieces, NULL), 0);
    result = archive_reader_next(r, &item, NULL);
    if (result == 1)
        snprintf(ret_name, 16, "%s", item.name);
    archive_reader_free(r);
    buf_done(&out);
    return result;
}

static void test_read_names(void **state)
{
    static const char *const bad[] = { "/etc", "..", "../a", "a/../b", "a//b", "a/./b", ".", "x/.." };
    char name[16];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(read_named(bad[i], name), -ERR_INVALID);
    assert_int_equal(read_named("./././a", name), 1);
    assert_string_equal(name, "a");
}

/* A name that is UTF-8 is one in the archive too: no word that tar would warn of. */
static void test_utf8_needs_no_binary_names(void **state)
{
    struct archive_item item = { .name = "\xc3\xa9", .kind = ARCHIVE_LINK, .link = "\xe2\x82\xac" };
    struct archive_options options = { .is_detailed = true };
    struct archive_writer *w = NULL;
    struct buf out = BUF_INIT(1 << 20);

    assert_int_equal(archive_writer_open(&w, &options, add_to_buf, &out, NULL), 0);
    assert_int_equal(archive_writer_begin(w, &item, NULL), 0);
    assert_int_equal(archive_writer_finish(w, NULL), 0);
    archive_writer_free(w);
#ifdef __GLIBC__
    assert_null(memmem(out.data, out.len, "hdrcharset", 10));
    assert_non_null(memmem(out.data, out.len, "path=\xc3\xa9", 7));
#endif
    buf_done(&out);
}

static void test_every_cut_is_found(void **state)
{
    struct buf whole = BUF_INIT(1 << 20);

    write_items(&whole, ARCHIVE_ZSTD);
    for (size_t len = 0; len < whole.len; len++) {
        struct buf part = { .data = whole.data, .len = len };
        struct pieces pieces = { .from = &part, .step = 4096 };
        struct archive_reader *r = NULL;
        struct archive_item item;
        size_t count = 0;
        char content[16];
        int result;

        assert_int_equal(archive_reader_new(&r, next_piece, &pieces, NULL), 0);
        while ((result = archive_reader_next(r, &item, NULL)) == 1) {
            count++;
            while ((result = (int) archive_reader_read(r, content, sizeof(content), NULL)) > 0)
                continue;
            if (result < 0)
                break;
        }
        assert_true(result == -ERR_INVALID || count == ITEMS); /* the end of the stream says nothing more */
        archive_reader_free(r);
    }
    buf_done(&whole);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_one_file),
    cmocka_unit_test(test_folders_and_files),
    cmocka_unit_test(test_the_same_input_gives_the_same_bytes),
    cmocka_unit_test(test_a_name_that_is_not_ascii_is_kept),
    cmocka_unit_test(test_bad_names_are_refused),
    cmocka_unit_test(test_a_full_buffer_is_an_error),
    cmocka_unit_test(test_a_missing_library_is_said),
    cmocka_unit_test(test_another_library_is_not_taken_for_it),
    cmocka_unit_test(test_round_trip),
    cmocka_unit_test(test_parts_of_seconds_before_1970),
    cmocka_unit_test(test_failures_of_the_other_side),
    cmocka_unit_test(test_given_up_writes_nothing),
    cmocka_unit_test(test_sizes_are_kept),
    cmocka_unit_test(test_read_names),
    cmocka_unit_test(test_utf8_needs_no_binary_names),
    cmocka_unit_test(test_every_cut_is_found),
};

UNIT_MAIN(tests)
