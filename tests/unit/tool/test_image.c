/* SPDX-License-Identifier: MIT */
/* Images by their first bytes. */
#include "tests/unit/unit.h"

#include "core/tool/image.h"

#define BYTES(text) span_make(text, sizeof(text) - 1)

static void expect(struct span bytes, const char *type, uint32_t width, uint32_t height)
{
    struct image_info info;

    assert_true(image_inspect(bytes, &info));
    assert_string_equal(info.type, type);
    assert_int_equal(info.width, width);
    assert_int_equal(info.height, height);
    if (width > 0) /* what is cut off is none */
        for (size_t len = 0; len < 9; len++)
            assert_false(image_inspect(span_make(bytes.ptr, len), &info));
}

static void test_each_kind(void **state)
{
    (void) state;
    expect(BYTES("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\1\2\0\0\0\3"), "image/png", 258, 3);
    expect(BYTES("GIF89a\2\0\3\0"), "image/gif", 2, 3);
    expect(BYTES("\xff\xd8\xff\xe0\0\4ab\xff\xff\xc0\0\x11\x08\0\5\0\6\3"), "image/jpeg", 6, 5);
    expect(BYTES("BM____\0\0\0\0____\x28\0\0\0\4\0\0\0\xfb\xff\xff\xff"), "image/bmp", 4, 5);
    expect(BYTES("BM____\0\0\0\0____\x0c\0\0\0\4\0\5\0____"), "image/bmp", 4, 5);
    expect(BYTES("RIFF____WEBPVP8X____\0\0\0\0\1\0\0\2\0\0"), "image/webp", 2, 3);
    expect(BYTES("RIFF____WEBPVP8L____\x2f\1\x80\0\0_____"), "image/webp", 2, 3);
    expect(BYTES("RIFF____WEBPVP8 ____\0\0\0\x9d\x01\x2a\2\0\3\0"), "image/webp", 2, 3);
    expect(BYTES("II*\0\x08\0\0\0\0\0"), "image/tiff", 0, 0);
    expect(BYTES("MM\0*\0\0\0\x08\0\0"), "image/tiff", 0, 0);
    expect(BYTES("\xef\xbb\xbf <?xml version='1.0'?>\n<!-- a -->\n<!DOCTYPE svg>\n<svg width='1'>"),
           "image/svg+xml", 0, 0);
    expect(BYTES("<svg/>"), "image/svg+xml", 0, 0);
}

static void test_what_is_none(void **state)
{
    static const struct span none[] = {
        { "hello", 5 },
        { "", 0 },
        { "<svgx>", 6 },
        { "<html><svg>", 11 },
        { "<!-- <svg>", 10 },
        { "BM is text", 10 },
        { "GIF89a\0\0\3\0", 10 },
        { "\xff\xd8\xff\xda\0\2........", 14 },
        { "RIFF____WAVEfmt ______________", 30 },
    };
    struct image_info info;

    (void) state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_false(image_inspect(none[i], &info));
        assert_null(info.type);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_each_kind),
    cmocka_unit_test(test_what_is_none),
};

UNIT_MAIN(tests)
