/* SPDX-License-Identifier: MIT */
#include "core/base/buf.h"
#include "manifest/skill.h"
#include "tests/unit/unit.h"

static void test_front_matter_and_text(void **state)
{
    static const struct {
        const char *bytes, *name, *description, *text;
    } cases[] = {
        { "---\nname: a\ndescription: what\n---\nbody\n", "a", "what", "body\n" },
        { "\xef\xbb\xbf---  \r\nname: a-1\r\ndescription: x\r\n---\r\n\r\n# T\r\n", "a-1", "x", "# T\r\n" },
        { "---\ndescription: >\n  one\n\n  two \xe2\x80\xae\nname: 'b'\nother: {x: [1]}\n...\n", "b",
          "one two", "" },
        { "---\nname: a\ndescription: d\n---\n---\nno more\n---\n", "a", "d", "---\nno more\n---\n" },
    };
    struct arena arena = ARENA_INIT(16 * 1024 * 1024);
    struct skill_problem why;
    struct skill_file file;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(skill_parse(span_of(cases[i].bytes), &arena, &file, &why));
        assert_string_equal(file.name, cases[i].name);
        assert_string_equal(file.description, cases[i].description);
        assert_string_equal(file.text, cases[i].text);
    }
    arena_done(&arena);
}

static void test_what_is_wrong_and_where(void **state)
{
    static const struct {
        const char *bytes;
        uint32_t line, column;
        const char *words;
    } cases[] = {
        { "", 1, 1, "does not begin with front matter" },
        { "# Title\n", 1, 1, "does not begin with front matter" },
        { "---\nname: a\n", 1, 1, "has no end" },
        { "---\nname: a\n---\n", 1, 1, "has no 'description'" },
        { "---\n---\n", 2, 1, "must be keys and values" },
        { "---\n- a\n---\n", 2, 1, "must be keys and values" },
        { "---\nname: a\ndescription: b: c\n---\n", 3, 15, "" },
        { "---\nname: a\nname: b\ndescription: c\n---\n", 3, 1, "'name'" },
        { "---\nname: !!str a\ndescription: b\n---\n", 2, 7, "tag" },
        { "---\nname: Name\ndescription: b\n---\n", 2, 7, "'Name' is no name of a skill" },
        { "---\nname: a-\ndescription: b\n---\n", 2, 7, "is no name of a skill" },
        { "---\nname: 12\ndescription: b\n---\n", 2, 7, "'name' must be text" },
        { "---\nname: a\ndescription: \"\\u200b\"\n---\n", 3, 14, "'description' is empty" },
        { "---\nname: a\ndescription: b\n---\n\xff", 1, 1, "not UTF-8" },
    };
    struct arena arena = ARENA_INIT(16 * 1024 * 1024);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct skill_problem why = { 0 };
        struct skill_file file;

        assert_false(skill_parse(span_of(cases[i].bytes), &arena, &file, &why));
        assert_non_null(strstr(why.message, cases[i].words));
        assert_int_equal(why.pos.line, cases[i].line);
        assert_int_equal(why.pos.column, cases[i].column);
    }
    arena_done(&arena);
}

static void test_sizes(void **state)
{
    struct arena arena = ARENA_INIT(64 * 1024 * 1024);
    struct buf bytes = BUF_INIT(SKILL_FILE_MAX + 1);
    struct skill_problem why = { 0 };
    struct skill_file file;

    assert_int_equal(buf_add_text(&bytes, "---\nname: a\ndescription: b\n---\n"), 0);
    for (size_t i = 0; i < SKILL_TEXT_MAX; i++)
        assert_int_equal(buf_add_char(&bytes, 'x'), 0);
    assert_true(skill_parse(buf_span(&bytes), &arena, &file, &why));
    assert_int_equal(buf_add_char(&bytes, 'x'), 0);
    assert_false(skill_parse(buf_span(&bytes), &arena, &file, &why));
    assert_non_null(strstr(why.message, "its text is larger than 64 KiB"));
    while (bytes.len <= SKILL_FILE_MAX)
        assert_int_equal(buf_add_char(&bytes, 'x'), 0);
    assert_false(skill_parse(buf_span(&bytes), &arena, &file, &why));
    assert_non_null(strstr(why.message, "it is larger than 96 KiB"));
    buf_done(&bytes);
    arena_done(&arena);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_front_matter_and_text),
    cmocka_unit_test(test_what_is_wrong_and_where),
    cmocka_unit_test(test_sizes),
};

UNIT_MAIN(tests)
