/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/tool/mcp_message.h"

struct decoded {
    struct arena arena;
    struct buf repaired;
    struct mcp_message messages[MCP_BATCH_MAX];
    size_t count;
    struct err err;
    int r;
};

static struct decoded d;

static void decode(struct span text)
{
    arena_done(&d.arena);
    buf_done(&d.repaired);
    memset(&d, 0, sizeof(d));
    arena_init(&d.arena, MCP_TREE_MAX);
    buf_init(&d.repaired, MCP_MESSAGE_MAX);
    d.r = mcp_decode(text, &d.arena, &d.repaired, d.messages, &d.count, &d.err);
}

static void check(const char *text, enum mcp_kind kind, int64_t id)
{
    decode(span_of(text));
    assert_int_equal(d.r, 0);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.messages[0].kind, kind);
    assert_int_equal(d.messages[0].id, id);
}

static int done(void **state)
{
    decode(span_of("1"));
    arena_done(&d.arena);
    return 0;
}

static void test_kinds(void **state)
{
    check("{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}", MCP_RESULT, 7);
    check("{\"id\":7.0,\"error\":{\"code\":-1}}", MCP_ERROR, 7);
    check("{\"id\":\"7\",\"result\":{}}", MCP_RESULT, 0); /* not the id that we gave */
    check("{\"id\":-7,\"result\":{}}", MCP_RESULT, 0);
    check("{\"id\":1e400,\"result\":{}}", MCP_RESULT, 0);
    check("{\"id\":null,\"error\":{}}", MCP_ERROR, 0);
    check("{\"method\":\"x\"}", MCP_NOTICE, 0);
    check("{\"id\":\"a\\\"b\",\"method\":\"ping\"}", MCP_REQUEST, 0);
    assert_true(span_is(d.messages[0].raw_id, "\"a\\\"b\""));
    check("{\"id\":null,\"method\":\"ping\"}", MCP_NOISE, 0);
    check("{\"id\":[1],\"method\":\"ping\"}", MCP_NOISE, 0);
    check("{\"id\":1,\"method\":\"ping\",\"result\":1}", MCP_NOISE, 0);
    check("{\"id\":1,\"result\":1,\"error\":{}}", MCP_NOISE, 0);
    check("{\"id\":1}", MCP_NOISE, 0);
    check("17", MCP_NOISE, 0);
    check("{\"method\":\"0123456789012345678901234567890123456789012345678901234567890123\"}", MCP_NOTICE, 0);
    check("{\"method\":\"01234567890123456789012345678901234567890123456789012345678901234\"}", MCP_NOISE, 0);
}

static void test_batches(void **state)
{
    struct buf text = BUF_INIT(65536);

    decode(span_of("[{\"id\":1,\"result\":{}},3,{\"method\":\"m\"}]"));
    assert_int_equal(d.count, 3);
    assert_int_equal(d.messages[0].kind, MCP_RESULT);
    assert_int_equal(d.messages[1].kind, MCP_NOISE);
    assert_int_equal(d.messages[2].kind, MCP_NOTICE);
    decode(span_of("[]"));
    assert_int_equal(d.count, 0);
    assert_int_equal(buf_add_char(&text, '['), 0);
    for (int i = 0; i < MCP_BATCH_MAX; i++)
        assert_int_equal(buf_printf(&text, "%s1", i ? "," : ""), 0);
    assert_int_equal(buf_add_char(&text, ']'), 0);
    decode(buf_span(&text));
    assert_int_equal(d.count, MCP_BATCH_MAX);
    text.data[text.len - 1] = ',';
    assert_int_equal(buf_add_text(&text, "1]"), 0);
    decode(buf_span(&text));
    assert_int_equal(d.r, -ERR_TOO_LARGE);
    buf_done(&text);
}

static void test_bad_bytes(void **state)
{
    static char huge[MCP_MESSAGE_MAX + 1];

    decode(span_of("{\"id\":3,\"result\":{\"a\":\"\xff\xc3\"}}"));
    assert_int_equal(d.count, 1);
    assert_string_equal(tree_string(tree_get(d.messages[0].body, "a"), ""), "\xef\xbf\xbd\xef\xbf\xbd");
    decode(span_of("Server listening"));
    assert_int_equal(d.r, -ERR_INVALID);
    decode(span_of("{\"id\":1,\"id\":2,\"result\":{}}"));
    assert_int_equal(d.r, -ERR_INVALID);
    decode(span_make(huge, sizeof(huge)));
    assert_int_equal(d.r, -ERR_TOO_LARGE);
}

static void check_encoded(int r, struct buf *out, const char *expected)
{
    assert_int_equal(r, 0);
    assert_string_equal(buf_text(out), expected);
    buf_clear(out);
}

static void test_encode(void **state)
{
    struct buf out = BUF_INIT(4096);

    check_encoded(mcp_encode(&out, 1, "ping", (struct span){ 0 }, false), &out,
                  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
    check_encoded(mcp_encode(&out, 0, "n", span_of("{\"a\":1}"), false), &out,
                  "{\"jsonrpc\":\"2.0\",\"method\":\"n\",\"params\":{\"a\":1}}");
    check_encoded(
        mcp_encode(&out, 9, "m", span_of("{\"a\":1}"), true), &out,
        "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"m\",\"params\":{\"_meta\":{\"progressToken\":9},"
        "\"a\":1}}");
    check_encoded(
        mcp_encode(&out, 9, "m", span_of("{}"), true), &out,
        "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"m\",\"params\":{\"_meta\":{\"progressToken\":9}}}");
    check_encoded(mcp_encode_result(&out, span_of("\"x\""), span_of("{}")), &out,
                  "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{}}");
    check_encoded(mcp_encode_error(&out, span_of("4"), -32601, "no"), &out,
                  "{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":-32601,\"message\":\"no\"}}");
    buf_done(&out);
}

static void hello(const char *text)
{
    decode(span_of(text));
    assert_int_equal(d.count, 1);
}

static void test_hello(void **state)
{
    struct mcp_hello h;
    struct err err = { 0 };

    hello("{\"id\":1,\"result\":{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{\"tools\":{}},"
          "\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}}");
    assert_int_equal(mcp_hello_decode(d.messages[0].body, &h, &err), 0);
    assert_string_equal(h.version, "2024-11-05");
    assert_string_equal(h.name, "s");
    assert_true(h.has_tools);
    assert_false(h.has_resources);
    hello("{\"id\":1,\"result\":{\"protocolVersion\":\"2099-01-01\"}}");
    assert_int_equal(mcp_hello_decode(d.messages[0].body, &h, &err), -ERR_PROTOCOL);
    assert_string_equal(err.text, "it speaks version '2099-01-01' of the protocol, which agentbox does not");
    hello("{\"id\":1,\"result\":17}");
    assert_int_equal(mcp_hello_decode(d.messages[0].body, &h, &err), -ERR_PROTOCOL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_kinds),
    cmocka_unit_test(test_batches),
    cmocka_unit_test(test_bad_bytes),
    cmocka_unit_test(test_encode),
    cmocka_unit_test_teardown(test_hello, done),
};

UNIT_MAIN(tests)
