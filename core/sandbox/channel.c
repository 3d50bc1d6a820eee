/* SPDX-License-Identifier: MIT */
/* The host's end: bytes, frames, HELLO, pulse, life and death. */
#include "core/sandbox/channel_impl.h"

#include "core/base/clock.h"
#include "core/base/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PULSE_MAX_MS = 10 * 1000,
    PULSE_MIN_MS = 10,
    SILENCE_MS = 30 * 1000, /* a ping without answer for so long, and ... */
    SILENCE_TICKS =
        3, /* ... so many beats, so that a harness that was stopped itself does not blame the guest */
    LOG_MAX = 4096,
    IN_MAX = FRAME_HEADER + FRAME_PAYLOAD_MAX + FRAME_PREAMBLE,
};

static void turn(void *data);
static void beat(void *data);

/* ---- life ---- */

static void hello_send(struct channel *ch)
{
    struct frame_hello h = { .version = FRAME_VERSION };
    uint8_t payload[32];
    struct frame_out out = { payload, 0, sizeof(payload), false };

    random_bytes(ch->nonce, sizeof(ch->nonce));
    for (size_t i = 0; i < sizeof(ch->nonce); i++)
        ch->nonce[i] &= 0x7f;
    frame_hello_encode(&out, false, &h);
    (void) buf_add(&ch->out, frame_mark, FRAME_MARK); /* if it fails, so does what follows */
    (void) buf_add(&ch->out, ch->nonce, FRAME_NONCE);
    channel_say(ch, FRAME_HELLO, 0, 0, span_make(payload, out.len));
}

int channel_new(struct loop *loop, const struct channel_ops *ops, void *data, struct channel **ret,
                struct err *err)
{
    struct channel *ch = calloc(1, sizeof(*ch));
    int r;

    if (!ch)
        return err_set(err, ERR_INTERNAL, "no memory for the channel to the sandbox");
    ch->loop = loop;
    ch->ops = ops;
    ch->data = data;
    ch->next_stream = FRAME_STREAM_FILES;
    buf_init(&ch->out, CHANNEL_OUT_MAX);
    buf_init(&ch->in, IN_MAX);
    buf_init(&ch->log, LOG_MAX);
    r = loop_timer(loop, -1, turn, ch, &ch->soon, err);
    if (r == 0)
        r = loop_timer(loop, -1, beat, ch, &ch->pulse, err);
    if (r < 0) {
        channel_free(ch);
        return r;
    }
    hello_send(ch);
    *ret = ch;
    return 0;
}

static void destroy(struct channel *ch)
{
    struct call_list *lists[] = { &ch->waiting, &ch->open, &ch->ended };

    for (size_t i = 0; i < 3; i++) {
        while (lists[i]->first)
            call_free(lists[i]->first);
    }
    conn_free_all(ch);
    loop_source_free(ch->soon);
    loop_source_free(ch->pulse);
    buf_done(&ch->out);
    buf_done(&ch->in);
    buf_done(&ch->log);
    free(ch);
}

void channel_free(struct channel *ch)
{
    if (!ch)
        return;
    ch->is_freed = true;
    if (ch->busy == 0)
        destroy(ch);
}

void channel_enter(struct channel *ch)
{
    ch->busy++;
}

bool channel_leave(struct channel *ch)
{
    ch->busy--;
    if (!ch->is_freed)
        return true;
    if (ch->busy == 0)
        destroy(ch);
    return false;
}

void channel_quit(struct channel *ch)
{
    channel_say(ch, FRAME_QUIT, 0, 0, span_make(NULL, 0));
}

void channel_soon(struct channel *ch)
{
    if (!ch->is_freed)
        (void) loop_timer_set(ch->soon, 0, NULL); /* an armed timer of the loop cannot fail */
}

void channel_break(struct channel *ch, const struct err *why)
{
    if (ch->is_broken)
        return;
    ch->is_broken = true;
    ch->why = *why;
    if (ch->log.len > 0)
        (void) err_hint(&ch->why, "the guest's last words: %s", buf_text(&ch->log));
    call_lose_all(ch);
    channel_soon(ch);
}

/* What is due to the owner, from the loop and not from inside his calls. */
static void turn(void *data)
{
    struct channel *ch = data;

    channel_enter(ch);
    if (!ch->is_broken)
        call_pump(ch);
    if (ch->wants_output && !ch->is_broken && channel_waiting_bytes(ch) > 0) {
        ch->wants_output = false;
        ch->ops->on_output(ch->data);
    }
    if (!ch->is_freed && call_tell_room(ch) && conn_tell_room(ch) && call_tell_ended(ch) && ch->is_broken &&
        !ch->is_told && conn_tell_lost(ch)) {
        ch->is_told = true;
        ch->ops->on_broken(ch->data, &ch->why);
    }
    (void) channel_leave(ch);
}

/* ---- out ---- */

size_t channel_waiting_bytes(const struct channel *ch)
{
    return ch->out.len - ch->out_sent;
}

bool channel_is_crowded(const struct channel *ch)
{
    return channel_waiting_bytes(ch) >= CHANNEL_OUT_SOFT;
}

static void add(struct channel *ch, const void *p, size_t len)
{
    struct err err;

    if (buf_add(&ch->out, p, len) == 0)
        return;
    err_set(&err, ERR_ENGINE, "the sandbox does not take what is sent to it (%zu bytes waiting)",
            channel_waiting_bytes(ch));
    channel_break(ch, &err);
}

static void frame_add(struct channel *ch, uint8_t type, uint8_t flags, uint64_t stream, struct span payload)
{
    uint8_t header[FRAME_HEADER];

    frame_header(header, type, flags, stream, (uint32_t) payload.len);
    add(ch, header, sizeof(header));
    add(ch, payload.ptr, payload.len);
}

void channel_say_long(struct channel *ch, uint8_t type, uint64_t stream, struct span payload,
                      uint8_t more_flags, uint8_t last_flags)
{
    bool is_last = false;

    if (ch->is_broken)
        return;
    while (!is_last) {
        bool needs_pad;
        size_t n = frame_cut((const uint8_t *) payload.ptr, payload.len, &needs_pad);

        is_last = n == payload.len;
        frame_add(ch, type, is_last ? last_flags : more_flags, stream, span_make(payload.ptr, n));
        if (needs_pad)
            frame_add(ch, FRAME_PAD, 0, 0, span_make(NULL, 0));
        if (n > 0)
            payload.ptr += n;
        payload.len -= n;
    }
    ch->sent_ms = clock_mono_ms();
    ch->wants_output = true;
    channel_soon(ch);
}

void channel_say(struct channel *ch, uint8_t type, uint8_t flags, uint64_t stream, struct span payload)
{
    channel_say_long(ch, type, stream, payload, flags, flags);
}

struct span channel_pending(struct channel *ch)
{
    if (ch->is_broken || ch->out.len == ch->out_sent)
        return span_make(NULL, 0);
    return span_make(ch->out.data + ch->out_sent, ch->out.len - ch->out_sent);
}

void channel_sent(struct channel *ch, size_t len)
{
    bool was_crowded = channel_is_crowded(ch);

    ch->out_sent += len < channel_waiting_bytes(ch) ? len : channel_waiting_bytes(ch);
    if (ch->out_sent == ch->out.len) {
        buf_clear(&ch->out);
        ch->out_sent = 0;
    } else if (ch->out_sent >= ch->out.len / 2) { /* each byte is moved at most once a halving */
        buf_drop(&ch->out, ch->out_sent);
        ch->out_sent = 0;
    }
    if (was_crowded && !channel_is_crowded(ch))
        channel_soon(ch);
}

/* ---- pulse ---- */

void channel_ping_send(struct channel *ch)
{
    if (ch->ping_sent == ch->ping_heard) {
        ch->ping_since_ms = clock_mono_ms();
        ch->ping_ticks = 0;
    }
    channel_say(ch, FRAME_PING, 0, ++ch->ping_sent, span_make(NULL, 0));
}

static void beat(void *data)
{
    struct channel *ch = data;
    int64_t now = clock_mono_ms();
    struct err err;

    if (ch->is_broken)
        return;
    if (ch->ping_sent != ch->ping_heard && ++ch->ping_ticks >= SILENCE_TICKS &&
        now - ch->ping_since_ms >= SILENCE_MS) {
        err_set(&err, ERR_ENGINE, "the sandbox's guest has not answered for %d seconds", SILENCE_MS / 1000);
        channel_break(ch, &err);
        return;
    }
    if (now - ch->sent_ms >= ch->pulse_ms)
        channel_ping_send(ch);
    (void) loop_timer_set(ch->pulse, ch->pulse_ms, NULL);
}

static int pong(struct channel *ch, uint64_t number, struct err *err)
{
    if (number <= ch->ping_heard || number > ch->ping_sent)
        return call_offence(err, "an answer to a ping that was not sent");
    ch->ping_heard = number;
    ch->ping_since_ms = clock_mono_ms();
    ch->ping_ticks = 0;
    for (struct channel_call *c = ch->open.first, *next; c; c = next) {
        next = c->next;
        if (c->kind == &ping_kind && c->stream <= number)
            call_move(c, &ch->ended);
    }
    (void) call_tell_ended(ch); /* if it was freed, our caller sees that itself */
    return 0;
}

/* ---- in ---- */

static int hello(struct channel *ch, const struct frame *f, struct err *err)
{
    struct frame_in in = { f->payload, f->len, false };

    if (!frame_hello_decode(in, true, &ch->hello))
        return call_offence(err, "a HELLO that cannot be read");
    if (ch->hello.version != FRAME_VERSION)
        return err_set(err, ERR_PROTOCOL,
                       "the sandbox's guest speaks version %u of the protocol, we speak %d",
                       ch->hello.version, FRAME_VERSION);
    ch->guest.protocol = ch->hello.version;
    ch->guest.features = ch->hello.features;
    ch->guest.boot = ch->hello.boot;
    memcpy(ch->guest.build, ch->hello.build, sizeof(ch->guest.build));
    ch->is_greeted = true;
    ch->pulse_ms = ch->hello.orphan_ms ? ch->hello.orphan_ms / 4 : PULSE_MAX_MS;
    if (ch->pulse_ms > PULSE_MAX_MS)
        ch->pulse_ms = PULSE_MAX_MS;
    if (ch->pulse_ms < PULSE_MIN_MS)
        ch->pulse_ms = PULSE_MIN_MS;
    (void) loop_timer_set(ch->pulse, ch->pulse_ms, NULL);
    exec_greet(ch);
    call_pump(ch);
    ch->ops->on_hello(ch->data);
    return 0;
}

static int frame_serve(struct channel *ch, const struct frame *f, struct err *err)
{
    if (f->type == FRAME_HELLO)
        return ch->is_greeted ? call_offence(err, "HELLO twice") : hello(ch, f, err);
    if (!ch->is_greeted)
        return call_offence(err, "something before HELLO");
    if (f->type == FRAME_PAD)
        return 0;
    if (f->type == FRAME_PONG)
        return pong(ch, f->stream, err);
    if (f->stream >= FRAME_STREAM_CONNS)
        return conn_frame(ch, f, err);
    return call_frame(ch, f, err);
}

/* Take frames from the front of `bytes`; returns what was used. */
static size_t take(struct channel *ch, struct span bytes)
{
    size_t used = 0;

    while (!ch->is_broken && !ch->is_freed) {
        struct frame f;
        struct err err;
        size_t n = 0;
        enum frame_got got = frame_take_host(&ch->reader, ch->nonce, (const uint8_t *) bytes.ptr + used,
                                             bytes.len - used, &n, &f);

        used += n;
        if (got == FRAME_GOT_MORE)
            return used;
        if (got == FRAME_GOT_BAD) {
            (void) call_offence(&err, "a frame that cannot be");
            channel_break(ch, &err);
        } else if (got == FRAME_GOT_FRAME && frame_serve(ch, &f, &err) < 0 && !ch->is_freed)
            channel_break(ch, &err);
    }
    return used;
}

/* The frame at the front of `in` is not complete: add as much as it needs, not more, so that the rest of what
 * came is read where it is. */
static size_t wanted(const struct channel *ch)
{
    uint32_t len = 0;

    if (!ch->reader.is_synced)
        return FRAME_PREAMBLE;
    if (ch->in.len < FRAME_HEADER)
        return FRAME_HEADER;
    for (int i = 0; i < 4; i++)
        len |= (uint32_t) (uint8_t) ch->in.data[4 + i] << (8 * i);
    return len > FRAME_PAYLOAD_MAX ? FRAME_HEADER : FRAME_HEADER + len;
}

static void feed(struct channel *ch, struct span bytes)
{
    while (!ch->is_broken && !ch->is_freed && (bytes.len > 0)) {
        if (ch->in.len == 0) {
            size_t used = take(ch, bytes);

            if (ch->is_broken || ch->is_freed)
                return;
            (void) buf_add(&ch->in, bytes.ptr + used, bytes.len - used); /* less than a frame, so it fits */
            return;
        }
        size_t want = wanted(ch);
        size_t n = want > ch->in.len ? want - ch->in.len : 1;

        if (n > bytes.len)
            n = bytes.len;
        (void) buf_add(&ch->in, bytes.ptr, n);
        bytes.ptr += n;
        bytes.len -= n;
        size_t used = take(ch, buf_span(&ch->in));

        if (!ch->is_freed)
            buf_drop(&ch->in, used);
    }
}

void channel_feed(struct channel *ch, struct span bytes)
{
    if (ch->is_broken || bytes.len == 0)
        return;
    channel_enter(ch);
    feed(ch, bytes);
    if (!ch->is_freed && !ch->is_broken)
        call_pump(ch);
    if (channel_leave(ch) && ch->is_broken)
        channel_soon(ch);
}

/* Only what can be shown: it ends up in a message. */
void channel_feed_log(struct channel *ch, struct span bytes)
{
    for (size_t i = 0; i < bytes.len && ch->log.len < LOG_MAX; i++) {
        char c = bytes.ptr[i];

        (void) buf_add_char(&ch->log, c == '\n' ? ' ' : c >= 0x20 && c < 0x7f ? c : '?');
    }
}

void channel_eof(struct channel *ch, const struct err *why)
{
    struct err err;

    err_set(&err, ERR_ENGINE, "the connection to the sandbox has ended");
    channel_break(ch, why && why->code != ERR_NONE ? why : &err);
}

const struct channel_guest *channel_guest(const struct channel *ch)
{
    return ch->is_greeted ? &ch->guest : NULL;
}
