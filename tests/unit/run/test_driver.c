/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "tests/unit/run/script.h"

#include "core/run/driver_impl.h"
#include "core/run/journal.h"
#include "core/run/view.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void set_outputs(struct rig *rig)
{
    static const struct run_output outputs[] = { { "out/report.md", "/tmp/report.md", "./report.md", true } };

    rig->spec.outputs = outputs;
    rig->spec.output_count = 1;
}

static const char *body(struct rig *rig, size_t at, char *out, size_t size)
{
    const char *line = buf_text(&rig->bodies);

    while (at-- > 0)
        line = strchr(line, '\n') + 1;
    snprintf(out, size, "%.*s", (int) (strchr(line, '\n') - line), line);
    return out;
}

/* The order is the contract: intents are told of (and so are durable) when what they announce has only begun.
 */
static void test_one_call_and_an_answer(void **state)
{
    static const struct rig_script script[] = {
        REASONING, CALL("c1", "ok"), COMPLETED, MESSAGE("All done."), COMPLETED,
    };
    struct rig rig;
    char text[4096];

    RIG(rig, script);
    set_outputs(&rig);
    rig_run(&rig);
    assert_string_equal(rig.end_text, "All done.");
    assert_string_equal(rig.end_reason, "answer");
    assert_int_equal(rig.end_state, RUN_DONE);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(rig.end_turns, 2);
    assert_int_equal(rig.end_calls, 1);
    assert_int_equal(rig.end_tokens, 220);
    assert_int_equal(rig.end_cost, 240);
    assert_int_equal(rig.end_outputs, 1);
    assert_string_equal(
        rig.log, HEAD
        " (create) sandbox.intent request.item request.item (fill) request.end sandbox.ready workspace.begin "
        "(call:ok) workspace.ready call.begin (send) call.end request.begin "
        "(collect) request.item request.end outputs.begin (remove) (end) output.done outputs.end "
        "run.end sandbox.removed (removed)");
    body(&rig, 1, text, sizeof(text));
    assert_non_null(strstr(text,
                           "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]},"
                           "{\"type\":\"function_call\",\"id\":\"fc_c1\",\"call_id\":\"c1\",\"name\":\"do\","
                           "\"arguments\":\"ok\",\"status\":\"completed\"},"
                           "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"ok\"}]"));
    rig_done(&rig);
}

static void beside(const struct rig_script script[4], enum rig_fault fault, const char *want)
{
    struct rig rig;
    const char *at;

    rig_init(&rig, script, 4);
    rig.fault = fault;
    rig_run(&rig);
    assert_int_equal(rig.end_state, RUN_DONE);
    at = strstr(rig.log, "workspace.ready");
    assert_non_null(at);
    assert_string_equal(at, want);
    rig_done(&rig);
}

/* As the agent's own: nothing happens to it that is not on disk before. */
static void test_a_sandbox_beside_the_agents(void **state)
{
    static const struct rig_script closed[] = { CALL("c1", "beside"), COMPLETED, MESSAGE("Done."),
                                                COMPLETED };
    static const struct rig_script kept[] = { CALL("c1", "beside-kept"), COMPLETED, MESSAGE("Done."),
                                              COMPLETED };
    static const struct rig_script lost[] = { CALL("c1", "beside-lost"), COMPLETED, MESSAGE("Done."),
                                              COMPLETED };

    beside(closed, RIG_NO_FAULT,
           "workspace.ready call.begin side.start (side-start) (side-create) side.intent (side) "
           "(side-remove) (send) side.ready side.removed call.end request.begin (remove) (end) request.item "
           "request.end run.end sandbox.removed (removed)");
    beside(kept, RIG_NO_FAULT,
           "workspace.ready call.begin side.start (side-start) (side-create) side.intent (side) (send) "
           "side.ready call.end request.begin (side-remove) (remove) (end) request.item request.end run.end "
           "side.removed sandbox.removed (removed)");
    beside(lost, RIG_NO_FAULT,
           "workspace.ready call.begin side.start (side-start) (side-create) side.intent (side) (side-lost) "
           "(side-remove) (send) side.ready side.lost side.removed call.end request.begin (remove) (end) "
           "request.item request.end run.end sandbox.removed (removed)");
    beside(closed, RIG_SIDE_REFUSED,
           "workspace.ready call.begin side.start (side-start) side.failed (no-side) (side-remove) (send) "
           "side.removed call.end request.begin (remove) (end) request.item request.end run.end "
           "sandbox.removed (removed)");
}

/* Whoever is quicker, model or sandbox, the end is the same. */
static void test_the_workspace_is_told_of_before_each_request(void **state)
{
    static const struct rig_script script[] = {
        CALL("c1", "a/b"), CALL("c2", "a"), COMPLETED, CALL("c3", "a/b"),
        COMPLETED,         MESSAGE("done"), COMPLETED,
    };
    struct rig rig;
    char text[4096];

    RIG(rig, script);
    rig_set_context(&rig);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_non_null(strstr(rig.log, "workspace.ready context.begin"));
    body(&rig, 0, text, sizeof(text));
    assert_non_null(strstr(
        text, "\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":\"a listing; rules of ''; "
              "\"},{\"type\":\"message\",\"role\":\"user\",\"content\":\"do it\"}]"));
    body(&rig, 1, text, sizeof(text));
    assert_non_null(strstr(
        text, "\"output\":\"a\"},{\"type\":\"message\",\"role\":\"user\",\"content\":\"rules of 'a'; rules "
              "of 'a/b'; \"}]"));
    body(&rig, 2, text, sizeof(text));
    assert_non_null(strstr(text, "\"call_id\":\"c3\",\"output\":\"a/b\"}]")); /* told already */
    rig_done(&rig);
}

static void test_an_answer_does_not_hide_a_sandbox_that_fails(void **state)
{
    static const struct rig_script script[] = { MESSAGE("42"), COMPLETED };
    struct rig rig;

    RIG(rig, script);
    rig.fault = RIG_SANDBOX_FAILS;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 4);
    rig_done(&rig);
}

static void test_calls_start_before_the_answer_ends_and_run_at_once(void **state)
{
    static const struct rig_script script[] = {
        CALL("c1", "ok"), CALL("c2", "ok2"), AFTER_CALLS(2), COMPLETED, MESSAGE("x"), COMPLETED,
    };
    struct rig rig;
    const char *first, *second, *end;

    RIG(rig, script);
    rig_run(&rig);
    first = strstr(rig.log, "(call:ok)");
    second = strstr(rig.log, "(call:ok2)");
    end = strstr(rig.log, "request.end");
    assert_true(first && second && end && first < second && second < end);
    assert_int_equal(rig.end_status, 0);
    rig_done(&rig);
}

static void test_answers_and_items_go_back_in_order(void **state)
{
    static const struct rig_script script[] = {
        ITEM_AT(1, CALL_TEXT("c2", "second")),
        ITEM_AT(0, CALL_TEXT("c1", "first")),
        COMPLETED,
        MESSAGE("x"),
        COMPLETED,
    };
    struct rig rig;
    char text[4096];

    RIG(rig, script);
    rig_run(&rig);
    body(&rig, 1, text, sizeof(text));
    assert_non_null(strstr(
        text,
        CALL_TEXT("c1", "first") "," CALL_TEXT(
            "c2", "second") ","
                            "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"first\"},"
                            "{\"type\":\"function_call_output\",\"call_id\":\"c2\",\"output\":\"second\"}]"));
    rig_done(&rig);
}

static void test_a_broken_stream_is_tried_again(void **state)
{
    static const struct rig_script script[] = { REASONING, BROKEN, MESSAGE("x"), COMPLETED };
    struct rig rig;
    char a[4096], b[4096];

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(rig.end_turns, 1);
    assert_non_null(strstr(rig.log, "request.failed"));
    assert_string_equal(body(&rig, 0, a, sizeof(a)), body(&rig, 1, b, sizeof(b)));
    assert_non_null(strstr(buf_text(&rig.lines), "\"will_retry\":true,\"retry_ms\":0"));
    rig_done(&rig);
}

static void test_a_stream_that_breaks_after_a_call_began_goes_on_with_what_it_had(void **state)
{
    static const struct rig_script script[] = {
        CALL("c1", "ok"), REASONING, AFTER_CALLS(1), BROKEN, MESSAGE("x"), COMPLETED,
    };
    struct rig rig;
    char text[4096];

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(rig.end_turns, 2);
    assert_int_equal(rig.calls_begun, 1);
    assert_null(strstr(rig.log, "request.failed"));
    assert_non_null(strstr(buf_text(&rig.lines), "\"status\":\"cut\",\"message\":\"the stream was cut\""));
    body(&rig, 1, text, sizeof(text));
    assert_null(strstr(text, "\"rs_1\"")); /* reasoning that led to nothing would be refused */
    assert_non_null(strstr(text, "\"output\":\"ok\""));
    rig_done(&rig);
}

static void test_retries_end(void **state)
{
    static const struct rig_script script[] = { BROKEN, BROKEN, BROKEN };
    struct rig rig;

    RIG(rig, script);
    rig.spec.model.retries = 2;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 5);
    assert_string_equal(rig.end_reason, "model");
    assert_string_equal(rig.end_error, "the stream was cut");
    rig_done(&rig);
}

static void test_what_cannot_be_retried_ends_at_once(void **state)
{
    static const struct rig_script script[] = { REFUSED(.can_retry = false) };
    struct rig rig;

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 5);
    assert_string_equal(rig.end_error, "HTTP 400: no");
    assert_string_equal(rig.end_hint, "Look");
    assert_int_equal(rig.end_cost, 0);
    rig_done(&rig);
}

static void test_falls_back_to_function_tools_once(void **state)
{
    static const struct rig_script script[] = { REFUSED(.wants_function_tools = true), MESSAGE("x"),
                                                COMPLETED };
    static const struct rig_script twice[] = { REFUSED(.wants_function_tools = true),
                                               REFUSED(.wants_function_tools = true) };
    struct rig rig;
    char text[4096];

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_non_null(strstr(body(&rig, 0, text, sizeof(text)), "{\"type\":\"native\"}"));
    assert_non_null(strstr(body(&rig, 1, text, sizeof(text)), "{\"type\":\"function\"}"));
    assert_non_null(strstr(buf_text(&rig.lines), "\"repair\":\"function_tools\""));
    rig_done(&rig);

    RIG(rig, twice);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 5);
    rig_done(&rig);
}

/* A server that takes no text.format is told the schema in the instructions; the answer is checked as ever.
 */
static void test_schema_is_told_once(void **state)
{
    static const struct rig_script script[] = { REFUSED(.wants_no_schema = true), CALL("c1", "ok"), COMPLETED,
                                                MESSAGE("{\\\"n\\\":1}"), COMPLETED };
    static const struct rig_script twice[] = { REFUSED(.wants_no_schema = true),
                                               REFUSED(.wants_no_schema = true) };
    struct arena arena = ARENA_INIT(1 << 16);
    const struct tree *schema = NULL;
    struct rig rig;
    char text[4096];

    assert_int_equal(json_parse(span_of("{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"
                                        "\"required\":[\"n\"],\"additionalProperties\":false}"),
                                &arena, &schema, NULL),
                     0);
    RIG(rig, script);
    rig.spec.model.schema = schema;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_non_null(strstr(body(&rig, 0, text, sizeof(text)), "\"format\":{\"type\":\"json_schema\""));
    assert_null(strstr(text, "JSON schema below"));
    for (size_t i = 1; i < 3; i++) {
        assert_null(strstr(body(&rig, i, text, sizeof(text)), "json_schema"));
        assert_non_null(strstr(text, "JSON schema below"));
        assert_non_null(strstr(text, "{\\\"type\\\":\\\"object\\\",\\\"properties\\\""));
    }
    assert_non_null(strstr(buf_text(&rig.lines), "\"repair\":\"told_schema\""));
    assert_non_null(strstr(buf_text(&rig.lines), "\"fits\":true"));
    rig_done(&rig);

    RIG(rig, twice);
    rig.spec.model.schema = schema;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 5);
    rig_done(&rig);
    arena_done(&arena);
}

static void test_native_means_native(void **state)
{
    static const struct rig_script script[] = { REFUSED(.wants_function_tools = true) };
    struct rig rig;

    RIG(rig, script);
    rig.spec.model.tool_style = MODEL_TOOLS_NATIVE;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 5);
    rig_done(&rig);
}

static void test_reasoning_is_dropped_once(void **state)
{
    static const struct rig_script script[] = {
        REASONING, CALL("c1", "ok"), COMPLETED, REFUSED(.bad_reasoning = true), MESSAGE("x"), COMPLETED,
    };
    struct rig rig;
    char text[4096];

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_non_null(strstr(body(&rig, 1, text, sizeof(text)), "\"rs_1\""));
    assert_null(strstr(body(&rig, 2, text, sizeof(text)), "\"rs_1\""));
    rig_done(&rig);
}

static void test_server_state_sends_only_what_is_new(void **state)
{
    static const struct rig_script script[] = {
        CALL("c1", "ok"), COMPLETED, REFUSED(.lost_previous = true), MESSAGE("x"), COMPLETED,
    };
    struct rig rig;
    char text[4096];

    RIG(rig, script);
    rig.spec.model.state = MODEL_STATE_SERVER;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    body(&rig, 1, text, sizeof(text));
    assert_non_null(strstr(text, "\"previous_response_id\":\"resp_1\""));
    assert_null(strstr(text, "do it"));
    assert_non_null(strstr(text, "\"output\":\"ok\""));
    body(&rig, 2, text, sizeof(text));
    assert_null(strstr(text, "previous_response_id"));
    assert_non_null(strstr(text, "do it"));
    assert_non_null(strstr(text, "\"fc_c1\""));
    rig_done(&rig);
}

static void test_refusal(void **state)
{
    static const struct rig_script script[] = {
        ITEM("{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":"
             "\"No.\"}]}"),
        COMPLETED,
    };
    struct rig rig;

    RIG(rig, script);
    set_outputs(&rig);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 1);
    assert_string_equal(rig.end_reason, "refusal");
    assert_string_equal(rig.end_error, "the model refused the task");
    assert_string_equal(rig.end_text, "No.");
    assert_null(strstr(rig.log, "outputs.begin"));
    rig_done(&rig);
}

static void test_no_message(void **state)
{
    static const struct rig_script script[] = { REASONING, COMPLETED };
    struct rig rig;

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 1);
    assert_string_equal(rig.end_reason, "no_answer");
    rig_done(&rig);
}

#define CUT_CALL                                                                                         \
    ITEM("{\"type\":\"function_call\",\"id\":\"fc_9\",\"call_id\":\"c9\",\"name\":\"do\",\"arguments\":" \
         "\"o\","                                                                                        \
         "\"status\":\"incomplete\"}")

static void test_incomplete_without_a_call_ends_the_run(void **state)
{
    static const struct rig_script script[] = { CUT_CALL, INCOMPLETE("max_output_tokens") };
    struct rig rig;

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 1);
    assert_string_equal(rig.end_reason, "incomplete");
    assert_string_equal(rig.end_error, "the model's answer is incomplete: max_output_tokens");
    assert_string_equal(rig.end_hint, "raise model.max_output_tokens in the manifest");
    assert_int_equal(rig.calls_begun, 0);
    rig_done(&rig);
}

static void test_incomplete_with_a_complete_call_goes_on_without_the_cut_one(void **state)
{
    static const struct rig_script script[] = {
        CALL("c1", "ok"), CUT_CALL, INCOMPLETE("max_output_tokens"), MESSAGE("x"), COMPLETED,
    };
    struct rig rig;
    char text[4096];

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(rig.calls_begun, 1);
    assert_null(strstr(body(&rig, 1, text, sizeof(text)), "c9"));
    rig_done(&rig);
}

static void test_a_call_nobody_knows_is_answered(void **state)
{
    static const struct rig_script script[] = {
        ITEM("{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"c1\",\"name\":\"parallel\","
             "\"arguments\":\"{}\"}"),
        COMPLETED,
        MESSAGE("x"),
        COMPLETED,
    };
    struct rig rig;
    char text[4096];

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(rig.calls_begun, 0);
    assert_non_null(
        strstr(body(&rig, 1, text, sizeof(text)), "There is no such tool here. The call was not run."));
    assert_null(strstr(rig.log, "call.begin"));
    rig_done(&rig);
}

static void test_a_call_that_cannot_start_is_answered(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "wrong"), COMPLETED, MESSAGE("x"), COMPLETED };
    struct rig rig;
    char text[4096];

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_non_null(strstr(body(&rig, 1, text, sizeof(text)), "\"output\":\"cannot do that\""));
    rig_done(&rig);
}

static void test_large_and_binary_output_is_kept_as_objects(void **state)
{
    static const struct rig_script script[] = {
        CALL("c1", "big"), CALL("c2", "binary"), COMPLETED, MESSAGE("x"), COMPLETED,
    };
    struct rig rig;

    RIG(rig, script);
    rig_run(&rig);
    assert_non_null(
        strstr(buf_text(&rig.lines), "{\"name\":\"stdout\",\"size\":5003,\"kept\":5003,\"object\":\""));
    assert_non_null(strstr(buf_text(&rig.lines), "{\"name\":\"stdout\",\"size\":2,\"kept\":2,\"object\":\""));
    rig_done(&rig);
}

static void expect_limit(struct rig *rig, const char *limit, const char *message)
{
    rig_run(rig);
    assert_int_equal(rig->end_status, 6);
    assert_int_equal(rig->end_state, RUN_LIMIT);
    assert_string_equal(rig->end_reason, limit);
    assert_string_equal(rig->end_error, message);
    rig_done(rig);
}

static void test_limits(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "ok"), COMPLETED, CALL("c2", "ok"), COMPLETED,
                                                CALL("c3", "ok"), COMPLETED, CALL("c4", "ok"), COMPLETED };
    struct rig rig;

    RIG(rig, script);
    rig.spec.limits.turns = 2;
    expect_limit(&rig, "turns", "limit 'turns' of 2 reached: 2 used");
    RIG(rig, script);
    rig.spec.limits.tool_calls = 1;
    expect_limit(&rig, "tool_calls", "limit 'tool_calls' of 1 reached: 1 used");
    RIG(rig, script);
    rig.spec.limits.tokens = 220;
    expect_limit(&rig, "tokens", "limit 'tokens' of 220 reached: 220 used");
    RIG(rig, script);
    rig.spec.limits.cost_micros = 240;
    expect_limit(&rig, "cost", "limit 'cost' of $0.0002 reached: $0.0002 spent");
    RIG(rig, script);
    rig.spec.limits.cost_micros = 125; /* 120 are spent, and the next input costs 10 at least */
    expect_limit(&rig, "cost", "limit 'cost' of $0.0001 reached: $0.0001 spent");
    RIG(rig, script);
    rig.spec.limits.repeat = 3;
    expect_limit(&rig, "repeat",
                 "limit 'repeat' reached: the same call had the same result 3 times in a row");
}

static void test_a_hanging_call_meets_the_wall_limit(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "hang"), COMPLETED };
    struct rig rig;

    RIG(rig, script);
    rig.spec.limits.wall_ms = 2000; /* by then the call has begun */
    rig_run(&rig);
    assert_int_equal(rig.end_status, 6);
    assert_string_equal(rig.end_reason, "wall");
    assert_string_equal(rig.end_error, "limit 'wall' of 2.0 s reached");
    assert_non_null(strstr(rig.log, "(cancel-call)"));
    rig_done(&rig);
}

/* Whoever is asked takes hours; the limit of half an hour is about what the run does. */
static void test_being_asked_does_not_count(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "ok"), COMPLETED,    CALL("c2", "ok"),
                                                COMPLETED,        MESSAGE("x"), COMPLETED };
    static const struct approve_rule rules[] = { { .tool = "do", .otherwise = APPROVE_ASK } };
    struct rig rig;

    RIG(rig, script);
    rig.spec.approve = (struct approve_spec){ .rules = rules, .count = 1 };
    rig.spec.limits.wall_ms = 30 * 60 * 1000;
    rig.asked_ms = INT64_C(3) * 3600 * 1000;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_string_equal(rig.end_text, "x");
    assert_int_equal(rig.end_calls, 2);
    assert_true(run_elapsed(rig.run) > 2 * rig.asked_ms);
    assert_in_range(run_state_worked(&rig.run->state, run_elapsed(rig.run)), 0, rig.spec.limits.wall_ms - 1);
    rig_done(&rig);
}

/* The limit is long past while the removal goes on: it wakes nobody any more. */
static void test_a_limit_that_has_passed_is_not_waited_for(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "hang"), COMPLETED };
    struct rig rig;

    RIG(rig, script);
    rig.spec.limits.wall_ms = 1000;
    rig.removal_ms = 500;
    rig_run(&rig);
    assert_string_equal(rig.end_reason, "wall");
    assert_in_range(rig.removal_waits, 1, 5);
    rig_done(&rig);
}

static void test_cost_needs_a_price(void **state)
{
    static const struct rig_script script[] = { COMPLETED };
    struct err err = { 0 };
    struct rig rig;

    RIG(rig, script);
    rig.spec.limits.cost_micros = 1;
    rig.spec.model.price.input = -1;
    assert_int_equal(run_new(rig.loop, NULL, &rig.spec, rig.folder, &rig.maker, NULL, &rig.run, &err),
                     -ERR_MANIFEST);
    assert_string_equal(err.text, "limits.cost needs to know what the model costs");
    rig_done(&rig);
}

static void test_sandbox_failures(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "ok"), COMPLETED };
    static const struct {
        enum rig_fault fault;
        int status;
        const char *reason, *message;
    } cases[] = {
        { RIG_SANDBOX_REFUSED, 4, "sandbox", "no engine" },
        { RIG_SANDBOX_FAILS, 4, "sandbox", "the container did not start" },
        { RIG_LOCKDOWN_FAILS, 7, "sandbox", "row 'caps' is not as asked" },
        { RIG_FILL_FAILS, 4, "workspace",
          "filling the workspace: entry 'data': reading 'x': Permission denied" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;

        RIG(rig, script);
        rig.fault = cases[i].fault;
        rig_run(&rig);
        assert_int_equal(rig.end_status, cases[i].status);
        assert_string_equal(rig.end_reason, cases[i].reason);
        assert_string_equal(rig.end_error, cases[i].message);
        assert_int_equal(rig.calls_begun, 0);
        assert_non_null(strstr(rig.log, "(remove)"));
        rig_done(&rig);
    }
}

static void test_a_lost_sandbox_says_what_was_open(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "hang"), CALL("c2", "lost"), COMPLETED };
    struct rig rig;

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(rig.end_status, 4);
    assert_string_equal(rig.end_reason, "sandbox_lost");
    assert_string_equal(rig.end_error, "the container was killed: out of memory");
    assert_string_equal(rig.end_hint, "Raise sandbox.memory");
    assert_non_null(strstr(rig.log, "(cancel-call) (remove) (end) call.lost call.lost sandbox.lost run.end"));
    rig_done(&rig);
}

static void test_failed_outputs(void **state)
{
    static const struct rig_script script[] = { MESSAGE("x"), COMPLETED };
    struct rig rig;

    RIG(rig, script);
    set_outputs(&rig);
    rig.fault = RIG_OUTPUT_FAILS;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 8);
    assert_string_equal(rig.end_reason, "outputs");
    assert_string_equal(rig.end_error, "output 'out/report.md' is missing");
    rig_done(&rig);
}

static void test_keep(void **state)
{
    static const struct rig_script done[] = { CALL("c1", "ok"), COMPLETED, MESSAGE("x"), COMPLETED };
    static const struct rig_script failed[] = { CALL("c1", "ok"), COMPLETED, REFUSED(.can_retry = false) };
    struct rig rig;

    RIG(rig, done);
    rig.spec.sandbox.keep = SANDBOX_KEEP_ON_FAILURE;
    rig_run(&rig);
    assert_false(rig.end_kept);
    assert_non_null(strstr(rig.log, "(remove)"));
    rig_done(&rig);
    RIG(rig, failed);
    rig.spec.sandbox.keep = SANDBOX_KEEP_ON_FAILURE;
    rig_run(&rig);
    assert_true(rig.end_kept);
    assert_null(strstr(rig.log, "(remove)"));
    rig_done(&rig);
    RIG(rig, done);
    rig.spec.sandbox.keep = SANDBOX_KEEP_ALWAYS;
    rig_run(&rig);
    assert_true(rig.end_kept);
    rig_done(&rig);
    RIG(rig, done);
    rig.spec.sandbox.keep = SANDBOX_KEEP_ALWAYS;
    rig.fault = RIG_LOCKDOWN_FAILS; /* not what may stay */
    rig_run(&rig);
    assert_false(rig.end_kept);
    rig_done(&rig);
}

static void test_a_removal_that_fails_does_not_change_the_result(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "ok"), COMPLETED, MESSAGE("x"), COMPLETED };
    struct rig rig;

    RIG(rig, script);
    rig.fault = RIG_REMOVE_FAILS;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_int_equal(rig.remove_result, -ERR_ENGINE);
    assert_non_null(strstr(buf_text(&rig.lines),
                           "\"type\":\"sandbox.removed\",\"attempt\":1,\"code\":\"engine\","
                           "\"message\":\"the engine does not answer\""));
    rig_done(&rig);
}

/* The first that could not be removed is told of, however well it goes with the others. */
static void test_a_sandbox_beside_that_stays(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "beside-kept"), COMPLETED, MESSAGE("x"),
                                                COMPLETED };
    struct rig rig;

    RIG(rig, script);
    rig.fault = RIG_SIDE_STAYS;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 0);
    assert_non_null(strstr(rig.log, "side.removed sandbox.removed (removed)"));
    assert_int_equal(rig.remove_result, -ERR_ENGINE);
    rig_done(&rig);
}

/* Interrupted after every record in turn: it always ends, cleanly, with the same status. */
static void test_interrupt_at_every_record(void **state)
{
    static const struct rig_script script[] = {
        REASONING, CALL("c1", "ok"), CALL("c2", "ok"), AFTER_CALLS(1), COMPLETED, MESSAGE("x"), COMPLETED,
    };
    size_t total;
    struct rig rig;

    RIG(rig, script);
    set_outputs(&rig);
    rig_run(&rig);
    total = rig.records;
    rig_done(&rig);
    for (size_t i = 1; i + 2 <= total; i++) { /* run.end and sandbox.removed come too late */
        RIG(rig, script);
        set_outputs(&rig);
        rig.interrupt_after = (int) i;
        rig_run(&rig);
        if (rig.end_state != RUN_DONE) { /* records of one moment: the end may be among them already */
            assert_int_equal(rig.end_status, 130);
            assert_string_equal(rig.end_reason, "SIGINT");
            assert_string_equal(rig.end_error, "interrupted by SIGINT");
        }
        assert_true(i > 10 || rig.end_state == RUN_INTERRUPTED);
        rig_done(&rig);
    }
}

/* Nothing that is not durable is done or told, and nothing is begun after the first failure. */
static void test_a_journal_that_cannot_be_written_ends_the_run(void **state)
{
    static const struct rig_script script[] = {
        CALL("c1", "ok"), AFTER_CALLS(1), COMPLETED, MESSAGE("x"), COMPLETED,
    };

    if (access("/dev/full", W_OK) < 0)
        skip();
    for (int i = 1; i < 26; i++) {
        struct rig rig;

        RIG(rig, script);
        /* a container stays only when the journal says so */
        rig.spec.sandbox.keep = i < 14 ? SANDBOX_KEEP_NEVER : SANDBOX_KEEP_ALWAYS;
        rig.full_after = i < 14 ? i : i - 13;
        rig_run(&rig);
        assert_int_equal(rig.end_status, 9);
        assert_string_equal(rig.end_reason, "journal");
        assert_non_null(strstr(rig.end_error, "' cannot be written: No space left on device"));
        assert_non_null(strstr(rig.end_hint, "make room on its disk, or set "));
        assert_null(strstr(rig.log, "run.end"));
        assert_non_null(strstr(rig.log, "(remove) (end)"));
        assert_false(rig.end_kept);
        rig_done(&rig);
    }
}

/* A folder that takes nothing shows before the first effect, and not in the middle of a run. */
static void test_the_beginning_is_on_disk_before_anything_starts(void **state)
{
    static const struct rig_script script[] = { MESSAGE("x"), COMPLETED };
    struct buf disk = BUF_INIT(65536);
    struct run_events events = { 0 };
    struct rig rig;

    RIG(rig, script);
    assert_int_equal(run_new(rig.loop, NULL, &rig.spec, rig.folder, &rig.maker, NULL, &rig.run, NULL), 0);
    assert_int_equal(run_start(rig.run, "agentbox test", &events, NULL, NULL), 0);
    assert_int_equal(run_folder_load(rig.folder, JOURNAL_FILE, &disk, NULL), 0);
    assert_non_null(strstr(buf_text(&disk), "\"type\":\"run.begin\""));
    assert_non_null(strstr(buf_text(&disk), "\"type\":\"input.item\""));
    assert_string_equal(rig.log, "");
    buf_done(&disk);
    rig_done(&rig);
}

static void test_a_malformed_item_breaks_the_answer(void **state)
{
    static const struct rig_script script[] = {
        ITEM("{\"type\":"),
        BROKEN,
        MESSAGE("x"),
        COMPLETED,
    };
    struct rig rig;

    RIG(rig, script);
    rig.spec.model.retries = 0;
    rig_run(&rig);
    assert_int_equal(rig.end_status, 5);
    assert_non_null(strstr(rig.end_error, "an item of the answer is malformed: "));
    rig_done(&rig);
}

static void test_the_view_of_a_run(void **state)
{
    static const struct rig_script script[] = { CALL("c1", "ok"), COMPLETED, MESSAGE("x"), COMPLETED };
    struct run_view *views, whole;
    size_t count;
    struct rig rig;

    RIG(rig, script);
    rig_run(&rig);
    assert_int_equal(run_view_all(&views, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_string_equal(views[0].id, rig.folder->id);
    assert_string_equal(views[0].name, "demo");
    assert_string_equal(views[0].model, "test-model");
    assert_int_equal(views[0].state, RUN_VIEW_DONE);
    assert_string_equal(views[0].reason, "answer");
    assert_int_equal(views[0].exit_status, 0);
    assert_int_equal(views[0].turns, 2);
    assert_int_equal(views[0].calls, 1);
    assert_int_equal(views[0].tokens, 220);
    assert_int_equal(views[0].cost_micros, 240);
    assert_int_equal(views[0].records, rig.records);
    assert_string_equal(views[0].container_name, "");
    assert_true(views[0].ended_ms >= views[0].started_ms && views[0].started_ms > 0);
    assert_int_equal(run_view_load(rig.folder, &whole, NULL), 0);
    assert_int_equal(whole.ended_ms, views[0].ended_ms);
    assert_int_equal(whole.elapsed_ms, views[0].elapsed_ms);
    assert_int_equal(whole.records, views[0].records);
    assert_int_equal(whole.tokens, views[0].tokens);
    assert_int_equal(whole.state, RUN_VIEW_DONE);
    free(views);
    rig_done(&rig);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_one_call_and_an_answer),
    cmocka_unit_test(test_a_sandbox_beside_the_agents),
    cmocka_unit_test(test_the_workspace_is_told_of_before_each_request),
    cmocka_unit_test(test_an_answer_does_not_hide_a_sandbox_that_fails),
    cmocka_unit_test(test_calls_start_before_the_answer_ends_and_run_at_once),
    cmocka_unit_test(test_answers_and_items_go_back_in_order),
    cmocka_unit_test(test_a_broken_stream_is_tried_again),
    cmocka_unit_test(test_a_stream_that_breaks_after_a_call_began_goes_on_with_what_it_had),
    cmocka_unit_test(test_retries_end),
    cmocka_unit_test(test_what_cannot_be_retried_ends_at_once),
    cmocka_unit_test(test_falls_back_to_function_tools_once),
    cmocka_unit_test(test_schema_is_told_once),
    cmocka_unit_test(test_native_means_native),
    cmocka_unit_test(test_reasoning_is_dropped_once),
    cmocka_unit_test(test_server_state_sends_only_what_is_new),
    cmocka_unit_test(test_refusal),
    cmocka_unit_test(test_no_message),
    cmocka_unit_test(test_incomplete_without_a_call_ends_the_run),
    cmocka_unit_test(test_incomplete_with_a_complete_call_goes_on_without_the_cut_one),
    cmocka_unit_test(test_a_call_nobody_knows_is_answered),
    cmocka_unit_test(test_a_call_that_cannot_start_is_answered),
    cmocka_unit_test(test_large_and_binary_output_is_kept_as_objects),
    cmocka_unit_test(test_limits),
    cmocka_unit_test(test_a_hanging_call_meets_the_wall_limit),
    cmocka_unit_test(test_being_asked_does_not_count),
    cmocka_unit_test(test_a_limit_that_has_passed_is_not_waited_for),
    cmocka_unit_test(test_cost_needs_a_price),
    cmocka_unit_test(test_sandbox_failures),
    cmocka_unit_test(test_a_lost_sandbox_says_what_was_open),
    cmocka_unit_test(test_failed_outputs),
    cmocka_unit_test(test_keep),
    cmocka_unit_test(test_a_removal_that_fails_does_not_change_the_result),
    cmocka_unit_test(test_a_sandbox_beside_that_stays),
    cmocka_unit_test(test_interrupt_at_every_record),
    cmocka_unit_test(test_a_journal_that_cannot_be_written_ends_the_run),
    cmocka_unit_test(test_the_beginning_is_on_disk_before_anything_starts),
    cmocka_unit_test(test_a_malformed_item_breaks_the_answer),
    cmocka_unit_test(test_the_view_of_a_run),
};

UNIT_MAIN(tests)
