/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/run/record.h"

static void test_names_go_both_ways(void **state)
{
    for (int i = RECORD_UNKNOWN + 1; i < RECORD_TYPES; i++) {
        const char *name = record_type_name((enum record_type) i);

        assert_true(strchr(name, '.') || strcmp(name, "interrupt") == 0 || strcmp(name, "rollback") == 0);
        assert_int_equal(record_type_of(span_of(name)), i);
    }
    assert_int_equal(record_type_of(span_of("run.future")), RECORD_UNKNOWN);
    assert_string_equal(record_type_name(RECORD_TYPES), "unknown");
}

static void encode(const struct record *rec, struct buf *out)
{
    struct json_writer w;

    buf_clear(out);
    json_begin(&w, out);
    json_object(&w);
    record_encode(&w, rec);
    json_object_end(&w);
    assert_int_equal(json_end(&w, NULL), 0);
}

static int decode(struct span text, enum record_type type, struct arena *arena, struct record *ret,
                  struct err *err)
{
    const struct tree *tree;

    assert_int_equal(json_parse(text, arena, &tree, NULL), 0);
    ret->type = type;
    return record_decode(tree, arena, ret, err);
}

/* What is encoded, decoded and encoded again is the same text. */
static void check_round_trip(const struct record *rec, const char *expected)
{
    struct buf first = BUF_INIT(100000), second = BUF_INIT(100000);
    struct arena arena = ARENA_INIT(1000000);
    struct record back = { 0 };

    encode(rec, &first);
    assert_string_equal(buf_text(&first), expected);
    assert_int_equal(decode(buf_span(&first), rec->type, &arena, &back, NULL), 0);
    encode(&back, &second);
    assert_string_equal(buf_text(&second), expected);
    arena_done(&arena);
    buf_done(&first);
    buf_done(&second);
}

static void test_what_was_told_of_the_workspace(void **state)
{
    static const struct record_looked looked[] = { { "", 5, 5, "ab", false, NULL },
                                                   { "a", 9, 4, NULL, true, NULL },
                                                   { "b", 0, 0, NULL, false, "it is no file" } };
    struct record rec = { .type = RECORD_CONTEXT_DONE };

    rec.context.turn = 2;
    rec.context.looked = looked;
    rec.context.looked_count = 3;
    check_round_trip(&rec,
                     "{\"turn\":2,\"looked\":[{\"folder\":\"\",\"size\":5,\"shown\":5,\"sha256\":\"ab\"},"
                     "{\"folder\":\"a\",\"size\":9,\"shown\":4,\"cut\":true},"
                     "{\"folder\":\"b\",\"problem\":\"it is no file\"}]}");
    rec.context.tree_shown = 3;
    rec.context.item.json = span_of("{\"x\":1}");
    rec.context.looked_count = 0;
    check_round_trip(&rec, "{\"turn\":2,\"tree_shown\":3,\"item\":{\"x\":1}}");
}

static void test_lists_and_texts(void **state)
{
    static const struct record_row rows[] = { { "caps", "verified", "none", "0" },
                                              { "user", "lowered", NULL, NULL } };
    struct record rec = { .type = RECORD_SANDBOX_READY };

    rec.sandbox_ready.attempt = 2;
    rec.sandbox_ready.container_id = "abc";
    rec.sandbox_ready.rows = rows;
    rec.sandbox_ready.row_count = 2;
    check_round_trip(
        &rec, "{\"attempt\":2,\"container_id\":\"abc\",\"rows\":[{\"name\":\"caps\",\"state\":\"verified\","
              "\"asked\":\"none\",\"found\":\"0\"},{\"name\":\"user\",\"state\":\"lowered\"}]}");
}

static void test_scans(void **state)
{
    static const struct record_text command[] = { { "trivy" }, { "{image}" } };
    struct record rec = { .type = RECORD_SANDBOX_SCAN };

    rec.sandbox_scan = (struct record_sandbox_scan){ .attempt = 1,
                                                     .image = "x",
                                                     .image_id = "sha256:1",
                                                     .command = command,
                                                     .command_count = 2,
                                                     .answer = "refused",
                                                     .exit_status = 1,
                                                     .age_ms = 5,
                                                     .duration_ms = 7,
                                                     .output = "a\nb" };
    check_round_trip(
        &rec, "{\"attempt\":1,\"image\":\"x\",\"image_id\":\"sha256:1\",\"command\":[{\"text\":\"trivy\"},"
              "{\"text\":\"{image}\"}],\"answer\":\"refused\",\"exit\":1,\"age_ms\":5,\"duration_ms\":7,"
              "\"output\":\"a\\nb\"}");
}

static void test_blobs_keep_their_bytes(void **state)
{
    struct record rec = { .type = RECORD_REQUEST_ITEM };

    rec.request_item.turn = 1;
    rec.request_item.kind = "call";
    rec.request_item.is_incomplete = true;
    rec.request_item.call = 4;
    rec.request_item.call_id = "c\"1";
    rec.request_item.item.json = span_of("{ \"n\" : 1.50, \"u\":\"\\u00e9\" }");
    check_round_trip(&rec, "{\"turn\":1,\"output_index\":0,\"kind\":\"call\",\"incomplete\":true,\"call\":4,"
                           "\"call_id\":\"c\\\"1\",\"item\":{ \"n\" : 1.50, \"u\":\"\\u00e9\" }}");
}

static void test_stored_blobs_are_references(void **state)
{
    struct record rec = { .type = RECORD_INPUT_ITEM };

    memset(rec.input_item.item.object, 'a', 64);
    rec.input_item.item.size = 70000;
    check_round_trip(
        &rec,
        "{\"item_ref\":{\"object\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
        "\"size\":70000}}");
}

static void test_an_item_that_looks_like_a_reference_is_not_one(void **state)
{
    struct arena arena = ARENA_INIT(100000);
    struct record rec = { 0 };

    assert_int_equal(
        decode(span_of("{\"item\":{\"object\":\"aaaa\",\"size\":1}}"), RECORD_INPUT_ITEM, &arena, &rec, NULL),
        0);
    assert_string_equal(rec.input_item.item.object, "");
    assert_true(span_is(rec.input_item.item.json, "{\"object\":\"aaaa\",\"size\":1}"));
    arena_done(&arena);
}

static void test_usage_and_money(void **state)
{
    struct record rec = { .type = RECORD_REQUEST_END };

    rec.request_end.turn = 3;
    rec.request_end.status = "completed";
    rec.request_end.response_id = "resp_1";
    rec.request_end.usage = (struct record_usage){ 80, 64, 45, 16, 125, false };
    rec.request_end.cost_micros = -1;
    check_round_trip(
        &rec, "{\"turn\":3,\"status\":\"completed\",\"response_id\":\"resp_1\",\"usage\":{\"input\":80,"
              "\"cached\":64,\"output\":45,\"reasoning\":16,\"total\":125},\"cost_micros\":-1,"
              "\"retry_ms\":0}");
}

static void test_streams(void **state)
{
    static const struct record_stream streams[] = { { "stdout", 3, 3, "hi\n", NULL } };
    static const struct record_limit limits[] = { { "memory", "out of memory" } };
    struct record rec = { .type = RECORD_CALL_END };

    rec.call_end.turn = 1;
    rec.call_end.call = 1;
    rec.call_end.call_id = "c";
    rec.call_end.outcome = "ok";
    rec.call_end.exit_code = 0;
    rec.call_end.session = 1000;
    rec.call_end.answer.json = span_of("{}");
    rec.call_end.streams = streams;
    rec.call_end.stream_count = 1;
    rec.call_end.limits = limits;
    rec.call_end.limit_count = 1;
    check_round_trip(
        &rec, "{\"turn\":1,\"call\":1,\"call_id\":\"c\",\"outcome\":\"ok\",\"exit_code\":0,\"session\":1000,"
              "\"output_bytes\":0,\"duration_ms\":0,\"answer\":{},\"streams\":[{\"name\":\"stdout\",\"size\":"
              "3,\"kept\":3,"
              "\"text\":\"hi\\n\"}],\"limits\":[{\"limit\":\"memory\",\"text\":\"out of memory\"}]}");
}

static void refused(enum record_type type, const char *json, const char *message)
{
    struct arena arena = ARENA_INIT(100000);
    struct record rec = { 0 };
    struct err err = { 0 };

    assert_int_equal(decode(span_of(json), type, &arena, &rec, &err), -ERR_INVALID);
    assert_string_equal(err.text, message);
    arena_done(&arena);
}

static void test_refuses_what_is_not_of_the_kind(void **state)
{
    refused(RECORD_CALL_LOST, "{\"turn\":1,\"call\":1}", "record 'call.lost': field 'call_id' is missing");
    refused(RECORD_CALL_LOST, "{\"call\":1.5,\"call_id\":\"c\"}",
            "record 'call.lost': field 'call' is no integer");
    refused(RECORD_CALL_LOST, "{\"call_id\":\"a\\u0000b\"}",
            "record 'call.lost': field 'call_id' is no text");
    refused(RECORD_INPUT_ITEM, "{}", "record 'input.item': field 'item' is missing");
    refused(RECORD_INPUT_ITEM, "{\"item\":1,\"item_ref\":2}",
            "record 'input.item': field 'item' is there twice");
    refused(RECORD_INPUT_ITEM, "{\"item_ref\":{\"object\":\"../x\",\"size\":1}}",
            "record 'input.item': field 'item' is no reference to an object");
    refused(RECORD_SANDBOX_READY, "{\"rows\":7}",
            "record 'sandbox.ready': field 'rows' is no list, or too long");
    refused(RECORD_SANDBOX_READY, "{\"rows\":[7]}", "record 'sandbox.ready': field 'rows': not an object");
    refused(RECORD_OUTPUT_DONE, "{\"path\":\"a\",\"missing\":1}",
            "record 'output.done': field 'missing' is neither true nor false");
}

static void test_unknown_members_are_skipped(void **state)
{
    struct arena arena = ARENA_INIT(100000);
    struct record rec = { 0 };

    assert_int_equal(
        decode(span_of("{\"call_id\":\"c\",\"color\":\"red\"}"), RECORD_CALL_LOST, &arena, &rec, NULL), 0);
    assert_string_equal(rec.call_lost.call_id, "c");
    arena_done(&arena);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_names_go_both_ways),
    cmocka_unit_test(test_what_was_told_of_the_workspace),
    cmocka_unit_test(test_lists_and_texts),
    cmocka_unit_test(test_scans),
    cmocka_unit_test(test_blobs_keep_their_bytes),
    cmocka_unit_test(test_stored_blobs_are_references),
    cmocka_unit_test(test_an_item_that_looks_like_a_reference_is_not_one),
    cmocka_unit_test(test_usage_and_money),
    cmocka_unit_test(test_streams),
    cmocka_unit_test(test_refuses_what_is_not_of_the_kind),
    cmocka_unit_test(test_unknown_members_are_skipped),
};

UNIT_MAIN(tests)
