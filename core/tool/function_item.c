/* SPDX-License-Identifier: MIT */
/* What a call item is, in whatever shape it came: of plain bytes, without anything that runs it. */
#include "core/tool/function.h"
#include "core/tool/shell_impl.h"

bool function_is(const struct tree *item, const char *name)
{
    const struct tree *type = tree_get(item, "type");

    return (tree_is_string(type, "function_call") || tree_is_string(type, "custom_tool_call")) &&
           tree_is_string(tree_get(item, "name"), name);
}

struct span function_input(const struct tree *item)
{
    bool is_custom = tree_is_string(tree_get(item, "type"), "custom_tool_call");

    return tree_span(tree_get(item, is_custom ? "input" : "arguments"));
}

bool shell_is_plain(const struct tree *item, const struct tree *args)
{
    return tree_is_string(tree_get(item, "type"), "custom_tool_call") &&
           tree_is_string(tree_get(item, "name"), "exec_command") && (!args || args->kind != TREE_OBJECT);
}
