/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/model/stream.h"

#include <stdio.h>

static const struct model_spec spec = { .name = "m", .base_url = "https://models.example/v1" };
static const struct error_context ctx = { &spec, NULL, 0 };

struct fixture {
    struct stream stream;
    struct buf items;  /* "index=raw;" */
    struct buf deltas; /* "kind=text;" */
};

static void on_delta(void *data, enum model_delta kind, struct span text)
{
    struct fixture *f = data;

    assert_int_equal(buf_printf(&f->deltas, "%d=" SPAN_FMT ";", (int) kind, SPAN_ARG(text)), 0);
}

static void on_item(void *data, int64_t index, struct span raw)
{
    struct fixture *f = data;

    assert_int_equal(buf_printf(&f->items, "%d=" SPAN_FMT ";", (int) index, SPAN_ARG(raw)), 0);
}

static const struct stream_ops ops = { on_delta, on_item };
static const struct stream_ops quiet = { NULL, on_item };

static void begin(struct fixture *f, const struct stream_ops *how)
{
    stream_init(&f->stream, how, f, &ctx);
    buf_init(&f->items, 1 << 20);
    buf_init(&f->deltas, 1 << 20);
}

static void end(struct fixture *f)
{
    buf_done(&f->items);
    buf_done(&f->deltas);
}

static int event(struct fixture *f, const char *payload)
{
    return stream_event(&f->stream, span_of(""), span_of(payload));
}

static void test_function_call(void **state)
{
    static const char item[] = "{\"id\":\"fc_1\", \"type\":\"function_call\",\"call_id\":\"c1\","
                               "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1.0}\",\"n\":1.50e+2}";
    struct fixture f;
    char done[400];

    begin(&f, &ops);
    snprintf(done, sizeof(done), "{\"item\":%s,\"output_index\":1,\"type\":\"response.output_item.done\"}",
             item);
    assert_int_equal(
        event(&f, "{\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"m-1\"}}"), 0);
    assert_int_equal(event(&f, "{\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":{}}"),
                     0);
    assert_int_equal(event(&f, "{\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{"
                               "\\\"a\\\"\",\"obfuscation\":\"x\"}"),
                     0);
    assert_int_equal(
        event(&f, "{\"type\":\"response.function_call_arguments.done\",\"arguments\":\"no matter\"}"), 0);
    assert_int_equal(event(&f, done), 0);
    assert_int_equal(event(&f, "{\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":"
                               "\"completed\",\"output\":["
                               "{\"type\":\"reasoning\"},{\"type\":\"function_call\",\"id\":\"other\"}],"
                               "\"usage\":{\"input_tokens\":80,"
                               "\"input_tokens_details\":{\"cached_tokens\":64},\"output_tokens\":45,"
                               "\"output_tokens_details\":{\"reasoning_tokens\":16},\"total_tokens\":125}}}"),
                     1);
    assert_string_equal(buf_text(&f.deltas), "2={\"a\";");
    assert_int_equal(f.items.len, strlen(item) + 3);
    assert_memory_equal(f.items.data + 2, item, strlen(item));
    assert_int_equal(f.stream.end.kind, MODEL_COMPLETED);
    assert_string_equal(f.stream.end.response_id, "resp_1");
    assert_string_equal(f.stream.end.model, "m-1");
    assert_true(f.stream.end.has_usage);
    assert_int_equal(f.stream.end.usage.cached_tokens, 64);
    assert_int_equal(f.stream.end.usage.reasoning_tokens, 16);
    assert_int_equal(f.stream.end.usage.total_tokens, 125);
    end(&f);
}

static void test_all_kinds_of_deltas(void **state)
{
    static const char *const types[] = { "output_text",        "refusal",
                                         "reasoning_text",     "reasoning_summary_text",
                                         "shell_call_command", "custom_tool_call_input",
                                         "mcp_call_arguments", "apply_patch_call_operation_diff",
                                         "unheard_of",         "code_interpreter_call_code" };
    struct fixture f;
    char text[200];

    begin(&f, &ops);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        snprintf(text, sizeof(text), "{\"delta\":\"\\u00e4\",\"type\":\"response.%s.delta\"}", types[i]);
        assert_int_equal(event(&f, text), 0);
    }
    assert_string_equal(buf_text(&f.deltas), "0=ä;0=ä;1=ä;1=ä;2=ä;2=ä;3=ä;2=ä;3=ä;");
    end(&f);
}

static void test_without_display_deltas_are_not_parsed(void **state)
{
    struct fixture f;

    begin(&f, &quiet);
    assert_int_equal(event(&f, "{\"type\":\"response.output_text.delta\",\"delta\":\"a\", this is no JSON"),
                     0);
    assert_int_equal(event(&f, "{\"type\":\"response.content_part.done\" nor is this"), 0);
    assert_int_equal(stream_event(&f.stream, span_of("response.whatever"), span_of("{{{")), 0);
    assert_false(f.stream.has_ended);
    end(&f);
}

static void test_interleaved_and_unnumbered(void **state)
{
    struct fixture f;

    begin(&f, &ops);
    event(&f, "{\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"type\":\"b\"}}");
    event(&f, "{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"a\"}}");
    event(&f, "{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"c\"}}");
    assert_string_equal(buf_text(&f.items), "1={\"type\":\"b\"};0={\"type\":\"a\"};2={\"type\":\"c\"};");
    end(&f);
}

static void test_announced_but_never_done(void **state)
{
    struct fixture f;

    begin(&f, &ops);
    event(&f, "{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"mcp_list_"
              "tools\"}}");
    event(&f, "{\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":{\"type\":\"message\"}}");
    event(&f, "{\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"type\":\"message\"}}");
    event(&f,
          "{\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":\"mcp_list_tools\",\"n\":1},"
          "{\"type\":\"message\",\"id\":\"other\"},{\"type\":\"never_announced\"}]}}");
    assert_string_equal(buf_text(&f.items),
                        "1={\"type\":\"message\"};0={\"type\":\"mcp_list_tools\",\"n\":1};");
    assert_int_equal(f.stream.end.kind, MODEL_COMPLETED);
    end(&f);
}

static void test_no_done_events_at_all(void **state)
{
    struct fixture f;

    begin(&f, &ops);
    event(&f, "{\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":\"message\"}]}}");
    assert_string_equal(buf_text(&f.items), "0={\"type\":\"message\"};");
    assert_false(f.stream.end.has_usage);
    end(&f);
}

static void test_incomplete(void **state)
{
    struct fixture f;

    begin(&f, &ops);
    event(&f,
          "{\"type\":\"response.incomplete\",\"response\":{\"status\":\"incomplete\",\"incomplete_details\":"
          "{\"reason\":\"max_output_tokens\"},\"output\":[{\"type\":\"reasoning\"},"
          "{\"type\":\"function_call\",\"status\":\"incomplete\"}],\"usage\":{\"input_tokens\":1,\"output_"
          "tokens\":2}}}");
    assert_int_equal(f.stream.end.kind, MODEL_INCOMPLETE);
    assert_string_equal(f.stream.end.reason, "max_output_tokens");
    assert_string_equal(buf_text(&f.items), "0={\"type\":\"reasoning\"};");
    assert_int_equal(f.stream.end.usage.total_tokens, 3);
    end(&f);
}

static void test_status_beats_the_event(void **state)
{
    struct fixture f;

    begin(&f, &ops);
    event(&f, "{\"type\":\"response.completed\",\"response\":{\"status\":\"cancelled\",\"output\":[]}}");
    assert_int_equal(f.stream.end.kind, MODEL_FAILED);
    assert_string_equal(f.stream.end.reason, "cancelled");
    assert_string_equal(f.stream.end.err.text, "the model server cancelled the response");
    end(&f);
}

static void check_error(const char *payload, const char *reason, bool can_retry, int64_t after,
                        const char *text)
{
    struct fixture f;

    begin(&f, &ops);
    assert_int_equal(event(&f, payload), 1);
    assert_int_equal(f.stream.end.kind, MODEL_FAILED);
    assert_string_equal(f.stream.end.reason, reason);
    assert_int_equal(f.stream.end.can_retry, can_retry);
    assert_int_equal(f.stream.end.retry_after_ms, after);
    assert_string_equal(f.stream.end.err.text, text);
    assert_int_equal(f.stream.end.err.code, ERR_MODEL);
    assert_int_equal(event(&f, "{\"type\":\"response.completed\",\"response\":{}}"),
                     1); /* nothing counts after it */
    assert_int_equal(f.stream.end.kind, MODEL_FAILED);
    end(&f);
}

static void test_errors_inside_the_stream(void **state)
{
    check_error("{\"type\":\"error\",\"code\":\"server_error\",\"message\":\"Oops\",\"param\":null}",
                "server_error", true, -1, "the model server reported an error (server_error): Oops");
    check_error("{\"type\":\"error\",\"error\":{\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\","
                "\"message\":\"Please try again in 1.76s.\"}}",
                "rate_limit_exceeded", true, 1760,
                "the model server reported an error (rate_limit_exceeded): Please try again in 1.76s.");
    check_error(
        "{\"type\":\"error\",\"error\":{\"type\":\"server_error\",\"code\":null,\"message\":\"Sorry.\"}}",
        "server_error", true, -1, "the model server reported an error (server_error): Sorry.");
    check_error("{\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":"
                "\"insufficient_quota\","
                "\"message\":\"No money.\"}}}",
                "insufficient_quota", false, -1,
                "the model server reported an error (insufficient_quota): No money.");
    check_error("{\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":null}}", "",
                true, -1, "the model server reported an error: no reason given");
    check_error("{\"error\":{\"code\":429,\"message\":\"busy\"}}", "429", true, -1,
                "the model server refused the request (HTTP 429, 429): busy");
    check_error("{\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"cyber_policy\","
                "\"message\":\"no\"}}}",
                "cyber_policy", false, -1, "the model server reported an error (cyber_policy): no");
}

static void check_broken(const char *payload, bool can_retry, const char *text)
{
    struct fixture f;

    begin(&f, &ops);
    if (payload)
        event(&f, payload);
    stream_eof(&f.stream);
    assert_true(f.stream.has_ended);
    assert_int_equal(f.stream.end.kind, MODEL_BROKEN);
    assert_int_equal(f.stream.end.can_retry, can_retry);
    assert_string_equal(f.stream.end.err.text, text);
    end(&f);
}

static void test_broken_streams(void **state)
{
    static const char cut[] =
        "the model server sent only a part of the response: it ended before it was complete";

    check_broken(NULL, true, "the model server sent an empty response");
    check_broken("{\"type\":\"response.created\",\"response\":{}}", true, cut);
    check_broken("[DONE]", true, cut);
    check_broken("{\"type\":\"response.output_item.done\",\"item\":[]}", true,
                 "the model server sent an output item without a type");
    check_broken("{\"type\":\"response.completed\",\"response\":{\"output\":[7]}}", true,
                 "the model server sent an output item without a type");
}

static void test_malformed_event(void **state)
{
    struct fixture f;

    begin(&f, &ops);
    assert_int_equal(event(&f, "{\"type\":\"response.completed\",\"response\":{\"out"), 1);
    assert_int_equal(f.stream.end.kind, MODEL_BROKEN);
    assert_true(f.stream.end.can_retry);
    assert_memory_equal(f.stream.end.err.text, "the model server sent an event that is not JSON: line 1", 55);
    end(&f);
}

static void test_items_are_put_on_one_line(void **state)
{
    struct fixture f;

    begin(&f, &ops);
    event(&f, "{\"type\":\"response.output_item.done\",\"item\":{\n\"type\":\r\n \"a\\n\"}}");
    assert_string_equal(buf_text(&f.items), "0={ \"type\":   \"a\\n\"};");
    end(&f);
}

static void test_event_name_stands_in_for_the_type(void **state)
{
    struct fixture f;

    begin(&f, &ops);
    assert_int_equal(stream_event(&f.stream, span_of("response.completed"),
                                  span_of("{\"response\":{\"id\":\"r\",\"output\":[]}}")),
                     1);
    assert_int_equal(f.stream.end.kind, MODEL_COMPLETED);
    end(&f);
}

static void check_document(const char *body, enum model_end_kind kind, const char *items, const char *text)
{
    struct fixture f;

    begin(&f, &ops);
    stream_document(&f.stream, span_of(body));
    assert_true(f.stream.has_ended);
    assert_int_equal(f.stream.end.kind, kind);
    assert_string_equal(buf_text(&f.items), items);
    assert_string_equal(f.stream.end.err.text, text);
    end(&f);
}

static void test_documents(void **state)
{
    check_document("{\"object\":\"response\",\"status\":\"completed\",\"output\":[{\"type\":\"message\"}]}",
                   MODEL_COMPLETED, "0={\"type\":\"message\"};", "");
    check_document("{\"output\":[]}", MODEL_COMPLETED, "", "");
    check_document("{\"status\":\"queued\",\"output\":[]}", MODEL_BROKEN, "",
                   "the model server sent a response that is not finished");
    check_document("{\"status\":\"incomplete\",\"output\":[{\"type\":\"a\",\"status\":\"incomplete\"}]}",
                   MODEL_INCOMPLETE, "", "");
    check_document("{\"error\":{\"message\":\"x\",\"code\":\"rate_limit_exceeded\"}}", MODEL_FAILED, "",
                   "the model server reported an error (rate_limit_exceeded): x");
    check_document("{\"choices\":[]}", MODEL_BROKEN, "", "the model server sent JSON that is no response");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_function_call),
    cmocka_unit_test(test_all_kinds_of_deltas),
    cmocka_unit_test(test_without_display_deltas_are_not_parsed),
    cmocka_unit_test(test_interleaved_and_unnumbered),
    cmocka_unit_test(test_announced_but_never_done),
    cmocka_unit_test(test_no_done_events_at_all),
    cmocka_unit_test(test_incomplete),
    cmocka_unit_test(test_status_beats_the_event),
    cmocka_unit_test(test_errors_inside_the_stream),
    cmocka_unit_test(test_broken_streams),
    cmocka_unit_test(test_malformed_event),
    cmocka_unit_test(test_items_are_put_on_one_line),
    cmocka_unit_test(test_event_name_stands_in_for_the_type),
    cmocka_unit_test(test_documents),
};

UNIT_MAIN(tests)
