/* SPDX-License-Identifier: MIT */
/* How fast the host's end of the channel takes what a guest says, honest and not. Prints
 * "WHAT<tab>RATE<tab>RATE" lines for tests/bench.py. */
#include "core/sandbox/channel.h"
#include "core/sandbox/frame.h"

#include "core/base/clock.h"
#include "core/base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS 1

static bool is_broken;

static void on_nothing(void *data)
{
    (void) data;
}

static void on_broken(void *data, const struct err *err)
{
    (void) data;
    (void) err;
    is_broken = true;
}

static volatile unsigned seen; /* the bytes are looked at, as whoever hashes them does */

static void on_chunk(void *data, struct span chunk)
{
    unsigned sum = 0;

    (void) data;
    for (size_t i = 0; i < chunk.len; i++)
        sum += (uint8_t) chunk.ptr[i];
    seen = sum;
}

static void on_read(void *data, int result, const struct guest_stat *st, const struct err *err)
{
    (void) data;
    (void) result;
    (void) st;
    (void) err;
}

static void on_entry(void *data, struct span path, const struct guest_stat *st, struct span link)
{
    (void) data;
    (void) path;
    (void) st;
    (void) link;
}

static void on_done(void *data, int result, const struct err *err)
{
    (void) data;
    (void) result;
    (void) err;
}

static const struct file_read_ops read_ops = { .on_chunk = on_chunk, .on_done = on_read };
static const struct file_list_ops list_ops = { on_entry, on_done };

static void must(bool is_so)
{
    if (!is_so)
        abort();
}

static size_t frame(uint8_t *at, uint8_t type, uint64_t stream, const void *payload, size_t len)
{
    frame_header(at, type, 0, stream, (uint32_t) len);
    if (len > 0)
        memcpy(at + FRAME_HEADER, payload, len);
    return FRAME_HEADER + len;
}

/* A channel that was greeted, with a read and a listing open: streams FRAME_STREAM_FILES and the next. */
static struct channel *greeted(struct loop *loop)
{
    static const struct channel_ops ops = { on_nothing, on_nothing, on_broken };
    struct frame_hello h = { .version = FRAME_VERSION };
    uint8_t bytes[FRAME_HEADER + FRAME_HELLO_MAX];
    uint8_t hello[FRAME_HELLO_MAX];
    struct frame_out out = { hello, 0, sizeof(hello), false };
    struct channel_call *call;
    struct channel *ch = NULL;

    must(channel_new(loop, &ops, NULL, &ch, NULL) == 0);
    memset(h.build, 'a', FRAME_BUILD);
    frame_hello_encode(&out, true, &h);
    channel_feed(ch, span_make(channel_pending(ch).ptr, FRAME_PREAMBLE));
    channel_feed(ch, span_make(bytes, frame(bytes, FRAME_HELLO, 0, hello, out.len)));
    must(channel_read(ch, "a", &read_ops, NULL, &call, NULL) == 0);
    must(channel_list(ch, "a", true, &list_ops, NULL, &call, NULL) == 0);
    return ch;
}

/* The same bytes again and again. */
static void measure(struct loop *loop, const char *what, const uint8_t *bytes, size_t len, size_t frames)
{
    struct channel *ch = greeted(loop);
    int64_t from = clock_mono_us(), now = from;
    double rounds = 0;

    for (; now - from < SECONDS * 1000000; now = clock_mono_us(), rounds++) {
        channel_feed(ch, span_make(bytes, len));
        channel_sent(ch, channel_pending(ch).len);
        must(!is_broken);
    }
    double seconds = (double) (now - from) / 1e6;

    printf("%s\t%.0f MB/s\t%.0f frames/s\n", what, rounds * (double) len / seconds / 1e6,
           rounds * (double) frames / seconds);
    channel_free(ch);
}

/* A new channel each time, which one wrong frame breaks. */
static void measure_broken(struct loop *loop, const uint8_t *bytes, size_t len)
{
    int64_t from = clock_mono_us(), now = from;
    double rounds = 0;

    for (; now - from < SECONDS * 1000000; now = clock_mono_us(), rounds++) {
        struct channel *ch = greeted(loop);

        channel_feed(ch, span_make(bytes, len));
        channel_free(ch);
    }
    printf("connections that a wrong frame breaks\t%.0f/s\t\n", rounds / ((double) (now - from) / 1e6));
}

int main(void)
{
    static uint8_t bytes[256 * 1024], payload[FRAME_PAYLOAD_MAX];
    struct frame_entry e = { .path = "a/some/folder/with/a-file.txt", .path_len = 29, .link = "" };
    struct frame_out out = { payload, 0, sizeof(payload), false };
    struct loop *loop = NULL;
    size_t len;

    must(loop_new(&loop, NULL) == 0);
    len = frame(bytes, FRAME_DATA, FRAME_STREAM_FILES, payload, sizeof(payload));
    measure(loop, "frames of 64 KiB of a file", bytes, len, 1);
    len = 0;
    for (int i = 0; i < 1000; i++)
        len += frame(bytes + len, FRAME_DATA, FRAME_STREAM_FILES, "x", 1);
    measure(loop, "frames of one byte of a file", bytes, len, 1000);
    len = 0;
    for (int i = 0; i < 1000; i++)
        len += frame(bytes + len, FRAME_PAD, 0, NULL, 0);
    measure(loop, "frames of nothing", bytes, len, 1000);
    for (int i = 0; i < 100; i++)
        frame_entry_encode(&out, &e);
    len = frame(bytes, FRAME_ENTRIES, FRAME_STREAM_FILES + 1, payload, out.len);
    measure(loop, "frames of 100 entries of a listing", bytes, len, 1);
    len = frame(bytes, FRAME_TYPES + 1, 0, "x", 1);
    measure_broken(loop, bytes, len);
    loop_free(loop);
    return 0;
}
