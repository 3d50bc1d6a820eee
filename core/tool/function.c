/* SPDX-License-Identifier: MIT */
#include "core/tool/function.h"

#include "core/base/units.h"
#include "core/tool/patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX  ((size_t) 32 * 1024 * 1024)
#define PARTS_MAX  ((size_t) 16 * 1024 * 1024)
#define ANSWER_MAX ((size_t) 32 * 1024 * 1024)

void function_free(struct function *f)
{
    if (f->release)
        f->release(f);
    channel_cancel(f->call);
    loop_source_free(f->soon);
    loop_source_free(f->deadline);
    buf_done(&f->text);
    buf_done(&f->parts);
    arena_done(&f->arena);
    free(f->raw);
    free(f);
}

static void cancel(struct tool_run *run)
{
    function_free((struct function *) run);
}

/* Whatever it waits for is canceled with it. */
static void on_deadline(void *data)
{
    struct function *f = data;
    char time[32];

    f->is_late = true;
    function_fail(f, "timed out after %s (limits.command)", units_format_duration(time, f->host->command_ms));
    snprintf(f->summary, sizeof(f->summary), "%s", buf_text(&f->text));
    function_end(f);
}

int function_new(size_t size, struct tool_host *host, const struct tool_call *call, tool_done_fn *fn,
                 void *data, struct function **ret, struct err *err)
{
    struct function *f = calloc(1, size);
    int r;

    if (!f)
        return err_set(err, ERR_INTERNAL, "no memory for a tool call");
    f->run.cancel = cancel;
    f->host = host;
    f->fn = fn;
    f->data = data;
    f->exit_code = -1;
    arena_init(&f->arena, ARENA_MAX);
    buf_init(&f->text, (size_t) host->output_bytes + 64 * 1024);
    buf_init(&f->parts, PARTS_MAX);
    f->raw = strndup(call->raw.ptr, call->raw.len);
    r = f->raw ? json_parse(span_make(f->raw, call->raw.len), &f->arena, &f->item, err)
               : err_set(err, ERR_INTERNAL, "no memory for a tool call");
    if (r == 0 && host->command_ms > 0)
        r = loop_timer(host->loop, host->command_ms, on_deadline, f, &f->deadline, err);
    if (r < 0)
        function_free(f);
    else
        *ret = f;
    return r;
}

int function_start(size_t size, int (*begin)(struct function *f), struct tool_host *host,
                   const struct tool_call *call, tool_done_fn *fn, void *data, struct tool_run **ret,
                   struct err *err)
{
    struct function *f = NULL;
    int r = function_new(size, host, call, fn, data, &f, err);

    if (r < 0)
        return r;
    if (begin(f) == 0)
        r = function_end_soon(f, err);
    if (r < 0)
        function_free(f);
    else
        *ret = &f->run;
    return r;
}

int function_fail(struct function *f, const char *format, ...)
{
    va_list ap;

    buf_clear(&f->text);
    va_start(ap, format);
    (void) buf_vprintf(&f->text, format, ap);
    va_end(ap);
    f->is_failed = true;
    snprintf(f->summary, sizeof(f->summary), "failed: %.140s", buf_text(&f->text));
    return 0;
}

int function_fail_with(struct function *f, int r, const struct err *err)
{
    f->is_lost = r == -ERR_ENGINE;
    return function_fail(f, "%s", err && err->text[0] ? err->text : "failed");
}

/* ---- arguments ---- */

static void note_problem(void *data, struct tree_pos pos, const char *path, const char *message,
                         const char *hint)
{
    struct function *f = data;

    (void) pos;
    (void) hint;
    (void) buf_printf(&f->text, "%s%s: %s", f->text.len ? "; " : "", path, message);
}

bool function_args(struct function *f, const struct table *table, void *out)
{
    struct table_ctx ctx = { .arena = &f->arena, .problem = note_problem, .data = f };
    const struct tree *args = NULL;
    struct err err = { 0 };

    if (json_parse(function_input(f->item), &f->arena, &args, &err) < 0)
        (void) buf_printf(&f->text, "the arguments are not valid JSON: %s", err.text);
    else if (args->kind != TREE_OBJECT)
        (void) buf_add_text(&f->text, "the arguments must be a JSON object");
    else if (table_decode(table, args, out, &ctx) == 0)
        return true;
    f->is_failed = true;
    snprintf(f->summary, sizeof(f->summary), "failed: %.140s", buf_text(&f->text));
    return false;
}

bool function_path(struct function *f, const char *text, const char **ret)
{
    struct span path = span_of(text ? text : ".");
    struct err err = { 0 };

    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    *ret = "";
    if (path.len == 0 || span_is(path, ".") || span_is(path, f->host->root))
        return true;
    if (patch_path(f->host->root, path, &f->arena, ret, &err) == 0)
        return true;
    function_fail(f, "%s", err.text);
    return false;
}

/* ---- ends ---- */

static int write_parts(const struct function *f, struct buf *out)
{
    const struct tree *caller = tree_get(f->item, "caller");
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "type",
                    tree_is_string(tree_get(f->item, "type"), "custom_tool_call") ? "custom_tool_call_output"
                                                                                  : "function_call_output");
    json_put_span(&w, "call_id", tree_span(tree_get(f->item, "call_id")));
    if (caller && caller->kind == TREE_OBJECT)
        json_put_raw(&w, "caller", caller->raw);
    json_put_raw(&w, "output", buf_span(&f->parts));
    json_object_end(&w);
    return json_end(&w, NULL);
}

void function_end(struct function *f)
{
    struct tool_answer answer = { .outcome = TOOL_LOST,
                                  .exit_code = f->exit_code,
                                  .summary = f->summary,
                                  .is_cached = f->is_cached,
                                  .quotas = f->quotas,
                                  .quota_count = f->quota_count };
    struct buf item = BUF_INIT(ANSWER_MAX);
    int r = 0;

    if (!f->is_lost) {
        answer.outcome = f->is_late ? TOOL_TIMEOUT : f->is_failed ? TOOL_FAILED : TOOL_OK;
        answer.output_bytes = f->text.len;
        r = f->parts.len > 0 && !f->is_failed
                ? write_parts(f, &item)
                : tool_answer(f->item, buf_span(&f->text), f->is_failed, &item, NULL);
        if (r == 0)
            answer.item = buf_span(&item);
    }
    f->fn(f->data, &answer);
    buf_done(&item);
    function_free(f);
}

static void end_now(void *data)
{
    function_end(data);
}

int function_end_soon(struct function *f, struct err *err)
{
    return loop_defer(f->host->loop, end_now, f, &f->soon, err);
}

struct channel *function_channel(struct function *f)
{
    struct channel *channel = f->host->channel(f->host->data);

    if (!channel) {
        f->is_lost = true;
        snprintf(f->summary, sizeof(f->summary), "sandbox lost");
    }
    return channel;
}

/* ---- for the model, and for people ---- */

void function_describe(struct json_writer *w, const char *name, const char *description,
                       const struct table *table)
{
    json_object(w);
    json_put_string(w, "type", "function");
    json_put_string(w, "name", name);
    json_put_string(w, "description", description);
    json_put_bool(w, "strict", true);
    json_key(w, "parameters");
    table_schema(table, true, w);
    json_object_end(w);
}

void function_title(const struct tree *item, const char *name, const char *argument, char *out, size_t size)
{
    struct arena arena = ARENA_INIT(4 * 1024 * 1024);
    const struct tree *args = NULL;

    (void) json_parse(function_input(item), &arena, &args, NULL); /* no title without it */
    snprintf(out, size, "%s %.400s", name, tree_string(tree_get(args, argument), "."));
    arena_done(&arena);
}
