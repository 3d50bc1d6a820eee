/* SPDX-License-Identifier: MIT */
/* Frames and their payloads: pure encoders and decoders, the same code on both ends. */
#include "core/sandbox/frame.h"

#include <string.h>

/* Not UTF-8, so that no text contains it; every byte >= 0x80; the first one only once. */
const uint8_t frame_mark[FRAME_MARK] = { 0xff, 0xb7, 0xe2, 0x9c, 0xc1, 0x8d, 0xf5, 0xa3,
                                         0xd4, 0x96, 0xfe, 0x85, 0xc8, 0xba, 0xed, 0x91 };

static uint64_t get_le(const uint8_t *p, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value |= (uint64_t) p[i] << (8 * i);
    return value;
}

static void put_le(uint8_t *p, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t) (value >> (8 * i));
}

/* Offset of the first mark at or after `from`; where the bytes end in what may become one, the offset of
 * that; or `len`. *ret_whole tells the first case. */
static size_t mark_find(const uint8_t *p, size_t len, size_t from, bool *ret_whole)
{
    *ret_whole = false;
    while (from < len) {
        const uint8_t *at = memchr(p + from, frame_mark[0], len - from);

        if (!at)
            return len;
        from = (size_t) (at - p);
        size_t left = len - from < FRAME_MARK ? len - from : FRAME_MARK;

        if (memcmp(at, frame_mark, left) == 0) {
            *ret_whole = left == FRAME_MARK;
            return from;
        }
        from++;
    }
    return len;
}

/* How many of the first bytes are a nonce. */
static size_t nonce_len(const uint8_t *p, size_t len)
{
    size_t n = 0;

    while (n < len && n < FRAME_NONCE && p[n] < 0x80)
        n++;
    return n;
}

static bool header_decode(const uint8_t *p, struct frame *ret)
{
    ret->type = p[0];
    ret->flags = p[1];
    ret->len = (uint32_t) get_le(p + 4, 4);
    ret->stream = get_le(p + 8, 8);
    ret->payload = p + FRAME_HEADER;
    return ret->type >= FRAME_PAD && ret->type < FRAME_TYPES && (ret->flags & ~FRAME_FLAGS) == 0 &&
           p[2] == 0 && p[3] == 0 && ret->len <= FRAME_PAYLOAD_MAX && ret->stream < FRAME_STREAM_END;
}

static enum frame_got frame_take(const uint8_t *p, size_t len, size_t *consumed, struct frame *ret)
{
    if (len < FRAME_HEADER)
        return FRAME_GOT_MORE;
    if (!header_decode(p, ret))
        return FRAME_GOT_BAD;
    if (len - FRAME_HEADER < ret->len)
        return FRAME_GOT_MORE;
    *consumed = FRAME_HEADER + ret->len;
    return FRAME_GOT_FRAME;
}

/* The mark begins at p. */
static enum frame_got preamble_take(const uint8_t *p, size_t len, size_t *consumed, struct frame *ret)
{
    size_t room = len - FRAME_MARK;
    size_t good = nonce_len(p + FRAME_MARK, room);

    if (good == FRAME_NONCE) {
        *consumed = FRAME_PREAMBLE;
        *ret = (struct frame){ .payload = p + FRAME_MARK, .len = FRAME_NONCE };
        return FRAME_GOT_RESET;
    }
    if (good < room)
        *consumed = FRAME_MARK + good; /* no nonce: go on behind it, another mark may begin there */
    return FRAME_GOT_MORE;
}

enum frame_got frame_take_guest(struct frame_reader *r, const uint8_t *p, size_t len, size_t *consumed,
                                struct frame *ret)
{
    size_t skipped = 0;

    *consumed = 0;
    for (;;) {
        const uint8_t *q = p + skipped;
        size_t left = len - skipped, used = 0;
        bool is_whole;
        size_t clean = mark_find(q, left, r->scanned < left ? r->scanned : left, &is_whole);
        enum frame_got got = r->is_synced ? frame_take(q, clean, &used, ret) : FRAME_GOT_MORE;

        r->scanned = clean;
        if (got == FRAME_GOT_BAD)
            r->is_synced = false;
        if (got == FRAME_GOT_FRAME) {
            r->scanned -= used;
            *consumed = skipped + used;
            return got;
        }
        if (!r->is_synced || is_whole) { /* what is before the mark is of no use to anybody */
            skipped += clean;
            r->scanned = 0;
        }
        if (got == FRAME_GOT_BAD)
            continue;
        *consumed = skipped;
        if (!is_whole)
            return FRAME_GOT_MORE;

        r->is_synced = false;
        used = 0;
        got = preamble_take(p + skipped, len - skipped, &used, ret);
        *consumed = skipped += used;
        if (got == FRAME_GOT_RESET)
            r->is_synced = true;
        if (got == FRAME_GOT_RESET || used == 0)
            return got;
    }
}

enum frame_got frame_take_host(struct frame_reader *r, const uint8_t nonce[FRAME_NONCE], const uint8_t *p,
                               size_t len, size_t *consumed, struct frame *ret)
{
    size_t skipped = 0;

    *consumed = 0;
    if (r->is_synced)
        return frame_take(p, len, consumed, ret);
    for (;;) {
        bool is_whole;
        size_t used = 0;

        skipped += mark_find(p + skipped, len - skipped, 0, &is_whole);
        *consumed = skipped;
        if (!is_whole)
            return FRAME_GOT_MORE;
        enum frame_got got = preamble_take(p + skipped, len - skipped, &used, ret);

        skipped += used;
        *consumed = skipped;
        if (got == FRAME_GOT_RESET && memcmp(ret->payload, nonce, FRAME_NONCE) == 0) {
            r->is_synced = true;
            return got;
        }
        if (used == 0)
            return FRAME_GOT_MORE;
    }
}

void frame_header(uint8_t ret[FRAME_HEADER], uint8_t type, uint8_t flags, uint64_t stream, uint32_t len)
{
    ret[0] = type;
    ret[1] = flags;
    ret[2] = ret[3] = 0;
    put_le(ret + 4, len, 4);
    put_le(ret + 8, stream, 8);
}

size_t frame_cut(const uint8_t *p, size_t len, bool *ret_needs_pad)
{
    bool is_whole;

    if (len > FRAME_PAYLOAD_MAX)
        len = FRAME_PAYLOAD_MAX;
    size_t at = mark_find(p, len, 0, &is_whole);

    *ret_needs_pad = at < len;
    return is_whole ? at + FRAME_MARK / 2 : len;
}

uint64_t frame_get(struct frame_in *in, int bytes)
{
    const uint8_t *p = frame_get_bytes(in, (size_t) bytes);

    return p ? get_le(p, bytes) : 0;
}

const uint8_t *frame_get_bytes(struct frame_in *in, size_t len)
{
    const uint8_t *p = in->p;

    if (in->is_bad || in->len < len) {
        in->is_bad = true;
        return NULL;
    }
    in->p += len;
    in->len -= len;
    return p;
}

const char *frame_get_text(struct frame_in *in, size_t max)
{
    size_t room = in->len < max ? in->len : max;
    const uint8_t *end = in->is_bad || room == 0 ? NULL : memchr(in->p, 0, room);

    if (!end) {
        in->is_bad = true;
        return "";
    }
    return (const char *) frame_get_bytes(in, (size_t) (end - in->p) + 1);
}

void frame_put(struct frame_out *out, uint64_t value, int bytes)
{
    uint8_t le[8];

    put_le(le, value, bytes);
    frame_put_bytes(out, le, (size_t) bytes);
}

void frame_put_bytes(struct frame_out *out, const void *p, size_t len)
{
    if (out->is_full || out->cap - out->len < len) {
        out->is_full = true;
        return;
    }
    if (len > 0)
        memcpy(out->p + out->len, p, len);
    out->len += len;
}

/* ---- structs ---- */

bool frame_exec_decode(struct frame_in in, struct frame_exec *ret)
{
    ret->flags = (uint32_t) frame_get(&in, 4);
    ret->instead = frame_get(&in, 8);
    ret->timeout_ms = (int64_t) frame_get(&in, 8);
    ret->output_max = frame_get(&in, 8);
    ret->tail_max = (uint32_t) frame_get(&in, 4);
    ret->argc = (uint32_t) frame_get(&in, 2);
    ret->envc = (uint32_t) frame_get(&in, 2);
    ret->cwd = frame_get_text(&in, FRAME_PATH_MAX);
    ret->alternative = frame_get_text(&in, FRAME_PATH_MAX);
    ret->strings = (const char *) in.p;
    ret->strings_len = in.len;
    if (in.is_bad || ret->argc == 0 || ret->argc > FRAME_ARGS_MAX || ret->envc > FRAME_ARGS_MAX)
        return false;
    if (ret->tail_max > FRAME_TAIL_MAX || ret->timeout_ms < 0 || ret->timeout_ms > INT64_MAX / 1000000)
        return false;
    for (uint32_t i = 0; i < ret->argc + ret->envc; i++)
        (void) frame_get_text(&in, in.len);
    return !in.is_bad && in.len == 0;
}

void frame_exec_encode(struct frame_out *out, const struct frame_exec *exec)
{
    frame_put(out, exec->flags, 4);
    frame_put(out, exec->instead, 8);
    frame_put(out, (uint64_t) exec->timeout_ms, 8);
    frame_put(out, exec->output_max, 8);
    frame_put(out, exec->tail_max, 4);
    frame_put(out, exec->argc, 2);
    frame_put(out, exec->envc, 2);
    frame_put_bytes(out, exec->cwd, strlen(exec->cwd) + 1);
    frame_put_bytes(out, exec->alternative, strlen(exec->alternative) + 1);
}

bool frame_exit_decode(struct frame_in in, struct frame_exit *ret)
{
    ret->end = (uint8_t) frame_get(&in, 1);
    ret->step = (uint8_t) frame_get(&in, 1);
    ret->hits = (uint16_t) frame_get(&in, 2);
    ret->files = (uint32_t) frame_get(&in, 4);
    ret->code = (uint32_t) frame_get(&in, 4);
    ret->errnum = (uint32_t) frame_get(&in, 4);
    ret->written[0] = frame_get(&in, 8);
    ret->written[1] = frame_get(&in, 8);
    ret->duration_us = frame_get(&in, 8);
    return !in.is_bad && in.len == 0 && ret->end <= FRAME_EXIT_FAILED && ret->step < FRAME_STEPS &&
           ret->hits <= FRAME_HITS && ret->code <= 255 && ret->errnum < 4096 && ret->duration_us <= INT64_MAX;
}

void frame_exit_encode(struct frame_out *out, const struct frame_exit *x)
{
    frame_put(out, x->end, 1);
    frame_put(out, x->step, 1);
    frame_put(out, x->hits, 2);
    frame_put(out, x->files, 4);
    frame_put(out, x->code, 4);
    frame_put(out, x->errnum, 4);
    frame_put(out, x->written[0], 8);
    frame_put(out, x->written[1], 8);
    frame_put(out, x->duration_us, 8);
}

bool frame_stat_decode(struct frame_in *in, struct frame_stat *ret)
{
    ret->kind = (uint8_t) frame_get(in, 1);
    ret->mode = (uint32_t) frame_get(in, 4);
    ret->links = (uint32_t) frame_get(in, 4);
    ret->size = frame_get(in, 8);
    ret->inode = frame_get(in, 8);
    ret->stored = frame_get(in, 8);
    ret->mtime_ns = (int64_t) frame_get(in, 8);
    ret->ctime_ns = (int64_t) frame_get(in, 8);
    if (ret->kind >= FRAME_KINDS || ret->mode > 07777 || ret->size > INT64_MAX)
        in->is_bad = true;
    return !in->is_bad;
}

void frame_stat_encode(struct frame_out *out, const struct frame_stat *st)
{
    frame_put(out, st->kind, 1);
    frame_put(out, st->mode, 4);
    frame_put(out, st->links, 4);
    frame_put(out, st->size, 8);
    frame_put(out, st->inode, 8);
    frame_put(out, st->stored, 8);
    frame_put(out, (uint64_t) st->mtime_ns, 8);
    frame_put(out, (uint64_t) st->ctime_ns, 8);
}

bool frame_entry_decode(struct frame_in *in, struct frame_entry *ret)
{
    (void) frame_stat_decode(in, &ret->st);
    ret->path_len = (uint16_t) frame_get(in, 2);
    ret->link_len = (uint16_t) frame_get(in, 2);
    size_t sum_len = (size_t) frame_get(in, 1);

    ret->path = (const char *) frame_get_bytes(in, ret->path_len);
    ret->link = (const char *) frame_get_bytes(in, ret->link_len);
    ret->sum = sum_len > 0 ? frame_get_bytes(in, sum_len) : NULL;
    if (in->is_bad || !frame_path_ok(ret->path, ret->path_len) || ret->link_len >= FRAME_PATH_MAX)
        return false;
    if ((ret->link_len > 0) != (ret->st.kind == FRAME_KIND_LINK))
        return false;
    if (ret->sum && (sum_len != FRAME_SUM || ret->st.kind != FRAME_KIND_FILE))
        return false;
    return ret->link_len == 0 || !memchr(ret->link, 0, ret->link_len);
}

void frame_entry_encode(struct frame_out *out, const struct frame_entry *e)
{
    frame_stat_encode(out, &e->st);
    frame_put(out, e->path_len, 2);
    frame_put(out, e->link_len, 2);
    frame_put(out, e->sum ? FRAME_SUM : 0, 1);
    frame_put_bytes(out, e->path, e->path_len);
    frame_put_bytes(out, e->link, e->link_len);
    frame_put_bytes(out, e->sum, e->sum ? FRAME_SUM : 0);
}

static bool component_ok(const char *p, size_t len)
{
    return len > 0 && !(len == 1 && p[0] == '.') && !(len == 2 && p[0] == '.' && p[1] == '.');
}

bool frame_path_ok(const char *path, size_t len)
{
    if (len == 0 || len >= FRAME_PATH_MAX || memchr(path, 0, len))
        return false;
    for (;;) {
        const char *slash = memchr(path, '/', len);
        size_t part = slash ? (size_t) (slash - path) : len;

        if (!component_ok(path, part))
            return false;
        if (!slash)
            return true;
        path += part + 1;
        len -= part + 1;
    }
}

bool frame_done_decode(struct frame_in *in, struct frame_done *ret)
{
    ret->code = (uint8_t) frame_get(in, 1);
    ret->errnum = (uint32_t) frame_get(in, 4);
    ret->text_len = (uint8_t) frame_get(in, 1);
    ret->text = (const char *) frame_get_bytes(in, ret->text_len);
    return !in->is_bad && ret->code < FRAME_CODES && ret->errnum < 4096;
}

void frame_done_encode(struct frame_out *out, const struct frame_done *d)
{
    frame_put(out, d->code, 1);
    frame_put(out, d->errnum, 4);
    frame_put(out, d->text_len, 1);
    frame_put_bytes(out, d->text, d->text_len);
}

bool frame_open_decode(struct frame_in in, struct frame_open *ret)
{
    ret->command = frame_get(&in, 8);
    ret->window = (uint32_t) frame_get(&in, 4);
    return !in.is_bad && in.len == 0 && ret->window >= FRAME_WINDOW_CONN_MIN &&
           ret->window <= FRAME_WINDOW_CONN_MAX &&
           (ret->command < FRAME_STREAM_FILES || ret->command == FRAME_COMMAND_UNKNOWN);
}

void frame_open_encode(struct frame_out *out, const struct frame_open *o)
{
    frame_put(out, o->command, 8);
    frame_put(out, o->window, 4);
}

static bool build_decode(struct frame_in *in, char ret[FRAME_BUILD + 1])
{
    const uint8_t *p = frame_get_bytes(in, FRAME_BUILD);

    if (!p)
        return false;
    for (int i = 0; i < FRAME_BUILD; i++) {
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f')))
            return false;
        ret[i] = (char) p[i];
    }
    ret[FRAME_BUILD] = 0;
    return true;
}

bool frame_hello_decode(struct frame_in in, bool from_guest, struct frame_hello *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->version = (uint32_t) frame_get(&in, 4);
    ret->features = frame_get(&in, 8);
    if (!from_guest) /* a later host may say more */
        return !in.is_bad && ret->version > 0;
    ret->boot = frame_get(&in, 8);
    ret->orphan_ms = (uint32_t) frame_get(&in, 4);
    if (!build_decode(&in, ret->build))
        return false;
    ret->execs = (uint16_t) frame_get(&in, 2);
    if (ret->execs > FRAME_EXECS)
        return false;
    for (int i = 0; i < ret->execs; i++) {
        ret->exec_id[i] = frame_get(&in, 8);
        ret->exec_state[i] = (uint8_t) frame_get(&in, 1);
        ret->exec_input[i] = frame_get(&in, 8);
    }
    return !in.is_bad && ret->version > 0;
}

void frame_hello_encode(struct frame_out *out, bool from_guest, const struct frame_hello *h)
{
    frame_put(out, h->version, 4);
    frame_put(out, h->features, 8);
    if (!from_guest)
        return;
    frame_put(out, h->boot, 8);
    frame_put(out, h->orphan_ms, 4);
    frame_put_bytes(out, h->build, FRAME_BUILD);
    frame_put(out, h->execs, 2);
    for (int i = 0; i < h->execs; i++) {
        frame_put(out, h->exec_id[i], 8);
        frame_put(out, h->exec_state[i], 1);
        frame_put(out, h->exec_input[i], 8);
    }
}
