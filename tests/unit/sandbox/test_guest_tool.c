/* SPDX-License-Identifier: MIT */
/* The shell tool on the real guest: many calls at once, and hosts that vanish in the middle of them. */
#include "tests/unit/sandbox/guest_fixture.h"

#include "core/sandbox/spec.h"
#include "core/tool/tool.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#define CALLS_MAX 48

struct harness;

struct call {
    struct harness *h;
    struct tool_run *run;
    char call_id[16];
    uint64_t number, execs;
    bool is_done;
    enum tool_outcome outcome;
    int64_t session;
    uint64_t session_exec_id;
    struct buf answer;
};

/* What a run's driver does for tools, in short. */
struct harness {
    struct guest *g;
    struct tool_host host;
    struct call calls[CALLS_MAX];
    size_t count;
    size_t commands; /* of each call */
    int events, stop_at;
    bool must_stop;
};

static struct call *call_of(struct harness *h, const char *call_id)
{
    size_t i = 0;

    while (strcmp(h->calls[i].call_id, call_id) != 0)
        i++;
    return &h->calls[i];
}

static struct channel *the_channel(void *data)
{
    return ((struct harness *) data)->g->host->ch;
}

static uint64_t next_exec_id(void *data, const char *call_id)
{
    struct call *call = call_of(data, call_id);

    return call->number * TOOL_EXEC_IDS + call->execs++;
}

static bool is_all_done(const struct harness *h)
{
    for (size_t i = 0; i < h->count; i++)
        if (!h->calls[i].is_done)
            return false;
    return true;
}

static void event(struct harness *h)
{
    if (++h->events == h->stop_at || is_all_done(h))
        h->must_stop = true;
}

static void on_piece(void *data, const char *call_id, int fd, struct span piece)
{
    event(data);
}

/* Results of calls that are over need not be kept. */
static void release(struct harness *h)
{
    uint64_t ids[CHANNEL_EXECS];
    size_t count = channel_exec_ended(the_channel(h), ids, CHANNEL_EXECS);

    for (size_t i = 0; i < count; i++) {
        size_t number = (size_t) (ids[i] / TOOL_EXEC_IDS);

        if (h->calls[number - 1].is_done && !tools_holds(&h->host, ids[i]))
            channel_exec_release(the_channel(h), ids[i]);
    }
}

static void on_answer(void *data, const struct tool_answer *answer)
{
    struct call *call = data;

    assert_false(call->is_done);
    call->is_done = true;
    call->run = NULL;
    call->outcome = answer->outcome;
    call->session = answer->session;
    call->session_exec_id = answer->session_exec_id;
    assert_int_equal(buf_add_span(&call->answer, answer->item), 0);
    release(call->h);
    event(call->h);
}

static const struct sandbox_spec sandbox = { .root = "/workspace", .pids = 256 };

static struct harness *harness_new(struct guest *g, size_t calls, size_t commands)
{
    struct harness *h = calloc(1, sizeof(*h));

    g->keeps = true;
    h->g = g;
    h->count = calls;
    h->commands = commands;
    h->host = (struct tool_host){
        .loop = g->loop,
        .channel = the_channel,
        .next_exec_id = next_exec_id,
        .on_output = on_piece,
        .data = h,
        .root = g->root,
        .sandbox = &sandbox,
        .output_bytes = 64 * 1024,
    };
    for (size_t i = 0; i < calls; i++) {
        h->calls[i] = (struct call){ .h = h, .number = i + 1 };
        (void) snprintf(h->calls[i].call_id, sizeof(h->calls[i].call_id), "c%zu", i + 1);
        buf_init(&h->calls[i].answer, 1 << 20);
    }
    return h;
}

static void harness_free(struct harness *h)
{
    tools_release(&h->host);
    for (size_t i = 0; i < h->count; i++)
        buf_done(&h->calls[i].answer);
    free(h);
}

static void call_start(struct call *call, const char *json)
{
    struct tool_call tc = { .call_id = call->call_id, .raw = span_of(json) };
    struct arena arena = ARENA_INIT(1 << 20);
    struct err err;

    call->execs = 0;
    assert_int_equal(json_parse(tc.raw, &arena, &tc.item, NULL), 0);
    assert_int_equal(tools_all[0]->start(&call->h->host, &tc, on_answer, call, &call->run, &err), 0);
    arena_done(&arena);
}

/* Each command leaves one line in its call's log, and says one. */
static void start_natively(struct call *call)
{
    struct buf json = BUF_INIT(1 << 20);

    assert_int_equal(buf_printf(&json,
                                "{\"type\":\"shell_call\",\"call_id\":\"%s\",\"action\":{\"commands\":[",
                                call->call_id),
                     0);
    for (size_t i = 0; i < call->h->commands; i++)
        assert_int_equal(
            buf_printf(&json, "%s\"echo %zu >>log.%s; echo out.%zu\"", i ? "," : "", i, call->call_id, i), 0);
    assert_int_equal(buf_add_text(&json, "]}}"), 0);
    call_start(call, buf_text(&json));
    buf_done(&json);
}

/* The process is gone: what it would still have said never leaves it. */
static void crash(struct harness *h)
{
    for (size_t i = 0; i < h->count; i++) {
        tool_cancel(h->calls[i].run);
        h->calls[i].run = NULL;
    }
    tools_release(&h->host);
    host_drop(h->g);
}

static void resume(struct harness *h)
{
    host_attach(h->g);
    host_greet(h->g);
    h->must_stop = false;
}

/* Every command ran once, and its result was told or said to be lost. */
static void assert_ran_once(struct harness *h, size_t *ret_lost)
{
    *ret_lost = 0;
    for (size_t i = 0; i < h->count; i++) {
        struct buf expected = BUF_INIT(4096);
        struct answer log;

        answer_init(&log);
        for (size_t k = 0; k < h->commands; k++) {
            char out[32];

            assert_int_equal(buf_printf(&expected, "%zu\n", k), 0);
            (void) snprintf(out, sizeof(out), "\"out.%zu\\n\"", k);
            *ret_lost += strstr(buf_text(&h->calls[i].answer), out) == NULL;
        }
        (void) snprintf(log.link, sizeof(log.link), "log.%s", h->calls[i].call_id);
        assert_int_equal(guest_read(h->g, log.link, &log), 0);
        assert_string_equal(buf_text(&log.text), buf_text(&expected));
        answer_free(&log);
        buf_done(&expected);
    }
}

static int setup(void **state)
{
    *state = guest_start("0", "yes");
    return 0;
}

static int teardown(void **state)
{
    guest_end(*state);
    return 0;
}

/* Many more commands than the guest has room for, all of which want to be kept. */
static void calls_do_not_wait_for_each_other(void **state)
{
    struct harness *h = harness_new(*state, CALLS_MAX, 20);
    size_t lost;

    for (size_t i = 0; i < h->count; i++)
        start_natively(&h->calls[i]);
    while (!is_all_done(h)) {
        h->stop_at = h->events + 1;
        h->must_stop = false;
        guest_run(h->g, &h->must_stop);
    }
    assert_ran_once(h, &lost);
    assert_int_equal(lost, 0);
    assert_int_equal(channel_exec_room(h->g->host->ch), CHANNEL_EXECS);
    harness_free(h);
}

/* A host is killed again and again, after more and more events. */
static void hosts_vanish(struct guest *g, size_t calls, size_t commands, size_t *ret_lost)
{
    struct harness *h = harness_new(g, calls, commands);

    for (int round = 1; !is_all_done(h); round++) {
        h->stop_at = h->events + round;
        for (size_t i = 0; i < h->count; i++)
            if (!h->calls[i].is_done)
                start_natively(&h->calls[i]);
        while (!h->must_stop && !is_all_done(h))
            guest_run(g, &h->must_stop);
        crash(h);
        resume(h);
    }
    assert_ran_once(h, ret_lost);
    harness_free(h);
}

static void nothing_is_lost_and_nothing_runs_twice(void **state)
{
    size_t lost;

    hosts_vanish(*state, 3, 8, &lost);
    assert_int_equal(lost, 0);
}

static void nothing_runs_twice_without_room(void **state)
{
    size_t lost;

    hosts_vanish(*state, 30, 6, &lost);
    print_message("# %zu results were given up\n", lost);
}

#define FUNCTION(id, name, args) \
    "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"" name "\",\"arguments\":\"" args "\"}"

static int count(const struct call *call, const char *what)
{
    int n = 0;

    for (const char *p = buf_text(&call->answer); (p = strstr(p, what)); p++)
        n++;
    return n;
}

static void sessions_go_on(void **state)
{
    struct harness *h = harness_new(*state, 4, 0);
    struct call *c = h->calls;

    call_start(&c[0],
               FUNCTION("c1", "exec_command",
                        "{\\\"cmd\\\":\\\"while read x; do echo got $x; test $x = end && exit 5; done\\\","
                        "\\\"login\\\":false,\\\"tty\\\":true,\\\"yield_time_ms\\\":250}"));
    guest_run(h->g, &c[0].is_done);
    assert_int_equal(c[0].session, 1000);
    /* killed while it waits for an answer to its input: that is not sent again */
    call_start(
        &c[1],
        FUNCTION("c2", "write_stdin",
                 "{\\\"session_id\\\":1000,\\\"chars\\\":\\\"one\\\\n\\\",\\\"yield_time_ms\\\":30000}"));
    h->stop_at = h->events + 1; /* the echo of the terminal: the input is there */
    guest_run(h->g, &h->must_stop);
    crash(h);
    resume(h);
    assert_int_equal(tools_restore_session(&h->host, 1000, c[0].session_exec_id, NULL), 0);
    call_start(
        &c[1],
        FUNCTION("c2", "write_stdin",
                 "{\\\"session_id\\\":1000,\\\"chars\\\":\\\"one\\\\n\\\",\\\"yield_time_ms\\\":250}"));
    guest_run(h->g, &c[1].is_done);
    call_start(
        &c[2],
        FUNCTION("c3", "write_stdin",
                 "{\\\"session_id\\\":1000,\\\"chars\\\":\\\"end\\\\n\\\",\\\"yield_time_ms\\\":30000}"));
    guest_run(h->g, &c[2].is_done);
    assert_non_null(strstr(buf_text(&c[2].answer), "Process exited with code 5"));
    assert_int_equal(count(&c[1], "got one") + count(&c[2], "got one"), 1);
    assert_int_equal(count(&c[2], "got end"), 1);
    assert_int_equal(c[2].session, 0);
    release(h);
    assert_int_equal(channel_exec_room(h->g->host->ch), CHANNEL_EXECS);
    harness_free(h);
}

/* One without input says so after a re-attach too. */
static void sessions_without_input(void **state)
{
    struct harness *h = harness_new(*state, 2, 0);
    struct call *c = h->calls;

    call_start(&c[0],
               FUNCTION("c1", "exec_command",
                        "{\\\"cmd\\\":\\\"sleep 1000\\\",\\\"login\\\":false,\\\"yield_time_ms\\\":250}"));
    guest_run(h->g, &c[0].is_done);
    crash(h);
    resume(h);
    assert_int_equal(tools_restore_session(&h->host, 1000, c[0].session_exec_id, NULL), 0);
    call_start(&c[1], FUNCTION("c2", "write_stdin", "{\\\"session_id\\\":1000,\\\"chars\\\":\\\"x\\\"}"));
    guest_run(h->g, &c[1].is_done);
    assert_non_null(strstr(buf_text(&c[1].answer), "is closed"));
    harness_free(h);
}

#define TOOL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
    TOOL_TEST(calls_do_not_wait_for_each_other), TOOL_TEST(nothing_is_lost_and_nothing_runs_twice),
    TOOL_TEST(nothing_runs_twice_without_room),  TOOL_TEST(sessions_go_on),
    TOOL_TEST(sessions_without_input),
};

UNIT_MAIN(tests)
