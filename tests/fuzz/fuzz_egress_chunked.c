/* SPDX-License-Identifier: MIT */
/* However a body in chunks is cut, the same bytes come out and it ends at the same place. */
#include "core/base/buf.h"
#include "core/egress/chunked.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

struct result {
    bool is_bad, is_done;
    size_t consumed;
    struct buf data;
};

static void decode(struct span bytes, size_t step, struct result *ret)
{
    struct chunked c = { 0 };
    const char *why = NULL;
    struct span piece;
    ssize_t n;

    *ret = (struct result){ .data = BUF_INIT(SIZE_MAX) };
    while (ret->consumed < bytes.len && !c.is_done) {
        size_t len = step < bytes.len - ret->consumed ? step : bytes.len - ret->consumed;

        n = chunked_next(&c, span_make(bytes.ptr + ret->consumed, len), &piece, &why);
        if (n < 0) {
            assert(why);
            ret->is_bad = true;
            break;
        }
        assert(n > 0 && (size_t) n <= len && piece.len <= (size_t) n);
        assert(piece.len == 0 || buf_add_span(&ret->data, piece) == 0);
        ret->consumed += (size_t) n;
    }
    ret->is_done = c.is_done;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_make(data, size);
    struct result whole, parts;

    decode(bytes, size, &whole);
    for (size_t step = 1; step < 5; step += 3) {
        decode(bytes, step, &parts);
        assert(parts.is_bad == whole.is_bad && parts.is_done == whole.is_done);
        assert(whole.is_bad || parts.consumed == whole.consumed);
        assert(span_equal(buf_span(&whole.data), buf_span(&parts.data)));
        buf_done(&parts.data);
    }
    buf_done(&whole.data);
    return 0;
}
