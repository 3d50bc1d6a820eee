/* SPDX-License-Identifier: MIT */
/* Single values of a field table. */
#include "core/base/table_scalar.h"

#include "core/base/units.h"

#include <stdio.h>

#define ENUM_LIST_MAX 300

/* Kinds that are written with a unit, each with the functions of its unit. */
struct amount {
    enum field_kind kind;
    int (*parse)(struct span text, int64_t *ret);
    const char *(*format)(char out[32], int64_t value);
};

static const struct amount amounts[] = {
    { FIELD_SIZE, units_size, units_format_size },
    { FIELD_DURATION, units_duration, units_format_duration },
    { FIELD_COUNT, units_count, units_format_count },
    { FIELD_MONEY, units_money, units_format_money },
};

static const struct amount *amount_of(enum field_kind kind)
{
    for (size_t i = 0; i < FIELD_COUNT_OF(amounts); i++) {
        if (amounts[i].kind == kind)
            return &amounts[i];
    }
    return NULL;
}

const char *table_kind_text(enum field_kind kind)
{
    static const char *const texts[] = {
        [FIELD_BOOL] = "true or false",
        [FIELD_INT] = "a whole number",
        [FIELD_NUMBER] = "a number",
        [FIELD_SIZE] = "a size such as 512m or 1g",
        [FIELD_DURATION] = "a duration such as 30s or 1h30m",
        [FIELD_COUNT] = "a number such as 500 or 2m",
        [FIELD_MONEY] = "an amount in USD such as 5.00",
        [FIELD_MODE] = "permissions such as \"0644\" or \"rw-r--r--\"",
        [FIELD_STRING] = "text",
        [FIELD_BYTES] = "text",
        [FIELD_STRINGS] = "a list of texts",
        [FIELD_TABLE] = "keys and values",
        [FIELD_TABLES] = "a list",
        [FIELD_MAP] = "keys and values",
    };
    const char *text = (size_t) kind < FIELD_COUNT_OF(texts) ? texts[kind] : NULL;

    return text ? text : "something else";
}

static const char *format_bound(const struct field *field, int64_t value, char out[32])
{
    const struct amount *amount = amount_of(field->kind);

    if (amount)
        return amount->format(out, value);
    snprintf(out, 32, field->kind == FIELD_MODE ? "%04llo" : "%lld", (long long) value);
    return out;
}

void table_range_problem(struct table_ctx *ctx, const struct field *field, const struct tree *value)
{
    char min[32], max[32];

    format_bound(field, field->min, min);
    format_bound(field, field->max, max);
    if (field->min == 0 && field->max == 0)
        table_problem(ctx, value, NULL, "is out of range");
    else if (field->max == INT64_MAX)
        table_problem(ctx, value, NULL, "must be at least %s", min);
    else if (field->min == INT64_MIN)
        table_problem(ctx, value, NULL, "must be at most %s", max);
    else
        table_problem(ctx, value, NULL, "must be between %s and %s", min, max);
}

static bool is_in_range(const struct field *field, int64_t value)
{
    return (field->min == 0 && field->max == 0) || (value >= field->min && value <= field->max);
}

static void set_int(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                    int64_t number, void *at)
{
    if (is_in_range(field, number))
        *(int64_t *) at = number;
    else
        table_range_problem(ctx, field, value);
}

static int decode_bool(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *at)
{
    if (value->kind == TREE_BOOL)
        *(bool *) at = value->is_true;
    else
        table_wrong(ctx, value, table_kind_text(field->kind));
    return 0;
}

/* Digits alone that tree_read_int() did not take are a whole number past 64 bits. */
static bool is_huge(const struct tree *value)
{
    size_t n = value->kind == TREE_NUMBER && value->text.len > 0 && value->text.ptr[0] == '-';

    if (value->kind != TREE_NUMBER)
        return false;
    while (n < value->text.len && value->text.ptr[n] >= '0' && value->text.ptr[n] <= '9')
        n++;
    return n == value->text.len;
}

static int decode_int(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *at)
{
    int64_t number;

    if (tree_read_int(value, &number))
        set_int(ctx, field, value, number, at);
    else if (is_huge(value))
        table_range_problem(ctx, field, value);
    else
        table_wrong(ctx, value, table_kind_text(field->kind));
    return 0;
}

static int decode_number(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *at)
{
    bool is_bounded = field->min != 0 || field->max != 0;
    double number = tree_double(value, 0);

    if (value->kind != TREE_NUMBER)
        table_wrong(ctx, value, table_kind_text(field->kind));
    else if (tree_double(value, 1) != number)
        table_range_problem(ctx, field, value); /* does not fit a double */
    else if (is_bounded && (number < (double) field->min || number > (double) field->max))
        table_range_problem(ctx, field, value);
    else
        *(double *) at = number;
    return 0;
}

static int parse_amount(const struct amount *amount, const struct tree *value, int64_t *ret)
{
    char text[32];
    int64_t whole;
    int r = amount->parse(value->text, ret);

    if (r != -ERR_INVALID || !tree_read_int(value, &whole))
        return r;
    snprintf(text, sizeof(text), "%lld", (long long) whole); /* 1e6 */
    return amount->parse(span_of(text), ret);
}

static int decode_amount(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *at)
{
    int64_t number = 0;
    int r = -ERR_INVALID;

    if (value->kind == TREE_STRING || value->kind == TREE_NUMBER)
        r = parse_amount(amount_of(field->kind), value, &number);
    if (r == -ERR_TOO_LARGE)
        table_range_problem(ctx, field, value);
    else if (r < 0)
        table_wrong(ctx, value, table_kind_text(field->kind));
    else
        set_int(ctx, field, value, number, at);
    return 0;
}

/* "rw-r--r--" */
static bool parse_letters(struct span text, uint32_t *ret)
{
    uint32_t mode = 0;

    if (text.len != 9)
        return false;
    for (size_t i = 0; i < 9; i++) {
        if (text.ptr[i] == "rwx"[i % 3])
            mode |= 0400u >> i;
        else if (text.ptr[i] != '-')
            return false;
    }
    *ret = mode;
    return true;
}

/* The digits are octal as written, also when YAML or JSON call them a number. */
static int decode_mode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *at)
{
    uint32_t mode;
    int r = -ERR_INVALID;

    if (value->kind == TREE_STRING || value->kind == TREE_NUMBER)
        r = parse_letters(value->text, &mode) ? 0 : units_octal(value->text, UINT32_MAX, &mode);
    if (r == -ERR_INVALID)
        table_wrong(ctx, value, table_kind_text(field->kind));
    else if (r < 0 || mode > (field->max > 0 ? field->max : 0777))
        table_problem(ctx, value, NULL, "must be between 0000 and %04llo",
                      (unsigned long long) (field->max > 0 ? field->max : 0777));
    else
        *(int64_t *) at = mode;
    return 0;
}

static bool is_length_fine(struct table_ctx *ctx, const struct field *field, const struct tree *value)
{
    int64_t len = (int64_t) value->text.len;

    if ((field->min == 0 && field->max == 0) || (len >= field->min && len <= field->max))
        return true;
    if (len == 0)
        table_problem(ctx, value, NULL, "must not be empty");
    else if (field->max == INT64_MAX)
        table_problem(ctx, value, NULL, "must be at least %lld bytes long", (long long) field->min);
    else if (len > field->max)
        table_problem(ctx, value, NULL, "must be at most %lld bytes long", (long long) field->max);
    else
        table_problem(ctx, value, NULL, "must be between %lld and %lld bytes long", (long long) field->min,
                      (long long) field->max);
    return false;
}

static int decode_string(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *at)
{
    const char *hint = value->kind == TREE_NUMBER || value->kind == TREE_BOOL ? "put it in quotes" : NULL;
    char *copy;

    if (value->kind != TREE_STRING && hint) {
        table_problem(ctx, value, hint, "expected text, got the %s " SPAN_FMT,
                      value->kind == TREE_BOOL ? "word" : "number",
                      (int) (value->text.len < 40 ? value->text.len : 40), value->text.ptr);
        return 0;
    }
    if (value->kind != TREE_STRING) {
        table_wrong(ctx, value, table_kind_text(field->kind));
        return 0;
    }
    if (!is_length_fine(ctx, field, value))
        return 0;
    if (field->kind == FIELD_BYTES) {
        *(struct span *) at = value->text;
        return 0;
    }
    if (value->text.len > 0 && memchr(value->text.ptr, '\0', value->text.len)) {
        table_problem(ctx, value, NULL, "must not contain a NUL byte");
        return 0;
    }
    copy = arena_copy(ctx->arena, value->text.ptr, value->text.len);
    if (!copy)
        return -ERR_INTERNAL;
    *(const char **) at = copy;
    return 0;
}

static void list_names(const char *const *names, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; names[i] && used < size; i++)
        used += (size_t) snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", names[i]);
}

/* The texts are those of the source, so that a plain YAML `true` or `1` can be a name too. */
static int decode_enum(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *at)
{
    bool is_word = value->kind == TREE_STRING || value->kind == TREE_BOOL || value->kind == TREE_NUMBER;
    char list[ENUM_LIST_MAX], what[ENUM_LIST_MAX + 8], hint[128];
    const char *near;
    size_t count = 0;

    for (; field->names[count]; count++) {
        if (is_word && span_is(value->text, field->names[count])) {
            *(int *) at = (int) count;
            return 0;
        }
    }
    list_names(field->names, list, sizeof(list));
    snprintf(what, sizeof(what), count > 1 ? "one of %s" : "%s", list);
    near = is_word ? table_nearest(value->text, field->names, count) : NULL;
    if (!near) {
        table_wrong(ctx, value, what);
        return 0;
    }
    snprintf(hint, sizeof(hint), "did you mean '%s'?", near);
    table_problem(ctx, value, hint, "expected %s, got '" SPAN_FMT "'", what, SPAN_ARG(value->text));
    return 0;
}

static int decode_tree(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *at)
{
    *(const struct tree **) at = value;
    return 0;
}

int table_scalar(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *at)
{
    static int (*const decoders[])(struct table_ctx *, const struct field *, const struct tree *, void *) = {
        [FIELD_BOOL] = decode_bool,    [FIELD_INT] = decode_int,         [FIELD_NUMBER] = decode_number,
        [FIELD_SIZE] = decode_amount,  [FIELD_DURATION] = decode_amount, [FIELD_COUNT] = decode_amount,
        [FIELD_MONEY] = decode_amount, [FIELD_MODE] = decode_mode,       [FIELD_STRING] = decode_string,
        [FIELD_BYTES] = decode_string, [FIELD_ENUM] = decode_enum,       [FIELD_TREE] = decode_tree,
    };

    return decoders[field->kind](ctx, field, value, at);
}
