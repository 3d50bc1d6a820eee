/* SPDX-License-Identifier: MIT */
/* Servers of tools: what records say of them, and what is decided by it. */
#include "tests/unit/unit.h"

#include "core/run/decide.h"
#include "core/run/snapshot.h"
#include "core/tool/mcp.h"

static const struct tool_mcp servers[] = { { .name = "a", .is_required = true }, { .name = "b" } };
static const struct run_spec spec = { .checkpoints = { .every = RUN_CHECKPOINT_OFF },
                                      .mcp = servers,
                                      .mcp_count = 2 };
static struct run_state s;

static void apply(enum record_type type, const char *server, const char *tools)
{
    struct record rec = { .type = type };
    struct err err = { 0 };

    rec.mcp.server = server;
    rec.mcp.code = "timeout";
    rec.mcp.message = "too late";
    rec.mcp.tools.json = span_of(tools);
    if (run_apply(&s, &rec, &err) < 0)
        fail_msg("%s", err.text);
}

static struct run_action decide(void)
{
    return run_decide(&s, &spec, 0);
}

static int done(void **state)
{
    run_state_done(&s);
    return 0;
}

#define ONE                                                                                              \
    "[{\"name\":\"a__x\",\"tool\":\"x\",\"description\":\"d\",\"strict\":true,\"parameters\":{\"type\":" \
    "\"object\"}}]"

static void test_the_first_request_waits_for_all(void **state)
{
    run_state_init(&s);
    assert_int_equal(decide().kind, RUN_START_SERVER);
    assert_int_equal(decide().server, 0);
    apply(RECORD_MCP_START, "a", NULL);
    assert_int_equal(decide().server, 1);
    apply(RECORD_MCP_START, "b", NULL);
    assert_int_equal(decide().kind, RUN_START_SANDBOX); /* meanwhile */
    s.sandbox = RUN_PART_STARTING;
    assert_int_equal(decide().kind, RUN_WAIT);
    apply(RECORD_MCP_TOOLS, "a", ONE);
    assert_int_equal(decide().kind, RUN_WAIT);
    apply(RECORD_MCP_DOWN, "b", NULL); /* can be done without */
    assert_int_equal(decide().kind, RUN_SEND_REQUEST);
    assert_int_equal(run_state_mcp(&s, "b")->phase, RUN_PART_FAILED);
    assert_string_equal(run_state_mcp(&s, "b")->why.message, "too late");
}

static void test_one_that_is_required_ends_the_run(void **state)
{
    struct run_action a;
    struct err err = { 0 };

    run_state_init(&s);
    apply(RECORD_MCP_START, "a", NULL);
    apply(RECORD_MCP_START, "b", NULL);
    apply(RECORD_MCP_DOWN, "a", NULL);
    a = decide();
    assert_int_equal(a.kind, RUN_FINISH);
    assert_string_equal(a.reason, "mcp");
    run_finish_err(&s, &a, &err);
    assert_string_equal(err.text, "the MCP server 'a' did not come up: too late");
}

static void test_the_list(void **state)
{
    const struct tool_own *own;
    const struct mcp_ref *ref;

    run_state_init(&s);
    apply(RECORD_MCP_START, "a", NULL);
    apply(RECORD_MCP_TOOLS, "a", ONE);
    own = run_state_mcp(&s, "a")->own;
    ref = own->spec;
    assert_int_equal(own->kind, TOOL_MCP);
    assert_string_equal(own->name, "a__x");
    assert_string_equal(own->group, "a");
    assert_string_equal(own->description, "d");
    assert_string_equal(own->parameters, "{\"type\":\"object\"}");
    assert_true(own->is_strict);
    assert_string_equal(ref->server, "a");
    assert_string_equal(ref->name, "x");
    assert_int_equal(ref->kind, MCP_TOOL_CALL);
    apply(RECORD_MCP_TOOLS, "a", "[]"); /* another one */
    assert_int_equal(run_state_mcp(&s, "a")->own_count, 0);
    apply(RECORD_MCP_TOOLS, "a", ONE);
    apply(RECORD_MCP_DOWN, "a", NULL); /* it was up: its tools say so */
    assert_int_equal(run_state_mcp(&s, "a")->phase, RUN_PART_LOST);
    assert_int_equal(run_state_mcp(&s, "a")->own_count, 1);
    apply(RECORD_MCP_TOOLS, "b", NULL); /* of a journal that is only looked at */
    assert_int_equal(run_state_mcp(&s, "b")->own_count, 0);
}

static void test_bad_lists(void **state)
{
    static const char *const lists[] = { "{}", "[1]", "[{}]", "[{\"name\":\"x\",\"tool\":\"y\"}]", "[", "" };
    struct record rec = { .type = RECORD_MCP_TOOLS };

    run_state_init(&s);
    apply(RECORD_MCP_TOOLS, "a", ONE);
    for (size_t i = 0; lists[i][0]; i++) {
        rec.mcp.server = "a";
        rec.mcp.tools.json = span_of(lists[i]);
        assert_int_equal(run_apply(&s, &rec, NULL), -ERR_INVALID);
        assert_int_equal(run_state_mcp(&s, "a")->own_count, 1);
    }
}

/* Another process starts them anew; what they had is known until they say it again. */
static void test_resume(void **state)
{
    struct record rec = { .type = RECORD_RUN_RESUME };

    run_state_init(&s);
    apply(RECORD_MCP_TOOLS, "a", ONE);
    apply(RECORD_MCP_DOWN, "b", NULL);
    assert_int_equal(run_apply(&s, &rec, NULL), 0);
    s.must_roll_back = false;
    assert_int_equal(decide().kind, RUN_START_SERVER);
    assert_int_equal(run_state_mcp(&s, "a")->own_count, 1);
    apply(RECORD_MCP_START, "a", NULL);
    apply(RECORD_MCP_START, "b", NULL);
    s.sandbox = RUN_PART_STARTING;
    assert_int_equal(decide().kind, RUN_WAIT);
}

static void lost_call(enum run_on_interrupt on, enum run_action_kind kind, const char *what)
{
    struct run_call call = {
        .number = 1, .phase = RUN_CALL_LOST, .begin_order = 1, .has_left = true, .is_outside = true
    };
    struct run_spec alone = { .checkpoints = { .every = RUN_CHECKPOINT_OFF, .on_interrupt = on } };
    struct run_state now;
    struct run_action a;

    run_state_init(&now);
    now.sandbox = now.workspace = RUN_PART_READY;
    now.phase = RUN_TURN_CLOSED;
    now.calls = &call;
    now.call_count = 1;
    a = run_decide(&now, &alone, 0);
    assert_int_equal(a.kind, kind);
    assert_string_equal(a.kind == RUN_REFUSE_CALL ? a.outcome
                        : a.kind == RUN_FINISH    ? a.reason
                                                  : "rerun",
                        what);
}

/* Its sandbox lives, but who carried it out does not. */
static void test_a_lost_call(void **state)
{
    lost_call(RUN_INTERRUPT_REPORT, RUN_REFUSE_CALL, "interrupted");
    lost_call(RUN_INTERRUPT_RERUN, RUN_START_CALL, "rerun");
    lost_call(RUN_INTERRUPT_FAIL, RUN_FINISH, "call_lost");
}

/* ---- what is told of a state ---- */

static void snapshot(struct buf *out)
{
    buf_clear(out);
    assert_int_equal(run_state_encode(&s, out, NULL), 0);
}

static void other_flag(bool *what)
{
    struct buf before = BUF_INIT(1 << 20), after = BUF_INIT(1 << 20);

    snapshot(&before);
    *what = !*what;
    snapshot(&after);
    assert_string_not_equal(buf_text(&before), buf_text(&after));
    buf_done(&before);
    buf_done(&after);
}

static void other_number(int64_t *what)
{
    struct buf before = BUF_INIT(1 << 20), after = BUF_INIT(1 << 20);

    snapshot(&before);
    ++*what;
    snapshot(&after);
    assert_string_not_equal(buf_text(&before), buf_text(&after));
    buf_done(&before);
    buf_done(&after);
}

/* Two states that differ in what left, in servers or in what is below a call are not told alike. */
static void test_a_snapshot_tells_it(void **state)
{
    struct buf before = BUF_INIT(1 << 20), after = BUF_INIT(1 << 20);
    struct record rec = { .type = RECORD_EGRESS_ALLOW };
    struct run_call call = { .number = 1 };

    run_state_init(&s);
    apply(RECORD_MCP_TOOLS, "a", "[]");
    snapshot(&before);
    apply(RECORD_MCP_TOOLS, "a", ONE);
    snapshot(&after);
    assert_string_not_equal(buf_text(&before), buf_text(&after));
    buf_done(&before);
    buf_done(&after);
    rec.egress = (struct record_egress){ .number = 1, .method = "POST", .host = "h", .reason = "r" };
    assert_int_equal(run_apply(&s, &rec, NULL), 0);
    s.calls = &call;
    s.call_count = 1;
    other_flag(&call.has_left);
    other_flag(&call.is_outside);
    other_flag(&call.has_agent);
    other_flag(&call.spent.is_cost_unknown);
    other_number(&call.spent.usage.total);
    other_number(&call.spent.cost_micros);
    other_number(&call.spent.calls);
    other_number(&call.spent.agents);
    other_number(&s.asked_at_ms);
    other_number(&s.egress.numbers);
    other_number(&s.egress.allowed);
    other_number(&s.egress.denied);
    other_number(&s.egress.sums.list[0].ended_up);
    other_number(&s.egress.sums.list[0].told.denied);
    other_number(&s.egress.open[0]);
    other_flag(&s.egress.has_left);
    other_flag(&s.has_unsaid_left);
    s.calls = NULL;
    s.call_count = 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown(test_the_first_request_waits_for_all, done),
    cmocka_unit_test_teardown(test_one_that_is_required_ends_the_run, done),
    cmocka_unit_test_teardown(test_the_list, done),
    cmocka_unit_test_teardown(test_bad_lists, done),
    cmocka_unit_test_teardown(test_resume, done),
    cmocka_unit_test(test_a_lost_call),
    cmocka_unit_test_teardown(test_a_snapshot_tells_it, done),
};

UNIT_MAIN(tests)
