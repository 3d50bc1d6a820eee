/* SPDX-License-Identifier: MIT */
/*
 * The property of patches: a random file, random edits, our own diff of both as a patch, applied to the
 * first, gives the second. Whatever `data` leaves open comes from numbers that follow from it and from
 * `seed`.
 */
#ifndef TESTS_PATCH_EDIT_H
#define TESTS_PATCH_EDIT_H

#include "core/base/textdiff.h"
#include "core/tool/patch.h"

#include <stdint.h>

struct dice {
    const uint8_t *data;
    size_t size;
    uint64_t state;
};

static inline uint32_t dice_roll(struct dice *d, uint32_t sides)
{
    if (d->size > 0) {
        d->size--;
        d->state = d->state * 31 + d->data[d->size];
        return d->data[d->size] % sides;
    }
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (uint32_t) (d->state >> 33) % sides;
}

static const char *const patch_edit_words[] = { "",
                                                "a",
                                                "b",
                                                " a",
                                                "a ",
                                                "\ta",
                                                "}",
                                                "-",
                                                "+ x",
                                                "--- a",
                                                "+++ b",
                                                "@@ -1 +1 @@",
                                                "@@",
                                                "*** End Patch",
                                                "*** Update File: f",
                                                "*** End of File",
                                                "\\ No newline at end of file",
                                                "x\ry",
                                                "\xff\xfe",
                                                "na\xc3\xafve",
                                                "\xe2\x80\x93",
                                                "a\xe2\x80\xa8z",
                                                "<<EOF",
                                                "\f" };

struct document {
    uint8_t words[512];
    size_t count;
};

static inline uint8_t dice_word(struct dice *d)
{
    return (uint8_t) dice_roll(d, sizeof(patch_edit_words) / sizeof(patch_edit_words[0]));
}

static inline void document_roll(struct dice *d, struct document *doc)
{
    doc->count = dice_roll(d, 60);
    for (size_t i = 0; i < doc->count; i++)
        doc->words[i] = dice_word(d);
}

static inline void document_edit(struct dice *d, const struct document *from, struct document *to)
{
    uint32_t calm = 2 + dice_roll(d, 20);

    to->count = 0;
    for (size_t i = 0; i <= from->count && to->count + 2 < sizeof(to->words); i++) {
        uint32_t what = dice_roll(d, calm);

        if (what == 0)
            to->words[to->count++] = dice_word(d);
        if (i < from->count && what != 1)
            to->words[to->count++] = from->words[i];
    }
}

static inline int document_write(const struct document *doc, const char *eol, bool is_open, struct buf *out)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < doc->count; i++) {
        r = buf_add_text(out, patch_edit_words[doc->words[i]]);
        if (r == 0 && !(is_open && i + 1 == doc->count))
            r = buf_add_text(out, eol);
    }
    return r;
}

/* 0: it holds. */
static inline int patch_edit_apply(struct span before, struct span after, int context, struct buf *text,
                                   struct buf *out)
{
    struct textdiff_counts counts;
    struct patch_effect effect;
    struct patch patch;
    int r;

    patch_init(&patch);
    r = buf_add_text(text, "*** Begin Patch\n*** Update File: f\n");
    if (r == 0)
        r = textdiff(before, after, context, text, &counts, NULL);
    if (r == 0)
        r = buf_add_text(text, "*** End Patch\n");
    if (r == 0)
        r = patch_parse(&patch, buf_span(text), NULL);
    if (r == 0)
        r = patch_apply(&patch.ops[0], before, out, &effect, NULL);
    if (r == 0 && (!span_equal(buf_span(out), after) || effect.added != counts.added ||
                   effect.removed != counts.removed))
        r = 1;
    patch_done(&patch);
    return r;
}

static inline int patch_edit_check(const uint8_t *data, size_t size, uint64_t seed)
{
    struct dice d = { data, size, seed * UINT64_C(0x9E3779B97F4A7C15) + 1 };
    struct buf before = BUF_INIT(1 << 16), after = BUF_INIT(1 << 16), text = BUF_INIT(1 << 20),
               out = BUF_INIT(1 << 20);
    struct document a, b;
    const char *eol = dice_roll(&d, 4) ? "\n" : "\r\n";
    int r;

    document_roll(&d, &a);
    document_edit(&d, &a, &b);
    r = document_write(&a, eol, dice_roll(&d, 5) == 0, &before);
    if (r == 0)
        r = document_write(&b, eol, false, &after);
    if (r == 0 && !span_equal(buf_span(&before), buf_span(&after)))
        r = patch_edit_apply(buf_span(&before), buf_span(&after), (int) dice_roll(&d, 4), &text, &out);
    buf_done(&before);
    buf_done(&after);
    buf_done(&text);
    buf_done(&out);
    return r;
}

#endif
