/* SPDX-License-Identifier: MIT */
#include "core/tool/container_call.h"

#include "core/base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WASTE_MAX 10000 /* names at the top of a workspace that are cleared away */
#define ARGS_MAX  (64 * 1024)

struct container_call {
    struct channel *channel;
    const struct container_call_spec *spec;
    const struct container_call_ops *ops;
    void *data;
    struct arena arena; /* names of waste, the command's words */
    const char **waste;
    size_t waste_count, waste_done;
    size_t file; /* that is written: the tool's own, then the inputs */
    struct span rest;
    struct channel_call *call;
    struct buf out;
    struct capture words;
    bool is_flooded;
};

static void end(struct container_call *c, int result, const struct exec_result *exec, const struct err *err)
{
    const struct container_done done = {
        .result = result,
        .err = err,
        .exec = exec,
        .out = buf_span(&c->out),
        .words = &c->words,
        .is_flooded = c->is_flooded,
        .is_spent = result < 0 || !exec || exec->end != EXEC_EXITED || exec->memory_hit || exec->was_swept ||
                    exec->pids_hit || c->is_flooded,
    };

    c->ops->on_done(c->data, &done);
}

void container_call_free(struct container_call *c)
{
    if (!c)
        return;
    channel_cancel(c->call);
    buf_done(&c->out);
    capture_done(&c->words);
    arena_done(&c->arena);
    free(c);
}

/* ---- the command ---- */

static void on_output(void *data, int fd, struct span chunk, uint64_t gap)
{
    struct container_call *c = data;

    if (c->ops->on_output)
        c->ops->on_output(c->data, fd, chunk);
    if (fd == 2) {
        capture_add(&c->words, chunk, gap);
    } else if (!c->is_flooded && (gap > 0 || buf_add_span(&c->out, chunk) < 0)) {
        c->is_flooded = true;
        channel_exec_kill(c->call);
    }
}

static void on_ended(void *data, const struct exec_result *result)
{
    struct container_call *c = data;
    struct err err = { 0 };

    c->call = NULL;
    if (result->end == EXEC_LOST) {
        (void) err_set(&err, ERR_ENGINE, "%s", result->text ? result->text : "the tool's sandbox was lost");
        end(c, -ERR_ENGINE, NULL, &err);
        return;
    }
    channel_exec_release(c->channel, c->spec->exec_id);
    end(c, 0, result, NULL);
}

static const struct exec_ops exec_ops = { on_output, on_ended };

/* A word of the command, with the place of the tool's files in it. */
static const char *word_of(struct container_call *c, const char *word)
{
    const char *root = c->spec->tool->sandbox->root, *at = strstr(word, TOOL_CONTAINER_PLACE);

    if (!at)
        return word;
    return arena_printf(&c->arena, "%.*s%s/" TOOL_CONTAINER_DIR "%s", (int) (at - word), word, root,
                        at + strlen(TOOL_CONTAINER_PLACE));
}

static int run(struct container_call *c, struct err *err)
{
    const struct tool_container *tool = c->spec->tool;
    size_t count = 0;
    const char **argv;

    while (tool->command[count])
        count++;
    argv = arena_alloc(&c->arena, (count + 1) * sizeof(*argv));
    for (size_t i = 0; argv && i < count; i++)
        if (!(argv[i] = word_of(c, tool->command[i])))
            argv = NULL;
    if (!argv)
        return err_set(err, ERR_INTERNAL, "no memory for a command");
    const struct exec_request req = {
        .id = c->spec->exec_id,
        .argv = argv,
        .input = c->spec->arguments,
        .timeout_ms = c->spec->timeout_ms,
        .output_max = CONTAINER_RESULT_MAX + 1,
        .tail_max = CONTAINER_WORDS_MAX,
    };

    return channel_exec(c->channel, &req, &exec_ops, c, &c->call, err);
}

/* ---- what it works with ---- */

static void next_file(struct container_call *c);

static void fail(struct container_call *c, int r, const struct err *err)
{
    end(c, r, NULL, err);
}

static int feed(struct container_call *c, struct err *err)
{
    while (c->rest.len > 0) {
        ssize_t n = channel_write_data(c->call, c->rest, err);

        if (n <= 0)
            return (int) n;
        c->rest = span_make(c->rest.ptr + n, c->rest.len - (size_t) n);
    }
    return channel_write_end(c->call, err);
}

static void on_room(void *data)
{
    struct container_call *c = data;
    struct err err = { 0 };
    int r = feed(c, &err);

    if (r < 0) {
        channel_cancel(TAKE_PTR(c->call));
        fail(c, r, &err);
    }
}

static void on_written(void *data, int r, const struct err *err)
{
    struct container_call *c = data;

    c->call = NULL;
    if (r < 0) {
        fail(c, r, err);
        return;
    }
    c->file++;
    next_file(c);
}

static int write_file(struct container_call *c, const struct bundle_file *file, bool is_own, struct err *err)
{
    static const struct file_write_ops ops = { on_room, on_written };
    const char *path = is_own ? arena_printf(&c->arena, TOOL_CONTAINER_DIR "/%s", file->path) : file->path;
    uint32_t mode = (is_own ? 0444 : 0644) | (file->is_program ? 0111 : 0);
    int r = path ? channel_write(c->channel, path, mode, &ops, c, &c->call, err)
                 : err_set(err, ERR_INTERNAL, "no memory for a path");

    c->rest = file->content;
    return r < 0 ? r : feed(c, err);
}

static void next_file(struct container_call *c)
{
    const struct container_call_spec *spec = c->spec;
    const size_t own = spec->tool->file_count;
    struct err err = { 0 };
    int r;

    if (c->file < own)
        r = write_file(c, &spec->tool->files[c->file], true, &err);
    else if (c->file < own + spec->input_count)
        r = write_file(c, &spec->inputs[c->file - own], false, &err);
    else
        r = run(c, &err);
    if (r < 0) {
        channel_cancel(TAKE_PTR(c->call));
        fail(c, r, &err);
    }
}

/* ---- what an earlier one left ---- */

static void next_waste(struct container_call *c);

static void on_cleared(void *data, int r, const struct err *err)
{
    struct container_call *c = data;

    c->call = NULL;
    if (r < 0 && r != -ERR_NOT_FOUND)
        fail(c, r, err);
    else
        next_waste(c);
}

static void next_waste(struct container_call *c)
{
    struct err err = { 0 };
    int r;

    if (c->waste_done == c->waste_count) {
        next_file(c);
        return;
    }
    r = channel_remove(c->channel, c->waste[c->waste_done++], true, on_cleared, c, &c->call, &err);
    if (r < 0)
        fail(c, r, &err);
}

static void on_entry(void *data, struct span path, const struct guest_stat *st, struct span target)
{
    struct container_call *c = data;

    (void) st;
    (void) target;
    if (c->waste_count <= WASTE_MAX)
        c->waste[c->waste_count++] = arena_copy(&c->arena, path.ptr, path.len);
}

static void on_listed(void *data, int r, const struct err *err)
{
    struct container_call *c = data;
    struct err full = { 0 };

    c->call = NULL;
    for (size_t i = 0; i < c->waste_count && r == 0; i++)
        if (!c->waste[i] || c->waste_count > WASTE_MAX)
            r = err_set(&full, ERR_TOO_LARGE, "too many files were left in the tool's workspace");
    if (r < 0)
        fail(c, r, full.code ? &full : err);
    else
        next_waste(c);
}

static const struct file_list_ops list_ops = { on_entry, on_listed };

int container_call_start(struct channel *channel, const struct container_call_spec *spec,
                         const struct container_call_ops *ops, void *data, struct container_call **ret,
                         struct err *err)
{
    struct container_call *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return err_set(err, ERR_INTERNAL, "no memory for a tool call");
    *c = (struct container_call){ .channel = channel,
                                  .spec = spec,
                                  .ops = ops,
                                  .data = data,
                                  .arena = ARENA_INIT(8 * 1024 * 1024),
                                  .out = BUF_INIT(CONTAINER_RESULT_MAX) };
    c->waste = arena_alloc(&c->arena, (WASTE_MAX + 1) * sizeof(*c->waste));
    if (!c->waste || capture_init(&c->words, CONTAINER_WORDS_MAX) < 0)
        r = err_set(err, ERR_INTERNAL, "no memory for a tool call");
    else
        r = channel_list(channel, "", false, &list_ops, c, &c->call, err);
    if (r < 0)
        container_call_free(c);
    else
        *ret = c;
    return r;
}
