/* SPDX-License-Identifier: MIT */
/* A server that is a command: lines in and out, and its end. The channel is played. */
#include "tests/unit/unit.h"

#include "core/tool/mcp_stdio.h"

static struct loop *loop;
static struct mcp_session *session;
static struct mcp_stdio *io;
static struct buf written;
static const struct exec_ops *exec_ops;
static void *exec_data;
static struct exec_request exec_seen;
static int cancels, ready;
static bool is_broken;
static char why[1024];

int channel_exec(struct channel *ch, const struct exec_request *req, const struct exec_ops *ops, void *data,
                 struct channel_call **ret, struct err *err)
{
    if (!ch)
        return err_set(err, ERR_ENGINE, "sandbox lost");
    exec_seen = *req;
    exec_ops = ops;
    exec_data = data;
    *ret = (struct channel_call *) &exec_seen;
    return 0;
}

int channel_exec_write(struct channel_call *call, struct span input, bool eof, struct err *err)
{
    if (buf_add_span(&written, input) < 0)
        return err_set(err, ERR_TOO_LARGE, "'srv' does not read its input");
    return 0;
}

void channel_cancel(struct channel_call *call)
{
    cancels += call != NULL;
}

static void on_ready(void *data)
{
    ready++;
}

static void on_broken(void *data, const struct err *err)
{
    is_broken = true;
    snprintf(why, sizeof(why), "%s", err->text);
}

static const struct mcp_session_ops ops = { on_ready, on_ready, on_broken };
static const char *const argv[] = { "srv", "/workspace", NULL };

static void begin(void)
{
    const struct mcp_session_spec spec = { .server = "s", .root = "/workspace" };
    const struct mcp_stdio_command command = { .exec_id = 4, .argv = argv };

    buf_init(&written, 1 << 20);
    is_broken = false;
    ready = cancels = 0;
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(mcp_session_new(loop, &spec, &ops, NULL, &session, NULL), 0);
    assert_int_equal(mcp_stdio_open((struct channel *) &exec_seen, &command, session, &io, NULL), 0);
}

static void end(void)
{
    mcp_stdio_free(io);
    mcp_session_free(session);
    loop_free(loop);
    buf_done(&written);
}

static void out(const char *text)
{
    exec_ops->on_output(exec_data, 1, span_of(text), 0);
}

static void wait_broken(void)
{
    assert_int_equal(loop_run(loop, &is_broken, NULL), 0);
}

static void finish(const struct exec_result *result)
{
    exec_ops->on_exit(exec_data, result);
    wait_broken();
}

static void test_lines(void **state)
{
    begin();
    assert_true(exec_seen.keep_input);
    assert_int_equal(strncmp(buf_text(&written), "{\"jsonrpc\"", 10), 0);
    assert_string_equal(strchr(buf_text(&written), '\n'), "\n"); /* one line */
    buf_clear(&written);
    out("Starting...\n\r\n{\"id\":1,\"result\":{\"protocolVersion\":\"2025-06-18\",");
    out("\"capabilities\":{\"tools\":{}}}}\r");
    assert_int_equal(written.len, 0);
    out("\n");
    assert_int_equal(written.len > 0, 1);
    out("{\"id\":2,\"result\":{\"tools\":[]}}\n{\"method\":\"x\"}\n{\"id\":9,");
    assert_int_equal(ready, 1);
    end();
    assert_int_equal(cancels, 1);
}

static void test_ends(void **state)
{
    begin();
    exec_ops->on_output(exec_data, 2, span_of("first\nno such \x1b[31mfolder\n\n"), 0);
    finish(&(struct exec_result){ .end = EXEC_EXITED, .code = 3 });
    assert_string_equal(why, "'srv' ended with status 3: no such [31mfolder");
    end();
    assert_int_equal(cancels, 0);
    begin();
    finish(&(struct exec_result){ .end = EXEC_SIGNALED, .code = 9, .memory_hit = true });
    assert_string_equal(why, "'srv' was killed by signal 9, out of memory");
    end();
    begin();
    finish(&(struct exec_result){ .end = EXEC_FAILED, .text = "no such program" });
    assert_string_equal(why, "'srv' could not be run: no such program");
    end();
}

static void test_floods(void **state)
{
    static char block[1 << 20];

    memset(block, 'x', sizeof(block) - 1);
    begin();
    for (int i = 0; i < 17; i++) /* a line without an end */
        out(block);
    wait_broken();
    assert_string_equal(why, "'srv' wrote a line of more than 16 MiB");
    end();
    begin();
    for (int i = 0; i < 40; i++)
        exec_ops->on_output(exec_data, 2, span_make(block, sizeof(block) - 1), 0);
    finish(&(struct exec_result){ .end = EXEC_EXITED });
    assert_true(strlen(why) < 500);
    end();
}

/* It asks and asks, and reads no answer. */
static void test_deaf(void **state)
{
    begin();
    for (int i = 0; i < 9000 && written.len < (1 << 20) - 200; i++)
        out("{\"id\":"
            "\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
            "4567890123456789012345678901234567890123456789012345678901234567890123456789\",\"method\":"
            "\"ping\"}\n");
    for (int i = 0; i < 900; i++)
        out("{\"id\":1,\"method\":\"ping\"}\n");
    wait_broken();
    assert_string_equal(why, "'srv' does not read its input");
    end();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_lines),
    cmocka_unit_test(test_ends),
    cmocka_unit_test(test_floods),
    cmocka_unit_test(test_deaf),
};

UNIT_MAIN(tests)
