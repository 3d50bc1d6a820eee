/* SPDX-License-Identifier: MIT */
/* Bytes from a host into what the guest decodes: the stream with its marks, and the payloads of requests. */
#include "core/sandbox/frame.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void exec_walk(const struct frame *f)
{
    struct frame_exec x;
    const char *p;

    if (!frame_exec_decode((struct frame_in){ f->payload, f->len, false }, &x))
        return;
    p = x.strings;
    for (uint32_t i = 0; i < x.argc + x.envc; i++)
        p += strlen(p) + 1; /* what the guest relies on */
    assert((size_t) (p - x.strings) == x.strings_len);
    assert(strlen(x.cwd) < FRAME_PATH_MAX && strlen(x.alternative) < FRAME_PATH_MAX && x.argc > 0);
}

static void serve(const struct frame *f)
{
    struct frame_in in = { f->payload, f->len, false };
    struct frame_hello hello;
    struct frame_open o;

    if (frame_open_decode(in, &o))
        assert(o.window >= FRAME_WINDOW_CONN_MIN && o.window <= FRAME_WINDOW_CONN_MAX);
    exec_walk(f);
    (void) frame_hello_decode(in, false, &hello);
    (void) frame_get(&in, 4);
    for (int i = 0; i < 2; i++) {
        const char *text = frame_get_text(&in, FRAME_PATH_MAX);

        assert(strlen(text) < FRAME_PATH_MAX);
        (void) frame_path_ok(text, strlen(text));
    }
}

/* Frames out of `size` bytes that come in pieces of `piece`; their number and sum must not depend on it. */
static uint64_t run(const uint8_t *data, size_t size, size_t piece)
{
    struct frame_reader r = { 0 };
    uint64_t sum = 0;
    size_t from = 0, to = 0;

    while (to < size) {
        enum frame_got got = FRAME_GOT_FRAME;

        to += size - to < piece ? size - to : piece;
        while (got != FRAME_GOT_MORE) {
            size_t used;
            struct frame f;
            uint8_t *copy = malloc(to - from + 1); /* its own memory, so that reading past it is seen */

            memcpy(copy, data + from, to - from);
            got = frame_take_guest(&r, copy, to - from, &used, &f);
            assert(used <= to - from && got != FRAME_GOT_BAD);
            from += used;
            if (got == FRAME_GOT_FRAME) {
                assert(used >= FRAME_HEADER && f.len <= FRAME_PAYLOAD_MAX);
                serve(&f);
                sum = sum * 31 + f.type + f.stream * 7 + f.len;
            } else if (got == FRAME_GOT_RESET)
                sum = sum * 31 + 1000;
            free(copy);
        }
    }
    return sum;
}

/* What a host sends never shows a mark inside. */
static void cut(const uint8_t *data, size_t size)
{
    while (size > 0) {
        bool needs_pad;
        size_t n = frame_cut(data, size, &needs_pad);

        assert(n > 0 && n <= size && n <= FRAME_PAYLOAD_MAX);
        for (size_t i = 0; i + FRAME_MARK <= n; i++)
            assert(memcmp(data + i, frame_mark, FRAME_MARK) != 0);
        data += n;
        size -= n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    uint64_t whole = run(data, size, size);

    assert(run(data, size, 7) == whole);
    cut(data, size);
    return 0;
}
