/* SPDX-License-Identifier: MIT */
/* Request heads: the line, then one look at each field. */
#include "core/egress/request_head.h"

#include "core/egress/hop.h"
#include "core/egress/rule.h"

#define SCHEME "http://"

/* What of the fields has been met. */
struct seen {
    struct span host, upgrade;
    int fields, hosts, lengths, encodings;
    const char *why;
};

static int fail(struct request_fault *fault, int status, const char *why)
{
    *fault = (struct request_fault){ status, why };
    return -1;
}

/* ---- the request line ---- */

static int parse_version(struct span version, struct request_head *ret, struct request_fault *fault)
{
    if (span_is(version, "HTTP/1.1"))
        ret->minor = 1;
    else if (!span_is(version, "HTTP/1.0"))
        return fail(fault, 400, "this proxy speaks HTTP/1.0 and HTTP/1.1");
    return 0;
}

static int parse_authority(struct span text, struct request_head *ret, struct request_fault *fault)
{
    const char *why = "";

    if (!host_parse(text, &ret->host, &why))
        return fail(fault, 403, why);
    ret->has_host = true;
    return 0;
}

static int parse_connect(struct span target, struct request_head *ret, struct request_fault *fault)
{
    if (parse_authority(target, ret, fault) < 0)
        return -1;
    if (ret->host.port != 0)
        return 0;
    ret->has_host = false;
    return fail(fault, 400, "CONNECT needs a port: host:443");
}

static bool is_path(struct span path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] <= ' ' || path.ptr[i] > '~' || path.ptr[i] == '#' || path.ptr[i] == '\\')
            return false;
    return true;
}

static size_t authority_len(struct span text)
{
    size_t len = 0;

    while (len < text.len && text.ptr[len] != '/' && text.ptr[len] != '?' && text.ptr[len] != '#')
        len++;
    return len;
}

static int parse_absolute(struct span target, struct request_head *ret, struct request_fault *fault)
{
    struct span rest = span_make(target.ptr + strlen(SCHEME), target.len - strlen(SCHEME));
    size_t len = authority_len(rest);

    if (parse_authority(span_make(rest.ptr, len), ret, fault) < 0)
        return -1;
    if (ret->host.port == 0)
        ret->host.port = EGRESS_PORT_PLAIN;
    ret->path = span_make(rest.ptr + len, rest.len - len);
    ret->needs_slash = ret->path.len == 0 || ret->path.ptr[0] != '/';
    if (!is_path(ret->path))
        return fail(fault, 400, "the path holds what must be percent-encoded");
    return 0;
}

static int parse_path(struct span target, struct request_head *ret, struct request_fault *fault)
{
    ret->path = target;
    if (ret->method == EGRESS_CONNECT)
        return fail(fault, 403, "there is no tunnel inside of another one");
    if (!span_starts(target, "/"))
        return fail(fault, 400, "the target inside of TLS is a path");
    if (!is_path(target))
        return fail(fault, 400, "the path holds what must be percent-encoded");
    return 0;
}

static int parse_target(struct span target, struct request_head *ret, struct request_fault *fault)
{
    if (ret->is_inside)
        return parse_path(target, ret, fault);
    if (ret->method == EGRESS_CONNECT)
        return parse_connect(target, ret, fault);
    if (span_starts(target, SCHEME))
        return parse_absolute(target, ret, fault);
    if (span_starts(target, "https://"))
        return fail(fault, 400, "https:// goes through a tunnel: CONNECT host:443");
    if (span_starts(target, "/"))
        return fail(fault, 400, "this is a proxy: ask for http://host/path, or CONNECT host:443");
    return fail(fault, 400, "the target is neither http://host/path nor, for CONNECT, host:port");
}

static int parse_line(struct span line, struct request_head *ret, struct request_fault *fault)
{
    const char *first = memchr(line.ptr, ' ', line.len), *last = line.ptr + line.len;

    while (last > line.ptr && *--last != ' ')
        ;
    if (!first || first == last)
        return fail(fault, 400, "the request line is not: method, target, version");
    ret->method = egress_method(span_make(line.ptr, (size_t) (first - line.ptr)));
    if (ret->method == 0)
        return fail(fault, 403, "the methods are " EGRESS_METHOD_NAMES);
    if (parse_version(span_make(last + 1, line.len - (size_t) (last + 1 - line.ptr)), ret, fault) < 0)
        return -1;
    return parse_target(span_make(first + 1, (size_t) (last - first - 1)), ret, fault);
}

/* ---- fields ---- */

static int take_host(const struct field *field, struct seen *seen, struct request_head *ret)
{
    seen->host = field->value;
    seen->why = "there is more than one Host";
    return ++seen->hosts == 1 ? 0 : -1;
}

static int take_length(const struct field *field, struct seen *seen, struct request_head *ret)
{
    ret->body = BODY_LENGTH;
    seen->why = "Content-Length is not one number";
    return ++seen->lengths == 1 && parse_length(field->value, &ret->length) ? 0 : -1;
}

static int take_encoding(const struct field *field, struct seen *seen, struct request_head *ret)
{
    ret->body = BODY_CHUNKED;
    seen->why = "Transfer-Encoding is something else than chunked";
    return ++seen->encodings == 1 && span_is_nocase(field->value, "chunked") ? 0 : -1;
}

static int take_connection(const struct field *field, struct seen *seen, struct request_head *ret)
{
    struct span list = field->value, word;

    seen->why = "Connection names a header that the request needs";
    while (list_next(&list, &word)) {
        if (hop_is_vital(word))
            return -1;
        if (span_is_nocase(word, "close"))
            ret->must_close = true;
    }
    return 0;
}

static int take_expect(const struct field *field, struct seen *seen, struct request_head *ret)
{
    seen->why = "Expect is something else than 100-continue";
    ret->expects_continue = true;
    return span_is_nocase(field->value, "100-continue") ? 0 : -1;
}

/* Without its Upgrade a request for HTTP/2 is an ordinary one; whoever wants another protocol wants no answer
 * in HTTP. */
static int take_upgrade(const struct field *field, struct seen *seen, struct request_head *ret)
{
    seen->why = "plain connections are not upgraded to other protocols";
    return span_is_nocase(field->value, "h2c") ? 0 : -1;
}

static const struct {
    const char *name;
    int (*take)(const struct field *field, struct seen *seen, struct request_head *ret);
    int status;
} takers[] = {
    { "Host", take_host, 400 },
    { "Content-Length", take_length, 400 },
    { "Transfer-Encoding", take_encoding, 400 },
    { "Connection", take_connection, 400 },
    { "Proxy-Connection", take_connection, 400 },
    { "Expect", take_expect, 417 },
    { "Upgrade", take_upgrade, 403 },
};

static int take_field(const struct field *field, struct seen *seen, struct request_head *ret,
                      struct request_fault *fault)
{
    if (++seen->fields > FIELDS_MAX)
        return fail(fault, 431, "the request has too many headers");
    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
        if (field_is(field, takers[i].name) && takers[i].take(field, seen, ret) < 0)
            return fail(fault, takers[i].status, seen->why);
    return 0;
}

/* The port of a Host that names none: that of the scheme; many leave it out for CONNECT. */
static uint16_t usual_port(const struct request_head *head)
{
    if (head->method == EGRESS_CONNECT)
        return head->host.port;
    return head->is_inside ? EGRESS_PORT_TLS : EGRESS_PORT_PLAIN;
}

static int check_host(const struct seen *seen, const struct request_head *head, struct request_fault *fault)
{
    struct egress_host host;
    const char *why;

    if (seen->hosts == 0)
        return head->minor == 0 ? 0 : fail(fault, 400, "there is no Host");
    if (!host_parse(seen->host, &host, &why))
        return fail(fault, 400, "the Host is not valid");
    if (host.port == 0)
        host.port = usual_port(head);
    if (!host_equal(&host, &head->host) || host.port != head->host.port)
        return fail(fault, 403, "Host and target are not the same");
    return 0;
}

static int check_body(const struct seen *seen, struct request_head *head, struct request_fault *fault)
{
    if (seen->encodings > 0 && seen->lengths > 0)
        return fail(fault, 400, "there are both Transfer-Encoding and Content-Length");
    if (seen->encodings > 0 && head->minor == 0)
        return fail(fault, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (head->body == BODY_LENGTH && head->length == 0 && head->method == EGRESS_CONNECT)
        head->body = BODY_NONE;
    if (head->body != BODY_NONE && head->method == EGRESS_CONNECT)
        return fail(fault, 400, "CONNECT has no body");
    return 0;
}

static int parse(struct span head, struct request_head *ret, struct request_fault *fault)
{
    struct seen seen = { .why = "" };
    struct span rest, line;
    struct field field;
    int r;

    rest = span_make(head.ptr, head.len < 2 ? 0 : head.len - 2); /* without the blank line */
    if (!head_line(&rest, &line))
        return fail(fault, 400, "there is no request line");
    if (parse_line(line, ret, fault) < 0)
        return -1;
    ret->fields = rest;
    while ((r = field_next(&rest, &field, &seen.why)) > 0)
        if (take_field(&field, &seen, ret, fault) < 0)
            return -1;
    if (r < 0)
        return fail(fault, 400, seen.why);
    if (check_host(&seen, ret, fault) < 0 || check_body(&seen, ret, fault) < 0)
        return -1;
    ret->must_close = ret->must_close || ret->minor == 0;
    return 0;
}

int request_head_parse(struct span head, struct request_head *ret, struct request_fault *fault)
{
    memset(ret, 0, sizeof(*ret));
    return parse(head, ret, fault);
}

int request_head_parse_inside(struct span head, const struct egress_host *host, struct request_head *ret,
                              struct request_fault *fault)
{
    memset(ret, 0, sizeof(*ret));
    ret->host = *host;
    ret->has_host = ret->is_inside = true;
    return parse(head, ret, fault);
}

/* ---- the way out ---- */

static int write_framing(const struct request_head *head, struct buf *out)
{
    if (head->body == BODY_CHUNKED)
        return buf_add_text(out, "Transfer-Encoding: chunked\r\n\r\n");
    if (head->body == BODY_LENGTH)
        return buf_printf(out, "Content-Length: %lld\r\n\r\n", (long long) head->length);
    return buf_add_text(out, "\r\n");
}

static int write_extra(const struct request_extra *extra, struct buf *out)
{
    int r = buf_printf(out, "%s: ", extra->name);

    if (r == 0)
        r = buf_add_span(out, extra->value);
    return r < 0 ? r : buf_add_text(out, "\r\nAccept-Encoding: identity\r\n");
}

int request_head_write(const struct request_head *head, const struct request_extra *extra, struct buf *out)
{
    const char *const without[] = { extra ? extra->name : NULL, "Accept-Encoding", "Range", "If-Range",
                                    NULL };
    uint16_t port = head->host.port == usual_port(head) ? 0 : head->host.port;
    char host[HOST_TEXT];
    int r;

    r = buf_printf(out, "%s %s" SPAN_FMT " HTTP/1.1\r\nHost: %s\r\n", egress_method_name(head->method),
                   head->needs_slash ? "/" : "", SPAN_ARG(head->path), host_text(&head->host, port, host));
    if (r == 0)
        r = hop_copy(head->fields, without, out);
    if (r == 0 && extra)
        r = write_extra(extra, out);
    return r < 0 ? r : write_framing(head, out);
}
