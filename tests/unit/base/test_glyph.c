/* SPDX-License-Identifier: MIT */
/* Characters and what a terminal makes of them. */
#include "tests/unit/unit.h"

#include "core/base/glyph.h"

static void next(const char *text, size_t len, uint32_t want, size_t want_len)
{
    size_t got = 0;

    assert_int_equal(glyph_next(span_make(text, len), &got), want);
    assert_int_equal(got, want_len);
}

static void test_next(void **state)
{
    next("a", 1, 'a', 1);
    next("\0", 1, 0, 1);
    next("\xc3\xbcx", 3, 0xfc, 2);
    next("\xe6\xbc\xa2", 3, 0x6f22, 3);
    next("\xf0\x9f\x98\x80", 4, 0x1f600, 4);
}

static void test_what_is_no_utf8_comes_byte_by_byte(void **state)
{
    next("\xe6\xbc", 2, 0xfffd, 1);
    next("\xff", 1, 0xfffd, 1);
    next("\xc0\xaf", 2, 0xfffd, 1);
    next("\xed\xa0\x80", 3, 0xfffd, 1);
}

static void test_unsafe(void **state)
{
    static const uint32_t unsafe[] = { 0,       0x1b,    '\n',    0x7f,    0x9b,   0x61c,  0x200e,
                                       0x2028,  0x202e,  0x2066,  0x2069,  0xfeff, 0xad,   0x34f,
                                       0x180e,  0x200b,  0x200d,  0x2060,  0x206f, 0xfff9, 0xfffb,
                                       0x1d173, 0xe0001, 0xe0041, 0xe007f, 0xe01ef };
    static const uint32_t safe[] = { ' ',    '~',    0xa0,    0xac,    0xae,    0xfc,
                                     0x200a, 0x2010, 0x2027,  0x202f,  0x205f,  0x2070,
                                     0xfe0f, 0xfffd, 0x1f600, 0xdffff, 0xf0000, 0x10ffff };

    for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
        assert_true(glyph_is_unsafe(unsafe[i]));
    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++)
        assert_false(glyph_is_unsafe(safe[i]));
}

static void test_width(void **state)
{
    assert_int_equal(glyph_width('a'), 1);
    assert_int_equal(glyph_width(0xfc), 1);
    assert_int_equal(glyph_width(0x301), 0);   /* combining accent */
    assert_int_equal(glyph_width(0x6f22), 2);  /* Chinese */
    assert_int_equal(glyph_width(0xac00), 2);  /* Korean */
    assert_int_equal(glyph_width(0x1f600), 2); /* emoji */
    assert_int_equal(glyph_width(0xfffd), 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_next),
    cmocka_unit_test(test_what_is_no_utf8_comes_byte_by_byte),
    cmocka_unit_test(test_unsafe),
    cmocka_unit_test(test_width),
};

UNIT_MAIN(tests)
