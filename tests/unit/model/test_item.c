/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/model/item.h"

static void check_view(const char *raw, enum item_kind kind, const char *call_id, bool is_complete)
{
    struct item_view view;
    struct err err;

    assert_int_equal(item_inspect(span_of(raw), &view, NULL, &err), 0);
    assert_int_equal(view.kind, kind);
    assert_string_equal(view.call_id, call_id);
    assert_int_equal(view.is_complete, is_complete);
}

static void test_calls(void **state)
{
    check_view("{\"type\":\"function_call\",\"id\":\"fc\",\"call_id\":\"c1\",\"status\":\"completed\"}",
               ITEM_CALL, "c1", true);
    check_view("{\"type\":\"function_call\",\"call_id\":\"c1\",\"status\":\"incomplete\"}", ITEM_CALL, "c1",
               false);
    check_view("{\"type\":\"custom_tool_call\",\"call_id\":\"c1\"}", ITEM_CALL, "c1", true);
    check_view("{\"type\":\"apply_patch_call\",\"call_id\":\"c1\"}", ITEM_CALL, "c1", true);
    check_view("{\"type\":\"local_shell_call\",\"id\":\"l1\"}", ITEM_CALL, "l1", true);
    check_view("{\"type\":\"shell_call\",\"call_id\":\"s1\"}", ITEM_CALL, "s1", true);
    check_view("{\"type\":\"shell_call\",\"call_id\":\"s1\",\"environment\":null}", ITEM_CALL, "s1", true);
    check_view("{\"type\":\"shell_call\",\"call_id\":\"s1\",\"environment\":{\"type\":\"local\"}}", ITEM_CALL,
               "s1", true);
    check_view("{\"type\":\"tool_search_call\",\"call_id\":\"t\",\"execution\":\"client\"}", ITEM_CALL, "t",
               true);
}

static void test_calls_of_the_server(void **state)
{
    check_view(
        "{\"type\":\"shell_call\",\"call_id\":\"s1\",\"environment\":{\"type\":\"container_reference\"}}",
        ITEM_OTHER, "", true);
    check_view("{\"type\":\"tool_search_call\",\"call_id\":null,\"execution\":\"server\"}", ITEM_OTHER, "",
               true);
    check_view("{\"type\":\"web_search_call\",\"status\":\"searching\"}", ITEM_OTHER, "", false);
    check_view("{\"type\":\"mcp_call\"}", ITEM_OTHER, "", true);
    check_view("{\"type\":\"something_new\",\"status\":null}", ITEM_OTHER, "", true);
    check_view("{\"type\":\"reasoning\",\"summary\":[]}", ITEM_REASONING, "", true);
}

static void check_text(const char *raw, const char *text, bool is_refusal, bool is_commentary)
{
    struct buf out = BUF_INIT(1000);
    struct item_view view;
    struct err err;

    assert_int_equal(item_inspect(span_of(raw), &view, &out, &err), 0);
    assert_int_equal(view.kind, ITEM_MESSAGE);
    assert_string_equal(view.type, "message");
    assert_string_equal(buf_text(&out), text);
    assert_int_equal(view.is_refusal, is_refusal);
    assert_int_equal(view.is_commentary, is_commentary);
    buf_done(&out);
}

static void test_messages(void **state)
{
    check_text("{\"type\":\"message\",\"phase\":\"commentary\",\"content\":[{\"type\":\"output_text\","
               "\"text\":\"a\\n\"},"
               "{\"type\":\"other\"},{\"type\":\"output_text\",\"text\":\"\\u00e4\"}]}",
               "a\nä", false, true);
    check_text("{\"type\":\"message\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"No.\"}]}", "No.", true,
               false);
    check_text("{\"role\":\"user\",\"content\":\"hi\"}", "hi", false, false);
    check_text("{\"type\":\"message\"}", "", false, false);
}

static void check_bad(const char *raw, const char *text)
{
    struct item_view view;
    struct err err;

    assert_int_equal(item_inspect(span_of(raw), &view, NULL, &err), -ERR_INVALID);
    assert_string_equal(err.text, text);
}

static void test_not_items(void **state)
{
    check_bad("[]", "an item that is no object");
    check_bad("{}", "an item without a usable 'type'");
    check_bad("{\"type\":7}", "an item without a usable 'type'");
    check_bad("{\"type\":\"a\\u0000b\"}", "an item without a usable 'type'");
    check_bad("{\"type\":\"function_call\"}", "a 'function_call' without a usable 'call_id'");
    check_bad("{\"type\":\"shell_call\",\"id\":\"s1\"}", "a 'shell_call' without a usable 'call_id'");
    check_bad("{\"type\":\"function_call\",\"call_id\":\"a\\u0000\"}",
              "a 'function_call' without a usable 'call_id'");
    check_bad("{\"type\":\"function_call\",\"call_id\":"
              "\"01234567890123456789012345678901234567890123456789012345678901234567"
              "890123\"}",
              "a 'function_call' without a usable 'call_id'");
}

static void check_replay(const char *raw, bool strip, const char *expected)
{
    struct buf scratch = BUF_INIT(1000);
    struct span out;
    struct err err;

    assert_int_equal(item_replay(span_of(raw), strip, &scratch, &out, &err), 0);
    assert_int_equal(out.len, strlen(expected));
    if (out.len > 0)
        assert_memory_equal(out.ptr, expected, out.len);
    if (!strip && strcmp(raw, expected) != 0)
        assert_false(item_is_sent_whole(span_of(raw)));
    buf_done(&scratch);
}

static void same(const char *raw)
{
    struct buf scratch = BUF_INIT(1000);
    struct span out;
    struct err err;

    assert_int_equal(item_replay(span_of(raw), false, &scratch, &out, &err), 0);
    assert_ptr_equal(out.ptr, raw); /* not even copied */
    assert_true(item_is_sent_whole(span_of(raw)));
    assert_int_equal(out.len, strlen(raw));
    buf_done(&scratch);
}

static void test_bytes_are_kept(void **state)
{
    same("{ \"type\":\"x\" "
         ",\"n\":1.50E+02,\"s\":\"\\u00e4\\/\",\"phase\":\"commentary\",\"status\":\"completed\"}");
    same("{\"type\":\"function_call_outpu\",\"caller\":{\"type\":\"program\"}}");
    /* parsed, but nothing to leave out */
    check_replay(
        "{ \"type\" : \"shell_call_output\" , \"output\" : [ { \"stdout\":\"\" } , 7 ] , \"n\":1.0 } ", false,
        "{ \"type\" : \"shell_call_output\" , \"output\" : [ { \"stdout\":\"\" } , 7 ] , \"n\":1.0 }");
}

static void test_members_left_out(void **state)
{
    check_replay("{\"created_by\":\"m\",\"type\":\"a\"}", false, "{\"type\":\"a\"}");
    check_replay("{\"type\":\"a\",\"created_by\":{\"x\":[1]}}", false, "{\"type\":\"a\"}");
    check_replay("{\"type\":\"a\", \"created_by\":1 ,\"status\" : null, \"b\":2}", false,
                 "{\"type\":\"a\", \"b\":2}");
    check_replay("{\"status\":null,\"created_by\":1,\"type\":\"a\"}", false, "{\"type\":\"a\"}");
    check_replay("{\"status\":null}", false, "{}");
    check_replay("{\"type\":\"a\",\"inner\":{\"status\":null,\"created_by\":1}}", false,
                 "{\"type\":\"a\",\"inner\":{\"status\":null,\"created_by\":1}}");
    check_replay(
        "{\"type\":\"shell_call_output\",\"created_by\":\"m\",\"output\":[{\"created_by\":\"m\",\"stdout\":"
        "\"a\"},"
        "{\"stdout\":\"created_by\",\"created_by\":null}]}",
        false,
        "{\"type\":\"shell_call_output\",\"output\":[{\"stdout\":\"a\"},{\"stdout\":\"created_by\"}]}");
}

static void test_items_left_out(void **state)
{
    check_replay("{\"type\":\"additional_tools\",\"role\":\"assistant\"}", false, "");
    check_replay("{\"type\":\"additional_tools\",\"role\":\"developer\"}", false,
                 "{\"type\":\"additional_tools\",\"role\":\"developer\"}");
    check_replay("{\"type\":\"computer_call_output\",\"status\":\"failed\"}", false, "");
    check_replay("{\"type\":\"custom_tool_call_output\",\"status\":\"incomplete\"}", false, "");
    check_replay("{\"type\":\"custom_tool_call_output\",\"status\":\"completed\",\"output\":\"x\"}", false,
                 "{\"type\":\"custom_tool_call_output\",\"output\":\"x\"}");
    check_replay("{\"type\":\"custom_tool_call_output\",\"output\":\"x\"}", false,
                 "{\"type\":\"custom_tool_call_output\",\"output\":\"x\"}");
}

static void test_repair_without_reasoning(void **state)
{
    check_replay("{\"type\":\"reasoning\",\"summary\":[]}", true, "");
    check_replay("{\"id\":\"fc_1\",\"type\":\"function_call\",\"call_id\":\"c\"}", true,
                 "{\"type\":\"function_call\",\"call_id\":\"c\"}");
    check_replay("{\"id\":\"ws_1\",\"type\":\"web_search_call\"}", true,
                 "{\"id\":\"ws_1\",\"type\":\"web_search_call\"}");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_calls),          cmocka_unit_test(test_calls_of_the_server),
    cmocka_unit_test(test_messages),       cmocka_unit_test(test_not_items),
    cmocka_unit_test(test_bytes_are_kept), cmocka_unit_test(test_members_left_out),
    cmocka_unit_test(test_items_left_out), cmocka_unit_test(test_repair_without_reasoning),
};

UNIT_MAIN(tests)
