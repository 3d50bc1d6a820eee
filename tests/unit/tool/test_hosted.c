/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/tool/hosted.h"
#include "core/tool/tool.h"

static const struct tree *parse(struct arena *arena, const char *json)
{
    const struct tree *tree = NULL;

    assert_int_equal(json_parse(span_of(json), arena, &tree, NULL), 0);
    return tree;
}

static void test_definitions(void **state)
{
    struct arena arena = ARENA_INIT(1 << 20);
    const char *const names[] = { "apply_patch" };
    const struct tool_hosted hosted[] = {
        { "web_search",
          parse(&arena,
                "{\"search_context_size\":\"low\",\"type\":\"web_search\",\"filters\":{\"a\":[1,null]}}") },
        { "code_interpreter", NULL },
        { "code_interpreter", parse(&arena, "{\"type\":\"code_interpreter\",\"container\":\"cntr_1\"}") },
    };
    const struct tool_list list = { names, 1, hosted, 3 };
    struct buf out = BUF_INIT(65536);

    assert_int_equal(tools_describe(&list, TOOL_STYLE_NATIVE, &out, NULL), 0);
    assert_string_equal(
        buf_text(&out),
        "[{\"type\":\"apply_patch\"},"
        "{\"type\":\"web_search\",\"search_context_size\":\"low\",\"filters\":{\"a\":[1,null]}},"
        "{\"type\":\"code_interpreter\",\"container\":{\"type\":\"auto\"}},"
        "{\"type\":\"code_interpreter\",\"container\":\"cntr_1\"}]");
    buf_done(&out);
    arena_done(&arena);
}

static void test_titles(void **state)
{
    static const struct {
        const char *json, *type, *title;
    } rows[] = {
        { "{\"type\":\"web_search_call\",\"action\":{\"type\":\"search\",\"query\":\"how tall\"}}",
          "web_search", "web_search: how tall" },
        { "{\"type\":\"web_search_call\",\"action\":{\"type\":\"open_page\",\"url\":\"https://a.b/\"}}",
          "web_search", "web_search: https://a.b/" },
        { "{\"type\":\"web_search_call\",\"action\":7}", "web_search", "web_search" },
        { "{\"type\":\"file_search_call\",\"queries\":[\"one\",\"two\"]}", "file_search",
          "file_search: one" },
        { "{\"type\":\"file_search_call\",\"queries\":[]}", "file_search", "file_search" },
        { "{\"type\":\"code_interpreter_call\",\"code\":\"1+1\"}", "code_interpreter",
          "code_interpreter: 1+1" },
        { "{\"type\":\"image_generation_call\",\"revised_prompt\":null}", "image_generation",
          "image_generation" },
        { "{\"type\":\"function_call\",\"name\":\"web_search\"}", NULL, NULL },
        { "{\"type\":[]}", NULL, NULL },
    };
    char title[64];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = ARENA_INIT(1 << 20);
        const struct tree *item = parse(&arena, rows[i].json);

        if (!rows[i].type)
            assert_null(hosted_find(item));
        else {
            assert_string_equal(hosted_find(item), rows[i].type);
            hosted_title(item, title, sizeof(title));
            assert_string_equal(title, rows[i].title);
        }
        arena_done(&arena);
    }
}

/* Cut between characters, whatever the size. */
static void test_long_titles(void **state)
{
    struct arena arena = ARENA_INIT(1 << 20);
    const struct tree *item = parse(
        &arena, "{\"type\":\"web_search_call\",\"action\":{\"query\":\"\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\"}}");
    char title[64];

    hosted_title(item, title, 45);
    assert_string_equal(title, "web_search: \xC3\xA4\xC3\xA4");
    hosted_title(item, title, 3);
    assert_string_equal(title, "we");
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_titles),
        cmocka_unit_test(test_long_titles),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
