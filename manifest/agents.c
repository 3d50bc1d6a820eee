/* SPDX-License-Identifier: MIT */
/* Manifests within manifests. */
#include "manifest/agents.h"

#include "core/base/cleanup.h"
#include "manifest/load_impl.h"
#include "manifest/path.h"
#include "manifest/tools.h"
#include "manifest/yaml.h"

#include <stdio.h>
#include <stdlib.h>

#define AGENT(member) offsetof(struct subagent, member)
#define AT            "agent.tools"
#define LIMITS_MAX    16
#define PATHS_MAX     64

struct subagent {
    const char *type, *name, *description; /* description NULL: that of its manifest */
    const struct tree *source;             /* its manifest: a path, or the manifest itself */
    const struct tree *limits;
    const char *const *inputs, *const *outputs; /* beneath the workspace, normalized */
    size_t input_count, output_count;
    bool handoff;
    const struct tree *node;
    struct run_spec *spec; /* after loading */
    bool is_taken;         /* `spec` is that of the parent's spec */
};

static const char parameters[] =
    "{\"type\":\"object\",\"properties\":{\"task\":{\"type\":\"string\",\"description\":\"What it shall do, "
    "with "
    "all that it must know: it has not seen this conversation.\"}},\"required\":[\"task\"],"
    "\"additionalProperties\":false}";

/* --- decoding --- */

static bool decode_manifest_key(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                                void *out)
{
    struct subagent *agent = out;

    agent->source = value;
    if (value->kind == TREE_OBJECT || (value->kind == TREE_STRING && value->text.len > 0))
        return true;
    table_wrong(ctx, value, "a path");
    return false;
}

static void manifest_key_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_key(w, "type");
    json_array(w);
    json_string(w, "string");
    json_string(w, "object");
    json_array_end(w);
    json_object_end(w);
}

static const struct field agent_rows[] = {
    { .name = "type",
      .kind = FIELD_STRING,
      .offset = AGENT(type),
      .flags = FIELD_REQUIRED,
      .help = "`agent`." },
    { .name = "name",
      .kind = FIELD_STRING,
      .offset = AGENT(name),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 64,
      .help = "What the model calls it by: letters, digits, `_` and `-`.",
      .example = "\"reviewer\"" },
    { .name = "manifest",
      .kind = FIELD_CUSTOM,
      .offset = AGENT(source),
      .flags = FIELD_REQUIRED,
      .decode = decode_manifest_key,
      .schema = manifest_key_schema,
      .help = "Path of its manifest, or the manifest itself. It needs no task: that comes with each call. "
              "What it leaves out of `model` is its parent's.",
      .example = "\"reviewer.yaml\"" },
    { .name = "description",
      .kind = FIELD_STRING,
      .offset = AGENT(description),
      .min = 1,
      .max = 4000,
      .help = "What the model is told of it; without one, the description in its manifest." },
    { .name = "limits",
      .kind = FIELD_TREE,
      .offset = AGENT(limits),
      .help = "Keys of `limits`, for each of its runs, above those of its manifest. What is left of its "
              "parent's is the most it can use, whatever these say.",
      .example = "{\"turns\": 10, \"cost\": 0.5}" },
    { .name = "inputs",
      .kind = FIELD_STRINGS,
      .offset = AGENT(inputs),
      .count_offset = AGENT(input_count),
      .min = 0,
      .max = PATHS_MAX,
      .help = "Paths of the parent's workspace that are copied into its own, under the same names, when a "
              "call begins." },
    { .name = "outputs",
      .kind = FIELD_STRINGS,
      .offset = AGENT(outputs),
      .count_offset = AGENT(output_count),
      .min = 0,
      .max = PATHS_MAX,
      .help = "Paths of its workspace that are copied back into the parent's when it is done, each as a "
              "whole; nothing else is." },
    { .name = "handoff",
      .kind = FIELD_BOOL,
      .offset = AGENT(handoff),
      .fallback = "false",
      .help = "It works in the parent's sandbox, on the same workspace; of its manifest workspace is not "
              "used, and sandbox only for its tools' own." },
};

static bool is_within(const char *a, const char *b)
{
    return path_is_beneath(a, b) || path_is_beneath(b, a);
}

/* Tidy paths, none within another: what is copied is copied once. */
static void check_paths(struct table_ctx *ctx, const struct tree *list, const char *const **paths,
                        size_t count)
{
    const char **tidy = arena_alloc(ctx->arena, (count + 1) * sizeof(*tidy));

    for (size_t i = 0; tidy && i < count; i++) {
        const struct tree *at = tree_at(list, i);
        const char *why = path_beneath(span_of((*paths)[i]), ctx->arena, &tidy[i]);

        if (!why && tidy[i][0] == '\0')
            why = "it is the workspace itself";
        for (size_t k = 0; !why && k < i; k++)
            if (tidy[k] && is_within(tidy[i], tidy[k]))
                why = "it is in the list already, or within one that is";
        if (why)
            table_problem(ctx, at ? at : list, NULL, "'%.200s': %s", (*paths)[i], why);
    }
    if (tidy)
        *paths = tidy;
}

static void check_agent(struct table_ctx *ctx, const struct tree *value, void *out)
{
    struct subagent *agent = out;
    struct run_limits limits;
    size_t mark = table_enter(ctx, span_of("limits"));

    if (agent->limits)
        (void) table_decode(&manifest_limit_table, agent->limits, &limits, ctx); /* for its problems */
    table_leave(ctx, mark);
    check_paths(ctx, tree_get(value, "inputs"), &agent->inputs, agent->input_count);
    check_paths(ctx, tree_get(value, "outputs"), &agent->outputs, agent->output_count);
    if (agent->handoff && agent->input_count + agent->output_count > 0)
        table_problem(ctx, tree_get(value, agent->input_count ? "inputs" : "outputs"), NULL,
                      "a handoff has the whole workspace: there is nothing to copy");
}

const struct table manifest_agent_tool_table = {
    .name = "tool",
    .fields = agent_rows,
    .count = FIELD_COUNT_OF(agent_rows),
    .size = sizeof(struct subagent),
    .help = "An agent that the model can call with a task: a run of its own, with its own sandbox, model and "
            "limits, within what is left of its parent's. Its final message is the result of the call.",
    .check = check_agent,
};

static const struct manifest_own_ops agent_ops;

bool agents_take(struct table_ctx *ctx, const struct tree *item, struct manifest_tools *tools)
{
    struct subagent *agent = arena_alloc(ctx->arena, sizeof(*agent));
    int r = agent ? table_decode(&manifest_agent_tool_table, item, agent, ctx) : -ERR_INTERNAL;

    if (r != 0)
        return r > 0 ? false : kind_refuse(ctx, item, NULL, "too large");
    agent->node = item;
    return tools_add_own(
        ctx, item,
        &(struct manifest_own){ .ops = &agent_ops, .name = agent->name, .node = item, .decoded = agent },
        tools);
}

void agents_schema(struct json_writer *w)
{
    table_schema(&manifest_agent_tool_table, false, w);
}

static struct subagent *agent_of(const struct manifest_own *own)
{
    return own->ops == &agent_ops ? (struct subagent *) (uintptr_t) own->decoded : NULL; /* of the arena */
}

static void write_paths(struct json_writer *w, const char *name, const char *const *paths, size_t count)
{
    if (!count)
        return;
    json_key(w, name);
    json_array(w);
    for (size_t i = 0; i < count; i++)
        json_string(w, paths[i]);
    json_array_end(w);
}

static void write_tree(struct json_writer *w, const char *name, const struct tree *value)
{
    json_key(w, name);
    json_tree(w, value);
}

/* With the manifest that was loaded, which has its limits in it. */
static void encode(struct json_writer *w, const struct manifest_own *own)
{
    const struct subagent *agent = agent_of(own);

    json_object(w);
    json_put_string(w, "type", "agent");
    json_put_string(w, "name", agent->name);
    if (agent->description)
        json_put_string(w, "description", agent->description);
    if (agent->spec)
        json_put_raw(w, "manifest", span_of(agent->spec->resolved));
    else
        write_tree(w, "manifest", agent->source);
    if (!agent->spec && agent->limits)
        write_tree(w, "limits", agent->limits);
    write_paths(w, "inputs", agent->inputs, agent->input_count);
    write_paths(w, "outputs", agent->outputs, agent->output_count);
    if (agent->handoff)
        json_put_bool(w, "handoff", true);
    json_object_end(w);
}

/* --- loading --- */

struct loading {
    struct loader *l;
    struct manifest_parent self;
};

static void report(struct loading *ask, const struct subagent *agent, const char *hint, const char *message)
{
    const struct tree *at = tree_get(agent->node, "manifest");

    diags_add(ask->l->diags, at ? at->pos : agent->node->pos, AT, hint, "%s",
              message ? message : "no memory");
}

/* A file that is on the way down to itself. */
static bool is_cycle(const struct manifest_parent *parent, const char *path)
{
    for (; parent; parent = parent->up)
        if (parent->path && strcmp(parent->path, path) == 0)
            return true;
    return false;
}

/* The limits of the tool as --set has them. */
static size_t limit_sets(struct loading *ask, const struct subagent *agent, const char *sets[LIMITS_MAX])
{
    size_t count = 0;

    tree_each (item, agent->limits) {
        struct buf text = BUF_INIT(1024);
        struct json_writer w;

        json_begin(&w, &text);
        json_tree(&w, item);
        if (json_end(&w, NULL) == 0 && count < LIMITS_MAX)
            sets[count] = arena_printf(ask->l->arena, "limits.%s=%s", item->key.ptr, buf_text(&text));
        if (count < LIMITS_MAX && sets[count])
            count++;
        buf_done(&text);
    }
    return count;
}

/* What went wrong is told behind what is wrong in the parent's file. */
static void tell_problems(struct loading *ask, const struct subagent *agent, struct diags *found,
                          const struct err *err)
{
    size_t count = found->count + found->dropped;

    if (count == 0) {
        report(ask, agent, err->hint[0] ? err->hint : NULL, err->text);
        diags_free(found);
        return;
    }
    report(ask, agent, NULL,
           arena_printf(ask->l->arena, "the manifest of '%s' has %zu problem%s", agent->name, count,
                        count == 1 ? "" : "s"));
    diags_append(ask->l->diags, found);
}

static void load_text(struct loading *ask, struct subagent *agent, struct manifest_options *opt)
{
    struct diags *found = diags_new();
    struct err err = { 0 };

    if (!found)
        report(ask, agent, NULL, NULL);
    else if (manifest_load(opt, &agent->spec, found, &err) < 0)
        tell_problems(ask, agent, found, &err);
    else
        diags_free(found);
}

/* The manifest itself stands in the tool: so it is in a run folder. */
static void load_inline(struct loading *ask, struct subagent *agent, struct manifest_options *opt)
{
    struct buf text = BUF_INIT(YAML_SIZE_MAX);
    struct json_writer w;

    json_begin(&w, &text);
    json_tree(&w, agent->source);
    if (json_end(&w, NULL) < 0) {
        report(ask, agent, NULL, "the manifest is too large");
    } else {
        opt->text = buf_span(&text);
        opt->path = arena_printf(ask->l->arena, "%s/%s", ask->l->folder, agent->name);
        opt->text_folder = ask->l->folder;
        if (opt->path)
            load_text(ask, agent, opt);
    }
    buf_done(&text);
}

/* Relative to the parent's, as that was given: so it stands in messages. */
static const char *path_of(struct loading *ask, const char *path)
{
    const char *slash = strrchr(ask->l->opt->path, '/');

    if (ask->l->opt->text.ptr)
        return path_host(ask->l->folder, path, ask->l->arena);
    if (*path == '/' || !slash)
        return path;
    return arena_printf(ask->l->arena, "%.*s%s", (int) (slash + 1 - ask->l->opt->path), ask->l->opt->path,
                        path);
}

static void load_file(struct loading *ask, struct subagent *agent, struct manifest_options *opt)
{
    const char *path = path_of(ask, agent->source->text.ptr);
    CLEANUP(free) char *real = path ? realpath(path, NULL) : NULL;

    struct host_problem problem = { 0 };
    const char *within;

    opt->path = path ? path : "";
    if (ask->l->opt->is_untrusted && agent->source->pos.line > 0)
        problem = host_check_beneath(opt->path, ask->l->folder, ask->l->arena, &within);
    if (problem.message) {
        report(ask, agent, problem.hint, problem.message);
        return;
    }
    if (real && is_cycle(&ask->self, real))
        report(ask, agent, NULL, arena_printf(ask->l->arena, "'%s' would be its own subagent", real));
    else
        load_text(ask, agent, opt);
}

static void load_one(struct loading *ask, struct subagent *agent)
{
    const char *sets[LIMITS_MAX];
    struct manifest_options opt = {
        .sets = sets,
        .set_count = limit_sets(ask, agent, sets),
        .env = ask->l->opt->env,
        .has_begun = ask->l->opt->has_begun,
        .approve = ask->l->opt->approve,
        .is_untrusted = ask->l->opt->is_untrusted,
        .parent = &ask->self,
    };

    if (agent->source->kind == TREE_OBJECT)
        load_inline(ask, agent, &opt);
    else
        load_file(ask, agent, &opt);
}

/* Levels below. */
static int height_of(const struct run_spec *spec)
{
    int height = 0;

    for (size_t i = 0; i < spec->own_count; i++) {
        const struct run_agent *agent = run_spec_agent(&spec->own[i]);
        int below = agent ? 1 + height_of(agent->spec) : 0;

        height = below > height ? below : height;
    }
    return height;
}

/* What a handoff's manifest says of a sandbox that it will never have. */
static void check_handoff(struct loading *ask, const struct subagent *agent)
{
    const struct run_spec *spec = agent->spec;

    if (spec->network.rule_count > 0)
        report(ask, agent, "give the rules to its parent", "a handoff has no network of its own");
    else if (spec->entry_count > 0)
        report(ask, agent, "leave out workspace.entries, and skills that have files",
               "a handoff has no workspace of its own");
}

/* What is handed over has its place to itself. */
static void check_inputs(struct loading *ask, const struct subagent *agent)
{
    const struct run_spec *spec = agent->spec;

    for (size_t i = 0; i < agent->input_count; i++)
        for (size_t k = 0; k < spec->entry_count; k++)
            if (is_within(agent->inputs[i], spec->entries[k].path))
                report(ask, agent, NULL,
                       arena_printf(ask->l->arena, "input '%s' would be where its workspace.entries has '%s'",
                                    agent->inputs[i], spec->entries[k].path));
}

/* What it costs must be known where somebody above limits it. */
static void check_price(struct loading *ask, const struct subagent *agent)
{
    const struct model_price *price = &agent->spec->model.price;

    for (const struct manifest_parent *up = &ask->self; up; up = up->up)
        if (up->manifest->limits.cost_micros && (price->input < 0 || price->output < 0)) {
            report(ask, agent, "write model: {price: {input: ..., output: ...}} in it",
                   "limits.cost needs the price of its model");
            return;
        }
}

static void check_depth(struct loading *ask, const struct subagent *agent)
{
    const int64_t depth = ask->self.manifest->limits.depth;
    int levels = 1 + height_of(agent->spec);

    if (levels > depth)
        report(ask, agent, "raise limits.depth",
               arena_printf(ask->l->arena, "'%s' makes %d level%s of subagents, and limits.depth is %lld",
                            agent->name, levels, levels == 1 ? "" : "s", (long long) depth));
}

static void load(struct loader *l, struct manifest_own *own)
{
    CLEANUP(free) char *real = l->opt->text.ptr ? NULL : realpath(l->opt->path, NULL);
    struct subagent *agent = agent_of(own);
    struct loading ask = {
        .l = l,
        .self = { .up = l->opt->parent,
                  .path = real,
                  .manifest = l->m,
                  .depth = l->opt->parent ? l->opt->parent->depth + 1 : 0 },
    };

    if (ask.self.depth == AGENT_DEPTH_MAX)
        report(&ask, agent, NULL, "there are too many levels of subagents");
    else
        load_one(&ask, agent);
    if (!agent->spec)
        return;
    check_depth(&ask, agent);
    check_price(&ask, agent);
    check_inputs(&ask, agent);
    if (agent->handoff)
        check_handoff(&ask, agent);
}

static bool fill(struct loader *l, const struct manifest_own *own, struct tool_own *ret,
                 struct run_side *side)
{
    struct subagent *from = agent_of(own);
    struct run_agent *agent = arena_alloc(l->arena, sizeof(*agent));
    const char *words = from->description ? from->description : from->spec->description;

    if (!agent)
        return false;
    *agent = (struct run_agent){
        .name = from->name,
        .spec = from->spec,
        .inputs = from->inputs,
        .input_count = from->input_count,
        .outputs = from->outputs,
        .output_count = from->output_count,
        .is_handoff = from->handoff,
    };
    from->is_taken = true;
    *ret = (struct tool_own){
        .kind = TOOL_AGENT,
        .name = from->name,
        .description = words && *words ? words : "An agent that does the task it is given.",
        .parameters = parameters,
        .is_strict = true,
        .spec = agent,
    };
    return true;
}

static const struct manifest_own_ops agent_ops = { load, encode, fill };

void agents_drop(struct manifest_tools *tools)
{
    for (size_t i = 0; i < tools->own_count; i++)
        if (agent_of(&tools->own[i]) && !agent_of(&tools->own[i])->is_taken)
            run_spec_free(TAKE_PTR(agent_of(&tools->own[i])->spec));
}

bool agents_may_ask(const struct manifest_tools *tools)
{
    for (size_t i = 0; i < tools->own_count; i++)
        if (agent_of(&tools->own[i]) && agent_of(&tools->own[i])->spec->life_ms == 0)
            return true;
    return false;
}

/* --- what is the parent's --- */

static bool is_same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

#define TAKE(key, member)            \
    do {                             \
        if (!tree_get(model, key))   \
            to->member = up->member; \
    } while (0)

void agents_inherit(struct manifest *m, const struct tree *root, const struct manifest_parent *parent)
{
    const struct tree *model = tree_get(root, "model");
    const struct manifest_model *up = &parent->manifest->model;
    struct manifest_model *to = &m->model;

    TAKE("name", name);
    TAKE("base_url", base_url);
    TAKE("state", state);
    TAKE("tool_style", tool_style);
    TAKE("service_tier", service_tier);
    TAKE("idle_timeout", idle_ms);
    TAKE("retries", retries);
    if (is_same(to->base_url, up->base_url)) {
        TAKE("api_key", api_key);
        TAKE("auth_header", auth_header);
        TAKE("headers", headers);
        TAKE("extra", extra);
    }
    if (is_same(to->name, up->name)) {
        TAKE("price", price);
        TAKE("context_window", context_window);
        TAKE("reasoning", reasoning);
        TAKE("text", text);
        TAKE("max_output_tokens", max_output_tokens);
    }
    if (!tree_path(root, "sandbox", "engine", NULL))
        m->sandbox.engine = parent->manifest->sandbox.engine;
}
