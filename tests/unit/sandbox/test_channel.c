/* SPDX-License-Identifier: MIT */
/* The host's end against a guest made of bytes, mostly a hostile one. */
#include "core/sandbox/channel.h"
#include "core/sandbox/frame.h"
#include "core/sandbox/guest_image.h"

#include "core/base/buf.h"
#include "core/base/digest.h"
#include "tests/unit/unit.h"

#include <stdio.h>

struct fake {
    struct loop *loop;
    struct channel *ch;
    struct buf sent; /* by the host, not looked at yet */
    uint8_t nonce[FRAME_NONCE];
    bool is_greeted, is_broken, is_done;
    int calls; /* callbacks of requests */
    int result;
    struct err why, err;
    struct exec_result exit;
    char text[256];
    struct buf seen;
    bool free_in_callback;
    struct channel_call *cancel_in_callback;
};

static void drain(struct fake *f)
{
    struct span s = channel_pending(f->ch);

    assert_int_equal(buf_add_span(&f->sent, s), 0);
    channel_sent(f->ch, s.len);
}

static void on_output(void *data)
{
    drain(data);
}

static void on_hello(void *data)
{
    ((struct fake *) data)->is_greeted = true;
}

static void on_broken(void *data, const struct err *err)
{
    struct fake *f = data;

    assert_false(f->is_broken);
    f->is_broken = true;
    f->why = *err;
}

static void defer_done(void *data)
{
    *(bool *) data = true;
}

/* Let everything that is due from the loop happen. */
static void settle(struct fake *f)
{
    struct loop_source *s;
    bool done = false;

    assert_int_equal(loop_timer(f->loop, 1, defer_done, &done, &s, NULL), 0);
    assert_int_equal(loop_run(f->loop, &done, NULL), 0);
    loop_source_free(s);
}

static void feed_frame(struct fake *f, uint8_t type, uint8_t flags, uint64_t stream, const void *payload,
                       size_t len)
{
    uint8_t *frame = malloc(FRAME_HEADER + len);

    frame_header(frame, type, flags, stream, (uint32_t) len);
    if (len > 0)
        memcpy(frame + FRAME_HEADER, payload, len);
    channel_feed(f->ch, span_make(frame, FRAME_HEADER + len));
    free(frame);
}

static void feed_preamble(struct fake *f)
{
    channel_feed(f->ch, span_make(frame_mark, FRAME_MARK));
    channel_feed(f->ch, span_make(f->nonce, FRAME_NONCE));
}

static void feed_hello(struct fake *f, uint32_t version)
{
    struct frame_hello h = { .version = version, .boot = 42, .execs = 1, .exec_id = { 77 } };
    uint8_t payload[1024];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    memset(h.build, 'a', FRAME_BUILD);
    frame_hello_encode(&out, true, &h);
    feed_frame(f, FRAME_HELLO, 0, 0, payload, out.len);
}

static struct fake *fake_new(void)
{
    static const struct channel_ops ops = { on_output, on_hello, on_broken };
    struct fake *f = calloc(1, sizeof(*f));

    buf_init(&f->sent, 16 << 20);
    buf_init(&f->seen, 1 << 20);
    assert_int_equal(loop_new(&f->loop, NULL), 0);
    assert_int_equal(channel_new(f->loop, &ops, f, &f->ch, NULL), 0);
    settle(f);
    assert_memory_equal(f->sent.data, frame_mark, FRAME_MARK);
    memcpy(f->nonce, f->sent.data + FRAME_MARK, FRAME_NONCE);
    return f;
}

static int setup(void **state)
{
    struct fake *f = fake_new();

    feed_preamble(f);
    feed_hello(f, FRAME_VERSION);
    assert_true(f->is_greeted);
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
    buf_done(&f->seen);
    free(f);
    return 0;
}

static void on_request(void *data, int result, const struct err *err)
{
    struct fake *f = data;

    f->calls++;
    f->result = result;
    if (err)
        f->err = *err;
    channel_cancel(f->cancel_in_callback);
    f->cancel_in_callback = NULL;
    if (f->free_in_callback) {
        channel_free(f->ch);
        f->ch = NULL;
    }
}

static void on_chunk(void *data, struct span chunk)
{
    assert_int_equal(buf_add_span(&((struct fake *) data)->seen, chunk), 0);
}

static void on_read(void *data, int result, const struct guest_stat *st, const struct err *err)
{
    assert_true((st != NULL) == (result == 0));
    on_request(data, result, err);
}

static void on_entry(void *data, struct span path, const struct guest_stat *st, struct span link)
{
    (void) st;
    (void) link;
    on_chunk(data, path);
}

static void on_exec_output(void *data, int fd, struct span chunk, uint64_t gap)
{
    (void) fd;
    (void) gap;
    on_chunk(data, chunk);
}

static void on_command_exit(void *data, const struct exec_result *result)
{
    struct fake *f = data;

    f->exit = *result;
    (void) snprintf(f->text, sizeof(f->text), "%s", result->text ? result->text : "");
    on_request(f, 0, NULL);
}

static void on_text(void *data, int result, struct span text, const struct err *err)
{
    (void) text;
    on_request(data, result, err);
}

static const struct file_read_ops read_ops = { on_chunk, NULL, on_read };
static const struct file_list_ops list_ops = { on_entry, on_request };
static const struct exec_ops exec_ops = { on_exec_output, on_command_exit };

/* The streams that the host uses count up from here. */
#define FIRST FRAME_STREAM_FILES

static struct channel_call *start_read(struct fake *f)
{
    struct channel_call *call;

    assert_int_equal(channel_read(f->ch, "file", &read_ops, f, &call, NULL), 0);
    return call;
}

static struct channel_call *start_list(struct fake *f)
{
    struct channel_call *call;

    assert_int_equal(channel_list(f->ch, "dir", true, &list_ops, f, &call, NULL), 0);
    return call;
}

static struct channel_call *start_exec(struct fake *f)
{
    static const char *const argv[] = { "prog", NULL };
    struct exec_request req = { .id = 5, .argv = argv, .output_max = 100, .tail_max = 10 };
    struct channel_call *call;

    assert_int_equal(channel_exec(f->ch, &req, &exec_ops, f, &call, NULL), 0);
    return call;
}

static void assert_offence(struct fake *f, const char *what)
{
    char expected[256];

    settle(f);
    assert_true(f->is_broken);
    (void) snprintf(expected, sizeof(expected), "the sandbox's guest broke the protocol: %s", what);
    assert_string_equal(f->why.text, expected);
    assert_int_equal(f->why.code, ERR_PROTOCOL);
    feed_frame(f, FRAME_PONG, 0, 1, NULL, 0); /* nothing wakes it up again */
    settle(f);
}

static void says_hello_in_pieces(void **state)
{
    struct fake *f = fake_new();
    uint8_t noise[100];

    memset(noise, 0xff, sizeof(noise));
    channel_feed(f->ch, span_make(noise, sizeof(noise)));
    for (int i = 0; i < FRAME_MARK; i++)
        channel_feed(f->ch, span_make(frame_mark + i, 1));
    for (int i = 0; i < FRAME_NONCE; i++)
        channel_feed(f->ch, span_make(f->nonce + i, 1));
    assert_null(channel_guest(f->ch));
    feed_hello(f, FRAME_VERSION);
    assert_true(f->is_greeted);
    assert_int_equal(channel_guest(f->ch)->boot, 42);
    *state = f;
    (void) teardown(state);
}

static void another_version(void **state)
{
    struct fake *f = fake_new();

    feed_preamble(f);
    feed_hello(f, 9);
    settle(f);
    assert_true(f->is_broken);
    assert_string_equal(f->why.text, "the sandbox's guest speaks version 9 of the protocol, we speak 3");
    *state = f;
    (void) teardown(state);
}

static void hello_twice(void **state)
{
    feed_hello(*state, FRAME_VERSION);
    assert_offence(*state, "HELLO twice");
}

static void impossible_header(void **state)
{
    struct fake *f = *state;
    uint8_t header[FRAME_HEADER];

    frame_header(header, FRAME_DATA, 0, 1, FRAME_PAYLOAD_MAX + 1);
    channel_feed(f->ch, span_make(header, sizeof(header)));
    assert_offence(f, "a frame that cannot be");
}

static void unknown_stream(void **state)
{
    feed_frame(*state, FRAME_DONE, 0, FIRST + 9, "\0\0\0\0\0\0", 6);
    assert_offence(*state, "an answer to nothing");
}

static void pong_without_ping(void **state)
{
    feed_frame(*state, FRAME_PONG, 0, 1, NULL, 0);
    assert_offence(*state, "an answer to a ping that was not sent");
}

static void data_for_a_list(void **state)
{
    (void) start_list(*state);
    feed_frame(*state, FRAME_DATA, 0, FIRST, "x", 1);
    assert_offence(*state, "a frame that does not belong to its request");
    assert_int_equal(((struct fake *) *state)->calls, 1);
    assert_int_equal(((struct fake *) *state)->result, -ERR_ENGINE);
}

static void exit_for_a_read(void **state)
{
    (void) start_read(*state);
    feed_frame(*state, FRAME_EXIT, 0, FIRST, NULL, 0);
    assert_offence(*state, "a frame that does not belong to its request");
}

static void credit_that_was_not_used(void **state)
{
    (void) start_exec(*state);
    feed_frame(*state, FRAME_CREDIT, 0, 5, "\0\1\0\1\0", 5); /* more than the whole window */
    assert_offence(*state, "credit that was not used");
}

static void entry_outside(void **state)
{
    static const char *const paths[] = { "dir/../../etc", "/etc/passwd", "other/file", "dir", "directory/x" };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct frame_entry e = { .st = { .kind = FRAME_KIND_FILE },
                                 .path = paths[i],
                                 .link = "",
                                 .path_len = (uint16_t) strlen(paths[i]) };
        uint8_t payload[256];
        struct frame_out out = { payload, 0, sizeof(payload), false };

        frame_entry_encode(&out, &e);
        (void) start_list(*state);
        feed_frame(*state, FRAME_ENTRIES, 0, FIRST, payload, out.len);
        assert_offence(*state, "a folder's entry that cannot be");
        assert_int_equal(((struct fake *) *state)->seen.len, 0);
        (void) teardown(state);
        (void) setup(state);
    }
}

/* It says more than the command was allowed to. */
static void more_output_than_asked_for(void **state)
{
    uint8_t payload[9 + 120] = { 1 };

    (void) start_exec(*state);
    feed_frame(*state, FRAME_OUTPUT, 0, 5, payload, sizeof(payload));
    assert_offence(*state, "more output than was asked for");
    assert_int_equal(((struct fake *) *state)->exit.end, EXEC_LOST);
    assert_string_equal(
        ((struct fake *) *state)->text,
        "sandbox lost: the sandbox's guest broke the protocol: more output than was asked for");
}

static void output_that_goes_backwards(void **state)
{
    uint8_t payload[9 + 2] = { 1, 50 };

    (void) start_exec(*state);
    feed_frame(*state, FRAME_OUTPUT, 0, 5, payload, sizeof(payload));
    payload[1] = 51;
    feed_frame(*state, FRAME_OUTPUT, 0, 5, payload, sizeof(payload));
    assert_offence(*state, "output that cannot be read");
}

static void an_exit_that_lies_about_the_output(void **state)
{
    uint8_t output[9 + 2] = { 1 }, payload[64];
    struct frame_exit x = { .end = FRAME_EXIT_EXITED, .written = { 1, 0 } };
    struct frame_out out = { payload, 0, sizeof(payload), false };

    (void) start_exec(*state);
    feed_frame(*state, FRAME_OUTPUT, 0, 5, output, sizeof(output));
    frame_exit_encode(&out, &x);
    feed_frame(*state, FRAME_EXIT, 0, 5, payload, out.len);
    assert_offence(*state, "a command that wrote less than it did");
}

static void a_probe_without_end(void **state)
{
    struct fake *f = *state;
    struct channel_call *call;
    static uint8_t block[FRAME_PAYLOAD_MAX];

    assert_int_equal(channel_probe(f->ch, "/proc/self/status", on_text, f, &call, NULL), 0);
    feed_frame(f, FRAME_DATA, 0, FIRST, block, sizeof(block));
    assert_false(f->is_broken);
    feed_frame(f, FRAME_DATA, 0, FIRST, block, 1);
    assert_offence(f, "a small file that is not small");
}

static void contents_are_given_back(void **state)
{
    struct fake *f = *state;
    struct frame_entry e = { .st = { .kind = FRAME_KIND_FILE }, .path = "dir/a", .path_len = 5, .link = "" };
    static uint8_t payload[FRAME_PAYLOAD_MAX];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    (void) start_list(f);
    while (out.cap - out.len >= 50)
        frame_entry_encode(&out, &e);
    for (int i = 0; i < 8; i++) /* twice the window, but all of it was given back */
        feed_frame(f, FRAME_ENTRIES, 0, FIRST, payload, out.len);
    assert_false(f->is_broken);
    f->seen.len = 0;
}

static void answers_once(void **state)
{
    struct fake *f = *state;
    struct channel_call *call;

    assert_int_equal(channel_mkdir(f->ch, "d", 0755, on_request, f, &call, NULL), 0);
    feed_frame(f, FRAME_DONE, 0, FIRST, "\0\0\0\0\0\0", 6);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->result, 0);
    feed_frame(f, FRAME_DONE, 0, FIRST, "\0\0\0\0\0\0", 6);
    assert_offence(f, "an answer to nothing");
    assert_int_equal(f->calls, 1);
}

static void a_refusal_is_shown_harmlessly(void **state)
{
    struct fake *f = *state;
    struct channel_call *call;

    assert_int_equal(channel_mkdir(f->ch, "d", 0755, on_request, f, &call, NULL), 0);
    feed_frame(f, FRAME_DONE, 0, FIRST, "\2\21\0\0\0\6a\33[2J\n", 12);
    assert_int_equal(f->result, -ERR_CONFLICT);
    assert_string_equal(f->err.text, "'d' in the sandbox: a?[2J?");
    assert_int_equal(f->err.errnum, 17);
}

static void canceled_answers_are_no_offence(void **state)
{
    struct fake *f = *state;
    struct channel_call *call = start_read(f);

    channel_cancel(call);
    feed_frame(f, FRAME_DATA, 0, FIRST, "late", 4);
    feed_frame(f, FRAME_DONE, 0, FIRST, "\6\0\0\0\0\0", 6);
    settle(f);
    assert_false(f->is_broken);
    assert_int_equal(f->calls, 0);
    assert_int_equal(f->seen.len, 0);
    feed_frame(f, FRAME_DATA, 0, FIRST, "later", 5);
    assert_offence(f, "an answer to nothing");
}

static void freed_in_a_callback(void **state)
{
    struct fake *f = *state;
    struct channel_call *call;
    uint8_t two[2 * (FRAME_HEADER + 6)] = { 0 };

    f->free_in_callback = true;
    assert_int_equal(channel_mkdir(f->ch, "d", 0755, on_request, f, &call, NULL), 0);
    assert_int_equal(channel_mkdir(f->ch, "e", 0755, on_request, f, &call, NULL), 0);
    frame_header(two, FRAME_DONE, 0, FIRST, 6);
    frame_header(two + FRAME_HEADER + 6, FRAME_DONE, 0, FIRST + 1, 6);
    channel_feed(f->ch, span_make(two, sizeof(two)));
    assert_int_equal(f->calls, 1);
    assert_null(f->ch);
}

static void another_canceled_in_a_callback(void **state)
{
    struct fake *f = *state;
    struct channel_call *call, *other;

    assert_int_equal(channel_mkdir(f->ch, "d", 0755, on_request, f, &call, NULL), 0);
    assert_int_equal(channel_mkdir(f->ch, "e", 0755, on_request, f, &other, NULL), 0);
    f->cancel_in_callback = other;
    feed_frame(f, FRAME_DONE, 0, FIRST, "\0\0\0\0\0\0", 6);
    feed_frame(f, FRAME_DONE, 0, FIRST + 1, "\0\0\0\0\0\0", 6);
    settle(f);
    assert_int_equal(f->calls, 1);
    assert_false(f->is_broken);
}

static void itself_canceled_in_a_callback(void **state)
{
    struct fake *f = *state;
    struct channel_call *call;

    assert_int_equal(channel_mkdir(f->ch, "d", 0755, on_request, f, &call, NULL), 0);
    f->cancel_in_callback = call;
    feed_frame(f, FRAME_DONE, 0, FIRST, "\0\0\0\0\0\0", 6);
    assert_int_equal(f->calls, 1);
}

/* ---- what the guest keeps ---- */

static void feed_exit(struct fake *f, uint64_t id, struct frame_exit x)
{
    uint8_t payload[64];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    frame_exit_encode(&out, &x);
    feed_frame(f, FRAME_EXIT, 0, id, payload, out.len);
}

/* Frames that the host sent since, by type and stream. */
static size_t count_sent(struct fake *f, uint8_t type, uint64_t stream)
{
    size_t count = 0;

    settle(f);
    for (size_t at = 0; at + FRAME_HEADER <= f->sent.len;) {
        uint32_t len;
        uint64_t s;

        memcpy(&len, f->sent.data + at + 4, 4);
        memcpy(&s, f->sent.data + at + 8, 8);
        count += (uint8_t) f->sent.data[at] == type && s == stream;
        at += FRAME_HEADER + len;
    }
    return count;
}

static void ended_commands_stay(void **state)
{
    struct fake *f = *state;
    uint64_t ids[CHANNEL_EXECS];

    assert_true(channel_exec_is_known(f->ch, 77)); /* HELLO said so */
    assert_int_equal(channel_exec_room(f->ch), CHANNEL_EXECS - 1);
    (void) start_exec(f);
    assert_true(channel_exec_is_known(f->ch, 5));
    assert_int_equal(channel_exec_ended(f->ch, ids, CHANNEL_EXECS), 0);
    channel_exec_release(f->ch, 5); /* it runs */
    channel_exec_release(f->ch, 77);
    channel_exec_release(f->ch, 6);
    assert_int_equal(channel_exec_room(f->ch), CHANNEL_EXECS - 2);
    feed_exit(f, 5, (struct frame_exit){ .end = FRAME_EXIT_EXITED });
    assert_int_equal(f->calls, 1);
    assert_int_equal(channel_exec_ended(f->ch, ids, CHANNEL_EXECS), 1);
    assert_int_equal(ids[0], 5);
    assert_int_equal(channel_exec_list(f->ch, ids, CHANNEL_EXECS), 2);
    assert_int_equal(count_sent(f, FRAME_RELEASE, 5), 0);
    channel_exec_release(f->ch, 5);
    channel_exec_release(f->ch, 5);
    assert_int_equal(count_sent(f, FRAME_RELEASE, 5), 1);
    assert_int_equal(count_sent(f, FRAME_RELEASE, 77), 0);
    assert_false(channel_exec_is_known(f->ch, 5));
    assert_int_equal(channel_exec_room(f->ch), CHANNEL_EXECS - 1);
}

static void a_number_is_used_once(void **state)
{
    static const char *const argv[] = { "prog", NULL };
    struct fake *f = *state;
    struct exec_request req = { .id = 77, .argv = argv };
    struct err err;

    assert_int_equal(channel_exec(f->ch, &req, &exec_ops, f, NULL, &err), -ERR_CONFLICT);
    assert_string_equal(err.text, "command 77 has run already");
}

static void canceled_commands_are_released(void **state)
{
    struct fake *f = *state;

    channel_cancel(start_exec(f));
    assert_int_equal(count_sent(f, FRAME_KILL, 5), 1);
    assert_int_equal(count_sent(f, FRAME_RELEASE, 5), 0);
    feed_exit(f, 5, (struct frame_exit){ .end = FRAME_EXIT_KILLED });
    assert_int_equal(count_sent(f, FRAME_RELEASE, 5), 1);
    assert_int_equal(f->calls, 0);
}

static struct channel_call *start_in_place(struct fake *f, uint64_t id, uint64_t instead)
{
    static const char *const argv[] = { "prog", NULL };
    struct exec_request req = { .id = id, .argv = argv, .takes_over = true, .instead = instead };
    struct channel_call *call;

    assert_int_equal(channel_exec(f->ch, &req, &exec_ops, f, &call, NULL), 0);
    return call;
}

static void fill_up(struct fake *f)
{
    static const char *const argv[] = { "prog", NULL };

    for (uint64_t id = 100; channel_exec_room(f->ch) > 0; id++) {
        struct exec_request req = { .id = id, .argv = argv };

        assert_int_equal(channel_exec(f->ch, &req, &exec_ops, f, NULL, NULL), 0);
    }
}

static void a_place_is_taken_over(void **state)
{
    struct fake *f = *state;

    (void) start_exec(f);
    feed_exit(f, 5, (struct frame_exit){ .end = FRAME_EXIT_EXITED });
    fill_up(f);
    assert_int_equal(count_sent(f, FRAME_EXEC, 100), 1);
    (void) start_in_place(f, 6, 5); /* no room, but it needs none */
    assert_int_equal(count_sent(f, FRAME_EXEC, 6), 1);
    assert_false(channel_exec_is_known(f->ch, 5));
    assert_int_equal(count_sent(f, FRAME_RELEASE, 5), 0);
    (void) start_in_place(f, 7, 6); /* that one runs: it waits as any other */
    assert_int_equal(count_sent(f, FRAME_EXEC, 7), 0);
    feed_exit(f, 6, (struct frame_exit){ .end = FRAME_EXIT_EXITED });
    assert_int_equal(count_sent(f, FRAME_EXEC, 7), 1);
    /* refused: then nobody's place was taken */
    feed_exit(f, 7, (struct frame_exit){ .end = FRAME_EXIT_FAILED, .step = FRAME_STEP_TABLE, .errnum = 11 });
    assert_true(channel_exec_is_known(f->ch, 6));
    assert_false(channel_exec_is_known(f->ch, 7));
    assert_int_equal(channel_exec_room(f->ch), 0);
    channel_exec_release(f->ch, 6);
    assert_int_equal(count_sent(f, FRAME_RELEASE, 6), 1);
}

static void who_waits_gets_what_is_released(void **state)
{
    static const char *const argv[] = { "prog", NULL };
    struct fake *f = *state;
    struct exec_request req = { .id = 6, .argv = argv };

    (void) start_exec(f);
    fill_up(f);
    assert_int_equal(channel_exec(f->ch, &req, &exec_ops, f, NULL, NULL), 0);
    feed_exit(f, 5, (struct frame_exit){ .end = FRAME_EXIT_EXITED });
    assert_int_equal(count_sent(f, FRAME_EXEC, 6), 0);
    channel_exec_release(f->ch, 5);
    assert_int_equal(count_sent(f, FRAME_EXEC, 6), 1);
}

/* Adopted and canceled before HELLO came: what nobody wants is killed, then let go of. */
static void unwanted_commands_are_got_rid_of(void **state)
{
    struct fake *f = fake_new();
    struct channel_call *call;

    assert_int_equal(channel_exec_adopt(f->ch, 77, &exec_ops, f, &call, NULL), 0);
    channel_cancel(call);
    buf_clear(&f->sent);
    feed_preamble(f);
    feed_hello(f, FRAME_VERSION);
    assert_int_equal(count_sent(f, FRAME_ADOPT, 77), 1);
    assert_int_equal(count_sent(f, FRAME_KILL, 77), 1);
    feed_exit(f, 77, (struct frame_exit){ .end = FRAME_EXIT_KILLED });
    assert_int_equal(count_sent(f, FRAME_RELEASE, 77), 1);
    assert_int_equal(channel_exec_room(f->ch), CHANNEL_EXECS);
    assert_int_equal(f->calls, 0);
    *state = f;
    (void) teardown(state);
}

static void a_hole_where_none_was_asked_for(void **state)
{
    (void) start_read(*state);
    feed_frame(*state, FRAME_HOLE, 0, FIRST, "\0\0\1\0\0\0\0\0", 8);
    assert_offence(*state, "a hole that cannot be");
}

static void input_with_a_number(void **state)
{
    static const char *const argv[] = { "prog", NULL };
    struct fake *f = *state;
    struct exec_request req = { .id = 5, .argv = argv, .keep_input = true };
    struct channel_call *call;
    char marked[FRAME_MARK + 1];
    struct err err;

    assert_int_equal(channel_exec(f->ch, &req, &exec_ops, f, &call, NULL), 0);
    assert_int_equal(channel_exec_write_numbered(call, 9, span_of("one\n"), &err), 0);
    assert_int_equal(channel_exec_last_input(f->ch, 5), 9);
    assert_int_equal(count_sent(f, FRAME_INPUT, 5), 1);
    memcpy(marked, frame_mark, FRAME_MARK); /* has to be sent in pieces, so it has no number */
    assert_int_equal(channel_exec_write_numbered(call, 10, span_make(marked, FRAME_MARK), &err), 0);
    assert_int_equal(channel_exec_last_input(f->ch, 5), 9);
    assert_int_equal(count_sent(f, FRAME_INPUT, 5), 1);
    assert_int_equal(count_sent(f, FRAME_DATA, 5), 2);
}

static void lost_with_all_that_is_open(void **state)
{
    struct fake *f = *state;

    for (int i = 0; i < 40; i++) /* more than may be open: some wait */
        (void) start_read(f);
    channel_feed_log(f->ch, span_of("agentbox-guest: \33ouch\n"));
    channel_eof(f->ch, NULL);
    assert_int_equal(f->calls, 0); /* not from inside */
    settle(f);
    assert_int_equal(f->calls, 40);
    assert_int_equal(f->result, -ERR_ENGINE);
    assert_string_equal(f->err.text, "sandbox lost: the connection to the sandbox has ended");
    assert_true(f->is_broken);
    assert_string_equal(f->why.hint, "the guest's last words: agentbox-guest: ?ouch ");
    struct err err;

    assert_int_equal(channel_ping(f->ch, on_request, f, NULL, &err), -ERR_ENGINE);
}

/* What is offered to a guest that does not read is bounded. */
static void memory_is_bounded(void **state)
{
    static const struct file_write_ops ops = { NULL, NULL };
    struct fake *f = *state;
    static char megabyte[1 << 20];
    size_t taken = 0;

    for (int i = 0; i < 30; i++) {
        struct channel_call *call;
        char path[16];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "f%d", i);
        assert_int_equal(channel_write(f->ch, path, 0644, &ops, f, &call, NULL), 0);
        while ((n = channel_write_data(call, span_make(megabyte, sizeof(megabyte)), NULL)) > 0)
            taken += (size_t) n;
    }
    assert_true(taken <= 512 * 1024);
    assert_true(channel_pending(f->ch).len < 600 * 1024);
}

static void the_guest_we_carry(void **state)
{
    struct buf program = BUF_INIT(150 * 1024), small = BUF_INIT(10000);
    char hex[DIGEST_HEX];
    struct err err;

    (void) state;
    assert_int_equal(guest_image(&program, &err), 0);
    assert_true(program.len > 10000);
    assert_memory_equal(program.data, "\177ELF", 4);
    digest_of(buf_span(&program), hex);
    assert_int_equal(guest_image(&small, &err), -ERR_INTERNAL);
    assert_int_equal(small.len, 0);
    buf_done(&program);
    buf_done(&small);
    assert_string_equal(guest_image_digest(), hex);
    assert_true(strcmp(guest_image_arch(), "amd64") == 0 || strcmp(guest_image_arch(), "arm64") == 0);
}

#define CHANNEL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_hello_in_pieces),
        cmocka_unit_test(another_version),
        cmocka_unit_test(the_guest_we_carry),
        CHANNEL_TEST(hello_twice),
        CHANNEL_TEST(impossible_header),
        CHANNEL_TEST(unknown_stream),
        CHANNEL_TEST(pong_without_ping),
        CHANNEL_TEST(data_for_a_list),
        CHANNEL_TEST(exit_for_a_read),
        CHANNEL_TEST(credit_that_was_not_used),
        CHANNEL_TEST(entry_outside),
        CHANNEL_TEST(more_output_than_asked_for),
        CHANNEL_TEST(output_that_goes_backwards),
        CHANNEL_TEST(an_exit_that_lies_about_the_output),
        CHANNEL_TEST(a_probe_without_end),
        CHANNEL_TEST(contents_are_given_back),
        CHANNEL_TEST(answers_once),
        CHANNEL_TEST(a_refusal_is_shown_harmlessly),
        CHANNEL_TEST(canceled_answers_are_no_offence),
        CHANNEL_TEST(freed_in_a_callback),
        CHANNEL_TEST(another_canceled_in_a_callback),
        CHANNEL_TEST(itself_canceled_in_a_callback),
        CHANNEL_TEST(ended_commands_stay),
        CHANNEL_TEST(a_number_is_used_once),
        CHANNEL_TEST(canceled_commands_are_released),
        CHANNEL_TEST(a_place_is_taken_over),
        CHANNEL_TEST(who_waits_gets_what_is_released),
        cmocka_unit_test(unwanted_commands_are_got_rid_of),
        CHANNEL_TEST(a_hole_where_none_was_asked_for),
        CHANNEL_TEST(input_with_a_number),
        CHANNEL_TEST(lost_with_all_that_is_open),
        CHANNEL_TEST(memory_is_bounded),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
