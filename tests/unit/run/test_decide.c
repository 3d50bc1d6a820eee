/* SPDX-License-Identifier: MIT */
/* Decisions on states made by hand. What follows from records is tested with the driver. */
#include "tests/unit/unit.h"

#include "core/run/decide.h"

static const struct run_output outputs[] = { { "out", "/tmp/out", "out", true } };

static struct run_state ready(void)
{
    struct run_state s;

    run_state_init(&s);
    s.sandbox = s.workspace = RUN_PART_READY;
    return s;
}

static struct run_action decide(const struct run_state *s, const struct run_limits *limits,
                                int64_t elapsed_ms)
{
    struct run_spec spec = { .checkpoints = { .every = RUN_CHECKPOINT_OFF } };

    if (limits)
        spec.limits = *limits;
    spec.model.price = (struct model_price){ 1000000, -1, 1000000 };
    return run_decide(s, &spec, elapsed_ms);
}

static void test_the_sandbox_comes_first_and_the_request_at_once(void **state)
{
    struct run_state s;
    struct run_action a;

    run_state_init(&s);
    assert_int_equal(decide(&s, NULL, 0).kind, RUN_START_SANDBOX);
    s.sandbox = RUN_PART_STARTING;
    a = decide(&s, NULL, 0);
    assert_int_equal(a.kind, RUN_SEND_REQUEST);
    assert_int_equal(a.turn, 1);
    assert_int_equal(a.attempt, 1);
    s.phase = RUN_TURN_OPEN;
    assert_int_equal(decide(&s, NULL, 0).kind, RUN_WAIT);
    s.sandbox = RUN_PART_READY;
    assert_int_equal(decide(&s, NULL, 0).kind, RUN_FILL_WORKSPACE);
}

static enum run_action_kind look(const struct run_state *s, const char *path, bool is_skill, bool agents,
                                 bool tree)
{
    struct run_entry entry = { .path = path, .is_skill = is_skill };
    struct run_spec spec = { .checkpoints = { .every = RUN_CHECKPOINT_OFF },
                             .entries = &entry,
                             .entry_count = path ? 1 : 0,
                             .agents_md = agents,
                             .file_tree = tree };

    return run_decide(s, &spec, 0).kind;
}

static void test_the_first_request_waits_for_what_is_to_be_told(void **state)
{
    struct run_looked looked = { .folder = (char *) "" };
    struct run_state s;

    run_state_init(&s);
    s.sandbox = RUN_PART_STARTING;
    assert_int_equal(look(&s, NULL, false, true, true), RUN_SEND_REQUEST);
    assert_int_equal(look(&s, "a", false, true, false), RUN_SEND_REQUEST);
    assert_int_equal(look(&s, "a", true, true, true), RUN_SEND_REQUEST); /* nothing but a skill */
    assert_int_equal(look(&s, "a", false, false, true), RUN_WAIT);
    assert_int_equal(look(&s, "AGENTS.md", false, true, false), RUN_WAIT);
    s.sandbox = s.workspace = RUN_PART_READY;
    assert_int_equal(look(&s, "AGENTS.md", false, true, false), RUN_LOOK_AROUND);
    s.context.phase = RUN_PART_STARTING;
    assert_int_equal(look(&s, "AGENTS.md", false, true, false), RUN_WAIT);
    s.context = (struct run_context){ .looked = &looked, .looked_count = 1 };
    assert_int_equal(look(&s, "AGENTS.md", false, true, true), RUN_SEND_REQUEST);
}

static void test_a_later_request_waits_for_what_was_touched(void **state)
{
    struct run_state s = ready();

    s.phase = RUN_TURN_ANSWERED;
    s.turn = 1;
    assert_int_equal(look(&s, NULL, false, true, true), RUN_SEND_REQUEST);
    s.context.touched[0] = (char *) "a";
    s.context.touched_count = 1;
    assert_int_equal(look(&s, NULL, false, true, true), RUN_LOOK_AROUND);
    s.phase = RUN_TURN_VOID; /* the same request once more */
    assert_int_equal(look(&s, NULL, false, true, true), RUN_SEND_REQUEST);
}

static void test_calls_wait_for_the_workspace(void **state)
{
    struct run_call calls[] = { { .number = 7, .phase = RUN_CALL_WAITING, .tool = (char *) "shell" } };
    struct run_state s = ready();
    struct run_action a;

    s.phase = RUN_TURN_OPEN;
    s.turn = 1;
    s.calls = calls;
    s.call_count = 1;
    s.workspace = RUN_PART_STARTING;
    assert_int_equal(decide(&s, NULL, 0).kind, RUN_WAIT);
    s.workspace = RUN_PART_READY;
    a = decide(&s, NULL, 0);
    assert_int_equal(a.kind, RUN_START_CALL);
    assert_int_equal(a.call, 7);
    calls[0].is_incomplete = true;
    assert_int_equal(decide(&s, NULL, 0).kind, RUN_WAIT);
    s.phase = RUN_TURN_CLOSED;
    assert_int_equal(decide(&s, NULL, 0).kind, RUN_REFUSE_CALL);
    calls[0].phase = RUN_CALL_RUNNING;
    assert_int_equal(decide(&s, NULL, 0).kind, RUN_WAIT);
}

static void test_waits_for_a_retry(void **state)
{
    struct run_state s = ready();
    struct run_action a;

    s.phase = RUN_TURN_VOID;
    s.turn = 3;
    s.try_count = 1;
    s.retry_at_ms = 500;
    a = decide(&s, NULL, 499);
    assert_int_equal(a.kind, RUN_WAIT);
    assert_int_equal(a.wake_ms, 500);
    a = decide(&s, NULL, 500);
    assert_int_equal(a.kind, RUN_SEND_REQUEST);
    assert_int_equal(a.turn, 3);
    assert_int_equal(a.attempt, 2);
}

static void test_limits_hold_before_more_work(void **state)
{
    static const struct {
        struct run_limits limits;
        const char *limit;
    } cases[] = {
        { { .turns = 2 }, "turns" },
        { { .tokens = 300 }, "tokens" },
        { { .cost_micros = 50 }, "cost" },
        { { .cost_micros = 249 }, "cost" }, /* 50 spent, 200 tokens of input at 1 each: surely too much */
        { { .repeat = 4 }, "repeat" },
        { { .wall_ms = 1000 }, "wall" },
        { { .turns = 3, .tokens = 301, .cost_micros = 250, .repeat = 5, .wall_ms = 1001 }, NULL },
        { { 0 }, NULL },
    };
    struct run_state s = ready();

    s.phase = RUN_TURN_ANSWERED;
    s.turn = s.turns_spent = 2;
    s.usage.total = 300;
    s.last.input = 200;
    s.cost_micros = 50;
    s.repeat_count = 4;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct run_action a = decide(&s, &cases[i].limits, 1000);

        assert_int_equal(a.kind, cases[i].limit ? RUN_HIT_LIMIT : RUN_SEND_REQUEST);
        if (cases[i].limit)
            assert_string_equal(a.limit, cases[i].limit);
    }
}

static void test_being_asked_is_no_work(void **state)
{
    struct run_limits limits = { .wall_ms = 1000 };
    struct run_state s = ready();

    s.phase = RUN_TURN_ANSWERED;
    s.asked_ms = 5000;
    assert_int_equal(decide(&s, &limits, 5999).kind, RUN_SEND_REQUEST);
    assert_int_equal(decide(&s, &limits, 6000).kind, RUN_HIT_LIMIT);
    assert_int_equal(decide(&s, &limits, 6000).value, 1000);
    s.is_asking = true;
    s.asked_at_ms = 5999;
    assert_int_not_equal(decide(&s, &limits, 100000).kind, RUN_HIT_LIMIT);
    s.asked_at_ms = 6000;
    assert_int_equal(decide(&s, &limits, 100000).kind, RUN_HIT_LIMIT);
}

static void test_a_retry_is_no_new_turn(void **state)
{
    struct run_limits limits = { .turns = 2 };
    struct run_state s = ready();

    s.phase = RUN_TURN_VOID;
    s.turn = s.turns_spent = 2;
    assert_int_equal(decide(&s, &limits, 0).kind, RUN_SEND_REQUEST);
}

static void test_a_final_message_is_past_all_limits(void **state)
{
    struct run_item message = { .kind = RUN_ITEM_MESSAGE, .turn = 1 };
    struct run_limits limits = { 1, 1, 1, 1, 1, 1, 1, 1 };
    struct run_spec spec = { .limits = limits, .checkpoints = { .every = RUN_CHECKPOINT_OFF } };
    struct run_state s = ready();
    struct run_action a;

    s.phase = RUN_TURN_CLOSED;
    s.turn = 1;
    s.items = &message;
    s.item_count = 1;
    a = run_decide(&s, &spec, 5000);
    assert_int_equal(a.kind, RUN_FINISH);
    assert_int_equal(a.end, RUN_DONE);
    assert_string_equal(a.reason, "answer");
    spec.outputs = outputs;
    spec.output_count = 1;
    assert_int_equal(run_decide(&s, &spec, 5000).kind, RUN_COLLECT_OUTPUTS);
    s.outputs = RUN_PART_STARTING;
    assert_int_equal(run_decide(&s, &spec, 5000).kind, RUN_WAIT);
    s.outputs = RUN_PART_FAILED;
    a = run_decide(&s, &spec, 5000);
    assert_int_equal(a.code, ERR_OUTPUT);
    s.outputs = RUN_PART_NONE; /* the wall holds while the sandbox is waited for */
    s.workspace = RUN_PART_NONE;
    s.sandbox = RUN_PART_STARTING;
    a = run_decide(&s, &spec, 5000);
    assert_int_equal(a.kind, RUN_HIT_LIMIT);
    assert_string_equal(a.limit, "wall");
}

static void test_outputs_come_before_the_last_checkpoint(void **state)
{
    struct run_item message = { .kind = RUN_ITEM_MESSAGE, .turn = 1 };
    struct run_spec spec = { .outputs = outputs, .output_count = 1 };
    struct run_state s = ready();

    s.phase = RUN_TURN_CLOSED;
    s.turn = 1;
    s.items = &message;
    s.item_count = 1;
    assert_int_equal(run_decide(&s, &spec, 0).kind, RUN_COLLECT_OUTPUTS);
    s.outputs = RUN_PART_STARTING;
    assert_int_equal(run_decide(&s, &spec, 0).kind, RUN_WAIT);
    s.outputs = RUN_PART_READY;
    assert_int_equal(run_decide(&s, &spec, 0).kind, RUN_TAKE_CHECKPOINT);
    s.outputs = RUN_PART_FAILED;
    assert_int_equal(run_decide(&s, &spec, 0).kind, RUN_TAKE_CHECKPOINT);
}

static void test_an_interrupt_wins(void **state)
{
    struct run_state s = ready();
    struct run_action a;

    s.sandbox = RUN_PART_LOST;
    s.limit = (char *) "turns";
    s.interrupt = 15;
    a = decide(&s, NULL, 0);
    assert_int_equal(a.end, RUN_INTERRUPTED);
    assert_string_equal(a.reason, "SIGTERM");
    s.interrupt = 0;
    a = decide(&s, NULL, 0);
    assert_int_equal(a.end, RUN_LIMIT);
    s.limit = NULL;
    a = decide(&s, NULL, 0);
    assert_string_equal(a.reason, "sandbox_lost");
    assert_int_equal(a.code, ERR_ENGINE);
}

static void test_an_answer_waits_for_the_workspace(void **state)
{
    struct run_state s = ready();
    struct run_item message = { .kind = RUN_ITEM_MESSAGE, .turn = 1 };

    s.turn = 1;
    s.phase = RUN_TURN_CLOSED;
    s.items = &message;
    s.item_count = 1;
    s.sandbox = RUN_PART_STARTING;
    s.workspace = RUN_PART_NONE;
    assert_int_equal(decide(&s, NULL, 0).kind, RUN_WAIT);
    s.sandbox = RUN_PART_FAILED;
    assert_string_equal(decide(&s, NULL, 0).reason, "sandbox");
    s.sandbox = s.workspace = RUN_PART_READY;
    assert_int_equal(decide(&s, NULL, 0).end, RUN_DONE);
}

static void test_an_ended_run_does_nothing(void **state)
{
    struct run_state s = ready();

    s.end = RUN_DONE;
    assert_int_equal(decide(&s, NULL, 0).kind, RUN_WAIT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_sandbox_comes_first_and_the_request_at_once),
    cmocka_unit_test(test_the_first_request_waits_for_what_is_to_be_told),
    cmocka_unit_test(test_a_later_request_waits_for_what_was_touched),
    cmocka_unit_test(test_calls_wait_for_the_workspace),
    cmocka_unit_test(test_waits_for_a_retry),
    cmocka_unit_test(test_limits_hold_before_more_work),
    cmocka_unit_test(test_being_asked_is_no_work),
    cmocka_unit_test(test_a_retry_is_no_new_turn),
    cmocka_unit_test(test_a_final_message_is_past_all_limits),
    cmocka_unit_test(test_outputs_come_before_the_last_checkpoint),
    cmocka_unit_test(test_an_interrupt_wins),
    cmocka_unit_test(test_an_answer_waits_for_the_workspace),
    cmocka_unit_test(test_an_ended_run_does_nothing),
};

UNIT_MAIN(tests)
