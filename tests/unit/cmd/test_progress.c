/* SPDX-License-Identifier: MIT */
/* What people read of a run: one exact text for each type of record. */
#include "tests/unit/unit.h"

#include "cmd/progress.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct term plain = { .columns = 80 };

static void expect_line_on(const struct term *term, const struct record *rec, const char *want)
{
    struct buf out = BUF_INIT(65536);

    assert_int_equal(progress_line(&out, rec, term), 0);
    assert_string_equal(buf_text(&out), want);
    buf_done(&out);
}

static void expect_line(struct record rec, const char *want)
{
    expect_line_on(&plain, &rec, want);
}

/* ---- a line each ---- */

static void test_run_begin(void **state)
{
    expect_line((struct record){ .type = RECORD_RUN_BEGIN,
                                 .run_begin = { .id = "20261122-x", .name = "hello", .model = "gpt" } },
                "run 20261122-x  hello, model gpt\n");
}

static void test_sandbox_ready(void **state)
{
    const struct record_row rows[] = { { .name = "a", .state = "verified" },
                                       { .name = "b", .state = "lowered" },
                                       { .name = "c", .state = "verified" },
                                       { .name = "d", .state = "asked" },
                                       { .name = "e" } };

    expect_line((struct record){ .type = RECORD_SANDBOX_READY, .ms = 131, .sandbox_ready = { .rows = rows } },
                "sandbox ready after 131 ms, 0 rows of the lock-down verified\n");
    expect_line((struct record){ .type = RECORD_SANDBOX_READY,
                                 .ms = 1230,
                                 .sandbox_ready = { .rows = rows, .row_count = 5 } },
                "sandbox ready after 1.2 s, 2 rows of the lock-down verified, 1 lowered by the manifest\n");
}

static void test_workspace_ready(void **state)
{
    expect_line((struct record){ .type = RECORD_WORKSPACE_READY,
                                 .workspace = { .files = 5000, .folders = 51, .bytes = 1536 } },
                "workspace filled: 5000 files, 1.5 KiB\n");
    expect_line((struct record){ .type = RECORD_WORKSPACE_READY, .workspace = { .links = 1 } },
                "workspace filled: 0 files, 0 B\n");
    expect_line((struct record){ .type = RECORD_WORKSPACE_READY }, "");
}

static void test_request_item(void **state)
{
    struct record rec = { .type = RECORD_REQUEST_ITEM,
                          .request_item = {
                              .turn = 3, .call = 7, .title = "shell: ls -l", .item_type = "shell_call" } };

    expect_line(rec, "turn 3  shell: ls -l\n");
    rec.request_item.title = NULL;
    expect_line(rec, "turn 3  shell_call\n");
    rec.request_item.item_type = NULL;
    expect_line(rec, "turn 3  call\n");
    rec.request_item.call = 0; /* messages and reasoning */
    expect_line(rec, "");
}

static void test_request_failed(void **state)
{
    struct record rec = {
        .type = RECORD_REQUEST_FAILED,
        .request_failed = { .turn = 2, .attempt = 1, .code = "rate_limit_exceeded", .message = "slow down" }
    };

    expect_line(rec, "turn 2  slow down\n");
    rec.request_failed.will_retry = true;
    rec.request_failed.retry_ms = 2500;
    expect_line(rec, "turn 2  slow down; try 2 in 2.5 s\n");
    rec.request_failed.repair = "function_tools";
    expect_line(rec, "turn 2  slow down; trying again (function_tools)\n");
    rec.request_failed.message = rec.request_failed.repair = NULL;
    expect_line(rec, "turn 2  rate_limit_exceeded; try 2 in 2.5 s\n");
    rec.request_failed.code = NULL;
    expect_line(rec, "turn 2  the request failed; try 2 in 2.5 s\n");
}

static void test_call_end(void **state)
{
    struct record rec = { .type = RECORD_CALL_END,
                          .call_end = { .outcome = "ok",
                                        .summary = "exit 0",
                                        .exit_code = 0,
                                        .output_bytes = 2048,
                                        .duration_ms = 12 } };

    expect_line(rec, "        exit 0  2 KiB, 12 ms\n");
    rec.call_end.summary = NULL;
    rec.call_end.outcome = "timeout";
    expect_line(rec, "        timeout  2 KiB, 12 ms\n");
    rec.call_end.outcome = NULL;
    expect_line(rec, "          2 KiB, 12 ms\n");
}

static void test_failures(void **state)
{
    struct record rec = { .type = RECORD_SANDBOX_FAILED, .failure = { .message = "no such image" } };

    expect_line(rec, "sandbox failed: no such image\n");
    rec.type = RECORD_SANDBOX_LOST;
    expect_line(rec, "sandbox lost: no such image\n");
    rec.type = RECORD_WORKSPACE_FAILED;
    expect_line(rec, "workspace: no such image\n");
    rec.failure.message = NULL;
    expect_line(rec, "workspace: \n");
}

static void test_limit_hit(void **state)
{
    expect_line((struct record){ .type = RECORD_LIMIT_HIT,
                                 .limit_hit = { .limit = "turns", .value = 10, .max = 10 } },
                "limit 'turns' reached: 10 of 10\n");
}

static void test_outputs(void **state)
{
    struct record rec = { .type = RECORD_OUTPUT_DONE,
                          .output = { .path = "out/a", .to = "/home/u/a", .size = 100 } };

    expect_line(rec, "out/a -> /home/u/a  100 B\n");
    rec.output.is_missing = true;
    expect_line(rec, "out/a is not there (not required)\n");
    rec = (struct record){ .type = RECORD_OUTPUT_FAILED,
                           .output = { .path = "out/a", .message = "it is a link" } };
    expect_line(rec, "out/a: it is a link\n");
    rec.output.path = NULL;
    expect_line(rec, "output: it is a link\n");
}

static void test_interrupt(void **state)
{
    struct record rec = { .type = RECORD_INTERRUPT, .interrupt = { .signum = 2, .signal = "SIGINT" } };

    expect_line(rec, "SIGINT: stopping cleanly; once more to stop at once\n");
    rec.interrupt.signal = NULL;
    expect_line(rec, "signal: stopping cleanly; once more to stop at once\n");
}

static void test_run_end(void **state)
{
    struct record rec = { .type = RECORD_RUN_END, .run_end = { .state = "done", .message = "not shown" } };

    expect_line(rec, "done\n");
    rec.run_end.state = "failed";
    rec.run_end.message = "the model refused";
    expect_line(rec, "failed: the model refused\n");
    rec.run_end.message = NULL;
    expect_line(rec, "failed\n");
    rec.run_end.state = NULL;
    expect_line(rec, "ended\n");
}

static void test_records_that_people_need_not_see(void **state)
{
    static const enum record_type quiet[] = {
        RECORD_UNKNOWN,         RECORD_INPUT_ITEM,    RECORD_SANDBOX_START, RECORD_SANDBOX_INTENT,
        RECORD_WORKSPACE_BEGIN, RECORD_REQUEST_BEGIN, RECORD_REQUEST_END,   RECORD_CALL_BEGIN,
        RECORD_CALL_LOST,       RECORD_OUTPUTS_BEGIN, RECORD_OUTPUTS_END,   RECORD_SANDBOX_REMOVED,
    };

    for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
        expect_line((struct record){ .type = quiet[i] }, "");
}

/* ---- hostile text ---- */

#define EVIL                                            \
    "\x1b[2J\x1b]0;x\a\r\nrun done\xe2\x80\xae\xc2\x9b" \
    "1m\xff"
#define HARMLESS "\\x1b[2J\\x1b]0;x\\x07\\x0d run done\\u202e\\x9b1m\xef\xbf\xbd"

static void test_hostile_text_is_shown_as_it_is(void **state)
{
    expect_line((struct record){ .type = RECORD_REQUEST_ITEM,
                                 .request_item = { .turn = 1, .call = 1, .title = EVIL } },
                "turn 1  " HARMLESS "\n");
    expect_line((struct record){ .type = RECORD_CALL_END, .call_end = { .outcome = "ok", .summary = EVIL } },
                "        " HARMLESS "  0 B, 0 ms\n");
    expect_line(
        (struct record){ .type = RECORD_RUN_BEGIN, .run_begin = { .id = EVIL, .name = EVIL, .model = EVIL } },
        "run " HARMLESS "  " HARMLESS ", model " HARMLESS "\n");
    expect_line((struct record){ .type = RECORD_REQUEST_FAILED,
                                 .request_failed = { .message = EVIL, .repair = EVIL } },
                "turn 0  " HARMLESS "; trying again (" HARMLESS ")\n");
    expect_line((struct record){ .type = RECORD_SANDBOX_LOST, .failure = { .message = EVIL } },
                "sandbox lost: " HARMLESS "\n");
    expect_line((struct record){ .type = RECORD_LIMIT_HIT, .limit_hit = { .limit = EVIL } },
                "limit '" HARMLESS "' reached: 0 of 0\n");
    expect_line((struct record){ .type = RECORD_OUTPUT_DONE, .output = { .path = EVIL, .to = EVIL } },
                HARMLESS " -> " HARMLESS "  0 B\n");
    expect_line((struct record){ .type = RECORD_OUTPUT_FAILED, .output = { .path = EVIL, .message = EVIL } },
                HARMLESS ": " HARMLESS "\n");
    expect_line((struct record){ .type = RECORD_INTERRUPT, .interrupt = { .signal = EVIL } },
                HARMLESS ": stopping cleanly; once more to stop at once\n");
    expect_line((struct record){ .type = RECORD_RUN_END, .run_end = { .state = EVIL, .message = EVIL } },
                HARMLESS ": " HARMLESS "\n");
}

static void test_long_text_is_cut(void **state)
{
    char title[600], want[300];
    struct record rec = { .type = RECORD_REQUEST_ITEM,
                          .request_item = { .turn = 1, .call = 1, .title = title } };

    memset(title, 'x', sizeof(title));
    title[599] = '\0';
    snprintf(want, sizeof(want), "turn 1  %.159s\xe2\x80\xa6\n", title); /* no terminal: 160 */
    expect_line(rec, want);
    snprintf(want, sizeof(want), "turn 1  %.47s\xe2\x80\xa6\n", title);
    expect_line_on(&(struct term){ .is_tty = true, .columns = 60 }, &rec, want);
    snprintf(want, sizeof(want), "turn 1  %.19s\xe2\x80\xa6\n", title); /* but 20 at least */
    expect_line_on(&(struct term){ .is_tty = true, .columns = 3 }, &rec, want);
}

static void test_megabytes_of_text(void **state)
{
    size_t len = 5 * 1024 * 1024;
    char *title = malloc(len + 1), want[300];
    struct record rec = { .type = RECORD_REQUEST_ITEM,
                          .request_item = { .turn = 1, .call = 1, .title = title } };

    memset(title, '\x1b', len);
    title[len] = '\0';
    snprintf(want, sizeof(want), "turn 1  ");
    for (int i = 0; i < 39; i++)
        strcat(want, "\\x1b");
    strcat(want, "\\x1\xe2\x80\xa6\n");
    expect_line(rec, want);
    free(title);
}

/* ---- colour ---- */

static const struct term color = { .is_tty = true, .has_color = true, .columns = 80 };

static void test_colors(void **state)
{
    struct record rec = { .type = RECORD_CALL_END, .call_end = { .outcome = "ok", .summary = "exit 0" } };

    expect_line_on(&color, &rec, "        \033[2mexit 0\033[0m\033[2m  0 B, 0 ms\n\033[0m");
    rec.call_end.exit_code = -1; /* there is none */
    expect_line_on(&color, &rec, "        \033[2mexit 0\033[0m\033[2m  0 B, 0 ms\n\033[0m");
    rec.call_end.summary = "exit 1";
    rec.call_end.exit_code = 1;
    expect_line_on(&color, &rec, "        \033[31mexit 1\033[0m\033[2m  0 B, 0 ms\n\033[0m");
    rec = (struct record){ .type = RECORD_RUN_END, .run_end = { .state = "done" } };
    expect_line_on(&color, &rec, "\033[32mdone\033[0m\n");
    rec.run_end.state = "limit";
    expect_line_on(&color, &rec, "\033[31mlimit\033[0m\n");
}

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
                                        "more: agentbox show r1\n");
    buf_done(&out);
}

static void test_summary_of_failed_outputs(void **state)
{
    const struct run_output one = { .path = EVIL, .to = EVIL };
    struct output_report report = { .output = &one, .result = -ERR_OUTPUT };
    struct run_summary s = {
        .id = "r1", .end = RUN_FAILED, .cost_micros = -1, .outputs = &report, .output_count = 1
    };
    struct buf out = BUF_INIT(8192);

    assert_int_equal(progress_summary(&out, &s, &plain), 0);
    assert_string_equal(buf_text(&out), "failed in 0 ms: 0 turns, 0 tool calls, 0 tokens\n"
                                        "more: agentbox show r1\n");
    buf_clear(&out);
    report.result = 0;
    assert_int_equal(progress_summary(&out, &s, &plain), 0);
    assert_string_equal(buf_text(&out), "failed in 0 ms: 0 turns, 0 tool calls, 0 tokens\n"
                                        "outputs:\n"
                                        "  " HARMLESS " -> " HARMLESS "  0 B  sha256:\n"
                                        "more: agentbox show r1\n");
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
    cmocka_unit_test(test_run_begin),
    cmocka_unit_test(test_sandbox_ready),
    cmocka_unit_test(test_workspace_ready),
    cmocka_unit_test(test_request_item),
    cmocka_unit_test(test_request_failed),
    cmocka_unit_test(test_call_end),
    cmocka_unit_test(test_failures),
    cmocka_unit_test(test_limit_hit),
    cmocka_unit_test(test_outputs),
    cmocka_unit_test(test_interrupt),
    cmocka_unit_test(test_run_end),
    cmocka_unit_test(test_records_that_people_need_not_see),
    cmocka_unit_test(test_hostile_text_is_shown_as_it_is),
    cmocka_unit_test(test_long_text_is_cut),
    cmocka_unit_test(test_megabytes_of_text),
    cmocka_unit_test(test_colors),
    cmocka_unit_test(test_summary),
    cmocka_unit_test(test_summary_of_failed_outputs),
    cmocka_unit_test(test_without_a_terminal),
    cmocka_unit_test(test_live_line),
};

UNIT_MAIN(tests)
