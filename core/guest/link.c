/* SPDX-License-Identifier: MIT */
#include "core/guest/link.h"

#include "core/guest/conn.h"
#include "core/guest/exec.h"
#include "core/guest/out.h"
#include "core/guest/request.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Room for a frame that is not complete, and a good read behind it. */
enum { INPUT = 3 * (FRAME_PAYLOAD_MAX + FRAME_HEADER + FRAME_PREAMBLE) };

static uint8_t input[INPUT];
static size_t input_len;
static struct frame_reader reader;
static struct frame_hello self;
static int64_t heard_us;

static bool is_hello_due; /* our HELLO is to be sent, before anything else */
static bool is_heard;     /* this host said HELLO */
static bool is_pong_due;
static bool is_over; /* a host said QUIT */
static uint64_t pong;

/* A request in several frames. */
static uint8_t parts[FRAME_REQUEST_MAX];
static size_t parts_len;
static uint8_t parts_type;
static uint64_t parts_stream;
static bool parts_overflow;

void link_init(const struct frame_hello *me, int64_t now_us)
{
    self = *me;
    heard_us = now_us;
}

int64_t link_heard_us(void)
{
    return heard_us;
}

bool link_is_over(void)
{
    return is_over;
}

static void parts_reset(void)
{
    parts_len = 0;
    parts_type = 0;
    parts_overflow = false;
}

/* ---- what the host may say ---- */

static void adopt(uint64_t id)
{
    struct frame_exit x = { .end = FRAME_EXIT_FAILED, .step = FRAME_STEP_TABLE, .errnum = ENOENT };

    if (!exec_adopt(id))
        request_refuse(id, &x);
}

static void credit(uint64_t stream, struct frame_in in)
{
    int fd = (int) frame_get(&in, 1);
    uint32_t bytes = (uint32_t) frame_get(&in, 4);

    if (in.is_bad)
        return;
    if (stream < FRAME_STREAM_FILES)
        exec_credit(stream, fd, bytes);
    else if (stream >= FRAME_STREAM_CONNS)
        conn_credit(stream, bytes);
    else
        request_credit(stream, bytes);
}

static void request(uint8_t type, uint64_t stream, struct frame_in in, int64_t now_us)
{
    struct frame_exit x;

    if ((type == FRAME_EXEC) != (stream < FRAME_STREAM_FILES) || stream >= FRAME_STREAM_CONNS)
        return; /* its answer could be mistaken for another's */
    if (type != FRAME_EXEC)
        request_start(type, stream, in);
    else if (!exec_start(stream, in, &x, now_us))
        request_refuse(stream, &x);
}

/* Collect a request in parts. True: it is complete, *ret is all of it. */
static bool parts_add(const struct frame *f, struct frame_in *ret)
{
    bool is_first = parts_type == 0;

    *ret = (struct frame_in){ f->payload, f->len, false };
    if (is_first && !(f->flags & FRAME_MORE))
        return true;
    if (!is_first && (f->type != parts_type || f->stream != parts_stream)) {
        parts_reset(); /* not as agreed: what was begun is forgotten, and nobody waits for it but that host */
        return parts_add(f, ret);
    }
    parts_type = f->type;
    parts_stream = f->stream;
    if (f->len > sizeof(parts) - parts_len)
        parts_overflow = true;
    else
        memcpy(parts + parts_len, f->payload, f->len);
    parts_len += parts_overflow ? 0 : f->len;
    if (f->flags & FRAME_MORE)
        return false;
    *ret = (struct frame_in){ parts, parts_overflow ? 0 : parts_len, false };
    parts_reset();
    return true;
}

static void data(const struct frame *f)
{
    if (f->stream < FRAME_STREAM_FILES)
        exec_input(f->stream, f->payload, f->len, f->flags & FRAME_END);
    else if (f->stream >= FRAME_STREAM_CONNS)
        conn_data(f->stream, f->payload, f->len, f->flags & FRAME_END);
    else
        request_data(f->stream, f->payload, f->len, f->flags & FRAME_END);
}

static void input_whole(const struct frame *f)
{
    struct frame_in in = { f->payload, f->len, false };
    uint64_t number = frame_get(&in, 8);

    if (!in.is_bad)
        exec_input_whole(f->stream, number, in.p, in.len);
}

static void resize(const struct frame *f)
{
    struct frame_in in = { f->payload, f->len, false };
    uint16_t rows = (uint16_t) frame_get(&in, 2), cols = (uint16_t) frame_get(&in, 2);

    if (!in.is_bad && in.len == 0)
        exec_resize(f->stream, rows, cols);
}

static void hole(const struct frame *f)
{
    struct frame_in in = { f->payload, f->len, false };
    uint64_t len = frame_get(&in, 8);

    if (!in.is_bad && in.len == 0)
        request_hole(f->stream, len);
}

static void control(const struct frame *f)
{
    switch (f->type) {
    case FRAME_PING:
        is_pong_due = true;
        pong = f->stream;
        break;
    case FRAME_CREDIT:
        credit(f->stream, (struct frame_in){ f->payload, f->len, false });
        break;
    case FRAME_CANCEL:
        if (f->stream >= FRAME_STREAM_CONNS)
            conn_cancel(f->stream);
        else
            request_cancel(f->stream);
        break;
    case FRAME_DATA:
        data(f);
        break;
    case FRAME_INPUT:
        input_whole(f);
        break;
    case FRAME_RESIZE:
        resize(f);
        break;
    case FRAME_HOLE:
        hole(f);
        break;
    case FRAME_ADOPT:
        adopt(f->stream);
        break;
    case FRAME_KILL:
        exec_kill(f->stream);
        break;
    case FRAME_RELEASE:
        exec_release(f->stream);
        break;
    case FRAME_QUIT:
        is_over = is_over || (f->stream == 0 && f->len == 0 && f->flags == 0);
        break;
    default: /* what only a guest says, or PAD */
        break;
    }
}

static bool is_request(uint8_t type)
{
    return type == FRAME_EXEC || type == FRAME_LISTEN || type == FRAME_FIND ||
           (type >= FRAME_STAT && type <= FRAME_SET);
}

/* A new host: what the old one had asked for about files ends, so do connections; commands go on. */
static void greet(const uint8_t *nonce)
{
    out_reset(nonce);
    exec_detach();
    request_reset();
    conn_reset();
    parts_reset();
    is_heard = is_pong_due = false;
    is_hello_due = true;
}

static void frame_serve(const struct frame *f, int64_t now_us)
{
    struct frame_in in;
    struct frame_hello host;

    heard_us = now_us;
    if (f->type == FRAME_HELLO)
        is_heard = frame_hello_decode((struct frame_in){ f->payload, f->len, false }, false, &host);
    else if (!is_heard) /* HELLO comes first */
        return;
    else if (!is_request(f->type))
        control(f);
    else if (parts_add(f, &in))
        request(f->type, f->stream, in, now_us);
}

void link_feed(const uint8_t *p, size_t len, int64_t now_us)
{
    while (len > 0) {
        size_t n = sizeof(input) - input_len < len ? sizeof(input) - input_len : len;
        size_t at = 0, used = 0;
        enum frame_got got = FRAME_GOT_FRAME;
        struct frame f;

        memcpy(input + input_len, p, n);
        input_len += n;
        p += n;
        len -= n;
        while (got != FRAME_GOT_MORE) {
            got = frame_take_guest(&reader, input + at, input_len - at, &used, &f);
            at += used;
            if (got == FRAME_GOT_RESET)
                greet(f.payload);
            else if (got == FRAME_GOT_FRAME)
                frame_serve(&f, now_us);
        }
        memmove(input, input + at, input_len - at);
        input_len -= at;
    }
}

bool link_read(int64_t now_us)
{
    static uint8_t chunk[INPUT - FRAME_PAYLOAD_MAX - FRAME_HEADER - FRAME_PREAMBLE];
    ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));

    if (n > 0)
        link_feed(chunk, (size_t) n, now_us);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* ---- what we say ---- */

static bool hello_produce(void)
{
    struct frame_out out = { out_begin(), 0, OUT_PAYLOAD, false };

    if (!out.p)
        return false;
    exec_known(&self);
    frame_hello_encode(&out, true, &self);
    out_commit(FRAME_HELLO, 0, 0, (uint32_t) out.len);
    is_hello_due = false;
    return true;
}

static bool pong_produce(void)
{
    if (!is_pong_due || !out_begin())
        return false;
    out_commit(FRAME_PONG, 0, pong, 0);
    is_pong_due = false;
    return true;
}

bool link_produce(void)
{
    bool is_busy = false, has_spoken = true;

    if (is_hello_due && !hello_produce())
        return false;
    while (has_spoken && out_begin()) {
        enum request_turn t;

        has_spoken = pong_produce();
        has_spoken |= exec_produce();
        has_spoken |= conn_produce();
        t = request_produce();
        has_spoken |= t == REQUEST_SPOKE;
        is_busy = t != REQUEST_IDLE;
    }
    return is_busy || !out_begin(); /* without room nobody could say whether there is more */
}
