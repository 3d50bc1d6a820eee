/* SPDX-License-Identifier: MIT */
/* The head of an upgrade's answer and the body of a refusal, in any cut. */
#include "core/base/http_head.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

static void check_head(struct span bytes)
{
    struct http_head_parts head, again;
    ssize_t n = http_head_decode(bytes, &head, NULL);

    if (n <= 0)
        return;
    assert((size_t) n <= bytes.len && head.status >= 100 && head.status <= 599);
    assert(head.fields.ptr >= bytes.ptr && head.fields.len < (size_t) n);
    (void) http_head_is_upgrade(&head);
    (void) http_head_find(head.fields, "Content-Length");
    /* what follows the head changes nothing, and one byte less is not enough */
    assert(http_head_decode(span_make(bytes.ptr, (size_t) n), &again, NULL) == n);
    assert(http_head_decode(span_make(bytes.ptr, (size_t) n - 1), &again, NULL) == 0);
}

static void check_body(struct span bytes)
{
    size_t len = bytes.len;
    char *copy = malloc(len + 1);

    assert(copy);
    if (len > 0)
        memcpy(copy, bytes.ptr, len);
    (void) http_head_dechunk(copy, &len);
    assert(len <= bytes.len);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_make(data, size);

    check_head(bytes);
    (void) http_head_find(bytes, "Content-Type"); /* libcurl's lines are not checked before */
    check_body(bytes);
    return 0;
}
