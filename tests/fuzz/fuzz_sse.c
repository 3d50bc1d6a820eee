/* SPDX-License-Identifier: MIT */
/* However the bytes are cut into chunks, the same events come out. */
#include "tests/fuzz/fuzz.h"

#include "core/base/sse.h"

#include <assert.h>
#include <stdlib.h>

static int note(void *data, struct span name, struct span payload)
{
    struct buf *seen = data;

    assert(name.len <= SSE_NAME_MAX);
    assert(buf_add_span(seen, name) == 0 && buf_add_char(seen, '\1') == 0);
    assert(buf_add_span(seen, payload) == 0 && buf_add_char(seen, '\2') == 0);
    return 0;
}

/* Chunks are copies of their exact size, so that reading past one is noticed. */
static void feed(struct sse *s, const uint8_t *data, size_t size, struct buf *seen)
{
    char *copy = malloc(size);

    assert(size == 0 || copy);
    if (size > 0)
        memcpy(copy, data, size);
    assert(sse_feed(s, span_make(copy, size), note, seen) == 0);
    free(copy);
}

/* Chunk lengths come from the bytes themselves, read in another order. */
static void decode(const uint8_t *data, size_t size, size_t stride, struct buf *seen)
{
    struct sse s;
    size_t at = 0, n;

    sse_init(&s);
    while (at < size) {
        n = stride == 0 ? size : 1 + data[(at * stride + 7) % size] % (4 * stride);
        if (n > size - at)
            n = size - at;
        feed(&s, data + at, n, seen);
        at += n;
    }
    assert(sse_end(&s, note, seen) == 0);
    sse_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF_INIT(SIZE_MAX), parts = BUF_INIT(SIZE_MAX);

    decode(data, size, 0, &whole);
    for (size_t stride = 1; stride <= 4; stride++) {
        buf_clear(&parts);
        decode(data, size, stride, &parts);
        assert(span_equal(buf_span(&whole), buf_span(&parts)));
    }
    buf_done(&whole);
    buf_done(&parts);
    return 0;
}
