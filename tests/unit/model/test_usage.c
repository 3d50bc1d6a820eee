/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/json.h"
#include "core/model/usage.h"

static struct model_usage decode(const char *text, bool expected)
{
    struct arena arena = ARENA_INIT(65536);
    struct model_usage usage = { -1, -1, -1, -1, -1 };
    const struct tree *tree;

    assert_int_equal(json_parse(span_of(text), &arena, &tree, NULL), 0);
    assert_int_equal(usage_decode(tree, &usage), expected);
    arena_done(&arena);
    return usage;
}

static void check(const char *text, int64_t in, int64_t cached, int64_t out, int64_t reasoning, int64_t total)
{
    struct model_usage u = decode(text, true);

    assert_int_equal(u.input_tokens, in);
    assert_int_equal(u.cached_tokens, cached);
    assert_int_equal(u.output_tokens, out);
    assert_int_equal(u.reasoning_tokens, reasoning);
    assert_int_equal(u.total_tokens, total);
}

static void test_decodes(void **state)
{
    check("{\"input_tokens\":80,\"input_tokens_details\":{\"cached_tokens\":64},\"output_tokens\":45,"
          "\"output_tokens_details\":{\"reasoning_tokens\":16},\"total_tokens\":125}",
          80, 64, 45, 16, 125);
    check("{\"input_tokens\":1,\"output_tokens\":2}", 1, 0, 2, 0, 3);
    check("{}", 0, 0, 0, 0, 0);
    assert_int_equal(decode("null", false).input_tokens, -1);
    assert_int_equal(decode("[]", false).input_tokens, -1);
}

static void test_impossible_counts_are_bounded(void **state)
{
    check("{\"input_tokens\":-5,\"input_tokens_details\":{\"cached_tokens\":9},\"output_tokens\":"
          "9000000000000000000,"
          "\"output_tokens_details\":{\"reasoning_tokens\":9000000000000000000},\"total_tokens\":-1}",
          0, 0, 1000000000000, 1000000000000, 1000000000000);
}

static void test_cost(void **state)
{
    /* 1.25, 0.125 and 10 USD per million tokens */
    struct model_price price = { 1250000, 125000, 10000000 };
    struct model_usage usage = { .input_tokens = 1000, .cached_tokens = 400, .output_tokens = 100 };

    assert_int_equal(model_cost(&price, &usage), 600 * 1250000 / 1000000 + 400 * 125000 / 1000000 + 1000);
    price.cached_input = -1;
    assert_int_equal(model_cost(&price, &usage), 1250 + 1000);
    usage = (struct model_usage){ .input_tokens = 1 };
    assert_int_equal(model_cost(&price, &usage), 2); /* 1.25 millionths, rounded up */
    usage = (struct model_usage){ .input_tokens = 1000000000000, .output_tokens = 1000000000000 };
    price.output = INT64_MAX;
    assert_int_equal(model_cost(&price, &usage), INT64_MAX / 1000000 + 1);
    price.output = -1;
    assert_int_equal(model_cost(&price, &usage), -1);
    price = (struct model_price){ -1, 1, 1 };
    assert_int_equal(model_cost(&price, &usage), -1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_decodes),
    cmocka_unit_test(test_impossible_counts_are_bounded),
    cmocka_unit_test(test_cost),
};

UNIT_MAIN(tests)
