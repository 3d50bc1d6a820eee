/* SPDX-License-Identifier: MIT */
/* The list of tools, and answers for calls that no tool takes. */
#include "core/tool/tool.h"

#include "core/base/utf8.h"
#include "core/tool/apply_patch.h"
#include "core/tool/files.h"
#include "core/tool/function.h"
#include "core/tool/hosted.h"
#include "core/tool/shell.h"
#include "core/tool/shell_impl.h"
#include "core/tool/skill.h"
#include "core/tool/view_image.h"

#include <stdio.h>
#include <string.h>

const struct tool_ops *const tools_all[] = { &shell_tool, &apply_patch_tool, &view_image_tool,
                                             &files_tool, &skill_tool,       NULL };

static bool is_listed(const struct tool_ops *tool, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], tool->name) == 0)
            return true;
    return false;
}

/* How calls of the run's own tools are carried out, by kind. */
static const struct tool_ops *const own_ops[] = {
    [TOOL_CONTAINER] = NULL,
    [TOOL_MCP] = NULL,
    [TOOL_AGENT] = NULL,
};

bool tool_find(const struct tool_list *list, const struct tree *item, struct tool_found *ret)
{
    for (size_t i = 0; tools_all[i]; i++)
        if (is_listed(tools_all[i], list->names, list->count) && tools_all[i]->owns(item)) {
            *ret = (struct tool_found){ tools_all[i]->name, tools_all[i], NULL };
            return true;
        }
    for (size_t i = 0; i < list->own_count; i++)
        if (function_is(item, list->own[i].name)) {
            *ret = (struct tool_found){ list->own[i].name, own_ops[list->own[i].kind], &list->own[i] };
            return true;
        }
    return false;
}

/* NAME and the arguments. */
void tool_title(const struct tool_found *tool, const struct tree *item, char *out, size_t size)
{
    struct span args = function_input(item);

    if (!tool->own)
        tool->ops->title(item, out, size);
    else
        snprintf(out, size, "%s %.*s", tool->name, (int) utf8_cut(args, 400), args.ptr ? args.ptr : "");
}

static void describe_own(struct json_writer *w, const struct tool_own *own)
{
    json_object(w);
    json_put_string(w, "type", "function");
    json_put_string(w, "name", own->name);
    json_put_string(w, "description", own->description);
    json_put_bool(w, "strict", own->is_strict);
    json_put_raw(w, "parameters", span_of(own->parameters));
    json_object_end(w);
}

int tools_describe(const struct tool_list *list, enum tool_style style, struct buf *out, struct err *err)
{
    struct json_writer w;

    json_begin(&w, out);
    json_array(&w);
    for (size_t i = 0; tools_all[i]; i++)
        if (is_listed(tools_all[i], list->names, list->count))
            tools_all[i]->describe(&w, style);
    for (size_t i = 0; i < list->own_count; i++)
        describe_own(&w, &list->own[i]);
    for (size_t i = 0; i < list->hosted_count; i++)
        hosted_describe(&w, &list->hosted[i]);
    json_array_end(&w);
    return json_end(&w, err);
}

/* {"stdout":"","stderr":text,"outcome":{"type":"exit","exit_code":1}}: the shape a refused shell_call needs.
 */
static void refuse_shell(struct json_writer *w, struct span text)
{
    json_array(w);
    json_object(w);
    json_put_string(w, "stdout", "");
    json_put_span(w, "stderr", text);
    json_key(w, "outcome");
    json_object(w);
    json_put_string(w, "type", "exit");
    json_put_int(w, "exit_code", 1);
    json_object_end(w);
    json_object_end(w);
    json_array_end(w);
}

int tool_answer(const struct tree *item, struct span text, bool is_failed, struct buf *out, struct err *err)
{
    struct span type = tree_span(tree_get(item, "type"));
    const struct tree *caller = tree_get(item, "caller");
    bool is_custom = span_is(type, "custom_tool_call"), is_patch = span_is(type, "apply_patch_call");
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "type",
                    span_is(type, "shell_call") ? "shell_call_output"
                    : is_patch                  ? "apply_patch_call_output"
                    : is_custom                 ? "custom_tool_call_output"
                                                : "function_call_output");
    json_put_span(&w, "call_id", tree_span(tree_get(item, "call_id")));
    if (caller && caller->kind == TREE_OBJECT)
        json_put_raw(&w, "caller", caller->raw);
    if (is_patch)
        json_put_string(&w, "status", is_failed ? "failed" : "completed");
    json_key(&w, "output");
    if (span_is(type, "shell_call"))
        refuse_shell(&w, text);
    else
        json_span(&w, text);
    json_object_end(&w);
    return json_end(&w, err);
}

int tool_refuse(const struct tree *item, const char *text, struct buf *out, struct err *err)
{
    return tool_answer(item, span_of(text), true, out, err);
}

void tools_release(struct tool_host *host)
{
    shell_sessions_free(host->sessions);
    host->sessions = NULL;
    apply_patch_release(host);
}

int tools_restore_session(struct tool_host *host, int64_t session, uint64_t exec_id, struct err *err)
{
    return shell_session_restore(host, session, exec_id, err);
}

bool tools_holds(const struct tool_host *host, uint64_t exec_id)
{
    return shell_sessions_hold(host->sessions, exec_id);
}
