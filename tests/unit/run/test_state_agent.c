/* SPDX-License-Identifier: MIT */
/* What subagents use counts for the run that called them, once; and their calls are taken up again. */
#include "tests/unit/unit.h"

#include "core/run/decide.h"
#include "core/run/state.h"

static struct run_state state;
static uint64_t seq;

static int put(struct record rec)
{
    struct err err = { 0 };
    int r;

    rec.seq = seq + 1;
    r = run_apply(&state, &rec, &err);
    seq += r == 0;
    return r;
}

static struct record of(enum record_type type)
{
    return (struct record){ .type = type };
}

static struct record agent_end(int64_t tokens, int64_t cost, int64_t calls, int64_t agents)
{
    struct record rec = of(RECORD_AGENT_END);

    rec.agent = (struct record_agent){ .call = 1,
                                       .call_id = "c",
                                       .name = "reviewer",
                                       .id = "r/1",
                                       .state = "interrupted",
                                       .usage = { .total = tokens },
                                       .cost_micros = cost,
                                       .calls = calls,
                                       .agents = agents };
    return rec;
}

static struct record agent_begin(int64_t call)
{
    struct record rec = of(RECORD_AGENT_BEGIN);

    rec.agent = (struct record_agent){ .call = call, .call_id = "c", .name = "reviewer", .id = "r/1" };
    return rec;
}

static struct record call_begin(void)
{
    struct record rec = of(RECORD_CALL_BEGIN);

    rec.call_begin.call = 1;
    rec.call_begin.call_id = "c";
    return rec;
}

/* A turn with one call of a subagent, which runs. */
static int set_up(void **unused)
{
    struct record begin = of(RECORD_RUN_BEGIN), request = of(RECORD_REQUEST_BEGIN),
                  item = of(RECORD_REQUEST_ITEM), end = of(RECORD_REQUEST_END),
                  ready = of(RECORD_SANDBOX_READY), kept = of(RECORD_CHECKPOINT_DONE);

    run_state_init(&state);
    seq = 0;
    begin.run_begin.id = "r";
    ready.sandbox_ready.container_id = "x";
    kept.checkpoint.number = 1;
    request.request_begin.turn = request.request_begin.attempt = 1;
    item.request_item = (struct record_request_item){ .turn = 1,
                                                      .kind = "call",
                                                      .call = 1,
                                                      .call_id = "c",
                                                      .tool = "reviewer",
                                                      .item = { .json = span_of("{}") } };
    end.request_end.turn = 1;
    end.request_end.status = "completed";
    end.request_end.usage = (struct record_usage){ .input = 90, .output = 10, .total = 100 };
    end.request_end.cost_micros = 5;
    assert_int_equal(put(begin), 0);
    assert_int_equal(put(of(RECORD_SANDBOX_START)), 0);
    assert_int_equal(put(ready), 0);
    assert_int_equal(put(of(RECORD_WORKSPACE_BEGIN)), 0);
    assert_int_equal(put(of(RECORD_WORKSPACE_READY)), 0);
    assert_int_equal(put(of(RECORD_CHECKPOINT_BEGIN)), 0);
    assert_int_equal(put(kept), 0);
    assert_int_equal(put(request), 0);
    assert_int_equal(put(item), 0);
    assert_int_equal(put(end), 0);
    assert_int_equal(put(call_begin()), 0);
    return 0;
}

static int tear_down(void **unused)
{
    run_state_done(&state);
    return 0;
}

static void test_sums_count_once(void **unused)
{
    assert_int_equal(put(agent_begin(1)), 0);
    assert_int_equal(put(agent_end(1000, 50, 3, 1)), 0); /* it was interrupted ... */
    assert_int_equal(state.usage.total, 1100);
    assert_int_equal(state.cost_micros, 55);
    assert_int_equal(state.calls_below, 3);
    assert_int_equal(state.agents, 2);
    assert_int_equal(put(agent_end(1500, 70, 4, 1)), 0); /* ... went on, and tells of all of it */
    assert_int_equal(state.usage.total, 1600);
    assert_int_equal(state.cost_micros, 75);
    assert_int_equal(state.calls_below, 4);
    assert_int_equal(state.agents, 2);
    assert_int_equal(put(agent_end(10, 1, 0, 0)), 0); /* nothing is given back */
    assert_int_equal(state.usage.total, 1600);
}

/* What subagents ask takes time that is not their parent's; what is told of it is a sum too. */
static void test_being_asked_below_is_no_work(void **unused)
{
    struct run_spec spec = { .limits = { .wall_ms = 1000 }, .checkpoints = { .every = RUN_CHECKPOINT_OFF } };
    struct record end = agent_end(1, 1, 1, 0);

    assert_int_equal(put(agent_begin(1)), 0);
    state.asked_ms = 2000;
    assert_int_equal(run_decide(&state, &spec, 3000).kind, RUN_HIT_LIMIT);
    assert_int_not_equal(run_decide_at(&state, &spec, 7999, 5000).kind, RUN_HIT_LIMIT); /* so far */
    assert_int_equal(run_decide_at(&state, &spec, 8000, 5000).kind, RUN_HIT_LIMIT);
    end.agent.asked_ms = 5000;
    assert_int_equal(put(end), 0);
    assert_int_equal(put(end), 0);
    end.agent.asked_ms = -1;
    assert_int_equal(put(end), 0);
    assert_int_not_equal(run_decide(&state, &spec, 7999).kind, RUN_HIT_LIMIT); /* as after a resume */
    assert_int_equal(run_decide(&state, &spec, 8000).kind, RUN_HIT_LIMIT);
    assert_int_equal(run_decide(&state, &spec, 8000).value, 1000);
    end.agent.asked_ms = INT64_MAX;
    assert_int_equal(put(end), 0);
    assert_int_equal(run_state_worked(&state, 8000), 0);
}

static void test_numbers_of_a_journal_do_not_overflow(void **unused)
{
    assert_int_equal(put(agent_begin(1)), 0);
    assert_int_equal(put(agent_end(INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX)), 0);
    assert_true(state.usage.total == INT64_MAX && state.agents == INT64_MAX);
    assert_int_equal(put(agent_end(-1, -1, -1, -1)), 0);
    assert_true(state.is_cost_unknown);
}

static void test_records_out_of_place(void **unused)
{
    assert_int_equal(put(agent_begin(2)), -ERR_INVALID);        /* no such call */
    assert_int_equal(put(agent_end(1, 1, 1, 1)), -ERR_INVALID); /* none was begun for it */
    assert_int_equal(state.usage.total, 100);
}

static void test_the_limits_count_what_is_below(void **unused)
{
    struct run_spec spec = { .limits = { .tool_calls = 4 }, .checkpoints = { .every = RUN_CHECKPOINT_OFF } };
    struct run_action a;

    assert_int_equal(put(agent_begin(1)), 0);
    assert_int_equal(put(agent_end(1, 1, 3, 0)), 0);
    state.calls[0].phase = RUN_CALL_WAITING; /* another one would be the fifth */
    a = run_decide(&state, &spec, 0);
    assert_int_equal(a.kind, RUN_HIT_LIMIT);
    assert_string_equal(a.limit, "tool_calls");
    assert_int_equal(a.value, 4);
}

/* Whatever happened to the sandbox of the run, and whatever left it: the subagent was not in it. */
static void test_a_lost_call_goes_on(void **unused)
{
    static const struct run_agent agent = { .name = "reviewer" },
                                  handoff = { .name = "reviewer", .is_handoff = true };
    struct tool_own own = { .kind = TOOL_AGENT, .name = "reviewer", .spec = &agent };
    struct run_spec spec = { .own = &own, .own_count = 1, .checkpoints = { .every = RUN_CHECKPOINT_CALL } };
    struct run_action a;

    state.calls[0].phase = RUN_CALL_LOST;
    state.calls[0].begin_order = 0;
    state.calls[0].losses = 3;
    state.calls[0].has_left = true;
    state.covered_begins = state.begins;
    a = run_decide(&state, &spec, 0);
    assert_int_equal(a.kind, RUN_START_CALL);
    assert_true(a.is_rerun);
    own.spec = &handoff; /* this one was */
    a = run_decide(&state, &spec, 0);
    assert_int_equal(a.kind, RUN_REFUSE_CALL);
}

/* What it did elsewhere is not undone with its sandbox: `on_interrupt` says whether it is done again. */
static void test_a_lost_handoff_that_reaches_out(void **unused)
{
    static const struct run_spec shut = { .network = { .rule_count = 1 } }; /* its parent's hold */
    static const struct tool_mcp server = { .name = "docs" };
    static const struct run_spec asks = { .mcp = &server, .mcp_count = 1 };
    static struct run_side side = { .name = "fetch", .network = { .rule_count = 1 } };
    static const struct run_spec fetches = { .sides = &side, .side_count = 1 };
    static const struct run_agent helper = { .name = "helper",
                                             .spec = (struct run_spec *) (uintptr_t) &shut };
    static const struct tool_own below = { .kind = TOOL_AGENT, .name = "helper", .spec = &helper };
    static const struct run_spec has_helper = { .own = &below, .own_count = 1 };
    static const struct run_spec *const all[] = { &shut, &asks, &fetches, &has_helper };
    struct run_agent handoff = { .name = "reviewer", .is_handoff = true };
    struct tool_own own = { .kind = TOOL_AGENT, .name = "reviewer", .spec = &handoff };
    struct run_spec spec = { .own = &own, .own_count = 1, .checkpoints = { .every = RUN_CHECKPOINT_CALL } };

    state.calls[0].phase = RUN_CALL_LOST;
    state.calls[0].begin_order = 0;
    state.covered_begins = state.begins;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        handoff.spec = (struct run_spec *) (uintptr_t) all[i];
        state.calls[0].has_agent = false; /* not begun */
        assert_int_equal(run_decide(&state, &spec, 0).kind, RUN_START_CALL);
        state.calls[0].has_agent = true;
        assert_int_equal(run_decide(&state, &spec, 0).kind, i == 0 ? RUN_START_CALL : RUN_REFUSE_CALL);
        handoff.is_handoff = false; /* it goes on, and does nothing again */
        assert_int_equal(run_decide(&state, &spec, 0).kind, RUN_START_CALL);
        handoff.is_handoff = true;
    }
    spec.checkpoints.on_interrupt = RUN_INTERRUPT_FAIL;
    assert_int_equal(run_decide(&state, &spec, 0).kind, RUN_FINISH);
    spec.checkpoints.on_interrupt = RUN_INTERRUPT_RERUN;
    assert_int_equal(run_decide(&state, &spec, 0).kind, RUN_START_CALL);
}

#define with_a_call(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    with_a_call(test_sums_count_once),
    with_a_call(test_numbers_of_a_journal_do_not_overflow),
    with_a_call(test_being_asked_below_is_no_work),
    with_a_call(test_records_out_of_place),
    with_a_call(test_the_limits_count_what_is_below),
    with_a_call(test_a_lost_call_goes_on),
    with_a_call(test_a_lost_handoff_that_reaches_out),
};

UNIT_MAIN(tests)
