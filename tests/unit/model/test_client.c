/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/file.h"
#include "core/model/client.h"
#include "tests/unit/model/server.h"

#include <stdio.h>
#include <unistd.h>

#define KEY                "sk-test-0123456789abcdef"
#define BODY               "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"}]}"

#define HEAD(status, type) "HTTP/1.1 " status "\r\nContent-Type: " type "\r\n"
#define STREAM             HEAD("200 OK", "text/event-stream; charset=utf-8") "x-request-id: req_1\r\n\r\n"
#define CREATED            "{\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"m-1\"}}"
#define DELTA              "{\"type\":\"response.output_text.delta\",\"delta\":\"Z\303\244hle\"}"
#define ITEM               "{\"id\":\"msg_1\", \"type\":\"message\",\"content\":[]}"
#define ITEM_DONE          "{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":" ITEM "}"
#define COMPLETED                                                                                            \
    "{\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[" \
    "],"                                                                                                     \
    "\"usage\":{\"input_tokens\":8,\"output_tokens\":4,\"total_tokens\":12}}}"
#define EVENT(name, data) "event: " name "\ndata: " data "\n\n"
#define HAPPY                                  \
    EVENT("response.created", CREATED)         \
    EVENT("response.output_text.delta", DELTA) \
    EVENT("response.output_item.done", ITEM_DONE) EVENT("response.completed", COMPLETED)

/* One exchange and what was told of it. */
struct talk {
    struct loop *loop;
    struct http *http;
    struct model_client *client;
    struct model_exchange *exchange;
    struct model_spec spec;
    struct server server;
    char url[64];
    struct buf items, deltas;
    struct model_end end;
    int ends;
    bool is_over;
    bool free_at_item, free_at_end;
};

static void on_delta(void *data, enum model_delta kind, struct span text)
{
    struct talk *t = data;

    assert_int_equal(buf_add_span(&t->deltas, text), 0);
}

static void on_item(void *data, int64_t index, struct span raw)
{
    struct talk *t = data;

    if (raw.len < 1000)
        assert_int_equal(buf_printf(&t->items, "%d=" SPAN_FMT ";", (int) index, SPAN_ARG(raw)), 0);
    else
        assert_int_equal(buf_printf(&t->items, "%d:%zu;", (int) index, raw.len), 0);
    if (t->free_at_item) {
        model_exchange_free(t->exchange);
        t->exchange = NULL;
        t->is_over = true;
    }
}

static void on_end(void *data, const struct model_end *end)
{
    struct talk *t = data;

    t->end = *end;
    t->ends++;
    t->is_over = true;
    if (t->free_at_end) {
        model_exchange_free(t->exchange);
        t->exchange = NULL;
    }
}

static const struct model_ops ops = { on_delta, on_item, on_end };

static void begin(struct talk *t, const struct server_answer *answers, size_t count)
{
    struct err err;

    *t = (struct talk){ .items = BUF_INIT(1 << 20), .deltas = BUF_INIT(1 << 20) };
    assert_int_equal(loop_new(&t->loop, &err), 0);
    assert_int_equal(http_new(t->loop, &t->http, &err), 0);
    if (count > 0)
        server_start(&t->server, answers, count);
    snprintf(t->url, sizeof(t->url), "http://127.0.0.1:%d/v1/", t->server.port);
    t->spec = (struct model_spec){ .name = "m",
                                   .base_url = t->url,
                                   .api_key = { .kind = SECRET_ENV, .value = "TEST_MODEL_KEY" },
                                   .idle_ms = 10000 };
    assert_int_equal(setenv("TEST_MODEL_KEY", KEY, 1), 0);
}

static void open_client(struct talk *t)
{
    struct err err;

    if (model_client_new(t->loop, t->http, &t->spec, &t->client, &err) < 0)
        fail_msg("%s", err.text);
}

static void ask(struct talk *t, const char *body)
{
    struct err err;

    if (!t->client)
        open_client(t);
    buf_clear(&t->items);
    buf_clear(&t->deltas);
    t->is_over = false;
    if (model_send(t->client, span_of(body), &ops, t, &t->exchange, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(t->ends, 0); /* never from inside model_send() */
    assert_int_equal(loop_run(t->loop, &t->is_over, &err), 0);
    t->ends = 0;
}

static void end(struct talk *t, struct buf *seen)
{
    model_exchange_free(t->exchange);
    model_client_free(t->client);
    http_free(t->http);
    loop_free(t->loop);
    if (t->server.pid > 0)
        server_stop(&t->server, seen);
    buf_done(&t->items);
    buf_done(&t->deltas);
    assert_null(strstr(t->end.err.text, KEY));
    assert_null(strstr(t->end.err.hint, KEY));
}

static void check_happy(struct talk *t)
{
    assert_string_equal(t->end.err.text, "");
    assert_int_equal(t->end.kind, MODEL_COMPLETED);
    assert_int_equal(t->end.http_status, 200);
    assert_string_equal(t->end.response_id, "resp_1");
    assert_int_equal(t->end.usage.total_tokens, 12);
    assert_string_equal(buf_text(&t->items), "0=" ITEM ";");
    assert_string_equal(buf_text(&t->deltas), "Z\303\244hle");
}

static void expect_happy(const struct server_answer *answer)
{
    struct talk t;

    begin(&t, answer, 1);
    ask(&t, BODY);
    check_happy(&t);
    end(&t, NULL);
}

static void test_stream_in_odd_pieces(void **state)
{
    static const size_t steps[] = { 0, 1, 7, 64 };

    for (size_t i = 0; i < 4; i++)
        expect_happy(&(struct server_answer){ .text = STREAM HAPPY, .step = steps[i] });
}

static void test_framings(void **state)
{
    static const char *const texts[] = {
        STREAM "event: a\r\ndata: " CREATED "\r\n\r\ndata:" DELTA "\r\n\r\ndata: " ITEM_DONE
               "\r\n\r\ndata: " COMPLETED "\r\n\r\n",
        STREAM ": PROCESSING\n\ndata: " CREATED "\n\n: more\ndata: " DELTA "\n# odd\n\ndata: " ITEM_DONE
               "\n\ndata: " COMPLETED "\n\ndata: [DONE]\n\n",
        STREAM "\xef\xbb\xbf"
               "data: " CREATED "\nevent: response.created\n\ndata: " DELTA "\n\ndata: " ITEM_DONE
               "\n\ndata: " COMPLETED,
        HEAD("200 OK", "text/plain") "\r\n" HAPPY,
        "HTTP/1.1 200 OK\r\n\r\n" HAPPY,
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_happy(&(struct server_answer){ .text = texts[i] });
}

static void test_what_is_sent(void **state)
{
    static const struct server_answer answer = { .text = STREAM HAPPY };
    static const struct credential headers[] = {
        { "X-Title", "agent", { 0 } }, { "X-Secret", NULL, { SECRET_ENV, "TEST_MODEL_KEY", NULL, "Token " } }
    };
    struct buf seen = BUF_INIT(65536);
    struct talk t;

    begin(&t, &answer, 1);
    snprintf(t.url, sizeof(t.url), "http://127.0.0.1:%d/v1/?api-version=1", t.server.port);
    t.spec.headers = headers;
    t.spec.header_count = 2;
    ask(&t, BODY);
    check_happy(&t);
    assert_string_equal(t.end.request_id, "req_1");
    end(&t, &seen);
    assert_memory_equal(seen.data, "POST /v1/responses?api-version=1 HTTP/1.1\r\n", 43);
    assert_non_null(strstr(seen.data, "\r\nAuthorization: Bearer " KEY "\r\n"));
    assert_non_null(strstr(seen.data, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(seen.data, "\r\nAccept: text/event-stream\r\n"));
    assert_non_null(strstr(seen.data, "\r\nUser-Agent: agentbox/"));
    assert_non_null(strstr(seen.data, "\r\nX-Client-Request-Id: "));
    assert_non_null(strstr(seen.data, "\r\nX-Title: agent\r\n"));
    assert_non_null(strstr(seen.data, "\r\nX-Secret: Token " KEY "\r\n"));
    assert_non_null(strstr(seen.data, "\r\n\r\n" BODY));
    assert_null(strstr(seen.data, "Expect:"));
    buf_done(&seen);
}

static void test_key_of_azure(void **state)
{
    static const struct server_answer answer = { .text = STREAM HAPPY };
    struct buf seen = BUF_INIT(65536);
    struct talk t;

    begin(&t, &answer, 1);
    t.spec.auth_header = MODEL_AUTH_API_KEY;
    ask(&t, BODY);
    end(&t, &seen);
    assert_non_null(strstr(seen.data, "\r\napi-key: " KEY "\r\n"));
    assert_null(strstr(seen.data, "Authorization"));
    buf_done(&seen);
}

static void test_the_end_is_told_before_the_connection_ends(void **state)
{
    static const struct server_answer answer = { .text = STREAM HAPPY, .end = SERVER_STALL };

    expect_happy(&answer); /* and the connection, left open, is cut when the client goes */
}

static void test_a_connection_read_to_its_end_is_used_again(void **state)
{
    static const char chunked[] = HEAD("200 OK", "text/event-stream") "Transfer-Encoding: chunked\r\n\r\n"
                                                                      "211\r\n" HAPPY "\r\n0\r\n\r\n";
    static const struct server_answer answers[] = { { .text = chunked, .end = SERVER_KEEP },
                                                    { .text = chunked } };
    struct talk t;

    assert_int_equal(sizeof(HAPPY) - 1, 0x211);
    begin(&t, answers, 2);
    t.free_at_end = true;
    ask(&t, BODY);
    check_happy(&t);
    ask(&t, BODY);
    check_happy(&t);
    end(&t, NULL);
}

static void test_freed_inside_an_item(void **state)
{
    static const struct server_answer answer = { .text = STREAM HAPPY, .end = SERVER_STALL };
    struct talk t;

    begin(&t, &answer, 1);
    t.free_at_item = true;
    ask(&t, BODY);
    assert_string_equal(buf_text(&t.items), "0=" ITEM ";");
    assert_int_equal(t.ends, 0);
    end(&t, NULL);
}

static void test_cancelled_before_anything(void **state)
{
    struct talk t;
    struct err err;

    begin(&t, NULL, 0);
    open_client(&t);
    assert_int_equal(model_send(t.client, span_of(BODY), &ops, &t, &t.exchange, &err), 0);
    end(&t, NULL);
    assert_int_equal(t.ends, 0);
}

static void expect(const struct server_answer *answer, enum model_end_kind kind, bool can_retry,
                   const char *text)
{
    struct talk t;

    begin(&t, answer, 1);
    t.spec.idle_ms = 60000; /* never the reason */
    ask(&t, BODY);
    assert_string_equal(t.end.err.text, text);
    assert_int_equal(t.end.kind, kind);
    assert_int_equal(t.end.can_retry, can_retry);
    assert_int_equal(t.end.err.code, ERR_MODEL);
    end(&t, NULL);
}

static void test_rate_limit(void **state)
{
    static const struct server_answer answer = {
        .text = HEAD("429 Too Many Requests",
                     "application/json") "Retry-After: 2\r\nretry-after-ms: 1760\r\n\r\n"
                                         "{\"error\":{\"message\":\"Slow, " KEY
                                         "\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}"
    };
    struct talk t;

    begin(&t, &answer, 1);
    ask(&t, BODY);
    assert_int_equal(t.end.kind, MODEL_FAILED);
    assert_int_equal(t.end.http_status, 429);
    assert_int_equal(t.end.retry_after_ms, 1760);
    assert_true(t.end.can_retry);
    assert_string_equal(t.end.reason, "rate_limit_exceeded");
    assert_string_equal(t.end.err.text,
                        "the model server refused the request (HTTP 429, rate_limit_exceeded): Slow, ***");
    end(&t, NULL);
}

static void test_refusals(void **state)
{
    expect(&(struct server_answer){ .text = HEAD("500 Oops", "text/html") "\r\n<html>broken" }, MODEL_FAILED,
           true, "the model server refused the request (HTTP 500): an HTML page: <html>broken");
    expect(&(struct server_answer){ .text = HEAD("500 Oops", "text/html") "x-should-retry: false\r\n\r\nno" },
           MODEL_FAILED, false, "the model server refused the request (HTTP 500): no");
    expect(&(struct server_answer){ .text = HEAD("400 Bad", "text/html") "x-should-retry: true\r\n\r\nno" },
           MODEL_FAILED, true, "the model server refused the request (HTTP 400): no");
    expect(
        &(struct server_answer){
            .text =
                HEAD("429 Quota",
                     "application/json") "x-should-retry: true\r\n\r\n"
                                         "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"m\"}}" },
        MODEL_FAILED, false, "the model server refused the request (HTTP 429, insufficient_quota): m");
    expect(
        &(struct server_answer){ .text =
                                     "HTTP/1.1 307 Moved\r\nLocation: http://u:p@other.example/x\r\n\r\n" },
        MODEL_FAILED, false, "the model server redirects (HTTP 307) to the host 'other.example'");
    expect(&(struct server_answer){ .text =
                                        STREAM EVENT("error", "{\"type\":\"error\",\"code\":\"server_error\","
                                                              "\"message\":\"x\"}"),
                                    .end = SERVER_STALL },
           MODEL_FAILED, true, "the model server reported an error (server_error): x");
}

static void test_broken_answers(void **state)
{
    static const char cut[] =
        "the model server sent only a part of the response: it ended before it was complete";

    expect(&(struct server_answer){ .text = STREAM EVENT("response.created", CREATED) }, MODEL_BROKEN, true,
           cut);
    expect(&(struct server_answer){ .text = STREAM EVENT("response.created",
                                                         CREATED) "data: {\"type\":\"respon" },
           MODEL_BROKEN, true, cut);
    expect(&(struct server_answer){ .text = STREAM "data: {\"type\": what}\n\n", .end = SERVER_STALL },
           MODEL_BROKEN, true,
           "the model server sent an event that is not JSON: line 1, column 10: a character that cannot "
           "begin a value");
    expect(&(struct server_answer){ .text = HEAD("200 OK", "text/html") "\r\n<html>\n<title>Log in</title>" },
           MODEL_BROKEN, false, "the model server answered with a web page: <html> <title>Log in</title>");
    expect(&(struct server_answer){ .text = HEAD("200 OK", "text/event-stream") "\r\n" }, MODEL_BROKEN, true,
           "the model server sent an empty response");
}

static void expect_cut(const struct server_answer *answer, const char *start)
{
    struct talk t;

    begin(&t, answer, 1);
    t.spec.idle_ms = answer->end == SERVER_STALL ? 2000 : 60000;
    ask(&t, BODY);
    assert_int_equal(t.end.kind, MODEL_BROKEN);
    assert_true(t.end.can_retry);
    if (strncmp(t.end.err.text, start, strlen(start)) != 0)
        assert_string_equal(t.end.err.text, start);
    end(&t, NULL);
}

static void test_broken_connections(void **state)
{
    expect_cut(
        &(struct server_answer){ .text = STREAM EVENT("response.created", CREATED), .end = SERVER_RESET },
        "the model server's answer was cut off: talking to 'http://127.0.0.1:");
    expect_cut(
        &(struct server_answer){ .text = STREAM EVENT("response.created", CREATED), .end = SERVER_STALL },
        "the model server's answer was cut off: ");
    expect_cut(&(struct server_answer){ .end = SERVER_STALL }, "no answer from the model server: ");
    expect_cut(&(struct server_answer){ .end = SERVER_CLOSE }, "no answer from the model server: ");
    expect_cut(
        &(struct server_answer){ .text =
                                     HEAD("200 OK", "text/event-stream") "Content-Length: 5000\r\n\r\n" EVENT(
                                         "response.created", CREATED) },
        "the model server's answer was cut off: ");
}

static void test_nobody_listens(void **state)
{
    struct talk t;

    begin(&t, NULL, 0);
    snprintf(t.url, sizeof(t.url), "http://127.0.0.1:1/v1");
    ask(&t, BODY);
    assert_int_equal(t.end.kind, MODEL_BROKEN);
    assert_true(t.end.can_retry);
    assert_int_equal(t.end.http_status, 0);
    assert_string_equal(
        t.end.err.text,
        "no answer from the model server: connecting to 'http://127.0.0.1:1': Connection refused");
    end(&t, NULL);
}

static void test_data_lines_of_megabytes(void **state)
{
    char block[8193];
    struct server_answer answer = {
        .text = STREAM "data: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"x\",\"r\":\"",
        .filler = block,
        .filler_count = 1024,
        .tail = "\"}}\n\ndata: " COMPLETED "\n\n"
    };
    struct talk t;

    memset(block, 'A', sizeof(block) - 1);
    block[sizeof(block) - 1] = '\0';
    begin(&t, &answer, 1);
    ask(&t, BODY);
    assert_int_equal(t.end.kind, MODEL_COMPLETED);
    assert_string_equal(buf_text(&t.items), "0:8388627;");
    end(&t, NULL);
}

static void test_servers_that_do_not_stream(void **state)
{
    static const char document[] =
        HEAD("200 OK", "application/json") "\r\n{\"id\":\"resp_1\",\"object\":\"response\",\n"
                                           "\"status\":\"completed\",\"output\":[" ITEM "]}";
    static const char sniffed[] = "HTTP/1.1 200 OK\r\n\r\n {\"output\":[" ITEM "]}";
    struct talk t;

    begin(&t, (const struct server_answer[]){ { .text = document, .step = 9 }, { .text = sniffed } }, 2);
    ask(&t, BODY);
    assert_int_equal(t.end.kind, MODEL_COMPLETED);
    assert_string_equal(t.end.response_id, "resp_1");
    assert_string_equal(buf_text(&t.items), "0=" ITEM ";");
    model_exchange_free(t.exchange);
    ask(&t, BODY);
    assert_int_equal(t.end.kind, MODEL_COMPLETED);
    assert_string_equal(buf_text(&t.items), "0=" ITEM ";");
    end(&t, NULL);
}

/* -- settings ------------------------------------------------------------ */

static void refused(struct talk *t, const char *text, const char *hint)
{
    struct err err;

    assert_int_equal(model_client_new(t->loop, t->http, &t->spec, &t->client, &err), -ERR_MODEL);
    assert_string_equal(err.text, text);
    assert_string_equal(err.hint, hint);
    assert_null(t->client);
}

static void test_settings_that_cannot_work(void **state)
{
    struct talk t;

    begin(&t, NULL, 0);
    t.spec.base_url = "api.example/v1";
    refused(&t, "'model.base_url' is not an address of the form https://HOST/PATH",
            "for OpenAI it is https://api.openai.com/v1");
    t.spec.base_url = "https://u:p@api.example/v1";
    refused(&t, "'model.base_url' holds a user name or password",
            "put credentials into 'model.api_key' or 'model.headers', as references");
    t.spec.base_url = "http://models.example/v1";
    refused(&t, "the key would go to 'models.example' over plain HTTP, readable on the way",
            "use https, a tunnel to localhost, or a server that wants no key (leave 'model.api_key' out)");
    t.spec.headers = &(struct credential){ "X-A", "b\r\nX-C: d", { 0 } };
    t.spec.header_count = 1;
    refused(&t, "the value of 'model.headers.X-A' holds control characters", "");
    t.spec.headers = &(struct credential){ "X A", "b", { 0 } };
    refused(&t, "'model.headers' has a name that is none of a header", "");
    end(&t, NULL);
}

static void test_no_key(void **state)
{
    struct talk t;
    struct err err;

    begin(&t, NULL, 0);
    assert_int_equal(unsetenv("TEST_MODEL_KEY"), 0);
    assert_int_equal(model_client_new(t.loop, t.http, &t.spec, &t.client, &err), -ERR_MODEL);
    assert_memory_equal(err.text, "reading 'model.api_key': ", 25);
    assert_non_null(strstr(err.text, "TEST_MODEL_KEY"));
    assert_true(err.hint[0] != '\0');
    end(&t, NULL);
}

/* -- cassettes ----------------------------------------------------------- */

static char folder[] = "/tmp/test-client-XXXXXX";
static char path[64];

static void test_what_was_recorded_is_replayed(void **state)
{
    static const struct server_answer answers[] = {
        { .text = HEAD("429 Too Many",
                       "application/json") "Retry-After: 7\r\n\r\n{\"error\":{\"message\":\"" KEY "\"}}" },
        { .text = STREAM HAPPY, .step = 5 },
        { .text = STREAM EVENT("response.created", CREATED), .end = SERVER_RESET },
    };
    struct buf tape = BUF_INIT(65536);
    struct talk t;

    begin(&t, answers, 3);
    t.spec.record = path;
    t.free_at_end = true;
    for (int i = 0; i < 3; i++)
        ask(&t, BODY);
    end(&t, NULL);
    assert_int_equal(file_read(path, &tape, NULL), 0);
    assert_null(strstr(tape.data, KEY));
    assert_null(strstr(tape.data, "Bearer"));
    assert_null(strstr(tape.data, "req_1"));
    buf_done(&tape);

    begin(&t, NULL, 0);
    assert_int_equal(unsetenv("TEST_MODEL_KEY"), 0);
    t.spec.replay = path;
    t.free_at_end = true;
    ask(&t, BODY);
    assert_int_equal(t.end.kind, MODEL_FAILED);
    assert_int_equal(t.end.http_status, 429);
    assert_true(t.end.can_retry);
    assert_int_equal(t.end.retry_after_ms, 0); /* no waiting in a replay */
    assert_string_equal(t.end.err.text, "the model server refused the request (HTTP 429): ***");
    ask(&t, BODY);
    check_happy(&t);
    ask(&t, BODY);
    assert_int_equal(t.end.kind, MODEL_BROKEN);
    assert_true(t.end.can_retry);
    ask(&t, BODY);
    assert_int_equal(t.end.kind, MODEL_BROKEN);
    assert_false(t.end.can_retry);
    assert_non_null(strstr(t.end.err.text, "' has 3 answers, and one more was asked for"));
    end(&t, NULL);
}

static void test_a_recording_that_cannot_be_written(void **state)
{
    static const struct server_answer answer = { .text = STREAM HAPPY };
    struct talk t;

    if (access("/dev/full", W_OK) != 0)
        skip();
    begin(&t, &answer, 1);
    t.spec.record = "/dev/full";
    ask(&t, BODY);
    assert_int_equal(t.end.kind, MODEL_BROKEN);
    assert_false(t.end.can_retry);
    assert_memory_equal(t.end.err.text, "recording to '/dev/full': ", 26);
    assert_string_equal(t.end.err.hint, "make room for the recording, or take 'model.record' out");
    end(&t, NULL);
}

static void test_replay_freed_inside_an_item(void **state)
{
    struct talk t;
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs("{\"answer\":{}}\n{\"body\":{\"output\":[" ITEM "," ITEM "]}}\n", f);
    assert_int_equal(fclose(f), 0);
    begin(&t, NULL, 0);
    t.spec.replay = path;
    t.free_at_item = true;
    ask(&t, BODY);
    assert_string_equal(buf_text(&t.items), "0=" ITEM ";");
    end(&t, NULL);
}

static int set_up(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/c.jsonl", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void) unlink(path);
    return rmdir(folder);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_stream_in_odd_pieces),
    cmocka_unit_test(test_framings),
    cmocka_unit_test(test_what_is_sent),
    cmocka_unit_test(test_key_of_azure),
    cmocka_unit_test(test_the_end_is_told_before_the_connection_ends),
    cmocka_unit_test(test_a_connection_read_to_its_end_is_used_again),
    cmocka_unit_test(test_freed_inside_an_item),
    cmocka_unit_test(test_cancelled_before_anything),
    cmocka_unit_test(test_rate_limit),
    cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_broken_answers),
    cmocka_unit_test(test_broken_connections),
    cmocka_unit_test(test_nobody_listens),
    cmocka_unit_test(test_data_lines_of_megabytes),
    cmocka_unit_test(test_servers_that_do_not_stream),
    cmocka_unit_test(test_settings_that_cannot_work),
    cmocka_unit_test(test_no_key),
    cmocka_unit_test(test_what_was_recorded_is_replayed),
    cmocka_unit_test(test_a_recording_that_cannot_be_written),
    cmocka_unit_test(test_replay_freed_inside_an_item),
};

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
