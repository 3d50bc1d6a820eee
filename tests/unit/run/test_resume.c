/* SPDX-License-Identifier: MIT */
/* A run that is killed after any of its records goes on as if it had not been. */
#include "tests/unit/unit.h"

#include "tests/unit/run/script.h"

#include <string.h>

#define RIG_WITH_CHECKPOINTS(rig, script)                   \
    do {                                                    \
        RIG(rig, script);                                   \
        (rig).spec.checkpoints.every = RUN_CHECKPOINT_CALL; \
    } while (0)

static const struct rig_script long_run[] = {
    REASONING,         CALL("c1", "one"),   COMPLETED, CALL("c2", "two"), CALL("c3", "three"), COMPLETED,
    CALL("c4", "big"), CALL("c5", "wrong"), COMPLETED, MESSAGE("done"),   COMPLETED,
};

static void set_outputs(struct rig *rig)
{
    static const struct run_output outputs[] = { { "out/report.md", "/tmp/report.md", "./report.md", true } };

    rig->spec.outputs = outputs;
    rig->spec.output_count = 1;
}

/* The last request says what the model was told in all. */
static void last_body(const struct rig *rig, struct buf *ret)
{
    const char *at = rig->bodies.data, *end = at + rig->bodies.len - 1, *line = end;

    while (line > at && line[-1] != '\n')
        line--;
    assert_int_equal(buf_add(ret, line, (size_t) (end - line)), 0);
}

/* Cache keys name the run. */
static void mask_id(struct buf *body, const char *id)
{
    char *at = strstr(body->data, id);

    if (at)
        memset(at, '#', strlen(id));
}

struct golden {
    struct buf lines, body;
    size_t records;
};

static void record_golden(struct golden *g)
{
    struct rig rig;

    buf_init(&g->lines, 1 << 24);
    buf_init(&g->body, 1 << 24);
    RIG_WITH_CHECKPOINTS(rig, long_run);
    set_outputs(&rig);
    rig_set_context(&rig);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(rig.end_calls, 5);
    assert_int_equal(buf_add_span(&g->lines, buf_span(&rig.lines)), 0);
    last_body(&rig, &g->body);
    mask_id(&g->body, rig.folder->id);
    g->records = rig_records(&g->lines);
    assert_true(g->records > 40);
    rig_done(&rig);
}

static void golden_done(struct golden *g)
{
    buf_done(&g->lines);
    buf_done(&g->body);
}

/* It ended as the run that nobody killed, and the model was told the same. */
static void check_same_end(struct rig *rig, const struct golden *g)
{
    struct buf body = BUF_INIT(1 << 24);

    if (rig->end_status)
        fail_msg("%s, after %s", rig->end_error, rig->log);
    assert_string_equal(rig->end_text, "done");
    assert_int_equal(rig->end_outputs, 1);
    if (rig->bodies.len) {
        last_body(rig, &body);
        /* the cache key is that of the first folder, here another */
        mask_id(&body, rig->folder->id);
        assert_string_equal(buf_text(&body), buf_text((struct buf *) &g->body));
    }
    buf_done(&body);
}

static bool has_ended_well(const struct buf *lines, size_t records)
{
    const char *at = lines->data;

    while (records-- > 0) {
        const char *end = memchr(at, '\n', lines->len - (size_t) (at - lines->data));

        if (memmem(at, (size_t) (end - at), "\"type\":\"run.end\"", 16))
            return true;
        at = end + 1;
    }
    return false;
}

static void resume_everywhere(enum rig_fault fault)
{
    struct golden g;

    record_golden(&g);
    for (size_t k = 1; k < g.records; k++) {
        struct rig rig;

        RIG_WITH_CHECKPOINTS(rig, long_run);
        set_outputs(&rig);
        rig_set_context(&rig);
        rig.fault = fault;
        rig_resume(&rig, &g.lines, k);
        if (has_ended_well(&g.lines, k))
            assert_int_equal(rig.refused, -ERR_USAGE);
        else
            check_same_end(&rig, &g);
        rig_done(&rig);
    }
    golden_done(&g);
}

static void test_killed_anywhere_and_attached_again(void **state)
{
    resume_everywhere(RIG_NO_FAULT);
}

static void test_killed_anywhere_and_the_sandbox_too(void **state)
{
    resume_everywhere(RIG_ATTACH_FAILS);
}

/* Killed again while it was being resumed, at each record of that. */
static void test_killed_twice(void **state)
{
    struct golden g;

    record_golden(&g);
    for (size_t k = 7; k < g.records; k += 3) {
        struct rig first;
        size_t records;

        RIG_WITH_CHECKPOINTS(first, long_run);
        set_outputs(&first);
        rig_set_context(&first);
        first.fault = k % 2 ? RIG_ATTACH_FAILS : RIG_NO_FAULT;
        rig_resume(&first, &g.lines, k);
        records = first.refused < 0 ? 0 : rig_records(&first.lines);
        for (size_t j = k + 1; j < records && !has_ended_well(&first.lines, j); j += 2) {
            struct rig second;

            RIG_WITH_CHECKPOINTS(second, long_run);
            set_outputs(&second);
            rig_set_context(&second);
            /* the sandbox dies once: a call that loses its own twice is told of */
            second.fault = first.fault == RIG_ATTACH_FAILS ? RIG_NO_FAULT : RIG_ATTACH_FAILS;
            rig_resume(&second, &first.lines, j);
            check_same_end(&second, &g);
            rig_done(&second);
        }
        rig_done(&first);
    }
    golden_done(&g);
}

static size_t count_of(const struct rig *rig, const char *needle)
{
    size_t count = 0;

    for (const char *at = strstr(rig->log, needle); at; at = strstr(at + 1, needle))
        count++;
    return count;
}

/* ---- checkpoints in a run that nobody kills ---- */

static void test_a_checkpoint_after_each_call_and_before_the_next(void **state)
{
    static const struct rig_script script[] = {
        CALL("c1", "one"), COMPLETED, CALL("c2", "two"), COMPLETED, MESSAGE("x"), COMPLETED,
    };
    const char *first, *taken, *second;
    struct rig rig;

    RIG_WITH_CHECKPOINTS(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(count_of(&rig, "(take)"), 3); /* the filled workspace, and after each call */
    assert_int_equal(count_of(&rig, "(prune)"), 1);
    first = strstr(rig.log, "(call:one)");
    taken = strstr(first, "checkpoint.done");
    second = strstr(rig.log, "(call:two)");
    assert_true(first && taken && second && taken < second);
    assert_true(rig.releases >= 2);
    rig_done(&rig);
}

static void test_the_model_does_not_wait_for_a_checkpoint(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "one"), COMPLETED, MESSAGE("x"), COMPLETED };
    const char *end, *request;
    struct rig rig;

    RIG_WITH_CHECKPOINTS(rig, script);
    rig_run(&rig);
    end = strstr(rig.log, "call.end");
    request = strstr(end, "request.begin");
    assert_non_null(request);
    assert_true(strstr(end, "checkpoint.done") > request);
    rig_done(&rig);
}

static void test_once_a_turn(void **state)
{
    static const struct rig_script script[] = {
        CALL("c1", "one"), AFTER_CALLS(1), CALL("c2", "two"), COMPLETED, MESSAGE("x"), COMPLETED,
    };
    struct rig rig;

    RIG_WITH_CHECKPOINTS(rig, script);
    rig.spec.checkpoints.every = RUN_CHECKPOINT_TURN;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(count_of(&rig, "(take)"), 2);
    assert_true(strstr(rig.log, "(call:two)") < strstr(strstr(rig.log, "(call:one)"), "(take)"));
    rig_done(&rig);
}

static void test_off_means_off(void **state)
{
    struct rig rig;

    RIG_WITH_CHECKPOINTS(rig, long_run);
    rig.spec.checkpoints.every = RUN_CHECKPOINT_OFF;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(count_of(&rig, "(take)"), 0);
    rig_done(&rig);
}

static void test_a_workspace_that_does_not_change(void **state)
{
    struct rig rig;

    RIG_WITH_CHECKPOINTS(rig, long_run);
    rig.fault = RIG_NOTHING_CHANGES;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_non_null(strstr(buf_text(&rig.lines), "\"type\":\"checkpoint.done\",\"number\":0"));
    rig_done(&rig);
}

static void test_a_checkpoint_that_cannot_be_kept_ends_the_run(void **state)
{
    struct rig rig;

    RIG_WITH_CHECKPOINTS(rig, long_run);
    rig.fault = RIG_CHECKPOINT_FAILS;
    rig_run(&rig);
    assert_string_equal(rig.end_reason, "checkpoint");
    assert_string_equal(rig.end_error, "keeping a checkpoint: no room");
    assert_true(rig.end_status == 4 || rig.end_status == 9);
    rig_done(&rig);
}

static void test_a_workspace_that_no_checkpoint_can_hold_ends_no_run(void **state)
{
    struct rig rig;
    size_t takes;

    RIG_WITH_CHECKPOINTS(rig, long_run);
    rig_run(&rig);
    takes = count_of(&rig, "(take)");
    rig_done(&rig);
    RIG_WITH_CHECKPOINTS(rig, long_run);
    rig.fault = RIG_CHECKPOINT_TOO_LARGE;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(count_of(&rig, "(take)"), takes); /* once for each call, not again and again */
    assert_null(strstr(buf_text(&rig.lines), "\"type\":\"checkpoint.done\""));
    assert_non_null(strstr(buf_text(&rig.lines), "\"code\":\"too_large\""));
    rig_done(&rig);
}

static void test_a_sandbox_that_goes_while_a_checkpoint_is_taken(void **state)
{
    struct rig rig;

    RIG_WITH_CHECKPOINTS(rig, long_run);
    rig.fault = RIG_CHECKPOINT_LOST;
    rig_run(&rig);
    assert_string_equal(rig.end_reason, "sandbox_lost");
    assert_int_equal(rig.end_status, 4);
    rig_done(&rig);
}

/* ---- ways to end, and to go on ---- */

/* Runs to its end, gives up its journal. */
static void run_once(struct rig *rig, struct buf *ret_lines)
{
    buf_init(ret_lines, 1 << 24);
    rig_run(rig);
    assert_int_equal(buf_add_span(ret_lines, buf_span(&rig->lines)), 0);
    rig_done(rig);
}

/* Its container is gone: it was told to be removed. */
static void run_again(struct rig *rig, struct buf *lines)
{
    rig->fault = RIG_ATTACH_FAILS;
    rig_resume(rig, lines, rig_records(lines));
    buf_done(lines);
}

static void test_a_limit_is_raised(void **state)
{
    static const char *const sets[] = { "limits.turns=9", NULL };
    struct rig rig, again;
    struct buf lines;

    RIG_WITH_CHECKPOINTS(rig, long_run);
    rig.spec.limits.turns = 2;
    run_once(&rig, &lines);
    assert_int_equal(rig.end_status, 6);

    RIG_WITH_CHECKPOINTS(again, long_run);
    again.spec.limits.turns = 9;
    again.sets = sets;
    run_again(&again, &lines);
    assert_int_equal(again.end_status, 0);
    assert_int_equal(again.end_turns, 4);
    assert_int_equal(again.end_tokens, 4 * 110);
    assert_int_equal(again.attempt, 2);
    assert_non_null(strstr(buf_text(&again.lines), "\"sets\":[{\"text\":\"limits.turns=9\"}]"));
    assert_string_equal(run_state_of(again.run)->sets[0], "limits.turns=9");
    rig_done(&again);
}

/* A limit that is not raised ends it again, at once. */
static void test_a_limit_stays(void **state)
{
    struct rig rig, again;
    struct buf lines;

    RIG_WITH_CHECKPOINTS(rig, long_run);
    rig.spec.limits.turns = 2;
    run_once(&rig, &lines);
    RIG_WITH_CHECKPOINTS(again, long_run);
    again.spec.limits.turns = 2;
    run_again(&again, &lines);
    assert_int_equal(again.end_status, 6);
    assert_int_equal(again.sends, 0);
    rig_done(&again);
}

static void test_interrupted_anywhere(void **state)
{
    for (int k = 3; k < 45; k++) {
        struct rig rig, again;
        struct buf lines;

        RIG_WITH_CHECKPOINTS(rig, long_run);
        rig.interrupt_after = k;
        run_once(&rig, &lines);
        if (rig.end_status == 0) {
            buf_done(&lines);
            break;
        }
        assert_int_equal(rig.end_status, 130);
        RIG_WITH_CHECKPOINTS(again, long_run);
        run_again(&again, &lines);
        assert_int_equal(again.end_status, 0);
        assert_string_equal(again.end_text, "done");
        assert_null(strstr(again.log, "call.lost"));
        rig_done(&again);
    }
}

static void test_a_done_run_is_not_resumed(void **state)
{
    struct rig rig, again;
    struct buf lines;

    RIG_WITH_CHECKPOINTS(rig, long_run);
    run_once(&rig, &lines);
    RIG_WITH_CHECKPOINTS(again, long_run);
    run_again(&again, &lines);
    assert_int_equal(again.refused, -ERR_USAGE);
    assert_non_null(strstr(again.end_error, "has ended well"));
    rig_done(&again);
}

/* ---- a call that is lost ---- */

static const struct rig_script deadly[] = { CALL("c1", "one"), COMPLETED,       CALL("c2", "lost"),
                                            COMPLETED,         MESSAGE("done"), COMPLETED };

/* `times` resumes, each of which loses its sandbox by the same call. */
static void lose_again(enum run_on_interrupt on, int times, struct rig *last)
{
    struct buf lines = BUF_INIT(1 << 24);
    struct rig rig;

    RIG_WITH_CHECKPOINTS(rig, deadly);
    rig_run(&rig);
    assert_string_equal(rig.end_reason, "sandbox_lost");
    assert_int_equal(buf_add_span(&lines, buf_span(&rig.lines)), 0);
    rig_done(&rig);
    for (int i = 0; i < times; i++) {
        RIG_WITH_CHECKPOINTS(*last, deadly);
        last->spec.checkpoints.on_interrupt = on;
        rig_resume(last, &lines, rig_records(&lines));
        buf_clear(&lines);
        assert_int_equal(buf_add_span(&lines, buf_span(&last->lines)), 0);
        if (i + 1 < times)
            rig_done(last);
    }
    buf_done(&lines);
}

static void test_a_lost_call_runs_once_more(void **state)
{
    struct rig rig;

    lose_again(RUN_INTERRUPT_REPORT, 1, &rig);
    assert_string_equal(rig.end_reason, "sandbox_lost");
    assert_int_equal(count_of(&rig, "(call:lost)"), 1);
    assert_int_equal(count_of(&rig, "(call:one)"), 0);
    assert_non_null(strstr(buf_text(&rig.lines), "\"rerun\":true"));
    rig_done(&rig);
}

static void test_then_the_model_is_told(void **state)
{
    struct rig rig;

    lose_again(RUN_INTERRUPT_REPORT, 2, &rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(count_of(&rig, "(call:lost)"), 0);
    assert_non_null(strstr(buf_text(&rig.lines), "\"outcome\":\"interrupted\""));
    assert_non_null(strstr(buf_text(&rig.bodies), "its sandbox ended while it ran, twice"));
    rig_done(&rig);
}

static void test_or_it_runs_again(void **state)
{
    struct rig rig;

    lose_again(RUN_INTERRUPT_RERUN, 4, &rig);
    assert_int_equal(count_of(&rig, "(call:lost)"), 1);
    assert_string_equal(rig.end_reason, "sandbox_lost");
    rig_done(&rig);
    lose_again(RUN_INTERRUPT_RERUN, 5, &rig);
    assert_int_equal(rig.end_status, 0); /* five times are enough */
    rig_done(&rig);
}

static void test_or_the_run_fails(void **state)
{
    struct rig rig;

    lose_again(RUN_INTERRUPT_FAIL, 2, &rig);
    assert_string_equal(rig.end_reason, "call_lost");
    assert_int_equal(rig.end_status, 4);
    rig_done(&rig);
}

/* ---- an engine that does not answer the resume ---- */

static void test_what_cannot_be_reached_is_not_given_up(void **state)
{
    struct buf lines = BUF_INIT(1 << 24);
    struct golden g;
    struct rig rig, again;

    record_golden(&g);
    RIG_WITH_CHECKPOINTS(rig, long_run);
    set_outputs(&rig);
    rig_set_context(&rig);
    rig.fault = RIG_ATTACH_UNREACHABLE;
    rig_resume(&rig, &g.lines, g.records / 2);
    assert_int_equal(rig.end_status, 4);
    assert_true(rig.end_kept);
    assert_int_equal(count_of(&rig, "(remove)"), 0);
    assert_int_equal(buf_add_span(&lines, buf_span(&rig.lines)), 0);
    rig_done(&rig);
    RIG_WITH_CHECKPOINTS(again, long_run);
    set_outputs(&again);
    rig_set_context(&again);
    rig_resume(&again, &lines, rig_records(&lines));
    assert_int_equal(count_of(&again, "(attach)"), 1);
    assert_int_equal(count_of(&again, "rollback"), 0);
    check_same_end(&again, &g);
    rig_done(&again);
    buf_done(&lines);
    golden_done(&g);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_killed_anywhere_and_attached_again),
    cmocka_unit_test(test_killed_anywhere_and_the_sandbox_too),
    cmocka_unit_test(test_killed_twice),
    cmocka_unit_test(test_a_checkpoint_after_each_call_and_before_the_next),
    cmocka_unit_test(test_the_model_does_not_wait_for_a_checkpoint),
    cmocka_unit_test(test_once_a_turn),
    cmocka_unit_test(test_off_means_off),
    cmocka_unit_test(test_a_workspace_that_does_not_change),
    cmocka_unit_test(test_a_checkpoint_that_cannot_be_kept_ends_the_run),
    cmocka_unit_test(test_a_workspace_that_no_checkpoint_can_hold_ends_no_run),
    cmocka_unit_test(test_a_sandbox_that_goes_while_a_checkpoint_is_taken),
    cmocka_unit_test(test_a_limit_is_raised),
    cmocka_unit_test(test_a_limit_stays),
    cmocka_unit_test(test_interrupted_anywhere),
    cmocka_unit_test(test_a_done_run_is_not_resumed),
    cmocka_unit_test(test_a_lost_call_runs_once_more),
    cmocka_unit_test(test_then_the_model_is_told),
    cmocka_unit_test(test_or_it_runs_again),
    cmocka_unit_test(test_or_the_run_fails),
    cmocka_unit_test(test_what_cannot_be_reached_is_not_given_up),
};

UNIT_MAIN(tests)
