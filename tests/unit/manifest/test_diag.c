/* SPDX-License-Identifier: MIT */
#include "manifest/diag.h"
#include "tests/unit/unit.h"

static struct diags diags;

static int set_up(void **state)
{
    diags_init(&diags);
    return 0;
}

static int tear_down(void **state)
{
    diags_done(&diags);
    return 0;
}

static struct tree_pos pos(uint32_t line, uint32_t column)
{
    return (struct tree_pos){ line, column };
}

static void assert_shown(const char *text)
{
    struct buf out = BUF_INIT(1024 * 1024);

    diags_render(&diags, &out);
    assert_string_equal(buf_text(&out), text);
    buf_done(&out);
}

static void sorted_with_line_caret_and_hint(void **state)
{
    assert_int_equal(0, diags_source(&diags, "m.yaml", span_of("a: 1\nbb: 2\n")));
    diags_add(&diags, pos(2, 5), "bb", NULL, "second %d", 2);
    diags_add(&diags, pos(1, 1), "a", "do this", "first");
    diags_add(&diags, pos(0, 0), NULL, NULL, "the file");
    assert_shown("m.yaml: error: the file\n"
                 "m.yaml:1:1: error: first\n"
                 "    1 | a: 1\n"
                 "      | ^\n"
                 "      = do this\n"
                 "m.yaml:2:5: error: second 2\n"
                 "    2 | bb: 2\n"
                 "      |     ^\n");
}

static void the_same_twice_is_once(void **state)
{
    assert_int_equal(0, diags_source(&diags, "m", span_of("a")));
    diags_add(&diags, pos(1, 1), NULL, NULL, "x");
    diags_add(&diags, pos(1, 1), NULL, NULL, "x");
    diags_add(&diags, pos(1, 1), NULL, NULL, "y");
    assert_int_equal(2, diags.count);
}

static void no_more_than_the_maximum(void **state)
{
    for (int i = 0; i < DIAG_MAX + 7; i++)
        diags_add(&diags, pos(0, 0), NULL, NULL, "problem %d", i);
    assert_int_equal(DIAG_MAX, diags.count);
    assert_int_equal(7, diags.dropped);
    assert_true(diags_is_full(&diags));
}

static void origins_name_what_is_not_in_the_file(void **state)
{
    static const char *const names[] = { "--set a", "-p b" };

    diags_origin(&diags, names, 2);
    diags_add(&diags, pos(0, 2), NULL, NULL, "bad");
    diags_add(&diags, pos(0, 3), NULL, NULL, "of nothing");
    assert_shown("-p b: error: bad\nmanifest: error: of nothing\n");
}

static void a_caret_behind_the_end(void **state)
{
    assert_int_equal(0, diags_source(&diags, "m", span_of("ab\n")));
    diags_add(&diags, pos(1, 9), NULL, NULL, "x");
    diags_add(&diags, pos(2, 1), NULL, NULL, "y");
    diags_add(&diags, pos(7, 1), NULL, NULL, "z");
    assert_shown("m:1:3: error: x\n    1 | ab\n      |   ^\n"
                 "m:2:1: error: y\n    2 | \n      | ^\n"
                 "m: error: z\n");
}

static void wide_combining_and_tabs(void **state)
{
    /* two wide characters, e with a combining acute, a tab */
    assert_int_equal(0, diags_source(&diags, "m",
                                     span_of("\xe6\x97\xa5\xe6\x9c\xac"
                                             "e\xcc\x81\tx")));
    diags_add(&diags, pos(1, 11), NULL, NULL, "x");
    assert_shown("m:1:6: error: x\n    1 | \xe6\x97\xa5\xe6\x9c\xac"
                 "e\xcc\x81\tx\n      |      \t^\n");
}

static void nothing_reaches_the_terminal_as_a_command(void **state)
{
    assert_int_equal(0, diags_source(&diags, "m\x1b[31m",
                                     span_of("a\x1b[2J\xff\xe2\x80\xae"
                                             "b")));
    diags_add(&diags, pos(1, 1), NULL, "\x07", "\x1b]0;x");
    assert_shown("m\xef\xbf\xbd[31m:1:1: error: \xef\xbf\xbd]0;x\n"
                 "    1 | a\xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd"
                 "b\n      | ^\n"
                 "      = \xef\xbf\xbd\n");
}

static void long_lines_are_cut_around_the_caret(void **state)
{
    char line[1001];
    struct buf out = BUF_INIT(4096);

    memset(line, 'x', 1000);
    line[1000] = '\0';
    line[500] = 'Y';
    assert_int_equal(0, diags_source(&diags, "m", span_of(line)));
    diags_add(&diags, pos(1, 501), NULL, NULL, "here");
    diags_render(&diags, &out);
    assert_non_null(strstr(buf_text(&out), "    1 | ...xxx"));
    assert_non_null(strstr(buf_text(&out), "xxxYxxx"));
    assert_non_null(strstr(buf_text(&out), "xxx...\n"));
    /* 8 in front, 3 dots, half the width */
    assert_int_equal(strlen("      | ") + 3 + DIAG_WIDTH / 2,
                     strchr(strrchr(buf_text(&out), '|'), '^') - strrchr(buf_text(&out), '|') + 6);
    buf_done(&out);
}

static void hidden_lines_stay_hidden(void **state)
{
    struct buf out = BUF_INIT(4096);
    struct json_writer w;
    struct err err;

    assert_int_equal(0, diags_source(&diags, "m", span_of("api_key: sk-not-a-real-key\n")));
    diags_hide(&diags, 1);
    diags_add(&diags, pos(1, 10), "model.api_key", "h", "no");
    assert_shown("m:1:10: error: no\n      = h\n");
    json_begin(&w, &out);
    diags_json(&diags, &w);
    assert_int_equal(0, json_end(&w, &err));
    assert_string_equal(buf_text(&out),
                        "[{\"file\":\"m\",\"line\":1,\"column\":10,\"path\":\"model.api_key\","
                        "\"message\":\"no\",\"hint\":\"h\",\"source\":null}]");
    buf_done(&out);
}

static void as_data(void **state)
{
    struct buf out = BUF_INIT(4096);
    struct json_writer w;
    struct err err;

    assert_int_equal(0, diags_source(&diags, "m", span_of("\xc3\xa4 b\n")));
    diags_add(&diags, pos(1, 4), "x.y", NULL, "no '%s'", "b");
    json_begin(&w, &out);
    diags_json(&diags, &w);
    assert_int_equal(0, json_end(&w, &err));
    assert_string_equal(buf_text(&out),
                        "[{\"file\":\"m\",\"line\":1,\"column\":3,\"path\":\"x.y\",\"message\":\"no 'b'\","
                        "\"hint\":null,\"source\":\"\xc3\xa4 b\"}]");
    buf_done(&out);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    TEST(sorted_with_line_caret_and_hint),
    TEST(the_same_twice_is_once),
    TEST(no_more_than_the_maximum),
    TEST(origins_name_what_is_not_in_the_file),
    TEST(a_caret_behind_the_end),
    TEST(wide_combining_and_tabs),
    TEST(nothing_reaches_the_terminal_as_a_command),
    TEST(long_lines_are_cut_around_the_caret),
    TEST(hidden_lines_stay_hidden),
    TEST(as_data),
};

UNIT_MAIN(tests)
