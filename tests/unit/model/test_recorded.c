/* SPDX-License-Identifier: MIT */
/*
 * Whole streams as servers send them, from the bytes to items and an end, however they are cut. Our own files
 * (recorded/) have every shape that is known. Where recordings of real servers are at hand (TEST_SHARED,
 * beside the project; other people's text, so no copy is here), they are read as well.
 */
#include "tests/unit/unit.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/sse.h"
#include "core/model/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct row {
    const char *file, *types; /* of the items, in order of arrival */
    const char *holds;        /* in the items, or in the error's text */
    enum model_end_kind kind;
    int64_t input, output;
    const char *reason;
    bool can_retry;
};

static const struct row ours[] = {
    { "01-phase.sse", "reasoning message function_call ", "\"phase\":\"commentary\"", MODEL_COMPLETED, 63, 69,
      "", false },
    { "02-resumed.sse", "message ", "five", MODEL_COMPLETED, 15, 9, "", false },
    { "03-tool-search.sse", "tool_search_call ", "\"execution\":\"client\"", MODEL_COMPLETED, 234, 36, "",
      false },
    { "04-comments-done.sse", "message reasoning ", "\"id\":\"msg_t\"", MODEL_COMPLETED, 78, 37, "", false },
    { "05-data-first.sse", "function_call ", "call_0", MODEL_COMPLETED, 88, 14, "", false },
    { "06-container.jsonl", "shell_call shell_call_output message ", "container_reference", MODEL_COMPLETED,
      200, 120, "", false },
    { "07-no-numbers.sse", "function_call ", "oars", MODEL_COMPLETED, 255, 16, "", false },
    { "08-interleaved.sse", "mcp_list_tools message mcp_list_tools mcp_list_tools ", "three lists",
      MODEL_COMPLETED, 1199, 103, "", false },
    { "09-comment-inside.sse", "message ", "a bare item", MODEL_COMPLETED, 0, 0, "", false },
    { "10-patch.jsonl", "apply_patch_call ", "+fair wind\\n", MODEL_COMPLETED, 642, 67, "", false },
    { "11-local.jsonl", "shell_call ", "ls -a sea", MODEL_COMPLETED, 145, 41, "", false },
    { "12-quota.jsonl", "", "Nothing is left in the purse.", MODEL_FAILED, 0, 0, "insufficient_quota",
      false },
    { "13-local-server.jsonl", "reasoning message function_call ", "bay", MODEL_COMPLETED, 182, 61, "",
      false },
    { "14-null-code.jsonl", "", "A squall.", MODEL_FAILED, 0, 0, "server_error", true },
};

static const struct row shared[] = {
    { "01-openai-phase-function-call.sse", "reasoning message function_call ", "PotatoLand", MODEL_COMPLETED,
      63, 69, "", false },
    { "02-openai-background-resume.sse", "message ", "2 + 2 equals 4.", MODEL_COMPLETED, 15, 9, "", false },
    { "03-openai-client-tool-search.sse", "tool_search_call ", "client", MODEL_COMPLETED, 234, 36, "",
      false },
    { "04-openrouter-comments-done.sse", "message reasoning ", "\"4\"", MODEL_COMPLETED, 78, 37, "", false },
    { "05-bedrock-data-before-event.sse", "function_call ", "call_0", MODEL_COMPLETED, 88, 14, "", false },
    { "06-openai-shell-container.jsonl", "shell_call shell_call_output message ", "container",
      MODEL_COMPLETED, 200, 120, "", false },
    { "07-openai-2025-no-sequence-number.sse", "function_call ", "France", MODEL_COMPLETED, 255, 16, "",
      false },
    { "08-openai-mcp-list-tools-interleaved.sse", "mcp_list_tools message mcp_list_tools mcp_list_tools ",
      "mcp_list_tools", MODEL_COMPLETED, 1199, 103, "", false },
    { "09-codex-comment-inside-event.sse", "message ", "fixture hello", MODEL_COMPLETED, 0, 0, "", false },
    { "10-openai-apply-patch-create.jsonl", "apply_patch_call ", "create_file", MODEL_COMPLETED, 642, 67, "",
      false },
    { "11-openai-shell-local.jsonl", "shell_call ", "ls -a ~/Desktop", MODEL_COMPLETED, 145, 41, "", false },
    { "12-openai-error-insufficient-quota.jsonl", "", "quota", MODEL_FAILED, 0, 0, "insufficient_quota",
      false },
    { "13-lmstudio-tool-call.jsonl", "reasoning message function_call ", "San Francisco", MODEL_COMPLETED,
      182, 61, "", false },
    { "14-openai-error-null-code.jsonl", "", "Sorry, something went wrong.", MODEL_FAILED, 0, 0,
      "server_error", true },
};

static const struct model_spec spec = { .name = "m", .base_url = "https://models.example/v1" };
static const struct error_context ctx = { &spec, NULL, 0 };

struct heard {
    struct stream stream;
    struct buf types, items;
};

static void on_item(void *data, int64_t index, struct span raw)
{
    struct heard *h = data;
    struct arena arena = ARENA_INIT(8 << 20);
    const struct tree *item = NULL;

    assert_int_equal(json_parse(raw, &arena, &item, NULL), 0);
    assert_int_equal(buf_printf(&h->types, "%s ", tree_string(tree_get(item, "type"), "?")), 0);
    assert_int_equal(buf_add_span(&h->items, raw), 0);
    arena_done(&arena);
}

static const struct stream_ops ops = { NULL, on_item };

static int on_event(void *data, struct span name, struct span payload)
{
    struct heard *h = data;

    return h->stream.has_ended ? 0 : stream_event(&h->stream, name, payload) >= 0 ? 0 : -1;
}

/* Bytes, `step` at a time; 0: in pieces of no pattern. */
static void feed(struct heard *h, struct span bytes, size_t step)
{
    struct sse sse;
    uint32_t seed = 7;

    sse_init(&sse);
    for (size_t at = 0, n; at < bytes.len; at += n) {
        seed = seed * 1664525 + 1013904223;
        n = step ? step : 1 + (seed >> 16) % 97;
        n = n < bytes.len - at ? n : bytes.len - at;
        assert_int_equal(sse_feed(&sse, span_make(bytes.ptr + at, n), on_event, h), 0);
    }
    assert_int_equal(sse_end(&sse, on_event, h), 0);
    sse_done(&sse);
    if (!h->stream.has_ended)
        stream_eof(&h->stream);
}

static void check(const struct row *row, struct span bytes, size_t step)
{
    struct heard h = { .types = BUF_INIT(4096), .items = BUF_INIT(8 << 20) };

    stream_init(&h.stream, &ops, &h, &ctx);
    feed(&h, bytes, step);
    assert_string_equal(buf_text(&h.types), row->types);
    assert_int_equal(h.stream.end.kind, row->kind);
    assert_int_equal(h.stream.end.usage.input_tokens, row->input);
    assert_int_equal(h.stream.end.usage.output_tokens, row->output);
    assert_string_equal(h.stream.end.reason, row->reason);
    assert_int_equal(h.stream.end.can_retry, row->can_retry);
    assert_non_null(
        strstr(row->kind == MODEL_FAILED ? h.stream.end.err.text : buf_text(&h.items), row->holds));
    buf_done(&h.types);
    buf_done(&h.items);
}

/* One event a line, as OpenAI frames them, or as servers do that send data only. */
static void frame(struct span lines, bool has_names, struct buf *out)
{
    while (lines.len > 0) {
        const char *eol = memchr(lines.ptr, '\n', lines.len);
        struct span line = span_make(lines.ptr, eol ? (size_t) (eol - lines.ptr) : lines.len);
        struct arena arena = ARENA_INIT(8 << 20);
        const struct tree *event = NULL;

        if (line.len > 0) {
            assert_int_equal(json_parse(line, &arena, &event, NULL), 0);
            if (has_names)
                assert_int_equal(buf_printf(out, "event: %s\n", tree_string(tree_get(event, "type"), "")), 0);
            assert_int_equal(buf_printf(out, "data: " SPAN_FMT "\n\n", SPAN_ARG(line)), 0);
        }
        arena_done(&arena);
        lines = span_make(lines.ptr + line.len + (eol ? 1 : 0), lines.len - line.len - (eol ? 1 : 0));
    }
}

static void check_cut(const struct row *row, struct span bytes)
{
    static const size_t steps[] = { 1, 2, 13, 0, 1 << 20 };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        check(row, bytes, steps[i]);
}

static void check_file(const char *folder, const struct row *row)
{
    struct buf bytes = BUF_INIT(8 << 20), framed = BUF_INIT(8 << 20);
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", folder, row->file);
    assert_int_equal(file_read(path, &bytes, NULL), 0);
    if (!strstr(row->file, ".jsonl")) {
        check_cut(row, buf_span(&bytes));
    } else {
        for (int has_names = 0; has_names < 2; has_names++) {
            buf_clear(&framed);
            frame(buf_span(&bytes), has_names, &framed);
            check_cut(row, buf_span(&framed));
        }
    }
    buf_done(&bytes);
    buf_done(&framed);
}

static void test_ours(void **state)
{
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        check_file(getenv("TEST_RECORDED"), &ours[i]);
}

static void test_those_of_real_servers(void **state)
{
    const char *folder = getenv("TEST_SHARED");

    if (access(folder, R_OK) < 0) {
        print_message("# there is no %s: only our own streams are read\n", folder);
        return;
    }
    for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
        check_file(folder, &shared[i]);
}

/* None of these is worth a second try, nor are they taken for something that could be repaired. */
static void test_refusals_of_real_servers(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    struct arena arena = ARENA_INIT(8 << 20);
    const struct tree *bodies = NULL;
    char path[1024];

    snprintf(path, sizeof(path), "%s/15-error-bodies.json", getenv("TEST_SHARED"));
    if (access(path, R_OK) == 0) {
        assert_int_equal(file_read(path, &text, NULL), 0);
        assert_int_equal(json_parse(buf_span(&text), &arena, &bodies, NULL), 0);
        assert_true(bodies->count >= 13);
        tree_each (row, bodies) {
            struct model_end end;

            stream_end_init(&end);
            errors_from_body(&end, &ctx, (int) tree_int(tree_get(row, "http_status"), 0),
                             tree_get(row, "body")->raw);
            assert_int_equal(end.kind, MODEL_FAILED);
            assert_false(end.can_retry);
            assert_false(end.wants_function_tools);
        }
    }
    buf_done(&text);
    arena_done(&arena);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_ours),
    cmocka_unit_test(test_those_of_real_servers),
    cmocka_unit_test(test_refusals_of_real_servers),
};

UNIT_MAIN(tests)
