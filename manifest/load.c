/* SPDX-License-Identifier: MIT */
/* Manifest to run spec: files of the host and absolute paths; the copy into plain data is in load_fill.c. */
#include "manifest/load.h"

#include "core/base/cleanup.h"
#include "manifest/agents.h"
#include "manifest/answer.h"
#include "manifest/approve.h"
#include "manifest/host.h"
#include "manifest/load_impl.h"
#include "manifest/path.h"
#include "manifest/resolve.h"
#include "manifest/rules.h"
#include "manifest/skills.h"
#include "manifest/tools.h"
#include "manifest/untrusted.h"
#include "manifest/yaml.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

/* The first name of the folder of the skills. */
#define SKILLS_TOP_LEN (strcspn(TOOL_SKILLS_DIR, "/"))

void load_report(struct loader *l, const struct tree *at, const char *path, struct host_problem problem)
{
    if (problem.message)
        diags_add(l->diags, at ? at->pos : (struct tree_pos){ 0, 0 }, path, problem.hint, "%s",
                  problem.message);
}

static void report_memory(struct loader *l)
{
    load_report(l, NULL, NULL, (struct host_problem){ "no memory", NULL });
}

/* Make a host path of the manifest absolute. */
const char *load_absolute(struct loader *l, const char *path)
{
    const char *full = path_host(l->folder, path, l->arena);

    if (!full)
        report_memory(l);
    return full ? full : path;
}

/* --- names --- */

/* "Q3 Report.yaml" -> "q3-report" */
static const char *name_of_file(struct loader *l)
{
    const char *base = strcmp(l->opt->path, "-") == 0 ? "manifest" : path_name(l->opt->path);
    char *name = arena_text(l->arena, base), *dot = name ? strrchr(name, '.') : NULL;
    size_t len = 0;

    if (dot && dot != name)
        *dot = '\0';
    for (const char *c = name; c && *c && len < 63; c++) {
        bool is_good = isalnum((unsigned char) *c);

        if (is_good)
            name[len++] = (char) tolower((unsigned char) *c);
        else if (len > 0 && name[len - 1] != '-')
            name[len++] = '-';
    }
    while (len > 0 && name[len - 1] == '-')
        len--;
    if (name)
        name[len] = '\0';
    return name && rules_is_name(name) ? name : "manifest";
}

/* --- texts and files --- */

static void read_text(struct loader *l, const char **text, const char **file, const char *key)
{
    const struct tree *at = tree_path(l->dec.root, "agent", key, NULL);
    const char *content = NULL;

    if (!*file)
        return;
    *file = load_absolute(l, *file);
    load_report(l, at, key, host_read_text(*file, l->arena, &content));
    *text = content;
    *file = NULL;
}

static void load_answer(struct loader *l)
{
    struct manifest_answer *answer = &l->m->agent.output;
    const struct tree *at = tree_path(l->dec.root, "agent", "output", "schema", NULL);
    const struct tree *format = tree_path(l->m->model.extra, "text", "format", NULL);
    const char *text = NULL;

    if (answer->file) {
        answer->file = load_absolute(l, answer->file);
        load_report(l, at, "agent.output.schema", host_read_text(answer->file, l->arena, &text));
        if (text)
            answer_read(answer, text, at, l->arena, l->diags);
    }
    if (format && at)
        load_report(
            l, format, "model.extra",
            (struct host_problem){ "'agent.output' says what format the answer has", "remove one of them" });
}

static void load_texts(struct loader *l)
{
    struct manifest_agent *agent = &l->m->agent;
    const struct tree *at = l->opt->task ? NULL : tree_path(l->dec.root, "agent", "task_file", NULL);

    read_text(l, &agent->instructions, &agent->instructions_file, "instructions_file");
    if (l->opt->task) {
        agent->task = arena_text(l->arena, l->opt->task);
        agent->task_file = NULL;
    }
    read_text(l, &agent->task, &agent->task_file, "task_file");
    if ((at || l->opt->task) && agent->task && agent->task[strspn(agent->task, " \t\r\n")] == '\0')
        load_report(l, at, "agent.task", (struct host_problem){ "the task is empty", NULL });
}

static void load_attachments(struct loader *l)
{
    struct manifest_agent *agent = &l->m->agent;
    const struct tree *list = tree_path(l->dec.root, "agent", "attachments", NULL);
    const char **paths = arena_alloc(l->arena, (agent->attachment_count + 1) * sizeof(*paths));

    if (!paths) {
        report_memory(l);
        return;
    }
    for (size_t i = 0; i < agent->attachment_count; i++) {
        paths[i] = load_absolute(l, agent->attachments[i]);
        if (!l->opt->has_begun)
            load_report(l, tree_at(list, i), "agent.attachments",
                        host_check_file(paths[i], HOST_ATTACHMENT_MAX, l->arena));
    }
    agent->attachments = paths;
}

void load_secret(struct loader *l, struct manifest_secret *secret)
{
    if (secret->from_file) /* whether it is there is seen when it is used */
        secret->from_file = load_absolute(l, secret->from_file);
}

static void load_model(struct loader *l)
{
    struct manifest_model *model = &l->m->model;

    for (size_t i = 0; i < l->m->network.rule_count; i++)
        load_secret(l, &l->m->network.rules[i].inject.value);
    load_secret(l, &model->api_key);
    for (size_t i = 0; i < model->headers.count; i++)
        load_secret(l, &model->headers.items[i].secret);
    if (l->m->agent.memory.dir)
        l->m->agent.memory.dir = load_absolute(l, l->m->agent.memory.dir);
    if (model->record)
        model->record = load_absolute(l, model->record);
    if (!model->replay)
        return;
    model->replay = load_absolute(l, model->replay);
    if (!l->opt->has_begun)
        load_report(l, tree_path(l->dec.root, "model", "replay", NULL), "model.replay",
                    host_check_file(model->replay, 0, l->arena));
}

static void load_seccomp(struct loader *l)
{
    struct manifest_sandbox *sandbox = &l->m->sandbox;

    if (!sandbox->seccomp || strcmp(sandbox->seccomp, "strict") == 0 ||
        strcmp(sandbox->seccomp, "default") == 0)
        return;
    sandbox->seccomp = load_absolute(l, sandbox->seccomp);
    load_report(l, tree_path(l->dec.root, "sandbox", "seccomp", NULL), "sandbox.seccomp",
                host_check_file(sandbox->seccomp, 4 * HOST_TEXT_MAX, l->arena));
}

static void load_scan(struct loader *l)
{
    struct manifest_scan *scan = &l->m->sandbox.scan;

    if (!scan->is_set)
        return;
    if (scan->dir) {
        scan->dir = load_absolute(l, scan->dir);
        load_report(l, tree_path(l->dec.root, "sandbox", "scan", "dir", NULL), "sandbox.scan",
                    host_check_dir(scan->dir, l->arena));
    } else if (scan->command) {
        scan->dir = l->folder;
    }
}

/* --- skills --- */

static void load_skills(struct loader *l)
{
    const struct skills_ask ask = {
        .folder = l->folder,
        .is_untrusted = l->opt->is_untrusted,
        .arena = l->arena,
        .diags = l->diags,
    };

    skills_load(&ask, &l->m->agent);
    for (size_t i = 0; i < l->dec.entry_count && l->m->agent.skill_count > 0; i++) {
        const struct manifest_entry *entry = l->dec.entries[i];
        size_t len = strcspn(entry->path, "/");

        if (len == SKILLS_TOP_LEN && strncmp(entry->path, TOOL_SKILLS_DIR, len) == 0)
            diags_add(l->diags, entry->node->key_pos, "workspace.entries", "name it otherwise",
                      "'%.*s' is where the skills are", (int) len, entry->path);
    }
}

/* --- entries and outputs --- */

static void check_source(struct loader *l, const struct manifest_entry *entry)
{
    const struct manifest_sandbox *sandbox = &l->m->sandbox;
    const struct tree *at = tree_get(entry->node, "src");
    struct host_problem problem;

    if (l->opt->has_begun && !entry->mount)
        return;
    problem = entry->type == ENTRY_LOCAL_DIR ? host_check_dir(entry->src, l->arena)
                                             : host_check_file(entry->src, 0, l->arena);

    if (!problem.message && entry->mount)
        problem = host_check_mount(entry->src, sandbox->uid, sandbox->gid, l->arena);
    load_report(l, at, "workspace.entries", problem);
}

/* The entries become one flat list with full paths, in the manifest too, so that it is what gets resolved. */
static void load_entries(struct loader *l)
{
    struct manifest_workspace *workspace = &l->m->workspace;
    struct manifest_entry *flat = arena_alloc(l->arena, (l->dec.entry_count + 1) * sizeof(*flat));

    if (!flat) {
        report_memory(l);
        return;
    }
    for (size_t i = 0; i < l->dec.entry_count; i++) {
        flat[i] = *l->dec.entries[i];
        flat[i].key = flat[i].path;
        flat[i].children.count = 0;
        if (!flat[i].src || (flat[i].type != ENTRY_LOCAL_FILE && flat[i].type != ENTRY_LOCAL_DIR))
            continue;
        flat[i].src = load_absolute(l, flat[i].src);
        check_source(l, &flat[i]);
    }
    workspace->entries = flat;
    workspace->entry_count = l->dec.entry_count;
}

static const char *target_of(struct loader *l, const struct manifest_output *output)
{
    const char *to = path_target(output->to, output->path, l->arena);

    return load_absolute(l, to ? to : output->path);
}

/* A folder that is there is replaced as a whole, with all that is in it. */
static void check_output(struct loader *l, const struct run_output *outputs, size_t i)
{
    const struct tree *node = l->m->outputs[i].node, *to = tree_get(node, "to");
    const struct tree_pos at = to ? to->pos : node->pos;

    if (!l->opt->has_begun && path_is_beneath(l->folder, outputs[i].to)) {
        diags_add(l->diags, at, "outputs", "name a folder in it: to: results/",
                  "the manifest's folder would be replaced by it: '%s'", outputs[i].to);
        return;
    }
    for (size_t k = 0; k < i; k++)
        if (outputs[k].to && strcmp(outputs[k].to, outputs[i].to) == 0)
            diags_add(l->diags, at, "outputs", NULL, "two outputs go to '%s'", outputs[i].to);
}

static void load_outputs(struct loader *l)
{
    struct run_output *outputs = arena_alloc(l->arena, (l->m->output_count + 1) * sizeof(*outputs));

    if (!outputs) {
        report_memory(l);
        return;
    }
    for (size_t i = 0; i < l->m->output_count; i++) {
        struct manifest_output *output = &l->m->outputs[i];

        if (!output->path)
            continue;
        outputs[i] = (struct run_output){ .from = output->from,
                                          .path = output->path,
                                          .to = target_of(l, output),
                                          .to_as_given = output->to ? output->to : output->path,
                                          .required = output->required };
        output->to = outputs[i].to;
        if (l->opt->is_untrusted && !tree_get(output->node, "hidden")) /* that --set gives it is the user's */
            output->hidden = false;
        outputs[i].is_hidden_refused = !output->hidden;
        check_output(l, outputs, i);
    }
    l->spec->outputs = outputs;
    l->spec->output_count = l->m->output_count;
}

/* Parameters keep the values of this run, as their defaults. */
static bool settle_params(struct loader *l)
{
    for (size_t i = 0; i < l->m->param_count; i++) {
        struct tree *value = arena_alloc(l->arena, sizeof(*value));

        if (!value)
            return false;
        value->kind = TREE_STRING;
        value->text = span_of(l->dec.params[i].value);
        l->m->params[i].fallback = value;
    }
    return true;
}

/* Read again when the run goes on, as YAML: to which U+2028 and others end a line, wherever they stand. */
static int make_resolved(struct loader *l, struct err *err)
{
    struct buf text = BUF_INIT(RESOLVE_MAX), safe = BUF_INIT(RESOLVE_MAX);
    int r = settle_params(l) ? resolve_write(l->m, &text) : -ERR_INTERNAL;

    if (r == 0)
        r = json_armor_yaml(&safe, buf_span(&text));
    l->spec->resolved = r == 0 ? arena_copy(l->arena, safe.data, safe.len) : NULL;
    buf_done(&text);
    buf_done(&safe);
    return l->spec->resolved ? 0 : err_set(err, ERR_MANIFEST, "the manifest is too large");
}

static int problems(const struct diags *diags, struct err *err)
{
    size_t count = diags->count + diags->dropped;

    return count == 0
               ? 0
               : err_set(err, ERR_MANIFEST, "%zu problem%s in the manifest", count, count == 1 ? "" : "s");
}

/* Then nothing that it names is looked at. */
static bool is_untrustworthy(struct loader *l)
{
    const struct untrusted check = {
        .decoded = &l->dec,
        .folder = l->folder,
        .base_url = decode_base_url(l->env),
        .arena = l->arena,
        .diags = l->diags,
    };

    return untrusted_check(&check) > 0;
}

static void load_own(struct loader *l)
{
    const struct manifest_tools *tools = &l->m->agent.tools;

    for (size_t i = 0; i < tools->own_count; i++)
        tools->own[i].ops->load(l, &tools->own[i]);
}

static int load_all(struct loader *l, struct err *err)
{
    int r;

    if (!l->m->name)
        l->m->name = name_of_file(l);
    if (l->opt->is_untrusted && is_untrustworthy(l))
        return problems(l->diags, err);
    if (l->opt->approve &&
        !approve_raise(&l->m->agent.approve, (enum approve_word) l->opt->approve, l->arena))
        report_memory(l);
    load_texts(l);
    load_answer(l);
    load_attachments(l);
    load_skills(l);
    load_model(l);
    load_own(l); /* agents have the model of their parent */
    load_seccomp(l);
    load_scan(l);
    load_entries(l);
    load_outputs(l);
    r = problems(l->diags, err);
    if (r < 0)
        return r;
    if (!load_fill(l))
        return err_set(err, ERR_INTERNAL, "no memory for the manifest");
    return make_resolved(l, err);
}

static int load_text(struct loader *l, struct span text, struct err *err)
{
    const char *const *env = l->opt->env ? l->opt->env : (const char *const *) environ;
    struct decode_input in = {
        .file = strcmp(l->opt->path, "-") == 0 ? "stdin" : l->opt->path,
        .text = text,
        .params = l->opt->params,
        .param_count = l->opt->param_count,
        .sets = l->opt->sets,
        .set_count = l->opt->set_count,
        .env = env,
        .has_task = l->opt->task || l->opt->parent || l->opt->has_begun,
        .parent = l->opt->parent,
        .is_untrusted = l->opt->is_untrusted,
    };
    int r;

    l->env = env;
    l->folder = l->opt->text_folder ? l->opt->text_folder
                                    : host_folder(l->opt->text.ptr ? "-" : l->opt->path, l->arena);
    if (!l->folder)
        return err_errno(err, ERR_MANIFEST, "looking up the folder of '%s'", l->opt->path);
    r = decode_manifest(&in, l->arena, l->diags, &l->dec, err);
    l->m = &l->dec.manifest;
    /* With problems, the files are looked at all the same: everything is said at once. */
    return r == 0 || (r == -ERR_MANIFEST && l->dec.root) ? load_all(l, err) : r;
}

int manifest_load(const struct manifest_options *opt, struct run_spec **ret, struct diags *diags,
                  struct err *err)
{
    struct buf text = BUF_INIT(YAML_SIZE_MAX);
    struct loader *l = calloc(1, sizeof(*l));
    struct run_spec *spec = calloc(1, sizeof(*spec));
    int r = -ERR_INTERNAL;

    if (l && spec) {
        arena_init(&spec->arena, DECODE_ARENA_MAX);
        *l = (struct loader){ .opt = opt, .diags = diags, .spec = spec, .arena = &spec->arena };
        r = opt->text.ptr ? 0 : host_read_manifest(opt->path, &text, err);
        if (r == 0)
            r = load_text(l, opt->text.ptr ? opt->text : buf_span(&text), err);
    } else {
        (void) err_set(err, ERR_INTERNAL, "no memory for the manifest");
    }
    buf_done(&text);
    if (l)
        agents_drop(&l->dec.manifest.agent.tools);
    free(l);
    if (r == 0) {
        *ret = spec;
        return 0;
    }
    run_spec_free(spec);
    return r;
}
