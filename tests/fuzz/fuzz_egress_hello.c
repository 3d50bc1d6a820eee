/* SPDX-License-Identifier: MIT */
/* A ClientHello: its end does not depend on what follows, and nothing shorter is enough. And what follows
 * one: how it is cut changes nothing. */
#include "core/egress/client_hello.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

/* What is found, up to 4 of them: how many bytes were taken in all, and the last result. */
static size_t follow(struct span bytes, size_t step, bool has_early_data, int *ret_r,
                     struct client_hello *ret)
{
    struct client_hello first = { .has_early_data = has_early_data };
    struct buf kept = BUF_INIT(CLIENT_HELLO_MAX);
    struct hello_watch w;
    const char *why = NULL;
    size_t at = 0, taken;
    int found = 0, r = 0;

    hello_watch_init(&w, &first);
    while (at < bytes.len && r >= 0 && found < 4 && !w.is_over) {
        struct span piece = span_make(bytes.ptr + at, step < bytes.len - at ? step : bytes.len - at);

        r = hello_watch_feed(&w, piece, &kept, ret, &taken, &why);
        assert(taken <= piece.len && (r != 0 || taken == piece.len) && (r >= 0 || why));
        found += r > 0;
        if (r > 0)
            buf_clear(&kept);
        at += taken;
    }
    buf_done(&kept);
    *ret_r = r < 0 ? r : found;
    return w.is_over ? bytes.len : at;
}

static void check_follow(struct span bytes, bool has_early_data)
{
    struct client_hello whole = { 0 }, cut = { 0 };
    int r, again;

    (void) follow(bytes, bytes.len, has_early_data, &r, &whole);
    (void) follow(bytes, 1, has_early_data, &again, &cut);
    assert(r == again && whole.has_name == cut.has_name && strcmp(whole.name, cut.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_make(data, size < CLIENT_HELLO_MAX ? size : CLIENT_HELLO_MAX);
    struct client_hello hello, again;
    const char *why = NULL;
    ssize_t len = client_hello_parse(bytes, &hello, &why);

    if (size > 0) {
        check_follow(span_make(data, size), false);
        check_follow(span_make(data, size), true);
    }
    assert(len >= 0 || why);
    if (len == 0) {
        assert(hello.wanted > bytes.len);
        return 0;
    }
    if (len < 0)
        return 0;
    assert((size_t) len <= bytes.len && (!hello.has_name || strlen(hello.name) > 0));
    assert(client_hello_parse(span_make(bytes.ptr, (size_t) len), &again, &why) == len);
    assert(again.has_name == hello.has_name && (!again.has_name || strcmp(again.name, hello.name) == 0));
    assert(client_hello_parse(span_make(bytes.ptr, (size_t) len - 1), &again, &why) == 0);
    return 0;
}
