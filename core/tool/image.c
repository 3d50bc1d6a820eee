/* SPDX-License-Identifier: MIT */
#include "core/tool/image.h"

#include <ctype.h>
#include <stddef.h>

static uint32_t number(struct span b, size_t at, size_t bytes, bool is_big)
{
    uint32_t value = 0;

    if (at > b.len || bytes > b.len - at)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char) b.ptr[is_big ? at + i : at + bytes - 1 - i];
    return value;
}

static bool is_there(struct span b, size_t at, const char *mark, size_t len)
{
    return at <= b.len && len <= b.len - at && memcmp(b.ptr + at, mark, len) == 0;
}

static bool png(struct span b, struct image_info *ret)
{
    if (!is_there(b, 0, "\x89PNG\r\n\x1a\n", 8) || !is_there(b, 12, "IHDR", 4))
        return false;
    ret->width = number(b, 16, 4, true);
    ret->height = number(b, 20, 4, true);
    return ret->width && ret->height;
}

static bool gif(struct span b, struct image_info *ret)
{
    if (!is_there(b, 0, "GIF87a", 6) && !is_there(b, 0, "GIF89a", 6))
        return false;
    ret->width = number(b, 6, 2, false);
    ret->height = number(b, 8, 2, false);
    return ret->width && ret->height;
}

static bool bmp(struct span b, struct image_info *ret)
{
    uint32_t head = number(b, 14, 4, false);
    int32_t height = (int32_t) number(b, 22, 4, false);

    if (!is_there(b, 0, "BM", 2) || head < 12 || head > 256)
        return false;
    ret->width = head == 12 ? number(b, 18, 2, false) : number(b, 18, 4, false);
    ret->height = head == 12 ? number(b, 20, 2, false) : (uint32_t) (height < 0 ? -(int64_t) height : height);
    return ret->width && ret->height;
}

static bool tiff(struct span b, struct image_info *ret)
{
    (void) ret; /* its size is somewhere in the file */
    return b.len > 8 && (is_there(b, 0, "II*\0", 4) || is_there(b, 0, "MM\0*", 4));
}

static bool webp(struct span b, struct image_info *ret)
{
    uint32_t bits;

    if (!is_there(b, 0, "RIFF", 4) || !is_there(b, 8, "WEBP", 4) || b.len < 30)
        return false;
    bits = number(b, 21, 4, false);
    if (is_there(b, 12, "VP8 ", 4)) {
        ret->width = number(b, 26, 2, false) & 0x3FFF;
        ret->height = number(b, 28, 2, false) & 0x3FFF;
    } else if (is_there(b, 12, "VP8L", 4)) {
        ret->width = (bits & 0x3FFF) + 1;
        ret->height = (bits >> 14 & 0x3FFF) + 1;
    } else if (is_there(b, 12, "VP8X", 4)) {
        ret->width = number(b, 24, 3, false) + 1;
        ret->height = number(b, 27, 3, false) + 1;
    }
    return ret->width && ret->height;
}

/* The frame header stands behind any number of segments. */
static bool jpeg(struct span b, struct image_info *ret)
{
    size_t at = 2;

    if (!is_there(b, 0, "\xff\xd8\xff", 3))
        return false;
    while (at + 9 < b.len && (unsigned char) b.ptr[at] == 0xFF) {
        unsigned char kind = (unsigned char) b.ptr[at + 1];
        uint32_t len = number(b, at + 2, 2, true);

        if (kind == 0xFF) { /* filling */
            at++;
            continue;
        }
        if (kind >= 0xC0 && kind <= 0xCF && kind != 0xC4 && kind != 0xC8 && kind != 0xCC) {
            ret->height = number(b, at + 5, 2, true);
            ret->width = number(b, at + 7, 2, true);
            return ret->width > 0;
        }
        if (kind == 0xDA || len < 2)
            return false;
        at += 2 + len;
    }
    return false;
}

static bool skip_to(struct span *b, const char *mark)
{
    const char *found = memmem(b->ptr, b->len, mark, strlen(mark));

    if (!found)
        return false;
    found += strlen(mark);
    *b = span_make(found, (size_t) (b->ptr + b->len - found));
    return true;
}

/* Text whose first element is <svg>. */
static bool svg(struct span b, struct image_info *ret)
{
    ret->is_text = true;
    if (is_there(b, 0, "\xef\xbb\xbf", 3))
        b = span_make(b.ptr + 3, b.len - 3);
    for (;;) {
        while (b.len > 0 && isspace((unsigned char) b.ptr[0]))
            b = span_make(b.ptr + 1, b.len - 1);
        if (is_there(b, 0, "<svg", 4))
            return b.len > 4 && (isspace((unsigned char) b.ptr[4]) || memchr("/>", b.ptr[4], 2));
        if (is_there(b, 0, "<!--", 4)        ? !skip_to(&b, "-->")
            : is_there(b, 0, "<?", 2)        ? !skip_to(&b, "?>")
            : is_there(b, 0, "<!DOCTYPE", 9) ? !skip_to(&b, ">")
                                             : true)
            return false;
    }
}

bool image_inspect(struct span bytes, struct image_info *ret)
{
    static const struct {
        const char *type, *name;
        bool (*is)(struct span b, struct image_info *ret);
    } kinds[] = {
        { "image/png", "PNG", png },     { "image/jpeg", "JPEG", jpeg }, { "image/gif", "GIF", gif },
        { "image/webp", "WebP", webp },  { "image/bmp", "BMP", bmp },    { "image/tiff", "TIFF", tiff },
        { "image/svg+xml", "SVG", svg },
    };

    for (size_t i = 0; bytes.len > 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        *ret = (struct image_info){ .type = kinds[i].type, .name = kinds[i].name };
        if (kinds[i].is(bytes, ret))
            return true;
    }
    *ret = (struct image_info){ 0 };
    return false;
}
