/* SPDX-License-Identifier: MIT */
#include "manifest/container.h"

#include "manifest/answer.h"
#include "manifest/path.h"
#include "manifest/resolve.h"
#include "manifest/rows.h"
#include "manifest/rules.h"
#include "manifest/tools.h"

#include <stdio.h>

#define TOOL(member) offsetof(struct manifest_container, member)

/* ---- inputs ---- */

static bool take_input(struct table_ctx *ctx, const struct tree *item, struct manifest_input *out)
{
    const struct tree *argument = item->kind == TREE_OBJECT ? tree_get(item, "argument") : NULL;
    const char *why;

    if (argument && argument->kind == TREE_STRING && item->count == 1) {
        out->argument = argument->text.ptr;
        return true;
    }
    if (item->kind != TREE_STRING) {
        table_wrong(ctx, item, "a path of the workspace, or {argument: NAME}");
        return false;
    }
    why = path_beneath(item->text, ctx->arena, &out->path);
    if (why)
        table_problem(ctx, item, NULL, "the path %s", why);
    return !why;
}

bool container_inputs_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                             void *out)
{
    struct manifest_container *tool = out;
    bool is_good = true;

    (void) field;
    if (value->kind != TREE_ARRAY || value->count > CONTAINER_INPUTS_MAX) {
        table_wrong(ctx, value, "a list of at most 32 paths");
        return false;
    }
    tool->inputs.items = arena_alloc(ctx->arena, (value->count + 1) * sizeof(*tool->inputs.items));
    if (!tool->inputs.items)
        return false;
    tree_each (item, value)
        is_good = take_input(ctx, item, &tool->inputs.items[tool->inputs.count++]) && is_good;
    return is_good;
}

void container_inputs_schema(struct json_writer *w, const struct field *field)
{
    (void) field;
    json_raw(w, span_of("{\"type\":\"array\",\"maxItems\":32,\"items\":{\"anyOf\":[{\"type\":\"string\"},"
                        "{\"type\":\"object\",\"properties\":{\"argument\":{\"type\":\"string\"}},"
                        "\"required\":[\"argument\"],\"additionalProperties\":false}]}}"));
}

bool container_inputs_encode(struct json_writer *w, const struct field *field, const void *base)
{
    const struct manifest_container *tool = base;

    (void) field;
    if (!w || tool->inputs.count == 0)
        return tool->inputs.count > 0;
    json_array(w);
    for (size_t i = 0; i < tool->inputs.count; i++) {
        const struct manifest_input *input = &tool->inputs.items[i];

        if (input->path) {
            json_string(w, input->path);
            continue;
        }
        json_object(w);
        json_put_string(w, "argument", input->argument);
        json_object_end(w);
    }
    json_array_end(w);
    return true;
}

/* ---- parameters ---- */

bool container_parameters_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                                 void *out)
{
    return answer_decode(ctx, field, value, &((struct manifest_container *) out)->parameters);
}

bool container_parameters_encode(struct json_writer *w, const struct field *field, const void *base)
{
    return answer_encode(w, field, &((const struct manifest_container *) base)->parameters);
}

/* ---- the rows ---- */

static const char *const type_names[] = { "container", NULL };

#define VERSION_ROW(type)                                                                                    \
    {                                                                                                        \
        .name = "version", .kind = FIELD_CUSTOM, .offset = offsetof(type, version), .flags = FIELD_REQUIRED, \
        .decode = kind_version_decode, .schema = kind_version_schema, .help = "Of the language.",            \
    }

static const struct field test_rows[] = {
    { .name = "name",
      .kind = FIELD_STRING,
      .offset = offsetof(struct manifest_tool_test, name),
      .min = 1,
      .max = 200,
      .help = "For people." },
    { .name = "arguments",
      .kind = FIELD_CUSTOM,
      .offset = offsetof(struct manifest_tool_test, arguments),
      .flags = FIELD_REQUIRED,
      .decode = kind_object_decode,
      .schema = kind_object_schema,
      .help = "What it is called with." },
    { .name = "result",
      .kind = FIELD_TREE,
      .offset = offsetof(struct manifest_tool_test, result),
      .help = "What it must give, as JSON compares." },
    { .name = "fails",
      .kind = FIELD_BOOL,
      .offset = offsetof(struct manifest_tool_test, fails),
      .fallback = "false",
      .help = "It must fail, in whatever way." },
    { .name = "workspace",
      .kind = FIELD_STRING,
      .offset = offsetof(struct manifest_tool_test, workspace),
      .min = 1,
      .max = 255,
      .help = "Folder of the tool that stands for the agent's workspace, for `inputs`." },
};

static void check_test(struct table_ctx *ctx, const struct tree *value, void *out)
{
    const struct manifest_tool_test *test = out;

    if (test->fails == (test->result != NULL))
        table_problem(ctx, value, "result: {...}, or fails: true", "a test says what must come of it");
}

const struct table manifest_tool_test_table = {
    .name = "test",
    .fields = test_rows,
    .count = FIELD_COUNT_OF(test_rows),
    .size = sizeof(struct manifest_tool_test),
    .help = "A call whose outcome is known.",
    .check = check_test,
};

/* The last two are tool.yaml's alone. */
static const struct field rows[] = {
    { .name = "type",
      .kind = FIELD_ENUM,
      .offset = TOOL(type),
      .names = type_names,
      .fallback = "\"container\"",
      .help = "container: a tool of an image of its own." },
    { .name = "name",
      .kind = FIELD_STRING,
      .offset = TOOL(name),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = CONTAINER_NAME_MAX,
      .help = "As the model calls it: letters, digits, '_' and '-'.",
      .example = "\"pandas_analysis\"" },
    { .name = "description",
      .kind = FIELD_STRING,
      .offset = TOOL(description),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 4096,
      .help = "What it does, for the model." },
    { .name = "parameters",
      .kind = FIELD_CUSTOM,
      .offset = TOOL(parameters),
      .decode = container_parameters_decode,
      .schema = answer_schema,
      .help =
          "A JSON Schema of its arguments, or the JSON file that has it, of the kind that the API accepts "
          "as strict; none when not given. Arguments are checked before a call.",
      .example = "\"schemas/analysis.json\"" },
    { .name = "command",
      .kind = FIELD_STRINGS,
      .offset = TOOL(command),
      .count_offset = TOOL(command_count),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 100,
      .help = "Program and arguments; JSON arguments come on its stdin, its result is JSON on stdout. Of a "
              "library's tool `{tool}` is the folder with its files.",
      .example = "[\"python3\", \"/tool.py\"]" },
    SIDE_ROWS(struct manifest_container, side),
    { .name = "timeout",
      .kind = FIELD_DURATION,
      .offset = TOOL(timeout_ms),
      .min = 100,
      .max = DAY,
      .help = "Of one call; limits.command when not given.",
      .example = "\"30s\"" },
    { .name = "inputs",
      .kind = FIELD_CUSTOM,
      .offset = TOOL(inputs),
      .decode = container_inputs_decode,
      .schema = container_inputs_schema,
      .help = "Files and folders of the agent's workspace that each call gets a copy of, at the same path: "
              "paths, or {argument: NAME} for an argument that is a path or a list of them. At most 64 MiB "
              "and 1000 files.",
      .example = "[\"data/sales.csv\", {\"argument\": \"file\"}]" },
    { .name = "cache",
      .kind = FIELD_BOOL,
      .offset = TOOL(cache),
      .fallback = "false",
      .help = "The same image, command, arguments and inputs give the stored result." },
    VERSION_ROW(struct manifest_container),
    { .name = "tests",
      .kind = FIELD_TABLES,
      .offset = TOOL(tests),
      .count_offset = TOOL(test_count),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 100,
      .sub = &manifest_tool_test_table,
      .help = "All must pass, in its image, before the library takes it." },
};

bool container_is_name(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return len > 0 && len <= CONTAINER_NAME_MAX && text[len] == '\0';
}

static void check_tool(struct table_ctx *ctx, const struct tree *value, void *out)
{
    struct manifest_container *tool = out;

    tool->node = value;
    if (tool->name && !container_is_name(tool->name))
        table_problem(ctx, tree_get(value, "name"), "letters, digits, '_' and '-', at most 64",
                      "this is not a name of a tool");
    if (tool->side.image && !rules_is_image(tool->side.image))
        table_problem(ctx, tree_get(value, "image"), NULL, "'%.80s' is not the name of an image",
                      tool->side.image);
    if (tool->command_count > 0 && tool->command[0][0] == '\0')
        table_problem(ctx, tree_get(value, "command"), NULL, "the command is empty");
}

/* Elsewhere there is no agent whose image it could have. */
static void check_apart(struct table_ctx *ctx, const struct tree *value, void *out)
{
    check_tool(ctx, value, out);
    if (!tree_get(value, "image"))
        table_problem(ctx, value, "image: NAME", "missing 'image'");
}

static const char help[] =
    "A tool of an image of its own, beside the agent's sandbox, with its own wall. It is "
    "kept warm between calls; each call has an empty workspace.";

const struct table manifest_container_table = {
    .name = "container tool",
    .fields = rows,
    .count = FIELD_COUNT_OF(rows) - 2,
    .size = sizeof(struct manifest_container),
    .help = help,
    .check = check_tool,
};

const struct table manifest_library_table = {
    .name = "tool",
    .fields = rows,
    .count = FIELD_COUNT_OF(rows),
    .size = sizeof(struct manifest_container),
    .help = help,
    .check = check_apart,
};

static const struct table apart_table = {
    .name = "container tool",
    .fields = rows,
    .count = FIELD_COUNT_OF(rows) - 2,
    .size = sizeof(struct manifest_container),
    .help = help,
    .check = check_apart,
};

static const struct field registry_rows[] = {
    VERSION_ROW(struct manifest_registry),
    { .name = "tools",
      .kind = FIELD_TABLES,
      .offset = offsetof(struct manifest_registry, tools),
      .count_offset = offsetof(struct manifest_registry, count),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 1000,
      .sub = &apart_table,
      .help = "The tools." },
};

const struct table manifest_registry_table = {
    .name = "registry",
    .fields = registry_rows,
    .count = FIELD_COUNT_OF(registry_rows),
    .size = sizeof(struct manifest_registry),
    .help = "Tools that several manifests share.",
};

/* ---- items of the list ---- */

struct source {
    const char *from;
    const char *const *only;
    size_t only_count;
};

#define SOURCE(member) offsetof(struct source, member)

static const struct field source_rows[] = {
    { .name = "from",
      .kind = FIELD_STRING,
      .offset = SOURCE(from),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 4096,
      .help = "A file with tools, relative to the manifest's folder; or `library`, what `agentbox tools add` "
              "keeps.",
      .example = "\"tool_registry.yaml\"" },
    { .name = "only",
      .kind = FIELD_STRINGS,
      .offset = SOURCE(only),
      .count_offset = SOURCE(only_count),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = CONTAINER_ONLY_MAX,
      .help = "Which of them, by name; of the library also NAME@DIGEST.",
      .example = "[\"pandas_analysis\"]" },
};

const struct table manifest_source_table = {
    TABLE(struct source, "tools of a file", source_rows, "Tools that are written elsewhere."),
};

static void encode(struct json_writer *w, const struct manifest_own *own)
{
    const struct manifest_container *tool = own->decoded;
    char word[CONTAINER_NAME_MAX + DIGEST_HEX + 2];

    if (!tool->files) {
        resolve_table(w, &manifest_container_table, tool);
        return;
    }
    (void) snprintf(word, sizeof(word), "%s@%s", tool->name, tool->files->digest);
    json_object(w);
    json_put_string(w, "from", CONTAINER_FROM_SHELF);
    json_key(w, "only");
    json_array(w);
    json_string(w, word);
    json_array_end(w);
    json_object_end(w);
}

static const struct manifest_own_ops ops = { container_load, encode, container_fill };

static bool add(struct table_ctx *ctx, const struct tree *at, const struct tree *node,
                const struct manifest_container *tool, struct manifest_tools *tools)
{
    const struct manifest_own own = { .ops = &ops, .name = tool->name, .node = node, .decoded = tool };

    return tools_add_own(ctx, at, &own, tools);
}

bool container_take(struct table_ctx *ctx, const struct tree *item, struct manifest_tools *tools)
{
    struct manifest_container *tool = arena_alloc(ctx->arena, sizeof(*tool));

    if (!tool)
        return kind_refuse(ctx, item, NULL, "too large");
    return table_decode(&manifest_container_table, item, tool, ctx) == 0 && add(ctx, item, item, tool, tools);
}

bool container_take_from(struct table_ctx *ctx, const struct tree *item, struct manifest_tools *tools)
{
    struct source source;
    bool is_good = table_decode(&manifest_source_table, item, &source, ctx) == 0;

    for (size_t i = 0; is_good && i < source.only_count; i++) {
        const struct tree *at = tree_at(tree_get(item, "only"), i);
        struct manifest_container *tool = arena_alloc(ctx->arena, sizeof(*tool));

        if (!tool)
            return kind_refuse(ctx, item, NULL, "too large");
        *tool = (struct manifest_container){
            .name = arena_copy(ctx->arena, source.only[i], strcspn(source.only[i], "@")),
            .from = source.from,
            .word = source.only[i],
            .node = at,
        };
        is_good = tool->name && add(ctx, at, item, tool, tools);
    }
    return is_good;
}

void container_from_schema(struct json_writer *w)
{
    table_schema(&manifest_source_table, false, w);
}
