/* SPDX-License-Identifier: MIT */
/* The shapes of an apply_patch call: what the model is told of them, and how they are read. */
#include "core/tool/apply_patch.h"

#include <stdio.h>
#include <string.h>

static const char description[] =
    "Edits files of the workspace. The patch is applied as a whole or not at all.\n"
    "\n"
    "*** Begin Patch\n"
    "[ one or more file sections ]\n"
    "*** End Patch\n"
    "\n"
    "A file section begins with one of three headers:\n"
    "*** Add File: <path> - a new file; every line behind it begins with + (its contents).\n"
    "*** Delete File: <path> - removes a file; nothing follows.\n"
    "*** Update File: <path> - changes a file; *** Move to: <new path> may follow on the next line.\n"
    "Then come hunks. A hunk begins with @@, which may be followed by a line of the file above the change (a "
    "class or function), and has lines that begin with ' ' (stays), '-' (goes) or '+' (comes). Show 3 lines "
    "of context above and below each change; use @@ lines when they alone do not say which place is meant, "
    "several of them if need be. *** End of File behind a hunk says that it ends the file.\n"
    "Paths are relative to the workspace.\n"
    "\n"
    "*** Begin Patch\n"
    "*** Add File: hello.txt\n"
    "+Hello world\n"
    "*** Update File: src/app.py\n"
    "*** Move to: src/main.py\n"
    "@@ def greet():\n"
    "-print(\"Hi\")\n"
    "+print(\"Hello, world!\")\n"
    "*** Delete File: obsolete.txt\n"
    "*** End Patch";

/* As models were trained with it. */
static const char grammar[] = "start: begin_patch hunk+ end_patch\n"
                              "begin_patch: \"*** Begin Patch\" LF\n"
                              "end_patch: \"*** End Patch\" LF?\n"
                              "\n"
                              "hunk: add_hunk | delete_hunk | update_hunk\n"
                              "add_hunk: \"*** Add File: \" filename LF add_line+\n"
                              "delete_hunk: \"*** Delete File: \" filename LF\n"
                              "update_hunk: \"*** Update File: \" filename LF change_move? change?\n"
                              "\n"
                              "filename: /(.+)/\n"
                              "add_line: \"+\" /(.*)/ LF -> line\n"
                              "\n"
                              "change_move: \"*** Move to: \" filename LF\n"
                              "change: (change_context | change_line)+ eof_line?\n"
                              "change_context: (\"@@\" | \"@@ \" /(.+)/) LF\n"
                              "change_line: (\"+\" | \"-\" | \" \") /(.*)/ LF\n"
                              "eof_line: \"*** End of File\" LF\n"
                              "\n"
                              "%import common.LF\n";

static const char parameters[] =
    "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\",\"description\":\"The whole patch, "
    "from "
    "*** Begin Patch to *** End Patch.\"}},\"required\":[\"input\"],\"additionalProperties\":false}";

void apply_patch_describe(struct json_writer *w, enum tool_style style)
{
    json_object(w);
    if (style == TOOL_STYLE_NATIVE) {
        json_put_string(w, "type", "apply_patch");
        json_object_end(w);
        return;
    }
    json_put_string(w, "type", style == TOOL_STYLE_CUSTOM ? "custom" : "function");
    json_put_string(w, "name", "apply_patch");
    json_put_string(w, "description", description);
    if (style == TOOL_STYLE_CUSTOM) {
        json_key(w, "format");
        json_object(w);
        json_put_string(w, "type", "grammar");
        json_put_string(w, "syntax", "lark");
        json_put_string(w, "definition", grammar);
        json_object_end(w);
    } else {
        json_put_bool(w, "strict", true);
        json_put_raw(w, "parameters", span_of(parameters));
    }
    json_object_end(w);
}

bool apply_patch_owns(const struct tree *item)
{
    const struct tree *type = tree_get(item, "type");

    if (tree_is_string(type, "apply_patch_call"))
        return true;
    return (tree_is_string(type, "custom_tool_call") || tree_is_string(type, "function_call")) &&
           tree_is_string(tree_get(item, "name"), "apply_patch");
}

/* ---- reading ---- */

static int parse_native(const struct tree *item, struct patch *ret, struct err *err)
{
    const struct tree *op = tree_get(item, "operation");
    struct span word = tree_span(tree_get(op, "type"));
    enum patch_kind kind;

    if (!patch_kind_of(word, &kind))
        return err_set(err, ERR_INVALID,
                       "the operation's type must be create_file, update_file or delete_file, not '%.*s'",
                       word.len < 60 ? (int) word.len : 60, word.len ? word.ptr : "");
    return patch_add_operation(ret, kind, tree_span(tree_get(op, "path")), tree_span(tree_get(op, "diff")),
                               err);
}

/* {"input": patch}; other names of it, and operations instead of a text, are understood. */
static int parse_arguments(struct span text, struct patch *ret, struct err *err)
{
    static const char *const names[] = { "input", "patch", "diff" };
    const struct tree *args = NULL;
    int r = json_parse(text, &ret->arena, &args, err);

    if (r < 0 && text.len > 0 &&
        memmem(text.ptr, text.len, "*** Begin Patch\n", 16)) /* no JSON: the text itself */
        return patch_parse(ret, text, err);
    if (r < 0)
        return err_wrap(err, "the arguments are not valid JSON");
    if (args->kind == TREE_STRING)
        return patch_parse(ret, args->text, err);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct tree *input = tree_get(args, names[i]);

        if (input && input->kind == TREE_STRING && !tree_get(args, "type"))
            return patch_parse(ret, input->text, err);
    }
    if (tree_get(args, "type") || tree_get(args, "operation") || tree_get(args, "operations") ||
        args->kind == TREE_ARRAY)
        return patch_parse(ret, args->raw, err);
    return err_set(err, ERR_INVALID, "the arguments must be an object with the patch as 'input'");
}

int apply_patch_parse(const struct tree *item, struct patch *ret, struct err *err)
{
    const struct tree *type = tree_get(item, "type");

    if (tree_is_string(type, "apply_patch_call"))
        return parse_native(item, ret, err);
    if (tree_is_string(type, "custom_tool_call"))
        return patch_parse(ret, tree_span(tree_get(item, "input")), err);
    return parse_arguments(tree_span(tree_get(item, "arguments")), ret, err);
}

/* ---- for people ---- */

static const char *word_of(const struct patch_op *op)
{
    return op->kind == PATCH_ADD      ? "create"
           : op->kind == PATCH_DELETE ? "delete"
           : op->move_to              ? "move"
                                      : "edit";
}

void apply_patch_title(const struct tree *item, char *out, size_t size)
{
    struct patch patch;

    patch_init(&patch);
    if (apply_patch_parse(item, &patch, NULL) < 0 || patch.count == 0)
        snprintf(out, size, "patch");
    else if (patch.count == 1 && patch.ops[0].move_to)
        snprintf(out, size, "move %.200s to %.200s", patch.ops[0].path, patch.ops[0].move_to);
    else if (patch.count == 1)
        snprintf(out, size, "%s %.400s", word_of(&patch.ops[0]), patch.ops[0].path);
    else
        snprintf(out, size, "%s %.400s (and %zu more)", word_of(&patch.ops[0]), patch.ops[0].path,
                 patch.count - 1);
    patch_done(&patch);
}
