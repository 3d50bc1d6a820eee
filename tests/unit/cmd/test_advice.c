/* SPDX-License-Identifier: MIT */
/* One line that says how to go on, or none. */
#include "tests/unit/unit.h"

#include "cmd/advice.h"

static void expect(int exit_status, const char *reason, const char *want)
{
    struct buf out = BUF_INIT(1024);

    advice_line(&out, "r1", exit_status, reason);
    assert_string_equal(out.len ? buf_text(&out) : "", want);
    buf_done(&out);
}

static void test_nothing_to_go_on_with(void **state)
{
    expect(0, "answer", "");
    expect(1, "refusal", "");
    expect(7, "sandbox", "");
}

static void test_resume(void **state)
{
    static const int statuses[] = { -1, 4, 5, 9, 129, 130, 143 };

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        expect(statuses[i], "any", "go on: agentbox resume r1\n");
    expect(-1, NULL, "go on: agentbox resume r1\n");
}

static void test_a_limit_must_be_raised(void **state)
{
    expect(6, "turns", "go on: agentbox resume r1 --set limits.turns=...\n");
    expect(6, "tool_calls", "go on: agentbox resume r1 --set limits.tool_calls=...\n");
    expect(6, NULL, "go on: agentbox resume r1\n");
}

static void test_outputs_can_be_collected_again(void **state)
{
    expect(8, "outputs", "go on: agentbox outputs r1\n");
}

static void test_the_command_alone(void **state)
{
    struct buf out = BUF_INIT(1024);

    advice_command(&out, "r1", 130, "SIGINT");
    assert_string_equal(buf_text(&out), "agentbox resume r1");
    buf_done(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_nothing_to_go_on_with),  cmocka_unit_test(test_resume),
    cmocka_unit_test(test_a_limit_must_be_raised), cmocka_unit_test(test_outputs_can_be_collected_again),
    cmocka_unit_test(test_the_command_alone),
};

UNIT_MAIN(tests)
