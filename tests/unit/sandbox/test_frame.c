/* SPDX-License-Identifier: MIT */
#include "core/sandbox/frame.h"

#include "tests/unit/unit.h"

static const uint8_t nonce[FRAME_NONCE] = "0123456789abcdef";

static size_t preamble(uint8_t *p)
{
    memcpy(p, frame_mark, FRAME_MARK);
    memcpy(p + FRAME_MARK, nonce, FRAME_NONCE);
    return FRAME_PREAMBLE;
}

static size_t put_frame(uint8_t *p, uint8_t type, uint64_t stream, const void *payload, uint32_t len)
{
    frame_header(p, type, 0, stream, len);
    memcpy(p + FRAME_HEADER, payload, len);
    return FRAME_HEADER + len;
}

/* What frame.h promises about the mark. */
static void mark_is_what_it_should_be(void **state)
{
    (void) state;
    for (int i = 0; i < FRAME_MARK; i++) {
        assert_true(frame_mark[i] >= 0x80);
        assert_true(i == 0 || frame_mark[i] != frame_mark[0]);
    }
}

static void header_layout(void **state)
{
    static const uint8_t expected[FRAME_HEADER] = { 7, 2, 0, 0, 0x34, 0x12, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1 };
    uint8_t header[FRAME_HEADER];

    (void) state;
    frame_header(header, FRAME_DATA, FRAME_END, 0x0102030405060708, 0x1234);
    assert_memory_equal(header, expected, sizeof(expected));
}

/* A stream with a past, fed in pieces of every size: the same frames come out. */
static void guest_takes_any_pieces(void **state)
{
    uint8_t bytes[512];
    size_t len = 0;

    (void) state;
    memcpy(bytes, "garbage", 7);
    len = 7 + put_frame(bytes + 7, FRAME_PING, 1, "", 0); /* before any preamble: nobody listens */
    len += preamble(bytes + len);
    len += put_frame(bytes + len, FRAME_PING, 2, "", 0);
    len += put_frame(bytes + len, FRAME_DATA, 3, "abc", 3);
    frame_header(bytes + len, FRAME_DATA, 0, 4, 100); /* the host vanishes in this one */
    len += FRAME_HEADER + 5;
    memcpy(bytes + len - 5, "abcde", 5);
    len += preamble(bytes + len);
    len += put_frame(bytes + len, FRAME_KILL, 5, "", 0);
    for (size_t piece = 1; piece < len; piece++) {
        struct frame_reader r = { 0 };
        uint8_t have[512];
        size_t n = 0, events = 0, used;
        static const int expected[] = { -1, FRAME_PING, FRAME_DATA, -1, FRAME_KILL };
        enum frame_got got;
        struct frame f;

        for (size_t at = 0; at < len; at += piece) {
            size_t add = len - at < piece ? len - at : piece;

            memcpy(have + n, bytes + at, add);
            n += add;
            do {
                got = frame_take_guest(&r, have, n, &used, &f);
                if (got == FRAME_GOT_RESET || got == FRAME_GOT_FRAME) {
                    assert_true(events < 5);
                    assert_int_equal(got == FRAME_GOT_RESET ? -1 : f.type, expected[events]);
                    events++;
                }
                memmove(have, have + used, n - used);
                n -= used;
            } while (got != FRAME_GOT_MORE);
        }
        assert_int_equal(events, 5);
    }
}

static void guest_waits_for_the_next_mark_after_nonsense(void **state)
{
    struct frame_reader r = { 0 };
    uint8_t bytes[256];
    size_t len = preamble(bytes), used;
    struct frame f;

    (void) state;
    assert_int_equal(frame_take_guest(&r, bytes, len, &used, &f), FRAME_GOT_RESET);
    memset(bytes, 0x7f, 64);
    len = 64 + put_frame(bytes + 64, FRAME_PING, 1, "", 0);
    assert_int_equal(frame_take_guest(&r, bytes, len, &used, &f), FRAME_GOT_MORE);
    assert_int_equal(used, len);
    len = preamble(bytes);
    assert_int_equal(frame_take_guest(&r, bytes, len, &used, &f), FRAME_GOT_RESET);
}

/* A mark whose nonce is none hides no other one. */
static void guest_finds_a_mark_in_a_nonce(void **state)
{
    struct frame_reader r = { 0 };
    uint8_t bytes[256];
    size_t used;
    struct frame f;

    (void) state;
    for (size_t cut = 0; cut < FRAME_NONCE; cut++) {
        size_t len = FRAME_MARK + cut;

        memset(&r, 0, sizeof(r));
        (void) preamble(bytes);
        len += preamble(bytes + len);
        assert_int_equal(frame_take_guest(&r, bytes, len, &used, &f), FRAME_GOT_RESET);
        assert_int_equal(used, len);
        assert_memory_equal(f.payload, nonce, FRAME_NONCE);
    }
}

static void host_skips_what_is_not_for_it(void **state)
{
    struct frame_reader r = { 0 };
    uint8_t bytes[256];
    size_t len = preamble(bytes), used;
    struct frame f;

    (void) state;
    bytes[FRAME_MARK] ^= 1; /* the answer to another host */
    len += put_frame(bytes + len, FRAME_PONG, 1, "", 0);
    assert_int_equal(frame_take_host(&r, nonce, bytes, len, &used, &f), FRAME_GOT_MORE);
    len += preamble(bytes + len);
    len += put_frame(bytes + len, FRAME_PONG, 2, "", 0);
    assert_int_equal(frame_take_host(&r, nonce, bytes + used, len - used, &used, &f), FRAME_GOT_RESET);
    assert_int_equal(frame_take_host(&r, nonce, bytes + len - FRAME_HEADER, FRAME_HEADER, &used, &f),
                     FRAME_GOT_FRAME);
    assert_int_equal(f.stream, 2);
}

static void host_takes_no_nonsense(void **state)
{
    static const struct {
        int at;
        uint8_t value;
    } bad[] = { { 0, 0 }, { 0, FRAME_TYPES }, { 0, 0xff }, { 1, 4 },    { 2, 1 },
                { 3, 1 }, { 6, 2 },           { 7, 1 },    { 15, 0x80 } };

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct frame_reader r = { .is_synced = true };
        uint8_t header[FRAME_HEADER];
        size_t used;
        struct frame f;

        frame_header(header, FRAME_PONG, 0, 1, 0);
        header[bad[i].at] = bad[i].value;
        assert_int_equal(frame_take_host(&r, nonce, header, sizeof(header), &used, &f), FRAME_GOT_BAD);
    }
}

/* Whatever is cut as told never shows a mark on the wire, and all of it arrives. */
static void cut_hides_marks(void **state)
{
    uint8_t in[200], wire[2000];
    static const size_t places[] = { 0, 1, 20, 36, 52, 68, 184, 190 };

    (void) state;
    memset(in, 'x', sizeof(in));
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        memcpy(in + places[i], frame_mark,
               sizeof(in) - places[i] < FRAME_MARK ? sizeof(in) - places[i] : FRAME_MARK);
    size_t wire_len = preamble(wire), at = 0;

    while (at < sizeof(in)) {
        bool needs_pad;
        size_t n = frame_cut(in + at, sizeof(in) - at, &needs_pad);

        assert_true(n > 0);
        wire_len += put_frame(wire + wire_len, FRAME_DATA, 9, in + at, (uint32_t) n);
        if (needs_pad)
            wire_len += put_frame(wire + wire_len, FRAME_PAD, 0, "", 0);
        at += n;
    }
    struct frame_reader r = { 0 };
    size_t used, offset = 0, got_len = 0;
    struct frame f;
    enum frame_got got = frame_take_guest(&r, wire, wire_len, &used, &f);

    assert_int_equal(got, FRAME_GOT_RESET);
    for (;;) {
        offset += used;
        got = frame_take_guest(&r, wire + offset, wire_len - offset, &used, &f);
        if (got != FRAME_GOT_FRAME)
            break;
        if (f.type == FRAME_DATA) {
            assert_memory_equal(f.payload, in + got_len, f.len);
            got_len += f.len;
        }
    }
    assert_int_equal(got, FRAME_GOT_MORE);
    assert_int_equal(got_len, sizeof(in));
    assert_int_equal(offset, wire_len);
}

static void paths(void **state)
{
    static const char *const good[] = { "a", "a/b", ".hidden", "..a", "a../b", "...", "\xff" };
    static const char *const bad[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b" };

    (void) state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(frame_path_ok(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(frame_path_ok(bad[i], strlen(bad[i])));
    assert_false(frame_path_ok("a\0b", 3));
    char *lengthy = malloc(FRAME_PATH_MAX);

    memset(lengthy, 'a', FRAME_PATH_MAX);
    assert_true(frame_path_ok(lengthy, FRAME_PATH_MAX - 1));
    assert_false(frame_path_ok(lengthy, FRAME_PATH_MAX));
    free(lengthy);
}

static void exec_round_trip(void **state)
{
    static const char strings[] = "sh\0-c\0true\0A=1";
    struct frame_exec x = { .flags = 3,
                            .timeout_ms = 5,
                            .output_max = 6,
                            .tail_max = 7,
                            .argc = 3,
                            .envc = 1,
                            .cwd = "d",
                            .instead = 9,
                            .alternative = "ash" };
    struct frame_exec y;
    uint8_t buf[256];
    struct frame_out out = { buf, 0, sizeof(buf), false };

    (void) state;
    frame_exec_encode(&out, &x);
    frame_put_bytes(&out, strings, sizeof(strings));
    assert_true(frame_exec_decode((struct frame_in){ buf, out.len, false }, &y));
    assert_int_equal(y.argc, 3);
    assert_int_equal(y.envc, 1);
    assert_string_equal(y.cwd, "d");
    assert_string_equal(y.alternative, "ash");
    assert_int_equal(y.instead, 9);
    assert_string_equal(y.strings, "sh");
    for (size_t len = 0; len < out.len; len++) /* cut anywhere: refused */
        assert_false(frame_exec_decode((struct frame_in){ buf, len, false }, &y));
    buf[out.len] = 'x'; /* and too much as well */
    assert_false(frame_exec_decode((struct frame_in){ buf, out.len + 1, false }, &y));
}

static void entries_that_cannot_be(void **state)
{
    uint8_t buf[256] = { 0 };
    struct frame_entry e = { .st = { .kind = FRAME_KIND_FILE, .mode = 0644 },
                             .path = "a/b",
                             .path_len = 3,
                             .link = "" },
                       f;
    struct frame_out out = { buf, 0, sizeof(buf), false };

    (void) state;
    frame_entry_encode(&out, &e);
    assert_true(frame_entry_decode(&(struct frame_in){ buf, out.len, false }, &f));
    assert_int_equal(f.path_len, 3);
    buf[out.len - 1] = '/'; /* "a//" */
    assert_false(frame_entry_decode(&(struct frame_in){ buf, out.len, false }, &f));
    out.len = 0;
    e.link = "x";
    e.link_len = 1; /* a file with a target */
    frame_entry_encode(&out, &e);
    assert_false(frame_entry_decode(&(struct frame_in){ buf, out.len, false }, &f));
    out.len = 0;
    e.st.kind = FRAME_KIND_LINK;
    e.link = "\0";
    frame_entry_encode(&out, &e);
    assert_false(frame_entry_decode(&(struct frame_in){ buf, out.len, false }, &f));
    out.len = 0;
    e.link = "x";
    e.sum = buf + 128; /* a link with a sum */
    frame_entry_encode(&out, &e);
    assert_false(frame_entry_decode(&(struct frame_in){ buf, out.len, false }, &f));
}

static void entries_with_sums(void **state)
{
    static const uint8_t sum[FRAME_SUM] = { 1, 2, [31] = 3 };
    uint8_t buf[256];
    struct frame_entry e = { .st = { .kind = FRAME_KIND_FILE, .size = 9, .stored = 512 },
                             .path = "a",
                             .path_len = 1,
                             .link = "",
                             .sum = sum },
                       f;
    struct frame_out out = { buf, 0, sizeof(buf), false };

    (void) state;
    frame_entry_encode(&out, &e);
    assert_true(frame_entry_decode(&(struct frame_in){ buf, out.len, false }, &f));
    assert_memory_equal(f.sum, sum, FRAME_SUM);
    assert_int_equal(f.st.stored, 512);
    for (size_t len = 0; len < out.len; len++)
        assert_false(frame_entry_decode(&(struct frame_in){ buf, len, false }, &f));
    buf[53] = FRAME_SUM - 1; /* another length of the sum */
    assert_false(frame_entry_decode(&(struct frame_in){ buf, out.len, false }, &f));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(mark_is_what_it_should_be),
        cmocka_unit_test(header_layout),
        cmocka_unit_test(guest_takes_any_pieces),
        cmocka_unit_test(guest_waits_for_the_next_mark_after_nonsense),
        cmocka_unit_test(guest_finds_a_mark_in_a_nonce),
        cmocka_unit_test(host_skips_what_is_not_for_it),
        cmocka_unit_test(host_takes_no_nonsense),
        cmocka_unit_test(cut_hides_marks),
        cmocka_unit_test(paths),
        cmocka_unit_test(exec_round_trip),
        cmocka_unit_test(entries_that_cannot_be),
        cmocka_unit_test(entries_with_sums),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
