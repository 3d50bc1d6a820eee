/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/feed.h"
#include "tests/unit/unit.h"

#include "core/run/snapshot.h"
#include "core/run/state.h"

#include <stdio.h>

static struct record request(int64_t turn, int64_t attempt)
{
    struct record rec = of(RECORD_REQUEST_BEGIN);

    rec.request_begin.turn = turn;
    rec.request_begin.attempt = attempt;
    return rec;
}

static struct record item(int64_t turn, int64_t index, const char *kind, const char *raw)
{
    struct record rec = of(RECORD_REQUEST_ITEM);

    rec.request_item.turn = turn;
    rec.request_item.output_index = index;
    rec.request_item.kind = kind;
    rec.request_item.item.json = span_of(raw);
    return rec;
}

static struct record call(int64_t turn, int64_t index, int64_t number)
{
    struct record rec = item(turn, index, "call", "{\"call\":true}");

    rec.request_item.call = number;
    rec.request_item.call_id = "c";
    rec.request_item.tool = "shell";
    return rec;
}

static struct record request_end(int64_t turn, const char *status)
{
    struct record rec = of(RECORD_REQUEST_END);

    rec.request_end.turn = turn;
    rec.request_end.status = status;
    rec.request_end.usage = (struct record_usage){ 10, 4, 5, 1, 15, false };
    rec.request_end.cost_micros = 7;
    rec.request_end.response_id = "resp_x";
    return rec;
}

static struct record call_begin(int64_t number)
{
    struct record rec = of(RECORD_CALL_BEGIN);

    rec.call_begin.call = number;
    rec.call_begin.call_id = "c";
    return rec;
}

static struct record call_end(int64_t number, const char *same)
{
    struct record rec = of(RECORD_CALL_END);

    rec.call_end.call = number;
    rec.call_end.call_id = "c";
    rec.call_end.outcome = "ok";
    rec.call_end.same = same;
    rec.call_end.answer.json = span_of(number == 1 ? "{\"answer\":1}" : "{\"answer\":2}");
    return rec;
}

static void start(struct feed *f)
{
    struct record task = of(RECORD_INPUT_ITEM);

    memset(f, 0, sizeof(*f));
    run_state_init(&f->s);
    task.input_item.item.json = span_of("{\"task\":1}");
    assert_int_equal(put(f, task), 0);
}

static void test_a_turn_joins_the_conversation_when_all_is_answered(void **state)
{
    struct feed f;

    start(&f);
    assert_int_equal(put(&f, request(1, 1)), 0);
    assert_int_equal(put(&f, call(1, 1, 1)), 0);
    assert_int_equal(put(&f, call(1, 0, 2)), 0);
    assert_int_equal(put(&f, call_begin(1)), 0);
    assert_int_equal(put(&f, call_end(1, NULL)), 0);
    assert_int_equal(f.s.item_count, 1);
    assert_int_equal(put(&f, request_end(1, "completed")), 0);
    assert_int_equal(f.s.item_count, 3);
    assert_int_equal(f.s.phase, RUN_TURN_CLOSED);
    assert_int_equal(f.s.previous_items, 3);
    assert_string_equal(f.s.previous_id, "resp_x");
    assert_int_equal(put(&f, call_begin(2)), 0);
    assert_int_equal(put(&f, call_end(2, NULL)), 0);
    assert_int_equal(f.s.phase, RUN_TURN_ANSWERED);
    assert_int_equal(f.s.item_count, 5);
    assert_int_equal(f.s.items[1].call, 2); /* by output_index */
    assert_string_equal(f.s.items[3].raw, "{\"answer\":2}");
    assert_string_equal(f.s.items[4].raw, "{\"answer\":1}");
    assert_int_equal(f.s.usage.total, 15);
    assert_int_equal(f.s.cost_micros, 7);
    assert_int_equal(f.s.calls_begun, 2);
    run_state_done(&f.s);
}

static void test_a_failed_try_leaves_nothing(void **state)
{
    struct record failed = of(RECORD_REQUEST_FAILED);
    struct feed f;

    start(&f);
    assert_int_equal(put(&f, request(1, 1)), 0);
    assert_int_equal(put(&f, item(1, 0, "reasoning", "{}")), 0);
    assert_int_equal(put(&f, call(1, 1, 1)), 0);
    failed.request_failed.turn = 1;
    failed.request_failed.attempt = 1;
    failed.request_failed.will_retry = true;
    failed.request_failed.retry_ms = 500;
    failed.ms = 100;
    assert_int_equal(put(&f, failed), 0);
    assert_int_equal(f.s.item_count, 1);
    assert_int_equal(f.s.call_count, 0);
    assert_int_equal(f.s.phase, RUN_TURN_VOID);
    assert_int_equal(f.s.retry_at_ms, 600);
    assert_int_equal(f.s.failures, 1);
    assert_int_equal(put(&f, request(2, 1)), -ERR_INVALID);
    assert_int_equal(put(&f, request(1, 2)), 0);
    assert_int_equal(put(&f, call(1, 0, 1)), -ERR_INVALID); /* numbers are never used again */
    assert_int_equal(put(&f, call(1, 0, 2)), 0);
    run_state_done(&f.s);
}

static void test_a_failed_try_cannot_undo_a_call(void **state)
{
    struct record failed = of(RECORD_REQUEST_FAILED);
    struct feed f;

    start(&f);
    assert_int_equal(put(&f, request(1, 1)), 0);
    assert_int_equal(put(&f, call(1, 0, 1)), 0);
    assert_int_equal(put(&f, call_begin(1)), 0);
    failed.request_failed.turn = 1;
    failed.request_failed.attempt = 1;
    assert_int_equal(put(&f, failed), -ERR_INVALID);
    assert_string_equal(f.err.text, "record 5 'request.failed' does not fit what came before");
    run_state_done(&f.s);
}

static void test_repeats_are_counted_in_a_row(void **state)
{
    static const char *const same[] = { "aa", "aa", "bb", "aa", "aa", "aa" };
    static const int64_t expected[] = { 1, 2, 1, 1, 2, 3 };
    struct feed f;

    start(&f);
    for (int64_t turn = 1; turn <= 6; turn++) {
        assert_int_equal(put(&f, request(turn, 1)), 0);
        assert_int_equal(put(&f, call(turn, 0, turn)), 0);
        assert_int_equal(put(&f, request_end(turn, "completed")), 0);
        assert_int_equal(put(&f, call_begin(turn)), 0);
        assert_int_equal(put(&f, call_end(turn, same[turn - 1])), 0);
        assert_int_equal(f.s.repeat_count, expected[turn - 1]);
    }
    run_state_done(&f.s);
}

static void test_incomplete_drops_what_was_cut_off(void **state)
{
    struct record cut = call(1, 2, 2);
    struct feed f;

    start(&f);
    assert_int_equal(put(&f, request(1, 1)), 0);
    assert_int_equal(put(&f, call(1, 0, 1)), 0);
    assert_int_equal(put(&f, item(1, 1, "reasoning", "{}")), 0);
    cut.request_item.is_incomplete = true;
    assert_int_equal(put(&f, cut), 0);
    assert_int_equal(put(&f, request_end(1, "incomplete")), 0);
    assert_int_equal(f.s.call_count, 1);
    assert_int_equal(f.s.item_count, 2); /* the reasoning before the cut call led to nothing either */
    assert_null(f.s.previous_id);
    run_state_done(&f.s);
}

static void test_sums_cannot_overflow_or_shrink(void **state)
{
    struct record end = request_end(1, "completed");
    struct feed f;

    start(&f);
    assert_int_equal(put(&f, request(1, 1)), 0);
    assert_int_equal(put(&f, call(1, 0, 1)), 0);
    end.request_end.usage.total = INT64_MAX;
    end.request_end.usage.input = -5;
    assert_int_equal(put(&f, end), 0);
    assert_int_equal(put(&f, call_begin(1)), 0);
    assert_int_equal(put(&f, call_end(1, NULL)), 0);
    assert_int_equal(put(&f, request(2, 1)), 0);
    assert_int_equal(put(&f, request_end(2, "completed")), 0);
    assert_int_equal(f.s.usage.total, INT64_MAX);
    assert_int_equal(f.s.usage.input, 10);
    run_state_done(&f.s);
}

static void test_what_does_not_fit_is_refused(void **state)
{
    static const enum record_type never_first[] = {
        RECORD_SANDBOX_SCAN,     RECORD_SANDBOX_INTENT, RECORD_SANDBOX_READY,
        RECORD_SANDBOX_FAILED,   RECORD_SANDBOX_LOST,   RECORD_WORKSPACE_READY,
        RECORD_WORKSPACE_FAILED, RECORD_OUTPUT_DONE,    RECORD_OUTPUTS_END,
    };
    struct feed f;

    start(&f);
    for (size_t i = 0; i < sizeof(never_first) / sizeof(never_first[0]); i++)
        assert_int_equal(put(&f, of(never_first[i])), -ERR_INVALID);
    assert_int_equal(put(&f, call_begin(1)), -ERR_INVALID);
    assert_int_equal(put(&f, call_end(1, NULL)), -ERR_INVALID);
    assert_int_equal(put(&f, item(1, 0, "message", "{}")), -ERR_INVALID);
    assert_int_equal(put(&f, request_end(0, "completed")), -ERR_INVALID);
    assert_int_equal(put(&f, request(2, 1)), -ERR_INVALID);
    assert_int_equal(f.s.seq, 1);
    run_state_done(&f.s);
}

static void test_nothing_follows_the_end_but_the_removal(void **state)
{
    struct record end = of(RECORD_RUN_END), limit = of(RECORD_LIMIT_HIT);
    struct feed f;

    start(&f);
    end.run_end.state = "limit";
    end.run_end.reason = "turns";
    end.run_end.exit_status = 6;
    assert_int_equal(put(&f, end), 0);
    assert_int_equal(f.s.end, RUN_LIMIT);
    limit.limit_hit.limit = "turns";
    assert_int_equal(put(&f, limit), -ERR_INVALID);
    assert_int_equal(put(&f, of(RECORD_SANDBOX_REMOVED)), 0);
    assert_true(f.s.is_removed);
    run_state_done(&f.s);
}

static void test_text_is_the_answer_without_commentary(void **state)
{
    struct record note =
        item(1, 0, "message",
             "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"thinking\"}]}");
    struct buf text = BUF_INIT(1000);
    struct feed f;

    start(&f);
    note.request_item.is_commentary = true;
    assert_int_equal(put(&f, request(1, 1)), 0);
    assert_int_equal(put(&f, note), 0);
    assert_int_equal(
        put(&f, item(1, 1, "message",
                     "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"},"
                     "{\"type\":\"output_text\",\"text\":\"b\"}]}")),
        0);
    assert_int_equal(put(&f, item(1, 2, "message", "{\"type\":\"message\",\"content\":[]}")), 0);
    assert_int_equal(
        put(&f, item(1, 3, "message",
                     "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"c\"}]}")),
        0);
    assert_false(run_state_has_message(&f.s));
    assert_int_equal(put(&f, request_end(1, "completed")), 0);
    assert_true(run_state_has_message(&f.s));
    assert_false(run_state_is_refusal(&f.s));
    assert_int_equal(run_state_text(&f.s, &text, NULL), 0);
    assert_string_equal(buf_text(&text), "ab\nc");
    buf_done(&text);
    run_state_done(&f.s);
}

static void test_unknown_records_change_nothing_but_the_place(void **state)
{
    struct feed f;

    start(&f);
    assert_int_equal(put(&f, of(RECORD_UNKNOWN)), 0);
    assert_int_equal(f.s.seq, 2);
    run_state_done(&f.s);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_turn_joins_the_conversation_when_all_is_answered),
    cmocka_unit_test(test_a_failed_try_leaves_nothing),
    cmocka_unit_test(test_a_failed_try_cannot_undo_a_call),
    cmocka_unit_test(test_repeats_are_counted_in_a_row),
    cmocka_unit_test(test_incomplete_drops_what_was_cut_off),
    cmocka_unit_test(test_sums_cannot_overflow_or_shrink),
    cmocka_unit_test(test_what_does_not_fit_is_refused),
    cmocka_unit_test(test_nothing_follows_the_end_but_the_removal),
    cmocka_unit_test(test_text_is_the_answer_without_commentary),
    cmocka_unit_test(test_unknown_records_change_nothing_but_the_place),
};

UNIT_MAIN(tests)
