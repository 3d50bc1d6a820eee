/* SPDX-License-Identifier: MIT */
/* Function tools, what they have in common: a deadline, and calls in more than one shape. */
#include "tests/unit/unit.h"

#include "tests/unit/tool/fake_files.h"

#include "core/tool/files.h"
#include "core/tool/view_image.h"

#include <stdio.h>

struct world {
    struct loop *loop;
    struct tool_host host;
    struct tool_run *run;
    bool is_done;
    enum tool_outcome outcome;
    char answer[4096];
};

static struct channel *the_channel(void *data)
{
    return data;
}

static int read_output(void *data, int64_t number, const char *stream, struct buf *out, struct err *err)
{
    if (number != 4 || strcmp(stream, "stdout") != 0)
        return err_set(err, ERR_NOT_FOUND, "call %d has printed nothing to it", (int) number);
    return buf_add(out, "one\ntwo\n\0three\n", 15);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_int_equal(loop_new(&w->loop, NULL), 0);
    w->host = (struct tool_host){
        .loop = w->loop, .channel = the_channel, .data = w, .root = "/workspace", .output_bytes = 65536
    };
    fake_reset(w->loop);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    fake_done();
    tools_release(&w->host);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void on_done(void *data, const struct tool_answer *answer)
{
    struct world *w = data;

    assert_false(w->is_done);
    w->is_done = true;
    w->outcome = answer->outcome;
    snprintf(w->answer, sizeof(w->answer), "%.*s", (int) answer->item.len,
             answer->item.ptr ? answer->item.ptr : "");
}

static const char *call_tool(struct world *w, const struct tool_ops *tool, const char *json)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct tool_call call = { .call_id = "c1", .raw = span_of(json) };

    assert_int_equal(json_parse(call.raw, &arena, &call.item, NULL), 0);
    assert_true(tool->owns(call.item));
    w->is_done = false;
    assert_int_equal(tool->start(&w->host, &call, on_done, w, &w->run, NULL), 0);
    arena_done(&arena);
    assert_int_equal(loop_run(w->loop, &w->is_done, NULL), 0);
    return w->answer;
}

#define CALL(name, args) \
    "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"" name "\",\"arguments\":\"" args "\"}"

/* The sandbox says nothing for ever. */
static void test_a_deadline(void **state)
{
    struct world *w = *state;

    fake_put("f", "text\n", 0644);
    w->host.command_ms = 20;
    fake.is_dead = true;
    assert_non_null(strstr(call_tool(w, &files_tool, CALL("read_file", "{\\\"path\\\":\\\"f\\\"}")),
                           "\"output\":\"timed out after 20 ms (limits.command)\""));
    assert_int_equal(w->outcome, TOOL_TIMEOUT);
    (void) call_tool(w, &view_image_tool, CALL("view_image", "{\\\"path\\\":\\\"f\\\"}"));
    assert_int_equal(w->outcome, TOOL_TIMEOUT);
    (void) call_tool(w, &files_tool, CALL("search_text", "{\\\"pattern\\\":\\\"f\\\"}"));
    assert_int_equal(w->outcome, TOOL_TIMEOUT);
    fake.is_dead = false;
    w->host.command_ms = 600000; /* in time: nothing comes of it */
    assert_non_null(
        strstr(call_tool(w, &files_tool, CALL("read_file", "{\\\"path\\\":\\\"f\\\"}")), "L1: text"));
    assert_int_equal(w->outcome, TOOL_OK);
}

static void test_custom_calls(void **state)
{
    struct world *w = *state;

    fake_put("f", "text\n", 0644);
    assert_string_equal(
        call_tool(w, &files_tool,
                  "{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"read_file\",\"input\":\"{"
                  "\\\"path\\\":"
                  "\\\"f\\\"}\"}"),
        "{\"type\":\"custom_tool_call_output\",\"call_id\":\"c1\",\"output\":\"L1: text\\n\"}");
}

static void test_output_of_a_call_is_read(void **state)
{
    struct world *w = *state;

    assert_non_null(
        strstr(call_tool(w, &files_tool, CALL("read_file", "{\\\"path\\\":\\\"output:4/stdout\\\"}")),
               "there is no output '4/stdout'")); /* nobody keeps any */
    w->host.read_output = read_output;
    assert_non_null(
        strstr(call_tool(w, &files_tool,
                         CALL("read_file", "{\\\"path\\\":\\\"output:4/stdout\\\",\\\"offset\\\":2}")),
               "L2: two\\nL3: \\u0000three\\n"));
    assert_non_null(
        strstr(call_tool(w, &files_tool, CALL("read_file", "{\\\"path\\\":\\\"output:4/stderr\\\"}")),
               "there is no output '4/stderr': call 4 has printed nothing to it"));
    assert_int_equal(w->outcome, TOOL_FAILED);
    (void) call_tool(w, &files_tool, CALL("read_file", "{\\\"path\\\":\\\"output:x\\\"}"));
    assert_int_equal(w->outcome, TOOL_FAILED);
}

#define FUNCTION_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    FUNCTION_TEST(test_a_deadline),
    FUNCTION_TEST(test_custom_calls),
    FUNCTION_TEST(test_output_of_a_call_is_read),
};

UNIT_MAIN(tests)
