/* SPDX-License-Identifier: MIT */
/* Checks of hosts, each for its own reason. */
#include "core/egress/host.h"

#include <stdio.h>

#define LABEL_MAX 63

static bool fail(const char **ret_why, const char *why)
{
    *ret_why = why;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) /* small ones only */
{
    return c >= 'a' && c <= 'z';
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

/* What a byte that does not belong into a name most likely means. */
static const char *why_not(char c)
{
    switch (c) {
    case '%':
        return "percent signs do not belong into a host name";
    case '@':
        return "user names and passwords do not belong into a host";
    case '*':
        return "a host name has no '*'";
    case '_':
        return "a host name has no underscore";
    case ' ':
    case '\t':
        return "a host name has no blanks";
    default:
        if ((unsigned char) c >= 0x80)
            return "host names of other scripts are written as xn--";
        return "a host name consists of letters, digits and hyphens";
    }
}

static bool check_label(const char *label, size_t len, const char **ret_why)
{
    if (len == 0)
        return fail(ret_why, "a label of the host name is empty");
    if (len > LABEL_MAX)
        return fail(ret_why, "a label of the host name is longer than 63 bytes");
    if (label[0] == '-' || label[len - 1] == '-')
        return fail(ret_why, "a label of the host name starts or ends with a hyphen");
    return true;
}

static bool check_labels(const char *name, const char **ret_why)
{
    const char *dot;
    int count = 1;

    while ((dot = strchr(name, '.')) != NULL) {
        if (!check_label(name, (size_t) (dot - name), ret_why))
            return false;
        name = dot + 1;
        if (*name == '\0')
            return fail(ret_why, "the host name ends with a dot");
        count++;
    }
    if (!check_label(name, strlen(name), ret_why))
        return false;
    return count >= 2 || fail(ret_why, "a host name needs a domain");
}

/* Does the last label make some resolver read the name as an IPv4 address? */
static bool ends_as_number(const char *name)
{
    const char *last = strrchr(name, '.');

    last = last ? last + 1 : name;
    if (*last == '\0')
        return false;
    if (last[0] == '0' && last[1] == 'x')
        return last[2 + strspn(last + 2, "0123456789abcdef")] == '\0';
    return last[strspn(last, "0123456789")] == '\0';
}

/* Copy as small letters, if there is nothing else than what a name may have. */
static bool fold(struct span text, char ret[HOST_NAME_MAX + 1], const char **ret_why)
{
    if (text.len == 0)
        return fail(ret_why, "there is no host");
    if (text.len > HOST_NAME_MAX)
        return fail(ret_why, "the host name is longer than 253 bytes");
    for (size_t i = 0; i < text.len; i++) {
        char c = small(text.ptr[i]);

        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '.')
            return fail(ret_why, why_not(c));
        ret[i] = c;
    }
    ret[text.len] = '\0';
    return true;
}

bool host_parse_name(struct span text, char ret[HOST_NAME_MAX + 1], const char **ret_why)
{
    if (!fold(text, ret, ret_why))
        return false;
    if (ends_as_number(ret))
        return fail(ret_why, "an IPv4 address is written as four decimal numbers");
    return check_labels(ret, ret_why);
}

bool host_parse_label(struct span text, char ret[HOST_NAME_MAX + 1])
{
    const char *why;

    return fold(text, ret, &why) && !ends_as_number(ret) && check_label(ret, text.len, &why) &&
           !strchr(ret, '.');
}

bool host_parse_port(struct span text, uint16_t *ret)
{
    unsigned value = 0;

    if (text.len == 0 || text.len > 5 || text.ptr[0] == '0')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.ptr[i]))
            return false;
        value = value * 10 + (unsigned) (text.ptr[i] - '0');
    }
    if (value > 65535)
        return false;
    *ret = (uint16_t) value;
    return true;
}

/* Cut ":port" or nothing off what follows the host. */
static bool parse_rest(struct span rest, struct egress_host *ret, const char **ret_why)
{
    if (rest.len == 0)
        return true;
    if (rest.ptr[0] != ':' || !host_parse_port(span_make(rest.ptr + 1, rest.len - 1), &ret->port))
        return fail(ret_why, "a port is a number from 1 to 65535");
    return true;
}

static bool parse_bracketed(struct span text, struct egress_host *ret, const char **ret_why)
{
    const char *end = memchr(text.ptr, ']', text.len);
    size_t len = end ? (size_t) (end - text.ptr) : 0;

    if (!end || !address_parse_v6(span_make(text.ptr + 1, len - 1), &ret->address))
        return fail(ret_why, "what stands in brackets is no plain IPv6 address");
    ret->is_address = true;
    (void) address_text(&ret->address, ret->name);
    return parse_rest(span_make(end + 1, text.len - len - 1), ret, ret_why);
}

bool host_parse(struct span text, struct egress_host *ret, const char **ret_why)
{
    const char *colon;
    size_t len = text.len;

    memset(ret, 0, sizeof(*ret));
    if (text.len > 0 && memchr(text.ptr, '@', text.len))
        return fail(ret_why, why_not('@'));
    if (text.len > 0 && text.ptr[0] == '[')
        return parse_bracketed(text, ret, ret_why);
    colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    if (colon)
        len = (size_t) (colon - text.ptr);
    if (colon && memchr(colon + 1, ':', text.len - len - 1))
        return fail(ret_why, "an IPv6 address stands in brackets");
    if (address_parse_v4(span_make(text.ptr, len), &ret->address)) {
        ret->is_address = true;
        (void) address_text(&ret->address, ret->name);
    } else if (!host_parse_name(span_make(text.ptr, len), ret->name, ret_why)) {
        return false;
    }
    return parse_rest(span_make(text.ptr + len, text.len - len), ret, ret_why);
}

bool host_equal(const struct egress_host *a, const struct egress_host *b)
{
    return a->is_address == b->is_address && strcmp(a->name, b->name) == 0;
}

const char *host_text(const struct egress_host *host, uint16_t port, char ret[HOST_TEXT])
{
    bool is_v6 = host->is_address && !address_is_v4(&host->address);

    if (port == 0)
        (void) snprintf(ret, HOST_TEXT, is_v6 ? "[%s]" : "%s", host->name);
    else
        (void) snprintf(ret, HOST_TEXT, is_v6 ? "[%s]:%u" : "%s:%u", host->name, port);
    return ret;
}
