/* SPDX-License-Identifier: MIT */
/* Text to struct manifest. */
#include "manifest/decode.h"

#include "manifest/agents.h"
#include "manifest/edit.h"
#include "manifest/entry.h"
#include "manifest/expand.h"
#include "manifest/rules.h"
#include "manifest/scalar.h"
#include "manifest/yaml.h"

#include <stdio.h>
#include <strings.h>

struct decoder {
    const struct decode_input *in;
    struct arena *arena;
    struct diags *diags;
    struct decoded *out;
    struct tree *root;
    struct expand expand;
    struct table_ctx ctx;
};

/* Problems of a value whose ${...} failed follow from that. */
static void on_problem(void *data, struct tree_pos pos, const char *path, const char *message,
                       const char *hint)
{
    struct decoder *d = data;

    for (size_t i = 0; i < d->expand.broken_count; i++)
        if (d->expand.broken[i].line == pos.line && d->expand.broken[i].column == pos.column)
            return;
    diags_add(d->diags, pos, path, hint, "%s", message);
}

/* Names of positions {0, n}: first --set, then -p. */
static bool name_origins(struct decoder *d)
{
    size_t count = d->in->set_count + d->in->param_count;
    const char **names = arena_alloc(&d->diags->arena, (count + 1) * sizeof(*names));

    for (size_t i = 0; names && i < count; i++) {
        names[i] = i < d->in->set_count
                       ? arena_printf(&d->diags->arena, "--set %.*s", (int) strcspn(d->in->sets[i], "="),
                                      d->in->sets[i])
                       : arena_printf(&d->diags->arena, "-p %s", d->in->params[i - d->in->set_count].name);
        if (!names[i])
            return false;
    }
    if (names)
        diags_origin(d->diags, names, count);
    return names;
}

static struct tree_pos origin(size_t index)
{
    return (struct tree_pos){ 0, (uint32_t) (index + 1) };
}

/* Lines on which somebody wrote a secret in spite of everything are not repeated on a terminal or in a log.
 */
static void hide_secrets(struct diags *diags, const struct tree *node)
{
    bool is_header = node->key.len == 13 && strncasecmp(node->key.ptr, "authorization", 13) == 0;

    if (node->kind == TREE_STRING && node->pos.line > 0 && !yaml_node(node)->is_expanded &&
        (is_header || expand_is_secret(node->key)))
        diags_hide(diags, node->pos.line);
    tree_each (item, node)
        hide_secrets(diags, item);
}

static void apply_sets(struct decoder *d)
{
    for (size_t i = 0; i < d->in->set_count; i++) {
        const char *why = edit_set(d->arena, d->root, d->in->sets[i], origin(i));

        if (why)
            diags_add(d->diags, origin(i), NULL, NULL, "%s", why);
    }
}

/* A plain value that came out of ${...} is a number or bool where one is wanted. */
static void retype(const struct table *table, struct tree *node, struct arena *arena);

static void retype_value(const struct field *field, struct tree *node, struct arena *arena)
{
    const char *why;

    switch (field->kind) {
    case FIELD_BOOL:
    case FIELD_INT:
    case FIELD_NUMBER:
    case FIELD_SIZE:
    case FIELD_DURATION:
    case FIELD_COUNT:
    case FIELD_MONEY:
        if (node->kind == TREE_STRING && yaml_node(node)->is_plain && yaml_node(node)->is_expanded)
            (void) scalar_resolve(node, arena, &why); /* what it is not is reported by its field */
        return;
    case FIELD_TABLE:
        retype(field->sub, node, arena);
        return;
    case FIELD_TABLES:
    case FIELD_MAP:
        for (struct tree *item = node->child; item; item = item->next)
            retype(field->sub, item, arena);
        return;
    default:
        return;
    }
}

static void retype(const struct table *table, struct tree *node, struct arena *arena)
{
    if (node->kind != TREE_OBJECT)
        return;
    for (struct tree *item = node->child; item; item = item->next)
        for (size_t i = 0; i < table->count; i++)
            if (span_is(item->key, table->fields[i].name))
                retype_value(&table->fields[i], item, arena);
}

/* --- parameters --- */

static const struct run_param *given_param(const struct decoder *d, const char *name)
{
    for (size_t i = d->in->param_count; i > 0; i--)
        if (strcmp(d->in->params[i - 1].name, name) == 0)
            return &d->in->params[i - 1];
    return NULL;
}

/* The value of one declared parameter; "" when there is none, which is reported. */
static const char *value_of(struct decoder *d, const struct manifest_param *param)
{
    const struct run_param *given = given_param(d, param->name);
    const char *why, *copy;
    char hint[128];

    if (given) {
        why = rules_param_problem(param, span_of(given->value), d->arena);
        if (why)
            diags_add(d->diags, origin(d->in->set_count + (size_t) (given - d->in->params)), NULL, NULL, "%s",
                      why);
        copy = arena_text(d->arena, given->value);
        return copy ? copy : "";
    }
    if (param->fallback)
        return param->fallback->text.ptr;
    (void) snprintf(hint, sizeof(hint), "give it with -p %.60s=VALUE, or write a default", param->name);
    if (param->node)
        diags_add(d->diags, param->node->key_pos, NULL, hint, "parameter '%.80s' has no value", param->name);
    return "";
}

static void check_given(struct decoder *d)
{
    const char *names[64];
    size_t count = 0;

    for (; count < d->out->param_count && count < 64; count++)
        names[count] = d->out->params[count].name;
    for (size_t i = 0; i < d->in->param_count; i++) {
        const char *name = d->in->params[i].name, *nearest;
        bool is_known = false;
        char hint[128] = "declare it in 'params'";

        for (size_t k = 0; k < d->out->param_count; k++)
            is_known = is_known || strcmp(d->out->params[k].name, name) == 0;
        if (is_known)
            continue;
        nearest = table_nearest(span_of(name), names, count);
        if (nearest)
            (void) snprintf(hint, sizeof(hint), "did you mean '%.80s'?", nearest);
        diags_add(d->diags, origin(d->in->set_count + i), NULL, hint, "unknown parameter '%.80s'", name);
    }
}

static struct tree *member(struct tree *map, const char *name)
{
    for (struct tree *item = map->child; item; item = item->next)
        if (span_is(item->key, name))
            return item;
    return NULL;
}

/* `params` comes first: the rest of the manifest refers to it. */
static int decode_params(struct decoder *d)
{
    struct tree *params = member(d->root, "params");
    size_t count = params && params->kind == TREE_OBJECT ? params->count : 0;
    int r = params ? expand_tree(&d->expand, params) : 0;

    d->out->params = arena_alloc(d->arena, (count + 1) * sizeof(*d->out->params));
    if (r < 0 || !d->out->params)
        return -ERR_INTERNAL;
    for (struct tree *item = count > 0 ? params->child : NULL; item; item = item->next) {
        struct manifest_param param;
        size_t mark = table_enter(&d->ctx, span_of("params")), inner = table_enter(&d->ctx, item->key);

        retype(&manifest_param_table, item, d->arena);
        r = table_decode(&manifest_param_table, item, &param, &d->ctx);
        table_leave(&d->ctx, inner);
        table_leave(&d->ctx, mark);
        if (r < 0)
            return r;
        param.name = item->key.ptr;
        d->out->params[d->out->param_count++] = (struct run_param){ param.name, value_of(d, &param) };
    }
    check_given(d);
    return 0;
}

/* --- the whole --- */

static int expand_rest(struct decoder *d)
{
    const struct tree *params = member(d->root, "params");

    d->expand.has_params = true;
    d->expand.params = d->out->params;
    d->expand.param_count = d->out->param_count;
    for (struct tree *item = d->root->child; item; item = item->next) {
        int r = item == params ? 0 : expand_tree(&d->expand, item);

        if (r < 0)
            return r;
    }
    return 0;
}

static const char *env_or(const char *const *env, const char *variable, const char *or_else)
{
    const char *value = expand_env(env, span_of(variable));

    return value && *value ? value : or_else;
}

const char *decode_base_url(const char *const *env)
{
    return env_or(env, "OPENAI_BASE_URL", "https://api.openai.com/v1");
}

static void put_default(struct decoder *d, const char **slot, const char *value)
{
    if (!*slot && value)
        *slot = arena_text(d->arena, value);
}

/* Is `name` absent from the map, and no typo of it there, which is reported already? */
static bool is_missing(const struct tree *map, const char *name)
{
    if (map && map->kind != TREE_OBJECT)
        return false;
    tree_each (item, map)
        if (table_nearest(item->key, &name, 1))
            return false;
    return true;
}

/* What can only be said of the whole, and only if nothing hides it. */
static void check_whole(struct decoder *d)
{
    struct manifest *m = &d->out->manifest;
    const struct tree *agent = tree_get(d->root, "agent"), *model = tree_get(d->root, "model");
    const struct tree *cost = tree_path(d->root, "limits", "cost", NULL);
    struct tree_pos top = d->root->pos;

    if (d->in->parent)
        agents_inherit(m, d->root, d->in->parent);
    put_default(d, &m->model.name, env_or(d->in->env, "AGENTBOX_MODEL", NULL));
    put_default(d, &m->model.base_url, decode_base_url(d->in->env));
    if (!m->model.name && is_missing(model, "name") && (model || is_missing(d->root, "model")))
        diags_add(d->diags, model ? model->pos : top, "model",
                  "write model: {name: ...}, or set AGENTBOX_MODEL", "no model is named");
    if (!d->in->has_task && is_missing(agent, "task") && is_missing(agent, "task_file") &&
        (agent || is_missing(d->root, "agent")))
        diags_add(d->diags, agent ? agent->pos : top, "agent",
                  "write agent: {task: ...}, or give it on the command line after '--'", "there is no task");
    if (cost && (m->model.price.input < 0 || m->model.price.output < 0))
        diags_add(d->diags, cost->key_pos, "limits.cost", "write model: {price: {input: ..., output: ...}}",
                  "'cost' needs the price of input and output");
}

static int decode_root(struct decoder *d)
{
    struct manifest *m = &d->out->manifest;
    size_t mark;
    int r;

    if (d->root->kind == TREE_NULL && d->in->set_count == 0) {
        diags_add(d->diags, d->root->pos, NULL, "it begins with 'version: 1'", "the manifest is empty");
        return 0;
    }
    apply_sets(d);
    if (d->root->kind != TREE_OBJECT) {
        table_wrong(&d->ctx, d->root, "keys and values");
        return 0;
    }
    r = decode_params(d);
    if (r == 0)
        r = expand_rest(d);
    if (r < 0)
        return r;
    hide_secrets(d->diags, d->root);
    retype(&manifest_table, d->root, d->arena);
    r = table_decode(&manifest_table, d->root, m, &d->ctx);
    if (r < 0)
        return r;
    check_whole(d);
    d->out->root = d->root;
    mark = table_enter(&d->ctx, span_of("workspace.entries"));
    r = entry_flatten(&d->ctx, m->workspace.entries, m->workspace.entry_count, &d->out->entries,
                      &d->out->entry_count)
            ? 0
            : -ERR_INTERNAL;
    table_leave(&d->ctx, mark);
    return r;
}

int decode_manifest(const struct decode_input *in, struct arena *arena, struct diags *diags,
                    struct decoded *ret, struct err *err)
{
    struct decoder d = { .in = in, .arena = arena, .diags = diags, .out = ret };
    struct span text;
    int r;

    *ret = (struct decoded){ .root = NULL };
    if (diags_source(diags, in->file, in->text.len <= YAML_SIZE_MAX ? in->text : span_of("")) < 0 ||
        !name_origins(&d))
        return err_set(err, ERR_INTERNAL, "no memory for the manifest");
    text = in->text.len <= YAML_SIZE_MAX ? diags->text : in->text; /* without its BOM */
    r = yaml_parse(text, arena, diags, &d.root, err);
    if (r < 0)
        return r;
    d.expand = (struct expand){
        .env = in->env, .is_untrusted = in->is_untrusted, .text = text, .arena = arena, .diags = diags
    };
    for (size_t i = 0; i < diags->count; i++) /* what else is wrong at these places follows from that */
        d.expand.broken[d.expand.broken_count++] = diags->items[i].pos;
    d.ctx = (struct table_ctx){ .arena = arena, .problem = on_problem, .data = &d };
    if (decode_root(&d) < 0)
        return err_set(err, ERR_INTERNAL, "the manifest is too large");
    if (diags->count + diags->dropped > 0)
        return err_set(err, ERR_MANIFEST, "%zu problem%s in the manifest", diags->count + diags->dropped,
                       diags->count + diags->dropped == 1 ? "" : "s");
    return 0;
}
