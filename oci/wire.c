/* SPDX-License-Identifier: MIT */
/* Between an attached container's stream and the guest's channel. */
#include "oci/wire.h"

#include "core/base/cleanup.h"
#include "oci/attach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES   (64 * 1024)
#define READS_A_TURN 4 /* then others get their turn */

struct wire {
    struct loop *loop;
    struct http_stream *stream;
    struct channel *channel;
    struct attach_decoder decoder;
    struct wire_ops ops;
    void *data;
    struct loop_source *greeted; /* tells on_hello: not from inside the channel, which may go then */
    struct loop_source *ended;   /* tells on_end */
    struct err end;
    bool has_output, has_ended;
    char words[512];
    char chunk[READ_BYTES];
};

static void on_stream(void *data, unsigned events);

static void tell_end(void *data)
{
    struct wire *wire = data;

    loop_source_free(TAKE_PTR(wire->greeted));
    loop_source_free(TAKE_PTR(wire->ended));
    wire->ops.on_end(wire->data, &wire->end);
}

static void end(struct wire *wire, const struct err *why)
{
    if (wire->has_ended)
        return;
    wire->has_ended = true;
    wire->end = *why;
    if (wire->stream)
        (void) http_stream_watch(wire->stream, 0, on_stream, wire, NULL); /* pausing cannot fail */
    (void) loop_defer(wire->loop, tell_end, wire, &wire->ended,
                      NULL); /* no memory: the owner's deadlines remain */
    channel_eof(wire->channel, why);
}

static void watch(struct wire *wire)
{
    struct err err = { 0 };
    unsigned events = LOOP_READ | (wire->has_output ? LOOP_WRITE : 0);

    if (wire->stream && !wire->has_ended &&
        http_stream_watch(wire->stream, events, on_stream, wire, &err) < 0)
        end(wire, &err);
}

/* What the guest says on stderr is for errors: kept as one short line. */
static void keep_words(struct wire *wire, struct span bytes)
{
    size_t n = strlen(wire->words);

    for (size_t i = 0; i < bytes.len && n + 1 < sizeof(wire->words); i++) {
        unsigned char c = (unsigned char) bytes.ptr[i];

        wire->words[n++] = c < ' ' || c >= 0x7f ? ' ' : (char) c;
    }
    wire->words[n] = '\0';
}

static int feed(struct wire *wire, struct span in, struct err *err)
{
    struct attach_piece piece;

    while (in.len > 0 && !wire->has_ended) {
        ssize_t used = attach_decode(&wire->decoder, in, &piece, err);

        if (used < 0)
            return (int) used;
        in = span_make(in.ptr + used, in.len - (size_t) used);
        if (piece.bytes.len && piece.fd == 1)
            channel_feed(wire->channel, piece.bytes);
        if (piece.bytes.len && piece.fd == 2) {
            keep_words(wire, piece.bytes);
            channel_feed_log(wire->channel, piece.bytes);
        }
    }
    return 0;
}

static void take_in(struct wire *wire)
{
    struct err err = { 0 };

    for (int i = 0; i < READS_A_TURN && !wire->has_ended; i++) {
        ssize_t n = http_stream_read(wire->stream, wire->chunk, sizeof(wire->chunk), &err);

        if (n == -ERR_TIMEOUT)
            return;
        if (n == 0)
            n = err_set(&err, ERR_ENGINE, "the stream of the sandbox ended");
        else if (n > 0)
            n = feed(wire, span_make(wire->chunk, (size_t) n), &err);
        if (n < 0) {
            end(wire, &err);
            return;
        }
    }
}

static void give_out(struct wire *wire)
{
    struct err err = { 0 };

    while (wire->has_output && !wire->has_ended) {
        struct span out = channel_pending(wire->channel);
        ssize_t n = out.len ? http_stream_write(wire->stream, out.ptr, out.len, &err) : 0;

        if (n < 0) {
            end(wire, &err);
            return;
        }
        if (out.len == 0)
            wire->has_output = false;
        else if (n == 0)
            return;
        else
            channel_sent(wire->channel, (size_t) n);
    }
}

static void on_stream(void *data, unsigned events)
{
    struct wire *wire = data;

    if (events & (LOOP_READ | LOOP_HANGUP))
        take_in(wire);
    if (wire->has_output)
        give_out(wire);
    watch(wire);
}

/* The channel gathers and tells once a turn, from a call of its own: so it is written at once, without
 * waiting until the stream says that it can be. Nearly always it can, and a tool call is on its way. */
static void on_output(void *data)
{
    struct wire *wire = data;

    if (wire->has_output)
        return;
    wire->has_output = true;
    if (wire->stream && !wire->has_ended)
        give_out(wire);
    watch(wire);
}

static void tell_hello(void *data)
{
    struct wire *wire = data;

    loop_source_free(TAKE_PTR(wire->greeted));
    wire->ops.on_hello(wire->data);
}

static void on_hello(void *data)
{
    struct wire *wire = data;
    struct err err;

    if (loop_defer(wire->loop, tell_hello, wire, &wire->greeted, &err) < 0)
        end(wire, &err);
}

static void on_broken(void *data, const struct err *err)
{
    end(data, err);
}

int wire_new(struct loop *loop, const struct wire_ops *ops, void *data, struct wire **ret, struct err *err)
{
    static const struct channel_ops channel_ops = { on_output, on_hello, on_broken };
    struct wire *wire = calloc(1, sizeof(*wire));
    int r;

    if (!wire)
        return err_set(err, ERR_INTERNAL, "no memory for the channel of a sandbox");
    wire->loop = loop;
    wire->ops = *ops;
    wire->data = data;
    r = channel_new(loop, &channel_ops, wire, &wire->channel, err);
    if (r < 0) {
        free(wire);
        return r;
    }
    *ret = wire;
    return 0;
}

void wire_free(struct wire *wire)
{
    if (!wire)
        return;
    wire->has_ended = true;
    channel_free(wire->channel);
    http_stream_free(wire->stream);
    loop_source_free(wire->ended);
    free(wire);
}

int wire_take(struct wire *wire, struct http_stream *stream, struct err *err)
{
    wire->stream = stream;
    return http_stream_watch(stream, LOOP_READ | LOOP_WRITE, on_stream, wire, err);
}

bool wire_has_ended(const struct wire *wire)
{
    return wire->has_ended;
}

const struct err *wire_why_ended(const struct wire *wire)
{
    return &wire->end;
}

struct channel *wire_channel(struct wire *wire)
{
    return wire->channel;
}

const char *wire_last_words(const struct wire *wire)
{
    return wire->words;
}
