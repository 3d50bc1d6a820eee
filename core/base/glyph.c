/* SPDX-License-Identifier: MIT */
/* Characters for terminals. */
#include "core/base/glyph.h"

#include "core/base/utf8.h"

uint32_t glyph_next(struct span s, size_t *ret_len)
{
    static const uint8_t mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint8_t lead = (uint8_t) s.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t c;

    *ret_len = 1;
    if (len > s.len || utf8_valid(span_make(s.ptr, len)) != len)
        return 0xfffd;
    c = lead & mask[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((uint8_t) s.ptr[i] & 0x3f);
    *ret_len = len;
    return c;
}

bool glyph_is_unsafe(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        { 0x00, 0x1f },                           /* C0 */
        { 0x7f, 0x9f },                           /* DEL, C1 */
        { 0xad, 0xad },                           /* soft hyphen */
        { 0x034f, 0x034f },                       /* grapheme joiner */
        { 0x061c, 0x061c },                       /* Arabic letter mark */
        { 0x115f, 0x1160 },                       /* Hangul fillers, also below */
        { 0x180b, 0x180f },                       /* Mongolian selectors and vowel separator */
        { 0x200b, 0x200f },                       /* no width, marks of direction */
        { 0x2028, 0x202e },                       /* line and paragraph separator, embeddings, overrides */
        { 0x2060, 0x206f },                       /* word joiner, invisible operators, isolates */
        { 0x3164, 0x3164 },   { 0xfeff, 0xfeff }, /* byte order mark */
        { 0xffa0, 0xffa0 },   { 0xfff9, 0xfffb }, /* interlinear annotation */
        { 0x1d173, 0x1d17a },                     /* musical formatting */
        { 0xe0000, 0xe0fff },                     /* tags and other text that nobody sees */
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (c <= ranges[i].last)
            return c >= ranges[i].first;
    return false;
}

int glyph_width(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        int width;
    } blocks[] = {
        { 0x0300, 0x036f, 0 },   { 0x0591, 0x05bd, 0 },   { 0x064b, 0x065f, 0 },   { 0x1100, 0x115f, 2 },
        { 0x1ab0, 0x1aff, 0 },   { 0x1dc0, 0x1dff, 0 },   { 0x200b, 0x200d, 0 },   { 0x20d0, 0x20ff, 0 },
        { 0x231a, 0x231b, 2 },   { 0x23e9, 0x23ec, 2 },   { 0x2e80, 0x303e, 2 },   { 0x3041, 0x33ff, 2 },
        { 0x3400, 0x4dbf, 2 },   { 0x4e00, 0x9fff, 2 },   { 0xa000, 0xa4cf, 2 },   { 0xac00, 0xd7a3, 2 },
        { 0xf900, 0xfaff, 2 },   { 0xfe00, 0xfe0f, 0 },   { 0xfe20, 0xfe2f, 0 },   { 0xfe30, 0xfe6f, 2 },
        { 0xff00, 0xff60, 2 },   { 0xffe0, 0xffe6, 2 },   { 0x1f300, 0x1f64f, 2 }, { 0x1f680, 0x1f6ff, 2 },
        { 0x1f900, 0x1f9ff, 2 }, { 0x20000, 0x3fffd, 2 },
    };

    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        if (c >= blocks[i].first && c <= blocks[i].last)
            return blocks[i].width;
    return 1;
}
