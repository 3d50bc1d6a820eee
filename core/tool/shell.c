/* SPDX-License-Identifier: MIT */
/* The shell tool's face to the run: what it is called, which items are its calls. */
#include "core/tool/shell.h"

#include "core/tool/function.h"
#include "core/tool/shell_impl.h"
#include "core/tool/touched.h"

#include <stdio.h>

static void describe(struct json_writer *w, enum tool_style style)
{
    if (style != TOOL_STYLE_NATIVE) {
        shell_function_describe(w);
        return;
    }
    json_object(w);
    json_put_string(w, "type", "shell");
    json_key(w, "environment");
    json_object(w);
    json_put_string(w, "type", "local");
    json_object_end(w);
    json_object_end(w);
}

static bool is_native(const struct tree *item)
{
    const struct tree *place = tree_path(item, "environment", "type", NULL);

    /* with a container of the server's the server itself runs the commands */
    return tree_is_string(tree_get(item, "type"), "shell_call") && (!place || tree_is_string(place, "local"));
}

static bool is_function(const struct tree *item)
{
    return function_is(item, "exec_command") || function_is(item, "write_stdin");
}

static bool owns(const struct tree *item)
{
    return is_native(item) || is_function(item);
}

static void title_native(const struct tree *item, char *out, size_t size)
{
    const struct tree *commands = tree_path(item, "action", "commands", NULL);
    struct span first = tree_span(tree_at(commands, 0));

    if (commands && commands->count > 1)
        snprintf(out, size, "$ %.*s (and %u more)", first.len < 400 ? (int) first.len : 400,
                 first.ptr ? first.ptr : "", commands->count - 1);
    else
        snprintf(out, size, "$ %.*s", first.len < 400 ? (int) first.len : 400, first.ptr ? first.ptr : "");
}

static void title_function(const struct tree *item, char *out, size_t size)
{
    struct arena arena = ARENA_INIT(4 * 1024 * 1024);
    const struct tree *args = NULL;
    bool is_exec = tree_is_string(tree_get(item, "name"), "exec_command");

    struct span text = function_input(item);

    (void) json_parse(text, &arena, &args, NULL); /* no title without it */
    if (is_exec && shell_is_plain(item, args))
        snprintf(out, size, "$ %.*s", text.len < 400 ? (int) text.len : 400, text.ptr);
    else if (is_exec)
        snprintf(out, size, "$ %.400s", tree_string(tree_get(args, "cmd"), "?"));
    else
        snprintf(out, size, "session %lld", (long long) tree_int(tree_get(args, "session_id"), 0));
    arena_done(&arena);
}

static void title(const struct tree *item, char *out, size_t size)
{
    if (is_native(item))
        title_native(item, out, size);
    else
        title_function(item, out, size);
}

static void touch(const struct tree *item, struct touched *ret)
{
    if (tree_is_string(tree_get(item, "name"), "exec_command"))
        touched_argument(ret, item, "workdir", true);
}

static int start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                 struct tool_run **ret, struct err *err)
{
    return is_native(call->item) ? shell_native_start(host, call, fn, data, ret, err)
                                 : shell_function_start(host, call, fn, data, ret, err);
}

const struct tool_ops shell_tool = {
    .name = "shell",
    .describe = describe,
    .owns = owns,
    .title = title,
    .touch = touch,
    .start = start,
};
