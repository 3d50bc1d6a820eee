/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/err.h"
#include "core/base/utf8.h"

static void test_valid_prefix(void **state)
{
    static const struct {
        const char *text;
        size_t valid;
    } rows[] = {
        { "", 0 },
        { "plain ascii that is longer than a word", 38 },
        { "12345678\xC3\xA9", 10 },
        { "\xE2\x82\xAC", 3 },
        { "\xF0\x9F\x98\x80", 4 },
        { "\xF4\x8F\xBF\xBF", 4 },
        { "a\xC0\x80", 1 },         /* overlong */
        { "a\xE0\x9F\xBF", 1 },     /* overlong */
        { "a\xF0\x8F\xBF\xBF", 1 }, /* overlong */
        { "a\xED\xA0\x80", 1 },     /* surrogate */
        { "a\xF4\x90\x80\x80", 1 }, /* past U+10FFFF */
        { "a\xFF", 1 },
        { "a\x80", 1 },
        { "a\xE2\x82", 1 }, /* cut */
        { "\xED\x9F\xBF\xEE\x80\x80", 6 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(utf8_valid(span_of(rows[i].text)), rows[i].valid);
    assert_int_equal(utf8_valid(span_make("a\0b", 3)), 3);
}

static void check_repair(const char *text, const char *repaired)
{
    struct buf out = BUF_INIT(1000);

    assert_int_equal(utf8_repair(&out, span_of(text)), 0);
    assert_string_equal(buf_text(&out), repaired);
    assert_int_equal(utf8_valid(buf_span(&out)), out.len);
    buf_done(&out);
}

#define FFFD "\xEF\xBF\xBD"

static void test_repair_replaces_each_maximal_subpart_once(void **state)
{
    check_repair("", "");
    check_repair("fine \xC3\xA9", "fine \xC3\xA9");
    check_repair("\xC0\xAF", FFFD FFFD);
    check_repair("\xE0\x9F\xBF", FFFD FFFD FFFD);
    check_repair("\xE2\x82x", FFFD "x");
    check_repair("\xF0\x9F\x98", FFFD);
    /* the example of the Unicode standard, table 3-11 */
    check_repair("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", FFFD FFFD FFFD FFFD "A");
    /* table 3-8 */
    check_repair("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A");
}

static void test_repair_leaves_a_full_buffer_as_it_was(void **state)
{
    struct buf out = BUF_INIT(5);

    assert_int_equal(buf_add_text(&out, "ab"), 0);
    assert_int_equal(utf8_repair(&out, span_of("x\xFFy")), -ERR_TOO_LARGE);
    assert_string_equal(buf_text(&out), "ab");
    buf_done(&out);
}

static void test_cuts_between_characters(void **state)
{
    struct span s = span_of("a\xE2\x82\xAC\xF0\x9F\x98\x80z");
    static const size_t cut[] = { 0, 1, 1, 1, 4, 4, 4, 4, 8, 9, 9 };
    static const size_t next[] = { 0, 1, 4, 4, 4, 8, 8, 8, 8, 9, 9 };

    for (size_t i = 0; i < 11; i++) {
        assert_int_equal(utf8_cut(s, i), cut[i]);
        assert_int_equal(utf8_next(s, i), next[i]);
    }
}

static void test_junk_can_be_cut_anywhere(void **state)
{
    struct span s = span_of("\x80\x80\x80\x80\x80\xE2\x82z");

    assert_int_equal(utf8_cut(s, 3), 3);
    assert_int_equal(utf8_next(s, 3), 3);
    assert_int_equal(utf8_cut(s, 6), 6); /* a lead byte whose character is not complete */
    assert_int_equal(utf8_cut((struct span){ NULL, 0 }, 3), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_valid_prefix),
    cmocka_unit_test(test_repair_replaces_each_maximal_subpart_once),
    cmocka_unit_test(test_repair_leaves_a_full_buffer_as_it_was),
    cmocka_unit_test(test_cuts_between_characters),
    cmocka_unit_test(test_junk_can_be_cut_anywhere),
};

UNIT_MAIN(tests)
