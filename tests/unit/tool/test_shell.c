/* SPDX-License-Identifier: MIT */
/*
 * The shell tool against a channel played by the test: what it asks for, and what
 * it answers to everything that can come back.
 */
#include "tests/unit/unit.h"

#include "core/sandbox/channel.h"
#include "core/sandbox/spec.h"
#include "core/tool/quota.h"
#include "core/tool/tool.h"

#include <stdio.h>

/* ---- the channel's part ---- */

struct channel_call {
    struct exec_ops ops;
    void *data;
    char text[256], cwd[64], env[32];
    int rows, cols;
    uint64_t id, instead;
    int64_t timeout_ms;
    bool is_open, was_canceled, was_adopted, takes_over;
};

static struct channel_call calls[80];
static size_t call_count;
static char written[64];
static uint64_t known[CHANNEL_EXECS], released[CHANNEL_EXECS], last_input; /* what the guest knows */
static size_t known_count, released_count;
static int room;

bool channel_exec_is_known(const struct channel *ch, uint64_t id)
{
    for (size_t i = 0; i < known_count; i++)
        if (known[i] == id)
            return true;
    return false;
}

size_t channel_exec_list(const struct channel *ch, uint64_t *ret_ids, size_t max)
{
    assert_int_equal(max, CHANNEL_EXECS);
    memcpy(ret_ids, known, known_count * sizeof(known[0]));
    return known_count;
}

void channel_exec_kill(struct channel_call *call)
{
    fail_msg("killed otherwise");
}

void channel_exec_release(struct channel *ch, uint64_t id)
{
    released[released_count++] = id;
    room++;
}

int channel_exec_room(const struct channel *ch)
{
    return room;
}

uint64_t channel_exec_last_input(const struct channel *ch, uint64_t id)
{
    return last_input;
}

int channel_exec(struct channel *ch, const struct exec_request *req, const struct exec_ops *ops, void *data,
                 struct channel_call **ret, struct err *err)
{
    struct channel_call *call = &calls[call_count++];

    assert_true(call_count <= sizeof(calls) / sizeof(calls[0]));
    if (strlen(req->argv[2]) >= sizeof(call->text) - 16)
        return err_set(err, ERR_TOO_LARGE, "the request to the sandbox is too large");
    *call =
        (struct channel_call){ .ops = *ops, .data = data, .timeout_ms = req->timeout_ms, .is_open = true };
    call->id = req->id;
    call->takes_over = req->takes_over;
    call->instead = req->instead;
    call->rows = req->rows;
    call->cols = req->cols;
    snprintf(call->env, sizeof(call->env), "%s", req->env ? req->env[0] : "");
    known[known_count++] = req->id;
    snprintf(call->text, sizeof(call->text), "%s%s%s %s %s", req->argv[0], req->alternative ? " or " : "",
             req->alternative ? req->alternative : "", req->argv[1], req->argv[2]);
    snprintf(call->cwd, sizeof(call->cwd), "%s", req->cwd ? req->cwd : "");
    *ret = call;
    return 0;
}

int channel_exec_adopt(struct channel *ch, uint64_t id, const struct exec_ops *ops, void *data,
                       struct channel_call **ret, struct err *err)
{
    struct channel_call *call = &calls[call_count++];

    *call =
        (struct channel_call){ .ops = *ops, .data = data, .id = id, .is_open = true, .was_adopted = true };
    *ret = call;
    return 0;
}

int channel_exec_write_numbered(struct channel_call *call, uint64_t number, struct span input,
                                struct err *err)
{
    size_t used = strlen(written);

    last_input = number;
    snprintf(written + used, sizeof(written) - used, "%.*s", (int) input.len, input.ptr);
    return 0;
}

int channel_exec_write(struct channel_call *call, struct span input, bool eof, struct err *err)
{
    fail_msg("input without a number");
    return -1;
}

void channel_exec_resize(struct channel_call *call, int rows, int cols)
{
    call->rows = rows;
    call->cols = cols;
}

void channel_cancel(struct channel_call *call)
{
    if (call)
        call->was_canceled = true;
}

static void say(size_t i, int fd, const char *text)
{
    calls[i].ops.on_output(calls[i].data, fd, span_of(text), 0);
}

static void end(size_t i, enum exec_end how, int code)
{
    struct exec_result result = {
        .end = how, .code = code, .errnum = 2, .is_missing = how == EXEC_FAILED, .text = "no such file"
    };

    calls[i].is_open = false;
    calls[i].ops.on_exit(calls[i].data, &result);
}

static void end_with(size_t i, struct exec_result result)
{
    calls[i].is_open = false;
    calls[i].ops.on_exit(calls[i].data, &result);
}

/* The program is there, but something else is wrong. */
static void end_wrong(size_t i, int errnum, const char *text)
{
    struct exec_result result = { .end = EXEC_FAILED, .errnum = errnum, .text = text };

    calls[i].is_open = false;
    calls[i].ops.on_exit(calls[i].data, &result);
}

/* ---- the run's part ---- */

static const struct sandbox_spec sandbox = { .root = "/workspace",
                                             .memory_bytes = 1 << 30,
                                             .pids = 256,
                                             .tmp_bytes = 64 << 20,
                                             .size_bytes = 1 << 30,
                                             .nano_cpus = 500000000 };

struct world {
    struct loop *loop;
    struct tool_host host;
    struct tool_run *run;
    char answer[65536], essence[65536];
    enum tool_outcome outcome;
    int exit_code;
    int64_t session;
    uint64_t session_exec_id;
    char limits[256], summary[256]; /* "NAME:TEXT " for each limit */
    char kept[256];                 /* "CALL:STREAM:TEXT " for each piece */
    bool is_done;
    bool has_channel;
    uint64_t id;
};

static struct channel *the_channel(void *data)
{
    struct world *w = data;

    return w->has_channel ? (struct channel *) w : NULL;
}

static uint64_t next_id(void *data, const char *call_id)
{
    return ++((struct world *) data)->id;
}

static void on_done(void *data, const struct tool_answer *answer)
{
    struct world *w = data;

    assert_false(w->is_done);
    w->is_done = true;
    w->outcome = answer->outcome;
    w->exit_code = answer->exit_code;
    w->session = answer->session;
    w->session_exec_id = answer->session_exec_id;
    w->limits[0] = '\0';
    for (size_t i = 0; i < answer->quota_count; i++)
        snprintf(w->limits + strlen(w->limits), sizeof(w->limits) - strlen(w->limits), "%s:%s ",
                 answer->quotas[i].limit, answer->quotas[i].text);
    snprintf(w->summary, sizeof(w->summary), "%s", answer->summary ? answer->summary : "");
    snprintf(w->essence, sizeof(w->essence), "%.*s", (int) answer->essence.len,
             answer->essence.len ? answer->essence.ptr : "");
    snprintf(w->answer, sizeof(w->answer), "%.*s", (int) answer->item.len,
             answer->item.ptr ? answer->item.ptr : "");
}

static void keep_output(void *data, const char *call_id, const char *stream, struct span piece)
{
    struct world *w = data;
    size_t used = strlen(w->kept);

    snprintf(w->kept + used, sizeof(w->kept) - used, "%s:%s:%.*s ", call_id, stream, (int) piece.len,
             piece.ptr);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_int_equal(loop_new(&w->loop, NULL), 0);
    w->host = (struct tool_host){
        .loop = w->loop,
        .channel = the_channel,
        .next_exec_id = next_id,
        .keep_output = keep_output,
        .data = w,
        .root = "/workspace",
        .sandbox = &sandbox,
        .command_ms = 120000,
        .output_bytes = 64 * 1024,
    };
    w->has_channel = true;
    w->id = TOOL_EXEC_IDS - 1; /* the first call */
    call_count = known_count = released_count = 0;
    room = 64;
    last_input = 0;
    written[0] = '\0';
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    tools_release(&w->host);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void stop_turning(void *data)
{
    *(bool *) data = true;
}

/* Let the loop run what is due. */
static void turn(struct world *w)
{
    struct loop_source *source;
    bool done = false;

    assert_int_equal(loop_defer(w->loop, stop_turning, &done, &source, NULL), 0);
    assert_int_equal(loop_run(w->loop, &done, NULL), 0);
    loop_source_free(source);
}

static void call_tool(struct world *w, const char *json)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct tool_call call = { .raw = span_of(json) };

    assert_int_equal(json_parse(call.raw, &arena, &call.item, NULL), 0);
    call.call_id = "c1";
    w->is_done = false;
    assert_int_equal(tools_all[0]->start(&w->host, &call, on_done, w, &w->run, NULL), 0);
    assert_false(w->is_done);
    arena_done(&arena);
    turn(w);
}

#define NATIVE(action) \
    "{\"type\":\"shell_call\",\"call_id\":\"c1\",\"status\":\"completed\",\"action\":" action "}"

static void test_native_runs_one_after_the_other(void **state)
{
    struct world *w = *state;

    call_tool(w,
              NATIVE("{\"commands\":[\"echo a\",\"false\"],\"timeout_ms\":2000,\"max_output_length\":4096}"));
    assert_int_equal(call_count, 1);
    assert_string_equal(calls[0].text, "bash or sh -c echo a");
    assert_int_equal(calls[0].timeout_ms, 2000);
    say(0, 1, "a\n");
    say(0, 2, "warn");
    end(0, EXEC_EXITED, 0);
    assert_int_equal(call_count, 2);
    end(1, EXEC_EXITED, 3);
    assert_true(w->is_done);
    assert_int_equal(w->outcome, TOOL_OK);
    assert_int_equal(w->exit_code, 3);
    assert_string_equal(
        w->answer,
        "{\"type\":\"shell_call_output\",\"call_id\":\"c1\",\"max_output_length\":4096,\"status\":"
        "\"completed\",\"output\":[{\"stdout\":\"a\\n\",\"stderr\":\"warn\",\"outcome\":{\"type\":\"exit\","
        "\"exit_code\":0}},{\"stdout\":\"\",\"stderr\":\"\",\"outcome\":{\"type\":\"exit\",\"exit_code\":3}}]"
        "}");
}

static void test_native_stops_at_a_timeout(void **state)
{
    struct world *w = *state;

    call_tool(w, NATIVE("{\"commands\":[\"sleep 9\",\"echo never\"],\"timeout_ms\":null}"));
    assert_int_equal(calls[0].timeout_ms, 120000);
    say(0, 1, "part");
    end(0, EXEC_TIMEOUT, 0);
    assert_int_equal(call_count, 1);
    assert_int_equal(w->outcome, TOOL_TIMEOUT);
    assert_string_equal(
        w->answer, "{\"type\":\"shell_call_output\",\"call_id\":\"c1\",\"status\":\"completed\",\"output\":["
                   "{\"stdout\":\"part\",\"stderr\":\"agentbox: command deadline (limit "
                   "2m)\\n\",\"outcome\":{\"type\":\"timeout\"}}]}");
}

static void test_native_spends_one_budget(void **state)
{
    struct world *w = *state;

    call_tool(w, NATIVE("{\"commands\":[\"a\",\"b\"],\"max_output_length\":10}"));
    say(0, 1, "12345");
    say(0, 2, "678");
    end(0, EXEC_EXITED, 0);
    say(1, 1, "abc");
    end(1, EXEC_EXITED, 0);
    assert_non_null(strstr(w->answer, "\"stdout\":\"12345\",\"stderr\":\"678\""));
    assert_null(strstr(w->answer, "abc"));
}

/* The API has no place for it but stderr. */
static void test_native_says_which_limit_was_met(void **state)
{
    struct world *w = *state;

    call_tool(w, NATIVE("{\"commands\":[\"a\",\"b\",\"c\"],\"max_output_length\":100}"));
    say(0, 2, "Killed");
    end_with(0, (struct exec_result){ .end = EXEC_SIGNALED, .code = 9, .memory_hit = true });
    end_with(1, (struct exec_result){ .end = EXEC_FAILED, .errnum = 11, .text = "cannot", .pids_hit = true });
    say(2, 2, "1234567890123456789012345678901234567890");
    end_with(2, (struct exec_result){ .end = EXEC_SIGNALED, .code = 9, .memory_hit = true });
    assert_non_null(strstr(w->answer, "{\"stdout\":\"\",\"stderr\":\"Killed\\nagentbox: out of memory (limit "
                                      "1g)\\n\",\"outcome\":{\"type\":\"exit\",\"exit_code\":137}}"));
    assert_non_null(strstr(w->answer,
                           "{\"stdout\":\"\",\"stderr\":\"cannot\\nagentbox: process limit (256)\\n\","
                           "\"outcome\":{\"type\":\"exit\",\"exit_code\":127}}"));
    assert_null(strstr(strstr(w->answer, "process limit"), "agentbox")); /* no room was left for it */
    assert_string_equal(w->limits, "memory:out of memory (limit 1g) pids:process limit (256) ");
    assert_string_equal(w->summary,
                        "killed by signal 9: out of memory (limit 1g), cannot: process limit (256), "
                        "killed by signal 9: out of memory (limit 1g)");
}

static void test_native_says_that_time_is_up(void **state)
{
    struct world *w = *state;

    call_tool(w, NATIVE("{\"commands\":[\"a\"]}"));
    end_with(0, (struct exec_result){ .end = EXEC_TIMEOUT });
    assert_non_null(strstr(w->answer, "\"stderr\":\"agentbox: command deadline (limit 2m)\\n\""));
    assert_string_equal(w->limits, "command:command deadline (limit 2m) ");
    assert_string_equal(w->summary, "timed out after 2m");
}

static void test_no_shell_at_all(void **state)
{
    struct world *w = *state;

    call_tool(w, NATIVE("{\"commands\":[\"echo b\"]}"));
    end(0, EXEC_FAILED, 0);
    assert_int_equal(call_count, 1);
    assert_non_null(
        strstr(w->answer, "\"stderr\":\"no such file\",\"outcome\":{\"type\":\"exit\",\"exit_code\":127}}"));
}

/* ---- what a host finds that comes after another one ---- */

/* Of three commands the first has ended, the second runs; the third is started. */
static void test_native_goes_on_where_it_was(void **state)
{
    struct world *w = *state;

    known[known_count++] = TOOL_EXEC_IDS;
    known[known_count++] = TOOL_EXEC_IDS + 1;
    call_tool(w, NATIVE("{\"commands\":[\"a\",\"b\",\"c\"]}"));
    assert_true(calls[0].was_adopted && calls[0].id == TOOL_EXEC_IDS);
    say(0, 1, "said by a");
    end(0, EXEC_EXITED, 7);
    assert_true(calls[1].was_adopted && calls[1].id == TOOL_EXEC_IDS + 1);
    end(1, EXEC_SIGNALED, 9);
    assert_string_equal(calls[2].text, "bash or sh -c c");
    assert_int_equal(calls[2].id, TOOL_EXEC_IDS + 2);
    end(2, EXEC_EXITED, 0);
    assert_non_null(strstr(w->answer,
                           "\"stdout\":\"said by a\",\"stderr\":\"\",\"outcome\":{\"type\":\"exit\","
                           "\"exit_code\":7}},{\"stdout\":\"\",\"stderr\":\"\",\"outcome\":{\"type\":"
                           "\"exit\",\"exit_code\":137}}"));
    assert_int_equal(released_count, 0); /* whoever stores the answer does that */
}

/* What came before a command that is known has run, even if nobody knows how it went. */
static void test_native_runs_nothing_twice(void **state)
{
    struct world *w = *state;

    known[known_count++] = TOOL_EXEC_IDS + 1;
    call_tool(w, NATIVE("{\"commands\":[\"a\",\"b\"]}"));
    turn(w);
    assert_int_equal(call_count, 1);
    assert_true(calls[0].was_adopted && calls[0].id == TOOL_EXEC_IDS + 1);
    end(0, EXEC_EXITED, 0);
    assert_true(w->is_done);
    assert_non_null(strstr(w->answer,
                           "{\"stdout\":\"\",\"stderr\":\"the command has ended; its output was lost when "
                           "agentbox was killed, and it is not run again\",\"outcome\":{\"type\":\"exit\","
                           "\"exit_code\":-1}}"));
    known[0] = 2 * TOOL_EXEC_IDS; /* another call's */
    known_count = 1;
    w->id = TOOL_EXEC_IDS - 1;
    call_tool(w, NATIVE("{\"commands\":[\"a\"]}"));
    assert_false(calls[1].was_adopted);
    tool_cancel(w->run);
}

/* Output that is missing at the front is counted. */
static void test_a_gap_is_shown(void **state)
{
    struct world *w = *state;

    known[known_count++] = TOOL_EXEC_IDS;
    call_tool(w, NATIVE("{\"commands\":[\"a\"]}"));
    calls[0].ops.on_output(calls[0].data, 1, span_of("the end"), 4000);
    end(0, EXEC_EXITED, 0);
    assert_non_null(strstr(w->answer, "1000 tokens truncated"));
    assert_non_null(strstr(w->answer, "the end"));
}

/* With little room left older results are given up, but never the last one before the next has its place. */
static void test_native_gives_way(void **state)
{
    struct world *w = *state;

    call_tool(w, NATIVE("{\"commands\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}"));
    end(0, EXEC_EXITED, 0);
    end(1, EXEC_EXITED, 0);
    assert_false(calls[2].takes_over);
    room = 14;
    end(2, EXEC_EXITED, 0); /* a and b go, and it is enough */
    assert_int_equal(released_count, 2);
    assert_int_equal(released[0], TOOL_EXEC_IDS);
    assert_int_equal(released[1], TOOL_EXEC_IDS + 1);
    assert_false(calls[3].takes_over);
    room = 0;
    end(3, EXEC_EXITED, 0); /* c goes, d waits for e to take its place */
    assert_int_equal(released_count, 3);
    assert_true(calls[4].takes_over && calls[4].instead == TOOL_EXEC_IDS + 3);
    end(4, EXEC_EXITED, 0);
    assert_true(w->is_done);
    assert_int_equal(released_count, 3);
}

static void test_native_refuses_nonsense(void **state)
{
    struct world *w = *state;

    call_tool(w, NATIVE("{\"commands\":[]}"));
    assert_true(w->is_done);
    assert_int_equal(w->outcome, TOOL_FAILED);
    assert_non_null(strstr(w->answer, "action.commands must be a list of at least one command"));
    call_tool(w, NATIVE("{\"commands\":[\"a\\u0000b\"]}"));
    assert_non_null(strstr(w->answer, "each command must be a text without NUL"));
    call_tool(w, NATIVE("null"));
    assert_int_equal(w->outcome, TOOL_FAILED);
    assert_int_equal(call_count, 0);
}

static void test_lost_sandbox_has_no_answer(void **state)
{
    struct world *w = *state;

    call_tool(w, NATIVE("{\"commands\":[\"a\"]}"));
    end(0, EXEC_LOST, 0);
    assert_int_equal(w->outcome, TOOL_LOST);
    assert_string_equal(w->answer, "");
    w->has_channel = false;
    call_tool(w, NATIVE("{\"commands\":[\"a\"]}"));
    turn(w);
    assert_true(w->is_done);
    assert_int_equal(w->outcome, TOOL_LOST);
}

static void test_cancel_kills(void **state)
{
    struct world *w = *state;

    call_tool(w, NATIVE("{\"commands\":[\"sleep 9\"]}"));
    tool_cancel(w->run);
    assert_true(calls[0].was_canceled);
    assert_false(w->is_done);
}

#define FUNCTION_AS(id, name, args) \
    "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"" name "\",\"arguments\":\"" args "\"}"
#define FUNCTION(name, args) FUNCTION_AS("c1", name, args)

static void test_function_answers_in_the_known_layout(void **state)
{
    struct world *w = *state;

    call_tool(w, FUNCTION("exec_command", "{\\\"cmd\\\":\\\"ls\\\",\\\"workdir\\\":\\\"sub\\\"}"));
    assert_string_equal(calls[0].text, "bash or sh -lc ls");
    assert_string_equal(calls[0].cwd, "sub");
    say(0, 1, "a\n");
    say(0, 2, "b\n");
    end(0, EXEC_SIGNALED, 9);
    assert_true(w->is_done);
    assert_int_equal(w->exit_code, 137);
    assert_non_null(
        strstr(w->answer, "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"Chunk ID: "));
    assert_string_equal(w->essence, "Process exited with code 137\nOutput:\na\nb\n");
    assert_non_null(strstr(w->answer, " seconds\\nProcess exited with code 137\\nOutput:\\na\\nb\\n\"}"));
}

static void test_function_session(void **state)
{
    struct world *w = *state;

    call_tool(w,
              FUNCTION("exec_command", "{\\\"cmd\\\":\\\"cat\\\",\\\"tty\\\":true,\\\"yield_time_ms\\\":1}"));
    say(0, 1, "ready\n");
    assert_int_equal(loop_run(w->loop, &w->is_done, NULL), 0); /* the yield passes */
    assert_non_null(strstr(w->answer, "Process running with session ID 1000\\nOutput:\\nready\\n"));
    assert_int_equal(w->session, 1000);
    assert_int_equal(w->session_exec_id, TOOL_EXEC_IDS);
    assert_true(tools_holds(&w->host, TOOL_EXEC_IDS));
    call_tool(w, FUNCTION_AS("c2", "write_stdin", "{\\\"session_id\\\":1000,\\\"chars\\\":\\\"hi\\\"}"));
    assert_string_equal(written, "hi");
    say(0, 1, "hi\n");
    end(0, EXEC_EXITED, 0);
    assert_non_null(strstr(w->answer, "Process exited with code 0\\nOutput:\\nhi\\n"));
    assert_int_equal(w->session, 0);
    assert_int_equal(w->session_exec_id, 0);
    assert_false(tools_holds(&w->host, TOOL_EXEC_IDS));
    assert_string_equal(w->kept, "c1:stdout:ready\n c2:stdout:hi\n "); /* each with the call that waited */
    call_tool(w, FUNCTION("write_stdin", "{\\\"session_id\\\":1000}"));
    assert_non_null(strstr(w->answer, "write_stdin failed: unknown session 1000, exit code 1"));
}

/* Another host comes. */
static void test_a_session_is_taken_up(void **state)
{
    struct world *w = *state;
    struct err err;

    assert_int_equal(tools_restore_session(&w->host, 1000, TOOL_EXEC_IDS, &err), -ERR_NOT_FOUND);
    assert_false(tools_holds(&w->host, TOOL_EXEC_IDS));
    known[known_count++] = TOOL_EXEC_IDS;
    assert_int_equal(tools_restore_session(&w->host, 1000, TOOL_EXEC_IDS, &err), 0);
    assert_int_equal(tools_restore_session(&w->host, 1000, TOOL_EXEC_IDS, &err), -ERR_CONFLICT);
    assert_true(calls[0].was_adopted);
    assert_true(tools_holds(&w->host, TOOL_EXEC_IDS));
    say(0, 1, "old\n");
    w->id = 5 * TOOL_EXEC_IDS - 1;
    call_tool(w, FUNCTION_AS("c5", "write_stdin", "{\\\"session_id\\\":1000,\\\"chars\\\":\\\"hi\\\"}"));
    assert_string_equal(written, "hi");
    say(0, 1, "new\n");
    end(0, EXEC_EXITED, 0);
    assert_string_equal(w->essence,
                        "Process exited with code 0\nThe session was taken up again after an interruption; "
                        "output that was shown before may come again.\nOutput:\nold\nnew\n");
    assert_false(tools_holds(&w->host, TOOL_EXEC_IDS));
}

/* ... and is held until then. */
static void test_a_session_that_ended_is_told(void **state)
{
    struct world *w = *state;

    known[known_count++] = TOOL_EXEC_IDS;
    assert_int_equal(tools_restore_session(&w->host, 1000, TOOL_EXEC_IDS, NULL), 0);
    end(0, EXEC_EXITED, 3);
    assert_true(tools_holds(&w->host, TOOL_EXEC_IDS));
    w->id = 5 * TOOL_EXEC_IDS - 1;
    call_tool(w, FUNCTION_AS("c5", "write_stdin", "{\\\"session_id\\\":1000}"));
    turn(w);
    assert_int_equal(w->exit_code, 3);
    assert_false(tools_holds(&w->host, TOOL_EXEC_IDS));
    call_tool(w, FUNCTION_AS("c6", "exec_command", "{\\\"cmd\\\":\\\"cat\\\",\\\"yield_time_ms\\\":1}"));
    assert_int_equal(loop_run(w->loop, &w->is_done, NULL), 0);
    assert_int_equal(w->session, 1004); /* follows from the call: no number comes twice */
}

/* A call that had sent its input when its host was killed. */
static void test_input_is_sent_once(void **state)
{
    struct world *w = *state;

    known[known_count++] = TOOL_EXEC_IDS;
    assert_int_equal(tools_restore_session(&w->host, 1000, TOOL_EXEC_IDS, NULL), 0);
    last_input = 5 * TOOL_EXEC_IDS;
    w->id = 5 * TOOL_EXEC_IDS - 1;
    call_tool(w, FUNCTION_AS("c5", "write_stdin", "{\\\"session_id\\\":1000,\\\"chars\\\":\\\"hi\\\"}"));
    assert_string_equal(written, "");
    end(0, EXEC_EXITED, 0);
    assert_true(w->is_done);
}

#define BEGIN(id, more)                                                                                      \
    call_tool(w,                                                                                             \
              FUNCTION_AS(id, "exec_command", "{\\\"cmd\\\":\\\"cat\\\",\\\"yield_time_ms\\\":1" more "}")); \
    assert_int_equal(loop_run(w->loop, &w->is_done, NULL), 0)

/* Without a terminal there is no input, but there is Ctrl-C. */
static void test_ctrl_c_without_a_terminal(void **state)
{
    struct world *w = *state;

    BEGIN("c1", "");
    assert_string_equal(calls[0].env, "TERM=dumb");
    call_tool(w, FUNCTION_AS("c2", "write_stdin", "{\\\"session_id\\\":1000,\\\"chars\\\":\\\"hi\\\"}"));
    assert_non_null(strstr(w->answer, "the input of session 1000 is closed"));
    assert_string_equal(written, "");
    call_tool(w,
              FUNCTION_AS("c3", "write_stdin", "{\\\"session_id\\\":1000,\\\"chars\\\":\\\"\\\\u0003\\\"}"));
    assert_string_equal(written, "\003");
    end(0, EXEC_SIGNALED, 2);
    assert_int_equal(w->exit_code, 130);
}

static void test_a_terminal_is_resized(void **state)
{
    struct world *w = *state;

    BEGIN("c1", ",\\\"tty\\\":true,\\\"rows\\\":40,\\\"cols\\\":100");
    assert_string_equal(calls[0].env, "TERM=xterm");
    assert_int_equal(calls[0].rows, 40);
    assert_int_equal(calls[0].cols, 100);
    call_tool(
        w, FUNCTION_AS("c2", "write_stdin", "{\\\"session_id\\\":1000,\\\"rows\\\":50,\\\"cols\\\":null}"));
    assert_int_equal(calls[0].rows, 50);
    assert_int_equal(calls[0].cols, 100);
    end(0, EXEC_EXITED, 0);
    call_tool(w, FUNCTION_AS("c3", "exec_command", "{\\\"cmd\\\":\\\"cat\\\",\\\"rows\\\":5000}"));
    assert_int_equal(w->outcome, TOOL_FAILED);
    assert_int_equal(call_count, 1);
}

static void on_one_of_many(void *data, const struct tool_answer *answer)
{
    static size_t count;
    struct world *w = data;

    assert_in_range(answer->session, 1000, 1063);
    w->is_done = ++count == 64;
}

/* All at once: each waits for its time. */
static void begin_many(struct world *w)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct tool_call call = {
        .call_id = "c",
        .raw = span_of(FUNCTION_AS("c", "exec_command", "{\\\"cmd\\\":\\\"cat\\\",\\\"yield_time_ms\\\":1}"))
    };

    assert_int_equal(json_parse(call.raw, &arena, &call.item, NULL), 0);
    for (uint64_t i = 1; i <= 64; i++) {
        w->id = i * TOOL_EXEC_IDS - 1;
        assert_int_equal(tools_all[0]->start(&w->host, &call, on_one_of_many, w, &w->run, NULL), 0);
    }
    arena_done(&arena);
    w->is_done = false;
    assert_int_equal(loop_run(w->loop, &w->is_done, NULL), 0);
}

static void test_the_oldest_session_goes(void **state)
{
    struct world *w = *state;

    begin_many(w);
    call_tool(w,
              FUNCTION_AS("c", "write_stdin", "{\\\"session_id\\\":1000,\\\"chars\\\":\\\"\\\\u0003\\\"}"));
    assert_int_equal(loop_run(w->loop, &w->is_done, NULL), 0);
    assert_null(strstr(w->answer, "to make room"));
    w->id = 65 * TOOL_EXEC_IDS - 1;
    BEGIN("c", "");
    assert_true(calls[1].was_canceled);
    assert_false(calls[0].was_canceled);
    assert_string_equal(
        w->essence,
        "Process running with session ID 1064\nSession 1001 was ended to make room: at most 64 run at "
        "once, and it was the one unused for longest.\nOutput:\n");
    call_tool(w, FUNCTION_AS("c", "write_stdin", "{\\\"session_id\\\":1001}"));
    assert_non_null(strstr(w->answer, "unknown session 1001"));
}

/* Models that were told of a function may call it as a custom tool. */
static void test_custom_calls(void **state)
{
    struct world *w = *state;

    call_tool(w, "{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"exec_command\",\"input\":\"ls "
                 "-l\\n\"}");
    assert_string_equal(calls[0].text, "bash or sh -lc ls -l\n");
    end(0, EXEC_EXITED, 0);
    assert_non_null(strstr(
        w->answer, "{\"type\":\"custom_tool_call_output\",\"call_id\":\"c1\",\"output\":\"Chunk ID: "));
    call_tool(w, "{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"exec_command\",\"input\":\"{"
                 "\\\"cmd\\\":\\\"id\\\"}\"}");
    assert_string_equal(calls[1].text, "bash or sh -lc id");
    end(1, EXEC_EXITED, 0);
    call_tool(w,
              "{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"exec_command\",\"input\":\"\"}");
    assert_int_equal(w->outcome, TOOL_FAILED);
    call_tool(w,
              "{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"write_stdin\",\"input\":\"x\"}");
    assert_int_equal(w->outcome, TOOL_FAILED);
    assert_int_equal(call_count, 2);
}

static int64_t number_of(void *data, const char *call_id)
{
    return 7;
}

static int read_nothing(void *data, int64_t number, const char *stream, struct buf *out, struct err *err)
{
    return 0;
}

/* Only where it can be read. */
static void test_the_place_of_the_whole(void **state)
{
    struct world *w = *state;

    w->host.output_bytes = 400;
    w->host.number = number_of;
    for (int can_read = 0; can_read < 2; can_read++) {
        w->host.read_output = can_read ? read_nothing : NULL;
        call_tool(w, FUNCTION("exec_command", "{\\\"cmd\\\":\\\"ls\\\"}"));
        for (int i = 0; i < 100; i++)
            say((size_t) (2 * can_read), 1, "0123456789\n");
        end((size_t) (2 * can_read), EXEC_EXITED, 0);
        assert_int_equal(strstr(w->answer, "\\nFull output: read_file output:7/stdout\\n") != NULL, can_read);
        call_tool(w, NATIVE("{\"commands\":[\"ls\"]}"));
        for (int i = 0; i < 100; i++)
            say((size_t) (2 * can_read) + 1, 2, "0123456789\n");
        end((size_t) (2 * can_read) + 1, EXEC_EXITED, 0);
        assert_int_equal(strstr(w->answer, "\"stderr\":\"Full output: read_file output:7/stderr\\n") != NULL,
                         can_read);
        assert_non_null(strstr(w->answer, "tokens truncated"));
    }
}

/* The model reads what is wrong. */
static void test_a_failed_start_says_why(void **state)
{
    struct world *w = *state;

    call_tool(w, FUNCTION("exec_command", "{\\\"cmd\\\":\\\"ls\\\",\\\"workdir\\\":\\\"sub\\\"}"));
    end_wrong(0, 2, "folder 'sub': no such file or folder");
    assert_true(w->is_done);
    assert_int_equal(w->outcome, TOOL_FAILED);
    assert_int_equal(w->exit_code, 127);
    assert_string_equal(
        w->essence,
        "Process could not start: folder 'sub': no such file or folder (exit code 127)\nOutput:\n");
    call_tool(w, FUNCTION("exec_command", "{\\\"cmd\\\":\\\"ls\\\"}"));
    assert_string_equal(calls[1].text, "bash or sh -lc ls");
    tool_cancel(w->run);
}

#define TEN(x) x x x x x x x x x x

/* What cannot even be sent is the call's fault and not the sandbox's. */
static void test_a_command_that_is_too_large_is_answered(void **state)
{
    struct world *w = *state;

    call_tool(w, NATIVE("{\"commands\":[\"echo a\",\"" TEN(TEN("long")) "\",\"echo b\"]}"));
    end(0, EXEC_EXITED, 0);
    turn(w);
    assert_true(w->is_done);
    assert_int_equal(w->outcome, TOOL_FAILED);
    assert_non_null(strstr(w->answer, "\"stderr\":\"the request to the sandbox is too large\""));
    call_tool(w, FUNCTION("exec_command", "{\\\"cmd\\\":\\\"" TEN(TEN("long")) "\\\"}"));
    turn(w);
    assert_true(w->is_done);
    assert_int_equal(w->outcome, TOOL_FAILED);
    assert_non_null(strstr(w->answer, "exec_command failed: the request to the sandbox is too large"));
}

/* That it is cut can be seen in it; the run is told. */
static void test_cut_output_is_a_limit_only_when_it_is_ours(void **state)
{
    struct world *w = *state;

    w->host.output_bytes = 1024;
    call_tool(w, NATIVE("{\"commands\":[\"a\"],\"max_output_length\":10}"));
    say(0, 1, "12345678901234567890");
    end(0, EXEC_EXITED, 0);
    assert_string_equal(w->limits, "");
    call_tool(w, NATIVE("{\"commands\":[\"a\"]}"));
    for (int i = 0; i < 64; i++)
        say(1, 1, "12345678901234567890");
    end(1, EXEC_EXITED, 0);
    assert_string_equal(w->limits, "output:output cut (limit 1k) ");
    assert_null(strstr(w->answer, "output cut"));
    assert_string_equal(w->summary, "exit 0, output cut (limit 1k)");
    call_tool(w, FUNCTION("exec_command", "{\\\"cmd\\\":\\\"ls\\\",\\\"max_output_tokens\\\":5}"));
    for (int i = 0; i < 64; i++)
        say(2, 1, "12345678901234567890");
    end(2, EXEC_EXITED, 0);
    assert_string_equal(w->limits, "");
    call_tool(w, FUNCTION("exec_command", "{\\\"cmd\\\":\\\"ls\\\"}"));
    for (int i = 0; i < 64; i++)
        say(3, 1, "12345678901234567890");
    end(3, EXEC_EXITED, 0);
    assert_string_equal(w->limits, "output:output cut (limit 1k) ");
    assert_string_equal(w->summary, "exit 0, output cut (limit 1k)");
}

static void test_function_says_which_limit_was_met(void **state)
{
    struct world *w = *state;

    call_tool(w, FUNCTION("exec_command", "{\\\"cmd\\\":\\\"ls\\\"}"));
    end_with(0, (struct exec_result){ .end = EXEC_SIGNALED, .code = 9, .memory_hit = true });
    assert_string_equal(w->essence, "Process exited with code 137: out of memory (limit 1g)\nOutput:\n");
    assert_string_equal(w->limits, "memory:out of memory (limit 1g) ");
    assert_string_equal(w->summary, "killed by signal 9: out of memory (limit 1g)");
    w->host.command_ms = 1000;
    call_tool(w, FUNCTION("exec_command", "{\\\"cmd\\\":\\\"ls\\\"}"));
    end_with(1, (struct exec_result){ .end = EXEC_TIMEOUT, .bytes_hit = { false, true } });
    assert_string_equal(w->essence, "Process timed out after 1 s (exit code 137): disk full (limit 64m): "
                                    "/tmp\nOutput:\n");
    assert_string_equal(w->limits, "tmp:disk full (limit 64m): /tmp command:command deadline (limit 1 s) ");
}

static void test_function_bad_arguments_are_answers(void **state)
{
    struct world *w = *state;

    call_tool(w, FUNCTION("exec_command", "{not json"));
    assert_int_equal(w->outcome, TOOL_FAILED);
    assert_non_null(strstr(w->answer, "the arguments are not valid JSON"));
    call_tool(w, FUNCTION("exec_command", "{}"));
    assert_non_null(strstr(w->answer, "missing 'cmd'"));
    call_tool(w, FUNCTION("write_stdin", "{\\\"session_id\\\":\\\"x\\\"}"));
    assert_int_equal(w->outcome, TOOL_FAILED);
    assert_int_equal(call_count, 0);
}

#define SHELL_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    SHELL_TEST(test_native_runs_one_after_the_other),
    SHELL_TEST(test_native_stops_at_a_timeout),
    SHELL_TEST(test_native_spends_one_budget),
    SHELL_TEST(test_native_says_which_limit_was_met),
    SHELL_TEST(test_native_says_that_time_is_up),
    SHELL_TEST(test_cut_output_is_a_limit_only_when_it_is_ours),
    SHELL_TEST(test_function_says_which_limit_was_met),
    SHELL_TEST(test_no_shell_at_all),
    SHELL_TEST(test_native_goes_on_where_it_was),
    SHELL_TEST(test_native_runs_nothing_twice),
    SHELL_TEST(test_a_gap_is_shown),
    SHELL_TEST(test_native_gives_way),
    SHELL_TEST(test_native_refuses_nonsense),
    SHELL_TEST(test_lost_sandbox_has_no_answer),
    SHELL_TEST(test_cancel_kills),
    SHELL_TEST(test_function_answers_in_the_known_layout),
    SHELL_TEST(test_function_session),
    SHELL_TEST(test_a_session_is_taken_up),
    SHELL_TEST(test_a_session_that_ended_is_told),
    SHELL_TEST(test_input_is_sent_once),
    SHELL_TEST(test_ctrl_c_without_a_terminal),
    SHELL_TEST(test_a_terminal_is_resized),
    SHELL_TEST(test_the_oldest_session_goes),
    SHELL_TEST(test_custom_calls),
    SHELL_TEST(test_the_place_of_the_whole),
    SHELL_TEST(test_a_failed_start_says_why),
    SHELL_TEST(test_a_command_that_is_too_large_is_answered),
    SHELL_TEST(test_function_bad_arguments_are_answers),
};

UNIT_MAIN(tests)
