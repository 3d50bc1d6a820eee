/* SPDX-License-Identifier: MIT */
/* Lists of files: as sha256sum writes them, and read again. */
#include "tests/unit/unit.h"

#include "core/run/output_digest.h"

#define HEX_A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define HEX_B "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"

static void listed(struct output_digest_file *list, size_t count, const char *want)
{
    struct buf out = BUF_INIT(4096);
    char sum[DIGEST_HEX], of_text[DIGEST_HEX];

    assert_int_equal(output_list(list, count, &out), 0);
    assert_string_equal(buf_text(&out), want);
    assert_int_equal(output_digest(list, count, sum, NULL), 0);
    digest_of(buf_span(&out), of_text);
    assert_string_equal(sum, of_text);
    buf_done(&out);
}

static void test_sorted_by_bytes(void **state)
{
    struct output_digest_file list[] = {
        { "b", HEX_B }, { "a/x", HEX_A }, { "a-", HEX_B }, { "\xff", HEX_A }
    };

    listed(NULL, 0, "");
    listed(list, 4, HEX_B "  a-\n" HEX_A "  a/x\n" HEX_B "  b\n" HEX_A "  \xff\n");
}

/* What GNU sha256sum prints for such names. */
static void test_names_that_would_lie(void **state)
{
    struct output_digest_file list[] = { { "a\nb", HEX_A }, { "c\\d", HEX_B }, { "e\rf", HEX_A } };

    listed(list, 3, "\\" HEX_A "  a\\nb\n\\" HEX_B "  c\\\\d\n\\" HEX_A "  e\\rf\n");
}

/* One file whose name holds a line is not two files. */
static void test_no_two_lists_are_the_same_text(void **state)
{
    struct output_digest_file one[] = { { "a\n" HEX_B "  b", HEX_A } };
    struct output_digest_file two[] = { { "a", HEX_A }, { "b", HEX_B } };
    char first[DIGEST_HEX], second[DIGEST_HEX];

    assert_int_equal(output_digest(one, 1, first, NULL), 0);
    assert_int_equal(output_digest(two, 2, second, NULL), 0);
    assert_string_not_equal(first, second);
}

static void read_back(const char *name)
{
    struct output_digest_file file = { name, HEX_A };
    struct buf text = BUF_INIT(4096), got = BUF_INIT(4096);
    char sum[DIGEST_HEX];

    assert_int_equal(output_list(&file, 1, &text), 0);
    assert_int_equal(output_list_line(span_make(text.data, text.len - 1), sum, &got, NULL), 0);
    assert_string_equal(sum, HEX_A);
    assert_string_equal(buf_text(&got), name);
    buf_done(&text);
    buf_done(&got);
}

static void test_lines_are_read_back(void **state)
{
    read_back("a");
    read_back("a/b  c");
    read_back("\\");
    read_back("\n\r\\n\\");
    read_back("\x1b[2J\xff");
}

static void refused(const char *line)
{
    struct buf got = BUF_INIT(4096);
    struct err err = { 0 };
    char sum[DIGEST_HEX];

    assert_int_equal(output_list_line(span_of(line), sum, &got, &err), -ERR_INVALID);
    assert_string_equal(err.text, "this is no line of a list of files");
    buf_done(&got);
}

static void test_what_is_no_line(void **state)
{
    refused("");
    refused("\\");
    refused(HEX_A);
    refused(HEX_A "  ");
    refused(HEX_A " a");
    refused(HEX_A " *a");
    refused("C" HEX_A "  a");
    refused(HEX_A "  a\\nb");  /* an escape in a line that has none */
    refused("\\" HEX_A "  a"); /* and one that need not be escaped */
    refused("\\" HEX_A "  a\\");
    refused("\\" HEX_A "  a\\xb");
    refused(HEX_A "  a\nb");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_sorted_by_bytes),
    cmocka_unit_test(test_names_that_would_lie),
    cmocka_unit_test(test_no_two_lists_are_the_same_text),
    cmocka_unit_test(test_lines_are_read_back),
    cmocka_unit_test(test_what_is_no_line),
};

UNIT_MAIN(tests)
