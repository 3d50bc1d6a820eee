/* SPDX-License-Identifier: MIT */
/* The core schema of YAML 1.2. */
#include "manifest/scalar.h"

#include <inttypes.h>
#include <stdint.h>

static bool is_one_of(struct span text, const char *const *words)
{
    for (; *words; words++)
        if (span_is(text, *words))
            return true;
    return false;
}

static size_t digits(struct span text, size_t at)
{
    size_t n = 0;

    while (at + n < text.len && text.ptr[at + n] >= '0' && text.ptr[at + n] <= '9')
        n++;
    return n;
}

/* Where the parts of a decimal number are: [sign] whole [. fraction] [e exponent]. */
struct decimal {
    bool is_negative, has_point;
    struct span whole, fraction, exponent; /* exponent with its 'e' and sign */
};

static bool split_decimal(struct span text, struct decimal *ret)
{
    struct decimal d = { false };
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    size_t n;

    d.is_negative = at && text.ptr[0] == '-';
    d.whole = span_make(text.ptr + at, digits(text, at));
    at += d.whole.len;
    if (at < text.len && text.ptr[at] == '.') {
        d.has_point = true;
        d.fraction = span_make(text.ptr + at + 1, digits(text, at + 1));
        at += 1 + d.fraction.len;
    }
    if (d.whole.len + d.fraction.len == 0)
        return false;
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        size_t sign = at + 1 < text.len && (text.ptr[at + 1] == '-' || text.ptr[at + 1] == '+');

        n = digits(text, at + 1 + sign);
        if (n == 0)
            return false;
        d.exponent = span_make(text.ptr + at, 1 + sign + n);
        at += d.exponent.len;
    }
    *ret = d;
    return at == text.len;
}

static bool become(struct tree *node, enum tree_kind kind, const char *text)
{
    if (!text)
        return false;
    node->kind = kind;
    node->text = span_of(text);
    return true;
}

static bool resolve_decimal(struct tree *node, const struct decimal *d, struct arena *arena)
{
    const char *whole = d->whole.len > 0 ? d->whole.ptr : "0";
    int whole_len = d->whole.len > 0 ? (int) d->whole.len : 1;
    const char *fraction = d->fraction.len > 0 ? d->fraction.ptr : "0";
    int fraction_len = d->has_point ? d->fraction.len > 0 ? (int) d->fraction.len : 1 : 0;

    return become(node, TREE_NUMBER,
                  arena_printf(arena, "%s%.*s%s%.*s" SPAN_FMT, d->is_negative ? "-" : "", whole_len, whole,
                               d->has_point ? "." : "", fraction_len, fraction, (int) d->exponent.len,
                               d->exponent.ptr ? d->exponent.ptr : ""));
}

/* 0x1f and 0o17: -1 not of this form, 0 too large, 1 done. */
static int based_value(struct span text, int64_t *ret)
{
    int64_t value = 0, base = span_starts(text, "0x") ? 16 : 8;

    if (text.len < 3 || !(span_starts(text, "0x") || span_starts(text, "0o")))
        return -1;
    for (size_t i = 2; i < text.len; i++) {
        char c = text.ptr[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : 99;

        if (digit >= base)
            return -1;
        if (value > (INT64_MAX - digit) / base)
            return 0;
        value = value * base + digit;
    }
    *ret = value;
    return 1;
}

bool scalar_resolve(struct tree *node, struct arena *arena, const char **ret_problem)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const trues[] = { "true", "True", "TRUE", NULL };
    static const char *const falses[] = { "false", "False", "FALSE", NULL };
    static const char *const infinities[] = { ".inf",  ".Inf",  ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                                              "-.Inf", "-.INF", ".nan", ".NaN",  ".NAN",  NULL };
    struct span text = node->text;
    struct decimal d;
    int64_t value = 0;
    int based = based_value(text, &value);

    *ret_problem = "no memory";
    if (is_one_of(text, nulls)) {
        node->kind = TREE_NULL;
        return true;
    }
    if (is_one_of(text, trues) || is_one_of(text, falses)) {
        node->is_true = is_one_of(text, trues);
        return become(node, TREE_BOOL, node->is_true ? "true" : "false");
    }
    if (based > 0)
        return become(node, TREE_NUMBER, arena_printf(arena, "%" PRId64, value));
    if (based == 0 || is_one_of(text, infinities)) {
        *ret_problem = based == 0 ? "this number is too large" : "not a finite number";
        return false;
    }
    if (!split_decimal(text, &d) || (d.whole.len > 1 && d.whole.ptr[0] == '0'))
        return true;
    return resolve_decimal(node, &d, arena);
}
