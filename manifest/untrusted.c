/* SPDX-License-Identifier: MIT */
/* A manifest of somebody else, kept in its place. */
#include "manifest/untrusted.h"

#include "core/base/utf8.h"
#include "manifest/host.h"
#include "manifest/path.h"
#include "manifest/secrets.h"

#define KEY_VARIABLE "OPENAI_API_KEY"

/* Did the manifest itself say it? What --set gives has no line. */
static bool is_written(const struct tree *node)
{
    return node && node->pos.line > 0;
}

static void refuse(const struct untrusted *u, const struct tree *at, const char *path, const char *message,
                   const char *hint)
{
    diags_add(u->diags, at->pos, path, hint, "an untrusted manifest cannot %s", message);
}

/* ---- paths ---- */

static const char *full_path(const struct untrusted *u, const char *text)
{
    const char *full = path_host(u->folder, text, u->arena);

    return full ? full : "/"; /* without memory it is refused */
}

/* Where it leads, NULL: reported, or there is nothing to look at. */
static const char *check_path(const struct untrusted *u, const struct tree *at, const char *path,
                              const char *text)
{
    struct host_problem problem;
    const char *real = NULL;

    if (!is_written(at) || !text)
        return NULL;
    problem = host_check_beneath(full_path(u, text), u->folder, u->arena, &real);
    if (!problem.message)
        return real;
    diags_add(u->diags, at->pos, path, problem.hint, "%s", problem.message);
    return NULL;
}

static bool is_hidden(const char *path, const char *folder)
{
    const char *at = path + strlen(folder);

    for (; *at; at += strcspn(at, "/"), at += strspn(at, "/"))
        if (at[0] == '.' && at[1] != '/' && at[1] != '\0')
            return true;
    return false;
}

/* Where something will be written. */
static void check_target(const struct untrusted *u, const struct tree *at, const char *path, const char *text)
{
    const char *real = check_path(u, at, path, text);

    if (real && is_hidden(real, u->folder))
        refuse(u, at, path, "write into hidden files or folders",
               "names that begin with '.' steer git, shells and editors");
}

static const struct tree *node_of(const struct untrusted *u, const char *section, const char *key)
{
    return tree_path(u->decoded->root, section, key, NULL);
}

static void check_agent(const struct untrusted *u)
{
    const struct manifest_agent *agent = &u->decoded->manifest.agent;
    const struct tree *attachments = node_of(u, "agent", "attachments");

    (void) check_path(u, node_of(u, "agent", "instructions_file"), "agent", agent->instructions_file);
    (void) check_path(u, node_of(u, "agent", "task_file"), "agent", agent->task_file);
    (void) check_path(u, tree_path(u->decoded->root, "agent", "output", "schema", NULL),
                      "agent.output.schema", agent->output.file);
    for (size_t i = 0; i < agent->attachment_count; i++)
        (void) check_path(u, tree_at(attachments, i), "agent.attachments", agent->attachments[i]);
    for (size_t i = 0; i < agent->skill_count; i++)
        (void) check_path(u, tree_get(agent->skills[i].node, "from"), "agent.skills", agent->skills[i].from);
}

/* Without a folder of its own it would have that of whoever has the same name. */
static void check_memory(const struct untrusted *u)
{
    const struct manifest_memory *memory = &u->decoded->manifest.agent.memory;
    const struct tree *at = node_of(u, "agent", "memory");

    if (memory->is_set && !memory->dir && is_written(at))
        refuse(u, at, "agent.memory", "have the notes that belong to a name",
               "anybody can take that name; give it a folder: dir: memory");
    check_target(u, tree_get(at, "dir"), "agent.memory", memory->dir);
}

static void check_entries(const struct untrusted *u)
{
    for (size_t i = 0; i < u->decoded->entry_count; i++) {
        const struct manifest_entry *entry = u->decoded->entries[i];
        const struct tree *mount = tree_get(entry->node, "mount");

        (void) check_path(u, tree_get(entry->node, "src"), "workspace.entries", entry->src);
        if (entry->mount && is_written(mount))
            refuse(u, mount, "workspace.entries", "bind files of the host into the sandbox",
                   "copy them in: mount: false");
    }
}

static void check_outputs(const struct untrusted *u)
{
    const struct manifest *m = &u->decoded->manifest;

    for (size_t i = 0; i < m->output_count; i++) {
        const struct manifest_output *output = &m->outputs[i];
        const struct tree *path = tree_get(output->node, "path"), *to = tree_get(output->node, "to");
        const struct tree *hidden = tree_get(output->node, "hidden");
        const char *target;

        if (!output->node || !output->path)
            continue;
        target = path_target(output->to, output->path, u->arena);
        check_target(u, to ? to : path, "outputs", target ? target : "/");
        if (is_written(hidden) && tree_bool(hidden, false))
            refuse(u, hidden, "outputs", "bring hidden files out",
                   "programs of the host act upon such files (.git, .envrc, .vscode); leave it out");
    }
}

/* ---- secrets and the server ---- */

/* It goes to the model's server; anywhere else it would be given away. */
static bool is_model_key(const struct untrusted *u, const struct tree *ref)
{
    return ref == tree_path(u->decoded->root, "model", "api_key", "from_env", NULL) &&
           span_is(ref->text, KEY_VARIABLE);
}

static void check_secret(void *data, const struct tree *ref)
{
    const struct untrusted *u = data;

    if (!is_written(ref))
        return;
    if (span_is(ref->key, "from_command"))
        refuse(u, ref, "secret", "run a program of the host", "give it yourself: --set model.api_key=...");
    else if (span_is(ref->key, "from_file") && ref->kind == TREE_STRING)
        (void) check_path(u, ref, "secret", ref->text.ptr);
    else if (span_is(ref->key, "from_env") && !is_model_key(u, ref))
        diags_add(u->diags, ref->pos, "secret",
                  "only " KEY_VARIABLE ", and only as model.api_key; give others yourself with --set",
                  "an untrusted manifest cannot use the variable '" SPAN_FMT "'",
                  (int) utf8_cut(ref->text, 80), ref->text.ptr ? ref->text.ptr : "");
}

static void check_model(const struct untrusted *u)
{
    const struct manifest_model *model = &u->decoded->manifest.model;
    const struct tree *url = node_of(u, "model", "base_url"), *headers = node_of(u, "model", "headers");
    const struct tree *extra = node_of(u, "model", "extra");

    (void) check_path(u, node_of(u, "model", "replay"), "model.replay", model->replay);
    check_target(u, node_of(u, "model", "record"), "model.record", model->record);
    if (is_written(url) && model->base_url && strcmp(model->base_url, u->base_url) != 0)
        refuse(u, url, "model.base_url", "choose the server: your key would be sent there",
               "give it yourself: --set model.base_url=URL, or OPENAI_BASE_URL");
    if (is_written(headers) && headers->child)
        refuse(u, headers, "model.headers", "add headers to requests that carry your key",
               "give them yourself: --set model.headers={NAME: VALUE}");
    if (is_written(extra) && extra->child)
        refuse(u, extra, "model.extra", "add to the request: it could name things of your account",
               "give it yourself: --set model.extra={...}");
}

/* What a server of tools reaches: an address by way of the harness, hosts by way of its sandbox. (Tools of
 * an image of their own are looked at where they are loaded, since they may be in another file.) */
static void check_server(const struct untrusted *u, const struct tree *item)
{
    const struct tree *url = tree_get(item, "url"), *allow = tree_path(item, "network", "allow", NULL);

    if (is_written(url))
        refuse(u, url, "agent.tools", "choose servers that are spoken to",
               "give the tool yourself: --set agent.tools=[...]");
    if (is_written(allow) && allow->child)
        refuse(u, allow, "agent.tools", "choose hosts that may be reached",
               "give the tool yourself: --set agent.tools=[...]");
}

/* What they are asked leaves by way of the server, whatever `network` says, and your account pays for it. */
static void check_tools(const struct untrusted *u)
{
    tree_each (item, node_of(u, "agent", "tools")) {
        const struct tree *word = item->kind == TREE_OBJECT ? tree_get(item, "type") : item;
        const struct manifest_tools *tools = &u->decoded->manifest.agent.tools;

        if (tree_is_string(word, "mcp"))
            check_server(u, item);
        for (size_t i = 0; word && is_written(word) && i < tools->hosted_count; i++)
            if (span_is(word->text, tools->hosted[i].type))
                refuse(u, item, "agent.tools",
                       "use tools of the model's server: they reach beyond the sandbox",
                       "give them yourself: --set agent.tools=[shell, web_search]");
    }
}

/* ---- the sandbox ---- */

/* Keys with the one value that a manifest may give them. */
static const struct choice {
    const char *key, *allowed, *message, *hint;
} choices[] = {
    { "engine", "auto", "choose the engine", "give it yourself: --set sandbox.engine=URL, or DOCKER_HOST" },
    { "runtime", "default", "choose the runtime", "give it yourself: --set sandbox.runtime=NAME" },
    { "seccomp", "strict", "choose which system calls there are",
      "give it yourself: --set sandbox.seccomp=..." },
    { "keep", "never", "leave its container behind", "give it yourself: --keep" },
};

static void check_sandbox(const struct untrusted *u)
{
    const struct tree *lower = node_of(u, "sandbox", "lower"), *scan = node_of(u, "sandbox", "scan");
    const struct tree *command = tree_get(scan, "command");

    for (size_t i = 0; i < FIELD_COUNT_OF(choices); i++) {
        const struct tree *node = node_of(u, "sandbox", choices[i].key);

        if (is_written(node) && !span_is(node->text, choices[i].allowed))
            refuse(u, node, "sandbox", choices[i].message, choices[i].hint);
    }
    if (is_written(lower) && lower->child)
        refuse(u, lower, "sandbox.lower", "give up parts of the lock-down",
               "give them up yourself: --set sandbox.lower=[...]");
    if (is_written(command))
        refuse(u, command, "sandbox.scan", "run a program of the host", "a preset is fine: scan: trivy");
}

/* What is in the workspace could be sent there, a key be injected for them, and they may be hosts of our own
 * network. */
static void check_network(const struct untrusted *u)
{
    const struct tree *allow = node_of(u, "network", "allow");

    if (is_written(allow) && allow->child)
        refuse(u, allow, "network.allow", "choose hosts that may be reached",
               "allow them yourself: --set network.allow=[HOST]");
}

size_t untrusted_check(const struct untrusted *u)
{
    const size_t before = u->diags->count + u->diags->dropped;

    check_model(u);
    check_agent(u);
    check_memory(u);
    check_tools(u);
    check_entries(u);
    check_outputs(u);
    check_sandbox(u);
    check_network(u);
    secrets_each(u->decoded->root, check_secret, (void *) (uintptr_t) u); /* only read */
    return u->diags->count + u->diags->dropped - before;
}
