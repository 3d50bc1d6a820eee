/* SPDX-License-Identifier: MIT */
/* What a run knows of what left, and which calls it may therefore run again. */
#include "tests/unit/run/feed.h"
#include "tests/unit/unit.h"

#include "core/run/decide.h"
#include "core/run/state.h"

static struct record call_item(int64_t number)
{
    struct record rec = of(RECORD_REQUEST_ITEM);

    rec.request_item = (struct record_request_item){ .turn = 1,
                                                     .output_index = number,
                                                     .kind = "call",
                                                     .call = number,
                                                     .call_id = "c",
                                                     .tool = "shell",
                                                     .item = { .json = span_of("{}") } };
    return rec;
}

static struct record call_begin(int64_t number)
{
    struct record rec = of(RECORD_CALL_BEGIN);

    rec.call_begin.call = number;
    rec.call_begin.call_id = "c";
    return rec;
}

static struct record egress(enum record_type type, int64_t number, const char *method)
{
    struct record rec = of(type);

    rec.egress = (struct record_egress){ .number = number, .method = method, .host = "h", .reason = "r" };
    return rec;
}

static struct record checkpoint(int64_t number, int64_t calls)
{
    struct record rec = of(RECORD_CHECKPOINT_DONE);

    rec.checkpoint.number = number;
    rec.checkpoint.calls = calls;
    return rec;
}

/* A sandbox, a first checkpoint unless `is_off`, and a turn with two calls that wait. */
static void start(struct feed *f, bool is_off)
{
    struct record begin = of(RECORD_RUN_BEGIN), request = of(RECORD_REQUEST_BEGIN),
                  end = of(RECORD_REQUEST_END);
    struct record ready = of(RECORD_SANDBOX_READY);

    memset(f, 0, sizeof(*f));
    begin.run_begin.id = "r";
    ready.sandbox_ready.container_id = "x";
    request.request_begin.turn = request.request_begin.attempt = 1;
    end.request_end.turn = 1;
    end.request_end.status = "completed";
    assert_int_equal(put(f, begin), 0);
    assert_int_equal(put(f, of(RECORD_SANDBOX_START)), 0);
    assert_int_equal(put(f, ready), 0);
    assert_int_equal(put(f, of(RECORD_WORKSPACE_BEGIN)), 0);
    assert_int_equal(put(f, of(RECORD_WORKSPACE_READY)), 0);
    if (!is_off) {
        assert_int_equal(put(f, of(RECORD_CHECKPOINT_BEGIN)), 0);
        assert_int_equal(put(f, checkpoint(1, 0)), 0);
    }
    assert_int_equal(put(f, request), 0);
    assert_int_equal(put(f, call_item(1)), 0);
    assert_int_equal(put(f, call_item(2)), 0);
    assert_int_equal(put(f, end), 0);
}

/* The sandbox goes, the run is resumed and goes back. */
static void lose(struct feed *f)
{
    struct record back = of(RECORD_ROLLBACK);

    assert_int_equal(put(f, of(RECORD_SANDBOX_LOST)), 0);
    assert_int_equal(put(f, of(RECORD_RUN_RESUME)), 0);
    back.rollback.checkpoint = f->s.checkpoint;
    back.rollback.turn = run_state_rollback_turn(&f->s);
    assert_int_equal(put(f, back), 0);
}

/* And has a new sandbox, restored. */
static struct run_action decide(struct feed *f, enum run_on_interrupt on, enum run_checkpoint_every every)
{
    struct run_spec spec = { .checkpoints = { .every = every, .on_interrupt = on } };

    f->s.sandbox = f->s.workspace = RUN_PART_READY;
    return run_decide(&f->s, &spec, 0);
}

static void a_tunnel_marks_what_runs(void **state)
{
    struct run_action a;
    struct feed f;

    start(&f, false);
    assert_int_equal(put(&f, call_begin(1)), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 1, "CONNECT")), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_END, 1, "CONNECT")), 0);
    assert_true(f.s.calls[0].has_left);
    assert_false(f.s.calls[1].has_left);
    lose(&f);
    assert_int_equal(f.s.calls[0].phase, RUN_CALL_LOST);
    assert_false(f.s.has_unsaid_left);
    a = decide(&f, RUN_INTERRUPT_REPORT, RUN_CHECKPOINT_CALL);
    assert_int_equal(a.kind, RUN_REFUSE_CALL);
    assert_string_equal(a.outcome, "interrupted");
    assert_non_null(strstr(a.why, "had connections to the outside"));
    a = decide(&f, RUN_INTERRUPT_FAIL, RUN_CHECKPOINT_CALL);
    assert_int_equal(a.kind, RUN_FINISH);
    assert_string_equal(a.reason, "call_lost");
    a = decide(&f, RUN_INTERRUPT_RERUN, RUN_CHECKPOINT_CALL);
    assert_int_equal(a.kind, RUN_START_CALL);
    assert_true(a.is_rerun);
    run_state_done(&f.s);
}

static void only_get_and_head_are_harmless(void **state)
{
    static const struct {
        const char *method;
        bool has_left;
    } rows[] = { { "GET", false },  { "HEAD", false },   { "POST", true },    { "PUT", true },
                 { "PATCH", true }, { "DELETE", true },  { "OPTIONS", true }, { "CONNECT", true },
                 { "get", true },   { "GETAWAY", true }, { "", true } };
    struct feed f;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(&f, false);
        assert_int_equal(put(&f, call_begin(1)), 0);
        assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 1, rows[i].method)), 0);
        assert_int_equal(f.s.calls[0].has_left, rows[i].has_left);
        lose(&f);
        assert_int_equal(decide(&f, RUN_INTERRUPT_REPORT, RUN_CHECKPOINT_CALL).kind,
                         rows[i].has_left ? RUN_REFUSE_CALL : RUN_START_CALL);
        run_state_done(&f.s);
    }
}

static void what_is_denied_leaves_nothing(void **state)
{
    struct feed f;

    start(&f, false);
    assert_int_equal(put(&f, call_begin(1)), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_DENY, 1, "CONNECT")), 0);
    assert_false(f.s.calls[0].has_left);
    run_state_done(&f.s);
}

static void a_tunnel_that_is_open_already_may_serve_it(void **state)
{
    struct feed f;

    start(&f, false);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 1, "CONNECT")), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 2, "CONNECT")), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_END, 1, "CONNECT")), 0);
    assert_int_equal(put(&f, call_begin(1)), 0);
    assert_true(f.s.calls[0].has_left);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_END, 2, "CONNECT")), 0);
    assert_int_equal(put(&f, call_begin(2)), 0);
    assert_false(f.s.calls[1].has_left);
    run_state_done(&f.s);
}

static void nothing_stays_open_over_a_resume(void **state)
{
    struct feed f;

    start(&f, false);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 1, "CONNECT")), 0);
    assert_int_equal(put(&f, of(RECORD_RUN_RESUME)), 0);
    f.s.sandbox = RUN_PART_READY;
    assert_int_equal(put(&f, call_begin(1)), 0);
    assert_false(f.s.calls[0].has_left);
    run_state_done(&f.s);
}

/* A call that has ended, and is in no checkpoint yet, is undone too. */
static void a_call_that_had_ended_is_reported_as_well(void **state)
{
    struct record end = of(RECORD_CALL_END);
    struct feed f;

    start(&f, false);
    end.call_end.call = 1;
    end.call_end.call_id = "c";
    end.call_end.outcome = "ok";
    end.call_end.answer.json = span_of("{}");
    assert_int_equal(put(&f, call_begin(1)), 0);
    assert_int_equal(put(&f, end), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 1, "POST")), 0); /* its background */
    lose(&f);
    assert_int_equal(decide(&f, RUN_INTERRUPT_REPORT, RUN_CHECKPOINT_CALL).kind, RUN_REFUSE_CALL);
    run_state_done(&f.s);
}

static void what_a_checkpoint_has_is_not_touched(void **state)
{
    struct record end = of(RECORD_CALL_END);
    struct feed f;

    start(&f, false);
    end.call_end.call = 1;
    end.call_end.call_id = "c";
    end.call_end.outcome = "ok";
    end.call_end.answer.json = span_of("{}");
    assert_int_equal(put(&f, call_begin(1)), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 1, "POST")), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_END, 1, "POST")), 0);
    assert_int_equal(put(&f, end), 0);
    assert_int_equal(put(&f, of(RECORD_CHECKPOINT_BEGIN)), 0);
    assert_int_equal(put(&f, checkpoint(2, 1)), 0);
    assert_int_equal(put(&f, call_begin(2)), 0);
    lose(&f);
    assert_false(f.s.has_unsaid_left);
    assert_int_equal(f.s.calls[0].phase, RUN_CALL_ANSWERED);
    assert_int_equal(decide(&f, RUN_INTERRUPT_REPORT, RUN_CHECKPOINT_CALL).kind, RUN_START_CALL);
    run_state_done(&f.s);
}

/* `every: off`: back to the beginning, where nobody can be told. */
static void what_cannot_be_told_ends_the_run(void **state)
{
    struct run_action a;
    struct err err = { 0 };
    struct feed f;

    start(&f, true);
    assert_int_equal(put(&f, call_begin(1)), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 1, "CONNECT")), 0);
    lose(&f);
    assert_int_equal(f.s.turn, 0);
    assert_true(f.s.has_unsaid_left);
    a = decide(&f, RUN_INTERRUPT_REPORT, RUN_CHECKPOINT_OFF);
    assert_int_equal(a.kind, RUN_FINISH);
    assert_string_equal(a.reason, "egress");
    run_finish_err(&f.s, &a, &err);
    assert_non_null(strstr(err.text, "to begin anew would do again what cannot be undone"));
    assert_int_equal(decide(&f, RUN_INTERRUPT_RERUN, RUN_CHECKPOINT_OFF).kind, RUN_SEND_REQUEST);
    run_state_done(&f.s);

    start(&f, true);
    assert_int_equal(put(&f, call_begin(1)), 0);
    lose(&f);
    assert_false(f.s.has_unsaid_left);
    assert_int_equal(decide(&f, RUN_INTERRUPT_REPORT, RUN_CHECKPOINT_OFF).kind, RUN_SEND_REQUEST);
    run_state_done(&f.s);
}

/* ---- what is done outside of the sandbox ---- */

static struct record outside(int64_t number)
{
    struct record rec = call_begin(number);

    rec.call_begin.is_outside = true;
    return rec;
}

static struct record answer(int64_t number, const char *json)
{
    struct record end = of(RECORD_CALL_END);

    end.call_end.call = number;
    end.call_end.call_id = "c";
    end.call_end.outcome = "ok";
    end.call_end.answer.json = span_of(json);
    return end;
}

static void next_turn(struct feed *f)
{
    struct record request = of(RECORD_REQUEST_BEGIN), end = of(RECORD_REQUEST_END), item = call_item(3);

    request.request_begin.turn = end.request_end.turn = item.request_item.turn = 2;
    request.request_begin.attempt = 1;
    end.request_end.status = "completed";
    assert_int_equal(put(f, request), 0);
    assert_int_equal(put(f, item), 0);
    assert_int_equal(put(f, end), 0);
}

static void assert_item(const struct feed *f, size_t i, const char *json)
{
    assert_true(i < f->s.item_count);
    assert_int_equal(f->s.items[i].len, strlen(json));
    assert_memory_equal(f->s.items[i].raw, json, strlen(json));
}

/* What has its answer stays answered, beside calls that are lost: in the turn it is of, whether its answers
 * were in the conversation already or not, and whether the next turn had begun. */
static void an_answer_from_outside_stays(void **state)
{
    struct run_action a;
    struct feed f;

    for (int far = 0; far < 3; far++) {
        start(&f, false);
        assert_int_equal(put(&f, call_begin(1)), 0);
        assert_int_equal(put(&f, outside(2)), 0);
        assert_int_equal(put(&f, answer(2, "{\"o\":2}")), 0);
        if (far > 0)
            assert_int_equal(put(&f, answer(1, "{\"o\":1}")), 0);
        if (far > 1)
            next_turn(&f);
        lose(&f);
        assert_int_equal(f.s.turn, 1);
        assert_false(f.s.has_unsaid_left);
        assert_int_equal(f.s.calls[0].phase, RUN_CALL_LOST);
        assert_int_equal(f.s.calls[1].phase, RUN_CALL_ANSWERED);
        assert_int_equal(f.s.calls[1].losses, 0);
        a = decide(&f, RUN_INTERRUPT_FAIL, RUN_CHECKPOINT_CALL);
        assert_int_equal(a.kind, RUN_START_CALL);
        assert_int_equal(a.call, 1);
        assert_int_equal(put(&f, call_begin(1)), 0);
        assert_int_equal(put(&f, answer(1, "{\"o\":3}")), 0);
        assert_int_equal(f.s.phase, RUN_TURN_ANSWERED);
        assert_item(&f, f.s.item_count - 2, "{\"o\":3}");
        assert_item(&f, f.s.item_count - 1, "{\"o\":2}");
        run_state_done(&f.s);
    }
}

/* There is nothing to go back for. */
static void a_turn_outside_is_not_gone_back_to(void **state)
{
    struct feed f;

    start(&f, false);
    assert_int_equal(put(&f, outside(1)), 0);
    assert_int_equal(put(&f, answer(1, "{\"o\":1}")), 0);
    assert_int_equal(put(&f, outside(2)), 0);
    assert_int_equal(put(&f, answer(2, "{\"o\":2}")), 0);
    assert_int_equal(f.s.phase, RUN_TURN_ANSWERED);
    assert_false(run_state_rollback_unsays(&f.s));
    next_turn(&f);
    assert_int_equal(f.s.held.turn, 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 1, "POST")), 0); /* of what a checkpoint has */
    assert_int_equal(put(&f, egress(RECORD_EGRESS_END, 1, "POST")), 0);
    assert_int_equal(put(&f, call_begin(3)), 0);
    lose(&f);
    assert_int_equal(f.s.turn, 2);
    assert_false(f.s.has_unsaid_left);
    assert_int_equal(f.s.calls[0].phase, RUN_CALL_LOST);
    assert_int_equal(decide(&f, RUN_INTERRUPT_FAIL, RUN_CHECKPOINT_CALL).kind, RUN_START_CALL);
    assert_item(&f, f.s.item_count - 3, "{\"o\":1}");
    assert_item(&f, f.s.item_count - 2, "{\"o\":2}");
    run_state_done(&f.s);
}

/* What was running, and what goes with its turn, is as it was. */
static void what_is_unsaid_outside_counts(void **state)
{
    struct feed f;

    start(&f, false);
    assert_int_equal(put(&f, outside(1)), 0);
    lose(&f);
    assert_int_equal(f.s.calls[0].phase, RUN_CALL_LOST);
    assert_false(f.s.has_unsaid_left);
    assert_int_equal(decide(&f, RUN_INTERRUPT_REPORT, RUN_CHECKPOINT_CALL).kind, RUN_REFUSE_CALL);
    run_state_done(&f.s);

    start(&f, false);
    assert_int_equal(put(&f, call_begin(1)), 0);
    assert_int_equal(put(&f, answer(1, "{}")), 0);
    assert_int_equal(put(&f, call_begin(2)), 0);
    assert_int_equal(put(&f, answer(2, "{}")), 0);
    next_turn(&f);
    assert_int_equal(put(&f, outside(3)), 0);
    assert_int_equal(put(&f, answer(3, "{}")), 0);
    lose(&f);
    assert_int_equal(f.s.turn, 1);
    assert_true(f.s.has_unsaid_left);
    run_state_done(&f.s);

    start(&f, true);
    assert_int_equal(put(&f, outside(1)), 0);
    assert_int_equal(put(&f, answer(1, "{}")), 0);
    lose(&f);
    assert_int_equal(f.s.turn, 0);
    assert_true(f.s.has_unsaid_left);
    run_state_done(&f.s);
}

static void numbers_grow(void **state)
{
    struct feed f;

    start(&f, false);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_END, 1, "GET")), -ERR_INVALID);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_DENY, 3, NULL)), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 3, "GET")), -ERR_INVALID);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 4, "GET")), 0);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_DENY, 4, NULL)), -ERR_INVALID);
    assert_int_equal(f.s.egress.allowed, 1);
    assert_int_equal(f.s.egress.denied, 1);
    assert_int_equal(f.s.egress.numbers, 4);
    run_state_done(&f.s);
}

static int64_t bytes_of(const struct feed *f, const char *side)
{
    struct record_egress_total sum = egress_sums_of(&f->s.egress.sums, side);

    return sum.bytes_up + sum.bytes_down;
}

/* Each has limits of its own, while what a call may have changed outside is everybody's matter. */
static void sandboxes_are_counted_apart(void **state)
{
    struct record beside = egress(RECORD_EGRESS_ALLOW, 2, "POST"), end = egress(RECORD_EGRESS_END, 2, "POST");
    struct feed f;

    start(&f, false);
    beside.egress.side = end.egress.side = "docs-1";
    end.egress.bytes_down = 5;
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 1, "GET")), 0);
    assert_int_equal(put(&f, beside), 0);
    assert_int_equal(f.s.egress.open_count, 1);
    assert_int_equal(put(&f, end), 0);
    assert_int_equal(bytes_of(&f, NULL), 0);
    assert_int_equal(bytes_of(&f, "docs-1"), 5);
    assert_int_equal(bytes_of(&f, "docs-2"), 0);
    assert_int_equal(egress_sums_all(&f.s.egress.sums).connections, 2);
    run_state_done(&f.s);
}

static void limits_count_what_is_known_best(void **state)
{
    struct record end = egress(RECORD_EGRESS_END, 1, "GET"), total = of(RECORD_EGRESS_TOTAL);
    struct feed f;

    start(&f, false);
    assert_int_equal(put(&f, egress(RECORD_EGRESS_ALLOW, 1, "GET")), 0);
    assert_int_equal(egress_sums_of(&f.s.egress.sums, NULL).connections, 1);
    end.egress.bytes_up = 10;
    end.egress.bytes_down = 100;
    assert_int_equal(put(&f, end), 0);
    assert_int_equal(bytes_of(&f, NULL), 110);
    total.egress_total = (struct record_egress_total){ .connections = 7, .bytes_up = 50, .bytes_down = 500 };
    assert_int_equal(put(&f, total), 0);
    assert_int_equal(bytes_of(&f, NULL), 550);
    assert_int_equal(egress_sums_of(&f.s.egress.sums, NULL).connections, 7);
    end.egress.bytes_down = INT64_MAX;
    assert_int_equal(put(&f, end), 0);
    assert_true(egress_sums_of(&f.s.egress.sums, NULL).bytes_down == INT64_MAX);
    run_state_done(&f.s);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_tunnel_marks_what_runs),
    cmocka_unit_test(sandboxes_are_counted_apart),
    cmocka_unit_test(only_get_and_head_are_harmless),
    cmocka_unit_test(what_is_denied_leaves_nothing),
    cmocka_unit_test(a_tunnel_that_is_open_already_may_serve_it),
    cmocka_unit_test(nothing_stays_open_over_a_resume),
    cmocka_unit_test(a_call_that_had_ended_is_reported_as_well),
    cmocka_unit_test(what_a_checkpoint_has_is_not_touched),
    cmocka_unit_test(what_cannot_be_told_ends_the_run),
    cmocka_unit_test(an_answer_from_outside_stays),
    cmocka_unit_test(a_turn_outside_is_not_gone_back_to),
    cmocka_unit_test(what_is_unsaid_outside_counts),
    cmocka_unit_test(numbers_grow),
    cmocka_unit_test(limits_count_what_is_known_best),
};

UNIT_MAIN(tests)
