/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/err.h"
#include "core/base/sse.h"

#include <stdio.h>

/* Events as text: "name|payload" each, '~' between. */
static int note(void *data, struct span name, struct span payload)
{
    struct buf *seen = data;

    if (seen->len > 0)
        assert_int_equal(buf_add_char(seen, '~'), 0);
    assert_int_equal(buf_add_span(seen, name), 0);
    assert_int_equal(buf_add_char(seen, '|'), 0);
    assert_int_equal(buf_add_span(seen, payload), 0);
    return 0;
}

static void feed_in_steps(struct span input, size_t step, struct buf *seen)
{
    struct sse s;

    sse_init(&s);
    for (size_t at = 0; at < input.len; at += step) {
        size_t n = step < input.len - at ? step : input.len - at;

        assert_int_equal(sse_feed(&s, span_make(input.ptr + at, n), note, seen), 0);
    }
    assert_int_equal(sse_end(&s, note, seen), 0);
    sse_done(&s);
}

static void check(const char *input, const char *expected)
{
    for (size_t step = 1; step <= strlen(input) + 1; step++) {
        struct buf seen = BUF_INIT(4096);

        feed_in_steps(span_of(input), step, &seen);
        assert_string_equal(buf_text(&seen), expected);
        buf_done(&seen);
    }
}

static void test_plain_events(void **state)
{
    check("event: a\ndata: {\"x\":1}\n\nevent: b\ndata: 2\n\n", "a|{\"x\":1}~b|2");
}

static void test_line_ends(void **state)
{
    check("event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", "a|1~|2");
    check("event: a\rdata: 1\r\rdata: 2\r\r", "a|1~|2");
    check("data: 1\r\n\ndata: 2\n\r\n", "|1~|2");
    check("data: 1\r\rdata: 2\r\n\r", "|1~|2");
}

static void test_byte_order_mark(void **state)
{
    check("\xef\xbb\xbf"
          "data: 1\n\n",
          "|1");
    check("\xef\xbb"
          "data: 1\n\ndata: 2\n\n",
          "|2"); /* half a mark is a field nobody knows */
    check("data: 1\n\n\xef\xbb\xbf"
          "data: 2\n\n",
          "|1");
    check("\xef", "");
}

static void test_comments_and_unknown_fields(void **state)
{
    check(": hello\n\n:\ndata: 1\n: in between\nid: 7\nretry: 3\n# odd\nwhatever\ndatabase: 9\n\n", "|1");
}

static void test_field_order_and_blanks(void **state)
{
    check("data: 1\nevent: late\n\n", "late|1");
    check("data:no blank\n\ndata:  two\n\n", "|no blank~| two");
    check("event: a\nevent: b\ndata: 1\n\n", "b|1");
}

static void test_several_data_lines(void **state)
{
    check("data: a\ndata: b\ndata:\ndata\n\n", "|a\nb\n\n");
    check("data\n\n", "|");
}

static void test_event_without_data_is_none(void **state)
{
    check("event: a\n\ndata: 1\n\n", "|1");
}

static void test_open_event_at_the_end(void **state)
{
    check("data: 1\n\nevent: b\ndata: 2", "|1~b|2");
    check("event: b\ndata: 2\n", "b|2");
    check("data: 1\r", "|1");
    check("data: [DONE]", "|[DONE]");
    check("event: only", "");
    check("", "");
}

static void test_long_names_are_cut(void **state)
{
    char input[400], expected[200];

    snprintf(input, sizeof(input), "event: %0300d\ndata: 1\n\n", 0);
    snprintf(expected, sizeof(expected), "%0128d|1", 0);
    check(input, expected);
}

static void test_nul_and_bytes_pass_through(void **state)
{
    struct buf seen = BUF_INIT(100);

    feed_in_steps(span_make("data: a\0\xff\n\n", 11), 3, &seen);
    assert_int_equal(seen.len, 4);
    assert_memory_equal(seen.data, "|a\0\xff", 4);
    buf_done(&seen);
}

static int count_bytes(void *data, struct span name, struct span payload)
{
    *(size_t *) data += payload.len;
    return 0;
}

static void feed_many(struct sse *s, char c, size_t len, size_t *seen, int expected)
{
    static char block[4096];
    int r = 0;

    memset(block, c, sizeof(block));
    while (len > 0 && r == 0) {
        size_t n = len < sizeof(block) ? len : sizeof(block);

        r = sse_feed(s, span_make(block, n), count_bytes, seen);
        len -= n;
    }
    assert_int_equal(r, expected);
}

static void test_large_lines_and_their_memory(void **state)
{
    struct sse s;
    size_t seen = 0;

    sse_init(&s);
    assert_int_equal(sse_feed(&s, span_of("data: "), count_bytes, &seen), 0);
    feed_many(&s, 'x', (size_t) 8 << 20, &seen, 0);
    assert_int_equal(sse_feed(&s, span_of("\n\n"), count_bytes, &seen), 0);
    assert_int_equal(seen, 8 << 20);
    assert_int_equal(s.payload.cap, 0); /* given back */
    sse_done(&s);
}

static void test_ceiling(void **state)
{
    struct sse s;
    size_t seen = 0;

    sse_init(&s);
    feed_many(&s, ':', SSE_DATA_MAX + 100, &seen, 0); /* a comment costs nothing */
    assert_int_equal(s.payload.cap, 0);
    assert_int_equal(sse_feed(&s, span_of("\ndata:"), count_bytes, &seen), 0);
    feed_many(&s, 'x', SSE_DATA_MAX, &seen, 0);
    assert_int_equal(sse_feed(&s, span_of("y"), count_bytes, &seen), -ERR_TOO_LARGE);
    sse_done(&s);
}

static int stop(void *data, struct span name, struct span payload)
{
    ++*(int *) data;
    return 7;
}

static void test_stops_when_told(void **state)
{
    struct sse s;
    int calls = 0;

    sse_init(&s);
    assert_int_equal(sse_feed(&s, span_of("data: 1\n\ndata: 2\n\n"), stop, &calls), 7);
    assert_int_equal(calls, 1);
    sse_done(&s);
}

static void check_place(const char *input, const char *id, int retry_ms)
{
    for (size_t step = 1; step <= strlen(input); step++) {
        struct buf seen = BUF_INIT(4096);
        struct sse s;

        sse_init(&s);
        for (size_t at = 0; at < strlen(input); at += step)
            assert_int_equal(
                sse_feed(&s, span_make(input + at, step < strlen(input) - at ? step : strlen(input) - at),
                         note, &seen),
                0);
        assert_string_equal(s.id, id);
        assert_int_equal(s.retry_ms, retry_ms);
        sse_done(&s);
        buf_done(&seen);
    }
}

static void test_place(void **state)
{
    char line[SSE_NAME_MAX + 16], id[SSE_NAME_MAX + 1];

    check_place("data: 1\n\n", "", -1);
    check_place("id: ev-1\nretry: 500\ndata:\n\n", "ev-1", 500);
    check_place("id: 1\ndata: x\n\ndata: y\n\n", "1", -1);
    check_place("id: 1\ndata: x\n\nid\ndata: y\n\n", "", -1);
    check_place("retry: 1s\n\n", "", -1);
    check_place("retry: 99999999999999999999\n\n", "", -1);
    snprintf(line, sizeof(line), "id: %0*d\n\n", SSE_NAME_MAX, 7);
    snprintf(id, sizeof(id), "%0*d", SSE_NAME_MAX, 7);
    check_place(line, id, -1);
    snprintf(line, sizeof(line), "id: %0*d\n\n", SSE_NAME_MAX + 1, 7);
    check_place(line, "", -1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_plain_events),
    cmocka_unit_test(test_place),
    cmocka_unit_test(test_line_ends),
    cmocka_unit_test(test_byte_order_mark),
    cmocka_unit_test(test_comments_and_unknown_fields),
    cmocka_unit_test(test_field_order_and_blanks),
    cmocka_unit_test(test_several_data_lines),
    cmocka_unit_test(test_event_without_data_is_none),
    cmocka_unit_test(test_open_event_at_the_end),
    cmocka_unit_test(test_long_names_are_cut),
    cmocka_unit_test(test_nul_and_bytes_pass_through),
    cmocka_unit_test(test_large_lines_and_their_memory),
    cmocka_unit_test(test_ceiling),
    cmocka_unit_test(test_stops_when_told),
};

UNIT_MAIN(tests)
