/* SPDX-License-Identifier: MIT */
/* The states of a chunked body. Data goes in pieces, everything else byte by byte. */
#include "core/egress/chunked.h"

#define SIZE_DIGITS 15 /* more is no chunk anybody sends */

enum state {
    SIZE,      /* hexadecimal digits */
    EXTENSION, /* after ';' */
    SIZE_LF,   /* after the CR of the size line */
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,    /* at the start of a line, or inside it */
    TRAILER_LF, /* after the CR that ends a trailer */
    LAST_LF,    /* after the CR of the blank line */
};

static int fail(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -1;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_text(char c)
{
    return ((unsigned char) c >= ' ' && c != 0x7f) || c == '\t';
}

static int in_size(struct chunked *c, char byte, const char **ret_why)
{
    int value = hex(byte);

    if (value >= 0) {
        if (++c->digits > SIZE_DIGITS)
            return fail(ret_why, "the size of a chunk is too large");
        c->left = c->left * 16 + (uint64_t) value;
        return 0;
    }
    if (c->digits == 0 || (byte != '\r' && byte != ';'))
        return fail(ret_why, "the size of a chunk is no hexadecimal number");
    c->extra = 0;
    c->state = byte == '\r' ? SIZE_LF : EXTENSION;
    return 0;
}

static int in_extension(struct chunked *c, char byte, const char **ret_why)
{
    if (byte == '\r')
        c->state = SIZE_LF;
    else if (!is_text(byte) || ++c->extra > CHUNKED_EXTENSION_MAX)
        return fail(ret_why, "the extension of a chunk is malformed or too long");
    return 0;
}

static int after_size(struct chunked *c, char byte, const char **ret_why)
{
    if (byte != '\n')
        return fail(ret_why, "a CR stands alone in a chunk's size line");
    c->extra = c->column = 0;
    c->has_colon = false;
    c->state = c->left > 0 ? DATA : TRAILER;
    return 0;
}

static int after_data(struct chunked *c, char byte, const char **ret_why)
{
    if (byte != (c->state == DATA_CR ? '\r' : '\n'))
        return fail(ret_why, "a chunk is longer than its size");
    c->digits = 0;
    c->state = c->state == DATA_CR ? DATA_LF : SIZE;
    return 0;
}

static int in_trailer(struct chunked *c, char byte, const char **ret_why)
{
    if (byte == '\r') {
        if (c->column > 0 && !c->has_colon)
            return fail(ret_why, "a trailer has no colon");
        c->state = c->column == 0 ? LAST_LF : TRAILER_LF;
        return 0;
    }
    if (!is_text(byte) || ++c->extra > CHUNKED_TRAILER_MAX)
        return fail(ret_why, "the trailers are malformed or too long");
    if (c->column == 0 && (byte == ' ' || byte == '\t' || byte == ':'))
        return fail(ret_why, "a trailer has no name");
    c->has_colon = c->has_colon || byte == ':';
    c->column++;
    return 0;
}

static int after_trailer(struct chunked *c, char byte, const char **ret_why)
{
    if (byte != '\n')
        return fail(ret_why, "a CR stands alone in a trailer");
    c->is_done = c->state == LAST_LF;
    c->column = 0;
    c->has_colon = false;
    c->state = TRAILER;
    return 0;
}

static int take_byte(struct chunked *c, char byte, const char **ret_why)
{
    switch ((enum state) c->state) {
    case SIZE:
        return in_size(c, byte, ret_why);
    case EXTENSION:
        return in_extension(c, byte, ret_why);
    case SIZE_LF:
        return after_size(c, byte, ret_why);
    case DATA:
        break;
    case DATA_CR:
    case DATA_LF:
        return after_data(c, byte, ret_why);
    case TRAILER:
        return in_trailer(c, byte, ret_why);
    case TRAILER_LF:
    case LAST_LF:
        return after_trailer(c, byte, ret_why);
    }
    return fail(ret_why, "a chunk is in no state"); /* cannot happen */
}

ssize_t chunked_next(struct chunked *c, struct span bytes, struct span *ret, const char **ret_why)
{
    size_t at = 0, len;

    *ret = span_make(NULL, 0);
    for (; at < bytes.len && !c->is_done && c->state != DATA; at++)
        if (take_byte(c, bytes.ptr[at], ret_why) < 0)
            return -1;
    if (at == bytes.len || c->state != DATA)
        return (ssize_t) at;
    len = bytes.len - at;
    if (len > c->left)
        len = (size_t) c->left;
    *ret = span_make(bytes.ptr + at, len);
    c->left -= len;
    if (c->left == 0)
        c->state = DATA_CR;
    return (ssize_t) (at + len);
}
