/* SPDX-License-Identifier: MIT */
#include "oci/attach.h"

#include "core/base/buf.h"
#include "tests/unit/unit.h"

static const char stream[] = "\1\0\0\0\0\0\0\5hello"
                             "\2\0\0\0\0\0\0\3err"
                             "\1\0\0\0\0\0\0\0"
                             "\1\0\0\0\0\0\1\0"; /* 256 bytes follow, made in the test */

/* Everything of stdout and stderr when the stream comes in pieces of `step` bytes. */
static void decode_in_steps(const char *bytes, size_t len, size_t step, struct buf *out, struct buf *errs)
{
    struct attach_decoder d = { 0 };
    struct attach_piece piece;
    struct err err;

    for (size_t at = 0; at < len; at += step) {
        struct span in = span_make(bytes + at, len - at < step ? len - at : step);

        while (in.len > 0) {
            ssize_t used = attach_decode(&d, in, &piece, &err);

            assert_true(used > 0);
            assert_true((size_t) used <= in.len);
            if (piece.bytes.len)
                assert_int_equal(buf_add_span(piece.fd == 1 ? out : errs, piece.bytes), 0);
            in = span_make(in.ptr + used, in.len - (size_t) used);
        }
    }
    assert_true(attach_is_between(&d));
}

static void chunk_borders_mean_nothing(void **state)
{
    char all[sizeof(stream) - 1 + 256];

    memcpy(all, stream, sizeof(stream) - 1);
    memset(all + sizeof(stream) - 1, 'x', 256);
    for (size_t step = 1; step <= sizeof(all); step++) {
        struct buf out = BUF_INIT(1024), errs = BUF_INIT(1024);

        decode_in_steps(all, sizeof(all), step, &out, &errs);
        assert_int_equal(out.len, 5 + 256);
        assert_memory_equal(out.data, "helloxxx", 8);
        assert_string_equal(buf_text(&errs), "err");
        buf_done(&out);
        buf_done(&errs);
    }
}

static void assert_bad(const char *head, const char *text)
{
    struct attach_decoder d = { 0 };
    struct attach_piece piece;
    struct err err;

    assert_int_equal(attach_decode(&d, span_make(head, 8), &piece, &err), -ERR_PROTOCOL);
    assert_string_equal(err.text, text);
    /* broken for good */
    assert_int_equal(attach_decode(&d, span_make("\1", 1), &piece, &err), -ERR_PROTOCOL);
}

static void what_is_no_head_breaks_it(void **state)
{
    assert_bad("\0\0\0\0\0\0\0\1", "the engine's attach stream holds a head that is none: 00 00 00 00");
    assert_bad("\4\0\0\0\0\0\0\1", "the engine's attach stream holds a head that is none: 04 00 00 00");
    assert_bad("\1\0\1\0\0\0\0\1", "the engine's attach stream holds a head that is none: 01 00 01 00");
    assert_bad("HTTP/1.1", "the engine's attach stream holds a head that is none: 48 54 54 50");
    assert_bad("\1\0\0\0\1\0\0\1", "the engine's attach stream announces a chunk of 16777217 bytes");
}

static void an_end_inside_a_chunk_is_seen(void **state)
{
    struct attach_decoder d = { 0 };
    struct attach_piece piece;

    assert_int_equal(attach_decode(&d, span_make("\1\0\0", 3), &piece, NULL), 3);
    assert_false(attach_is_between(&d));
    assert_int_equal(attach_decode(&d, span_make("\0\0\0\0\2a", 6), &piece, NULL), 6);
    assert_false(attach_is_between(&d));
    assert_int_equal(attach_decode(&d, span_make("bc", 2), &piece, NULL), 1);
    assert_true(attach_is_between(&d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunk_borders_mean_nothing),
        cmocka_unit_test(what_is_no_head_breaks_it),
        cmocka_unit_test(an_end_inside_a_chunk_is_seen),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
