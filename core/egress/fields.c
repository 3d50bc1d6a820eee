/* SPDX-License-Identifier: MIT */
/* Lines and fields of HTTP/1 heads. */
#include "core/egress/fields.h"

#include <strings.h>

#define LENGTH_DIGITS 15 /* of a body: nobody has more than a petabyte */

static int fail(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -1;
}

/* The line feed at `at` ends a line; is it a blank one? -1: it does not end one well. */
static int end_line(struct head_scan *scan, struct span bytes, const char **ret_why)
{
    size_t len = scan->at - scan->line;

    if (len == 0 || bytes.ptr[scan->at - 1] != '\r')
        return fail(ret_why, "a line ends in LF without CR");
    if (len == 1)
        return scan->line == 0 ? fail(ret_why, "the head starts with a blank line") : 1;
    return 0;
}

static int check_byte(const struct head_scan *scan, struct span bytes, const char **ret_why)
{
    unsigned char c = (unsigned char) bytes.ptr[scan->at];

    if (scan->at > scan->line && bytes.ptr[scan->at - 1] == '\r' && c != '\n')
        return fail(ret_why, "a CR stands alone");
    if (c == '\0')
        return fail(ret_why, "there is a NUL in the head");
    if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
        return fail(ret_why, "there is a control byte in the head");
    if (scan->at == scan->line && (c == ' ' || c == '\t'))
        return fail(ret_why, "a line of the head is folded");
    return 0;
}

ssize_t head_scan(struct head_scan *scan, struct span bytes, const char **ret_why)
{
    int r;

    for (; scan->at < bytes.len; scan->at++) {
        if (check_byte(scan, bytes, ret_why) < 0)
            return -1;
        if (bytes.ptr[scan->at] != '\n')
            continue;
        r = end_line(scan, bytes, ret_why);
        if (r != 0)
            return r < 0 ? -1 : (ssize_t) ++scan->at;
        scan->line = scan->at + 1;
    }
    return 0;
}

bool head_line(struct span *lines, struct span *ret)
{
    const char *end = lines->len > 0 ? memmem(lines->ptr, lines->len, "\r\n", 2) : NULL;
    size_t len;

    if (!end)
        return false;
    len = (size_t) (end - lines->ptr);
    *ret = span_make(lines->ptr, len);
    *lines = span_make(end + 2, lines->len - len - 2);
    return true;
}

bool field_is_name(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!is_alnum && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.len > 0;
}

static bool is_value(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char) text.ptr[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = span_make(text.ptr + 1, text.len - 1);
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

int field_next(struct span *fields, struct field *ret, const char **ret_why)
{
    struct span rest = *fields, line;
    const char *colon;

    if (rest.len == 0)
        return 0;
    if (!head_line(&rest, &line))
        return fail(ret_why, "a line of the head has no end");
    colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
    if (!colon)
        return fail(ret_why, "a line of the head has no colon");
    ret->name = span_make(line.ptr, (size_t) (colon - line.ptr));
    ret->value = trim(span_make(colon + 1, line.len - ret->name.len - 1));
    ret->line = span_make(line.ptr, line.len + 2);
    if (!field_is_name(ret->name))
        return fail(ret_why, "the name of a header holds what does not belong there");
    if (!is_value(ret->value))
        return fail(ret_why, "there is a control byte in a header");
    *fields = rest;
    return 1;
}

bool span_is_nocase(struct span text, const char *other)
{
    return text.len == strlen(other) && (text.len == 0 || strncasecmp(text.ptr, other, text.len) == 0);
}

bool field_is(const struct field *field, const char *name)
{
    return span_is_nocase(field->name, name);
}

bool list_next(struct span *list, struct span *ret)
{
    const char *comma;
    size_t len;

    while (list->len > 0) {
        comma = memchr(list->ptr, ',', list->len);
        len = comma ? (size_t) (comma - list->ptr) : list->len;
        *ret = trim(span_make(list->ptr, len));
        len += comma != NULL;
        *list = span_make(list->ptr + len, list->len - len);
        if (ret->len > 0)
            return true;
    }
    return false;
}

bool parse_length(struct span text, int64_t *ret)
{
    int64_t value = 0;

    if (text.len == 0 || text.len > LENGTH_DIGITS)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (text.ptr[i] - '0');
    }
    *ret = value;
    return true;
}
