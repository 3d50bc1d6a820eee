/* SPDX-License-Identifier: MIT */
/*
 * Numbers people write. Fractions are computed exactly on their decimal digits,
 * never through a double; what is left below the smallest unit is dropped.
 */
#include "core/base/units.h"

#include "core/base/err.h"

#include <stdio.h>

/* Digits of a fraction that are looked at: more would not fit the product below. */
#define FRACTION_MAX 18

__extension__ typedef unsigned __int128 wide;

struct unit {
    const char *name; /* lower case */
    int64_t scale;
};

static const struct unit size_units[] = {
    { "", 1 },
    { "b", 1 },
    { "k", INT64_C(1) << 10 },
    { "kb", INT64_C(1) << 10 },
    { "kib", INT64_C(1) << 10 },
    { "m", INT64_C(1) << 20 },
    { "mb", INT64_C(1) << 20 },
    { "mib", INT64_C(1) << 20 },
    { "g", INT64_C(1) << 30 },
    { "gb", INT64_C(1) << 30 },
    { "gib", INT64_C(1) << 30 },
    { "t", INT64_C(1) << 40 },
    { "tb", INT64_C(1) << 40 },
    { "tib", INT64_C(1) << 40 },
    { NULL, 0 },
};

static const struct unit count_units[] = {
    { "", 1 },
    { "k", 1000 },
    { "m", 1000 * 1000 },
    { "g", 1000 * 1000 * 1000 },
    { "b", 1000 * 1000 * 1000 },
    { NULL, 0 },
};

/* From the largest: a combined duration names them in this order, each at most once. */
static const struct unit duration_units[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { NULL, 0 },
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct span skip(struct span s, size_t n)
{
    return span_make(s.ptr + n, s.len - n);
}

/* "12.5" from the front of *text, taken apart. */
struct number {
    int64_t whole;
    uint64_t fraction; /* over 10^places */
    uint64_t power;    /* 10^places */
};

static int take_fraction(struct span *text, struct number *ret)
{
    int places = 0;

    if (text->len == 0 || !is_digit(text->ptr[0]))
        return -ERR_INVALID;
    for (; text->len > 0 && is_digit(text->ptr[0]); *text = skip(*text, 1)) {
        if (places++ == FRACTION_MAX)
            return -ERR_INVALID;
        ret->fraction = ret->fraction * 10 + (uint64_t) (text->ptr[0] - '0');
        ret->power *= 10;
    }
    return 0;
}

static int take_number(struct span *text, struct number *ret)
{
    bool is_too_large = false;

    *ret = (struct number){ .power = 1 };
    if (text->len == 0 || !is_digit(text->ptr[0]))
        return -ERR_INVALID;
    for (; text->len > 0 && is_digit(text->ptr[0]); *text = skip(*text, 1)) {
        int digit = text->ptr[0] - '0';

        if (ret->whole > (INT64_MAX - digit) / 10)
            is_too_large = true;
        else
            ret->whole = ret->whole * 10 + digit;
    }
    if (text->len > 0 && text->ptr[0] == '.') {
        int r;

        *text = skip(*text, 1);
        r = take_fraction(text, ret);
        if (r < 0)
            return r;
    }
    return is_too_large ? -ERR_TOO_LARGE : 0;
}

static int scale_number(const struct number *n, int64_t scale, int64_t *ret)
{
    wide value = (wide) n->whole * (wide) scale + (wide) n->fraction * (wide) scale / n->power;

    if (value > INT64_MAX)
        return -ERR_TOO_LARGE;
    *ret = (int64_t) value;
    return 0;
}

static bool is_word(struct span text, const char *lower)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c >= 'A' && c <= 'Z')
            c = (char) (c - 'A' + 'a');
        if (lower[i] == '\0' || c != lower[i])
            return false;
    }
    return lower[text.len] == '\0';
}

static int parse_scaled(struct span text, const struct unit *units, int64_t *ret)
{
    struct number n;
    int r = take_number(&text, &n);

    if (r == -ERR_INVALID)
        return r;
    for (; units->name; units++) {
        if (is_word(text, units->name))
            return r < 0 ? r : scale_number(&n, units->scale, ret);
    }
    return -ERR_INVALID;
}

int units_size(struct span text, int64_t *ret_bytes)
{
    return parse_scaled(text, size_units, ret_bytes);
}

int units_count(struct span text, int64_t *ret)
{
    return parse_scaled(text, count_units, ret);
}

int units_money(struct span text, int64_t *ret_micros)
{
    static const struct unit usd[] = { { "", 1000000 }, { NULL, 0 } };

    return parse_scaled(text, usd, ret_micros);
}

/* The next part of a combined duration: a number and a unit smaller than the one before. */
static int take_part(struct span *text, const struct unit **units, int64_t *ret)
{
    struct number n;
    int r = take_number(text, &n);
    size_t len = 0;

    if (r == -ERR_INVALID)
        return r;
    while (len < text->len && !is_digit(text->ptr[len]))
        len++;
    for (const struct unit *u = *units; u->name; u++) {
        if (!is_word(span_make(text->ptr, len), u->name))
            continue;
        *text = skip(*text, len);
        *units = u + 1;
        return r < 0 ? r : scale_number(&n, u->scale, ret);
    }
    return -ERR_INVALID;
}

int units_duration(struct span text, int64_t *ret_ms)
{
    static const struct unit seconds[] = { { "", 1000 }, { NULL, 0 } };
    const struct unit *units = duration_units;
    int64_t total = 0, part = 0;
    int r = parse_scaled(text, seconds, ret_ms);

    if (r != -ERR_INVALID)
        return r;
    do {
        r = take_part(&text, &units, &part);
        if (r < 0)
            return r;
        if (total > INT64_MAX - part)
            return -ERR_TOO_LARGE;
        total += part;
    } while (text.len > 0);
    *ret_ms = total;
    return 0;
}

int units_int(struct span text, int64_t min, int64_t max, int64_t *ret)
{
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    bool is_too_large = false;
    int64_t value = 0; /* kept negative: INT64_MIN has no positive */

    if (is_negative)
        text = skip(text, 1);
    if (text.len == 0)
        return -ERR_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        int digit = text.ptr[i] - '0';

        if (!is_digit(text.ptr[i]))
            return -ERR_INVALID;
        if (value < (INT64_MIN + digit) / 10)
            is_too_large = true;
        else
            value = value * 10 - digit;
    }
    if (is_too_large || (!is_negative && value == INT64_MIN))
        return -ERR_TOO_LARGE;
    if (!is_negative)
        value = -value;
    if (value < min || value > max)
        return -ERR_TOO_LARGE;
    *ret = value;
    return 0;
}

int units_octal(struct span text, uint32_t max, uint32_t *ret)
{
    uint64_t value = 0;

    if (text.len == 0)
        return -ERR_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7')
            return -ERR_INVALID;
        if (value <= UINT32_MAX)
            value = value * 8 + (uint64_t) (text.ptr[i] - '0');
    }
    if (value > max)
        return -ERR_TOO_LARGE;
    *ret = (uint32_t) value;
    return 0;
}

/* value/scale with at most one decimal, which is dropped when it is 0. Rounds down: "1.9 GiB" is never more
 * than there is. */
static void format_tenths(char out[32], int64_t value, int64_t scale, const char *unit)
{
    int64_t whole = value / scale, tenth = (int64_t) ((wide) (value % scale) * 10 / (wide) scale);

    if (tenth > 0)
        snprintf(out, 32, "%lld.%d%s", (long long) whole, (int) tenth, unit);
    else
        snprintf(out, 32, "%lld%s", (long long) whole, unit);
}

/* Negative numbers have no business here, but must not print nonsense. */
static bool is_below_zero(char out[32], int64_t value, const char *unit)
{
    if (value < 0)
        snprintf(out, 32, "%lld%s", (long long) value, unit);
    return value < 0;
}

const char *units_write_size(char out[32], int64_t bytes)
{
    static const char names[] = "\0kmgt";
    int i = 0;

    for (; i < 4 && bytes != 0 && bytes % 1024 == 0; i++)
        bytes /= 1024;
    snprintf(out, 32, "%lld%.1s", (long long) bytes, names + i);
    return out;
}

const char *units_format_size(char out[32], int64_t bytes)
{
    static const char *const names[] = { " B", " KiB", " MiB", " GiB", " TiB" };
    int64_t scale = 1;
    size_t i = 0;

    if (is_below_zero(out, bytes, " B"))
        return out;
    for (; i < 4 && bytes / scale >= 1024; i++)
        scale *= 1024;
    format_tenths(out, bytes, scale, names[i]);
    return out;
}

const char *units_format_count(char out[32], int64_t count)
{
    static const char *const names[] = { "", "k", "m", "g" };
    int64_t scale = 1;
    size_t i = 0;

    if (is_below_zero(out, count, ""))
        return out;
    for (; i < 3 && count / scale >= 1000; i++)
        scale *= 1000;
    format_tenths(out, count, scale, names[i]);
    return out;
}

const char *units_format_duration(char out[32], int64_t ms)
{
    static const struct {
        int64_t scale, next;
        const char *format, *whole;
    } steps[] = {
        { 86400000, 3600000, "%lldd %lldh", "%lldd" },
        { 3600000, 60000, "%lldh %lldm", "%lldh" },
        { 60000, 1000, "%lldm %llds", "%lldm" },
    };

    if (is_below_zero(out, ms, " ms"))
        return out;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        long long whole = (long long) (ms / steps[i].scale);
        long long rest = (long long) (ms % steps[i].scale / steps[i].next);

        if (whole == 0)
            continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (rest > 0)
            snprintf(out, 32, steps[i].format, whole, rest);
        else
            snprintf(out, 32, steps[i].whole, whole);
#pragma GCC diagnostic pop
        return out;
    }
    if (ms < 1000)
        snprintf(out, 32, "%lld ms", (long long) ms);
    else
        format_tenths(out, ms, 1000, " s");
    return out;
}

/* Cents always; further digits only where there are some. */
const char *units_format_money(char out[32], int64_t micros)
{
    unsigned long long positive = micros < 0 ? 0 - (unsigned long long) micros : (unsigned long long) micros;
    int len =
        snprintf(out, 32, "%s$%llu.%06llu", micros < 0 ? "-" : "", positive / 1000000, positive % 1000000);

    while (len > 0 && out[len - 1] == '0' && out[len - 3] != '.')
        out[--len] = '\0';
    return out;
}
