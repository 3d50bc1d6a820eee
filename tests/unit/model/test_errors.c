/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/model/errors.h"
#include "core/model/stream.h"

#include <stdio.h>

#define KEY "sk-secret-0123456789"

static const struct span secrets[] = { { KEY, sizeof(KEY) - 1 } };

static struct model_spec spec_with_key(enum secret_kind kind, const char *value)
{
    return (struct model_spec){ .name = "gpt-x",
                                .base_url = "https://user:pw@models.example/v1",
                                .api_key = { .kind = kind, .value = value } };
}

static const struct tree *schema_sent; /* NULL: none */

static struct model_end refused(int status, const char *body)
{
    static struct model_spec spec;
    struct error_context ctx = { &spec, secrets, 1 };
    struct model_end end;

    spec = spec_with_key(SECRET_ENV, "OPENAI_API_KEY");
    spec.schema = schema_sent;
    stream_end_init(&end);
    errors_from_body(&end, &ctx, status, span_of(body));
    assert_int_equal(end.kind, MODEL_FAILED);
    assert_int_equal(end.http_status, status);
    assert_int_equal(end.err.code, ERR_MODEL);
    return end;
}

static void check(int status, const char *body, const char *reason, bool can_retry, const char *text,
                  const char *hint)
{
    struct model_end end = refused(status, body);

    assert_string_equal(end.reason, reason);
    assert_string_equal(end.err.text, text);
    assert_string_equal(end.err.hint, hint);
    assert_int_equal(end.can_retry, can_retry);
    assert_false(end.wants_function_tools);
    assert_false(end.lost_previous);
    assert_false(end.bad_reasoning);
}

static void test_the_usual_refusals(void **state)
{
    check(
        401,
        "{\"error\":{\"message\":\"Incorrect API key provided: " KEY ".\",\"type\":\"invalid_request_error\","
        "\"param\":null,\"code\":\"invalid_api_key\"}}",
        "invalid_api_key", false,
        "the model server refused the request (HTTP 401, invalid_api_key): Incorrect API key provided: ***.",
        "check the key in the environment variable 'OPENAI_API_KEY' ('model.api_key')");
    check(404,
          "{\"error\":{\"message\":\"The model 'x' does not "
          "exist\",\"code\":\"model_not_found\",\"param\":\"model\"}}",
          "model_not_found", false,
          "the model server refused the request (HTTP 404, model_not_found): The model 'x' does not exist",
          "check 'model.name' ('gpt-x'), and whether this key may use that model");
    check(
        404, "404 page not found", "", false,
        "the model server refused the request (HTTP 404): 404 page not found",
        "check 'model.base_url' and 'model.name': does 'models.example' serve POST /responses for 'gpt-x'?");
    check(
        429, "{\"error\":{\"message\":\"No quota.\",\"type\":\"insufficient_quota\",\"code\":null}}",
        "insufficient_quota", false,
        "the model server refused the request (HTTP 429, insufficient_quota): No quota.",
        "the account behind this key has no credit left: check its plan and billing; waiting does not help");
    check(400,
          "{\"error\":{\"message\":\"Too long\",\"code\":\"context_length_exceeded\",\"param\":\"input\"}}",
          "context_length_exceeded", false,
          "the model server refused the request (HTTP 400, context_length_exceeded): Too long",
          "the conversation no longer fits the model: lower 'limits.output', or use a model with a larger "
          "context");
    check(413, "", "", false, "the model server refused the request (HTTP 413): no reason given",
          "the request is too large for this server: send fewer or smaller attachments");
    check(503, "{\"error\":\"busy\"}", "", true, "the model server refused the request (HTTP 503): busy",
          "the fault is the server's: wait a little, then run it again");
}

static void test_which_status_can_be_tried_again(void **state)
{
    static const struct {
        int status;
        bool can_retry;
    } rows[] = { { 400, false }, { 401, false }, { 403, false }, { 404, false }, { 405, false },
                 { 408, true },  { 409, true },  { 413, false }, { 422, false }, { 429, true },
                 { 500, true },  { 501, false }, { 502, true },  { 503, true },  { 504, true },
                 { 505, false }, { 529, true },  { 100, false } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(refused(rows[i].status, "").can_retry, rows[i].can_retry);
}

static void test_refused_parameters(void **state)
{
    check(400,
          "{\"error\":{\"message\":\"Unsupported "
          "value\",\"code\":\"unsupported_value\",\"param\":\"reasoning.summary\"}}",
          "unsupported_value", false,
          "the model server refused the request (HTTP 400, unsupported_value): Unsupported value",
          "this model or server does not accept 'reasoning.summary' as it was sent: check 'model' in the "
          "manifest");
    check(400,
          "{\"error\":{\"message\":\"Item 'rs_1' of type 'reasoning' was provided without its required "
          "following item.\","
          "\"param\":\"input\",\"code\":null,\"type\":\"invalid_request_error\"}}",
          "invalid_request_error", false,
          "the model server refused the request (HTTP 400, invalid_request_error): Item 'rs_1' of type "
          "'reasoning' was "
          "provided without its required following item.",
          "the server does not accept the conversation as it was sent: try another 'model.state', or start "
          "the run anew");
    check(400,
          "{\"error\":{\"message\":\"this server does not support 'previous_response_id'.\",\"code\":400}}",
          "400", false,
          "the model server refused the request (HTTP 400, 400): this server does not support "
          "'previous_response_id'.",
          "this server keeps no conversations: use 'model.state: local'");
}

static void test_rate_limit_in_words(void **state)
{
    struct model_end end = refused(
        429, "{\"error\":{\"message\":\"Please try again in 1.76s.\",\"code\":\"rate_limit_exceeded\"}}");

    assert_true(end.can_retry);
    assert_int_equal(end.retry_after_ms, 1760);
}

static void check_tools(int status, const char *body, bool expected)
{
    struct model_end end = refused(status, body);

    assert_int_equal(end.wants_function_tools, expected);
    if (expected)
        assert_false(end.can_retry);
}

static void test_native_tools_refused(void **state)
{
    check_tools(400,
                "{\"error\":{\"message\":\"Invalid value: 'shell'. Supported values are: 'function'.\","
                "\"param\":\"tools[0].type\",\"code\":\"invalid_value\"}}",
                true);
    check_tools(400,
                "{\"error\":{\"message\":\"Tool 'shell' is not supported with gpt-x.\",\"param\":\"tools\"}}",
                true);
    check_tools(400, "{\"error\":{\"code\":400,\"message\":\"unsupported tool type: shell\"}}", true);
    check_tools(500, "{\"error\":{\"code\":500,\"message\":\"'type' of tool must be 'function'\"}}", true);
    check_tools(400, "{\"error\":\"unknown tool type\"}", true);
    check_tools(
        422,
        "{\"detail\":[{\"loc\":[\"body\",\"tools\",0,\"type\"],\"msg\":\"Input should be 'function'\"}]}",
        true);
}

static void test_other_refusals_are_not_about_native_tools(void **state)
{
    check_tools(
        400,
        "{\"error\":{\"message\":\"No tool output found for function call call_1.\",\"param\":\"input\"}}",
        false);
    check_tools(400,
                "{\"error\":{\"message\":\"No tool call found for shell call output with call_id "
                "c.\",\"param\":null}}",
                false);
    check_tools(
        400,
        "{\"error\":{\"message\":\"Invalid schema for function 'f': type missing\",\"param\":\"tools[0]\","
        "\"code\":\"invalid_function_parameters\"}}",
        false);
    check_tools(
        400, "{\"error\":{\"message\":\"Unsupported parameter: 'temperature'\",\"param\":\"temperature\"}}",
        false);
    check_tools(429, "{\"error\":{\"message\":\"unsupported tool type\"}}", false);
    check_tools(401, "{\"error\":{\"message\":\"invalid tool type\"}}", false);
}

static void check_schema(int status, const char *body, bool expected)
{
    static const struct tree schema = { .kind = TREE_OBJECT };
    struct model_end end = refused(status, body);

    assert_false(end.wants_no_schema); /* there was none to refuse */
    schema_sent = &schema;
    end = refused(status, body);
    schema_sent = NULL;
    assert_int_equal(end.wants_no_schema, expected);
    if (expected)
        assert_false(end.can_retry);
}

static void test_schema_refused(void **state)
{
    check_schema(400,
                 "{\"error\":{\"message\":\"Unknown parameter: 'text.format'.\",\"param\":\"text.format\"}}",
                 true);
    check_schema(400, "{\"error\":{\"message\":\"Unsupported parameter: text\",\"param\":\"text\"}}", true);
    check_schema(
        400,
        "{\"error\":{\"message\":\"Invalid parameter: 'text.format' of type 'json_schema' is not supported "
        "with this model.\",\"param\":null}}",
        true);
    check_schema(500, "{\"error\":{\"code\":500,\"message\":\"structured output is not supported\"}}", true);
    check_schema(
        422, "{\"detail\":[{\"loc\":[\"body\",\"text\"],\"msg\":\"Extra inputs are not permitted\"}]}", true);
    check_schema(400, "{\"error\":\"unknown field \\\"text\\\"\"}", true);

    /* of what it says */
    check_schema(
        400,
        "{\"error\":{\"message\":\"Invalid schema for response_format 'answer': x is not permitted.\","
        "\"param\":\"text.format.schema\",\"code\":\"invalid_json_schema\"}}",
        false);
    /* of something else */
    check_schema(400, "{\"error\":{\"message\":\"Invalid value: 'text'.\",\"param\":\"input[0].content\"}}",
                 false);
    check_schema(400, "{\"error\":{\"message\":\"Unsupported value\",\"param\":\"text.verbosity\"}}", false);
    check_schema(400, "{\"error\":{\"message\":\"unsupported tool type: shell\"}}", false);
    check_schema(429, "{\"error\":{\"message\":\"text.format is not supported\"}}", false);
}

static void test_repairs(void **state)
{
    struct model_end end =
        refused(400, "{\"error\":{\"message\":\"Previous response with id 'resp_1' not found.\",\"code\":"
                     "\"previous_response_not_found\",\"param\":\"previous_response_id\"}}");

    assert_true(end.lost_previous);
    assert_false(end.can_retry);
    end = refused(
        400, "{\"error\":{\"message\":\"The encrypted content gAAA could not be verified.\",\"code\":null}}");
    assert_true(end.bad_reasoning);
    end = refused(400, "{\"error\":{\"message\":\"x\",\"code\":\"invalid_encrypted_content\"}}");
    assert_true(end.bad_reasoning);
    assert_false(end.can_retry);
}

/* In whatever words: of OpenAI, llama.cpp, vLLM. */
static void test_too_long(void **state)
{
    static const char *const bodies[] = {
        "{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\",\"param\":\"input\"}}",
        "{\"error\":{\"message\":\"the request exceeds the available context size\",\"type\":"
        "\"exceed_context_size_error\"}}",
        "{\"message\":\"This model's maximum context length is 4096 tokens.\"}",
    };
    struct model_end end;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        end = refused(400, bodies[i]);
        assert_true(end.is_too_long);
        assert_false(end.can_retry);
    }
    assert_false(refused(429, "{\"error\":{\"message\":\"too many for the context window\"}}").is_too_long);
    assert_false(refused(400, "{\"error\":{\"message\":\"x\",\"param\":\"input\"}}").is_too_long);
}

static void test_compaction_refused(void **state)
{
    struct model_end end =
        refused(400, "{\"error\":{\"message\":\"Unknown parameter: 'context_management'.\","
                     "\"code\":\"unknown_parameter\",\"param\":\"context_management\"}}");

    assert_true(end.refuses_compaction);
    assert_false(end.wants_function_tools);
    end = refused(
        422,
        "{\"detail\":[{\"loc\":[\"body\",\"context_management\"],\"msg\":\"extra fields not permitted\"}]}");
    assert_true(end.refuses_compaction);
    assert_false(refused(401, "{\"error\":{\"message\":\"context_management\"}}").refuses_compaction);
    assert_false(
        refused(400, "{\"error\":{\"message\":\"unknown\",\"param\":\"tools\"}}").refuses_compaction);
}

static void test_pages_and_odd_bodies(void **state)
{
    check(502, "\n<html>\n<head><title>Bad\tGateway</title>", "", true,
          "the model server refused the request (HTTP 502): an HTML page: <html> <head><title>Bad "
          "Gateway</title>",
          "the fault is the server's: wait a little, then run it again");
    check(400, "{\"message\":\"plain\"}", "", false, "the model server refused the request (HTTP 400): plain",
          "check the 'model' part of the manifest against what this server accepts");
    check(400, "{\"odd\":1}", "", false, "the model server refused the request (HTTP 400): {\"odd\":1}",
          "check the 'model' part of the manifest against what this server accepts");
    check(400, "{\"error\":{\"mess", "", false,
          "the model server refused the request (HTTP 400): {\"error\":{\"mess",
          "check the 'model' part of the manifest against what this server accepts");
}

static void test_texts_are_harmless(void **state)
{
    struct model_end end = refused(400, "\x1b[31mred\x07 \xff \xc2\x9b"
                                        "x\n\n  y\x7f");

    assert_string_equal(end.err.text,
                        "the model server refused the request (HTTP 400): [31mred \xef\xbf\xbd x y");
}

static void test_texts_are_bounded(void **state)
{
    static const char lead[] = "the model server refused the request (HTTP 400): ";
    struct model_end end;
    char body[5000];

    for (size_t i = 0; i + 2 < sizeof(body); i += 2)
        memcpy(body + i, "ä", 2);
    body[4998] = '\0';
    end = refused(400, body);
    assert_int_equal(strlen(end.err.text), sizeof(lead) - 1 + ERRORS_MESSAGE_MAX - 1);
    assert_string_equal(end.err.text + strlen(end.err.text) - 5, "ä...");
}

static void test_a_secret_is_hidden_before_the_cut(void **state)
{
    struct model_end end;
    char body[2000];

    for (size_t at = 560; at < 610; at++) {
        snprintf(body, sizeof(body), "%0*d" KEY " and " KEY, (int) at, 0);
        end = refused(500, body);
        assert_null(strstr(end.err.text, "sk-"));
        assert_null(strstr(end.err.text, "secret"));
    }
    end = refused(400, "{\"error\":{\"message\":\"m\",\"code\":\"" KEY "\",\"param\":\"" KEY "\"}}");
    assert_string_equal(end.reason, "***");
    assert_string_equal(end.err.hint,
                        "this model or server does not accept '***' as it was sent: check 'model' in the "
                        "manifest");
}

static void check_key_hint(enum secret_kind kind, const char *value, const char *expected)
{
    static const char *const argv[] = { "pass", "show", NULL };
    struct model_spec spec = spec_with_key(kind, value);
    struct error_context ctx = { &spec, NULL, 0 };
    struct model_end end;

    spec.api_key.argv = kind == SECRET_COMMAND ? argv : NULL;
    stream_end_init(&end);
    errors_from_body(&end, &ctx, 401, span_of(""));
    assert_string_equal(end.err.hint, expected);
}

static void test_where_the_key_came_from(void **state)
{
    check_key_hint(SECRET_FILE, "/run/key", "check the key in the file '/run/key' ('model.api_key')");
    check_key_hint(SECRET_COMMAND, NULL, "check the key that the command 'pass' prints ('model.api_key')");
    check_key_hint(SECRET_NONE, NULL, "the server wants a key: set 'model.api_key'");
}

static void test_redirect_names_the_host_only(void **state)
{
    struct model_spec spec = spec_with_key(SECRET_NONE, NULL);
    struct error_context ctx = { &spec, NULL, 0 };
    struct model_end end;

    stream_end_init(&end);
    errors_from_redirect(&end, &ctx, 307, span_of("https://u:p@login.example:444/path?token=1"));
    assert_string_equal(end.err.text, "the model server redirects (HTTP 307) to the host 'login.example'");
    assert_string_equal(
        end.err.hint,
        "redirects are not followed, the key would go along: set 'model.base_url' to the final address");
    assert_false(end.can_retry);
    errors_from_redirect(&end, &ctx, 302, span_of("/elsewhere"));
    assert_string_equal(end.err.text, "the model server redirects (HTTP 302)");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_the_usual_refusals),
    cmocka_unit_test(test_which_status_can_be_tried_again),
    cmocka_unit_test(test_refused_parameters),
    cmocka_unit_test(test_rate_limit_in_words),
    cmocka_unit_test(test_native_tools_refused),
    cmocka_unit_test(test_other_refusals_are_not_about_native_tools),
    cmocka_unit_test(test_schema_refused),
    cmocka_unit_test(test_repairs),
    cmocka_unit_test(test_too_long),
    cmocka_unit_test(test_compaction_refused),
    cmocka_unit_test(test_pages_and_odd_bodies),
    cmocka_unit_test(test_texts_are_harmless),
    cmocka_unit_test(test_texts_are_bounded),
    cmocka_unit_test(test_a_secret_is_hidden_before_the_cut),
    cmocka_unit_test(test_where_the_key_came_from),
    cmocka_unit_test(test_redirect_names_the_host_only),
};

UNIT_MAIN(tests)
