/* SPDX-License-Identifier: MIT */
/* Bounded head and tail of a command's output, and its rendering for a model. */
#include "core/tool/capture.h"

#include "core/base/err.h"
#include "core/base/utf8.h"
#include "core/tool/tool.h"

#include <stdio.h>
#include <stdlib.h>

#define ELLIPSIS        "\xe2\x80\xa6"
#define BYTES_PER_TOKEN 4

int capture_init(struct capture *c, size_t budget)
{
    *c = (struct capture){ .head = BUF_INIT(budget), .tail_max = budget };
    c->tail = budget ? malloc(budget) : NULL;
    return budget && !c->tail ? -ERR_INTERNAL : 0;
}

void capture_done(struct capture *c)
{
    buf_done(&c->head);
    free(c->tail);
    *c = (struct capture){ 0 };
}

void capture_reset(struct capture *c)
{
    buf_clear(&c->head);
    c->tail_len = c->tail_at = 0;
    c->total = c->newlines = 0;
    c->has_gap = c->ends_in_newline = false;
}

static void tail_add(struct capture *c, struct span piece)
{
    size_t room, n;

    if (piece.len > c->tail_max) {
        piece.ptr += piece.len - c->tail_max;
        piece.len = c->tail_max;
        c->has_gap = true;
    }
    while (piece.len > 0) {
        room = c->tail_max - c->tail_at;
        n = piece.len < room ? piece.len : room;
        memcpy(c->tail + c->tail_at, piece.ptr, n);
        c->tail_at = (c->tail_at + n) % c->tail_max;
        c->tail_len += n;
        piece.ptr += n;
        piece.len -= n;
    }
    if (c->tail_len > c->tail_max) {
        c->tail_len = c->tail_max;
        c->has_gap = true;
    }
}

void capture_add(struct capture *c, struct span piece, uint64_t gap)
{
    size_t room;

    if (gap > 0) {
        c->total += gap;
        c->has_gap = true;
        c->tail_len = c->tail_at = 0;
    }
    if (piece.len == 0)
        return;
    c->total += piece.len;
    for (const char *p = piece.ptr; (p = memchr(p, '\n', piece.len - (size_t) (p - piece.ptr))); p++)
        c->newlines++;
    c->ends_in_newline = piece.ptr[piece.len - 1] == '\n';
    room = c->has_gap || c->tail_len > 0 ? 0 : c->head.max - c->head.len;
    if (room > piece.len)
        room = piece.len;
    if (room > 0 && buf_add(&c->head, piece.ptr, room) < 0)
        room = 0;
    if (c->tail_max > 0 && piece.len > room)
        tail_add(c, span_make(piece.ptr + room, piece.len - room));
    else if (piece.len > room)
        c->has_gap = true;
}

/* In small letters. */
static char kept_at(const struct capture *c, size_t i)
{
    size_t at = i - c->head.len;
    char k = i < c->head.len ? c->head.data[i]
                             : c->tail[(c->tail_at + c->tail_max - c->tail_len + at) % c->tail_max];

    return k >= 'A' && k <= 'Z' ? (char) (k - 'A' + 'a') : k;
}

bool capture_has(const struct capture *c, const char *words)
{
    const size_t kept = c->head.len + c->tail_len, len = strlen(words);

    for (size_t i = 0; i + len <= kept; i++) {
        size_t same = 0;

        while (same < len && kept_at(c, i + same) == words[same])
            same++;
        if (same == len)
            return true;
    }
    return false;
}

/* A last one without newline counts. */
static uint64_t count_lines(const struct capture *c)
{
    return c->newlines + (c->total > 0 && !c->ends_in_newline);
}

/* The kept end as one valid text. */
static int tail_text(const struct capture *c, struct buf *out)
{
    size_t start = (c->tail_at + c->tail_max - c->tail_len) % (c->tail_max ? c->tail_max : 1);
    size_t first = c->tail_len < c->tail_max - start ? c->tail_len : c->tail_max - start;
    struct buf raw = BUF_INIT(c->tail_max);
    int r;

    if (c->tail_len == 0)
        return 0;
    r = buf_add(&raw, c->tail + start, first);
    if (r == 0)
        r = buf_add(&raw, c->tail, c->tail_len - first);
    if (r == 0)
        r = utf8_repair(out, buf_span(&raw));
    buf_done(&raw);
    return r;
}

static size_t tokens(uint64_t bytes)
{
    return (size_t) ((bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN);
}

/* The beginning of `head`, a marker, and the end of `tail`, within `budget` bytes; both together stand for
 * `total` bytes of output. */
static int cut_middle(struct span head, struct span tail, uint64_t total, size_t budget, struct buf *out)
{
    char marker[64];
    size_t len, left, right;

    len = (size_t) snprintf(marker, sizeof(marker), ELLIPSIS "%zu tokens truncated" ELLIPSIS, tokens(total));
    if (len >= budget)
        return buf_add(out, marker, utf8_cut(span_make(marker, len), budget));
    left = utf8_cut(head, (budget - len) / 2);
    right = budget - len - (budget - len) / 2;
    right = right < tail.len ? tail.len - utf8_next(tail, tail.len - right) : tail.len;
    snprintf(marker, sizeof(marker), ELLIPSIS "%zu tokens truncated" ELLIPSIS,
             tokens(total > left + right ? total - left - right : 0));
    if (buf_add(out, head.ptr, left) < 0 || buf_add_text(out, marker) < 0)
        return -ERR_TOO_LARGE;
    return buf_add(out, tail.ptr + tail.len - right, right);
}

/* How many lines there were is worth its bytes only when head and tail still get room beside the marker. */
static int add_line_count(const struct capture *c, size_t *budget, struct buf *out)
{
    char lines[48];
    size_t len = (size_t) snprintf(lines, sizeof(lines), "Total output lines: %llu\n\n",
                                   (unsigned long long) count_lines(c));

    if (*budget < len + 32)
        return 0;
    *budget -= len;
    return buf_add(out, lines, len);
}

int capture_render(const struct capture *c, size_t budget, struct buf *out, uint64_t *ret_tokens)
{
    struct buf whole = BUF_INIT(4 * (c->head.max + c->tail_max) + 16);
    struct span head, tail;
    uint64_t total;
    size_t head_len;
    int r = utf8_repair(&whole, buf_span(&c->head));

    head_len = whole.len;
    if (r == 0)
        r = tail_text(c, &whole);
    *ret_tokens = 0;
    if (r == 0 && !c->has_gap && whole.len <= budget) {
        r = buf_add_span(out, buf_span(&whole));
    } else if (r == 0) {
        /* across a gap head and tail are two texts, otherwise they are one */
        head = span_make(whole.data, c->has_gap ? head_len : whole.len);
        tail = c->has_gap ? span_make(whole.data + head_len, whole.len - head_len) : head;
        total = c->total > whole.len ? c->total : whole.len;
        *ret_tokens = tokens(total);
        r = add_line_count(c, &budget, out);
        if (r == 0)
            r = cut_middle(head, tail, total, budget, out);
    }
    buf_done(&whole);
    return r;
}

void capture_place(int64_t number, const char *stream, char *out, size_t size)
{
    out[0] = '\0';
    if (number > 0)
        (void) snprintf(out, size, "Full output: read_file " TOOL_OUTPUT "%lld/%s\n", (long long) number,
                        stream);
}
