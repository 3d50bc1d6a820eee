/* SPDX-License-Identifier: MIT */
/* Monotonic and wall time, and the one text form of wall time. */
#include "core/base/clock.h"

#include "core/base/err.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WALL_MS_MAX INT64_C(253402300799999) /* the last millisecond of the year 9999 */

static int64_t read_us(clockid_t id)
{
    struct timespec ts;

    (void) clock_gettime(id, &ts); /* both clocks always exist */
    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

static void put_digits(char *at, int count, int value)
{
    while (count-- > 0) {
        at[count] = (char) ('0' + value % 10);
        value /= 10;
    }
}

void clock_text(int64_t wall_ms, char ret[CLOCK_TEXT])
{
    struct tm tm;
    time_t seconds;

    if (wall_ms < 0)
        wall_ms = 0;
    if (wall_ms > WALL_MS_MAX)
        wall_ms = WALL_MS_MAX;
    seconds = (time_t) (wall_ms / 1000);
    (void) gmtime_r(&seconds, &tm); /* in range by the clamp above */
    memcpy(ret, "0000-00-00T00:00:00.000Z", CLOCK_TEXT);
    put_digits(ret, 4, tm.tm_year + 1900);
    put_digits(ret + 5, 2, tm.tm_mon + 1);
    put_digits(ret + 8, 2, tm.tm_mday);
    put_digits(ret + 11, 2, tm.tm_hour);
    put_digits(ret + 14, 2, tm.tm_min);
    put_digits(ret + 17, 2, tm.tm_sec);
    put_digits(ret + 20, 3, (int) (wall_ms % 1000));
}

static int get_digits(const char *at, int count)
{
    int value = 0;

    while (count-- > 0)
        value = value * 10 + (*at++ - '0');
    return value;
}

static bool has_form(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";

    if (strlen(text) != sizeof(form) - 1)
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    return true;
}

int clock_parse(const char *text, int64_t *ret_wall_ms)
{
    char again[CLOCK_TEXT];
    struct tm tm = { 0 };
    int64_t ms;

    if (!has_form(text))
        return -ERR_INVALID;
    tm.tm_year = get_digits(text, 4) - 1900;
    tm.tm_mon = get_digits(text + 5, 2) - 1;
    tm.tm_mday = get_digits(text + 8, 2);
    tm.tm_hour = get_digits(text + 11, 2);
    tm.tm_min = get_digits(text + 14, 2);
    tm.tm_sec = get_digits(text + 17, 2);
    ms = (int64_t) timegm(&tm) * 1000 + get_digits(text + 20, 3);
    clock_text(ms, again); /* a date that does not exist comes out as another one */
    if (strcmp(again, text) != 0)
        return -ERR_INVALID;
    *ret_wall_ms = ms;
    return 0;
}
