/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/feed.h"
#include "tests/unit/unit.h"

#include "core/run/state.h"

#include <stdio.h>

static void start(struct feed *f)
{
    struct record task = of(RECORD_INPUT_ITEM);

    memset(f, 0, sizeof(*f));
    run_state_init(&f->s);
    task.input_item.item.json = span_of("{\"task\":1}");
    assert_int_equal(put(f, task), 0);
}

static struct record begin(int64_t turn)
{
    struct record rec = of(RECORD_CONTEXT_BEGIN);

    rec.context.turn = turn;
    return rec;
}

/* One folder was looked into, with an AGENTS.md of so many bytes; 0: there is none. */
static struct record done(int64_t turn, const char *folder, int64_t shown)
{
    static struct record_looked looked;
    struct record rec = of(RECORD_CONTEXT_DONE);

    looked = (struct record_looked){ .folder = folder, .size = shown, .shown = shown };
    rec.context.turn = turn;
    rec.context.looked = &looked;
    rec.context.looked_count = 1;
    if (shown > 0)
        rec.context.item.json = span_of("{\"context\":1}");
    return rec;
}

/* A turn with one call that touches `folders`; it is answered when `is_run`. */
static void turn(struct feed *f, int64_t number, const struct record_text *folders, size_t count, bool is_run)
{
    struct record ask = of(RECORD_REQUEST_BEGIN), item = of(RECORD_REQUEST_ITEM),
                  closed = of(RECORD_REQUEST_END);
    struct record begun = of(RECORD_CALL_BEGIN), ended = of(RECORD_CALL_END);

    ask.request_begin.turn = item.request_item.turn = closed.request_end.turn = number;
    ask.request_begin.attempt = 1;
    item.request_item.kind = "call";
    item.request_item.call = number;
    item.request_item.call_id = "c";
    item.request_item.tool = "files";
    item.request_item.folders = folders;
    item.request_item.folder_count = count;
    item.request_item.item.json = span_of("{\"call\":1}");
    closed.request_end.status = "completed";
    begun.call_begin.call = ended.call_end.call = number;
    begun.call_begin.call_id = ended.call_end.call_id = "c";
    ended.call_end.outcome = "ok";
    ended.call_end.answer.json = span_of("{\"answer\":1}");
    assert_int_equal(put(f, ask), 0);
    assert_int_equal(put(f, item), 0);
    assert_int_equal(put(f, closed), 0);
    if (is_run)
        assert_int_equal(put(f, begun), 0);
    assert_int_equal(put(f, ended), 0);
    assert_int_equal(f->s.phase, RUN_TURN_ANSWERED);
}

static void test_the_first_goes_in_front_of_the_task(void **state)
{
    struct feed f;

    start(&f);
    assert_false(run_state_has_looked(&f.s, ""));
    assert_int_equal(put(&f, begin(0)), 0);
    assert_int_equal(f.s.context.phase, RUN_PART_STARTING);
    assert_true(put(&f, begin(0)) < 0);
    assert_int_equal(put(&f, done(0, "", 10)), 0);
    assert_int_equal(f.s.context.phase, RUN_PART_NONE);
    assert_int_equal(f.s.item_count, 2);
    assert_int_equal(f.s.base_items, 2);
    assert_string_equal(f.s.items[0].raw, "{\"context\":1}");
    assert_string_equal(f.s.items[1].raw, "{\"task\":1}");
    assert_true(run_state_has_looked(&f.s, ""));
    assert_int_equal(run_state_told_bytes(&f.s), 10);
    run_state_done(&f.s);
}

static void test_folders_come_once_with_those_they_are_in(void **state)
{
    static const struct record_text folders[] = { { "b/c/d" }, { "a" }, { "b/c" } },
                                    again[] = { { "b/c" }, { "b/e" } };
    struct feed f;

    start(&f);
    turn(&f, 1, folders, 3, true);
    assert_int_equal(f.s.context.touched_count, 4);
    assert_string_equal(f.s.context.touched[0], "a");
    assert_string_equal(f.s.context.touched[1], "b");
    assert_string_equal(f.s.context.touched[2], "b/c");
    assert_string_equal(f.s.context.touched[3], "b/c/d");
    assert_int_equal(put(&f, begin(1)), 0);
    assert_int_equal(put(&f, done(1, "b", 0)), 0);
    assert_int_equal(f.s.item_count, 3); /* nothing to tell */
    turn(&f, 2, again, 2, true);
    assert_int_equal(f.s.context.touched_count, 2);
    assert_string_equal(f.s.context.touched[0], "b/c");
    assert_string_equal(f.s.context.touched[1], "b/e");
    run_state_done(&f.s);
}

static void test_a_call_that_never_ran_touched_nothing(void **state)
{
    static const struct record_text folders[] = { { "a" } };
    struct feed f;

    start(&f);
    turn(&f, 1, folders, 1, false);
    assert_int_equal(f.s.context.touched_count, 0);
    run_state_done(&f.s);
}

static void test_a_hostile_model_makes_no_long_list(void **state)
{
    static char deep[4096];
    struct record_text folders[] = { { deep } };
    struct feed f;

    for (size_t i = 0; i + 2 < sizeof(deep); i += 2)
        memcpy(deep + i, "a/", 2);
    deep[sizeof(deep) - 2] = 'a';
    start(&f);
    turn(&f, 1, folders, 1, true);
    assert_int_equal(f.s.context.touched_count, RUN_TOUCHED_MAX);
    run_state_done(&f.s);
}

static void test_what_leaves_the_conversation_may_be_said_again(void **state)
{
    static const struct record_text folders[] = { { "a" } };
    struct record resume = of(RECORD_RUN_RESUME), back = of(RECORD_ROLLBACK),
                  kept = of(RECORD_CHECKPOINT_DONE);
    struct record keep = of(RECORD_CHECKPOINT_BEGIN), ended = of(RECORD_CALL_END);
    struct feed f;

    start(&f);
    assert_int_equal(put(&f, begin(0)), 0);
    assert_int_equal(put(&f, done(0, "", 10)), 0);
    f.s.attempt = 1;
    assert_int_equal(put(&f, keep), 0);
    kept.checkpoint.is_same = true;
    assert_int_equal(put(&f, kept), 0);
    turn(&f, 1, folders, 1, true);
    assert_int_equal(put(&f, begin(1)), 0);
    assert_int_equal(put(&f, done(1, "a", 5)), 0);
    assert_int_equal(f.s.item_count, 5);
    assert_int_equal(run_state_told_bytes(&f.s), 15);
    assert_int_equal(put(&f, resume), 0); /* its sandbox is gone: the call has to run again */
    back.rollback.turn = 1;
    assert_int_equal(put(&f, back), 0);
    assert_int_equal(f.s.item_count, 3);
    assert_false(run_state_has_looked(&f.s, "a"));
    assert_true(run_state_has_looked(&f.s, ""));
    assert_int_equal(run_state_told_bytes(&f.s), 10);
    assert_int_equal(f.s.context.touched_count, 0);
    ended.call_end.call = 1;
    ended.call_end.call_id = "c";
    ended.call_end.outcome = "ok";
    ended.call_end.answer.json = span_of("{\"answer\":2}");
    assert_int_equal(put(&f, ended), 0);
    assert_int_equal(f.s.context.touched_count, 1); /* and it is looked into anew */
    run_state_done(&f.s);
}

static void test_a_look_that_was_under_way_is_begun_anew(void **state)
{
    struct record resume = of(RECORD_RUN_RESUME);
    struct feed f;

    start(&f);
    assert_int_equal(put(&f, begin(0)), 0);
    assert_int_equal(put(&f, resume), 0);
    assert_int_equal(f.s.context.phase, RUN_PART_NONE);
    assert_false(run_state_has_looked(&f.s, ""));
    run_state_done(&f.s);
}

static void test_a_record_that_does_not_fit_changes_nothing(void **state)
{
    struct feed f;

    start(&f);
    assert_true(put(&f, begin(1)) < 0);
    assert_int_equal(put(&f, done(0, "x", 3)), 0); /* brought by a fork */
    f.s.attempt = 1;
    assert_true(put(&f, done(0, "y", 3)) < 0);
    assert_int_equal(f.s.context.looked_count, 1);
    run_state_done(&f.s);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_first_goes_in_front_of_the_task),
    cmocka_unit_test(test_folders_come_once_with_those_they_are_in),
    cmocka_unit_test(test_a_call_that_never_ran_touched_nothing),
    cmocka_unit_test(test_a_hostile_model_makes_no_long_list),
    cmocka_unit_test(test_what_leaves_the_conversation_may_be_said_again),
    cmocka_unit_test(test_a_look_that_was_under_way_is_begun_anew),
    cmocka_unit_test(test_a_record_that_does_not_fit_changes_nothing),
};

UNIT_MAIN(tests)
