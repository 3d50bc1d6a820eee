/* SPDX-License-Identifier: MIT */
/* When to try again. */
#include "core/model/retry.h"

#include "core/model/client.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#define HINT_MAX_MS  ((int64_t) 120 * 1000) /* longer wishes mean: not now */
#define BASE_MS      500
#define CEILING_MS   8000
#define OVERLOAD_MS  15000 /* 503: leave the server alone at least this long */
#define OVERLOAD_MAX ((int64_t) 60 * 1000)
#define WISH_MAX_MS  ((int64_t) 366 * 24 * 3600 * 1000)

/* A decimal number of units at the start of `s`, in milliseconds; `s` moves behind it. -1: no number. */
static double take_number(struct span *s)
{
    double value = 0, scale = 1;
    bool has_digit = false, has_point = false;
    size_t n = 0;

    for (; n < s->len; n++) {
        char c = s->ptr[n];

        if (c == '.' && !has_point && has_digit && n + 1 < s->len && isdigit((unsigned char) s->ptr[n + 1])) {
            has_point = true;
        } else if (isdigit((unsigned char) c)) {
            has_digit = true;
            value = value * 10 + (c - '0');
            scale *= has_point ? 10 : 1;
        } else {
            break;
        }
        if (n > 18)
            return -1;
    }
    if (n > 0)
        *s = span_make(s->ptr + n, s->len - n);
    return has_digit ? value / scale : -1;
}

static struct span trimmed(struct span s)
{
    while (s.len > 0 && isspace((unsigned char) s.ptr[0]))
        s = span_make(s.ptr + 1, s.len - 1);
    while (s.len > 0 && isspace((unsigned char) s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static int64_t bounded(double ms)
{
    return ms > (double) WISH_MAX_MS ? WISH_MAX_MS : (int64_t) (ms + 0.5);
}

static int64_t number_ms(struct span s, double unit_ms)
{
    double value;

    s = trimmed(s);
    value = take_number(&s);
    return value < 0 || s.len > 0 ? -1 : bounded(value * unit_ms);
}

static int month_of(const char *name)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++)
        if (strncmp(name, months + (ptrdiff_t) i * 3, 3) == 0)
            return i;
    return -1;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form that is sent today. */
static int64_t date_ms(struct span s, int64_t now_wall_ms)
{
    char text[40], month[4];
    struct tm tm = { 0 };
    int64_t ms;

    s = trimmed(s);
    if (s.len != 29)
        return -1;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d", &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec) != 6 ||
        strcmp(text + 26, "GMT") != 0)
        return -1;
    tm.tm_mon = month_of(month);
    tm.tm_year -= 1900;
    if (tm.tm_mon < 0)
        return -1;
    ms = (int64_t) timegm(&tm) * 1000 - now_wall_ms;
    return ms < 0 ? 0 : bounded((double) ms);
}

int64_t retry_after_headers(struct span after_ms, struct span after, int64_t now_wall_ms)
{
    int64_t ms = number_ms(after_ms, 1);

    if (ms < 0)
        ms = number_ms(after, 1000);
    return ms < 0 ? date_ms(after, now_wall_ms) : ms;
}

static bool take_word(struct span *s, const char *word)
{
    size_t len = strlen(word);

    if (s->len < len || strncasecmp(s->ptr, word, len) != 0)
        return false;
    if (s->len > len && isalpha((unsigned char) s->ptr[len]))
        return false;
    *s = span_make(s->ptr + len, s->len - len);
    return true;
}

/* The unit at the start of `s`, in milliseconds; 0: none. */
static double take_unit(struct span *s)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {
        { "ms", 1 },           { "s", 1000 },        { "seconds", 1000 }, { "second", 1000 },
        { "m", 60000 },        { "minutes", 60000 }, { "minute", 60000 }, { "h", 3600000 },
        { "milliseconds", 1 }, { "hours", 3600000 }, { "hour", 3600000 },
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (take_word(s, units[i].name))
            return units[i].ms;
    return 0;
}

int64_t retry_after_text(struct span message)
{
    static const char phrase[] = "try again in ";
    size_t len = sizeof(phrase) - 1;
    double sum = 0, value, unit;
    bool has_any = false;
    struct span s;
    size_t at = 0;

    while (at + len <= message.len && strncasecmp(message.ptr + at, phrase, len) != 0)
        at++;
    if (at + len > message.len)
        return -1;
    s = trimmed(span_make(message.ptr + at + len, message.len - at - len));
    while (s.len > 0 && isdigit((unsigned char) s.ptr[0])) {
        value = take_number(&s);
        if (s.len > 0 && s.ptr[0] == ' ')
            s = span_make(s.ptr + 1, s.len - 1);
        /* "6m0s": the unit is followed by a digit, not by a letter, so take_word() stops rightly. */
        unit = take_unit(&s);
        if (value < 0 || unit == 0)
            break;
        sum += value * unit;
        has_any = true;
    }
    return has_any ? bounded(sum) : -1;
}

static bool is_overloaded(const struct model_end *end)
{
    return end->http_status == 503 || strcmp(end->reason, "server_is_overloaded") == 0 ||
           strcmp(end->reason, "slow_down") == 0;
}

static int64_t doubled(int64_t base, int attempt, int64_t ceiling)
{
    int64_t ms = base;

    for (int i = 1; i < attempt && ms < ceiling; i++)
        ms *= 2;
    return ms > ceiling ? ceiling : ms;
}

int64_t model_retry_ms(const struct model_end *end, int attempt, int64_t retries, double random)
{
    int64_t ms;

    if (!end->can_retry || attempt > retries || end->retry_after_ms > HINT_MAX_MS)
        return -1;
    if (is_overloaded(end)) {
        ms = doubled(OVERLOAD_MS, attempt, OVERLOAD_MAX);
        ms += (int64_t) ((double) ms * 0.25 * random);
        return ms > end->retry_after_ms ? ms : end->retry_after_ms;
    }
    if (end->retry_after_ms >= 0)
        return end->retry_after_ms;
    ms = doubled(BASE_MS, attempt, CEILING_MS);
    return (int64_t) ((double) ms * (1 - 0.25 * random));
}
