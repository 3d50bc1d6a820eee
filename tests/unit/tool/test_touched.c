/* SPDX-License-Identifier: MIT */
#include "core/tool/tool.h"
#include "core/tool/touched.h"
#include "tests/unit/unit.h"

/* The folders that a call touches, joined by blanks. */
static void touches(const char *tool, const char *item, const char *expected)
{
    const char *names[] = { tool };
    struct arena arena = ARENA_INIT(65536);
    struct buf told = BUF_INIT(65536);
    const struct tool_list list = { .names = names, .count = 1 };
    struct tool_found found;
    const struct tree *tree;
    struct touched touched;
    struct err err = { 0 };

    assert_int_equal(json_parse(span_of(item), &arena, &tree, &err), 0);
    assert_true(tool_find(&list, tree, &found));
    touched_init(&touched, "/w");
    if (found.ops->touch)
        found.ops->touch(tree, &touched);
    for (size_t i = 0; i < touched.count; i++)
        assert_int_equal(buf_printf(&told, "%s%s", i ? " " : "", touched.folders[i]), 0);
    assert_string_equal(buf_text(&told), expected);
    touched_done(&touched);
    arena_done(&arena);
    buf_done(&told);
}

#define CALL(name, arguments) \
    "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"" name "\",\"arguments\":\"" arguments "\"}"

static void test_of_functions(void **state)
{
    touches("files", CALL("read_file", "{\\\"path\\\":\\\"a/b/c.txt\\\"}"), "a/b");
    touches("files", CALL("read_file", "{\\\"path\\\":\\\"c.txt\\\"}"), "");
    touches("files", CALL("list_dir", "{\\\"path\\\":\\\"/w/a//b/\\\"}"), "a/b");
    touches("files", CALL("list_dir", "{\\\"path\\\":\\\".\\\"}"), "");
    touches("files", CALL("search_text", "{\\\"pattern\\\":\\\"x\\\",\\\"path\\\":\\\"s\\\"}"), "s");
    touches("view_image", CALL("view_image", "{\\\"path\\\":\\\"img/a.png\\\"}"), "img");
    touches("shell", CALL("exec_command", "{\\\"cmd\\\":\\\"ls\\\",\\\"workdir\\\":\\\"d/e\\\"}"), "d/e");
    touches("shell", CALL("write_stdin", "{\\\"session_id\\\":1,\\\"workdir\\\":\\\"d\\\"}"), "");
    touches("shell", "{\"type\":\"shell_call\",\"call_id\":\"c\",\"action\":{\"commands\":[\"ls d\"]}}", "");
}

static void test_of_patches(void **state)
{
    touches("apply_patch",
            "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"delete_file\","
            "\"path\":\"x/y\"}}",
            "x");
    touches("apply_patch",
            "{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"apply_patch\",\"input\":\"*** Begin "
            "Patch\\n*** "
            "Update File: a/f\\n*** Move to: b/f\\n@@\\n-x\\n+y\\n*** Delete File: a/g\\n*** End Patch\\n\"}",
            "a b");
}

static void test_what_leads_out_or_is_nothing_is_left_out(void **state)
{
    touches("files", CALL("list_dir", "{\\\"path\\\":\\\"/etc\\\"}"), "");
    touches("files", CALL("list_dir", "{\\\"path\\\":\\\"../x\\\"}"), "");
    touches("files", CALL("list_dir", "{\\\"path\\\":7}"), "");
    touches("files", CALL("list_dir", "no JSON"), "");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_of_functions),
    cmocka_unit_test(test_of_patches),
    cmocka_unit_test(test_what_leads_out_or_is_nothing_is_left_out),
};

UNIT_MAIN(tests)
