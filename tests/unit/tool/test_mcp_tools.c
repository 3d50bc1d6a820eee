/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/tool/mcp_tools.h"

static struct mcp_tools list;

static void page(const char *text)
{
    struct arena arena = ARENA_INIT(64 << 20);
    const struct tree *tree = NULL;

    assert_int_equal(json_parse(span_of(text), &arena, &tree, NULL), 0);
    mcp_tools_add_page(&list, tree);
    arena_done(&arena);
}

static void begin(const char *const *allow)
{
    mcp_tools_done(&list);
    mcp_tools_init(&list, "srv", allow);
}

static int done(void **state)
{
    mcp_tools_done(&list);
    return 0;
}

static void check_name(const char *tool, const char *expected)
{
    char name[MCP_NAME_MAX + 1];

    mcp_wire_name("srv", span_of(tool), false, name);
    assert_string_equal(name, expected);
    assert_true(strlen(name) <= MCP_NAME_MAX &&
                strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_-") == strlen(name));
}

static void test_names(void **state)
{
    check_name("read_file", "srv__read_file");
    check_name("a.b/c", "srv__a_b_c_fc7cd9c4");
    check_name("", "srv__");
    check_name("0123456789012345678901234567890123456789012345678901234567",
               "srv__0123456789012345678901234567890123456789012345678901234567");
    check_name("12345678901234567890123456789012345678901234567890123456789",
               "srv__12345678901234567890123456789012345678901234567890123456789");
    check_name("123456789012345678901234567890123456789012345678901234567890",
               "srv__12345678901234567890123456789012345678901234567890_decc538c");
    check_name("\xc3\xbc", "srv_____607474ca");
}

static void test_page(void **state)
{
    begin(NULL);
    page("{\"tools\":[{\"name\":\"a\",\"description\":\"does a\",\"inputSchema\":{\"type\":\"object\","
         "\"properties\":{\"x\":{\"type\":\"string\"}}}},{\"name\":\"b\"},{\"name\":\"a\"},{\"name\":7},17,"
         "{\"name\":\"c\",\"title\":\"The C\",\"inputSchema\":[]}]}");
    assert_int_equal(list.count, 3);
    assert_int_equal(list.dropped, 3);
    assert_string_equal(list.items[0].wire, "srv__a");
    assert_string_equal(list.items[0].description, "does a");
    assert_string_equal(list.items[0].parameters,
                        "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\"}}}");
    assert_string_equal(list.items[1].description, "A tool of the MCP server 'srv'.");
    assert_string_equal(list.items[1].parameters, "{\"type\":\"object\",\"properties\":{}}");
    assert_string_equal(list.items[2].description, "The C");
    assert_ptr_equal(mcp_tools_find(&list, span_of("srv__b")), &list.items[1]);
    assert_null(mcp_tools_find(&list, span_of("b")));
}

/* Two that would have one name: the second gets a digest. */
static void test_collision(void **state)
{
    char name[MCP_NAME_MAX + 1];

    mcp_wire_name("srv", span_of("a.b"), false, name);
    begin(NULL);
    page("{\"tools\":[{\"name\":\"a.b\"}]}");
    assert_string_equal(list.items[0].wire, name);
    begin(NULL);
    list.count = 0;
    page("{\"tools\":[{\"name\":\"list_resources\"},{\"name\":\"x\"}]}");
    mcp_tools_add_resources(&list);
    assert_int_equal(list.count, 4);
    assert_string_equal(list.items[0].wire, "srv__list_resources");
    assert_int_equal(list.items[0].kind, MCP_TOOL_CALL);
    assert_int_equal(list.items[2].kind, MCP_TOOL_LIST_RESOURCES);
    assert_int_equal(strncmp(list.items[2].wire, "srv__list_resources_", 20), 0);
    assert_string_equal(list.items[3].wire, "srv__read_resource");
    assert_true(list.items[3].is_strict);
}

static void test_allow(void **state)
{
    static const char *const allow[] = { "b", "zz", NULL };

    begin(allow);
    page("{\"tools\":[{\"name\":\"a\"},{\"name\":\"b\"}]}");
    mcp_tools_add_resources(&list);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.dropped, 0);
    assert_string_equal(list.items[0].wire, "srv__b");
    assert_string_equal(mcp_tools_missing(&list), "zz");
}

static void test_ceilings(void **state)
{
    struct buf text = BUF_INIT(8 << 20);

    begin(NULL);
    assert_int_equal(buf_add_text(&text, "{\"tools\":["), 0);
    for (int i = 0; i < MCP_TOOLS_MAX + 5; i++)
        assert_int_equal(buf_printf(&text, "%s{\"name\":\"t%d\"}", i ? "," : "", i), 0);
    assert_int_equal(buf_add_text(&text, "]}"), 0);
    page(buf_text(&text));
    assert_int_equal(list.count, MCP_TOOLS_MAX);
    assert_int_equal(list.dropped, 5);

    begin(NULL); /* a description and a schema that are too long, and one too deep */
    buf_clear(&text);
    assert_int_equal(buf_printf(&text, "{\"tools\":[{\"name\":\"a\",\"description\":\"%0*d\"},", 100000, 1),
                     0);
    assert_int_equal(
        buf_printf(&text, "{\"name\":\"b\",\"inputSchema\":{\"type\":\"object\",\"d\":\"%0*d\"}},", 40000, 1),
        0);
    assert_int_equal(buf_add_text(&text, "{\"name\":\"c\",\"inputSchema\":{\"deep\":"), 0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(buf_add_char(&text, '['), 0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(buf_add_char(&text, ']'), 0);
    assert_int_equal(buf_add_text(&text, "}}]}"), 0);
    page(buf_text(&text));
    assert_int_equal(list.count, 3);
    for (int i = 0; i < 3; i++)
        assert_true(strlen(list.items[i].description) + strlen(list.items[i].parameters) < 3000);
    assert_non_null(strstr(list.items[0].description, "[cut]"));

    begin(NULL); /* all of them together */
    for (int i = 0; i < 40; i++) {
        buf_clear(&text);
        assert_int_equal(
            buf_printf(
                &text,
                "{\"tools\":[{\"name\":\"x%d\",\"inputSchema\":{\"type\":\"object\",\"d\":\"%0*d\"}}]}", i,
                30000, 1),
            0);
        page(buf_text(&text));
    }
    assert_true(list.count > 10 && list.count < 20);
    buf_done(&text);
}

static bool strict(const char *text)
{
    struct arena arena = ARENA_INIT(1 << 20);
    const struct tree *tree = NULL;
    bool is;

    assert_int_equal(json_parse(span_of(text), &arena, &tree, NULL), 0);
    is = mcp_schema_is_strict(tree);
    arena_done(&arena);
    return is;
}

static void test_strict(void **state)
{
    assert_true(strict("{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}"));
    assert_true(
        strict("{\"$schema\":\"x\",\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":"
               "{\"type\":\"string\"}}},\"required\":[\"a\"],\"additionalProperties\":false}"));
    assert_false(strict("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
                        "\"additionalProperties\":false}"));
    assert_false(strict("{\"type\":\"object\",\"properties\":{}}"));
    assert_false(strict("{\"type\":\"object\",\"properties\":{},\"additionalProperties\":{}}"));
    assert_false(strict("{\"type\":\"object\",\"properties\":{\"a\":{}},\"required\":[\"a\"],"
                        "\"additionalProperties\":false}"));
    assert_false(
        strict("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"format\":\"uri\"}},"
               "\"required\":[\"a\"],\"additionalProperties\":false}"));
    assert_false(strict("{\"type\":\"string\"}"));
    assert_false(strict("[]"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_names),     cmocka_unit_test(test_page),
    cmocka_unit_test(test_collision), cmocka_unit_test(test_allow),
    cmocka_unit_test(test_ceilings),  cmocka_unit_test_teardown(test_strict, done),
};

UNIT_MAIN(tests)
