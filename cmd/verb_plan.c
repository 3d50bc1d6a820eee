/* SPDX-License-Identifier: MIT */
/* `agentbox plan MANIFEST`: what a run would do and ask for, touching nothing. */
#include "cmd/backend.h"
#include "cmd/load.h"
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/units.h"
#include "core/egress/rule.h"
#include "core/run/dialect.h"
#include "core/tool/tool.h"

#include <string.h>

#define PLAN_MAX (16 * 1024 * 1024)

/* `side` NULL: the agent's own. */
static int sandbox_json(const struct run_spec *spec, const struct run_side *side, struct buf *out,
                        struct err *err)
{
    const struct sandbox_order order = { .run_id = "plan",
                                         .name = spec->name,
                                         .part = side ? side->name : NULL,
                                         .attempt = 1,
                                         .life_ms = spec->life_ms };
    struct docker_identity id = backend_identity(&order);
    struct json_writer w;
    int r;

    json_begin(&w, out);
    r = docker_sandbox_plan(side ? &side->sandbox : &spec->sandbox, &id, NULL, &w, err);
    return r < 0 ? r : json_end(&w, err);
}

/* ---- JSON ---- */

static void json_entries(struct json_writer *w, const struct run_spec *spec)
{
    json_key(w, "entries");
    json_array(w);
    for (size_t i = 0; i < spec->entry_count; i++) {
        json_object(w);
        json_put_string(w, "path", spec->entries[i].path);
        json_put_string(w, "from", spec->entries[i].src);
        json_put_bool(w, "mount", spec->entries[i].mount);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, "outputs");
    json_array(w);
    for (size_t i = 0; i < spec->output_count; i++) {
        json_object(w);
        json_put_string(w, "path", spec->outputs[i].path);
        json_put_string(w, "to", spec->outputs[i].to);
        json_put_bool(w, "required", spec->outputs[i].required);
        json_object_end(w);
    }
    json_array_end(w);
}

static void json_scan(struct json_writer *w, const struct sandbox_scan *scan)
{
    json_key(w, "scan");
    if (!scan->command) {
        json_null(w);
        return;
    }
    json_object(w);
    json_key(w, "command");
    json_array(w);
    for (const char *const *word = scan->command; *word; word++)
        json_string(w, *word);
    json_array_end(w);
    json_put_string(w, "dir", scan->dir);
    json_put_int(w, "max_age_ms", scan->max_age_ms);
    json_put_int(w, "timeout_ms", scan->timeout_ms);
    json_object_end(w);
}

/* The sandboxes beside the agent's: the exact request for each. What may leave it, and what runs in it, the
 * manifest says. */
static int json_sides(struct json_writer *w, const struct run_spec *spec, struct err *err)
{
    int r = 0;

    json_key(w, "sandboxes");
    json_array(w);
    for (size_t i = 0; i < spec->side_count && r == 0; i++) {
        const struct run_side *side = &spec->sides[i];
        struct buf request = BUF_INIT(PLAN_MAX);

        r = sandbox_json(spec, side, &request, err);
        json_object(w);
        json_put_string(w, "name", side->name);
        json_put_string(w, "image", side->sandbox.image);
        json_key(w, "network");
        json_array(w);
        for (size_t k = 0; k < side->network.rule_count; k++)
            json_string(w, side->network.rules[k].text);
        json_array_end(w);
        json_put_raw(w, "plan", r == 0 ? buf_span(&request) : span_of("null"));
        json_object_end(w);
        buf_done(&request);
    }
    json_array_end(w);
    return r;
}

static int plan_json(const struct run_spec *spec, struct span sandbox, struct buf *out, struct err *err)
{
    struct buf tools = BUF_INIT(PLAN_MAX);
    struct json_writer w;
    enum tool_style style = dialect_of(&spec->model);
    const struct tool_list list = { spec->tools,        spec->tool_count, spec->hosted,
                                    spec->hosted_count, spec->own,        spec->own_count };
    int r = tools_describe(&list, style, &tools, err);

    report_begin(&w, out);
    json_put_string(&w, "name", spec->name);
    json_put_string(&w, "model", spec->model.name);
    json_put_string(&w, "base_url", spec->model.base_url);
    json_put_raw(&w, "manifest", span_of(spec->resolved));
    json_put_raw(&w, "tools", buf_span(&tools));
    json_entries(&w, spec);
    json_scan(&w, &spec->sandbox.scan);
    json_put_raw(&w, "plan", sandbox);
    if (r == 0)
        r = json_sides(&w, spec, err);
    if (r == 0)
        r = report_end(&w, err);
    buf_done(&tools);
    return r;
}

/* ---- text ---- */

static void line(struct buf *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(out, "%-12s ", name);
    term_line(out, span_of(value));
    buf_add_char(out, '\n');
}

static void text_limits(struct buf *out, const struct run_limits *l)
{
    struct buf text = BUF_INIT(4096);
    char number[32];

    buf_printf(&text, "turns %lld, tool calls %lld, repeat %lld", (long long) l->turns,
               (long long) l->tool_calls, (long long) l->repeat);
    if (l->wall_ms > 0)
        buf_printf(&text, ", wall %s", units_format_duration(number, l->wall_ms));
    if (l->command_ms > 0)
        buf_printf(&text, ", command %s", units_format_duration(number, l->command_ms));
    if (l->tokens > 0)
        buf_printf(&text, ", tokens %s", units_format_count(number, l->tokens));
    if (l->cost_micros > 0)
        buf_printf(&text, ", cost %s", units_format_money(number, l->cost_micros));
    line(out, "limits", buf_text(&text));
    buf_done(&text);
}

static void text_rule(struct buf *out, const struct egress_rule *rule, bool is_first)
{
    struct buf text = BUF_INIT(4096);

    buf_add_text(&text, rule->text);
    for (uint32_t bit = 1; rule->methods != EGRESS_METHODS_ALL && bit < EGRESS_METHODS_ALL; bit <<= 1)
        if (rule->methods & bit)
            buf_printf(&text, " %s", egress_method_name(bit));
    if (rule->inject)
        buf_printf(&text, "  (asked for as http://%s, with header %s)",
                   rule->inject->intercept ? " or https://, whose TLS ends in the harness" : "",
                   rule->inject->header);
    else if (rule->port == EGRESS_PORT_PLAIN)
        buf_add_text(&text, "  (plain HTTP)");
    line(out, is_first ? "network" : "", buf_text(&text));
    buf_done(&text);
}

static void text_network(struct buf *out, const struct egress_spec *n)
{
    struct buf text = BUF_INIT(4096);
    char number[32];

    if (!n->rule_count) {
        line(out, "network", "none");
        return;
    }
    for (size_t i = 0; i < n->rule_count; i++)
        text_rule(out, &n->rules[i], i == 0);
    buf_printf(&text, "at most %s", units_format_size(number, n->max_bytes));
    buf_printf(&text, ", %lld connections at once", (long long) n->connections);
    if (n->connections_all > 0)
        buf_printf(&text, ", %lld in all", (long long) n->connections_all);
    buf_printf(&text, ", %lld requests a second", (long long) n->rate);
    buf_printf(&text, ", each cut after %s", units_format_duration(number, n->lifetime_ms));
    buf_printf(&text, ", idle after %s", units_format_duration(number, n->idle_ms));
    line(out, "", buf_text(&text));
    buf_done(&text);
}

static void text_checkpoints(struct buf *out, const struct run_checkpoints *c)
{
    static const char *const when[] = { [RUN_CHECKPOINT_CALL] = "after each call that changed the workspace",
                                        [RUN_CHECKPOINT_TURN] = "when the calls of a turn are done",
                                        [RUN_CHECKPOINT_OFF] = "none: a lost sandbox means to begin anew" };
    static const char *const then[] = {
        [RUN_INTERRUPT_REPORT] = "report", [RUN_INTERRUPT_RERUN] = "rerun", [RUN_INTERRUPT_FAIL] = "fail"
    };
    struct buf text = BUF_INIT(4096);

    buf_add_text(&text, when[c->every]);
    if (c->every != RUN_CHECKPOINT_OFF)
        buf_printf(&text, "; the last %lld can be gone back to", (long long) c->keep);
    buf_printf(&text, "; on interrupt: %s", then[c->on_interrupt]);
    line(out, "checkpoints", buf_text(&text));
    buf_done(&text);
}

static void text_tools(struct buf *out, const struct run_spec *spec)
{
    struct buf text = BUF_INIT(4096);

    for (size_t i = 0; i < spec->tool_count; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", spec->tools[i]);
    for (size_t i = 0; i < spec->own_count; i++)
        buf_printf(&text, "%s%s", text.len ? ", " : "", spec->own[i].name);
    for (size_t i = 0; i < spec->hosted_count; i++)
        buf_printf(&text, "%s%s (by the server)", text.len ? ", " : "", spec->hosted[i].type);
    for (size_t i = 0; i < spec->mcp_count; i++)
        buf_printf(&text, "%s%s (asked at start)", text.len ? ", " : "", spec->mcp[i].name);
    line(out, "tools", text.len ? buf_text(&text) : "none");
    buf_done(&text);
}

/* A server of tools, and where it is. */
static void text_server(struct buf *out, const struct tool_mcp *m, bool is_first)
{
    struct buf text = BUF_INIT(64 * 1024);

    buf_printf(&text, "%s: ", m->name);
    for (size_t i = 0; m->command && m->command[i]; i++)
        buf_printf(&text, "%s%s", i ? " " : "", m->command[i]);
    buf_printf(&text, "%s%s%s", m->url ? m->url : "  (in sandbox ", m->url ? "  (by the harness" : m->side,
               m->is_required ? ")" : "; the run goes on without it)");
    for (size_t i = 0; m->allow && m->allow[i]; i++)
        buf_printf(&text, "%s%s", i ? ", " : "; tools: ", m->allow[i]);
    line(out, is_first ? "servers" : "", buf_text(&text));
    buf_done(&text);
}

static void text_sides(struct buf *out, const struct run_spec *spec)
{
    char memory[32];

    for (size_t i = 0; i < spec->mcp_count; i++)
        text_server(out, &spec->mcp[i], i == 0);
    for (size_t i = 0; i < spec->side_count; i++) {
        const struct run_side *side = &spec->sides[i];

        buf_printf(out, "%-12s %s: ", i == 0 ? "sandboxes" : "", side->name);
        term_line(out, span_of(side->sandbox.image));
        buf_add_text(out, ", network");
        for (size_t k = 0; k < side->network.rule_count; k++)
            buf_printf(out, "%s %s", k ? "," : "", side->network.rules[k].text);
        buf_printf(out, "%s, memory %s, pids %lld; lock-down as below\n",
                   side->network.rule_count ? "" : " none",
                   units_format_size(memory, side->sandbox.memory_bytes), (long long) side->sandbox.pids);
    }
}

static void text_scan(struct buf *out, const struct sandbox_scan *scan)
{
    struct buf text = BUF_INIT(64 * 1024);
    char age[32];

    for (const char *const *word = scan->command; word && *word; word++)
        buf_printf(&text, "%s%s", text.len ? " " : "", *word);
    if (text.len > 0)
        buf_printf(&text, "  (must accept the image; an answer holds for %s)",
                   units_format_duration(age, scan->max_age_ms));
    line(out, "scan", buf_text(&text));
    buf_done(&text);
}

static void text_files(struct buf *out, const struct run_spec *spec)
{
    struct buf text = BUF_INIT(64 * 1024);

    for (size_t i = 0; i < spec->entry_count; i++) {
        const struct run_entry *e = &spec->entries[i];

        buf_clear(&text);
        buf_printf(&text, "%s%s%s%s", e->path, e->src ? " <- " : "", e->src ? e->src : "",
                   e->mount ? "  (bind, read-only)" : "");
        line(out, i == 0 ? "workspace" : "", buf_text(&text));
    }
    for (size_t i = 0; i < spec->output_count; i++) {
        buf_clear(&text);
        buf_printf(&text, "%s -> %s%s", spec->outputs[i].path, spec->outputs[i].to,
                   spec->outputs[i].required ? "  (required)" : "");
        line(out, i == 0 ? "outputs" : "", buf_text(&text));
    }
    buf_clear(&text);
    if (spec->memory.read || spec->memory.write) {
        buf_printf(&text, "%s%s%s", spec->memory.dir ? spec->memory.dir : "by name",
                   spec->memory.read ? "  (told)" : "", spec->memory.write ? "  (may be added to)" : "");
        line(out, "memory", buf_text(&text));
    }
    buf_done(&text);
}

static void text_rows(struct buf *out, const struct tree *plan)
{
    buf_add_text(out, "\nlock-down, verified before the first tool call:\n");
    tree_each (row, tree_path(plan, "sandbox", "rows", NULL)) {
        const char *state = tree_string(tree_get(row, "state"), "");

        buf_printf(out, "  %-18s ", tree_string(tree_get(row, "name"), ""));
        term_line(out, span_of(tree_string(tree_get(row, "asked"), "")));
        buf_add_text(out, strcmp(state, "lowered") == 0 ? "  LOWERED by the manifest\n" : "\n");
    }
}

static int plan_text(const struct run_spec *spec, struct span sandbox, struct buf *out, struct err *err)
{
    struct arena arena = ARENA_INIT(PLAN_MAX);
    const struct tree *tree = NULL;
    int r = json_parse(sandbox, &arena, &tree, err);

    line(out, "name", spec->name);
    line(out, "description", spec->description);
    line(out, "model", spec->model.name);
    line(out, "server", spec->model.replay ? spec->model.replay : spec->model.base_url);
    line(out, "task", spec->task);
    line(out, "image", spec->sandbox.image);
    text_scan(out, &spec->sandbox.scan);
    text_tools(out, spec);
    text_sides(out, spec);
    line(out, "engine", tree_string(tree_get(tree, "engine"), "none found now"));
    text_files(out, spec);
    text_network(out, &spec->network);
    text_limits(out, &spec->limits);
    text_checkpoints(out, &spec->checkpoints);
    if (r == 0)
        text_rows(out, tree);
    buf_add_text(out, "\nthe exact container request: `agentbox plan --json`\n");
    arena_done(&arena);
    return r;
}

int verb_plan(const struct options *opts, struct err *err)
{
    struct buf out = BUF_INIT(PLAN_MAX), sandbox = BUF_INIT(PLAN_MAX);
    struct run_spec *spec = NULL;
    int r = load_spec(opts, &spec, err);

    if (r == 0)
        r = sandbox_json(spec, NULL, &sandbox, err);
    if (r == 0)
        r = opts->json ? plan_json(spec, buf_span(&sandbox), &out, err)
                       : plan_text(spec, buf_span(&sandbox), &out, err);
    if (r == 0)
        r = opts->json ? term_print_json(buf_span(&out), err) : term_print(buf_span(&out), err);
    run_spec_free(spec);
    buf_done(&sandbox);
    buf_done(&out);
    return r;
}
