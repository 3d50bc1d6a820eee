/* SPDX-License-Identifier: MIT */
#include "manifest/mcp.h"

#include "core/base/url.h"
#include "manifest/load_impl.h"
#include "manifest/resolve.h"
#include "manifest/rules.h"
#include "manifest/side.h"

#include <strings.h>

enum { NAME_MAX_BYTES = 32 };

struct manifest_mcp {
    const char *type, *name, *url;
    const char *const *command;
    size_t command_count;
    const char *const *allow;
    size_t allow_count;
    bool required;
    int64_t start_ms;
    struct manifest_secret api_key;
    struct manifest_pairs headers, secrets;
    struct manifest_side side;
};

#define MCP(member) offsetof(struct manifest_mcp, member)

static const struct field rows[] = {
    { .name = "type", .kind = FIELD_STRING, .offset = MCP(type), .flags = FIELD_REQUIRED, .help = "`mcp`." },
    { .name = "name",
      .kind = FIELD_STRING,
      .offset = MCP(name),
      .flags = FIELD_REQUIRED,
      .help = "Of the server: small letters, digits and '-', at most 32. Its tools are called NAME__TOOL.",
      .example = "\"docs\"" },
    { .name = "command",
      .kind = FIELD_STRINGS,
      .offset = MCP(command),
      .count_offset = MCP(command_count),
      .min = 1,
      .max = 256,
      .help = "Program and arguments of a server that speaks over stdin and stdout, in a sandbox of its own.",
      .example = "[\"mcp-server-filesystem\", \"/workspace\"]" },
    { .name = "url",
      .kind = FIELD_STRING,
      .offset = MCP(url),
      .min = 1,
      .max = 4096,
      .help = "Of a server that speaks HTTP, in the place of a command. The harness speaks to it, not the "
              "sandbox.",
      .example = "\"https://mcp.example.com/mcp\"" },
    { .name = "allow",
      .kind = FIELD_STRINGS,
      .offset = MCP(allow),
      .count_offset = MCP(allow_count),
      .min = 1,
      .max = 256,
      .help = "Those of its tools that the model may use, by the server's names; all when not given.",
      .example = "[\"read_file\", \"search_files\"]" },
    { .name = "required",
      .kind = FIELD_BOOL,
      .offset = MCP(required),
      .fallback = "true",
      .help = "A server that does not come up ends the run; else the run goes on without its tools, and the "
              "model is told." },
    { .name = "start",
      .kind = FIELD_DURATION,
      .offset = MCP(start_ms),
      .min = SECOND,
      .max = HOUR,
      .fallback = "\"60s\"",
      .help = "So long it may take to say what tools it has." },
    { .name = "api_key",
      .kind = FIELD_CUSTOM,
      .offset = MCP(api_key),
      .decode = kind_secret_decode,
      .schema = kind_secret_schema,
      .help = "With `url`: a secret by reference, sent as `Authorization: Bearer`." },
    { .name = "headers",
      .kind = FIELD_CUSTOM,
      .offset = MCP(headers),
      .decode = kind_headers_decode,
      .schema = kind_headers_schema,
      .help = "With `url`: extra request headers; a value is text or a secret like api_key." },
    { .name = "secrets",
      .kind = FIELD_CUSTOM,
      .offset = MCP(secrets),
      .decode = kind_secrets_decode,
      .schema = kind_secrets_schema,
      .help =
          "With `command`: variables of the server whose values are secrets by reference. They are in its "
          "own sandbox, which the agent cannot reach; safer is `inject` in its `network`.",
      .example = "{\"API_TOKEN\": {\"from_env\": \"DOCS_TOKEN\"}}" },
    SIDE_ROWS(struct manifest_mcp, side), /* last, see encode() */
};
enum { SIDE_ROW_COUNT = 8 };

/* Keys that have a meaning only for servers with a command, or with a URL. */
static const char *const command_keys[] = { "secrets", "image", "network", "environment", "memory",
                                            "cpus",    "pids",  "tmp",     "size",        NULL };
static const char *const url_keys[] = { "api_key", "headers", NULL };

static void refuse_keys(struct table_ctx *ctx, const struct tree *value, const char *const *keys,
                        const char *without)
{
    for (size_t i = 0; keys[i]; i++)
        if (tree_get(value, keys[i]))
            table_problem(ctx, tree_get(value, keys[i]), "remove it", "'%s' means nothing without '%s'",
                          keys[i], without);
}

static void check_url(struct table_ctx *ctx, const struct tree *at, const char *url)
{
    if ((strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) ||
        url_host(span_of(url)).len == 0)
        table_problem(ctx, at, NULL, "not an address of the form https://HOST/PATH");
    else if (url_has_userinfo(url))
        table_problem(ctx, at, "use api_key or headers", "secrets do not go into a URL");
}

static void check(struct table_ctx *ctx, const struct tree *value, void *out)
{
    const struct manifest_mcp *m = out;
    const struct tree *command = tree_get(value, "command"), *url = tree_get(value, "url");

    if (m->name && (!rules_is_name(m->name) || strlen(m->name) > NAME_MAX_BYTES))
        table_problem(ctx, tree_get(value, "name"), "small letters, digits and '-', at most 32",
                      "this is not a name of a server");
    if (!command == !url)
        table_problem(ctx, value, NULL,
                      url ? "a server has a command or a url, not both"
                          : "a server needs a command or a url");
    else
        refuse_keys(ctx, value, url ? command_keys : url_keys, url ? "command" : "url");
    if (m->url)
        check_url(ctx, url, m->url);
}

const struct table manifest_mcp_table = {
    TABLE(struct manifest_mcp, "server", rows,
          "A server of tools that speaks the Model Context Protocol (`type: mcp`)."),
    .check = check,
};

/* ---- on the way to a run ---- */

static void load(struct loader *l, struct manifest_own *own)
{
    struct manifest_mcp *m = (struct manifest_mcp *) (uintptr_t) own->decoded; /* ours, in the arena */

    load_secret(l, &m->api_key);
    for (size_t i = 0; i < m->headers.count; i++)
        load_secret(l, &m->headers.items[i].secret);
    for (size_t i = 0; i < m->secrets.count; i++)
        load_secret(l, &m->secrets.items[i].secret);
    side_load(l, &m->side);
}

static void encode(struct json_writer *w, const struct manifest_own *own)
{
    const struct manifest_mcp *m = own->decoded;

    struct table without_sandbox = manifest_mcp_table; /* it has defaults, which would be refused */

    without_sandbox.count -= SIDE_ROW_COUNT;
    resolve_table(w, m->command ? &manifest_mcp_table : &without_sandbox, m);
}

static const struct credential *credentials_of(struct loader *l, const struct manifest_pairs *from)
{
    struct credential *to = arena_alloc(l->arena, (from->count + 1) * sizeof(*to));

    for (size_t i = 0; to && i < from->count; i++)
        to[i] = (struct credential){ .name = from->items[i].name,
                                     .value = from->items[i].value,
                                     .secret = load_secret_ref(&from->items[i].secret) };
    return to;
}

static bool fill(struct loader *l, const struct manifest_own *own, struct tool_own *ret,
                 struct run_side *side)
{
    const struct manifest_mcp *m = own->decoded;
    struct run_spec *spec = l->spec;
    struct tool_mcp *servers = spec->mcp
                                   ? (struct tool_mcp *) (uintptr_t) spec->mcp /* ours still */
                                   : arena_alloc(l->arena, l->m->agent.tools.own_count * sizeof(*servers));
    struct tool_mcp *to = servers ? &servers[spec->mcp_count] : NULL;

    (void) ret;
    if (!to)
        return false;
    *to = (struct tool_mcp){ .name = m->name,
                             .command = m->command,
                             .url = m->url,
                             .allow = m->allow_count > 0 ? m->allow : NULL,
                             .is_required = m->required,
                             .start_ms = m->start_ms,
                             .api_key = load_secret_ref(&m->api_key),
                             .headers = credentials_of(l, &m->headers),
                             .header_count = m->headers.count,
                             .variables = credentials_of(l, &m->secrets),
                             .variable_count = m->secrets.count };
    spec->mcp = servers;
    spec->mcp_count++;
    if (!to->headers || !to->variables)
        return false;
    if (!m->command)
        return true;
    to->side = arena_printf(l->arena, "mcp-%s", m->name);
    return to->side && side_fill(l, to->side, &m->side, side);
}

static const struct manifest_own_ops ops = { load, encode, fill };

bool mcp_has(const struct manifest_own *own, const char *tool)
{
    size_t len = strlen(own->name);

    return own->ops == &ops && strncmp(tool, own->name, len) == 0 && strncmp(tool + len, "__", 2) == 0;
}

bool mcp_take(struct table_ctx *ctx, const struct tree *item, struct manifest_tools *tools)
{
    struct manifest_mcp *m = arena_alloc(ctx->arena, sizeof(*m));
    struct manifest_own own = { .ops = &ops, .node = item, .decoded = m };

    if (!m)
        return kind_refuse(ctx, item, NULL, "too large");
    if (table_decode(&manifest_mcp_table, item, m, ctx) != 0)
        return false;
    own.name = m->name;
    return tools_add_own(ctx, item, &own, tools);
}
