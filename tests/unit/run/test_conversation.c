/* SPDX-License-Identifier: MIT */
/* What is sent of a conversation after it was made shorter, and that going back undoes it. */
#include "tests/unit/run/feed.h"
#include "tests/unit/unit.h"

#include "tests/fuzz/history.h"

#include "core/run/decide.h"

static void put_turn(struct feed *f, int64_t turn, int64_t input_tokens)
{
    struct record ask = of(RECORD_REQUEST_BEGIN), item = of(RECORD_REQUEST_ITEM),
                  end = of(RECORD_REQUEST_END);
    struct record begun = of(RECORD_CALL_BEGIN), ended = of(RECORD_CALL_END);

    ask.request_begin.turn = item.request_item.turn = end.request_end.turn = turn;
    ask.request_begin.attempt = 1;
    item.request_item.kind = "call";
    item.request_item.call = begun.call_begin.call = ended.call_end.call = turn;
    item.request_item.call_id = begun.call_begin.call_id = ended.call_end.call_id = "c";
    item.request_item.tool = "shell";
    item.request_item.item.json = span_of("{\"type\":\"shell_call\",\"call_id\":\"c\"}");
    end.request_end.status = "completed";
    end.request_end.usage =
        (struct record_usage){ .input = input_tokens, .output = 10, .total = input_tokens + 10 };
    ended.call_end.outcome = "ok";
    ended.call_end.answer.json = span_of("{\"type\":\"shell_call_output\",\"call_id\":\"c\"}");
    assert_int_equal(put(f, ask), 0);
    assert_int_equal(put(f, item), 0);
    assert_int_equal(put(f, end), 0);
    assert_int_equal(put(f, begun), 0);
    assert_int_equal(put(f, ended), 0);
}

static void start(struct feed *f)
{
    struct record task = of(RECORD_INPUT_ITEM);

    memset(f, 0, sizeof(*f));
    run_state_init(&f->s);
    task.input_item.item.json = span_of("{\"task\":1}");
    assert_int_equal(put(f, task), 0);
}

static struct record begin(const struct feed *f, int64_t keeps)
{
    struct record rec = of(RECORD_COMPACTION_BEGIN);

    rec.compaction = (struct record_compaction){ .turn = f->s.turn, .attempt = 1, .keeps = keeps };
    return rec;
}

static struct record done(const struct feed *f, int64_t keeps)
{
    struct record rec = of(RECORD_COMPACTION_DONE);

    rec.compaction = (struct record_compaction){ .turn = f->s.turn, .keeps = keeps };
    rec.compaction.usage = (struct record_usage){ .input = 500, .output = 20, .total = 520 };
    rec.compaction.item.json = span_of("{\"summary\":1}");
    return rec;
}

static void check_view(const struct feed *f, const char *expected)
{
    size_t view[64], count = conversation_view(f->s.items, f->s.item_count, NULL, NULL, view);
    char text[256] = "";

    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%zu ", view[i]);
    assert_string_equal(text, expected);
}

static void test_nothing_is_torn_whatever_was_said(void **state)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const char *wrong = history_check(NULL, 0, seed);

        if (wrong)
            fail_msg("seed %llu: %s", (unsigned long long) seed, wrong);
    }
}

static void test_a_summary_takes_the_place_of_what_is_old(void **state)
{
    struct feed f;

    start(&f);
    for (int64_t turn = 1; turn <= 3; turn++)
        put_turn(&f, turn, 1000 * turn);
    assert_int_equal(run_state_tokens(&f.s), 3010 + f.s.items[6].len / 4);
    assert_int_equal(put(&f, begin(&f, 3)), 0);
    assert_true(put(&f, begin(&f, 3)) < 0);
    assert_true(put(&f, done(&f, 4)) < 0); /* of another cut */
    assert_int_equal(put(&f, done(&f, 3)), 0);
    check_view(&f, "0 7 3 4 5 6 ");
    assert_int_equal(f.s.usage.total, 1010 + 2010 + 3010 + 520);
    assert_int_equal(f.s.last.input, 0);
    assert_int_equal(run_state_tokens(&f.s), 0);
    put_turn(&f, 4, 700);
    check_view(&f, "0 7 3 4 5 6 8 9 ");
    assert_int_equal(put(&f, begin(&f, 8)), 0);
    assert_int_equal(put(&f, done(&f, 8)), 0); /* the older one goes with what it stood for */
    check_view(&f, "0 10 8 9 ");
    run_state_done(&f.s);
}

/* The sandbox is lost with what the newest calls did: the answers go, and the summary that came after them.
 */
static void test_going_back_brings_back_what_was_replaced(void **state)
{
    struct record resume = of(RECORD_RUN_RESUME), back = of(RECORD_ROLLBACK),
                  taken = of(RECORD_CHECKPOINT_DONE);
    struct record keep = of(RECORD_CHECKPOINT_BEGIN);
    struct feed f;

    start(&f);
    put_turn(&f, 1, 1000);
    put_turn(&f, 2, 2000);
    taken.checkpoint = (struct record_checkpoint){ .number = 1, .turn = 2, .calls = 2 };
    assert_int_equal(put(&f, keep), 0);
    assert_int_equal(put(&f, taken), 0);
    put_turn(&f, 3, 3000);
    assert_int_equal(put(&f, begin(&f, 3)), 0);
    assert_int_equal(put(&f, done(&f, 3)), 0);
    put_turn(&f, 4, 400);
    assert_int_equal(put(&f, resume), 0);
    back.rollback = (struct record_rollback){ .checkpoint = 1, .turn = 3, .turns_undone = 1 };
    assert_int_equal(put(&f, back), 0);
    check_view(&f, "0 1 2 3 4 5 "); /* the call of turn 3 is to run again */
    assert_int_equal(f.s.calls[0].phase, RUN_CALL_LOST);
    assert_int_equal(f.s.compaction.at_turn, 0);
    run_state_done(&f.s);
}

static void test_one_that_was_under_way_is_closed_before_anything_else(void **state)
{
    struct run_spec spec = { .compact = { .by = RUN_COMPACT_LOCAL, .at_tokens = 900 } };
    struct record failed = of(RECORD_COMPACTION_FAILED), resume = of(RECORD_RUN_RESUME),
                  ask = of(RECORD_REQUEST_BEGIN);
    struct feed f;

    start(&f);
    put_turn(&f, 1, 1000);
    f.s.sandbox = f.s.workspace = RUN_PART_READY;
    spec.checkpoints.every = RUN_CHECKPOINT_OFF;
    assert_int_equal(run_decide(&f.s, &spec, 0).kind, RUN_COMPACT);
    assert_int_equal(put(&f, begin(&f, 1)), 0);
    assert_int_equal(run_decide(&f.s, &spec, 0).kind, RUN_WAIT);
    ask.request_begin = (struct record_request_begin){ .turn = 2, .attempt = 1 };
    assert_true(put(&f, ask) < 0);
    assert_int_equal(put(&f, resume), 0);
    assert_int_equal(run_decide(&f.s, &spec, 0).kind, RUN_CLOSE_REQUEST);
    failed.compaction = (struct record_compaction){ .turn = 1, .code = "interrupted", .will_retry = true };
    assert_int_equal(put(&f, failed), 0);
    assert_int_equal(f.s.compaction.failures, 0);
    assert_int_equal(f.s.compaction.phase, RUN_PART_NONE);
    run_state_done(&f.s);
}

static void test_what_comes_to_nothing_is_given_up(void **state)
{
    struct run_spec spec = { .compact = { .by = RUN_COMPACT_LOCAL, .at_tokens = 900 } };
    struct record failed = of(RECORD_COMPACTION_FAILED);
    struct feed f;

    start(&f);
    put_turn(&f, 1, 1000);
    f.s.sandbox = f.s.workspace = RUN_PART_READY;
    spec.checkpoints.every = RUN_CHECKPOINT_OFF;
    failed.compaction = (struct record_compaction){ .turn = 1, .code = "useless", .will_retry = true };
    assert_int_equal(put(&f, begin(&f, 1)), 0);
    assert_int_equal(put(&f, failed), 0);
    assert_int_equal(run_decide(&f.s, &spec, 0).attempt, 2);
    failed.compaction.will_retry = false;
    assert_int_equal(put(&f, begin(&f, 1)), 0);
    assert_int_equal(put(&f, failed), 0);
    assert_int_equal(run_decide(&f.s, &spec, 0).kind, RUN_SEND_REQUEST);
    put_turn(&f, 2, 1100);
    assert_int_equal(run_decide(&f.s, &spec, 0).kind, RUN_SEND_REQUEST); /* not again in the next one */
    run_state_done(&f.s);
}

static void test_summaries_that_are_none(void **state)
{
    struct buf item = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);

    assert_non_null(conversation_judge_summary(span_of(""), 10000));
    assert_non_null(conversation_judge_summary(span_of(" \n\t"), 10000));
    assert_non_null(conversation_judge_summary(span_of("not shorter"), 20));
    assert_non_null(conversation_judge_summary(span_make("a\0b", 3), 10000));
    assert_null(conversation_judge_summary(span_of(" short "), 10000));
    assert_int_equal(conversation_put_summary(&item, span_of(" short "), NULL), 0);
    assert_int_equal(conversation_read_summary(buf_span(&item), &text, NULL), 0);
    assert_string_equal(buf_text(&text), "short");
    buf_done(&item);
    buf_done(&text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_nothing_is_torn_whatever_was_said),
    cmocka_unit_test(test_a_summary_takes_the_place_of_what_is_old),
    cmocka_unit_test(test_going_back_brings_back_what_was_replaced),
    cmocka_unit_test(test_one_that_was_under_way_is_closed_before_anything_else),
    cmocka_unit_test(test_what_comes_to_nothing_is_given_up),
    cmocka_unit_test(test_summaries_that_are_none),
};

UNIT_MAIN(tests)
