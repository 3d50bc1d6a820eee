/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/http_head.h"

#define HEAD "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nX-E:\r\n\r\n"

static void test_whole_head_and_what_follows(void **state)
{
    struct http_head_parts head;
    struct err err;

    assert_int_equal(http_head_decode(span_of(HEAD "behind"), &head, &err), strlen(HEAD));
    assert_int_equal(head.status, 101);
    assert_true(span_is(http_head_find(head.fields, "CONTENT-type"), "application/vnd.docker.raw-stream"));
    assert_true(span_is(http_head_find(head.fields, "x-e"), ""));
    assert_non_null(http_head_find(head.fields, "x-e").ptr);
    assert_null(http_head_find(head.fields, "Content").ptr);
    assert_null(http_head_find(head.fields, "UPGRADED").ptr);
    assert_true(http_head_is_upgrade(&head));
}

static void test_every_prefix_needs_more(void **state)
{
    struct http_head_parts head;
    struct err err;

    for (size_t len = 0; len < strlen(HEAD); len++) {
        char *copy = malloc(len + 1); /* so that reading behind it is noticed */

        memcpy(copy, HEAD, len);
        copy = realloc(copy, len ? len : 1);
        assert_int_equal(http_head_decode(span_make(copy, len), &head, &err), 0);
        free(copy);
    }
}

static void test_no_fields_and_no_reason(void **state)
{
    struct http_head_parts head;
    struct err err;

    assert_int_equal(http_head_decode(span_of("HTTP/1.0 404\r\n\r\n"), &head, &err), 16);
    assert_int_equal(head.status, 404);
    assert_int_equal(head.fields.len, 0);
    assert_int_equal(http_head_decode(span_of("HTTP/1.1 200 \r\n\r\n"), &head, &err), 17);
    assert_int_equal(head.status, 200);
}

static void check_bad(const char *text, const char *want)
{
    struct http_head_parts head;
    struct err err;

    assert_int_equal(http_head_decode(span_of(text), &head, &err), -ERR_PROTOCOL);
    assert_string_equal(err.text, want);
}

static void test_refused(void **state)
{
    static const char status[] = "the answer has a broken status line";
    static const char line[] = "the answer has a broken header line";

    check_bad("S", "the answer is not HTTP/1");
    check_bad("HTTP/2 200\r\n\r\n", "the answer is not HTTP/1");
    check_bad("HTTP/1.1 20\r\n\r\n", status);
    check_bad("HTTP/1.1 2000\r\n\r\n", status);
    check_bad("HTTP/1.1 099 x\r\n\r\n", status);
    check_bad("HTTP/1.1 600 x\r\n\r\n", status);
    check_bad("HTTP/1.x 200 x\r\n\r\n", status);
    check_bad("HTTP/1.1  200 x\r\n\r\n", status);
    check_bad("HTTP/1.1 200 a\x01\r\n\r\n", status);
    check_bad("HTTP/1.1 200 OK\nA: b\r\n\r\n", status); /* bare LF */
    check_bad("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", line);
    check_bad("HTTP/1.1 200 OK\r\n: x\r\n\r\n", line);
    check_bad("HTTP/1.1 200 OK\r\nA : x\r\n\r\n", line);
    check_bad("HTTP/1.1 200 OK\r\nA: x\r\n folded\r\n\r\n", line);
    check_bad("HTTP/1.1 200 OK\r\nA: x\ny\r\n\r\n", line);
    check_bad("HTTP/1.1 200 OK\r\nA: x\rB: y\r\n\r\n", line);
}

static void test_nul_is_refused(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nA: x\0y\r\n\r\n";
    struct http_head_parts head;
    struct err err;

    assert_int_equal(http_head_decode(span_make(text, sizeof(text) - 1), &head, &err), -ERR_PROTOCOL);
}

static void check_upgrade(bool want, int status, const char *fields)
{
    struct http_head_parts head = { status, span_of(fields) };

    assert_int_equal(http_head_is_upgrade(&head), want);
}

static void test_which_answers_are_streams(void **state)
{
    check_upgrade(true, 101, "");
    check_upgrade(true, 200, "Content-Type: application/vnd.docker.raw-stream\r\n");
    check_upgrade(true, 200, "content-type:Application/vnd.docker.multiplexed-stream; x=y\r\n");
    check_upgrade(false, 200, "Content-Type: application/vnd.docker.raw-streams\r\n");
    check_upgrade(false, 200, "Content-Type: application/json\r\n");
    check_upgrade(false, 200, "");
    check_upgrade(false, 404, "Content-Type: application/vnd.docker.raw-stream\r\n");
}

static void test_fields_of_libcurl(void **state)
{
    struct span fields = span_of("HTTP/2 200 \r\nretry-after: 3\nRetry-After: 4\r\nlast:  v\t");

    assert_true(span_is(http_head_find(fields, "Retry-After"), "3")); /* the first one counts */
    assert_true(span_is(http_head_find(fields, "Last"), "v"));
}

static void check_chunks(const char *text, bool want_end, const char *want)
{
    char data[256];
    size_t len = strlen(text);

    memcpy(data, text, len);
    assert_int_equal(http_head_dechunk(data, &len), want_end);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(data, want, len);
}

static void test_dechunk(void **state)
{
    check_chunks("", false, "");
    check_chunks("5", false, "");
    check_chunks("5\r\nhel", false, "hel");
    check_chunks("5\r\nhello", false, "hello");
    check_chunks("5\r\nhello\r\n", false, "hello");
    check_chunks("5\r\nhello\r\n0\r\n\r\n", true, "hello");
    check_chunks("a;x=\"y\"\r\n0123456789\r\nB \r\nabcdefghijk\r\n0\r\nTrailer: x\r\n\r\n", true,
                 "0123456789abcdefghijk");
    check_chunks("5\r\nhelloXX0\r\n\r\n", true, "hello"); /* broken framing */
    check_chunks("zz\r\nhello", true, "");
    check_chunks("\r\nhello", true, "");
    check_chunks("-5\r\nhello", true, "");
    check_chunks("FFFFFFFFFFFFFFFFFF\r\nhello", true, "");
    check_chunks("FFFFFFF\r\nhello", false, "hello");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_whole_head_and_what_follows),
    cmocka_unit_test(test_every_prefix_needs_more),
    cmocka_unit_test(test_no_fields_and_no_reason),
    cmocka_unit_test(test_refused),
    cmocka_unit_test(test_nul_is_refused),
    cmocka_unit_test(test_which_answers_are_streams),
    cmocka_unit_test(test_fields_of_libcurl),
    cmocka_unit_test(test_dechunk),
};

UNIT_MAIN(tests)
