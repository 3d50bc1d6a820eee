/* SPDX-License-Identifier: MIT */
/* Checks of the tables in grammar.c. */
#include "manifest/rules.h"

#include "core/base/units.h"
#include "core/base/utf8.h"
#include "manifest/approve.h"
#include "manifest/entry.h"
#include "manifest/path.h"
#include "manifest/skill.h"

#include <ctype.h>
#include <stdio.h>

#define NAME_MAX_LEN 63

bool rules_is_name(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return len > 0 && text[len] == '\0' && len <= NAME_MAX_LEN && text[0] != '-';
}

void rules_manifest(struct table_ctx *ctx, const struct tree *value, void *out)
{
    struct manifest *m = out;
    const struct tree *name = tree_get(value, "name");

    if (m->name && !rules_is_name(m->name))
        table_problem(ctx, name,
                      "small letters, digits and '-', at most 63, beginning with a letter or digit",
                      "'%.80s' is not a name", m->name);
}

/* --- parameters --- */

static bool is_number(struct span text)
{
    char *end = NULL;
    double value;

    if (text.len == 0 || !(isdigit((unsigned char) text.ptr[0]) || text.ptr[0] == '-'))
        return false;
    if (strspn(text.ptr, "0123456789.eE+-") != text.len)
        return false;
    value = strtod(text.ptr, &end); /* the C locale: nobody calls setlocale */
    return end == text.ptr + text.len && value - value == 0;
}

static bool fits_type(int type, struct span text)
{
    int64_t whole;

    switch (type) {
    case PARAM_INT:
        return units_int(text, INT64_MIN, INT64_MAX, &whole) == 0;
    case PARAM_NUMBER:
        return is_number(text);
    case PARAM_BOOL:
        return span_is(text, "true") || span_is(text, "false");
    default:
        return true;
    }
}

static const char *choices_text(const struct manifest_param *param, struct arena *arena)
{
    struct buf list = BUF_INIT(300);
    const char *out;

    tree_each (item, param->choices)
        (void) buf_printf(&list, "%s" SPAN_FMT, list.len > 0 ? ", " : "", SPAN_ARG(item->text));
    out = arena_printf(arena, "must be one of %s", buf_text(&list));
    buf_done(&list);
    return out ? out : "is not one of the choices";
}

const char *rules_param_problem(const struct manifest_param *param, struct span text, struct arena *arena)
{
    static const char *const wants[] = {
        [PARAM_STRING] = "must be text",
        [PARAM_INT] = "must be a whole number",
        [PARAM_NUMBER] = "must be a number",
        [PARAM_BOOL] = "must be true or false",
    };

    if (memchr(text.ptr, '\0', text.len))
        return "must not hold a NUL";
    if (!fits_type(param->type, text))
        return wants[param->type];
    if (!param->choices)
        return NULL;
    tree_each (item, param->choices)
        if (span_equal(item->text, text))
            return NULL;
    return choices_text(param, arena);
}

static bool is_identifier(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char) s.ptr[i]) && s.ptr[i] != '_' && s.ptr[i] != '-')
            return false;
    return s.len > 0 && s.len <= NAME_MAX_LEN && !isdigit((unsigned char) s.ptr[0]) && s.ptr[0] != '-';
}

void rules_param(struct table_ctx *ctx, const struct tree *value, void *out)
{
    struct manifest_param *param = out;
    struct manifest_param bare = *param;
    struct tree at = *value;
    const char *why;

    param->node = value;
    at.pos = value->key_pos;
    if (!is_identifier(value->key))
        table_problem(ctx, &at, "letters, digits, '_' and '-', beginning with a letter",
                      "'" SPAN_FMT "' is no name of a parameter", (int) utf8_cut(value->key, 80),
                      value->key.ptr);
    bare.choices = NULL;
    tree_each (item, param->choices) {
        why = rules_param_problem(&bare, item->text, ctx->arena);
        if (why)
            table_problem(ctx, item, NULL, "%s", why);
    }
    why = param->fallback ? rules_param_problem(param, param->fallback->text, ctx->arena) : NULL;
    if (why)
        table_problem(ctx, param->fallback, NULL, "%s", why);
}

/* --- model, agent --- */

static bool is_http_url(const char *url)
{
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;

    if (scheme == 0 || url[scheme] == '\0' || strchr("/?#:", url[scheme]))
        return false;
    for (const char *c = url; *c; c++)
        if ((unsigned char) *c <= 0x20 || (unsigned char) *c >= 0x7f)
            return false;
    return true;
}

static bool has_login(const char *url)
{
    const char *host = strstr(url, "://");
    size_t len = host ? strcspn(host + 3, "/?#") : 0;

    return host && memchr(host + 3, '@', len);
}

void rules_model(struct table_ctx *ctx, const struct tree *value, void *out)
{
    struct manifest_model *model = out;
    const struct tree *url = tree_get(value, "base_url");

    if (model->base_url && !is_http_url(model->base_url))
        table_problem(ctx, url, "https://api.openai.com/v1",
                      "expected a URL that begins with https:// or http://");
    else if (model->base_url && has_login(model->base_url))
        table_problem(ctx, url, "use api_key or headers", "secrets do not go into a URL");
    else if (model->base_url && strpbrk(model->base_url, "?#"))
        table_problem(ctx, url, NULL, "a base URL has no '?' and no '#'");
    if (model->record && model->replay)
        table_problem(ctx, tree_get(value, "replay"), "remove one of them",
                      "'record' and 'replay' exclude each other");
}

static void exclude(struct table_ctx *ctx, const struct tree *value, const char *one, const char *other)
{
    const struct tree *member = tree_get(value, other);
    struct tree at;

    if (!member || !tree_get(value, one))
        return;
    at = *member;
    at.pos = member->key_pos;
    table_problem(ctx, &at, "remove one of them", "'%s' and '%s' exclude each other", one, other);
}

void rules_agent(struct table_ctx *ctx, const struct tree *value, void *out)
{
    const struct manifest_agent *agent = out;
    const struct tree *task = tree_get(value, "task");

    exclude(ctx, value, "instructions", "instructions_file");
    exclude(ctx, value, "task", "task_file");
    if (agent->task && agent->task[strspn(agent->task, " \t\r\n")] == '\0')
        table_problem(ctx, task, NULL, "the task is empty");
    approve_check(ctx, tree_get(value, "approve"), &agent->approve, &agent->tools);
}

/* With name, description and text it is written out (`from` is then only where its files are). */
void rules_skill(struct table_ctx *ctx, const struct tree *value, void *out)
{
    static const char *const parts[] = { "name", "description", "text" };
    struct manifest_skill *skill = out;
    size_t given = 0;

    skill->node = value;
    for (size_t i = 0; i < FIELD_COUNT_OF(parts); i++)
        given += tree_get(value, parts[i]) != NULL;
    for (size_t i = 0; i < FIELD_COUNT_OF(parts); i++)
        if (given > 0 && !tree_get(value, parts[i]))
            table_problem(ctx, value, "name, description and text; or a folder alone: {from: ./skills}",
                          "missing '%s'", parts[i]);
    if (given == 0 && !tree_get(value, "from"))
        table_problem(ctx, value, "a folder with SKILL.md: {from: ./skills}", "missing 'from'");
    if (skill->name && !skill_is_name(skill->name))
        table_problem(ctx, tree_get(value, "name"), "small letters, digits and '-', at most 64",
                      "'%.80s' is no name of a skill", skill->name);
}

/* --- workspace, outputs --- */

void rules_workspace(struct table_ctx *ctx, const struct tree *value, void *out)
{
    static const char *const taken[] = { "/proc", "/sys",  "/dev", "/etc",   "/run",  "/tmp",      "/usr",
                                         "/bin",  "/sbin", "/lib", "/lib64", "/boot", "/.agentbox" };
    struct manifest_workspace *workspace = out;
    const struct tree *root = tree_get(value, "root");
    const char *why, *path = NULL;

    if (!root || !workspace->root)
        return;
    why = path_absolute(span_of(workspace->root), ctx->arena, &path);
    if (why) {
        table_problem(ctx, root, NULL, "the workspace %s", why);
        return;
    }
    workspace->root = path;
    if (strpbrk(path, ":,"))
        table_problem(ctx, root, NULL, "the workspace cannot have ':' or ',' in its path");
    for (size_t i = 0; i < FIELD_COUNT_OF(taken); i++)
        if (strcmp(path, "/") == 0 || path_is_beneath(path, taken[i])) {
            table_problem(ctx, root, "a folder of its own, such as /workspace",
                          "the workspace cannot be at '%s'", path);
            return;
        }
}

/* Where an output goes must be on this host. */
static void check_target(struct table_ctx *ctx, const struct tree *to)
{
    static const char *const stores[] = { "s3://", "gs://", "az://", "r2://", "hf://" };
    const char *colon = strstr(to->text.ptr, "://");

    for (size_t i = 0; i < FIELD_COUNT_OF(stores); i++)
        if (span_starts(to->text, stores[i])) {
            table_problem(ctx, to, NULL, "not supported yet: %s", stores[i]);
            return;
        }
    if (colon && colon > to->text.ptr && !memchr(to->text.ptr, '/', (size_t) (colon - to->text.ptr)))
        table_problem(ctx, to, "a file or folder of this host", "a URL is not possible here");
}

/* What comes from a tool of the server's has its name as its path. */
static void check_from(struct table_ctx *ctx, const struct tree *value, struct manifest_output *output)
{
    const struct tree *from = tree_get(value, "from");

    if (!output->from) {
        if (!output->path && !tree_get(value, "path"))
            table_problem(ctx, value, NULL, "missing 'path'");
        return;
    }
    if (strcmp(output->from, "image_generation") != 0 && strcmp(output->from, "code_interpreter") != 0)
        table_problem(ctx, from, "image_generation or code_interpreter", "no tool whose images can be had");
    else if (output->path && strcmp(output->path, output->from) != 0)
        table_problem(ctx, tree_get(value, "path"), "remove one of them",
                      "'path' and 'from' exclude each other");
    output->path = output->from;
}

void rules_output(struct table_ctx *ctx, const struct tree *value, void *out)
{
    struct manifest_output *output = out;
    const char *path = NULL, *why;

    output->node = value;
    check_from(ctx, value, output);
    if (output->path) {
        why = path_beneath(span_of(output->path), ctx->arena, &path);
        if (why)
            table_problem(ctx, tree_get(value, "path"), NULL, "the path %s", why);
        output->path = path;
    }
    if (output->to)
        check_target(ctx, tree_get(value, "to"));
}

/* --- sandbox --- */

static bool parse_user(const char *text, int64_t *ret_uid, int64_t *ret_gid)
{
    const char *colon = strchr(text, ':');

    return colon && units_int(span_make(text, (size_t) (colon - text)), 0, INT32_MAX, ret_uid) == 0 &&
           units_int(span_of(colon + 1), 0, INT32_MAX, ret_gid) == 0;
}

static bool is_lowered(const struct manifest_sandbox *sandbox, const char *row)
{
    for (size_t i = 0; i < sandbox->lower_count; i++)
        if (strcmp(sandbox->lower[i], row) == 0)
            return true;
    return false;
}

static void check_user(struct table_ctx *ctx, const struct tree *value, struct manifest_sandbox *sandbox)
{
    const struct tree *user = tree_get(value, "user");

    if (!sandbox->user)
        return;
    if (!parse_user(sandbox->user, &sandbox->uid, &sandbox->gid))
        table_problem(ctx, user, "\"65532:65532\"", "expected numbers 'uid:gid', got '%.40s'", sandbox->user);
    else if ((sandbox->uid == 0 || sandbox->gid == 0) && !is_lowered(sandbox, "user"))
        table_problem(ctx, user, "take a number above 0, or give the protection up: lower: [user]",
                      "the sandbox does not run as root");
}

static bool is_word(const char *text, const char *others)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char) *c) && !strchr(others, *c))
            return false;
    return isalnum((unsigned char) *text);
}

bool rules_is_image(const char *text)
{
    return is_word(text, "._-/:@");
}

static void check_engine(struct table_ctx *ctx, const struct tree *value,
                         const struct manifest_sandbox *sandbox)
{
    static const char *const schemes[] = { "unix://", "tcp://", "ssh://" };
    const char *engine = sandbox->engine;

    if (!engine || strcmp(engine, "auto") == 0)
        return;
    for (size_t i = 0; i < FIELD_COUNT_OF(schemes); i++)
        if (strncmp(engine, schemes[i], strlen(schemes[i])) == 0 && engine[strlen(schemes[i])] != '\0')
            return;
    table_problem(ctx, tree_get(value, "engine"), "unix:///var/run/docker.sock",
                  "expected auto or a URL with unix://, tcp:// or ssh://");
}

void rules_sandbox(struct table_ctx *ctx, const struct tree *value, void *out)
{
    struct manifest_sandbox *sandbox = out;
    const struct tree *cpus = tree_get(value, "cpus");

    if (sandbox->image && !rules_is_image(sandbox->image))
        table_problem(ctx, tree_get(value, "image"), NULL, "'%.80s' is not the name of an image",
                      sandbox->image);
    if (cpus && cpus->kind == TREE_NUMBER && sandbox->cpus < 0.01)
        table_problem(ctx, cpus, NULL, "must be between 0.01 and 1024");
    if (sandbox->runtime && !is_word(sandbox->runtime, "._-/"))
        table_problem(ctx, tree_get(value, "runtime"), NULL, "'%.80s' is not the name of a runtime",
                      sandbox->runtime);
    check_engine(ctx, value, sandbox);
    check_user(ctx, value, sandbox);
}
