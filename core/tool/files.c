/* SPDX-License-Identifier: MIT */
#include "core/tool/files.h"

#include "core/tool/touched.h"

static const struct files_function *const functions[] = { &read_file_function, &list_dir_function,
                                                          &find_files_function, &search_text_function };

static const struct files_function *function_of(const struct tree *item)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (function_is(item, functions[i]->name))
            return functions[i];
    return NULL;
}

static void describe(struct json_writer *w, enum tool_style style)
{
    (void) style;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        function_describe(w, functions[i]->name, functions[i]->description, functions[i]->table);
}

static bool owns(const struct tree *item)
{
    return function_of(item) != NULL;
}

static void title(const struct tree *item, char *out, size_t size)
{
    const struct files_function *own = function_of(item);

    if (own)
        function_title(item, own->name, own->shown, out, size);
}

static void touch(const struct tree *item, struct touched *ret)
{
    touched_argument(ret, item, "path", !function_is(item, read_file_function.name));
}

static int start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                 struct tool_run **ret, struct err *err)
{
    const struct files_function *own = function_of(call->item);

    return own ? function_start(own->size, own->start, host, call, fn, data, ret, err) : -ERR_NOT_FOUND;
}

const struct tool_ops files_tool = {
    .name = "files",
    .describe = describe,
    .owns = owns,
    .title = title,
    .touch = touch,
    .start = start,
};
