/* SPDX-License-Identifier: MIT */
/* The formats of strings, by the RFCs that JSON Schema names. */
#include "core/base/json_schema.h"

#include <arpa/inet.h>
#include <ctype.h>

/* "9" a digit, "x" one of hexadecimal, anything else itself. Returns what follows, NULL when it is not so. */
static const char *take(const char *at, const char *shape)
{
    for (; *shape; shape++, at++)
        if (*shape == '9'   ? !isdigit((unsigned char) *at)
            : *shape == 'x' ? !isxdigit((unsigned char) *at)
                            : tolower((unsigned char) *at) != *shape)
            return NULL;
    return at;
}

static int two(const char *at)
{
    return (at[0] - '0') * 10 + (at[1] - '0');
}

static const char *take_date(const char *at)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int year, month, day, last;

    if (!take(at, "9999-99-99"))
        return NULL;
    year = two(at) * 100 + two(at + 2);
    month = two(at + 5);
    day = two(at + 8);
    if (month < 1 || month > 12)
        return NULL;
    last = days[month - 1] + (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    return day >= 1 && day <= last ? at + 10 : NULL;
}

static const char *take_zone(const char *at)
{
    if (*at == 'Z' || *at == 'z')
        return at + 1;
    if ((*at != '+' && *at != '-') || !take(at + 1, "99:99"))
        return NULL;
    return two(at + 1) <= 23 && two(at + 4) <= 59 ? at + 6 : NULL;
}

static const char *take_time(const char *at)
{
    if (!take(at, "99:99:99") || two(at) > 23 || two(at + 3) > 59 || two(at + 6) > 60)
        return NULL;
    at += 8;
    if (*at == '.') {
        if (!isdigit((unsigned char) *++at))
            return NULL;
        at += strspn(at, "0123456789");
    }
    return take_zone(at);
}

static const char *take_date_time(const char *at)
{
    at = take_date(at);
    return at && (*at == 'T' || *at == 't' || *at == ' ') ? take_time(at + 1) : NULL;
}

/* Numbers, each with a letter of `units`, in that order. NULL: there is none. */
static const char *take_units(const char *at, const char *units)
{
    const char *from = at;

    for (; isdigit((unsigned char) *at); at++) {
        at += strspn(at, "0123456789");
        units = *at ? strchr(units, *at) : NULL;
        if (!units)
            return NULL;
        units++;
    }
    return at > from ? at : NULL;
}

static const char *take_duration(const char *at)
{
    const char *rest;

    if (*at++ != 'P')
        return NULL;
    rest = take_units(at, "YMWD");
    if (rest)
        at = rest;
    else if (*at != 'T')
        return NULL;
    return *at == 'T' ? take_units(at + 1, "HMS") : at;
}

static const char *take_uuid(const char *at)
{
    return take(at, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
}

static const char *take_hostname(const char *at)
{
    const char *from = at;

    for (;;) {
        size_t len = 0;

        while (isalnum((unsigned char) at[len]) || at[len] == '-')
            len++;
        if (len == 0 || len > 63 || at[0] == '-' || at[len - 1] == '-')
            return NULL;
        at += len;
        if (*at != '.' || at[1] == '\0')
            break;
        at++;
    }
    return at - from <= 253 ? at : NULL;
}

static const char *take_email(const char *at)
{
    static const char others[] = "!#$%&'*+-/=?^_`{|}~.";
    const char *from = at;

    while (*at && (isalnum((unsigned char) *at) || strchr(others, *at))) {
        if (*at == '.' && (at == from || at[1] == '.' || at[1] == '@'))
            return NULL;
        at++;
    }
    return at > from && *at == '@' ? take_hostname(at + 1) : NULL;
}

static const char *take_address(const char *at, int family)
{
    unsigned char address[16];

    return inet_pton(family, at, address) == 1 ? at + strlen(at) : NULL;
}

static const char *take_ipv4(const char *at)
{
    return take_address(at, AF_INET);
}

static const char *take_ipv6(const char *at)
{
    return take_address(at, AF_INET6);
}

static const struct {
    const char *name;
    const char *(*take)(const char *at);
} formats[] = {
    { "date-time", take_date_time }, { "time", take_time },   { "date", take_date },
    { "duration", take_duration },   { "email", take_email }, { "hostname", take_hostname },
    { "ipv4", take_ipv4 },           { "ipv6", take_ipv6 },   { "uuid", take_uuid },
};

int json_schema_format(struct span format, struct span text)
{
    const char *end;

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (!span_is(format, formats[i].name))
            continue;
        end = text.ptr ? formats[i].take(text.ptr) : NULL;
        return end == text.ptr + text.len && end != NULL;
    }
    return -1;
}
