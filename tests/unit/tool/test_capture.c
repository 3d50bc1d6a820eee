/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/tool/capture.h"

#include <stdio.h>

#define SIXTY "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"
#define CUT   "\xe2\x80\xa6"

/* Render `text`, given in pieces of `step` bytes, to a budget. */
static char *render(const char *text, size_t step, size_t budget, uint64_t *ret_tokens)
{
    struct capture c;
    struct buf out = BUF_INIT(1 << 20);
    size_t len = strlen(text);

    assert_int_equal(capture_init(&c, 4096), 0);
    for (size_t at = 0; at < len; at += step)
        capture_add(&c, span_make(text + at, len - at < step ? len - at : step), 0);
    assert_int_equal(capture_render(&c, budget, &out, ret_tokens), 0);
    capture_done(&c);
    return buf_take(&out);
}

static void expect(const char *text, size_t budget_tokens, const char *want, uint64_t want_tokens)
{
    static const size_t steps[] = { 1, 7, 4096 };
    uint64_t tokens = 99;

    for (size_t i = 0; i < 3; i++) {
        char *got = render(text, steps[i], budget_tokens * 4, &tokens);

        assert_string_equal(got, want);
        assert_int_equal(tokens, want_tokens);
        free(got);
    }
}

static void test_one_line(void **state)
{
    expect(SIXTY, 0, "", 15);
    expect(SIXTY, 4, CUT "15 tokens tru", 15);
    expect(SIXTY, 10, "abcdefg" CUT "12 tokens truncated" CUT "cdefghij", 15);
    expect(SIXTY, 16, SIXTY, 0);
}

static void test_many_lines(void **state)
{
    char text[512] = "";

    for (int i = 0; i < 20; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "row %02d of the report\n", i);
    expect(text, 10, "row 00 " CUT "102 tokens truncated" CUT "report\n", 105);
    expect(text, 16, "Total output lines: 20\n\nrow 00 " CUT "102 tokens truncated" CUT "report\n", 105);
    expect(text, 32,
           "Total output lines: 20\n\nrow 00 of the report\nrow 01 of the repo" CUT "86 tokens truncated" CUT
           " 18 of the report\nrow 19 of the report\n",
           105);
}

static void test_cuts_on_characters(void **state)
{
    char text[101] = "";

    for (int i = 0; i < 50; i++)
        memcpy(text + 2 * i, "\xc3\xa9", 2);
    expect(text, 10,
           "\xc3\xa9\xc3\xa9\xc3\xa9" CUT "22 tokens truncated" CUT "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 25);
    expect(text, 32, text, 0);
}

static void test_keeps_head_and_tail_of_much(void **state)
{
    struct capture c;
    struct buf out = BUF_INIT(4096);
    uint64_t tokens;

    assert_int_equal(capture_init(&c, 100), 0);
    capture_add(&c, span_of("BEGIN"), 0);
    for (int i = 0; i < 100000; i++)
        capture_add(&c, span_of("0123456789"), 0);
    capture_add(&c, span_of("END"), 0);
    assert_int_equal(c.total, 1000008);
    assert_int_equal(capture_render(&c, 40, &out, &tokens), 0);
    assert_string_equal(buf_text(&out), "BEGIN" CUT "250000 tokens truncated" CUT "789END");
    assert_int_equal(tokens, 250002);
    buf_done(&out);
    capture_done(&c);
}

static void test_gap_is_never_bridged(void **state)
{
    struct capture c;
    struct buf out = BUF_INIT(4096);
    uint64_t tokens;

    assert_int_equal(capture_init(&c, 64), 0);
    capture_add(&c, span_of("head"), 0);
    capture_add(&c, span_of("tail\n"), 1000);
    assert_int_equal(capture_render(&c, 64, &out, &tokens), 0);
    assert_string_equal(buf_text(&out),
                        "Total output lines: 1\n\nhead" CUT "250 tokens truncated" CUT "tail\n");
    assert_int_equal(tokens, 253);
    buf_done(&out);
    capture_done(&c);
}

static void test_repairs_bytes_that_are_no_text(void **state)
{
    struct capture c;
    struct buf out = BUF_INIT(4096);
    uint64_t tokens;

    assert_int_equal(capture_init(&c, 64), 0);
    capture_add(&c, span_make("a\xff\0b", 4), 0);
    assert_int_equal(capture_render(&c, 64, &out, &tokens), 0);
    assert_int_equal(out.len, 6);
    assert_memory_equal(out.data, "a\xef\xbf\xbd\0b", 6);
    buf_done(&out);
    capture_done(&c);
}

/* Wherever they are: in the head, in the tail, over the seam between them and over that of the ring. */
static void test_finds_words(void **state)
{
    struct capture c;

    assert_int_equal(capture_init(&c, 8), 0);
    assert_false(capture_has(&c, "word"));
    capture_add(&c, span_of("a WoRd x"), 0);
    assert_true(capture_has(&c, "word"));
    assert_false(capture_has(&c, "words"));
    capture_add(&c, span_of("yz12345"), 0);
    assert_true(capture_has(&c, "xyz12345"));
    capture_add(&c, span_of("seam"), 0);
    assert_true(capture_has(&c, "45seam"));
    assert_false(capture_has(&c, "yz1"));
    capture_done(&c);
    assert_int_equal(capture_init(&c, 0), 0);
    capture_add(&c, span_of("word"), 0);
    assert_false(capture_has(&c, "word"));
    capture_done(&c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_finds_words),
    cmocka_unit_test(test_one_line),
    cmocka_unit_test(test_many_lines),
    cmocka_unit_test(test_cuts_on_characters),
    cmocka_unit_test(test_keeps_head_and_tail_of_much),
    cmocka_unit_test(test_gap_is_never_bridged),
    cmocka_unit_test(test_repairs_bytes_that_are_no_text),
};

UNIT_MAIN(tests)
