/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/textdiff.h"

#include <stdio.h>

static void expect(const char *a, const char *b, const char *want, int added, int removed)
{
    struct buf out = BUF_INIT(1 << 20);
    struct textdiff_counts counts = { 7, 7 };

    assert_int_equal(textdiff(span_of(a), span_of(b), 3, &out, &counts, NULL), 0);
    assert_string_equal(buf_text(&out), want);
    assert_int_equal(counts.added, added);
    assert_int_equal(counts.removed, removed);
    counts = (struct textdiff_counts){ 7, 7 };
    assert_int_equal(textdiff(span_of(a), span_of(b), 3, NULL, &counts, NULL), 0);
    assert_int_equal(counts.added, added);
    buf_done(&out);
}

static void test_equal(void **state)
{
    expect("", "", "", 0, 0);
    expect("a\nb\n", "a\nb\n", "", 0, 0);
}

static void test_small_changes(void **state)
{
    expect("", "a\n", "@@ -0,0 +1 @@\n+a\n", 1, 0);
    expect("a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n", 0, 2);
    expect("a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n", 1, 1);
    expect("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n6\n7\n8\n9\n",
           "@@ -2,7 +2,6 @@\n 2\n 3\n 4\n-5\n 6\n 7\n 8\n", 0, 1);
    expect("1\n2\n", "0\n1\n2\n3\n", "@@ -1,2 +1,4 @@\n+0\n 1\n 2\n+3\n", 2, 0);
}

static void test_missing_newlines(void **state)
{
    expect("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n", 1, 1);
    expect("x\na", "y\na", "@@ -1,2 +1,2 @@\n-x\n+y\n a\n\\ No newline at end of file\n", 1, 1);
}

static void test_hunks_are_joined_when_near(void **state)
{
    expect("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
           "@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n", 2, 2);
    expect("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
           "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n", 2, 2);
}

/* Follows the hunks: what they make of `a` must be `b`. */
static void apply(const char *a, size_t a_len, const struct buf *diff, struct buf *out)
{
    const char *at = diff->data, *end = diff->data + diff->len, *from = a, *a_end = a + a_len;
    unsigned long line = 0;

    while (at < end) {
        const char *eol = memchr(at, '\n', (size_t) (end - at)), *stop;
        bool is_cut = eol + 1 < end && eol[1] == '\\';

        assert_non_null(eol);
        if (*at == '@') {
            unsigned long start = strtoul(at + 4, NULL, 10), count = 1;
            const char *comma = at + 4 + strspn(at + 4, "0123456789");

            if (*comma == ',')
                count = strtoul(comma + 1, NULL, 10);
            for (start -= count > 0; line < start; line++) { /* lines between the hunks */
                stop = memchr(from, '\n', (size_t) (a_end - from));
                stop = stop ? stop + 1 : a_end;
                buf_add(out, from, (size_t) (stop - from));
                from = stop;
            }
        } else if (*at != '\\') {
            size_t len = (size_t) (eol - at) - 1 + !is_cut;

            if (*at != '+') {
                assert_true((size_t) (a_end - from) >= len);
                assert_memory_equal(from, at + 1, len);
                from += len;
                line++;
            }
            if (*at != '-')
                buf_add(out, at + 1, len);
        }
        at = eol + 1;
    }
    buf_add(out, from, (size_t) (a_end - from));
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void make_text(struct buf *out, uint32_t *seed, unsigned lines, unsigned words)
{
    for (unsigned i = 0; i < lines; i++)
        buf_printf(out, "%u%s", next_random(seed) % words,
                   i + 1 == lines && next_random(seed) % 2 ? "" : "\n");
}

static int64_t check(const struct buf *a, const struct buf *b)
{
    struct buf diff = BUF_INIT(1 << 26), again = BUF_INIT(1 << 26);
    struct textdiff_counts counts;

    assert_int_equal(textdiff(buf_span(a), buf_span(b), 3, &diff, &counts, NULL), 0);
    apply(a->len ? a->data : "", a->len, &diff, &again);
    assert_int_equal(again.len, b->len);
    if (b->len)
        assert_memory_equal(again.data, b->data, b->len);
    buf_done(&diff);
    buf_done(&again);
    return counts.added + counts.removed;
}

/* The length of the shortest difference, by the table of the textbook. */
static int64_t shortest(const struct buf *a, const struct buf *b)
{
    int64_t table[41][41] = { { 0 } };
    struct span x[40], y[40];
    int n[2] = { 0, 0 };

    for (int side = 0; side < 2; side++) {
        const struct buf *text = side ? b : a;

        for (size_t at = 0; at < text->len;) {
            const char *eol = memchr(text->data + at, '\n', text->len - at);
            size_t len = eol ? (size_t) (eol - text->data) + 1 - at : text->len - at;

            (side ? y : x)[n[side]++] = span_make(text->data + at, len);
            at += len;
        }
    }
    for (int i = n[0]; i >= 0; i--)
        for (int j = n[1]; j >= 0; j--) {
            if (i == n[0] || j == n[1])
                table[i][j] = n[0] - i + n[1] - j;
            else if (span_equal(x[i], y[j]))
                table[i][j] = table[i + 1][j + 1];
            else
                table[i][j] = 1 + (table[i + 1][j] < table[i][j + 1] ? table[i + 1][j] : table[i][j + 1]);
        }
    return table[0][0];
}

static void test_small_ones_are_shortest(void **state)
{
    uint32_t seed = 1;

    for (int i = 0; i < 3000; i++) {
        struct buf a = BUF_INIT(1 << 16), b = BUF_INIT(1 << 16);
        unsigned words = 1 + next_random(&seed) % 6;

        make_text(&a, &seed, next_random(&seed) % 40, words);
        make_text(&b, &seed, next_random(&seed) % 40, words);
        assert_int_equal(check(&a, &b), shortest(&a, &b));
        buf_done(&a);
        buf_done(&b);
    }
}

/* Far past the effort that is spent: still a difference, and in no time. */
static void test_large_and_different(void **state)
{
    struct buf a = BUF_INIT(1 << 26), b = BUF_INIT(1 << 26);
    uint32_t seed = 7;

    make_text(&a, &seed, 100000, 1000);
    make_text(&b, &seed, 120000, 1000);
    assert_true(check(&a, &b) < 220000);
    buf_clear(&b);
    make_text(&b, &seed, 100000, 1 << 20);
    (void) check(&a, &b);
    buf_done(&a);
    buf_done(&b);
}

static void test_empty_lines_only(void **state)
{
    struct buf a = BUF_INIT(1 << 21), b = BUF_INIT(1 << 21);

    for (int i = 0; i < 1 << 20; i++)
        buf_add_char(&a, '\n');
    buf_add(&b, a.data, a.len / 2);
    assert_int_equal(check(&a, &b), 1 << 19);
    buf_done(&a);
    buf_done(&b);
}

static void test_ceilings(void **state)
{
    struct buf out = BUF_INIT(10);
    struct textdiff_counts counts;

    assert_int_equal(textdiff(span_of(""), span_of("a\nb\nc\n"), 3, &out, &counts, NULL), -ERR_TOO_LARGE);
    assert_int_equal(textdiff(span_make("", TEXTDIFF_MAX + 1), span_of(""), 3, NULL, &counts, NULL),
                     -ERR_TOO_LARGE);
    buf_done(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_equal),
    cmocka_unit_test(test_small_changes),
    cmocka_unit_test(test_missing_newlines),
    cmocka_unit_test(test_hunks_are_joined_when_near),
    cmocka_unit_test(test_small_ones_are_shortest),
    cmocka_unit_test(test_large_and_different),
    cmocka_unit_test(test_empty_lines_only),
    cmocka_unit_test(test_ceilings),
};

UNIT_MAIN(tests)
