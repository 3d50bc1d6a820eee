/* SPDX-License-Identifier: MIT */
/* Response heads: status line, framing, and the head that goes on. */
#include "core/egress/response_head.h"

#include "core/egress/hop.h"

#define STATUS_LINE_MIN 12 /* "HTTP/1.1 200" */

struct seen {
    int fields, lengths, encodings;
    bool keeps_alive, closes;
};

static int fail(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -1;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int parse_line(struct span line, struct response_head *ret, const char **ret_why)
{
    const char *p = line.ptr;

    if (line.len < STATUS_LINE_MIN || (!span_starts(line, "HTTP/1.1 ") && !span_starts(line, "HTTP/1.0 ")))
        return fail(ret_why, "the server does not speak HTTP/1.1 or HTTP/1.0");
    if (!is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]) || p[9] < '1' || p[9] > '5')
        return fail(ret_why, "the server's status is no number from 100 to 599");
    if (line.len > STATUS_LINE_MIN && p[STATUS_LINE_MIN] != ' ')
        return fail(ret_why, "the server's status line is malformed");
    ret->minor = p[7] - '0';
    ret->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    if (line.len > STATUS_LINE_MIN + 1)
        ret->reason = span_make(p + STATUS_LINE_MIN + 1, line.len - STATUS_LINE_MIN - 1);
    return 0;
}

static int take_length(struct span value, struct seen *seen, struct response_head *ret, const char **ret_why)
{
    int64_t length;

    if (!parse_length(value, &length) || (seen->lengths++ > 0 && length != ret->length))
        return fail(ret_why, "the server's Content-Length is not one number");
    ret->length = length;
    return 0;
}

static void take_connection(struct span list, struct seen *seen)
{
    struct span word;

    while (list_next(&list, &word)) {
        seen->closes = seen->closes || span_is_nocase(word, "close");
        seen->keeps_alive = seen->keeps_alive || span_is_nocase(word, "keep-alive");
    }
}

static int take_field(const struct field *field, struct seen *seen, struct response_head *ret,
                      const char **ret_why)
{
    if (++seen->fields > FIELDS_MAX)
        return fail(ret_why, "the server's answer has too many headers");
    if (field_is(field, "Content-Length"))
        return take_length(field->value, seen, ret, ret_why);
    if (field_is(field, "Content-Encoding") && !span_is_nocase(field->value, "identity"))
        ret->is_encoded = true;
    if (field_is(field, "Connection"))
        take_connection(field->value, seen);
    else if (field_is(field, "Transfer-Encoding") &&
             (++seen->encodings > 1 || !span_is_nocase(field->value, "chunked")))
        return fail(ret_why, "the server's Transfer-Encoding is something else than chunked");
    return 0;
}

static bool has_no_body(int status, uint32_t method)
{
    return method == EGRESS_HEAD || status < 200 || status == 204 || status == 304;
}

static int decide_body(const struct seen *seen, uint32_t method, struct response_head *ret,
                       const char **ret_why)
{
    if (seen->encodings > 0 && (seen->lengths > 0 || ret->minor == 0))
        return fail(ret_why, "the server's answer has two kinds of length");
    if (has_no_body(ret->status, method))
        ret->body = BODY_NONE;
    else if (seen->encodings > 0)
        ret->body = BODY_CHUNKED;
    else
        ret->body = seen->lengths > 0 ? BODY_LENGTH : BODY_UNTIL_CLOSE;
    ret->must_close =
        seen->closes || ret->body == BODY_UNTIL_CLOSE || (ret->minor == 0 && !seen->keeps_alive);
    return 0;
}

int response_head_parse(struct span head, uint32_t method, struct response_head *ret, const char **ret_why)
{
    struct seen seen = { .fields = 0 };
    struct span rest, line;
    struct field field;
    int r;

    memset(ret, 0, sizeof(*ret));
    ret->length = -1;
    rest = span_make(head.ptr, head.len < 2 ? 0 : head.len - 2);
    if (!head_line(&rest, &line))
        return fail(ret_why, "the server's answer has no status line");
    if (parse_line(line, ret, ret_why) < 0)
        return -1;
    ret->fields = rest;
    while ((r = field_next(&rest, &field, ret_why)) > 0)
        if (take_field(&field, &seen, ret, ret_why) < 0)
            return -1;
    return r < 0 ? -1 : decide_body(&seen, method, ret, ret_why);
}

int response_head_write(const struct response_head *head, int minor, bool will_close, struct buf *out)
{
    int r = buf_printf(out, "HTTP/1.1 %d " SPAN_FMT "\r\n", head->status, SPAN_ARG(head->reason));

    if (r == 0)
        r = hop_copy(head->fields, NULL, out);
    if (r == 0 && head->body == BODY_CHUNKED && minor > 0)
        r = buf_add_text(out, "Transfer-Encoding: chunked\r\n");
    if (r == 0 && head->length >= 0 && head->body != BODY_CHUNKED && head->status >= 200 &&
        head->status != 204)
        r = buf_printf(out, "Content-Length: %lld\r\n", (long long) head->length);
    if (r == 0)
        r = buf_printf(out, "Connection: %s\r\n\r\n", will_close ? "close" : "keep-alive");
    return r;
}
