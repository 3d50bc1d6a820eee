/* SPDX-License-Identifier: MIT */
/* Decoding of an HTTP/1.1 answer's head. */
#include "core/base/http_head.h"

#include <strings.h>

static bool is_token_char(char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_text(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char) s.ptr[i] < 0x20 && s.ptr[i] != '\t') || s.ptr[i] == 0x7f)
            return false;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 101 Switching Protocols"; the reason may be absent, blank and all. */
static int decode_status(struct span line)
{
    const char *p = line.ptr;
    int status;

    if (line.len < 12 || memcmp(p, "HTTP/1.", 7) != 0 || !is_digit(p[7]) || p[8] != ' ')
        return -1;
    if (!is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]))
        return -1;
    if (line.len > 12 && p[12] != ' ')
        return -1;
    status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    return status >= 100 && status <= 599 && is_text(line) ? status : -1;
}

static bool is_field(struct span line)
{
    size_t name = 0;

    while (name < line.len && is_token_char(line.ptr[name]))
        name++;
    return name > 0 && name < line.len && line.ptr[name] == ':' && is_text(line);
}

/* Cut the next line off `rest`, without its CRLF. False: no whole line there. A LF that
 * has no CR before it stays inside the line and is refused as a control byte. */
static bool next_line(struct span *rest, struct span *line)
{
    const char *end = rest->len > 0 ? memmem(rest->ptr, rest->len, "\r\n", 2) : NULL;

    if (!end)
        return false;
    *line = span_make(rest->ptr, (size_t) (end - rest->ptr));
    *rest = span_make(end + 2, rest->len - line->len - 2);
    return true;
}

/* Something that cannot become HTTP is refused before its first line is complete. */
static bool may_be_http(struct span bytes)
{
    size_t len = bytes.len < 7 ? bytes.len : 7;

    return memcmp(bytes.ptr, "HTTP/1.", len) == 0;
}

ssize_t http_head_decode(struct span bytes, struct http_head_parts *ret, struct err *err)
{
    struct span rest = bytes, line;
    const char *fields;
    int status;

    if (bytes.len == 0)
        return 0;
    if (!may_be_http(bytes))
        return err_set(err, ERR_PROTOCOL, "the answer is not HTTP/1");
    if (!next_line(&rest, &line))
        return 0;
    status = decode_status(line);
    if (status < 0)
        return err_set(err, ERR_PROTOCOL, "the answer has a broken status line");
    fields = rest.ptr;
    while (next_line(&rest, &line)) {
        if (line.len == 0) {
            ret->status = status;
            ret->fields = span_make(fields, (size_t) (line.ptr - fields));
            return (ssize_t) (bytes.len - rest.len);
        }
        if (!is_field(line))
            return err_set(err, ERR_PROTOCOL, "the answer has a broken header line");
    }
    return 0;
}

static struct span trim(struct span s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = span_make(s.ptr + 1, s.len - 1);
    while (s.len > 0 && memchr(" \t\r\n", s.ptr[s.len - 1], 4) != NULL)
        s.len--;
    return s;
}

struct span http_head_find(struct span fields, const char *name)
{
    size_t len = strlen(name);

    while (fields.len > 0) {
        const char *end = memchr(fields.ptr, '\n', fields.len);
        size_t line = end ? (size_t) (end - fields.ptr) + 1 : fields.len;

        if (line > len && fields.ptr[len] == ':' && strncasecmp(fields.ptr, name, len) == 0)
            return trim(span_make(fields.ptr + len + 1, line - len - 1));
        fields = span_make(fields.ptr + line, fields.len - line);
    }
    return (struct span){ NULL, 0 };
}

static bool is_media_type(struct span value, const char *type)
{
    size_t len = strlen(type);

    if (value.len < len || strncasecmp(value.ptr, type, len) != 0)
        return false;
    return value.len == len || memchr("; \t", value.ptr[len], 3) != NULL;
}

bool http_head_is_upgrade(const struct http_head_parts *head)
{
    struct span type;

    if (head->status == 101)
        return true;
    type = http_head_find(head->fields, "Content-Type");
    return head->status == 200 && (is_media_type(type, "application/vnd.docker.raw-stream") ||
                                   is_media_type(type, "application/vnd.docker.multiplexed-stream"));
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Size of a chunk from its line; extensions are ignored. False: not a size we would take. */
static bool decode_chunk_size(struct span line, size_t *ret)
{
    size_t i, size = 0;

    for (i = 0; i < line.len && hex_value(line.ptr[i]) >= 0; i++) {
        if (i >= 7) /* 256 MiB: far beyond any buffer this is used on */
            return false;
        size = size * 16 + (size_t) hex_value(line.ptr[i]);
    }
    *ret = size;
    return i > 0 && (i == line.len || line.ptr[i] == ';' || line.ptr[i] == ' ');
}

bool http_head_dechunk(char *data, size_t *len)
{
    struct span rest = span_make(data, *len), line;
    size_t out = 0, size;
    bool is_end = false;

    while (!is_end && next_line(&rest, &line)) {
        if (!decode_chunk_size(line, &size) || size == 0) {
            is_end = true;
            break;
        }
        if (size > rest.len)
            size = rest.len;
        memmove(data + out, rest.ptr, size);
        out += size;
        rest = span_make(rest.ptr + size, rest.len - size);
        if (rest.len < 2)
            break;
        is_end = memcmp(rest.ptr, "\r\n", 2) != 0;
        rest = span_make(rest.ptr + 2, rest.len - 2);
    }
    *len = out;
    return is_end;
}
