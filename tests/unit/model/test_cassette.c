/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/file.h"
#include "core/model/cassette.h"
#include "core/model/recorder.h"

#include <stdio.h>
#include <unistd.h>

static char folder[] = "/tmp/test-cassette-XXXXXX";
static const char path[] = "c.jsonl"; /* in `folder`, where the tests run */

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
}

static struct cassette *load(const char *text)
{
    struct cassette *c;
    struct err err;

    write_file(text);
    assert_int_equal(cassette_open(path, &c, &err), 0);
    return c;
}

/* Everything an answer gives, as one text. */
static void read_all(struct cassette *c, const char *expected, const char *expected_cut)
{
    struct buf all = BUF_INIT(100000), chunk = BUF_INIT(100000);
    char cut[ERR_TEXT_MAX];
    struct err err;
    int r;

    while ((r = cassette_read(c, &chunk, cut, &err)) > 0)
        assert_int_equal(buf_add_span(&all, buf_span(&chunk)), 0);
    assert_int_equal(r, 0);
    assert_string_equal(buf_text(&all), expected);
    assert_string_equal(cut, expected_cut);
    assert_int_equal(cassette_read(c, &chunk, cut, &err), 0); /* stays at the end */
    buf_done(&all);
    buf_done(&chunk);
}

static void next(struct cassette *c, const char *body, int status)
{
    struct answer_head head;
    struct err err;

    if (cassette_next(c, span_of(body), false, &head, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(head.status, status);
}

static void next_fails(struct cassette *c, const char *body, const char *text)
{
    struct answer_head head;
    struct err err;

    assert_int_equal(cassette_next(c, span_of(body), false, &head, &err), -ERR_MODEL);
    assert_string_equal(err.text, text);
}

#define ASK "{\"input\":[{\"role\":\"user\"}]}"

/* What is asked beside the conversation has answers of its own; those of turns do not see them. */
static void test_asides(void **state)
{
    struct cassette *c = load("{\"answer\":{\"status\":200}}\n"
                              "{\"body\":{\"status\":\"completed\",\"output\":[{\"type\":\"function_call\","
                              "\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}\"}]}}\n"
                              "{\"answer\":{\"status\":201,\"aside\":true}}\n{\"body\":{\"n\":1}}\n"
                              "{\"answer\":{\"status\":202,\"aside\":true}}\n{\"body\":{\"n\":2}}\n"
                              "{\"answer\":{\"status\":203}}\n{\"body\":{\"n\":3}}\n");
    static const char answered[] = "{\"input\":[{\"type\":\"function_call\",\"call_id\":\"c1\"},{\"type\":"
                                   "\"function_call_output\",\"call_id\":\"c1\"}]}";
    struct answer_head head;
    struct err err;

    next(c, ASK, 200);
    assert_int_equal(cassette_next(c, span_of(ASK), true, &head, &err), 0);
    assert_int_equal(head.status, 201);
    read_all(c, "{\"n\":1}", "");
    next(c, answered, 203); /* the second was not asked for; the call still wants its output */
    read_all(c, "{\"n\":3}", "");
    assert_int_equal(cassette_next(c, span_of(ASK), true, &head, &err), -ERR_MODEL);
    cassette_free(c);
}

static void test_answers_in_order(void **state)
{
    struct cassette *c = load("{\"agentbox_cassette\":1,\"note\":\"x\"}\n"
                              "\n"
                              "{\"request\":{\"model\":\"m\"}}\n"
                              "{\"answer\":{\"status\":200,\"content_type\":\"text/event-stream\"}}\n"
                              "{\"event\":{\"type\":\"a\", \"n\":1.0}}\r\n"
                              "{\"name\":\"b\",\"event\":{\"x\":1}}\n"
                              "{\"note\":\"between\"}\n"
                              "{\"data\":\"two\\nlines\"}\n"
                              "{\"answer\":{\"status\":429,\"retry_after\":\"2\"}}\n"
                              "{\"body\":{\"error\":\"busy\"}}\n"
                              "{\"end\":\"reset\"}\n"
                              "{\"answer\":{}}\n"
                              "{\"text\":\"plain\"}");

    next(c, ASK, 200);
    read_all(c,
             "data: {\"type\":\"a\", \"n\":1.0}\n\nevent: b\ndata: {\"x\":1}\n\ndata: two\ndata: lines\n\n",
             "");
    next(c, ASK, 429);
    read_all(c, "{\"error\":\"busy\"}", "reset");
    next(c, ASK, 200);
    read_all(c, "plain", "");
    next_fails(c, ASK, "the recording 'c.jsonl' has 3 answers, and one more was asked for");
    cassette_free(c);
}

static void test_unread_rest_is_skipped(void **state)
{
    struct cassette *c = load(
        "{\"answer\":{}}\n{\"event\":{\"n\":1}}\n{\"event\":{\"n\":2}}\n{\"answer\":{\"status\":500}}\n");

    next(c, ASK, 200);
    next(c, ASK, 500);
    read_all(c, "", "");
    cassette_free(c);
}

static const char two_turns[] =
    "{\"answer\":{}}\n"
    "{\"event\":{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"function_call\",\"call_id\":"
    "\"c1\"}}}\n"
    "{\"event\":{\"type\":\"response.completed\",\"response\":{\"output\":[]}}}\n"
    "{\"answer\":{\"status\":503}}\n"
    "{\"answer\":{\"status\":201}}\n"
    "{\"body\":{\"status\":\"completed\",\"output\":[{\"type\":\"shell_call\",\"call_id\":\"c2\"}]}}\n"
    "{\"answer\":{\"status\":202}}\n"
    "{\"body\":{\"status\":\"completed\",\"output\":[{\"type\":\"message\"}]}}\n";

#define CALL_1   "{\"type\":\"function_call\",\"call_id\":\"c1\"}"
#define OUTPUT_1 "{\"type\":\"function_call_output\",\"call_id\":\"c1\"}"
#define CALL_2   "{\"type\":\"shell_call\",\"call_id\":\"c2\"}"
#define OUTPUT_2 "{\"type\":\"shell_call_output\",\"call_id\":\"c2\"}"

static void drain(struct cassette *c)
{
    struct buf chunk = BUF_INIT(100000);
    char cut[ERR_TEXT_MAX];
    struct err err;

    while (cassette_read(c, &chunk, cut, &err) > 0) {
    }
    buf_done(&chunk);
}

static void test_calls_must_be_answered(void **state)
{
    struct cassette *c = load(two_turns);

    next(c, ASK, 200);
    drain(c);
    next_fails(c, ASK, "the recording 'c.jsonl' does not fit: call 'c1' of its answer 1 has no output");
    next(c, "{\"input\":[" CALL_1 "," OUTPUT_1 "]}", 503);
    next(c, "{\"input\":[" CALL_1 "," OUTPUT_1 "]}", 201);
    drain(c);
    next(c, "{\"previous_response_id\":\"r\",\"input\":[" OUTPUT_2 "]}", 202);
    cassette_free(c);
}

static void test_a_resumed_run_goes_on_in_the_middle(void **state)
{
    struct cassette *c = load(two_turns);

    next(c, "{\"input\":[" CALL_1 "," OUTPUT_1 "," CALL_2 "," OUTPUT_2 "]}", 202);
    cassette_free(c);
    c = load(two_turns);
    next(c, "{\"input\":[" CALL_1 "," OUTPUT_1 "]}", 503);
    cassette_free(c);
    c = load(two_turns);
    next(c, "{\"previous_response_id\":\"r\",\"input\":[" OUTPUT_2 "]}", 202);
    drain(c);
    next_fails(c, ASK, "the recording 'c.jsonl' has 4 answers, and one more was asked for");
    cassette_free(c);
}

static void test_call_ids_that_repeat(void **state)
{
    char text[500] = "";
    size_t used = 0;
    struct cassette *c;

    for (int status = 201; status <= 203; status++)
        used += (size_t) snprintf(
            text + used, sizeof(text) - used,
            "{\"answer\":{\"status\":%d}}\n{\"body\":{\"output\":[{\"type\":\"function_call\","
            "\"call_id\":\"call_0\"}]}}\n",
            status);
    c = load(text);
    next(c,
         "{\"input\":[{\"type\":\"function_call\",\"call_id\":\"call_0\"},"
         "{\"type\":\"function_call_output\",\"call_id\":\"call_0\"}]}",
         202);
    cassette_free(c);
}

static void check_damaged(const char *text, const char *expected)
{
    struct cassette *c = load(text);

    next_fails(c, ASK, expected);
    cassette_free(c);
}

static void test_damaged_files(void **state)
{
    check_damaged(
        "{\"answer\":{}\n",
        "line 1 of the recording 'c.jsonl': line 1, column 13: the text ends in the middle of a value");
    check_damaged("\n{\"what\":1}\n",
                  "line 2 of the recording 'c.jsonl': a line that is neither request, answer, event, data, "
                  "body, text, end nor note");
    check_damaged("{\"agentbox_cassette\":2}\n",
                  "line 1 of the recording 'c.jsonl': a recording of another version than 1");
    check_damaged("", "the recording 'c.jsonl' has 0 answers, and one more was asked for");
}

static void test_missing_file(void **state)
{
    struct cassette *c;
    struct err err;

    assert_int_equal(cassette_open("/nowhere/x.jsonl", &c, &err), -ERR_MODEL);
    assert_string_equal(err.text, "opening the recording '/nowhere/x.jsonl': No such file or directory");
    assert_string_equal(err.hint, "'model.replay' must name a file that 'model.record' has made");
}

/* -- recording ----------------------------------------------------------- */

static const struct model_spec spec = { .name = "m", .base_url = "https://h/v1" };
static const struct span secrets[] = { { "sk-secret-1", 11 } };
static const struct error_context ctx = { &spec, secrets, 1 };

static struct recorder *record(const char *request)
{
    struct recorder *rec;
    struct err err;

    assert_int_equal(recorder_open(path, &ctx, &rec, &err), 0);
    recorder_request(rec, span_of(request));
    return rec;
}

static void check_file(const char *expected)
{
    struct buf content = BUF_INIT(100000);
    struct err err;

    assert_int_equal(file_read(path, &content, &err), 0);
    assert_string_equal(buf_text(&content), expected);
    buf_done(&content);
}

#define HEADER \
    "{\"agentbox_cassette\":1,\"note\":\"answers of a model server; 'model.replay' answers from them\"}\n"
static void finish(struct recorder *rec)
{
    struct err err = { 0 };

    if (recorder_result(rec, &err) < 0)
        fail_msg("%s", err.text);
    recorder_free(rec);
}

static void test_records_what_replays(void **state)
{
    struct answer_head head = { .status = 200,
                                .content_type = span_of("text/event-stream"),
                                .retry_after = span_of("1"),
                                .request_id = span_of("req_1") };
    struct recorder *rec;
    struct cassette *c;

    write_file("");
    rec = record(ASK);
    recorder_answer(rec, &head);
    recorder_event(rec, span_of("a"), span_of("{\"type\":\"a\",\n\"key\":\"sk-secret-1\"}"));
    recorder_event(rec, span_of("b"), span_of("{\"n\":1}"));
    recorder_event(rec, span_of(""), span_of("[DONE"));
    recorder_end(rec, NULL);
    recorder_request(rec, span_of("{\"model\":\"m\",\"input\":[" CALL_1 "," OUTPUT_1 "]}"));
    recorder_answer(rec, &(struct answer_head){ .status = 500 });
    recorder_body(rec, span_of("sk-secret-1 <html>"));
    recorder_end(rec, "cut");
    finish(rec);
    assert_int_equal(cassette_open(path, &c, NULL), 0);
    next(c, ASK, 200);
    read_all(c, "data: {\"type\":\"a\", \"key\":\"***\"}\n\nevent: b\ndata: {\"n\":1}\n\ndata: [DONE\n\n",
             "");
    next(c, ASK, 500);
    read_all(c, "*** <html>", "cut");
    cassette_free(c);
}

static void test_lines_of_a_recording(void **state)
{
    struct recorder *rec;

    write_file("");
    rec = record("{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"secret plan\"}]}");
    recorder_answer(rec, &(struct answer_head){ .status = 429,
                                                .retry_after = span_of("2"),
                                                .request_id = span_of("req_1"),
                                                .location = span_of("https://u:p@h/x") });
    recorder_body(rec, span_of("{\"error\": 1}"));
    recorder_end(rec, NULL);
    finish(rec);
    check_file(HEADER "{\"request\":{\"model\":\"m\",\"input\":[{\"type\":\"\"}],"
                      "\"sha256\":\"cb571be6af60b7d301f6abd83486200efd46fe238cf335a25877340780bd8247\"}}\n"
                      "{\"answer\":{\"status\":429,\"retry_after\":\"2\",\"location\":\"h\"}}\n"
                      "{\"body\":{\"error\": 1}}\n{\"end\":\"\"}\n");
}

static void test_fresh_runs_begin_anew_and_resumed_ones_append(void **state)
{
    struct buf first = BUF_INIT(10000), second = BUF_INIT(10000);

    write_file("{\"agentbox_cassette\":1}\n{\"note\":\"old\"}\n");
    finish(record(ASK));
    assert_int_equal(file_read(path, &first, NULL), 0);
    assert_null(strstr(buf_text(&first), "old"));
    finish(record("{\"input\":[" CALL_1 "," OUTPUT_1 "]}"));
    assert_int_equal(file_read(path, &second, NULL), 0);
    assert_true(second.len > first.len);
    assert_memory_equal(second.data, first.data, first.len);
    assert_null(strstr(second.data + first.len, "agentbox_cassette"));
    buf_done(&first);
    buf_done(&second);
}

static void test_other_files_are_not_overwritten(void **state)
{
    struct recorder *rec;
    struct err err;

    write_file("precious\n");
    assert_int_equal(recorder_open(path, &ctx, &rec, &err), -ERR_MODEL);
    assert_string_equal(err.text, "'c.jsonl' is no recording of agentbox, so it is not overwritten");
    check_file("precious\n");
}

static int set_up(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    return chdir(folder);
}

static int tear_down(void **state)
{
    (void) unlink(path);
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_asides),
    cmocka_unit_test(test_answers_in_order),
    cmocka_unit_test(test_unread_rest_is_skipped),
    cmocka_unit_test(test_calls_must_be_answered),
    cmocka_unit_test(test_a_resumed_run_goes_on_in_the_middle),
    cmocka_unit_test(test_call_ids_that_repeat),
    cmocka_unit_test(test_damaged_files),
    cmocka_unit_test(test_missing_file),
    cmocka_unit_test(test_records_what_replays),
    cmocka_unit_test(test_lines_of_a_recording),
    cmocka_unit_test(test_fresh_runs_begin_anew_and_resumed_ones_append),
    cmocka_unit_test(test_other_files_are_not_overwritten),
};

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
