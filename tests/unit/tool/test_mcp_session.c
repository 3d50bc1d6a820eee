/* SPDX-License-Identifier: MIT */
/* The conversation with a server that is played by the test, friendly and not. */
#include "tests/unit/unit.h"

#include "core/tool/mcp_session.h"

static struct loop *loop;
static struct mcp_session *session;
static struct buf sent; /* messages, a line each */
static int ready, changed, forgotten;
static bool is_broken, has_answer;
static char answer[4096], progress[256], why[1024], settled[32];
static int answer_result;

static int send_line(void *data, const struct mcp_out *out, struct err *err)
{
    assert_int_equal(buf_add_span(&sent, out->text), 0);
    assert_int_equal(buf_add_char(&sent, '\n'), 0);
    return 0;
}

static void forget(void *data, int64_t id)
{
    forgotten = (int) id;
}

static void settle(void *data, const char *version)
{
    snprintf(settled, sizeof(settled), "%s", version);
}

static const struct mcp_link link_ops = { send_line, forget, settle };

static void on_ready(void *data)
{
    ready++;
}

static void on_changed(void *data)
{
    changed++;
}

static void on_broken(void *data, const struct err *err)
{
    assert_false(is_broken);
    is_broken = true;
    snprintf(why, sizeof(why), "%s", err->text);
}

static const struct mcp_session_ops session_ops = { on_ready, on_changed, on_broken };

static void on_answer(void *data, const struct mcp_answer *a)
{
    assert_false(has_answer);
    has_answer = true;
    answer_result = a->result;
    if (a->result == 0)
        snprintf(answer, sizeof(answer), SPAN_FMT, SPAN_ARG(a->value->raw));
    else
        snprintf(answer, sizeof(answer), "%s", a->err->text);
}

static void on_progress(void *data, const char *text)
{
    snprintf(progress, sizeof(progress), "%s", text);
}

static const struct mcp_request_ops request_ops = { on_answer, on_progress };

static void feed(const char *text)
{
    mcp_session_feed(session, span_of(text));
}

/* What was sent since the last look. */
static void check_sent(const char *expected)
{
    assert_string_equal(buf_text(&sent), expected);
    buf_clear(&sent);
}

static void check_has_sent(const char *piece)
{
    if (!strstr(buf_text(&sent), piece))
        fail_msg("'%s' is not in: %s", piece, buf_text(&sent));
    buf_clear(&sent);
}

static void open_with(const struct mcp_session_spec *spec)
{
    struct err err = { 0 };

    buf_init(&sent, 1 << 20);
    ready = changed = forgotten = 0;
    is_broken = has_answer = false;
    answer[0] = progress[0] = why[0] = settled[0] = '\0';
    assert_int_equal(loop_new(&loop, &err), 0);
    assert_int_equal(mcp_session_new(loop, spec, &session_ops, NULL, &session, &err), 0);
    mcp_session_open(session, &link_ops, NULL);
}

static void end(void)
{
    mcp_session_free(session);
    loop_free(loop);
    buf_done(&sent);
}

static void wait_broken(void)
{
    assert_int_equal(loop_run(loop, &is_broken, NULL), 0);
}

#define HELLO                                                                                         \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{" \
    "\"tools\":{\"listChanged\":true}},\"serverInfo\":{\"name\":\"fake\",\"version\":\"3\"}}}"

static const struct mcp_session_spec plain = { .server = "srv", .root = "/work space" };

/* As far as a server that has one tool, "a"; ids 1 and 2 are used up. */
static void open_ready(void)
{
    open_with(&plain);
    feed(HELLO);
    feed("{\"id\":2,\"result\":{\"tools\":[{\"name\":\"a\"}]}}");
    assert_int_equal(ready, 1);
    buf_clear(&sent);
}

static struct mcp_request *call(const char *method, const char *params)
{
    struct mcp_request *request = NULL;

    has_answer = false;
    assert_int_equal(mcp_session_call(session, method, span_of(params), &request_ops, NULL, &request, NULL),
                     0);
    return request;
}

static void test_handshake(void **state)
{
    open_with(&plain);
    check_sent(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-"
        "18\","
        "\"capabilities\":{\"roots\":{}},\"clientInfo\":{\"name\":\"agentbox\",\"version\":\"0.1.0\"}}}\n");
    feed(HELLO);
    check_sent("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"
               "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"params\":{}}\n");
    assert_string_equal(settled, "2025-06-18");
    feed("{\"id\":2,\"result\":{\"tools\":[{\"name\":\"a\"}],\"nextCursor\":\"p2\"}}");
    check_sent("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/list\",\"params\":{\"cursor\":\"p2\"}}\n");
    assert_int_equal(ready, 0);
    feed("{\"id\":3,\"result\":{\"tools\":[{\"name\":\"b\"}]}}");
    assert_int_equal(ready, 1);
    assert_int_equal(mcp_session_tools(session)->count, 2);
    assert_string_equal(mcp_session_hello(session)->name, "fake");
    end();
}

static void test_no_tools(void **state)
{
    open_with(&plain);
    feed("{\"id\":1,\"result\":{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{\"resources\":{}}}}");
    assert_int_equal(ready, 1);
    assert_int_equal(mcp_session_tools(session)->count, 2);
    assert_string_equal(mcp_session_tools(session)->items[1].wire, "srv__read_resource");
    end();
}

static void test_refused_handshake(void **state)
{
    open_with(&plain);
    feed("{\"id\":1,\"error\":{\"code\":-32602,\"message\":\"Unsupported protocol version\"}}");
    wait_broken();
    assert_string_equal(why, "the handshake: Unsupported protocol version (code -32602)");
    end();
    open_with(&plain);
    feed("{\"id\":1,\"result\":{\"protocolVersion\":\"1.0\"}}");
    wait_broken();
    assert_non_null(strstr(why, "it speaks version '1.0'"));
    end();
    open_with(&plain);
    feed(HELLO);
    feed("{\"id\":2,\"error\":{}}");
    wait_broken();
    assert_string_equal(why, "listing its tools: no reason (code 0)");
    end();
}

/* Pages without an end, and one that leads to itself. */
static void test_pages(void **state)
{
    char text[200];

    open_with(&plain);
    feed(HELLO);
    feed("{\"id\":2,\"result\":{\"nextCursor\":\"same\"}}");
    feed("{\"id\":3,\"result\":{\"nextCursor\":\"same\"}}");
    assert_int_equal(ready, 1);
    end();
    open_with(&plain);
    feed(HELLO);
    for (int id = 2; !ready; id++) {
        assert_true(id < 2 + MCP_PAGES_MAX);
        snprintf(text, sizeof(text),
                 "{\"id\":%d,\"result\":{\"tools\":[{\"name\":\"t%d\"}],\"nextCursor\":\"%d\"}}", id, id,
                 id % 3);
        feed(text);
    }
    assert_int_equal(mcp_session_tools(session)->count, MCP_PAGES_MAX);
    end();
}

static void test_call(void **state)
{
    open_ready();
    (void) call("tools/call", "{\"name\":\"a\"}");
    check_sent(
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{\"_meta\":{\"progressToken\":3},"
        "\"name\":\"a\"}}\n");
    feed("{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":3,\"progress\":1,\"total\":4,"
         "\"message\":\"working\"}}");
    assert_string_equal(progress, "1/4 working");
    feed("{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":4,\"progress\":2}}");
    assert_string_equal(progress, "1/4 working");
    feed("{\"id\":99,\"result\":\"lie\"}"); /* nobody asked */
    assert_false(has_answer);
    feed("{\"id\":3,\"result\":{\"content\":[]}}");
    assert_string_equal(answer, "{\"content\":[]}");
    feed("{\"id\":3,\"result\":{\"content\":[1]}}"); /* once more: nothing asserts in on_answer() */
    (void) call("tools/call", "{\"name\":\"a\"}");
    feed("{\"id\":4,\"error\":{\"code\":-32602,\"message\":\"bad arguments\"}}");
    assert_int_equal(answer_result, -ERR_PROTOCOL);
    assert_string_equal(answer, "bad arguments (code -32602)");
    end();
}

static void test_cancel(void **state)
{
    struct mcp_request *request;

    open_ready();
    request = call("tools/call", "{}");
    buf_clear(&sent);
    mcp_request_cancel(request, "timed out");
    check_sent(
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":3,\"reason\":"
        "\"timed out\"}}\n");
    assert_int_equal(forgotten, 3);
    feed("{\"id\":3,\"result\":{}}");
    assert_false(has_answer);
    end();
}

static void test_asked(void **state)
{
    open_ready();
    feed("{\"id\":\"p\",\"method\":\"ping\"}");
    check_sent("{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"result\":{}}\n");
    feed("{\"id\":1,\"method\":\"roots/list\"}");
    check_sent(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"roots\":[{\"uri\":\"file:///work%20space\",\"name\":"
        "\"workspace\"}]}}\n");
    feed("{\"id\":2,\"method\":\"sampling/createMessage\",\"params\":{}}");
    check_has_sent("\"error\":{\"code\":-32601,\"message\":\"agentbox lends its model to no server\"}");
    feed("{\"id\":2,\"method\":\"elicitation/create\",\"params\":{}}");
    check_has_sent("nobody can be asked");
    feed("{\"id\":2,\"method\":\"shell/exec\"}");
    check_has_sent("-32601");
    feed("{\"method\":\"notifications/message\",\"params\":{\"level\":\"info\"}}");
    feed("{\"method\":\"who/knows\"}");
    feed("[{\"id\":5,\"method\":\"ping\"},{\"id\":6,\"method\":\"ping\"}]");
    check_sent(
        "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}\n{\"jsonrpc\":\"2.0\",\"id\":6,\"result\":{}}\n");
    end();
}

#define CHANGED "{\"method\":\"notifications/tools/list_changed\"}"

static void test_changed(void **state)
{
    char text[200];

    open_ready();
    feed(CHANGED);
    feed(CHANGED); /* while the list is on its way: once more after it */
    check_sent("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/list\",\"params\":{}}\n");
    feed("{\"id\":3,\"result\":{\"tools\":[{\"name\":\"b\"}]}}");
    assert_int_equal(changed, 1);
    assert_string_equal(mcp_session_tools(session)->items[0].name, "b");
    check_sent("{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/list\",\"params\":{}}\n");
    feed("{\"id\":4,\"result\":{\"tools\":[{\"name\":\"b\"}]}}");
    assert_int_equal(changed, 1); /* the same */
    feed(CHANGED);
    feed("{\"id\":5,\"error\":{}}"); /* the list of before stays */
    assert_int_equal(mcp_session_tools(session)->count, 1);
    for (int i = 0, id = 6; i < 2 * MCP_LISTS_MAX; i++, id++) {
        feed(CHANGED);
        snprintf(text, sizeof(text), "{\"id\":%d,\"result\":{\"tools\":[{\"name\":\"c%d\"}]}}", id, i);
        feed(text);
    }
    assert_true(changed < MCP_LISTS_MAX);
    assert_false(is_broken);
    end();
}

static void test_noise(void **state)
{
    open_ready();
    (void) call("tools/call", "{}");
    for (int i = 0; i < MCP_STRAYS_MAX; i++)
        feed(i % 2 ? "listening on port 80" : "{\"id\":77,\"result\":{}}");
    feed("{\"id\":3,\"result\":1}"); /* one too many */
    wait_broken();
    assert_string_equal(why, "it sent 10000 messages in a row that answer nothing");
    assert_true(has_answer);
    assert_string_equal(answer, why);
    assert_int_equal(mcp_session_call(session, "x", span_of("{}"), &request_ops, NULL, NULL, NULL),
                     -ERR_PROTOCOL);
    end();
    open_ready();
    for (int i = 0; i < 3; i++) { /* an answer between makes them few again */
        char text[64];

        (void) call("tools/call", "{}");
        for (int n = 0; n < MCP_STRAYS_MAX - 1; n++)
            feed("x");
        snprintf(text, sizeof(text), "{\"id\":%d,\"result\":1}", i + 3);
        feed(text);
        assert_true(has_answer);
    }
    assert_false(is_broken);
    end();
}

static void test_too_many(void **state)
{
    struct err err = { 0 };

    open_ready();
    for (int i = 0; i < MCP_PENDING_MAX; i++)
        (void) call("tools/call", "{}");
    assert_int_equal(mcp_session_call(session, "x", span_of("{}"), &request_ops, NULL, NULL, &err),
                     -ERR_TOO_LARGE);
    end();
}

static void test_too_large(void **state)
{
    static char huge[MCP_MESSAGE_MAX + 2];

    open_ready();
    memset(huge, ' ', sizeof(huge) - 1);
    feed(huge);
    wait_broken();
    assert_string_equal(why, "it sent a message of more than 16 MiB");
    end();
}

/* What the server was trusted with does not come back through it. */
static void test_secrets(void **state)
{
    const struct span secrets[] = { span_of("hunter2hunter2"), span_of("swordfish") };
    struct mcp_session_spec spec = { .server = "srv", .secrets = secrets, .secret_count = 2 };

    open_with(&spec);
    check_has_sent("\"capabilities\":{}");
    feed(HELLO);
    feed("{\"id\":2,\"result\":{}}");
    (void) call("tools/call", "{}");
    feed("{\"id\":3,\"result\":\"swordfish hunter2hunter2 swordfish\"}");
    assert_string_equal(answer, "\"********* ************** *********\"");
    buf_clear(&sent);
    feed("{\"id\":4,\"method\":\"roots/list\"}");
    check_has_sent("\"roots\":[]");
    end();
}

/* Nor through its failures, nor as JSON may write it; a secret of asterisks is no trouble. */
static void test_secrets_elsewhere(void **state)
{
    const struct span secrets[] = { span_of("key/with\"all"), span_of("***") };
    struct mcp_session_spec spec = { .server = "srv", .secrets = secrets, .secret_count = 2 };
    struct err err = { 0 };

    open_with(&spec);
    feed(HELLO);
    feed("{\"id\":2,\"result\":{}}");
    (void) call("tools/call", "{}");
    feed("{\"id\":3,\"result\":\"*** key\\/with\\\"all\"}");
    assert_string_equal(answer, "\"*** **************\"");
    (void) call("tools/call", "{}");
    (void) err_set(&err, ERR_PROTOCOL, "it said: key/with\"all is no key");
    mcp_session_fail(session, 4, &err);
    assert_string_equal(answer, "it said: ************ is no key");
    mcp_session_lost(session, &err);
    wait_broken();
    assert_string_equal(why, "it said: ************ is no key");
    end();
}

/* The server forgot us: the handshake once more, and what is under way goes on. */
static void test_again(void **state)
{
    open_ready();
    (void) call("tools/call", "{}");
    mcp_session_open(session, &link_ops, NULL);
    feed("{\"id\":4,\"result\":{\"protocolVersion\":\"2025-03-26\",\"capabilities\":{\"tools\":{}}}}");
    feed("{\"id\":5,\"result\":{\"tools\":[{\"name\":\"a\"}]}}");
    assert_int_equal(ready, 1);
    assert_int_equal(changed, 0);
    feed("{\"id\":3,\"result\":true}");
    assert_string_equal(answer, "true");
    end();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_handshake),
    cmocka_unit_test(test_no_tools),
    cmocka_unit_test(test_refused_handshake),
    cmocka_unit_test(test_pages),
    cmocka_unit_test(test_call),
    cmocka_unit_test(test_cancel),
    cmocka_unit_test(test_asked),
    cmocka_unit_test(test_changed),
    cmocka_unit_test(test_noise),
    cmocka_unit_test(test_too_many),
    cmocka_unit_test(test_too_large),
    cmocka_unit_test(test_secrets),
    cmocka_unit_test(test_secrets_elsewhere),
    cmocka_unit_test(test_again),
};

UNIT_MAIN(tests)
