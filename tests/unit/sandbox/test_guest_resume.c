/* SPDX-License-Identifier: MIT */
/* The real guest when hosts vanish, come back, or send garbage. */
#include "tests/unit/sandbox/guest_fixture.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    struct guest *g = guest_start("0", "yes");

    g->keeps = true;
    *state = g;
    return 0;
}

static int teardown(void **state)
{
    guest_end(*state);
    return 0;
}

static void new_host(struct guest *g)
{
    host_drop(g);
    host_attach(g);
    host_greet(g);
}

static void adopt(struct guest *g, struct command *c, uint64_t id)
{
    struct err err;

    command_init(c);
    assert_int_equal(channel_exec_adopt(g->host->ch, id, &command_ops, c, &c->call, &err), 0);
}

static void release_it(struct guest *g, uint64_t id)
{
    struct command c;

    shell_run(g, &c, id, "until test -p go; do :; done; echo go >go");
    command_done(&c);
}

/* What was sent before has arrived once this was answered. */
static void settle(struct guest *g, uint64_t id)
{
    struct command c;

    shell_run(g, &c, id, "true");
    command_done(&c);
}

/* Start, hear the first line, vanish: the next host gets all of it. */
static void a_command_goes_on(void **state)
{
    struct guest *g = *state;
    struct command c;

    shell_start(g, &c, 5, "echo first; mkfifo go; read x <go; echo second; echo err >&2; exit 9");
    guest_run(g, &c.has_spoken);
    command_done(&c);
    new_host(g);
    adopt(g, &c, 5);
    release_it(g, 6);
    guest_run(g, &c.is_done);
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_int_equal(c.result.code, 9);
    assert_string_equal(buf_text(&c.out[0]), "first\nsecond\n");
    assert_string_equal(buf_text(&c.out[1]), "err\n");
    assert_int_equal(c.gap[0], 0);
    command_done(&c);
    /* nobody has let go of it: a third host hears it all again, and does */
    settle(g, 7);
    new_host(g);
    assert_true(channel_exec_is_known(g->host->ch, 5));
    adopt(g, &c, 5);
    guest_run(g, &c.is_done);
    assert_int_equal(c.result.code, 9);
    assert_string_equal(buf_text(&c.out[0]), "first\nsecond\n");
    command_done(&c);
    channel_exec_release(g->host->ch, 5);
    assert_false(channel_exec_is_known(g->host->ch, 5));
    settle(g, 8);
    new_host(g);
    assert_false(channel_exec_is_known(g->host->ch, 5));
    adopt(g, &c, 5);
    guest_run(g, &c.is_done);
    assert_int_equal(c.result.end, EXEC_LOST);
    assert_string_equal(c.result.text, "the sandbox does not know command 5");
    command_done(&c);
}

static void a_command_that_ended_meanwhile(void **state)
{
    struct guest *g = *state;
    struct command c;

    shell_start(g, &c, 5, "echo said; touch started; until test -e seen; do :; done; exit 3");
    settle(g, 6);
    host_drop(g);
    command_done(&c);
    host_attach(g);
    host_greet(g);
    /* other commands may come first */
    shell_run(g, &c, 7, "until test -e started; do :; done; touch seen");
    command_done(&c);
    shell_run(g, &c, 8, "while ps -o args 2>/dev/null | grep -q '[t]est -e seen'; do :; done; true");
    command_done(&c);
    adopt(g, &c, 5);
    guest_run(g, &c.is_done);
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_int_equal(c.result.code, 3);
    assert_string_equal(buf_text(&c.out[0]), "said\n");
    command_done(&c);
}

static void request(struct guest *g, struct command *c, struct exec_request *req)
{
    command_start(g, c, req);
    guest_run(g, &c->is_done);
    command_done(c);
}

/* The slot of an ended one is handed on in the moment in which the next one starts. */
static void a_place_is_taken_over(void **state)
{
    static const char *const good[] = { "true", NULL }, *const bad[] = { "no-such-program", NULL };
    struct guest *g = *state;
    struct command c;

    for (uint64_t id = 1; id <= CHANNEL_EXECS; id++)
        request(g, &c, &(struct exec_request){ .id = id, .argv = good });
    assert_int_equal(channel_exec_room(g->host->ch), 0);
    request(g, &c, &(struct exec_request){ .id = 1000, .argv = good, .takes_over = true, .instead = 7 });
    assert_int_equal(c.result.end, EXEC_EXITED);
    request(g, &c, &(struct exec_request){ .id = 1001, .argv = bad, .takes_over = true, .instead = 8 });
    assert_int_equal(c.result.end, EXEC_FAILED);
    assert_true(c.result.is_missing);
    request(
        g, &c,
        &(struct exec_request){ .id = 1002, .argv = good, .cwd = "none", .takes_over = true, .instead = 9 });
    assert_int_equal(c.result.end, EXEC_FAILED);
    new_host(g); /* and what could not start is known as well */
    assert_int_equal(channel_exec_room(g->host->ch), 0);
    for (uint64_t id = 7; id <= 9; id++)
        assert_false(channel_exec_is_known(g->host->ch, id));
    assert_true(channel_exec_is_known(g->host->ch, 1000));
    adopt(g, &c, 1001);
    guest_run(g, &c.is_done);
    assert_int_equal(c.result.end, EXEC_FAILED);
    assert_true(c.result.is_missing);
    command_done(&c);
    adopt(g, &c, 1002);
    guest_run(g, &c.is_done);
    assert_string_equal(c.text, "folder '': no such file or directory");
    command_done(&c);
}

/* Input that came with a number came once, and later hosts know. */
static void input_is_remembered(void **state)
{
    static const char *const argv[] = { "cat", NULL };
    struct guest *g = *state;
    struct exec_request req = { .id = 5, .argv = argv, .keep_input = true };
    struct command c;
    struct err err;

    command_start(g, &c, &req);
    assert_int_equal(channel_exec_write_numbered(c.call, 3, span_of("one\n"), &err), 0);
    guest_run(g, &c.has_spoken);
    command_done(&c);
    new_host(g);
    assert_int_equal(channel_exec_last_input(g->host->ch, 5), 3);
    adopt(g, &c, 5);
    guest_run(g, &c.has_spoken);
    assert_int_equal(channel_exec_write_numbered(c.call, 4, span_of("two\n"), &err), 0);
    assert_int_equal(channel_exec_write(c.call, span_of("three\n"), true, &err), 0);
    guest_run(g, &c.is_done);
    assert_string_equal(buf_text(&c.out[0]), "one\ntwo\nthree\n");
    command_done(&c);
    new_host(g);
    assert_int_equal(channel_exec_last_input(g->host->ch, 5), 4);
    adopt(g, &c, 5); /* its input is closed, and it has ended: no credit, nothing but its result */
    assert_int_equal(channel_exec_write(c.call, span_of("x"), false, &err), -ERR_CONFLICT);
    guest_run(g, &c.is_done);
    command_done(&c);
}

/* What an earlier host left running, and nobody wants. */
static void unwanted_commands_are_killed(void **state)
{
    struct guest *g = *state;
    struct command c;
    uint64_t ids[CHANNEL_EXECS];

    shell_start(g, &c, 5, "echo $$; sleep 1000");
    guest_run(g, &c.has_spoken);
    command_done(&c);
    new_host(g);
    assert_int_equal(channel_exec_list(g->host->ch, ids, CHANNEL_EXECS), 1);
    adopt(g, &c, ids[0]);
    channel_cancel(c.call);
    command_done(&c);
    shell_run(g, &c, 6, "while pgrep -x sleep >/dev/null; do :; done"); /* it dies */
    command_done(&c);
    while (channel_exec_is_known(g->host->ch, 5))
        settle(g, ++ids[0] + 100);
}

static void unknown_commands_are_lost(void **state)
{
    struct guest *g = *state;
    struct command c;

    adopt(g, &c, 99);
    guest_run(g, &c.is_done);
    assert_int_equal(c.result.end, EXEC_LOST);
    assert_string_equal(c.result.text, "the sandbox does not know command 99");
    command_done(&c);
    assert_false(g->host->is_broken);
}

/* More than the guest holds: what is missing at the front is counted. */
static void a_flood_is_adopted_with_a_gap(void **state)
{
    struct guest *g = *state;
    const char *argv[] = {
        "sh", "-c",
        "mkfifo go; head -c 3000000 /dev/zero | tr '\\0' x; touch all; read x <go; echo; echo end", NULL
    };
    struct exec_request req = { .id = 5, .argv = argv, .output_max = 2500000, .tail_max = 4 };
    struct command c, other;

    command_start(g, &c, &req);
    shell_run(g, &other, 6, "until test -e all; do :; done");
    command_done(&other);
    command_done(&c);
    new_host(g);
    adopt(g, &c, 5);
    release_it(g, 7);
    guest_run(g, &c.is_done);
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_int_equal(c.result.stdout_bytes, 3000005);
    assert_int_equal(c.bytes[0] + c.gap[0], 3000005);
    assert_true(c.bytes[0] >= 4 && c.bytes[0] <= FRAME_WINDOW_OUTPUT + 4);
    assert_string_equal(buf_text(&c.out[0]) + c.out[0].len - 4, "end\n");
    command_done(&c);
}

/* A host that dies in the middle of a frame: header, payload, one byte before the end. */
static void torn_frames(void **state)
{
    struct guest *g = *state;
    const char *argv[] = { "cat", NULL };
    struct exec_request req = { .id = 5, .argv = argv, .keep_input = true, .input = span_of("kept\n") };
    struct command c;
    uint8_t frame[FRAME_HEADER + 1000];
    static const size_t cuts[] = { 1, 15, 16, 17, 500, 1015 };

    command_start(g, &c, &req);
    guest_run(g, &c.has_spoken);
    command_done(&c);
    memset(frame, 'j', sizeof(frame));
    frame_header(frame, FRAME_DATA, 0, 5, 1000);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        host_send_raw(g, frame, cuts[i]);
        new_host(g);
    }
    adopt(g, &c, 5); /* no half frame reached it */
    guest_run(g, &c.has_spoken);
    struct err err;

    assert_int_equal(channel_exec_write(c.call, span_of("more\n"), true, &err), 0);
    guest_run(g, &c.is_done);
    assert_string_equal(buf_text(&c.out[0]), "kept\nmore\n");
    command_done(&c);
}

/* HELLO itself is cut, and begun again. */
static void torn_hello(void **state)
{
    struct guest *g = *state;
    uint8_t hello[FRAME_PREAMBLE] = { 0 };

    memcpy(hello, frame_mark, FRAME_MARK);
    for (size_t cut = 1; cut <= sizeof(hello); cut += 5) {
        host_send_raw(g, hello, cut);
        new_host(g);
    }
    settle(g, 1);
}

static void a_file_half_written(void **state)
{
    struct guest *g = *state;
    static const struct file_write_ops ops = { NULL, NULL };
    struct channel_call *call;
    struct err err;
    struct answer a;
    struct command c;
    char path[128];
    struct stat st;

    answer_init(&a);
    assert_int_equal(guest_write(g, "f", 0644, span_of("whole"), &a), 0);
    assert_int_equal(channel_write(g->host->ch, "f", 0644, &ops, NULL, &call, &err), 0);
    assert_int_equal(channel_write_data(call, span_of("half"), &err), 4);
    settle(g, 1); /* by now the guest has it */
    new_host(g);
    shell_run(g, &c, 2, "ls -A; cat f");
    assert_string_equal(buf_text(&c.out[0]), "f\nwhole");
    command_done(&c);
    (void) snprintf(path, sizeof(path), "%s/f", g->root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 5);
}

/* Contents that look like a HELLO, and like one the guest has seen. */
static void a_file_that_holds_a_hello(void **state)
{
    struct guest *g = *state;
    char contents[3 * FRAME_PREAMBLE];
    struct answer a, b;

    for (int i = 0; i < 3; i++) {
        memcpy(contents + i * FRAME_PREAMBLE, frame_mark, FRAME_MARK);
        memset(contents + i * FRAME_PREAMBLE + FRAME_MARK, 0x11, FRAME_NONCE);
    }
    for (size_t from = 0; from < FRAME_PREAMBLE; from++) {
        for (size_t len = FRAME_MARK - 1; len <= 2 * FRAME_PREAMBLE; len += 7) {
            answer_init(&a);
            answer_init(&b);
            assert_int_equal(guest_write(g, "f", 0644, span_make(contents + from, len), &a), 0);
            assert_int_equal(guest_read(g, "f", &b), 0);
            assert_int_equal(b.text.len, len);
            assert_memory_equal(b.text.data, contents + from, len);
            answer_free(&b);
        }
    }
    assert_false(g->host->is_broken);
}

static void garbage_does_not_kill(void **state)
{
    struct guest *g = *state;
    static uint8_t noise[300000];
    uint32_t seed = 1;

    for (size_t i = 0; i < sizeof(noise); i++) {
        seed = seed * 1664525 + 1013904223;
        noise[i] = (uint8_t) (seed >> 24);
    }
    host_send_raw(g, noise, sizeof(noise));
    new_host(g);
    for (int type = 0; type < 64; type++) { /* every type, with payloads that are not what they should be */
        uint8_t frame[FRAME_HEADER + 40];

        memset(frame, type * 7, sizeof(frame));
        frame_header(frame, (uint8_t) type, (uint8_t) (type & 3), FRAME_STREAM_FILES + 1000, 40);
        host_send_raw(g, frame, type < FRAME_TYPES ? sizeof(frame) : FRAME_HEADER);
        frame_header(frame, (uint8_t) type, 0, 12345, 0);
        host_send_raw(g, frame, FRAME_HEADER);
    }
    new_host(g);
    settle(g, 1);
}

static void the_channel_keeps_the_guest_alive(void **state)
{
    struct guest *g = guest_start("3000", "yes");
    struct command c;

    (void) state;
    shell_run(g, &c, 1, "sleep 6; echo still here"); /* the command's sleep, not ours: twice the timeout */
    assert_string_equal(buf_text(&c.out[0]), "still here\n");
    command_done(&c);
    guest_end(g);
}

static void an_orphan_ends(void **state)
{
    struct guest *g = guest_start("2000", "yes");
    struct command c;

    (void) state;
    shell_start(g, &c, 1, "sleep 1000");
    settle(g, 2);
    host_drop(g);
    command_done(&c);
    int status = guest_wait(g);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    guest_end(g);
}

static void a_guest_ends_when_it_is_told(void **state)
{
    struct guest *g = guest_start("0", "yes"); /* it would wait for ever */
    struct command c;

    (void) state;
    shell_start(g, &c, 1, "setsid sleep 1000 & sleep 1000");
    settle(g, 2);
    channel_quit(g->host->ch);
    guest_run(g, &g->host->is_broken); /* nothing holds the stream open */
    command_done(&c);
    int status = guest_wait(g);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    guest_end(g);
}

static void an_end_of_input_is_not_the_end(void **state)
{
    struct guest *g = guest_start("2000", "yes");

    (void) state;
    host_drop(g);
    close(g->to_fd);
    g->to_fd = -1;
    int status = guest_wait(g);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    guest_end(g);
}

static void guests_tell_who_they_are(void **state)
{
    struct guest *g = *state;
    uint64_t boot = channel_guest(g->host->ch)->boot;

    assert_int_equal(channel_guest(g->host->ch)->protocol, FRAME_VERSION);
    assert_int_equal(strlen(channel_guest(g->host->ch)->build), 64);
    new_host(g);
    assert_true(channel_guest(g->host->ch)->boot == boot);
}

#define GUEST_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_TEST(a_command_goes_on),
        GUEST_TEST(a_command_that_ended_meanwhile),
        GUEST_TEST(a_place_is_taken_over),
        GUEST_TEST(input_is_remembered),
        GUEST_TEST(unwanted_commands_are_killed),
        GUEST_TEST(unknown_commands_are_lost),
        GUEST_TEST(a_flood_is_adopted_with_a_gap),
        GUEST_TEST(torn_frames),
        GUEST_TEST(torn_hello),
        GUEST_TEST(a_file_half_written),
        GUEST_TEST(a_file_that_holds_a_hello),
        GUEST_TEST(garbage_does_not_kill),
        GUEST_TEST(guests_tell_who_they_are),
        cmocka_unit_test(the_channel_keeps_the_guest_alive),
        cmocka_unit_test(an_orphan_ends),
        cmocka_unit_test(a_guest_ends_when_it_is_told),
        cmocka_unit_test(an_end_of_input_is_not_the_end),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
