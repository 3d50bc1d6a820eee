/* SPDX-License-Identifier: MIT */
#include "core/tool/patch_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SCRATCH_MAX ((size_t) 64 * 1024 * 1024)
#define EFFORT_MAX       (UINT64_C(1) << 30) /* lines; some seconds */

/* ---- lines ---- */

int patch_text_init(struct patch_text *t, struct span bytes, struct err *err)
{
    const char *end = bytes.ptr + bytes.len;
    size_t count = 0;

    *t = (struct patch_text){ .bytes = bytes };
    buf_init(&t->scratch[0], LINE_SCRATCH_MAX);
    buf_init(&t->scratch[1], LINE_SCRATCH_MAX);
    if (bytes.len >= UINT32_MAX)
        return err_set(err, ERR_TOO_LARGE, "a file that is too large to be patched");
    for (const char *at = bytes.ptr; at < end; count++) {
        const char *eol = memchr(at, '\n', (size_t) (end - at));

        at = eol ? eol + 1 : end;
    }
    t->starts = malloc((count + 1) * sizeof(*t->starts));
    if (!t->starts)
        return err_set(err, ERR_INTERNAL, "no memory for a patch");
    t->starts[0] = 0;
    for (const char *at = bytes.ptr; at < end;) {
        const char *eol = memchr(at, '\n', (size_t) (end - at));

        at = eol ? eol + 1 : end;
        t->starts[++t->count] = (uint32_t) (at - bytes.ptr);
    }
    return 0;
}

void patch_text_done(struct patch_text *t)
{
    free(t->starts);
    for (int i = 0; i < PATCH_LEVELS; i++)
        free(t->hashes[i]);
    buf_done(&t->scratch[0]);
    buf_done(&t->scratch[1]);
    *t = (struct patch_text){ 0 };
}

struct span patch_text_raw(const struct patch_text *t, size_t line)
{
    return span_make(t->bytes.ptr + t->starts[line], t->starts[line + 1] - t->starts[line]);
}

const char *patch_text_eol(const struct patch_text *t, size_t line)
{
    struct span raw = patch_text_raw(t, line);

    if (raw.len == 0 || raw.ptr[raw.len - 1] != '\n')
        return "";
    return raw.len > 1 && raw.ptr[raw.len - 2] == '\r' ? "\r\n" : "\n";
}

struct span patch_text_line(const struct patch_text *t, size_t line)
{
    struct span raw = patch_text_raw(t, line);

    raw.len -= strlen(patch_text_eol(t, line));
    return raw;
}

/* ---- what counts of a line ---- */

static bool is_blank(char c)
{
    return isspace((unsigned char) c) != 0;
}

static struct span trim(struct span s, bool both)
{
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    while (both && s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    return s;
}

/* The ASCII character that is meant by a typographic one; *ret_len bytes of it. */
static char plain(const unsigned char *p, size_t len, size_t *ret_len)
{
    *ret_len = 1;
    if (len >= 2 && p[0] == 0xC2 && p[1] == 0xA0) {
        *ret_len = 2;
        return ' ';
    }
    if (len < 3 || (p[0] != 0xE2 && p[0] != 0xE3))
        return (char) p[0];
    *ret_len = 3;
    if (p[0] == 0xE2 && p[1] == 0x80) {
        if (p[2] >= 0x90 && p[2] <= 0x95)
            return '-';
        if (p[2] >= 0x98 && p[2] <= 0x9B)
            return '\'';
        if (p[2] >= 0x9C && p[2] <= 0x9F)
            return '"';
        if (p[2] <= 0x8A || p[2] == 0xAF)
            return ' ';
    }
    if ((p[0] == 0xE2 && p[1] == 0x88 && p[2] == 0x92))
        return '-';
    if ((p[0] == 0xE2 && p[1] == 0x81 && p[2] == 0x9F) || (p[0] == 0xE3 && p[1] == 0x80 && p[2] == 0x80))
        return ' ';
    *ret_len = 1;
    return (char) p[0];
}

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char) s.ptr[i] >= 0x80)
            return false;
    return true;
}

static struct span retype(struct span s, struct buf *scratch)
{
    buf_clear(scratch);
    for (size_t i = 0, len; i < s.len; i += len)
        if (buf_add_char(scratch, plain((const unsigned char *) s.ptr + i, s.len - i, &len)) < 0)
            return s;
    return buf_span(scratch);
}

static struct span form(struct span line, enum patch_level level, struct buf *scratch)
{
    if (level == PATCH_TYPOGRAPHY && !is_ascii(line))
        line = retype(line, scratch);
    return level == PATCH_EXACT ? line : trim(line, level != PATCH_TRAILING);
}

static bool same(struct patch_text *t, struct span a, struct span b, enum patch_level level)
{
    return span_equal(form(a, level, &t->scratch[0]), form(b, level, &t->scratch[1]));
}

static uint32_t hash(struct span s)
{
    const uint64_t k = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t value = k ^ s.len, word;
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8) {
        memcpy(&word, s.ptr + i, 8);
        value = (value ^ word) * k;
        value ^= value >> 29;
    }
    word = 0;
    if (i < s.len)
        memcpy(&word, s.ptr + i, s.len - i);
    value = (value ^ word) * k;
    return (uint32_t) (value ^ value >> 32);
}

static uint32_t hash_at(struct patch_text *t, struct span line, enum patch_level level)
{
    return hash(form(line, level, &t->scratch[0]));
}

static const uint32_t *hashes_of(struct patch_text *t, enum patch_level level)
{
    uint32_t *list = t->hashes[level];

    if (list)
        return list;
    list = t->hashes[level] = malloc((t->count + 1) * sizeof(*list));
    for (size_t i = 0; list && i < t->count; i++)
        list[i] = hash_at(t, patch_text_line(t, i), level);
    return list;
}

/* ---- searching ---- */

bool patch_text_is_at(struct patch_text *t, const struct span *lines, size_t count, size_t at,
                      enum patch_level level)
{
    if (at > t->count || count > t->count - at)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!same(t, lines[i], patch_text_line(t, at + i), level))
            return false;
    return true;
}

/* For each line of the pattern: how many of its first lines end there too (Knuth, Morris, Pratt). */
static void borders(const uint32_t *pattern, size_t count, size_t *ret)
{
    size_t k = 0;

    ret[0] = 0;
    for (size_t i = 1; i < count; i++) {
        while (k > 0 && pattern[i] != pattern[k])
            k = ret[k - 1];
        if (pattern[i] == pattern[k])
            k++;
        ret[i] = k;
    }
}

struct needle {
    const struct span *lines;
    uint32_t *hashes;
    size_t *borders;
    size_t count;
};

/* By the hashes; what they find is looked at. */
static int64_t search(struct patch_text *t, const struct needle *n, size_t from, enum patch_level level)
{
    const uint32_t *hay = hashes_of(t, level);
    size_t k = 0;

    if (!hay || t->effort > EFFORT_MAX)
        return PATCH_GIVEN_UP;
    for (size_t i = from; i < t->count; i++) {
        while (k > 0 && hay[i] != n->hashes[k])
            k = n->borders[k - 1];
        if (hay[i] == n->hashes[k])
            k++;
        t->effort++;
        if (k < n->count)
            continue;
        if (patch_text_is_at(t, n->lines, n->count, i + 1 - k, level))
            return (int64_t) (i + 1 - k);
        t->effort += k;
        k = n->borders[k - 1];
    }
    return PATCH_NOWHERE;
}

int64_t patch_text_seek(struct patch_text *t, const struct span *lines, size_t count, size_t from,
                        enum patch_level level)
{
    struct needle n = { .lines = lines, .count = count };
    int64_t at = PATCH_GIVEN_UP;

    if (from > t->count || count > t->count - from)
        return PATCH_NOWHERE;
    if (count == 0)
        return (int64_t) from;
    n.hashes = malloc(count * sizeof(*n.hashes));
    n.borders = malloc(count * sizeof(*n.borders));
    if (n.hashes && n.borders) {
        for (size_t i = 0; i < count; i++)
            n.hashes[i] = hash_at(t, lines[i], level);
        borders(n.hashes, count, n.borders);
        at = search(t, &n, from, level);
    }
    free(n.hashes);
    free(n.borders);
    return at;
}

/* ---- the nearest ---- */

#define NEAREST_LINES 64 /* of the pattern that are looked for */

/* Every line of the file that is one of the pattern's speaks for one place; empty ones are everywhere. */
static void vote(struct patch_text *t, const uint32_t *wanted, size_t count, uint16_t *votes)
{
    const uint32_t *hay = hashes_of(t, PATCH_TYPOGRAPHY);
    const uint32_t empty = hash(span_make("", 0));

    for (size_t i = 0; hay && i < t->count; i++)
        for (size_t k = 0; k < count && hay[i] != empty; k++)
            if (hay[i] == wanted[k]) {
                if (i >= k && votes[i - k] < UINT16_MAX)
                    votes[i - k]++;
                break;
            }
}

int64_t patch_text_nearest(struct patch_text *t, const struct span *lines, size_t count, size_t *ret_same)
{
    uint32_t wanted[NEAREST_LINES];
    uint16_t *votes = calloc(t->count + 1, sizeof(*votes));
    int64_t best = PATCH_NOWHERE;

    *ret_same = 0;
    if (count > NEAREST_LINES)
        count = NEAREST_LINES;
    for (size_t i = 0; i < count; i++)
        wanted[i] = hash_at(t, lines[i], PATCH_TYPOGRAPHY);
    if (votes)
        vote(t, wanted, count, votes);
    for (size_t i = 0; votes && i < t->count; i++)
        if (votes[i] > *ret_same) {
            *ret_same = votes[i];
            best = (int64_t) i;
        }
    free(votes);
    return best;
}
