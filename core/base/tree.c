/* SPDX-License-Identifier: MIT */
/*
 * Looking things up in a parsed document. Numbers keep their text until here,
 * so "1e3" and "1.0" can count as integers without going through a double.
 * strtod() reads the "C" form: the program never sets LC_NUMERIC.
 */
#include "core/base/tree.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

const struct tree *tree_get(const struct tree *t, const char *name)
{
    if (!t || t->kind != TREE_OBJECT)
        return NULL;
    tree_each (member, t) {
        if (span_is(member->key, name))
            return member;
    }
    return NULL;
}

const struct tree *tree_path(const struct tree *t, ...)
{
    const char *name;
    va_list ap;

    va_start(ap, t);
    while (t && (name = va_arg(ap, const char *)))
        t = tree_get(t, name);
    va_end(ap);
    return t;
}

const struct tree *tree_at(const struct tree *t, size_t index)
{
    const struct tree *item;

    if (!t || t->kind != TREE_ARRAY || index >= t->count)
        return NULL;
    for (item = t->child; item && index > 0; index--)
        item = item->next;
    return item;
}

bool tree_is_string(const struct tree *t, const char *text)
{
    return t && t->kind == TREE_STRING && span_is(t->text, text);
}

struct span tree_span(const struct tree *t)
{
    return t && t->kind == TREE_STRING ? t->text : (struct span){ NULL, 0 };
}

const char *tree_string(const struct tree *t, const char *or_else)
{
    if (!t || t->kind != TREE_STRING || memchr(t->text.ptr, '\0', t->text.len))
        return or_else;
    return t->text.ptr;
}

bool tree_bool(const struct tree *t, bool or_else)
{
    return t && t->kind == TREE_BOOL ? t->is_true : or_else;
}

/* A decimal number taken apart: value = digits x 10^exponent, where the digits
 * are those of `text` from the first to the last, with the dot passed over. */
struct decimal {
    const char *first, *last; /* the mantissa */
    int64_t point;            /* how many of its digits stand before the point, exponent included */
    bool is_negative;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The exponent's value; far beyond any text's length it does not matter how far. */
static bool read_exponent(const char *at, const char *end, int64_t *ret)
{
    const int64_t enough = INT64_C(1) << 60;
    bool is_negative = at < end && *at == '-';
    int64_t value = 0;

    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return false;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return false;
        if (value < enough / 16)
            value = value * 10 + (*at - '0');
    }
    *ret = is_negative ? -value : value;
    return true;
}

static bool read_decimal(struct span text, struct decimal *d)
{
    const char *at = text.ptr, *end = at + text.len;
    bool has_point = false;
    int64_t exponent = 0;
    size_t digits = 0;

    *d = (struct decimal){ .is_negative = text.len > 0 && *at == '-' };
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    d->first = at;
    for (; at < end && (is_digit(*at) || (*at == '.' && !has_point)); at++) {
        if (*at == '.')
            has_point = true;
        else
            digits++;
        d->point += *at != '.' && !has_point;
    }
    d->last = at;
    if (digits == 0)
        return false;
    if (at < end && ((*at != 'e' && *at != 'E') || !read_exponent(at + 1, end, &exponent)))
        return false;
    d->point += exponent;
    return true;
}

/* Append a digit to a value kept negative, since INT64_MIN has no positive. */
static bool add_digit(int64_t *value, int digit)
{
    if (*value < (INT64_MIN + digit) / 10)
        return false;
    *value = *value * 10 - digit;
    return true;
}

static bool decimal_int(const struct decimal *d, int64_t *ret)
{
    int64_t value = 0, left = d->point;

    for (const char *at = d->first; at < d->last; at++) {
        if (*at == '.')
            continue;
        if (left-- <= 0) {
            if (*at != '0')
                return false;
        } else if (!add_digit(&value, *at - '0')) {
            return false;
        }
    }
    for (; value != 0 && left > 0; left--) {
        if (!add_digit(&value, 0))
            return false;
    }
    if (!d->is_negative && value == INT64_MIN)
        return false;
    *ret = d->is_negative ? value : -value;
    return true;
}

bool tree_read_int(const struct tree *t, int64_t *ret)
{
    struct decimal d;

    return t && t->kind == TREE_NUMBER && read_decimal(t->text, &d) && decimal_int(&d, ret);
}

int64_t tree_int(const struct tree *t, int64_t or_else)
{
    int64_t value;

    return tree_read_int(t, &value) ? value : or_else;
}

double tree_double(const struct tree *t, double or_else)
{
    char *end;
    double value;

    if (!t || t->kind != TREE_NUMBER || t->text.len == 0)
        return or_else;
    value = strtod(t->text.ptr, &end);
    return end == t->text.ptr + t->text.len && isfinite(value) ? value : or_else;
}
