/* SPDX-License-Identifier: MIT */
/* Token counts and what they cost. */
#include "core/model/usage.h"

#define TOKENS_MAX 1000000000000 /* far beyond any real count; sums of it cannot overflow */
#define MILLION    1000000

static int64_t count_of(const struct tree *t, int64_t max)
{
    int64_t n = tree_int(t, 0);

    if (n < 0)
        return 0;
    return n > max ? max : n;
}

bool usage_decode(const struct tree *usage, struct model_usage *ret)
{
    int64_t sum;

    if (!usage || usage->kind != TREE_OBJECT)
        return false;
    ret->input_tokens = count_of(tree_get(usage, "input_tokens"), TOKENS_MAX);
    ret->output_tokens = count_of(tree_get(usage, "output_tokens"), TOKENS_MAX);
    ret->cached_tokens =
        count_of(tree_path(usage, "input_tokens_details", "cached_tokens", NULL), ret->input_tokens);
    ret->reasoning_tokens =
        count_of(tree_path(usage, "output_tokens_details", "reasoning_tokens", NULL), ret->output_tokens);
    sum = ret->input_tokens + ret->output_tokens;
    ret->total_tokens = count_of(tree_get(usage, "total_tokens"), 2 * (int64_t) TOKENS_MAX);
    if (ret->total_tokens == 0)
        ret->total_tokens = sum;
    return true;
}

/* total += tokens * price, held at the largest value instead of wrapping. */
static int64_t add_product(int64_t total, int64_t tokens, int64_t price)
{
    int64_t product;

    if (__builtin_mul_overflow(tokens, price, &product) || __builtin_add_overflow(total, product, &total))
        return INT64_MAX;
    return total;
}

int64_t model_cost(const struct model_price *price, const struct model_usage *usage)
{
    int64_t cached_price = price->cached_input >= 0 ? price->cached_input : price->input;
    int64_t total;

    if (price->input < 0 || price->output < 0)
        return -1;
    total = add_product(0, usage->input_tokens - usage->cached_tokens, price->input);
    total = add_product(total, usage->cached_tokens, cached_price);
    total = add_product(total, usage->output_tokens, price->output);
    /* A limit must not be passed by rounding it away: up. */
    return total / MILLION + (total % MILLION != 0);
}
