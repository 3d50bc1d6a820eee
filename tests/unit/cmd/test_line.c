/* SPDX-License-Identifier: MIT */
/* What people read of a run: one exact text for each type of record. */
#include "tests/unit/cmd/evil.h"
#include "tests/unit/unit.h"

#include "cmd/line.h"

#include <stdio.h>

static const struct term plain = { .columns = 80 };

static void expect_line_on(const struct term *term, const struct record *rec, const char *want)
{
    struct buf out = BUF_INIT(65536);

    assert_int_equal(line_record(&out, rec, term), 0);
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
                "sandbox ready at 131 ms, 0 rows of the lock-down verified\n");
    expect_line((struct record){ .type = RECORD_SANDBOX_READY,
                                 .ms = 1230,
                                 .sandbox_ready = { .rows = rows, .row_count = 5 } },
                "sandbox ready at 1.2 s, 2 rows of the lock-down verified, 1 lowered by the manifest\n");
}

static void test_workspace_ready(void **state)
{
    expect_line((struct record){ .type = RECORD_WORKSPACE_READY,
                                 .workspace = { .files = 5000, .folders = 51, .bytes = 1536 } },
                "workspace filled: 5000 files, 1.5 KiB\n");
    expect_line((struct record){ .type = RECORD_WORKSPACE_READY, .workspace = { .links = 1 } },
                "workspace filled: 0 files, 0 B\n");
    expect_line((struct record){ .type = RECORD_WORKSPACE_READY }, "");
    expect_line((struct record){ .type = RECORD_WORKSPACE_READY, .workspace = { .checkpoint = 3 } },
                "workspace restored from checkpoint 3: 0 files, 0 B\n");
    expect_line((struct record){ .type = RECORD_WORKSPACE_READY,
                                 .workspace = { .checkpoint = 12, .files = 1, .bytes = 7 } },
                "workspace restored from checkpoint 12: 1 file, 7 B\n");
}

static void test_going_on(void **state)
{
    static const struct record_text sets[] = { { "limits.turns=40" }, { "limits.cost=\x1b" } };
    struct record rec = { .type = RECORD_RUN_RESUME };

    expect_line(rec, "resumed\n");
    rec.run_resume.sets = sets;
    rec.run_resume.set_count = 1;
    expect_line(rec, "resumed with limits.turns=40\n");
    rec.run_resume.set_count = 2;
    expect_line(rec, "resumed with limits.turns=40, limits.cost=\\x1b\n");
    expect_line((struct record){ .type = RECORD_SANDBOX_ATTACH },
                "the sandbox may still be there: re-attaching\n");
    expect_line((struct record){ .type = RECORD_ROLLBACK }, "back to the beginning\n");
    expect_line((struct record){ .type = RECORD_ROLLBACK,
                                 .rollback = { .checkpoint = 3, .turn = 4, .calls = 1, .turns_undone = 2 } },
                "back to checkpoint 3, turn 4; 1 call without effect; 2 turns undone\n");
    expect_line((struct record){ .type = RECORD_CALL_BEGIN, .call_begin = { .call = 7, .is_rerun = true } },
                "        call 7 runs again\n");
    expect_line((struct record){ .type = RECORD_CALL_LOST, .call_lost = { .call = 7 } },
                "        call 7 was running when the sandbox was lost\n");
    expect_line(
        (struct record){
            .type = RECORD_RUN_BEGIN,
            .run_begin = { .id = "b", .name = "n", .model = "m", .parent = "a", .parent_seq = 12 } },
        "run b  n, model m, from a@12\n");
}

static void test_checkpoints(void **state)
{
    struct record rec = { .type = RECORD_CHECKPOINT_DONE,
                          .checkpoint = { .number = 3, .files = 1, .bytes = 5000, .new_bytes = 10 } };

    expect_line(rec, "        checkpoint 3: 1 file, 4.8 KiB (10 B new)\n");
    rec.checkpoint.files = 2;
    rec.checkpoint.unkept = 1;
    expect_line(rec, "        checkpoint 3: 2 files, 4.8 KiB (10 B new); 1 thing cannot be kept\n");
    rec.checkpoint.is_same = true;
    expect_line(rec, "");
    expect_line((struct record){ .type = RECORD_CHECKPOINT_FAILED, .failure = { .message = "no room" } },
                "checkpoint: no room\n");
}

static void test_what_left(void **state)
{
    struct record_egress e = {
        .method = "CONNECT", .host = "evil.org", .port = 443, .reason = "not allowed"
    };

    expect_line((struct record){ .type = RECORD_EGRESS_DENY, .egress = e },
                "        denied: CONNECT evil.org:443: not allowed\n");
    e.call = 3;
    expect_line((struct record){ .type = RECORD_EGRESS_DENY, .egress = e },
                "        denied: CONNECT evil.org:443: not allowed (call 3)\n");
    expect_line((struct record){ .type = RECORD_EGRESS_DENY, .egress = { .reason = "\x1b[2J" } },
                "        denied: no valid host: \\x1b[2J\n");
    e.is_denied = true;
    expect_line((struct record){ .type = RECORD_EGRESS_END, .egress = e },
                "        denied: CONNECT evil.org:443: not allowed (call 3)\n");
    expect_line((struct record){ .type = RECORD_EGRESS_END,
                                 .egress = { .method = "GET",
                                             .host = "a.org",
                                             .port = 80,
                                             .bytes_up = 100,
                                             .bytes_down = 2048,
                                             .duration_ms = 12 } },
                "        out: GET a.org:80, 100 B up, 2 KiB down, 12 ms\n");
    expect_line((struct record){ .type = RECORD_EGRESS_ALLOW, .egress = e }, "");
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
    expect_line(
        (struct record){ .type = RECORD_MCP_DOWN, .mcp = { .server = "near", .message = "it is\x1b gone" } },
        "server near: it is\\x1b gone\n");
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

static void test_scan(void **state)
{
    static const struct record_text command[] = { { "trivy" }, { "image" } };
    struct record rec = {
        .type = RECORD_SANDBOX_SCAN,
        .sandbox_scan = { .command = command, .command_count = 2, .answer = "accepted", .duration_ms = 1500 }
    };

    expect_line(rec, "image accepted by 'trivy', in 1.5 s\n");
    rec.sandbox_scan.answer = "refused";
    rec.sandbox_scan.age_ms = 3600000;
    expect_line(rec, "image refused by 'trivy', 1h ago\n");
    rec.sandbox_scan.answer = "failed";
    rec.sandbox_scan.age_ms = 0;
    expect_line(rec, "no answer about the image by 'trivy', in 1.5 s\n");
    expect_line((struct record){ .type = RECORD_SANDBOX_SCAN }, "no answer about the image by '', in 0 ms\n");
}

static void test_records_that_people_need_not_see(void **state)
{
    static const enum record_type quiet[] = {
        RECORD_UNKNOWN,         RECORD_INPUT_ITEM,       RECORD_SANDBOX_START, RECORD_SANDBOX_INTENT,
        RECORD_WORKSPACE_BEGIN, RECORD_REQUEST_BEGIN,    RECORD_REQUEST_END,   RECORD_CALL_BEGIN,
        RECORD_CALL_INTENT,     RECORD_CHECKPOINT_BEGIN, RECORD_OUTPUTS_BEGIN, RECORD_OUTPUTS_END,
        RECORD_SANDBOX_REMOVED,
    };

    for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
        expect_line((struct record){ .type = quiet[i] }, "");
}

/* ---- hostile text ---- */

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
    expect_line((struct record){ .type = RECORD_SANDBOX_SCAN,
                                 .sandbox_scan = { .command = &(const struct record_text){ EVIL },
                                                   .command_count = 1,
                                                   .answer = EVIL } },
                "image refused by '" HARMLESS "', in 0 ms\n");
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
    rec.call_end.limits =
        (const struct record_limit[]){ { "output", "output cut" }, { "memory", "out of it" } };
    rec.call_end.limit_count = 1;
    expect_line_on(&color, &rec, "        \033[2mexit 0\033[0m\033[2m  0 B, 0 ms\n\033[0m");
    rec.call_end.limit_count = 2;
    expect_line_on(&color, &rec, "        \033[31mexit 0\033[0m\033[2m  0 B, 0 ms\n\033[0m");
    rec.call_end.limit_count = 0;
    rec.call_end.summary = "exit 1";
    rec.call_end.exit_code = 1;
    expect_line_on(&color, &rec, "        \033[31mexit 1\033[0m\033[2m  0 B, 0 ms\n\033[0m");
    rec = (struct record){ .type = RECORD_RUN_END, .run_end = { .state = "done" } };
    expect_line_on(&color, &rec, "\033[32mdone\033[0m\n");
    rec.run_end.state = "limit";
    expect_line_on(&color, &rec, "\033[31mlimit\033[0m\n");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_run_begin),
    cmocka_unit_test(test_sandbox_ready),
    cmocka_unit_test(test_workspace_ready),
    cmocka_unit_test(test_going_on),
    cmocka_unit_test(test_checkpoints),
    cmocka_unit_test(test_what_left),
    cmocka_unit_test(test_request_item),
    cmocka_unit_test(test_request_failed),
    cmocka_unit_test(test_call_end),
    cmocka_unit_test(test_failures),
    cmocka_unit_test(test_limit_hit),
    cmocka_unit_test(test_outputs),
    cmocka_unit_test(test_interrupt),
    cmocka_unit_test(test_run_end),
    cmocka_unit_test(test_scan),
    cmocka_unit_test(test_records_that_people_need_not_see),
    cmocka_unit_test(test_hostile_text_is_shown_as_it_is),
    cmocka_unit_test(test_long_text_is_cut),
    cmocka_unit_test(test_megabytes_of_text),
    cmocka_unit_test(test_colors),
};

UNIT_MAIN(tests)
