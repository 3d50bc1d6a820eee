/* SPDX-License-Identifier: MIT */
/* UTF-8 from outside, after table 3-7 of the Unicode standard. */
#include "core/base/utf8.h"

#include <stdint.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/* What a lead byte asks for: length of the form, and the range of the second byte. */
static unsigned char form_of(unsigned char lead, unsigned char *min, unsigned char *max)
{
    *min = 0x80;
    *max = 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF) {
        *min = lead == 0xE0 ? 0xA0 : 0x80;
        *max = lead == 0xED ? 0x9F : 0xBF;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        *min = lead == 0xF0 ? 0x90 : 0x80;
        *max = lead == 0xF4 ? 0x8F : 0xBF;
        return 4;
    }
    return 0;
}

size_t utf8_step(struct span s, bool *ret_is_valid)
{
    const unsigned char *p = (const unsigned char *) s.ptr;
    unsigned char min, max, len;
    size_t n = 1;

    *ret_is_valid = false;
    if (s.len == 0)
        return 0;
    len = form_of(p[0], &min, &max);
    for (; n < len && n < s.len && p[n] >= min && p[n] <= max; n++) {
        min = 0x80;
        max = 0xBF;
    }
    *ret_is_valid = n == len;
    return n;
}

/* Bytes from the start that are ASCII, eight at a time. */
static size_t ascii_run(struct span s)
{
    uint64_t word;
    size_t n = 0;

    for (; s.len - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, s.ptr + n, sizeof(word));
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (n < s.len && (unsigned char) s.ptr[n] < 0x80)
        n++;
    return n;
}

size_t utf8_valid(struct span s)
{
    bool is_valid = true;
    size_t n = 0;

    while (n < s.len) {
        struct span rest = span_make(s.ptr + n, s.len - n);
        size_t step = ascii_run(rest);

        if (step == 0)
            step = utf8_step(rest, &is_valid);
        if (!is_valid)
            break;
        n += step;
    }
    return n;
}

int utf8_repair(struct buf *out, struct span s)
{
    size_t before = out->len;
    int r = 0;

    while (s.len > 0 && r == 0) {
        size_t good = utf8_valid(s);
        bool is_valid;

        r = buf_add(out, s.ptr, good);
        s = span_make(s.ptr + good, s.len - good);
        if (r < 0 || s.len == 0)
            break;
        r = buf_add_text(out, REPLACEMENT);
        good = utf8_step(s, &is_valid);
        s = span_make(s.ptr + good, s.len - good);
    }
    if (r < 0 && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return r;
}

/* Where the sequence that covers s[at] begins, if it is a valid one that ends behind `at`. */
static size_t sequence_start(struct span s, size_t at)
{
    for (size_t back = 1; back <= 3 && back <= at; back++) {
        size_t start = at - back;
        bool is_valid;

        if (((unsigned char) s.ptr[start] & 0xC0) == 0x80)
            continue;
        if (utf8_step(span_make(s.ptr + start, s.len - start), &is_valid) > back && is_valid)
            return start;
        break;
    }
    return at;
}

size_t utf8_cut(struct span s, size_t max)
{
    return s.len <= max ? s.len : sequence_start(s, max);
}

size_t utf8_next(struct span s, size_t from)
{
    size_t start;
    bool is_valid;

    if (from >= s.len)
        return s.len;
    start = sequence_start(s, from);
    if (start == from)
        return from;
    return start + utf8_step(span_make(s.ptr + start, s.len - start), &is_valid);
}
