/* SPDX-License-Identifier: MIT */
/* The head of a server's answer; what goes on can be read in one way only. */
#include "core/egress/response_head.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

static ssize_t scan(struct span bytes)
{
    struct head_scan at = { 0 };
    const char *why;

    return head_scan(&at, bytes, &why);
}

static void check_out(const struct response_head *head, uint32_t method, int minor)
{
    struct buf out = BUF_INIT(1 << 20);
    struct response_head again;
    const char *why;

    assert(response_head_write(head, minor, minor == 0 || head->body == BODY_UNTIL_CLOSE, &out) == 0);
    assert(scan(buf_span(&out)) == (ssize_t) out.len);
    assert(response_head_parse(buf_span(&out), method, &again, &why) == 0);
    assert(again.status == head->status);
    if (minor > 0 || head->body != BODY_CHUNKED)
        assert(again.body == head->body && (again.body != BODY_LENGTH || again.length == head->length));
    else
        assert(again.body == BODY_UNTIL_CLOSE);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t methods[] = { EGRESS_GET, EGRESS_HEAD };
    struct span bytes = span_make(data, size);
    ssize_t len = scan(bytes);
    struct response_head head;
    const char *why = NULL;

    for (size_t i = 0; len > 0 && i < 2; i++) {
        if (response_head_parse(span_make(bytes.ptr, (size_t) len), methods[i], &head, &why) < 0) {
            assert(why);
            continue;
        }
        assert(head.status >= 100 && head.status <= 599);
        check_out(&head, methods[i], 0);
        check_out(&head, methods[i], 1);
    }
    return 0;
}
