/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/tool/spec.h"
#include "core/tool/tool.h"

static const char *const shell_name[] = { "shell" };
static const struct tool_list shell_only = { shell_name, 1, NULL, 0 };

static const struct tree *parse(struct arena *arena, const char *json)
{
    const struct tree *tree = NULL;

    assert_int_equal(json_parse(span_of(json), arena, &tree, NULL), 0);
    return tree;
}

static void test_native_definition(void **state)
{
    struct buf out = BUF_INIT(65536);

    assert_int_equal(tools_describe(&shell_only, TOOL_STYLE_NATIVE, &out, NULL), 0);
    assert_string_equal(buf_text(&out), "[{\"type\":\"shell\",\"environment\":{\"type\":\"local\"}}]");
    buf_done(&out);
}

static void test_function_definitions(void **state)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct buf out = BUF_INIT(65536);
    const struct tree *tools, *parameters;

    assert_int_equal(tools_describe(&shell_only, TOOL_STYLE_FUNCTION, &out, NULL), 0);
    tools = parse(&arena, buf_text(&out));
    assert_int_equal(tools->count, 2);
    assert_string_equal(tree_string(tree_get(tree_at(tools, 0), "name"), ""), "exec_command");
    assert_string_equal(tree_string(tree_get(tree_at(tools, 1), "name"), ""), "write_stdin");
    parameters = tree_get(tree_at(tools, 0), "parameters");
    assert_string_equal(tree_string(tree_path(parameters, "properties", "cmd", "type", NULL), ""), "string");
    assert_string_equal(tree_string(tree_at(tree_get(parameters, "required"), 0), ""), "cmd");
    assert_int_equal(tree_get(parameters, "required")->count, tree_get(parameters, "properties")->count);
    assert_true(tree_bool(tree_get(tree_at(tools, 0), "strict"), false));
    assert_true(tree_bool(tree_get(tree_at(tools, 1), "strict"), false));
    buf_done(&out);
    arena_done(&arena);
}

static void test_owns_its_calls_only(void **state)
{
    static const struct {
        const char *json;
        bool is_ours;
    } rows[] = {
        { "{\"type\":\"shell_call\",\"call_id\":\"c\",\"action\":{}}", true },
        { "{\"type\":\"shell_call\",\"environment\":null}", true },
        { "{\"type\":\"shell_call\",\"environment\":{\"type\":\"local\"}}", true },
        { "{\"type\":\"shell_call\",\"environment\":{\"type\":\"container_reference\",\"container_id\":\"x\"}"
          "}",
          false },
        { "{\"type\":\"function_call\",\"name\":\"exec_command\"}", true },
        { "{\"type\":\"function_call\",\"name\":\"write_stdin\"}", true },
        { "{\"type\":\"function_call\",\"name\":\"exec\"}", false },
        { "{\"type\":\"custom_tool_call\",\"name\":\"exec_command\"}", true },
        { "{\"type\":\"custom_tool_call\",\"name\":\"exec\"}", false },
        { "{\"type\":\"message\"}", false },
        { "{}", false },
    };
    static const struct tool_list nothing;
    struct arena arena = ARENA_INIT(1 << 20);
    struct tool_found found;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(tool_find(&shell_only, parse(&arena, rows[i].json), &found), rows[i].is_ours);
    assert_false(tool_find(&nothing, parse(&arena, rows[0].json), &found));
    arena_done(&arena);
}

static void a_tool_of_the_runs_own_is_a_function(void **state)
{
    static const struct tool_own own[] = {
        { TOOL_CONTAINER, "weigh", NULL, "Weighs it.", "{\"type\":\"object\"}", false, NULL },
        { TOOL_MCP, "docs__read", "docs", "Reads \"it\".", "{\"type\":\"object\"}", true, NULL },
    };
    static const struct tool_list list = { .own = own, .own_count = 2 };
    static const char call[] =
        "{\"type\":\"function_call\",\"name\":\"docs__read\",\"arguments\":\"{\\\"a\\\":1}\"}";
    struct arena arena = ARENA_INIT(1 << 20);
    struct buf out = BUF_INIT(1 << 20);
    struct tool_found found;
    char title[100];

    assert_int_equal(tools_describe(&list, TOOL_STYLE_NATIVE, &out, NULL), 0);
    assert_string_equal(
        buf_text(&out),
        "[{\"type\":\"function\",\"name\":\"weigh\",\"description\":\"Weighs it.\","
        "\"strict\":false,\"parameters\":{\"type\":\"object\"}},"
        "{\"type\":\"function\",\"name\":\"docs__read\",\"description\":\"Reads \\\"it\\\".\","
        "\"strict\":true,\"parameters\":{\"type\":\"object\"}}]");
    assert_true(tool_find(&list, parse(&arena, call), &found));
    assert_string_equal(found.name, "docs__read");
    assert_ptr_equal(found.own, &own[1]);
    tool_title(&found, parse(&arena, call), title, sizeof(title));
    assert_string_equal(title, "docs__read {\"a\":1}");
    assert_false(tool_find(&list, parse(&arena, "{\"type\":\"function_call\",\"name\":\"docs\"}"), &found));
    buf_done(&out);
    arena_done(&arena);
}

static void expect_refusal(const char *item, const char *want)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct buf out = BUF_INIT(65536);

    assert_int_equal(tool_refuse(parse(&arena, item), "no \"x\"", &out, NULL), 0);
    assert_string_equal(buf_text(&out), want);
    buf_done(&out);
    arena_done(&arena);
}

static void test_refusals_have_the_shape_of_their_call(void **state)
{
    expect_refusal("{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\"}",
                   "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"no \\\"x\\\"\"}");
    expect_refusal("{\"type\":\"custom_tool_call\",\"call_id\":\"c1\"}",
                   "{\"type\":\"custom_tool_call_output\",\"call_id\":\"c1\",\"output\":\"no \\\"x\\\"\"}");
    expect_refusal(
        "{\"type\":\"apply_patch_call\",\"call_id\":\"c1\"}",
        "{\"type\":\"apply_patch_call_output\",\"call_id\":\"c1\",\"status\":\"failed\",\"output\":\"no "
        "\\\"x\\\"\"}");
    expect_refusal(
        "{\"type\":\"shell_call\",\"call_id\":\"c1\"}",
        "{\"type\":\"shell_call_output\",\"call_id\":\"c1\",\"output\":[{\"stdout\":\"\",\"stderr\":\"no "
        "\\\"x\\\"\",\"outcome\":{\"type\":\"exit\",\"exit_code\":1}}]}");
    expect_refusal(
        "{\"type\":\"local_shell_call\",\"call_id\":\"c1\",\"id\":\"l1\",\"status\":\"completed\"}",
        "{\"type\":\"local_shell_call_output\",\"id\":\"c1\",\"output\":\"{\\\"stdout\\\":\\\"\\\","
        "\\\"stderr\\\":"
        "\\\"no \\\\\\\"x\\\\\\\"\\\",\\\"exit_code\\\":1}\",\"status\":\"incomplete\"}");
    expect_refusal("{\"type\":\"tool_search_call\",\"call_id\":\"c1\",\"execution\":\"client\"}",
                   "{\"type\":\"tool_search_output\",\"call_id\":\"c1\",\"execution\":\"client\",\"tools\":[]"
                   ",\"status\":"
                   "\"incomplete\"}");
    expect_refusal("{\"type\":\"function_call\",\"call_id\":\"c1\",\"caller\":{\"type\":\"program\",\"caller_"
                   "id\":\"p\"}}",
                   "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"caller\":{\"type\":\"program\","
                   "\"caller_id\":"
                   "\"p\"},\"output\":\"no \\\"x\\\"\"}");
}

static void test_titles(void **state)
{
    struct arena arena = ARENA_INIT(1 << 20);
    const struct tree *item;
    char title[512];

    item = parse(&arena, "{\"type\":\"shell_call\",\"action\":{\"commands\":[\"ls -la\",\"pwd\"]}}");
    tools_all[0]->title(item, title, sizeof(title));
    assert_string_equal(title, "$ ls -la (and 1 more)");
    item = parse(
        &arena,
        "{\"type\":\"function_call\",\"name\":\"exec_command\",\"arguments\":\"{\\\"cmd\\\":\\\"pwd\\\"}\"}");
    tools_all[0]->title(item, title, sizeof(title));
    assert_string_equal(title, "$ pwd");
    item =
        parse(&arena, "{\"type\":\"function_call\",\"name\":\"exec_command\",\"arguments\":\"{not json\"}");
    tools_all[0]->title(item, title, sizeof(title));
    assert_string_equal(title, "$ ?");
    arena_done(&arena);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_tool_of_the_runs_own_is_a_function),
    cmocka_unit_test(test_native_definition),
    cmocka_unit_test(test_function_definitions),
    cmocka_unit_test(test_owns_its_calls_only),
    cmocka_unit_test(test_refusals_have_the_shape_of_their_call),
    cmocka_unit_test(test_titles),
};

UNIT_MAIN(tests)
