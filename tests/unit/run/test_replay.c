/* SPDX-License-Identifier: MIT */
/* A journal to a recording and back, and what counts as the same. */
#include "tests/unit/run/state_home.h"

#include "core/model/cassette.h"
#include "core/run/journal.h"
#include "core/run/replay.h"

#define TASK    "{\"type\":\"message\",\"role\":\"user\",\"content\":\"do\"}"
#define MESSAGE "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}"

static struct run_folder *folder;
static struct journal *journal;
static struct replay replay;

static void append(struct record rec)
{
    struct err err = { 0 };

    if (journal_append(journal, &rec, NULL, &err) < 0)
        fail_msg("%s", err.text);
}

static void begin(void)
{
    struct record first = { .type = RECORD_RUN_BEGIN }, task = { .type = RECORD_INPUT_ITEM };

    assert_int_equal(run_folder_create(&folder, NULL), 0);
    assert_int_equal(journal_create(folder, &journal, NULL), 0);
    first.run_begin =
        (struct record_run_begin){ .format = RECORD_FORMAT, .id = folder->id, .name = "demo", .model = "m" };
    append(first);
    task.input_item.item.json = span_of(TASK);
    append(task);
}

static void request(int64_t turn, int64_t attempt)
{
    struct record rec = { .type = RECORD_REQUEST_BEGIN };

    rec.request_begin = (struct record_request_begin){ .turn = turn, .attempt = attempt, .items = 1 };
    append(rec);
}

static void call_item(int64_t turn, int64_t number)
{
    struct record rec = { .type = RECORD_REQUEST_ITEM };
    char id[32], json[256];

    snprintf(id, sizeof(id), "c%lld", (long long) number);
    snprintf(json, sizeof(json),
             "{\"type\":\"function_call\",\"call_id\":\"%s\",\"name\":\"do\",\"arguments\":\"{}\"}", id);
    rec.request_item = (struct record_request_item){ .turn = turn,
                                                     .output_index = number % 10,
                                                     .kind = "call",
                                                     .item_type = "function_call",
                                                     .call = number,
                                                     .call_id = id,
                                                     .tool = "shell",
                                                     .title = "$ do" };
    rec.request_item.item.json = span_of(json);
    append(rec);
}

static void message_item(int64_t turn)
{
    struct record rec = { .type = RECORD_REQUEST_ITEM };

    rec.request_item =
        (struct record_request_item){ .turn = turn, .kind = "message", .item_type = "message" };
    rec.request_item.item.json = span_of(MESSAGE);
    append(rec);
}

static void end_turn(int64_t turn, const char *status)
{
    struct record rec = { .type = RECORD_REQUEST_END };

    rec.request_end = (struct record_request_end){ .turn = turn,
                                                   .status = status,
                                                   .reason = "max_output_tokens",
                                                   .response_id = "resp_1",
                                                   .model = "m-2",
                                                   .usage = { 10, 2, 3, 1, 13, false } };
    append(rec);
}

static void run_call(int64_t turn, int64_t number, const char *output, const char *same)
{
    struct record rec = { .type = RECORD_CALL_BEGIN };
    char id[32], json[512];

    snprintf(id, sizeof(id), "c%lld", (long long) number);
    snprintf(json, sizeof(json), "{\"type\":\"function_call_output\",\"call_id\":\"%s\",\"output\":%s}", id,
             output);
    rec.call_begin =
        (struct record_call_begin){ .turn = turn, .call = number, .call_id = id, .exec_id = number };
    append(rec);
    rec = (struct record){ .type = RECORD_CALL_END };
    rec.call_end = (struct record_call_end){
        .turn = turn, .call = number, .call_id = id, .outcome = "ok", .exit_code = 0, .same = same
    };
    rec.call_end.answer.json = span_of(json);
    append(rec);
}

static void load(void)
{
    struct err err = { 0 };

    assert_int_equal(journal_sync(journal, &err), 0);
    if (replay_load(folder, &replay, &err) < 0)
        fail_msg("%s", err.text);
}

static void done(void)
{
    replay_done(&replay);
    journal_free(journal);
    run_folder_free(folder);
}

/* All that the recording answers to a request whatever it holds. */
static void read_answer(struct cassette *c, struct buf *out)
{
    struct buf chunk = BUF_INIT(65536);
    char cut[ERR_TEXT_MAX];
    struct answer_head head;
    struct err err = { 0 };
    int r;

    buf_clear(out);
    if (cassette_next(c, span_of("{\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"x\"}]}"),
                      false, &head, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(head.status, 200);
    while ((r = cassette_read(c, &chunk, cut, &err)) > 0)
        assert_int_equal(buf_add_span(out, buf_span(&chunk)), 0);
    assert_int_equal(r, 0);
    assert_string_equal(cut, "");
    buf_done(&chunk);
}

static void expect_in(const struct buf *text, const char *part)
{
    if (!strstr(buf_text(text), part))
        fail_msg("not found: %s\nin: %s", part, buf_text(text));
}

static void test_answers_come_back_in_order(void **state)
{
    struct buf text = BUF_INIT(65536);
    struct cassette *c;
    struct err err = { 0 };
    char path[REPLAY_PATH_SIZE];
    struct answer_head head;
    int fd;

    begin();
    request(1, 1);
    call_item(1, 1);
    call_item(1, 2);
    end_turn(1, "completed");
    run_call(1, 1, "\"one\"", "aa");
    run_call(1, 2, "\"two\"", "bb");
    request(2, 1);
    message_item(2);
    end_turn(2, "incomplete");
    load();
    assert_int_equal(replay.turn_count, 2);
    assert_int_equal(replay.call_count, 2);
    assert_string_equal(replay.calls[1].title, "$ do");
    assert_string_equal(replay.calls[1].same, "bb");
    assert_int_equal(replay_record(&replay, &fd, &err), 0);
    replay_path(fd, path);
    assert_true(replay_is_path(path));
    assert_false(replay_is_path("/tmp/tape.jsonl"));
    assert_int_equal(cassette_open(path, &c, &err), 0);
    read_answer(c, &text);
    expect_in(
        &text,
        "\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"type\":\"function_call\","
        "\"call_id\":\"c1\"");
    expect_in(&text, "\"call_id\":\"c2\"");
    expect_in(&text, "\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"model\":\"m-2\"");
    expect_in(&text, "\"usage\":{\"input_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":2}");
    read_answer(c, &text);
    expect_in(&text, MESSAGE);
    expect_in(&text, "\"type\":\"response.incomplete\"");
    expect_in(&text, "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}");
    assert_int_equal(cassette_next(c, span_of("{}"), false, &head, &err), -ERR_MODEL);
    cassette_free(c);
    close(fd);
    buf_done(&text);
    done();
}

/* Tries that failed, and an answer that never ended. */
static void test_what_did_not_count_is_left_out(void **state)
{
    struct record failed = { .type = RECORD_REQUEST_FAILED };

    begin();
    request(1, 1);
    call_item(1, 1);
    failed.request_failed = (struct record_request_failed){ .turn = 1, .attempt = 1, .will_retry = true };
    append(failed);
    request(1, 2);
    call_item(1, 2);
    end_turn(1, "completed");
    run_call(1, 2, "\"x\"", "aa");
    request(2, 1);
    call_item(2, 3);
    load();
    assert_int_equal(replay.turn_count, 1);
    assert_int_equal(replay.call_count, 1);
    assert_int_equal(replay.calls[0].number, 2);
    assert_int_equal(replay.state.turn, 2);
    done();
}

static void sandbox(int64_t attempt)
{
    struct record rec = { .type = RECORD_SANDBOX_START };

    rec.sandbox_start.attempt = attempt;
    append(rec);
    rec = (struct record){ .type = RECORD_SANDBOX_INTENT };
    rec.sandbox_intent.attempt = attempt;
    rec.sandbox_intent.container_name = "agentbox-x";
    append(rec);
    rec = (struct record){ .type = RECORD_SANDBOX_READY };
    rec.sandbox_ready.attempt = attempt;
    rec.sandbox_ready.container_id = "c";
    append(rec);
    rec = (struct record){ .type = RECORD_WORKSPACE_BEGIN };
    rec.workspace.attempt = attempt;
    append(rec);
    rec.type = RECORD_WORKSPACE_READY;
    append(rec);
}

/* The sandbox went away before anything was kept: what was answered until then is not part of it. */
static void test_what_was_undone_is_left_out(void **state)
{
    struct record rec = { .type = RECORD_SANDBOX_LOST };

    begin();
    sandbox(1);
    request(1, 1);
    call_item(1, 1);
    end_turn(1, "completed");
    run_call(1, 1, "\"gone\"", "aa");
    request(2, 1);
    call_item(2, 2);
    end_turn(2, "completed");
    rec.failure.attempt = 1;
    append(rec);
    append((struct record){ .type = RECORD_RUN_RESUME });
    append((struct record){ .type = RECORD_ROLLBACK });
    request(1, 1);
    call_item(1, 3);
    end_turn(1, "completed");
    run_call(1, 3, "\"kept\"", "bb");
    load();
    assert_int_equal(replay.turn_count, 1);
    assert_int_equal(replay.call_count, 1);
    assert_int_equal(replay.calls[0].number, 3);
    assert_int_equal(replay.state.resumes, 1);
    done();
}

static void test_nothing_to_load(void **state)
{
    struct err err = { 0 };

    assert_int_equal(run_folder_create(&folder, NULL), 0);
    assert_int_equal(replay_load(folder, &replay, &err), -ERR_NOT_FOUND);
    run_folder_free(folder);
}

static void test_verdicts(void **state)
{
    struct replay_call then = { .outcome = "ok", .same = "aa" }, now = { .outcome = "ok", .same = "aa" };

    assert_int_equal(replay_compare(&then, &now), REPLAY_SAME);
    now.same[0] = 'b';
    assert_int_equal(replay_compare(&then, &now), REPLAY_DIFFERS);
    then.same[0] = now.same[0] = '\0'; /* too large to compare */
    assert_int_equal(replay_compare(&then, &now), REPLAY_DIFFERS);
    assert_int_equal(replay_compare(&then, NULL), REPLAY_MISSING);
    now.outcome = NULL;
    assert_int_equal(replay_compare(&then, &now), REPLAY_MISSING);
    then.outcome = "interrupted";
    assert_int_equal(replay_compare(&then, NULL), REPLAY_UNCERTAIN);
    then.outcome = NULL;
    assert_int_equal(replay_compare(&then, &now), REPLAY_UNCERTAIN);
    assert_string_equal(replay_verdict_name(REPLAY_SAME), "same");
    assert_string_equal(replay_verdict_name(REPLAY_DIFFERS), "differs");
    assert_string_equal(replay_verdict_name(REPLAY_MISSING), "missing");
    assert_string_equal(replay_verdict_name(REPLAY_UNCERTAIN), "uncertain");
}

static void expect_text(const char *item, const char *want)
{
    struct replay_call call = { .answer = span_of(item) };
    struct buf out = BUF_INIT(65536);

    assert_int_equal(replay_answer_text(&call, &out, NULL), 0);
    assert_string_equal(out.len ? buf_text(&out) : "", want);
    buf_done(&out);
}

static void test_texts(void **state)
{
    struct replay_call bad = { .answer = span_of("{") };
    struct buf out = BUF_INIT(16);

    expect_text("", "");
    expect_text("{}", "");
    expect_text("{\"output\":\"a\\nb\"}", "a\nb\n");
    expect_text("{\"output\":\"Chunk ID: abcdef\\nWall time: 0.12 seconds\\nProcess exited with code 0\\n\"}",
                "Process exited with code 0\n");
    expect_text("{\"output\":\"Chunk ID: abcdef\\nother\"}", "Chunk ID: abcdef\nother\n");
    expect_text("{\"output\":\"Chunk ID: abcdef\\nWall time: 0.12\"}", "Chunk ID: abcdef\nWall time: 0.12\n");
    expect_text(
        "{\"output\":[{\"stdout\":\"o\\n\",\"stderr\":\"e\",\"outcome\":{\"type\":\"exit\",\"exit_code\":3}},"
        "{\"stdout\":\"\",\"stderr\":\"\",\"outcome\":{\"type\":\"timeout\"}},"
        "{\"type\":\"input_text\",\"text\":\"t\"},7]}",
        "o\ne\n[exit 3]\n[timed out]\nt\n");
    assert_true(replay_answer_text(&bad, &out, NULL) < 0);
    buf_done(&out);
}

static const struct CMUnitTest tests[] = {
    in_state_home(test_answers_come_back_in_order),
    in_state_home(test_what_did_not_count_is_left_out),
    in_state_home(test_what_was_undone_is_left_out),
    in_state_home(test_nothing_to_load),
    cmocka_unit_test(test_verdicts),
    cmocka_unit_test(test_texts),
};

UNIT_MAIN(tests)
