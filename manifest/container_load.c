/* SPDX-License-Identifier: MIT */
/* Container tools off the disk, and into plain data. */
#include "core/base/cleanup.h"
#include "manifest/container.h"
#include "manifest/document.h"
#include "manifest/library.h"
#include "manifest/load_impl.h"
#include "manifest/path.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define AT "agent.tools"

static void report(struct loader *l, const struct tree *at, const char *message, const char *hint)
{
    diags_add(l->diags, at ? at->pos : (struct tree_pos){ 0, 0 }, AT, hint, "%s",
              message ? message : "no memory");
}

/* Did the manifest itself say it, and is it somebody else's? */
static bool is_foreign(const struct loader *l, const struct tree *node)
{
    return l->opt->is_untrusted && node && node->pos.line > 0;
}

/* `at`: of the manifest, where a file is named. */
static bool is_ours(struct loader *l, const struct tree *at, const char *path)
{
    struct host_problem problem = { NULL, NULL };
    const char *real;

    if (is_foreign(l, at))
        problem = host_check_beneath(path, l->folder, l->arena, &real);
    if (problem.message)
        report(l, at, problem.message, problem.hint);
    return !problem.message;
}

/* ---- what every tool needs ---- */

static const char no_parameters[] =
    "{\"type\":\"object\",\"properties\":{},\"required\":[],\"additionalProperties\":false}";

/* What no manifest that is not trusted says, in whatever file. `diags`: of that one. */
static void check_wall(struct loader *l, const struct tree *at, const struct manifest_container *tool,
                       struct diags *diags)
{
    const struct tree *network = tree_get(tool->node, "network");

    if (is_foreign(l, at) && tool->side.network.rule_count > 0)
        diags_add(diags, network ? network->pos : at->pos, AT,
                  "network: none; or give the tool yourself, with --set",
                  "an untrusted manifest cannot choose hosts that may be reached");
}

/* `folder`: what a path in it is relative to; `at`: as above. */
static void settle(struct loader *l, const struct tree *at, struct manifest_container *tool,
                   const char *folder, struct diags *diags)
{
    const char *path = tool->parameters.file ? path_host(folder, tool->parameters.file, l->arena) : NULL;
    const struct tree *where = tree_get(tool->node, "parameters");
    struct host_problem problem = { NULL, NULL };
    const char *text = NULL;

    if (!where && !tool->parameters.schema)
        (void) json_parse(span_of(no_parameters), l->arena, &tool->parameters.schema, NULL); /* it fits */
    if (path && is_ours(l, tool->node == at ? where : at, path)) {
        problem = host_read_text(path, l->arena, &text);
        if (problem.message)
            diags_add(diags, where ? where->pos : at->pos, AT, problem.hint, "%s", problem.message);
        else
            document_parameters(tool, span_of(text), l->arena, diags);
    }
    if (tool->parameters.schema)
        document_check(tool, diags);
    check_wall(l, at, tool, diags);
    side_load(l, &tool->side);
}

/* Problems in another file, told where it is named. */
static void tell(struct loader *l, const struct tree *at, const char *file, const struct diags *diags)
{
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *d = &diags->items[i];

        report(l, at,
               arena_printf(l->arena, "%s:%u:%u: %s", file, (unsigned) d->pos.line, (unsigned) d->pos.column,
                            d->message),
               d->hint);
    }
}

/* ---- registries ---- */

static const struct manifest_container *find(const struct manifest_registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->count; i++)
        if (registry->tools[i].name && strcmp(registry->tools[i].name, name) == 0)
            return &registry->tools[i];
    return NULL;
}

static void not_there(struct loader *l, const struct manifest_container *wanted,
                      const struct manifest_registry *registry)
{
    const char **names = arena_alloc(l->arena, (registry->count + 1) * sizeof(*names));
    const char *near = NULL;
    size_t count = 0;

    for (size_t i = 0; names && i < registry->count; i++)
        if (registry->tools[i].name)
            names[count++] = registry->tools[i].name;
    if (names)
        near = table_nearest(span_of(wanted->word), names, count);
    report(l, wanted->node,
           arena_printf(l->arena, "'%s' has no tool '%.80s'", path_name(wanted->from), wanted->word),
           near ? arena_printf(l->arena, "did you mean '%s'?", near) : NULL);
}

/* *tool says which one; then it is that one. */
static void take(struct loader *l, struct manifest_container *tool, const struct manifest_registry *registry,
                 const char *path, struct diags *diags)
{
    const struct manifest_container *found = find(registry, tool->word);
    const char *folder = host_folder(path, l->arena);
    const struct tree *at = tool->node;

    if (found && folder) {
        *tool = *found;
        settle(l, at, tool, folder, diags);
        tool->node = NULL;
    } else if (diags->count == 0) {
        not_there(l, tool, registry);
    }
}

static void load_registry(struct loader *l, const struct tree *from, struct manifest_container *tool)
{
    const char *path = path_host(l->folder, tool->from, l->arena), *name = tool->from, *text = NULL;
    CLEANUP(free) struct diags *diags = malloc(sizeof(*diags));
    struct manifest_registry registry = { 0 };
    struct host_problem problem;
    struct err err = { 0 };

    if (!path || !diags) {
        report(l, from, NULL, NULL);
        return;
    }
    if (!is_ours(l, from, path))
        return;
    problem = host_read_text(path, l->arena, &text);
    if (problem.message) {
        report(l, from, problem.message, problem.hint);
        return;
    }
    diags_init(diags);
    if (document_decode(name, span_of(text), &manifest_registry_table, &registry, l->arena, diags, &err) <
            0 &&
        diags->count == 0)
        report(l, from, arena_text(l->arena, err.text), NULL);
    else
        take(l, tool, &registry, path, diags);
    tell(l, from, name, diags);
    diags_done(diags);
}

/* ---- the library ---- */

/* Into the arena of the run, which dies without being asked. */
static const struct bundle *keep(const struct bundle *from, struct arena *arena)
{
    struct bundle *to = arena_alloc(arena, sizeof(*to));

    if (!to)
        return NULL;
    *to = *from;
    to->arena = (struct arena){ 0 };
    to->files = arena_alloc(arena, (from->count + 1) * sizeof(*to->files));
    for (size_t i = 0; to->files && i < from->count; i++) {
        const struct bundle_file *file = &from->files[i];

        to->files[i] = (struct bundle_file){ arena_text(arena, file->path),
                                             { arena_copy(arena, file->content.ptr, file->content.len),
                                               file->content.len },
                                             file->is_program };
        if (!to->files[i].path || !to->files[i].content.ptr)
            return NULL;
    }
    return to->files ? to : NULL;
}

static void take_files(struct loader *l, struct manifest_container *tool, const struct bundle *files)
{
    CLEANUP(free) struct diags *diags = malloc(sizeof(*diags));
    const struct bundle *kept = keep(files, l->arena);
    const struct tree *at = tool->node;
    const char *name = tool->name;
    struct err err = { 0 };
    int r;

    if (!diags || !kept) {
        report(l, at, NULL, NULL);
        return;
    }
    diags_init(diags);
    r = library_decode(kept, l->arena, diags, tool, &err);
    if (r < 0 && diags->count == 0)
        report(l, at, arena_text(l->arena, err.text), NULL);
    if (r == 0 && strcmp(tool->name, name) != 0)
        report(l, at, arena_printf(l->arena, "it calls itself '%s'", tool->name), NULL);
    else if (r == 0)
        settle(l, at, tool, l->folder, diags);
    tell(l, at, LIBRARY_FILE, diags);
    tool->node = NULL;
    diags_done(diags);
}

static int find_files(struct loader *l, const char *word, struct bundle *ret, struct err *err)
{
    const char *root = library_root(l->env, l->arena);
    struct library_tool known;
    int r;

    if (!root)
        return err_set(err, ERR_IO, "there is no place for a library: neither XDG_DATA_HOME nor HOME is set");
    r = library_find(root, word, true, l->arena, &known, err);
    return r < 0 ? r : library_load(root, &known, ret, err);
}

static void load_library(struct loader *l, const struct tree *from, struct manifest_container *tool)
{
    struct bundle files;
    struct err err = { 0 };

    if (is_foreign(l, from)) {
        report(l, from, "an untrusted manifest cannot use tools of your library",
               "give them yourself: --set 'agent.tools=[{from: library, only: [NAME]}]'");
        return;
    }
    if (l->opt->tool) {
        take_files(l, tool, l->opt->tool);
        return;
    }
    bundle_init(&files);
    if (find_files(l, tool->word, &files, &err) < 0)
        report(l, tool->node, arena_text(l->arena, err.text),
               err.hint[0] ? arena_text(l->arena, err.hint) : NULL);
    else
        take_files(l, tool, &files);
    bundle_done(&files);
}

void container_load(struct loader *l, struct manifest_own *own)
{
    struct manifest_container *tool = (void *) (uintptr_t) own->decoded; /* ours, of this arena */
    const struct tree *from = tree_get(own->node, "from");

    if (!tool->from)
        settle(l, own->node, tool, l->folder, l->diags);
    else if (strcmp(tool->from, CONTAINER_FROM_SHELF) == 0)
        load_library(l, from, tool);
    else
        load_registry(l, from, tool);
}

/* ---- plain data ---- */

static bool fill_inputs(struct loader *l, const struct manifest_container *from, struct tool_container *to)
{
    struct tool_input *inputs = arena_alloc(l->arena, (from->inputs.count + 1) * sizeof(*inputs));

    for (size_t i = 0; inputs && i < from->inputs.count; i++)
        inputs[i] = (struct tool_input){ from->inputs.items[i].path, from->inputs.items[i].argument };
    to->inputs = inputs;
    to->input_count = from->inputs.count;
    return inputs;
}

static const char *schema_text(const struct manifest_container *from, struct arena *arena)
{
    struct buf text = BUF_INIT(1024 * 1024);
    struct json_writer w;
    const char *copy = NULL;

    json_begin(&w, &text);
    json_tree(&w, from->parameters.schema);
    if (json_end(&w, NULL) == 0)
        copy = arena_copy(arena, text.data, text.len);
    buf_done(&text);
    return copy;
}

/* Names of sandboxes have small letters, digits and '-' only. */
static const char *side_name(struct loader *l, const char *name)
{
    char *copy = arena_printf(l->arena, "tool-%zu-%.24s", l->spec->side_count + 1, name);

    for (char *c = copy; c && *c; c++)
        *c = isalnum((unsigned char) *c) ? (char) tolower((unsigned char) *c) : '-';
    return copy;
}

bool container_fill(struct loader *l, const struct manifest_own *own, struct tool_own *ret,
                    struct run_side *side)
{
    const struct manifest_container *from = own->decoded;
    struct tool_container *to = arena_alloc(l->arena, sizeof(*to));
    const char *name = side_name(l, from->name);

    if (!to || !name || !fill_inputs(l, from, to) || !side_fill(l, name, &from->side, side))
        return false;
    to->parameters = from->parameters.schema;
    to->command = from->command;
    to->timeout_ms = from->timeout_ms > 0 ? from->timeout_ms : l->spec->limits.command_ms;
    to->caches = from->cache;
    to->side = side->name;
    to->sandbox = &side->sandbox;
    to->has_network = side->network.rule_count > 0;
    if (from->files) {
        to->files = from->files->files;
        to->file_count = from->files->count;
        to->digest = from->files->digest;
    }
    *ret = (struct tool_own){
        .kind = TOOL_CONTAINER,
        .name = from->name,
        .description = from->description,
        .parameters = schema_text(from, l->arena),
        .is_strict = true,
        .spec = to,
    };
    return ret->parameters;
}
