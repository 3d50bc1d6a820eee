/* SPDX-License-Identifier: MIT */
/* The copy of what was read and checked into plain data. */
#include "manifest/load_impl.h"

#include "core/egress/rule.h"
#include "manifest/agents.h"
#include "manifest/approve.h"
#include "manifest/compaction.h"
#include "manifest/memory.h"
#include "manifest/network.h"
#include "manifest/path.h"
#include "manifest/scan.h"
#include "manifest/secrets.h"
#include "manifest/tools.h"

struct secret_ref load_secret_ref(const struct manifest_secret *s)
{
    return (struct secret_ref){
        .kind = s->from_env       ? SECRET_ENV
                : s->from_file    ? SECRET_FILE
                : s->from_command ? SECRET_COMMAND
                                  : SECRET_NONE,
        .value = s->from_env ? s->from_env : s->from_file,
        .argv = s->from_command,
        .prefix = s->prefix,
    };
}

static bool fill_headers(struct loader *l)
{
    const struct manifest_pairs *from = &l->m->model.headers;
    struct credential *to = arena_alloc(l->arena, (from->count + 1) * sizeof(*to));

    for (size_t i = 0; to && i < from->count; i++)
        to[i] = (struct credential){ .name = from->items[i].name,
                                     .value = from->items[i].value,
                                     .secret = load_secret_ref(&from->items[i].secret) };
    l->spec->model.headers = to;
    l->spec->model.header_count = from->count;
    return to;
}

static bool fill_model(struct loader *l)
{
    const struct manifest_model *from = &l->m->model;

    l->spec->model = (struct model_spec){
        .name = from->name,
        .base_url = from->base_url,
        .api_key = load_secret_ref(&from->api_key),
        .auth_header = (enum model_auth) from->auth_header,
        .state = (enum model_state_mode) from->state,
        .tool_style = (enum model_tool_style) from->tool_style,
        .reasoning_effort = from->reasoning.effort,
        .reasoning_summary = from->reasoning.summary,
        .max_output_tokens = from->max_output_tokens,
        .context_window = from->context_window,
        .text_verbosity = from->text.verbosity,
        .schema = l->m->agent.output.schema,
        .service_tier = from->service_tier,
        .idle_ms = from->idle_ms,
        .retries = from->retries,
        .price = from->price,
        .extra = from->extra,
        .record = from->record,
        .replay = from->replay,
    };
    return fill_headers(l);
}

static bool fill_mounts(struct loader *l)
{
    const struct manifest_workspace *from = &l->m->workspace;
    struct sandbox_mount *mounts = arena_alloc(l->arena, (from->entry_count + 1) * sizeof(*mounts));
    size_t count = 0;

    for (size_t i = 0; mounts && i < from->entry_count; i++)
        if (from->entries[i].mount)
            mounts[count++] = (struct sandbox_mount){
                .source = from->entries[i].src,
                .target = arena_printf(l->arena, "%s/%s", from->root, from->entries[i].path),
            };
    l->spec->sandbox.mounts = mounts;
    l->spec->sandbox.mount_count = count;
    return mounts;
}

/* How programs find the way out. The image cannot change them, since the container's variables stand above
 * the image's. The manifest can: there is no other way out, so whoever does so only takes something away. */
static const struct sandbox_env proxy_env[] = {
    { "HTTP_PROXY", SANDBOX_PROXY_URL },
    { "http_proxy", SANDBOX_PROXY_URL },
    { "HTTPS_PROXY", SANDBOX_PROXY_URL },
    { "https_proxy", SANDBOX_PROXY_URL },
    { "ALL_PROXY", SANDBOX_PROXY_URL },
    { "all_proxy", SANDBOX_PROXY_URL },
    { "NO_PROXY", "localhost,127.0.0.1,::1" },
    { "no_proxy", "localhost,127.0.0.1,::1" },
    { "NODE_USE_ENV_PROXY", "1" }, /* Node's own fetch looks at the others only then */
};

/* How programs find the authority of rules that intercept. */
static const struct sandbox_env trust_env[] = {
    { "SSL_CERT_FILE", SANDBOX_TRUST_DIR "/" SANDBOX_TRUST_BUNDLE },      /* OpenSSL, Go, Ruby */
    { "CURL_CA_BUNDLE", SANDBOX_TRUST_DIR "/" SANDBOX_TRUST_BUNDLE },     /* curl */
    { "REQUESTS_CA_BUNDLE", SANDBOX_TRUST_DIR "/" SANDBOX_TRUST_BUNDLE }, /* Python's requests */
    { "PIP_CERT", SANDBOX_TRUST_DIR "/" SANDBOX_TRUST_BUNDLE },
    { "GIT_SSL_CAINFO", SANDBOX_TRUST_DIR "/" SANDBOX_TRUST_BUNDLE },
    { "NODE_EXTRA_CA_CERTS", SANDBOX_TRUST_DIR "/" SANDBOX_TRUST_CA }, /* beside its own */
};

#define TRUST_COUNT (sizeof(trust_env) / sizeof(trust_env[0]))
#define PROXY_COUNT (sizeof(proxy_env) / sizeof(proxy_env[0]))

static bool is_given(const struct manifest_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->items[i].name, name) == 0)
            return true;
    return false;
}

static bool is_set(const struct sandbox_env *env, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(env[i].name, name) == 0)
            return true;
    return false;
}

static bool has_intercept(const struct manifest_network *n)
{
    for (size_t i = 0; i < n->rule_count; i++)
        if (egress_rule_intercepts(&n->rules[i].rule))
            return true;
    return false;
}

bool load_fill_environment(struct loader *l, const struct manifest_pairs *from,
                           const struct manifest_network *network, struct sandbox_spec *ret)
{
    struct sandbox_env *env = arena_alloc(
        l->arena, (from->count + PROXY_COUNT + TRUST_COUNT + network->rule_count + 1) * sizeof(*env));
    size_t count = 0;

    for (size_t i = 0; env && i < from->count; i++)
        env[count++] = (struct sandbox_env){ from->items[i].name, from->items[i].value };
    for (size_t i = 0; env && network->rule_count > 0 && i < PROXY_COUNT; i++)
        if (!is_given(from, proxy_env[i].name))
            env[count++] = proxy_env[i];
    for (size_t i = 0; env && has_intercept(network) && i < TRUST_COUNT; i++)
        if (!is_given(from, trust_env[i].name))
            env[count++] = trust_env[i];
    for (size_t i = 0; env && i < network->rule_count; i++) {
        const char *name = network->rules[i].inject.variable;

        if (name && !is_given(from, name) && !is_set(env, count, name))
            env[count++] = (struct sandbox_env){ name, EGRESS_PLACEHOLDER };
    }
    ret->env = env;
    ret->env_count = count;
    return env;
}

static bool fill_scan(struct loader *l)
{
    const struct manifest_scan *from = &l->m->sandbox.scan;
    struct sandbox_scan *to = &l->spec->sandbox.scan;

    if (!from->is_set)
        return true;
    *to = (struct sandbox_scan){
        .command = scan_command(from, l->arena),
        .dir = from->dir ? from->dir : "/",
        .max_age_ms = from->max_age_ms,
        .timeout_ms = from->timeout_ms,
        .archive_bytes = from->archive_bytes,
        .hidden = secrets_variables(l->dec.root, l->arena),
    };
    return to->command && to->hidden;
}

static bool fill_sandbox(struct loader *l)
{
    const struct manifest_sandbox *from = &l->m->sandbox;
    const struct manifest_workspace *workspace = &l->m->workspace;

    l->spec->sandbox = (struct sandbox_spec){
        .image = from->image,
        .pull = (enum sandbox_pull) from->pull,
        .engine = from->engine,
        .uid = from->uid,
        .gid = from->gid,
        .memory_bytes = from->memory_bytes,
        .nano_cpus = (int64_t) (from->cpus * 1e9 + 0.5),
        .pids = from->pids,
        .tmp_bytes = from->tmp_bytes,
        .runtime = from->runtime,
        .seccomp = from->seccomp,
        .lower = from->lower,
        .lower_count = from->lower_count,
        .keep = (enum sandbox_keep) from->keep,
        .root = workspace->root,
        .storage = (enum sandbox_storage) workspace->storage,
        .size_bytes = workspace->size_bytes,
        .orphan_ms = MANIFEST_ORPHAN_MS,
    };
    return load_fill_environment(l, &workspace->environment, &l->m->network, &l->spec->sandbox) &&
           fill_mounts(l) && fill_scan(l);
}

static bool fill_entries(struct loader *l)
{
    const struct manifest_workspace *from = &l->m->workspace;
    const struct manifest_agent *agent = &l->m->agent;
    size_t count = from->entry_count;
    struct run_entry *entries = arena_alloc(l->arena, (count + agent->skill_count + 1) * sizeof(*entries));

    for (size_t i = 0; entries && i < from->entry_count; i++)
        entries[i] = (struct run_entry){ .path = from->entries[i].path,
                                         .kind = (enum run_entry_kind) from->entries[i].type,
                                         .src = from->entries[i].src,
                                         .content = from->entries[i].content,
                                         .mount = from->entries[i].mount,
                                         .mode = from->entries[i].permissions };
    for (size_t i = 0; entries && i < agent->skill_count; i++) {
        if (!agent->skills[i].has_place)
            continue;
        entries[count] = (struct run_entry){
            .path = arena_printf(l->arena, TOOL_SKILLS_DIR "/%s", agent->skills[i].name),
            .kind = RUN_ENTRY_LOCAL_DIR,
            .src = agent->skills[i].from,
            .is_skill = true,
            .mode = -1,
        };
        if (!entries[count++].path)
            return false;
    }
    l->spec->entries = entries;
    l->spec->entry_count = count;
    return entries;
}

/* Who has skills can load them. */
static bool fill_skills(struct loader *l)
{
    const struct manifest_agent *agent = &l->m->agent;
    struct tool_skill *skills = arena_alloc(l->arena, (agent->skill_count + 1) * sizeof(*skills));
    const char **tools = arena_alloc(l->arena, (agent->tools.count + 3) * sizeof(*tools));
    struct run_spec *spec = l->spec;

    if (!skills || !tools)
        return false;
    for (size_t i = 0; i < agent->skill_count; i++)
        skills[i] = (struct tool_skill){ .name = agent->skills[i].name,
                                         .description = agent->skills[i].description,
                                         .text = agent->skills[i].text,
                                         .has_files = agent->skills[i].has_place };
    if (agent->tools.count > 0)
        memcpy(tools, agent->tools.names, agent->tools.count * sizeof(*tools));
    spec->tool_count = agent->tools.count;
    if (agent->skill_count > 0)
        tools[spec->tool_count++] = TOOL_LOAD_SKILL;
    if (agent->memory.is_set && agent->memory.write)
        tools[spec->tool_count++] = TOOL_REMEMBER;
    spec->tools = tools;
    spec->skills = skills;
    spec->skill_count = agent->skill_count;
    spec->agents_md = agent->agents_md;
    spec->file_tree = agent->file_tree;
    return true;
}

static bool fill_own(struct loader *l)
{
    const struct manifest_tools *from = &l->m->agent.tools;
    struct tool_own *own = arena_alloc(l->arena, (from->own_count + 1) * sizeof(*own));
    struct run_side *sides = arena_alloc(l->arena, (from->own_count + 1) * sizeof(*sides));
    struct run_spec *spec = l->spec;

    spec->own = own;
    spec->sides = sides;
    for (size_t i = 0; own && sides && i < from->own_count; i++) {
        own[spec->own_count] = (struct tool_own){ 0 };
        sides[spec->side_count] = (struct run_side){ 0 };
        if (!from->own[i].ops->fill(l, &from->own[i], &own[spec->own_count], &sides[spec->side_count]))
            return false;
        spec->own_count += own[spec->own_count].name != NULL;
        spec->side_count += sides[spec->side_count].name != NULL;
    }
    return own && sides;
}

static bool fill_checks(struct loader *l)
{
    struct run_check *checks = arena_alloc(l->arena, (l->m->check_count + 1) * sizeof(*checks));

    for (size_t i = 0; checks && i < l->m->check_count; i++)
        checks[i] = (struct run_check){ l->m->checks[i].run, l->m->checks[i].retries };
    l->spec->checks = checks;
    l->spec->check_count = l->m->check_count;
    return checks;
}

static bool fill_rest(struct loader *l)
{
    struct run_spec *spec = l->spec;
    const char *file = strcmp(l->opt->path, "-") == 0 ? "-" : path_name(l->opt->path);

    spec->source = *file == '-' && file[1] == '\0' ? "-" : path_host(l->folder, file, l->arena);
    spec->name = l->m->name;
    spec->description = l->m->description;
    spec->params = l->dec.params;
    spec->param_count = l->dec.param_count;
    spec->instructions = l->m->agent.instructions;
    spec->task = l->m->agent.task;
    spec->attachments = l->m->agent.attachments;
    spec->attachment_count = l->m->agent.attachment_count;
    spec->approve = l->m->agent.approve;
    spec->hosted = l->m->agent.tools.hosted;
    spec->hosted_count = l->m->agent.tools.hosted_count;
    spec->memory = memory_of(&l->m->agent.memory);
    spec->limits = l->m->limits;
    spec->life_ms =
        approve_may_ask(&spec->approve) || agents_may_ask(&l->m->agent.tools) ? 0 : spec->limits.wall_ms;
    spec->compact = compaction_of(&l->m->agent.compaction, l->m->model.context_window);
    spec->checkpoints = (struct run_checkpoints){
        .every = (enum run_checkpoint_every) l->m->checkpoint.every,
        .keep = l->m->checkpoint.keep,
        .on_interrupt = (enum run_on_interrupt) l->m->checkpoint.on_interrupt,
    };
    return spec->source;
}

bool load_fill(struct loader *l)
{
    if (!fill_model(l) || !fill_sandbox(l) || !fill_entries(l) || !fill_skills(l) || !fill_checks(l) ||
        !fill_rest(l) || !network_fill(&l->m->network, load_secret_ref, l->arena, &l->spec->network))
        return false;
    l->spec->network.run_ms = l->spec->life_ms;
    return fill_own(l);
}
