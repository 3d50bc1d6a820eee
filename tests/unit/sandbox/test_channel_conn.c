/* SPDX-License-Identifier: MIT */
/* Connections at the host's end, against a guest made of bytes that lies about them. */
#include "core/sandbox/channel.h"
#include "core/sandbox/frame.h"

#include "core/base/buf.h"
#include "tests/unit/unit.h"

#define FIRST FRAME_STREAM_CONNS

struct fake {
    struct loop *loop;
    struct channel *ch;
    struct buf sent;
    bool is_broken, is_listening;
    int result, opened, closed, ended, rooms;
    size_t bytes;
    uint64_t command;
    struct channel_conn *conn; /* the last one */
    struct err why;
    bool is_stuck, refuses, cuts_in_callback, frees_in_callback;
};

static void on_output(void *data)
{
    struct fake *f = data;
    struct span s = channel_pending(f->ch);

    if (f->is_stuck)
        return;
    assert_int_equal(buf_add_span(&f->sent, s), 0);
    channel_sent(f->ch, s.len);
}

static void on_hello(void *data)
{
    (void) data;
}

static void on_broken(void *data, const struct err *err)
{
    struct fake *f = data;

    f->is_broken = true;
    f->why = *err;
}

static void defer_done(void *data)
{
    *(bool *) data = true;
}

static void settle(struct fake *f)
{
    struct loop_source *s;
    bool done = false;

    assert_int_equal(loop_timer(f->loop, 1, defer_done, &done, &s, NULL), 0);
    assert_int_equal(loop_run(f->loop, &done, NULL), 0);
    loop_source_free(s);
}

static void feed(struct fake *f, uint8_t type, uint8_t flags, uint64_t stream, const void *payload,
                 size_t len)
{
    static uint8_t frame[FRAME_HEADER + FRAME_PAYLOAD_MAX];

    frame_header(frame, type, flags, stream, (uint32_t) len);
    if (len > 0)
        memcpy(frame + FRAME_HEADER, payload, len);
    channel_feed(f->ch, span_make(frame, FRAME_HEADER + len));
}

static void feed_hello(struct fake *f, uint64_t features)
{
    struct frame_hello h = { .version = FRAME_VERSION, .features = features };
    uint8_t payload[1024];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    memset(h.build, 'a', FRAME_BUILD);
    frame_hello_encode(&out, true, &h);
    channel_feed(f->ch, span_make(f->sent.data, FRAME_PREAMBLE));
    feed(f, FRAME_HELLO, 0, 0, payload, out.len);
    buf_clear(&f->sent);
}

static void feed_done(struct fake *f, uint64_t stream, uint8_t code, int64_t port)
{
    struct frame_done d = { .code = code, .text = "" };
    uint8_t payload[64];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    frame_done_encode(&out, &d);
    if (port >= 0)
        frame_put(&out, (uint64_t) port, 4);
    feed(f, FRAME_DONE, 0, stream, payload, out.len);
}

static void feed_open(struct fake *f, uint64_t stream, uint64_t command, uint32_t window)
{
    struct frame_open o = { command, window };
    uint8_t payload[16];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    frame_open_encode(&out, &o);
    feed(f, FRAME_OPEN, 0, stream, payload, out.len);
}

static void feed_credit(struct fake *f, uint64_t stream, uint8_t fd, uint32_t bytes)
{
    uint8_t payload[5];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    frame_put(&out, fd, 1);
    frame_put(&out, bytes, 4);
    feed(f, FRAME_CREDIT, 0, stream, payload, out.len);
}

/* ---- the owner ---- */

static void react(struct fake *f)
{
    if (f->cuts_in_callback)
        channel_conn_cut(f->conn);
    if (f->frees_in_callback) {
        channel_free(f->ch);
        f->ch = NULL;
    }
}

static void on_data(void *data, struct span bytes)
{
    struct fake *f = data;

    f->bytes += bytes.len;
    react(f);
}

static void on_end(void *data)
{
    ((struct fake *) data)->ended++;
    react(data);
}

static void on_room(void *data)
{
    ((struct fake *) data)->rooms++;
}

static void on_closed(void *data)
{
    struct fake *f = data;

    f->closed++;
    f->cuts_in_callback = false;
    react(f);
}

static void on_listening(void *data, int result, const struct err *err)
{
    struct fake *f = data;

    assert_true((result < 0) == (err != NULL));
    f->is_listening = true;
    f->result = result;
}

static void on_open(void *data, struct channel_conn *conn, uint64_t command)
{
    static const struct conn_ops ops = { on_data, on_end, on_room, on_closed };
    struct fake *f = data;

    f->opened++;
    f->command = command;
    if (f->refuses)
        return;
    f->conn = conn;
    channel_conn_accept(conn, &ops, f);
}

static const struct listen_ops listen_ops = { on_listening, on_open };

static struct fake *fake_new(uint64_t features)
{
    static const struct channel_ops ops = { on_output, on_hello, on_broken };
    struct fake *f = calloc(1, sizeof(*f));

    buf_init(&f->sent, 64 << 20);
    assert_int_equal(loop_new(&f->loop, NULL), 0);
    assert_int_equal(channel_new(f->loop, &ops, f, &f->ch, NULL), 0);
    settle(f);
    feed_hello(f, features);
    return f;
}

static int setup(void **state)
{
    struct fake *f = fake_new(FRAME_FEATURE_LISTEN);

    assert_int_equal(channel_listen(f->ch, 3128, &listen_ops, f, NULL), 0);
    settle(f);
    feed_done(f, FRAME_STREAM_FILES, FRAME_OK, 3128);
    assert_true(f->is_listening && f->result == 0);
    buf_clear(&f->sent);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fake *f = *state;

    channel_free(f->ch);
    loop_free(f->loop);
    buf_done(&f->sent);
    free(f);
    return 0;
}

static int setup_open(void **state)
{
    setup(state);
    feed_open(*state, FIRST, 4096, FRAME_WINDOW_CONN_MIN);
    return 0;
}

/* The next frame that the host sent. */
static struct frame sent(struct fake *f)
{
    static uint8_t copy[FRAME_HEADER + FRAME_PAYLOAD_MAX];
    uint8_t nonce[FRAME_NONCE] = { 0 };
    struct frame_reader r = { .is_synced = true };
    struct frame frame = { 0 };
    size_t used = 0;

    settle(f);
    if (frame_take_host(&r, nonce, (const uint8_t *) f->sent.data, f->sent.len, &used, &frame) !=
        FRAME_GOT_FRAME)
        return (struct frame){ 0 };
    memcpy(copy, f->sent.data, used);
    frame.payload = copy + FRAME_HEADER;
    buf_drop(&f->sent, used);
    return frame;
}

static void assert_broken(struct fake *f, const char *why)
{
    settle(f);
    assert_true(f->is_broken);
    assert_int_equal(f->why.code, ERR_PROTOCOL);
    assert_string_equal(strstr(f->why.text, ": ") + 2, why);
}

/* ---- what is right ---- */

static void a_connection_from_open_to_done(void **state)
{
    struct fake *f = *state;
    struct frame x;

    assert_int_equal(f->opened, 1);
    assert_int_equal(f->command, 4096);
    feed(f, FRAME_DATA, 0, FIRST, "hello", 5);
    assert_int_equal(f->bytes, 5);
    assert_int_equal(channel_conn_grant(f->conn), FRAME_WINDOW_CONN_MIN);
    assert_int_equal(channel_conn_grant(f->conn), 0);
    channel_conn_write(f->conn, span_of("world"));
    x = sent(f);
    assert_true(x.type == FRAME_DATA && x.stream == FIRST && x.len == 5 && x.flags == 0);
    feed_credit(f, FIRST, 0, 5);
    settle(f);
    assert_int_equal(f->rooms, 1);
    assert_int_equal(channel_conn_grant(f->conn), 5);
    feed(f, FRAME_DATA, FRAME_END, FIRST, "", 0);
    assert_int_equal(f->ended, 1);
    channel_conn_end(f->conn);
    channel_conn_end(f->conn);
    x = sent(f);
    assert_true(x.type == FRAME_DATA && x.flags == FRAME_END && x.len == 0);
    assert_int_equal(sent(f).type, 0);
    feed_done(f, FIRST, FRAME_OK, -1);
    assert_int_equal(f->closed, 1);
    assert_false(f->is_broken);
    /* the place may be taken again, by a greater number */
    feed_open(f, FIRST + FRAME_CONNS, FRAME_COMMAND_UNKNOWN, FRAME_WINDOW_CONN_MAX);
    assert_int_equal(f->opened, 2);
    assert_true(f->command == CHANNEL_COMMAND_UNKNOWN);
    assert_false(f->is_broken);
}

static void credit_is_given_back_when_dealt_with(void **state)
{
    static uint8_t zeros[FRAME_WINDOW_CONN / 4];
    struct fake *f = *state;
    struct frame x;

    feed(f, FRAME_DATA, 0, FIRST, zeros, sizeof(zeros));
    channel_conn_dealt(f->conn, sizeof(zeros) - 1);
    assert_int_equal(sent(f).type, 0); /* little is not worth a frame */
    channel_conn_dealt(f->conn, 1);
    x = sent(f);
    assert_true(x.type == FRAME_CREDIT && x.stream == FIRST && x.len == 5);
}

/* What it gives back when the newest connection has sent a quarter of its window, and that was dealt with. */
static uint32_t credit_for(struct fake *f, uint64_t stream)
{
    static uint8_t zeros[FRAME_WINDOW_CONN / 4];
    struct frame_in in;
    struct frame x;

    feed(f, FRAME_DATA, 0, stream, zeros, sizeof(zeros));
    channel_conn_dealt(f->conn, sizeof(zeros));
    x = sent(f);
    assert_true(x.type == FRAME_CREDIT && x.stream == stream);
    in = (struct frame_in){ x.payload, x.len, false };
    assert_int_equal(frame_get(&in, 1), 0);
    return (uint32_t) frame_get(&in, 4);
}

static void feed_all(struct fake *f, uint64_t stream, size_t len)
{
    static uint8_t zeros[FRAME_PAYLOAD_MAX];

    for (size_t n; len > 0; len -= n) {
        n = len < sizeof(zeros) ? len : sizeof(zeros);
        feed(f, FRAME_DATA, 0, stream, zeros, n);
    }
}

/* The first that send much get a wide window, once; the others wait until one of them is over. */
static void some_windows_are_wide(void **state)
{
    const uint32_t little = FRAME_WINDOW_CONN / 4, wide = CHANNEL_CONN_WINDOW - FRAME_WINDOW_CONN;
    struct fake *f = *state;

    assert_int_equal(credit_for(f, FIRST), little + wide);
    for (unsigned i = 1; i < CHANNEL_CONNS_WIDE; i++) {
        feed_open(f, FIRST + i, 1, FRAME_WINDOW_CONN_MIN);
        assert_int_equal(credit_for(f, FIRST + i), little + wide);
    }
    feed_open(f, FIRST + 500, 1, FRAME_WINDOW_CONN_MIN);
    assert_int_equal(credit_for(f, FIRST + 500), little);
    feed_done(f, FIRST, FRAME_OK, -1);
    assert_int_equal(credit_for(f, FIRST + 500), little + wide);
    feed_all(f, FIRST + 500, CHANNEL_CONN_WINDOW);
    settle(f);
    assert_false(f->is_broken);
    feed(f, FRAME_DATA, 0, FIRST + 500, "x", 1);
    assert_broken(f, "more data than it has credit for");
}

static void what_follows_a_cut_is_no_offence(void **state)
{
    static uint8_t zeros[FRAME_WINDOW_CONN];
    struct fake *f = *state;

    channel_conn_cut(f->conn);
    assert_int_equal(sent(f).type, FRAME_CANCEL);
    feed(f, FRAME_DATA, 0, FIRST, zeros, sizeof(zeros));
    feed(f, FRAME_DATA, FRAME_END, FIRST, "", 0);
    feed_done(f, FIRST, FRAME_CANCELED, -1);
    settle(f);
    assert_false(f->is_broken);
    assert_int_equal(f->bytes + (size_t) f->ended + (size_t) f->closed, 0);
}

static void it_may_be_cut_or_freed_from_inside(void **state)
{
    struct fake *f = *state;

    f->cuts_in_callback = true;
    feed(f, FRAME_DATA, FRAME_END, FIRST, "x", 1);
    assert_int_equal(f->ended, 0);
    feed_done(f, FIRST, FRAME_CANCELED, -1);
    assert_int_equal(f->closed, 0);
    f->cuts_in_callback = false;
    feed_open(f, FIRST + 1, 1, FRAME_WINDOW_CONN_MIN);
    f->frees_in_callback = true;
    feed_done(f, FIRST + 1, FRAME_OK, -1);
    assert_int_equal(f->closed, 1);
    assert_null(f->ch);
}

static void what_is_not_accepted_is_cut(void **state)
{
    struct fake *f = *state;

    f->refuses = true;
    feed_open(f, FIRST + 1, 1, FRAME_WINDOW_CONN_MIN);
    assert_int_equal(sent(f).type, FRAME_CANCEL);
}

/* All places taken with the largest windows, nothing of what is written goes out: what waits stays bounded,
 * and all go on when the way is free again. */
static void a_crowded_way_out_grants_nothing(void **state)
{
    static char zeros[FRAME_WINDOW_CONN_MAX];
    struct fake *f = *state;
    size_t granted = 0, waiting, n;

    f->is_stuck = true;
    channel_conn_cut(f->conn);
    for (uint64_t i = 1; i < CHANNEL_CONNS; i++) {
        feed_open(f, FIRST + i, 1, FRAME_WINDOW_CONN_MAX);
        while ((n = channel_conn_grant(f->conn)) > 0) {
            channel_conn_write(f->conn, span_make(zeros, n));
            granted += n;
        }
    }
    assert_int_equal(f->opened, CHANNEL_CONNS);
    waiting = channel_pending(f->ch).len;
    assert_true(waiting >= granted && granted <= 640 * 1024);
    assert_false(f->is_broken);
    f->is_stuck = false;
    on_output(f);
    settle(f);
    assert_true(f->rooms > CHANNEL_CONNS / 2);
}

static void after_a_stop_nothing_comes(void **state)
{
    struct fake *f = *state;

    channel_listen_stop(f->ch);
    assert_int_equal(sent(f).type, FRAME_CANCEL);
    feed(f, FRAME_DATA, 0, FIRST, "x", 1);
    feed_open(f, FIRST + 1, 1, FRAME_WINDOW_CONN_MIN);
    assert_int_equal(sent(f).type, FRAME_CANCEL);
    assert_int_equal(f->opened, 1);
    assert_int_equal(f->bytes, 0);
}

static void all_are_closed_with_the_channel(void **state)
{
    struct fake *f = *state;

    channel_eof(f->ch, NULL);
    assert_int_equal(f->closed, 0); /* not from inside */
    settle(f);
    assert_int_equal(f->closed, 1);
    assert_true(f->is_broken);
}

static void a_guest_that_cannot(void **state)
{
    struct fake *f = fake_new(0);
    struct err err;

    assert_int_equal(channel_listen(f->ch, 3128, &listen_ops, f, &err), -ERR_ENGINE);
    assert_string_equal(err.text, "the sandbox's guest cannot carry connections");
    *state = f;
}

/* ---- lies ---- */

static void nobody_asked(void **state)
{
    struct fake *f = fake_new(FRAME_FEATURE_LISTEN);

    feed_open(f, FIRST, 1, FRAME_WINDOW_CONN_MIN);
    assert_broken(f, "a connection that nobody asked for");
    *state = f;
}

static void before_it_listens(void **state)
{
    struct fake *f = fake_new(FRAME_FEATURE_LISTEN);

    assert_int_equal(channel_listen(f->ch, 3128, &listen_ops, f, NULL), 0);
    feed_open(f, FIRST, 1, FRAME_WINDOW_CONN_MIN);
    assert_broken(f, "a connection that nobody asked for");
    *state = f;
}

static void a_port_that_cannot_be(void **state)
{
    struct fake *f = fake_new(FRAME_FEATURE_LISTEN);

    assert_int_equal(channel_listen(f->ch, 3128, &listen_ops, f, NULL), 0);
    settle(f);
    feed_done(f, FRAME_STREAM_FILES, FRAME_OK, 65536);
    assert_broken(f, "an answer that cannot be read");
    *state = f;
}

static void a_place_that_is_taken(void **state)
{
    feed_open(*state, FIRST + FRAME_CONNS, 1, FRAME_WINDOW_CONN_MIN);
    assert_broken(*state, "a connection where there is one");
}

static void a_number_for_the_second_time(void **state)
{
    feed_done(*state, FIRST, FRAME_OK, -1);
    feed_open(*state, FIRST, 1, FRAME_WINDOW_CONN_MIN);
    assert_broken(*state, "a connection where there is one");
}

static void a_window_that_is_too_large(void **state)
{
    feed_open(*state, FIRST + 1, 1, FRAME_WINDOW_CONN_MAX + 1);
    assert_broken(*state, "a connection that cannot be read");
}

static void a_window_that_is_too_small(void **state)
{
    feed_open(*state, FIRST + 1, 1, FRAME_WINDOW_CONN_MIN - 1);
    assert_broken(*state, "a connection that cannot be read");
}

static void a_command_that_cannot_be(void **state)
{
    feed_open(*state, FIRST + 1, FRAME_STREAM_FILES, FRAME_WINDOW_CONN_MIN);
    assert_broken(*state, "a connection that cannot be read");
}

static void more_than_it_has_credit_for(void **state)
{
    static uint8_t zeros[FRAME_WINDOW_CONN];

    feed(*state, FRAME_DATA, 0, FIRST, zeros, sizeof(zeros));
    assert_int_equal(((struct fake *) *state)->bytes, sizeof(zeros));
    feed(*state, FRAME_DATA, 0, FIRST, zeros, 1);
    assert_broken(*state, "more data than it has credit for");
}

static void data_after_its_end(void **state)
{
    feed(*state, FRAME_DATA, FRAME_END, FIRST, "x", 1);
    feed(*state, FRAME_DATA, 0, FIRST, "x", 1);
    assert_broken(*state, "data after its end, or none");
}

static void an_end_twice(void **state)
{
    feed(*state, FRAME_DATA, FRAME_END, FIRST, "", 0);
    feed(*state, FRAME_DATA, FRAME_END, FIRST, "", 0);
    assert_broken(*state, "data after its end, or none");
}

static void data_that_is_none(void **state)
{
    feed(*state, FRAME_DATA, 0, FIRST, "", 0);
    assert_broken(*state, "data after its end, or none");
}

static void credit_that_was_not_used(void **state)
{
    feed_credit(*state, FIRST, 0, 1);
    assert_broken(*state, "credit that was not used");
}

static void credit_for_nothing_there_is(void **state)
{
    struct fake *f = *state;

    (void) channel_conn_grant(f->conn);
    channel_conn_write(f->conn, span_of("12345"));
    feed_credit(f, FIRST, 1, 5);
    assert_broken(f, "credit that was not used");
}

static void a_stream_that_is_not_there(void **state)
{
    feed(*state, FRAME_DATA, 0, FIRST + 7, "x", 1);
    assert_broken(*state, "something about a connection that is not there");
}

static void a_stream_that_has_ended(void **state)
{
    feed_done(*state, FIRST, FRAME_OK, -1);
    feed(*state, FRAME_DATA, 0, FIRST, "x", 1);
    assert_broken(*state, "something about a connection that is not there");
}

static void an_end_that_cannot_be_read(void **state)
{
    feed_done(*state, FIRST, FRAME_OK, 1);
    assert_broken(*state, "an answer that cannot be read");
}

static void output_on_a_connection(void **state)
{
    feed(*state, FRAME_OUTPUT, 0, FIRST, "x", 1);
    assert_broken(*state, "a frame that does not belong to a connection");
}

static void a_connection_among_the_requests(void **state)
{
    feed_open(*state, FRAME_STREAM_FILES + 5, 1, FRAME_WINDOW_CONN_MIN);
    assert_broken(*state, "an answer to nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_connection_from_open_to_done, setup_open, teardown),
        cmocka_unit_test_setup_teardown(credit_is_given_back_when_dealt_with, setup_open, teardown),
        cmocka_unit_test_setup_teardown(some_windows_are_wide, setup_open, teardown),
        cmocka_unit_test_setup_teardown(what_follows_a_cut_is_no_offence, setup_open, teardown),
        cmocka_unit_test_setup_teardown(it_may_be_cut_or_freed_from_inside, setup_open, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_accepted_is_cut, setup_open, teardown),
        cmocka_unit_test_setup_teardown(a_crowded_way_out_grants_nothing, setup_open, teardown),
        cmocka_unit_test_setup_teardown(after_a_stop_nothing_comes, setup_open, teardown),
        cmocka_unit_test_setup_teardown(all_are_closed_with_the_channel, setup_open, teardown),
        cmocka_unit_test_teardown(a_guest_that_cannot, teardown),
        cmocka_unit_test_teardown(nobody_asked, teardown),
        cmocka_unit_test_teardown(before_it_listens, teardown),
        cmocka_unit_test_teardown(a_port_that_cannot_be, teardown),
        cmocka_unit_test_setup_teardown(a_place_that_is_taken, setup_open, teardown),
        cmocka_unit_test_setup_teardown(a_number_for_the_second_time, setup_open, teardown),
        cmocka_unit_test_setup_teardown(a_window_that_is_too_large, setup_open, teardown),
        cmocka_unit_test_setup_teardown(a_window_that_is_too_small, setup_open, teardown),
        cmocka_unit_test_setup_teardown(a_command_that_cannot_be, setup_open, teardown),
        cmocka_unit_test_setup_teardown(more_than_it_has_credit_for, setup_open, teardown),
        cmocka_unit_test_setup_teardown(data_after_its_end, setup_open, teardown),
        cmocka_unit_test_setup_teardown(an_end_twice, setup_open, teardown),
        cmocka_unit_test_setup_teardown(data_that_is_none, setup_open, teardown),
        cmocka_unit_test_setup_teardown(credit_that_was_not_used, setup_open, teardown),
        cmocka_unit_test_setup_teardown(credit_for_nothing_there_is, setup_open, teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_is_not_there, setup_open, teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_has_ended, setup_open, teardown),
        cmocka_unit_test_setup_teardown(an_end_that_cannot_be_read, setup_open, teardown),
        cmocka_unit_test_setup_teardown(output_on_a_connection, setup_open, teardown),
        cmocka_unit_test_setup_teardown(a_connection_among_the_requests, setup_open, teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
