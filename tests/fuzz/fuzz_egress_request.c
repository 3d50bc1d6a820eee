/* SPDX-License-Identifier: MIT */
/* A request's head in any cut; what is understood goes out as something that can be read in one way only. */
#include "core/egress/request_head.h"
#include "core/egress/rule.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

static ssize_t scan_in_steps(struct span bytes, size_t step)
{
    struct head_scan scan = { 0 };
    const char *why = NULL;
    ssize_t r = 0;

    for (size_t len = 0; len < bytes.len && r == 0;) {
        len = len + step < bytes.len ? len + step : bytes.len;
        r = head_scan(&scan, span_make(bytes.ptr, len), &why);
    }
    assert(r >= 0 || why);
    return r;
}

static void count_fields(struct span fields, int *hosts, int *framings)
{
    static const char *const never[] = { "Connection", "Proxy-Connection",    "Upgrade",
                                         "TE",         "Proxy-Authorization", "Expect" };
    struct field field;
    const char *why;
    int r;

    while ((r = field_next(&fields, &field, &why)) > 0) {
        *hosts += field_is(&field, "Host");
        *framings += field_is(&field, "Content-Length") || field_is(&field, "Transfer-Encoding");
        for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
            assert(!field_is(&field, never[i]));
    }
    assert(r == 0);
}

static void check_out(const struct request_head *head)
{
    struct buf out = BUF_INIT(2 * HEAD_MAX);
    struct span rest, line;
    int hosts = 0, framings = 0;
    char host[HOST_TEXT];

    assert(request_head_write(head, NULL, &out) == 0);
    assert(scan_in_steps(buf_span(&out), out.len) == (ssize_t) out.len);
    rest = span_make(out.data, out.len - 2);
    assert(head_line(&rest, &line) && line.len > 9 && memcmp(line.ptr + line.len - 9, " HTTP/1.1", 9) == 0);
    count_fields(rest, &hosts, &framings);
    assert(hosts == 1 && framings == (head->body != BODY_NONE));
    (void) host_text(&head->host, head->host.port == (head->is_inside ? 443 : 80) ? 0 : head->host.port,
                     host);
    assert(span_starts(rest, "Host: ") && strncmp(rest.ptr + 6, host, strlen(host)) == 0);
    buf_done(&out);
}

/* The same bytes inside of TLS for one host: whatever they say, they are for that one. */
static void check_inside(struct span bytes)
{
    static const struct egress_host host = { .name = "example.org", .port = 443 };
    struct request_head head;
    struct request_fault fault = { 0, NULL };
    int r = request_head_parse_inside(bytes, &host, &head, &fault);

    assert(head.has_host && strcmp(head.host.name, host.name) == 0 && head.host.port == 443);
    assert(r == 0 || (fault.status >= 400 && fault.why));
    if (r == 0) {
        assert(head.method != EGRESS_CONNECT && span_starts(head.path, "/"));
        check_out(&head);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_make(data, size < HEAD_MAX ? size : HEAD_MAX);
    struct request_head head;
    struct request_fault fault = { 0, NULL };
    ssize_t len = scan_in_steps(bytes, bytes.len);

    assert(scan_in_steps(bytes, 1) == len && scan_in_steps(bytes, 7) == len);
    if (len <= 0)
        return 0;
    check_inside(span_make(bytes.ptr, (size_t) len));
    if (request_head_parse(span_make(bytes.ptr, (size_t) len), &head, &fault) < 0) {
        assert(fault.status >= 400 && fault.why);
        return 0;
    }
    assert(head.has_host && head.host.port > 0 && egress_method_name(head.method));
    if (head.method != EGRESS_CONNECT)
        check_out(&head);
    return 0;
}
