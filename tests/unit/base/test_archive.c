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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_one_file),
    cmocka_unit_test(test_folders_and_files),
    cmocka_unit_test(test_the_same_input_gives_the_same_bytes),
    cmocka_unit_test(test_a_name_that_is_not_ascii_is_kept),
    cmocka_unit_test(test_bad_names_are_refused),
    cmocka_unit_test(test_a_full_buffer_is_an_error),
    cmocka_unit_test(test_a_missing_library_is_said),
    cmocka_unit_test(test_another_library_is_not_taken_for_it),
};

UNIT_MAIN(tests)
