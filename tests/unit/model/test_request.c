/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/json.h"
#include "core/model/request.h"

#include <stdio.h>

static const struct model_spec plain = { .name = "m",
                                         .base_url = "http://127.0.0.1:8080/v1",
                                         .service_tier = "auto" };

static void check(const struct model_spec *spec, const struct request_input *in, const char *expected)
{
    struct buf out = BUF_INIT(65536);
    struct err err;

    assert_int_equal(request_encode(&out, spec, in, &err), 0);
    assert_string_equal(buf_text(&out), expected);
    buf_done(&out);
}

static void test_local_state(void **state)
{
    const struct span items[] = { span_of("{\"type\":\"message\", \"n\":1.0}"),
                                  span_of("{\"type\":\"b\",\"created_by\":\"x\"}"),
                                  span_of("{\"type\":\"computer_call_output\",\"status\":\"failed\"}"),
                                  span_of("{\"type\":\"c\"}") };
    const struct request_input in = { .instructions = "Be \"brief\".",
                                      .tools = span_of("[{\"type\":\"shell\"}]"),
                                      .items = items,
                                      .item_count = 4,
                                      .cache_key = "run-1" };

    check(&plain, &in,
          "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_content\"],"
          "\"instructions\":\"Be \\\"brief\\\".\",\"tools\":[{\"type\":\"shell\"}],"
          "\"input\":[{\"type\":\"message\", \"n\":1.0},{\"type\":\"b\"},{\"type\":\"c\"}]}");
}

static void test_server_state(void **state)
{
    struct model_spec spec = plain;
    const struct span items[] = { span_of("{\"type\":\"a\"}") };
    const struct request_input in = {
        .tools = span_of("[ ]"), .items = items, .item_count = 1, .previous_response_id = "resp_1"
    };

    spec.state = MODEL_STATE_SERVER;
    check(&spec, &in,
          "{\"model\":\"m\",\"stream\":true,\"store\":true,\"previous_response_id\":\"resp_1\",\"input\":[{"
          "\"type\":\"a\"}]}");
}

static void test_settings_for_openai(void **state)
{
    struct model_spec spec = plain;
    const struct request_input in = { .cache_key = "run-1" };

    spec.base_url = "https://api.openai.com/v1";
    spec.reasoning_effort = "medium";
    spec.reasoning_summary = "auto";
    spec.text_verbosity = "low";
    spec.max_output_tokens = 32000;
    spec.service_tier = "flex";
    check(
        &spec, &in,
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_obfuscation\":false},\"store\":false,"
        "\"include\":[\"reasoning.encrypted_content\"],\"reasoning\":{\"effort\":\"medium\",\"summary\":"
        "\"auto\"},"
        "\"text\":{\"verbosity\":\"low\"},\"max_output_tokens\":32000,\"service_tier\":\"flex\","
        "\"prompt_cache_key\":\"run-1\",\"input\":[]}");
    spec = plain;
    spec.base_url = "https://res.openai.azure.com/openai/v1";
    check(&spec, &in,
          "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_content\"],"
          "\"prompt_cache_key\":\"run-1\",\"input\":[]}");
}

static void check_extra(const char *extra, int expected, const char *text)
{
    struct arena arena = ARENA_INIT(65536);
    struct buf out = BUF_INIT(65536);
    struct model_spec spec = plain;
    const struct request_input in = { .cache_key = "k" };
    struct err err;

    assert_int_equal(json_parse(span_of(extra), &arena, &spec.extra, &err), 0);
    spec.reasoning_effort = "low";
    spec.max_output_tokens = 100;
    assert_int_equal(request_encode(&out, &spec, &in, &err), expected);
    assert_string_equal(expected < 0 ? err.text : buf_text(&out), text);
    buf_done(&out);
    arena_done(&arena);
}

static void test_extra_has_the_last_word(void **state)
{
    check_extra(
        "{\"zeta\":{\"x\":[1,null]},\"max_output_tokens\":7,\"alpha\":0.5}", 0,
        "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_content\"],"
        "\"reasoning\":{\"effort\":\"low\"},\"max_output_tokens\":7,\"zeta\":{\"x\":[1,null]},\"alpha\":0.5,"
        "\"input\":[]}");
    check_extra("{\"reasoning\":{\"context\":\"auto\",\"effort\":\"high\"},\"include\":null,\"prompt_cache_"
                "key\":\"mine\"}",
                0,
                "{\"model\":\"m\",\"stream\":true,\"store\":false,\"reasoning\":{\"context\":\"auto\","
                "\"effort\":\"high\"},"
                "\"max_output_tokens\":100,\"prompt_cache_key\":\"mine\",\"input\":[]}");
    check_extra("{\"reasoning\":null,\"text\":{\"format\":{\"type\":\"text\"}},\"stream_options\":{\"a\":1},"
                "\"gone\":null}",
                0,
                "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"a\":1},\"store\":false,"
                "\"include\":[\"reasoning.encrypted_content\"],\"text\":{\"format\":{\"type\":\"text\"}},"
                "\"max_output_tokens\":100,\"input\":[]}");
}

static void test_extra_cannot_break_the_loop(void **state)
{
    static const char *const names[] = { "model", "instructions",        "input", "tools", "stream",
                                         "store", "previous_response_id" };
    char extra[100], text[100];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(extra, sizeof(extra), "{\"a\":1,\"%s\":null}", names[i]);
        snprintf(text, sizeof(text), "'model.extra' cannot set '%s'", names[i]);
        check_extra(extra, -ERR_MANIFEST, text);
    }
    check_extra("[]", -ERR_MANIFEST, "'model.extra' must be a mapping");
}

static void test_repair_without_reasoning(void **state)
{
    const struct span items[] = { span_of("{\"type\":\"reasoning\"}"),
                                  span_of("{\"type\":\"function_call\",\"id\":\"fc\",\"call_id\":\"c\"}") };
    static const bool are_whole[] = { true, true }; /* unless reasoning is stripped */
    const struct request_input in = {
        .items = items, .are_whole = are_whole, .item_count = 2, .strip_reasoning = true
    };

    check(&plain, &in,
          "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_content\"],"
          "\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\"}]}");
}

static void test_what_is_whole_is_not_looked_at(void **state)
{
    const struct span items[] = { span_of("{\"status\":null}"), span_of("{\"status\":null}") };
    static const bool are_whole[] = { true, false };
    const struct request_input in = { .items = items, .are_whole = are_whole, .item_count = 2 };

    check(&plain, &in,
          "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_content\"],"
          "\"input\":[{\"status\":null},{}]}");
}

/* A threshold with turns of the conversation, no tool and no schema with what is asked beside it. */
static void test_compaction(void **state)
{
    struct model_spec spec = plain;
    struct request_input in = { .compact_at = 9000, .tools = span_of("[{\"type\":\"shell\"}]") };
    struct arena arena = ARENA_INIT(100000);
    const struct tree *schema, *extra;

    assert_int_equal(json_parse(span_of("{\"type\":\"object\"}"), &arena, &schema, NULL), 0);
    assert_int_equal(json_parse(span_of("{\"tool_choice\":\"required\"}"), &arena, &extra, NULL), 0);
    check(&spec, &in,
          "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_content\"],"
          "\"context_management\":[{\"type\":\"compaction\",\"compact_threshold\":9000}],"
          "\"tools\":[{\"type\":\"shell\"}],\"input\":[]}");
    spec.schema = schema;
    spec.extra = extra;
    in.is_aside = true;
    check(&spec, &in,
          "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_content\"],"
          "\"tools\":[{\"type\":\"shell\"}],\"tool_choice\":\"none\",\"input\":[]}");
    in.tools = span_of("[]");
    check(&spec, &in,
          "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_content\"],"
          "\"input\":[]}");
    arena_done(&arena);
}

static void test_ceiling(void **state)
{
    const struct span items[] = { span_of("{\"type\":\"a\"}") };
    const struct request_input in = { .items = items, .item_count = 1 };
    struct buf out = BUF_INIT(50);
    struct err err;

    assert_int_equal(request_encode(&out, &plain, &in, &err), -ERR_TOO_LARGE);
    assert_memory_equal(err.text, "encoding the request: ", 22);
    buf_done(&out);
}

static void test_task(void **state)
{
    static const struct request_attachment files[] = { { "a.png", "image/png", { "\x89P", 2 } },
                                                       { "b.pdf", "application/pdf", { "%", 1 } } };
    struct buf out = BUF_INIT(1000);
    struct err err;

    assert_int_equal(request_user_item(&out, "Do\xff it", NULL, 0, &err), 0);
    assert_string_equal(buf_text(&out),
                        "{\"type\":\"message\",\"role\":\"user\",\"content\":\"Do\xef\xbf\xbd it\"}");
    buf_clear(&out);
    assert_int_equal(request_user_item(&out, "See", files, 2, &err), 0);
    assert_string_equal(
        buf_text(&out),
        "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"See\"},"
        "{\"type\":\"input_image\",\"detail\":\"auto\",\"image_url\":\"data:image/png;base64,iVA=\"},"
        "{\"type\":\"input_file\",\"filename\":\"b.pdf\",\"file_data\":\"data:application/"
        "pdf;base64,JQ==\"}]}");
    buf_done(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_local_state),
    cmocka_unit_test(test_server_state),
    cmocka_unit_test(test_settings_for_openai),
    cmocka_unit_test(test_extra_has_the_last_word),
    cmocka_unit_test(test_extra_cannot_break_the_loop),
    cmocka_unit_test(test_repair_without_reasoning),
    cmocka_unit_test(test_what_is_whole_is_not_looked_at),
    cmocka_unit_test(test_compaction),
    cmocka_unit_test(test_ceiling),
    cmocka_unit_test(test_task),
};

UNIT_MAIN(tests)
