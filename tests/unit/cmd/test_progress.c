/* SPDX-License-Identifier: MIT */
/* What people see of a run while it goes on, and its last words. */
#include "tests/unit/cmd/evil.h"
#include "tests/unit/unit.h"

#include "cmd/progress.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct term plain = { .columns = 80 };

/* ---- the last words ---- */

static void test_summary(void **state)
{
    const struct run_output one = { .path = "out/a", .to = "/home/u/a" }, all = { .path = "d", .to = "/d" };
    const struct output_report outputs[] = {
        { .output = &one, .is_missing = true },
        { .output = &one, .files = 1, .size = 2048, .sha256 = "abc" },
        { .output = &all, .is_folder = true, .files = 3, .size = 10, .sha256 = "def" },
    };
    struct run_summary s = { .id = "r1", .end = RUN_DONE, .turns = 1, .calls = 2, .cost_micros = -1 };
    struct buf out = BUF_INIT(8192);

    s.elapsed_ms = 61000;
    s.usage.total = 12345;
    assert_int_equal(progress_summary(&out, &s, &plain), 0);
    assert_string_equal(buf_text(&out), "done in 1m 1s: 1 turn, 2 tool calls, 12.3k tokens\n"
                                        "more: agentbox show r1\n");
    buf_clear(&out);
    s.end = RUN_LIMIT;
    s.exit_status = 6;
    s.reason = "turns";
    s.turns = 2;
    s.calls = 1;
    s.cost_micros = 250000;
    s.outputs = outputs;
    s.output_count = 3;
    s.is_kept = true;
    s.kept_ms = 300000;
    s.container_name = "agentbox-r1";
    assert_int_equal(progress_summary(&out, &s, &plain), 0);
    assert_string_equal(buf_text(&out), "limit reached in 1m 1s: 2 turns, 1 tool call, 12.3k tokens, $0.25\n"
                                        "outputs:\n"
                                        "  out/a -> /home/u/a  2 KiB  sha256:abc\n"
                                        "  d -> /d  3 files  10 B  sha256:def\n"
                                        "the container is kept: agentbox-r1 (it ends by itself after 5m)\n"
                                        "more: agentbox show r1\n"
                                        "go on: agentbox resume r1 --set limits.turns=...\n");
    buf_done(&out);
}

static void test_summary_of_failed_outputs(void **state)
{
    const struct run_output one = { .path = EVIL, .to = EVIL };
    struct output_report report = { .output = &one, .result = -ERR_OUTPUT };
    struct run_summary s = {
        .id = "r1", .end = RUN_FAILED, .exit_status = 8, .outputs = &report, .output_count = 1
    };
    struct buf out = BUF_INIT(8192);

    assert_int_equal(progress_summary(&out, &s, &plain), 0);
    assert_string_equal(buf_text(&out), "failed in 0 ms: 0 turns, 0 tool calls, 0 tokens\n"
                                        "more: agentbox show r1\n"
                                        "go on: agentbox outputs r1\n");
    buf_clear(&out);
    report.result = 0;
    assert_int_equal(progress_summary(&out, &s, &plain), 0);
    assert_string_equal(buf_text(&out), "failed in 0 ms: 0 turns, 0 tool calls, 0 tokens\n"
                                        "outputs:\n"
                                        "  " HARMLESS " -> " HARMLESS "  0 B  sha256:\n"
                                        "more: agentbox show r1\n"
                                        "go on: agentbox outputs r1\n");
    buf_done(&out);
}

/* ---- on stderr ---- */

static int saved, reading;

/* stderr goes to `fd`, which is closed; what arrives is read from `reader`. */
static void capture(int fd, int reader)
{
    saved = dup(STDERR_FILENO);
    reading = reader;
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static void release(void)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
}

static void test_without_a_terminal(void **state)
{
    struct record begin = { .type = RECORD_RUN_BEGIN };
    struct record output = { .type = RECORD_OUTPUT_DONE, .output = { .path = "a" } };
    struct record end = { .type = RECORD_RUN_END };
    struct run_state run;
    struct progress *p;
    char text[4096];
    int fds[2];
    ssize_t n;

    run_state_init(&run);
    begin.run_begin = (struct record_run_begin){ .id = "i", .name = "n", .model = "m" };
    assert_int_equal(pipe(fds), 0);
    capture(fds[1], fds[0]);
    assert_int_equal(progress_new(NULL, &p, NULL), 0);
    progress_record(p, &begin, &run);
    progress_delta(p, MODEL_DELTA_TEXT, span_of("never shown"));
    progress_step(p, "create", "creating the container");
    progress_step(p, "pull", "pulling " EVIL);
    progress_record(p, &output, &run); /* told by the summary, as is the end */
    progress_record(p, &end, &run);
    progress_free(p);
    release();
    n = read(reading, text, sizeof(text) - 1);
    close(reading);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_string_equal(text, "run i  n, model m\npulling " HARMLESS "\n");
    run_state_done(&run);
}

/* Who goes on is told where; a fork begins where it was put. */
static void test_going_on_live(void **state)
{
    struct record resume = { .type = RECORD_RUN_RESUME }, back = { .type = RECORD_ROLLBACK };
    struct record kept = { .type = RECORD_CHECKPOINT_DONE, .checkpoint = { .number = 2, .files = 1 } };
    struct run_state run;
    struct progress *p;
    char text[4096], id[] = "r1", name[] = "n", model[] = "m", parent[] = "r0";
    int fds[2];
    ssize_t n;

    run_state_init(&run);
    run.id = id;
    run.turn = 3;
    run.calls_begun = 7;
    assert_int_equal(pipe(fds), 0);
    capture(fds[1], fds[0]);
    assert_int_equal(progress_new(NULL, &p, NULL), 0);
    progress_go_on(p, &run);
    progress_record(p, &resume, &run); /* has been told */
    progress_record(p, &kept, &run);   /* for `logs` */
    kept.checkpoint.unkept = 2;
    progress_record(p, &kept, &run);
    run.turn = run.calls_begun = 0;
    run.name = name;
    run.model = model;
    run.parent = parent;
    progress_go_on(p, &run);
    progress_record(p, &back, &run); /* to where it begins */
    run.resumes = 1;
    progress_go_on(p, &run);
    back.rollback.turn = 2;
    progress_record(p, &back, &run);
    progress_free(p);
    release();
    n = read(reading, text, sizeof(text) - 1);
    close(reading);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_string_equal(text, "resuming r1 at turn 3, call 7\n"
                              "        checkpoint 2: 1 file, 0 B (0 B new); 2 things cannot be kept\n"
                              "run r1  n, model m, from r0\n"
                              "resuming r1 at turn 0, call 0\n"
                              "back to the beginning, turn 2\n");
}

struct screen {
    struct buf text;
    bool is_full;
};

static void on_screen(void *data, unsigned events)
{
    struct screen *screen = data;
    char bytes[512];
    ssize_t n = read(reading, bytes, sizeof(bytes));

    if (n > 0)
        assert_int_equal(buf_add(&screen->text, bytes, (size_t) n), 0);
    screen->is_full = screen->text.len > 0 && (strstr(screen->text.data, ", 0 s") != NULL ||
                                               strstr(screen->text.data, "\xe2\x80\xa6") != NULL);
}

/* A long step is cut between characters, and the line goes away at the end. */
static void test_live_line(void **state)
{
    struct winsize size = { .ws_row = 24, .ws_col = 200 };
    struct screen screen = { .text = BUF_INIT(65536) };
    int top = posix_openpt(O_RDWR | O_NOCTTY), fd;
    char step[301] = "x", want[400];
    struct loop_source *source;
    struct progress *p;
    struct loop *loop;

    assert_true(top >= 0);
    assert_int_equal(grantpt(top), 0);
    assert_int_equal(unlockpt(top), 0);
    fd = open(ptsname(top), O_RDWR | O_NOCTTY);
    assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
    setenv("TERM", "xterm", 1);
    setenv("NO_COLOR", "1", 1);
    for (int i = 0; i < 90; i++)
        strcat(step, "\xe2\x82\xac");
    assert_int_equal(loop_new(&loop, NULL), 0);
    capture(fd, top);
    assert_int_equal(progress_new(loop, &p, NULL), 0);
    progress_step(p, "pull", step);
    assert_int_equal(loop_watch_fd(loop, top, LOOP_READ, on_screen, &screen, &source, NULL), 0);
    assert_int_equal(loop_run(loop, &screen.is_full, NULL), 0);
    snprintf(want, sizeof(want), "\r\033[K| %.94s, 0 s", step); /* 1 + 31 * 3 bytes */
    assert_memory_equal(screen.text.data, want, strlen(want));
    buf_clear(&screen.text);
    screen.is_full = false; /* the window becomes narrow */
    size.ws_col = 10;
    assert_int_equal(ioctl(top, TIOCSWINSZ, &size), 0);
    assert_int_equal(loop_run(loop, &screen.is_full, NULL), 0);
    assert_memory_equal(screen.text.data, "\r\033[K/ x\xe2\x82\xac\xe2\x82\xac", 13);
    assert_int_equal(screen.text.len, 4 + 3 + 5 * 3 + 3);
    buf_clear(&screen.text);
    progress_free(p);
    on_screen(&screen, LOOP_READ);
    assert_true(screen.text.len >= 4);
    assert_memory_equal(screen.text.data + screen.text.len - 4, "\r\033[K", 4);
    release();
    loop_source_free(source);
    close(top);
    loop_free(loop);
    buf_done(&screen.text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_summary),
    cmocka_unit_test(test_summary_of_failed_outputs),
    cmocka_unit_test(test_without_a_terminal),
    cmocka_unit_test(test_going_on_live),
    cmocka_unit_test(test_live_line),
};

UNIT_MAIN(tests)
