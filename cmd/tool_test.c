/* SPDX-License-Identifier: MIT */
#include "cmd/tool_test.h"

#include "cmd/backend.h"
#include "cmd/term.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/json_canonical.h"
#include "core/base/json_schema.h"
#include "core/sandbox/channel.h"
#include "core/tool/container_result.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNALS   3
#define TEXT_MAX  (2 * CONTAINER_RESULT_MAX)
#define ARENA_MAX (64 * CONTAINER_RESULT_MAX)
#define SHOWN_MAX 2000    /* bytes of a result that is not the right one */
#define WALL_MS   3600000 /* so long all of it may take, before anybody may remove the sandbox */

static const int watched[SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

struct testing {
    const struct options *opts;
    const struct run_spec *spec;
    const struct manifest_container *tool;
    const struct tool_container *plain;
    struct tool_test *ret;
    struct loop *loop;
    struct http *http;
    struct backend backend;
    struct loop_source *signals[SIGNALS], *soon;
    struct sandbox *sb;
    int attempts;
    char run_id[32];
    struct container_call *call;
    struct buf text;
    struct bundle_file *inputs; /* of the test */
    bool is_done, is_spent;
    int result;
    struct err *err;
};

static void end(struct testing *t, int result, const struct err *err)
{
    if (t->is_done)
        return;
    t->is_done = true;
    t->result = result;
    if (result < 0)
        *t->err = *err;
}

static int wait_for(struct testing *t)
{
    int r = loop_run(t->loop, &t->is_done, t->err);

    if (r == 0 && !t->is_done)
        return err_set(t->err, ERR_CANCELED, "interrupted");
    return r < 0 ? r : t->result;
}

static void on_signal(void *data, int signum)
{
    struct testing *t = data;

    t->ret->signum = signum;
    loop_quit(t->loop);
}

/* ---- the sandbox ---- */

static void on_step(void *data, const char *step, const char *text)
{
    const struct testing *t = data;

    (void) step;
    if (!t->opts->quiet && !t->opts->json)
        term_say("%s", text);
}

static void proceed(void *data)
{
    struct testing *t = data;
    struct err err = { 0 };

    loop_source_free(TAKE_PTR(t->soon));
    if (sandbox_proceed(t->sb, &err) < 0)
        end(t, -(int) err.code, &err);
}

static void on_intent(void *data, const struct sandbox_info *info)
{
    struct testing *t = data;
    struct err err = { 0 };

    t->ret->image_id = arena_text(&t->ret->arena, info->image_id ? info->image_id : "");
    if (loop_defer(t->loop, proceed, t, &t->soon, &err) < 0)
        end(t, -(int) err.code, &err);
}

static void on_ready(void *data, int result, const struct err *err)
{
    end(data, result, err);
}

static void on_lost(void *data, const struct err *err)
{
    struct testing *t = data;

    t->is_spent = true;
    buf_clear(&t->text);
    (void) buf_printf(&t->text, "the tool's sandbox was lost: %s", err->text);
    end(t, t->call ? 0 : -(int) err->code, err); /* a call that ends it has failed */
}

static void on_removed(void *data, int result, const struct err *err)
{
    end(data, result, err);
}

static int remove_sandbox(struct testing *t)
{
    int r = 0;

    t->is_done = false;
    if (t->sb)
        r = sandbox_remove(t->sb, on_removed, t, t->err);
    if (t->sb && r == 0)
        r = wait_for(t);
    sandbox_free(TAKE_PTR(t->sb));
    return r;
}

static int open_sandbox(struct testing *t)
{
    static const struct sandbox_events events = { on_step, on_intent, on_ready, on_lost, NULL };
    const struct sandbox_maker *maker = backend_maker(&t->backend);
    const struct sandbox_order order = {
        .spec = t->plain->sandbox,
        .run_id = t->run_id,
        .name = "tool-test",
        .attempt = ++t->attempts,
        .life_ms = WALL_MS,
    };
    int r = remove_sandbox(t);

    t->is_done = t->is_spent = false;
    if (r == 0)
        r = maker->make(maker->data, &order, &t->sb, t->err);
    if (r == 0)
        r = sandbox_start(t->sb, &events, t, t->err);
    return r == 0 ? wait_for(t) : r;
}

/* ---- one test ---- */

/* Of the folder that stands for the workspace: what a path names, a file or all in a folder. */
static size_t add_inputs(struct testing *t, const char *workspace, const char *path, size_t count)
{
    size_t skip = strlen(workspace), len = strlen(path);

    while (skip > 0 && workspace[skip - 1] == '/')
        skip--;
    for (size_t i = 0; i < t->tool->files->count; i++) {
        struct bundle_file file = t->tool->files->files[i];
        bool is_there = false;

        if (strncmp(file.path, workspace, skip) != 0 || file.path[skip] != '/')
            continue;
        file.path += skip + 1;
        if (strncmp(file.path, path, len) != 0 || (file.path[len] != '\0' && file.path[len] != '/'))
            continue;
        for (size_t k = 0; k < count; k++)
            is_there = is_there || strcmp(t->inputs[k].path, file.path) == 0;
        if (!is_there)
            t->inputs[count++] = file;
    }
    return count;
}

static size_t find_inputs(struct testing *t, const struct manifest_tool_test *test)
{
    size_t count = 0;

    for (size_t i = 0; test->workspace && i < t->plain->input_count; i++) {
        const struct tool_input *input = &t->plain->inputs[i];
        const struct tree *value = input->argument ? tree_get(test->arguments, input->argument) : NULL;

        if (input->path)
            count = add_inputs(t, test->workspace, input->path, count);
        else if (value && value->kind == TREE_STRING)
            count = add_inputs(t, test->workspace, value->text.ptr, count);
        tree_each (item, value && value->kind == TREE_ARRAY ? value : NULL)
            count = add_inputs(t, test->workspace, tree_string(item, ""), count);
    }
    return count;
}

static void write_canonical(const struct tree *value, struct buf *out)
{
    struct json_writer w;

    json_begin(&w, out);
    json_canonical(&w, value);
    (void) json_end(&w, NULL); /* what does not fit is not the same */
}

/* NULL: it is what it shall be. */
static const char *judge(struct testing *t, const struct manifest_tool_test *test, bool is_good)
{
    struct buf want = BUF_INIT(TEXT_MAX), got = BUF_INIT(TEXT_MAX);
    struct arena *arena = &t->ret->arena, scratch = ARENA_INIT(24 * CONTAINER_RESULT_MAX);
    const struct tree *tree = NULL;
    const char *words = NULL;

    if (test->fails)
        return is_good ? arena_printf(arena, "it should fail, and gave %.*s", SHOWN_MAX, buf_text(&t->text))
                       : NULL;
    if (!is_good)
        return arena_printf(arena, "%.*s", SHOWN_MAX, buf_text(&t->text));
    write_canonical(test->result, &want);
    if (json_parse(buf_span(&t->text), &scratch, &tree, NULL) == 0)
        write_canonical(tree, &got);
    if (!span_equal(buf_span(&want), buf_span(&got)))
        words = arena_printf(arena, "wanted %.*s\ngot    %.*s", SHOWN_MAX, buf_text(&want), SHOWN_MAX,
                             buf_text(&got));
    arena_done(&scratch);
    buf_done(&want);
    buf_done(&got);
    return words;
}

struct one {
    struct testing *t;
    bool is_good;
};

static void on_done(void *data, const struct container_done *done)
{
    struct one *one = data;
    struct testing *t = one->t;
    char summary[CONTAINER_SUMMARY_MAX];

    t->is_spent = t->is_spent || done->is_spent;
    buf_clear(&t->text);
    one->is_good = container_result(t->plain, done, t->plain->timeout_ms, &t->text, summary);
    end(t, 0, NULL);
}

static int call(struct testing *t, const struct manifest_tool_test *test, struct one *one)
{
    static const struct container_call_ops ops = { NULL, on_done };
    struct buf arguments = BUF_INIT(1024 * 1024);
    int r;

    write_canonical(test->arguments, &arguments);
    const struct container_call_spec spec = {
        .tool = t->plain,
        .arguments = buf_span(&arguments),
        .inputs = t->inputs,
        .input_count = find_inputs(t, test),
        .exec_id = (uint64_t) (test - t->tool->tests) + 1,
        .timeout_ms = t->plain->timeout_ms,
    };

    t->is_done = false;
    r = container_call_start(sandbox_channel(t->sb), &spec, &ops, one, &t->call, t->err);
    if (r == 0)
        r = wait_for(t);
    container_call_free(TAKE_PTR(t->call));
    buf_done(&arguments);
    return r;
}

static int test_one(struct testing *t, size_t index)
{
    const struct manifest_tool_test *test = &t->tool->tests[index];
    struct tool_tested *ret = &t->ret->tests[index];
    const int64_t began_ms = clock_mono_ms();
    struct one one = { t, false };
    struct json_violation why;
    int r = 0;

    ret->name = test->name ? test->name : arena_printf(&t->ret->arena, "test %zu", index + 1);
    if (!json_schema_fits(t->plain->parameters, test->arguments, &why)) {
        if (!test->fails)
            ret->words =
                arena_printf(&t->ret->arena, "its arguments do not fit: '%s': %s", why.path, why.text);
    } else {
        if (!t->sb || t->is_spent || !sandbox_channel(t->sb))
            r = open_sandbox(t);
        if (r == 0)
            r = call(t, test, &one);
        if (r == 0)
            ret->words = judge(t, test, one.is_good);
    }
    ret->took_ms = clock_mono_ms() - began_ms;
    t->ret->failed += ret->words != NULL;
    return r;
}

/* ---- all ---- */

static int set_up(struct testing *t)
{
    uint64_t number;
    int r = loop_new(&t->loop, t->err);

    random_bytes(&number, sizeof(number));
    (void) snprintf(t->run_id, sizeof(t->run_id), "tool-test-%016" PRIx64, number);
    if (r == 0)
        r = http_new(t->loop, &t->http, t->err);
    if (r == 0)
        backend_init(&t->backend, t->loop, t->http);
    for (size_t i = 0; i < SIGNALS && r == 0; i++)
        r = loop_signal(t->loop, watched[i], on_signal, t, &t->signals[i], t->err);
    return r;
}

/* What failed before is said, not what fails now. */
static void tear_down(struct testing *t)
{
    struct err err = { 0 };

    t->err = &err;
    if (t->loop && remove_sandbox(t) < 0)
        term_warning("the sandbox of the tests could not be removed: %s", err.text);
    loop_source_free(t->soon);
    for (size_t i = 0; i < SIGNALS; i++)
        loop_source_free(t->signals[i]);
    backend_done(&t->backend);
    http_free(t->http);
    loop_free(t->loop);
    buf_done(&t->text);
    free(t->inputs);
}

int tool_test(const struct options *opts, const struct run_spec *spec, const struct manifest_container *tool,
              struct tool_test *ret, struct err *err)
{
    struct testing t = {
        .opts = opts,
        .spec = spec,
        .tool = tool,
        .plain = spec->own[0].spec,
        .ret = ret,
        .text = BUF_INIT(TEXT_MAX),
        .inputs = calloc(BUNDLE_FILES_MAX, sizeof(*t.inputs)),
        .err = err,
    };
    int r;

    *ret = (struct tool_test){ .arena = ARENA_INIT(ARENA_MAX), .count = tool->test_count };
    ret->tests = arena_alloc(&ret->arena, (tool->test_count + 1) * sizeof(*ret->tests));
    r = ret->tests && t.inputs ? set_up(&t) : err_set(err, ERR_INTERNAL, "no memory for tests");
    for (size_t i = 0; i < tool->test_count && r == 0; i++)
        r = test_one(&t, i);
    tear_down(&t);
    return r;
}

void tool_test_done(struct tool_test *t)
{
    arena_done(&t->arena);
    *t = (struct tool_test){ 0 };
}
