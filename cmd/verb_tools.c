/* SPDX-License-Identifier: MIT */
/* `agentbox tools`: what the model will see of its tools, and what each definition costs; the user's library.
 */
#include "cmd/load.h"
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/tools_library.h"
#include "cmd/verbs.h"
#include "core/run/dialect.h"
#include "core/tool/skill_index.h"
#include "core/tool/tool.h"

#include <string.h>

#define TOOLS_MAX       ((size_t) 4 * 1024 * 1024)
#define BYTES_PER_TOKEN 4 /* of JSON and English, roughly; a server counts with its own tokenizer */

struct tools_seen {
    const struct run_spec *spec;
    enum tool_style style;
    struct buf json;         /* the array of a request */
    struct buf instructions; /* with the index of skills */
    struct arena arena;
    const struct tree *list;
};

static long long tokens_of(size_t bytes)
{
    return (long long) ((bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN);
}

static const char *kind_of(const struct tree *tool)
{
    const char *type = tree_string(tree_get(tool, "type"), "");

    return strcmp(type, "function") == 0 || strcmp(type, "custom") == 0 ? type : "native";
}

static const char *name_of(const struct tree *tool)
{
    return tree_string(tree_get(tool, "name"), tree_string(tree_get(tool, "type"), ""));
}

static int see(struct tools_seen *s, const struct run_spec *spec, struct err *err)
{
    const struct tool_list list = { spec->tools,        spec->tool_count, spec->hosted,
                                    spec->hosted_count, spec->own,        spec->own_count };
    int r;

    s->spec = spec;
    s->style = dialect_of(&spec->model);
    r = tools_describe(&list, s->style, &s->json, err);
    if (r == 0)
        r = skill_instructions(&s->instructions, spec->instructions, spec->skills, spec->skill_count,
                               spec->sandbox.root, err);
    if (r == 0 && s->instructions.len == 0 && spec->instructions)
        r = buf_add_text(&s->instructions, spec->instructions);
    return r < 0 ? r : json_parse(buf_span(&s->json), &s->arena, &s->list, err);
}

/* ---- JSON ---- */

static int json_report(const struct tools_seen *s, struct buf *out, struct err *err)
{
    struct json_writer w;

    report_begin(&w, out);
    json_put_string(&w, "name", s->spec->name);
    json_put_string(&w, "tool_style", tool_style_name(s->style));
    json_key(&w, "tools");
    json_array(&w);
    tree_each (tool, s->list) {
        json_object(&w);
        json_put_string(&w, "name", name_of(tool));
        json_put_string(&w, "kind", kind_of(tool));
        json_put_int(&w, "bytes", (int64_t) tool->raw.len);
        json_put_int(&w, "tokens", tokens_of(tool->raw.len));
        json_put_raw(&w, "definition", tool->raw);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_key(&w, "asked_at_start");
    json_array(&w);
    for (size_t i = 0; i < s->spec->mcp_count; i++)
        json_string(&w, s->spec->mcp[i].name);
    json_array_end(&w);
    json_put_int(&w, "tokens", tokens_of(s->json.len));
    json_put_span(&w, "instructions", buf_span(&s->instructions));
    json_put_int(&w, "instructions_tokens", tokens_of(s->instructions.len));
    json_key(&w, "skills");
    json_array(&w);
    for (size_t i = 0; i < s->spec->skill_count; i++)
        json_string(&w, s->spec->skills[i].name);
    json_array_end(&w);
    return report_end(&w, err);
}

/* ---- text ---- */

static void add_line(struct buf *out, const char *indent, const char *text)
{
    buf_add_text(out, indent);
    term_line(out, span_of(text));
    buf_add_char(out, '\n');
}

/* "integer", or "string or null": a type may be a list. */
static void add_type(struct buf *out, const struct tree *type)
{
    const char *between = "";

    if (type && type->kind == TREE_STRING)
        term_line(out, type->text);
    tree_each (word, type && type->kind == TREE_ARRAY ? type : NULL) {
        buf_add_text(out, between);
        term_line(out, tree_span(word));
        between = " or ";
    }
}

static void add_parameters(struct buf *out, const struct tree *parameters)
{
    tree_each (parameter, tree_get(parameters, "properties")) {
        buf_add_text(out, "    ");
        term_line(out, parameter->key);
        buf_add_text(out, ": ");
        add_type(out, tree_get(parameter, "type"));
        if (tree_get(parameter, "description"))
            add_line(out, ". ", tree_string(tree_get(parameter, "description"), ""));
        else
            buf_add_char(out, '\n');
    }
}

static void text_report(const struct tools_seen *s, struct buf *out)
{
    size_t count = 0;

    tree_each (tool, s->list) {
        term_line(out, span_of(name_of(tool)));
        buf_printf(out, " (%s, about %lld tokens)\n", kind_of(tool), tokens_of(tool->raw.len));
        if (tree_get(tool, "description"))
            add_line(out, "    ", tree_string(tree_get(tool, "description"), ""));
        add_parameters(out, tree_get(tool, "parameters"));
        if (tree_get(tool, "format"))
            buf_printf(out, "    (free text with a grammar)\n");
        count++;
    }
    for (size_t i = 0; i < s->spec->mcp_count; i++, count++)
        buf_printf(out, "%s__... (tools of an MCP server, asked at start)\n", s->spec->mcp[i].name);
    count -= s->spec->mcp_count;
    buf_printf(out, "%s%zu definition%s, about %lld tokens in each request", count ? "\n" : "", count,
               count == 1 ? "" : "s", tokens_of(s->json.len));
    if (s->instructions.len > 0)
        buf_printf(out, "; instructions%s: about %lld",
                   s->spec->skill_count ? " with the list of skills" : "", tokens_of(s->instructions.len));
    buf_add_char(out, '\n');
    for (size_t i = 0; i < s->spec->skill_count; i++) {
        buf_printf(out, "skill %s (about %lld tokens when it is loaded)\n    ", s->spec->skills[i].name,
                   tokens_of(strlen(s->spec->skills[i].text)));
        term_line(out, span_of(s->spec->skills[i].description));
        buf_add_char(out, '\n');
    }
}

/* ---- the verb ---- */

static int print(const struct tools_seen *s, bool json, struct err *err)
{
    struct buf out = BUF_INIT(TOOLS_MAX);
    int r = 0;

    if (json)
        r = json_report(s, &out, err);
    else
        text_report(s, &out);
    if (r == 0)
        r = json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    buf_done(&out);
    return r;
}

static int list_of_manifest(const struct options *opts, struct err *err)
{
    struct tools_seen seen = { .json = BUF_INIT(TOOLS_MAX),
                               .instructions = BUF_INIT(TOOLS_MAX),
                               .arena = ARENA_INIT(4 * TOOLS_MAX) };
    struct options of_manifest = *opts;
    struct run_spec *spec = NULL;
    const char *file = opts->manifest ? opts->manifest : opts->args[1];
    int r;

    of_manifest.args = &file;
    of_manifest.arg_count = 1;
    r = load_spec(&of_manifest, &spec, err);
    if (r == 0)
        r = see(&seen, spec, err);
    if (r == 0)
        r = print(&seen, opts->json, err);
    arena_done(&seen.arena);
    buf_done(&seen.json);
    buf_done(&seen.instructions);
    run_spec_free(spec);
    return r;
}

static int list(const struct options *opts, struct err *err)
{
    if (opts->manifest && opts->arg_count == 2) {
        (void) err_set(err, ERR_USAGE, "two manifests are named");
        return err_hint(err, "agentbox tools ls MANIFEST");
    }
    return opts->manifest || opts->arg_count == 2 ? list_of_manifest(opts, err) : tools_list(opts, err);
}

static const struct part {
    const char *name, *what;
    int (*run)(const struct options *opts, struct err *err);
} parts[] = {
    { "ls", "", list },
    { "add", "DIR, or RUN:PATH", tools_add },
    { "approve", "NAME[@DIGEST]", tools_approve },
    { "test", "NAME[@DIGEST], or DIR", tools_test },
    { "rm", "NAME[@DIGEST]", tools_remove },
};

int verb_tools(const struct options *opts, struct err *err)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strcmp(opts->args[0], parts[i].name) != 0)
            continue;
        if (!*parts[i].what || opts->arg_count == 2)
            return parts[i].run(opts, err);
        (void) err_set(err, ERR_USAGE, "'agentbox tools %s' needs %s", parts[i].name, parts[i].what);
        return err_hint(err, "`agentbox help tools` explains it");
    }
    (void) err_set(err, ERR_USAGE, "'agentbox tools' cannot '%s'", opts->args[0]);
    return err_hint(err, "it can: ls, add, approve, test, rm");
}
