/* SPDX-License-Identifier: MIT */
/* Rows and kinds of `network`. */
#include "manifest/network.h"

#include "core/egress/rule.h"
#include "core/sandbox/spec.h"
#include "manifest/resolve.h"

#include <ctype.h>
#include <stdio.h>

#define RULE(member)    offsetof(struct manifest_rule, member)
#define NETWORK(member) offsetof(struct manifest_network, member)

#define DAY_MS          INT64_C(86400000)
#define SIZE_MAX_BYTES  (INT64_C(1) << 50)

/* --- one rule --- */

#define INJECT(member) offsetof(struct manifest_inject, member)

static bool is_variable(const char *text)
{
    bool is_good = *text && !(*text >= '0' && *text <= '9');

    for (; *text; text++)
        is_good = is_good && (isalnum((unsigned char) *text) || *text == '_');
    return is_good;
}

/* Programs that insist on a key find a placeholder where the key would be. */
static void check_injected(struct table_ctx *ctx, const struct tree *value, void *out)
{
    struct manifest_inject *in = out;

    if (!in->variable && in->value.from_env)
        in->variable = in->value.from_env;
    else if (in->variable && !is_variable(in->variable))
        table_problem(ctx, tree_get(value, "variable"), "letters, digits and '_', not beginning with a digit",
                      "not the name of a variable");
}

static const struct field inject_rows[] = {
    { .name = "header",
      .kind = FIELD_STRING,
      .offset = INJECT(header),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 128,
      .help = "Its name; what the client sends by that name is replaced.",
      .example = "\"Authorization\"" },
    { .name = "value",
      .kind = FIELD_CUSTOM,
      .offset = INJECT(value),
      .flags = FIELD_REQUIRED,
      .decode = kind_secret_decode,
      .schema = kind_secret_schema,
      .help = "The secret; it never enters the sandbox.",
      .example = "{\"from_env\": \"GITHUB_TOKEN\", \"prefix\": \"Bearer \"}" },
    { .name = "variable",
      .kind = FIELD_STRING,
      .offset = INJECT(variable),
      .min = 1,
      .max = 128,
      .help = "Variable of the commands that has a placeholder, for programs that insist on a key; that of "
              "`value.from_env` when not given.",
      .example = "\"GITHUB_TOKEN\"" },
    { .name = "intercept",
      .kind = FIELD_BOOL,
      .offset = INJECT(intercept),
      .fallback = "false",
      .help =
          "For clients that insist on `https://`: the harness ends their TLS itself, under an authority of "
          "this run that is good for the hosts of such rules only; `SSL_CERT_FILE` and its like name its "
          "certificate to every command. Each request inside is decided and recorded, so `methods` hold, "
          "too." },
};

static const struct table inject_table = {
    .name = "inject",
    .fields = inject_rows,
    .count = FIELD_COUNT_OF(inject_rows),
    .size = sizeof(struct manifest_inject),
    .help = "A header that the harness adds, so that the sandbox uses a service without holding its key.",
    .check = check_injected,
};

static const struct field rule_rows[] = {
    { .name = "host",
      .kind = FIELD_STRING,
      .offset = RULE(host),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = 300,
      .help =
          "As a rule that is text alone: `example.org`, `*.example.org`, with `:port` when it is not 443, or "
          "an address.",
      .example = "\"example.org:80\"" },
    { .name = "methods",
      .kind = FIELD_STRINGS,
      .offset = RULE(methods),
      .count_offset = RULE(method_count),
      .min = 1,
      .max = 8,
      .help = "Only these methods; for plain HTTP (port 80), since nobody sees into TLS.",
      .example = "[\"GET\", \"HEAD\"]" },
    { .name = "inject",
      .kind = FIELD_TABLE,
      .offset = RULE(inject),
      .sub = &inject_table,
      .help = "A header with a secret, added on the way out: the sandbox asks for `http://host/`, the "
              "harness speaks "
              "TLS to the host, adds the header, and replaces the secret in what comes back." },
};

static const struct table rule_table = {
    .name = "rule",
    .fields = rule_rows,
    .count = FIELD_COUNT_OF(rule_rows),
    .size = sizeof(struct manifest_rule),
    .help = "A rule may be text alone, or this map.",
};

static bool refuse(struct table_ctx *ctx, const struct tree *at, const struct err *why)
{
    table_problem(ctx, at, why->hint[0] ? why->hint : NULL, "%s", why->text);
    return false;
}

static bool read_methods(struct table_ctx *ctx, const struct tree *value, struct manifest_rule *out)
{
    const struct tree *item = tree_get(value, "methods");

    if (out->method_count == 0)
        return true;
    out->rule.methods = 0;
    item = item ? item->child : NULL;
    for (size_t i = 0; i < out->method_count; i++, item = item ? item->next : NULL) {
        uint32_t bit = egress_method(span_of(out->methods[i]));

        if (bit == 0) {
            table_problem(ctx, item ? item : value, "known: " EGRESS_METHOD_NAMES, "unknown method '%.40s'",
                          out->methods[i]);
            return false;
        }
        out->rule.methods |= bit;
    }
    return true;
}

/* Its value is filled in when it is known where files are. */
static bool read_inject(struct table_ctx *ctx, struct manifest_rule *out)
{
    struct egress_inject *inject;

    if (!out->inject.header)
        return true;
    inject = arena_alloc(ctx->arena, sizeof(*inject));
    if (!inject)
        return false;
    *inject = (struct egress_inject){ .header = out->inject.header,
                                      .variable = out->inject.variable,
                                      .intercept = out->inject.intercept };
    out->rule.inject = inject;
    return true;
}

/* The text of a rule, wherever it stands, through the one function that makes rules. */
static bool read_rule(struct table_ctx *ctx, const struct tree *value, struct manifest_rule *out)
{
    const struct tree *text = value;
    struct err err = { 0 };

    if (value->kind == TREE_OBJECT) {
        if (table_decode(&rule_table, value, out, ctx) != 0)
            return false;
        text = tree_get(value, "host");
    } else if (value->kind != TREE_STRING && value->kind != TREE_NUMBER) {
        table_wrong(ctx, value, "a host such as example.org, or {host: ...}");
        return false;
    } else {
        out->host = value->text.ptr;
    }
    if (egress_rule_parse(text->text, ctx->arena, &out->rule, &err) < 0)
        return refuse(ctx, text, &err);
    if (!read_methods(ctx, value, out) || !read_inject(ctx, out))
        return false;
    return egress_rule_check(&out->rule, &err) == 0 || refuse(ctx, value, &err);
}

static bool is_new(struct table_ctx *ctx, const struct tree *at, const struct manifest_network *n)
{
    const struct egress_rule *last = &n->rules[n->rule_count].rule;

    for (size_t i = 0; i < n->rule_count; i++)
        if (strcmp(n->rules[i].rule.text, last->text) == 0) {
            table_problem(ctx, at, NULL, "'%s' is in the list already", last->text);
            return false;
        }
    return true;
}

bool kind_rules_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    struct manifest_network *n = out;
    bool is_good = true;
    size_t index = 0;

    if (value->kind != TREE_ARRAY) {
        table_wrong(ctx, value, "a list of hosts");
        return false;
    }
    if (value->count > EGRESS_RULES_MAX) {
        table_problem(ctx, value, NULL, "more than %d rules", EGRESS_RULES_MAX);
        return false;
    }
    n->rules = arena_alloc(ctx->arena, (value->count + (size_t) 1) * sizeof(*n->rules));
    if (!n->rules)
        return false;
    tree_each (item, value) {
        struct manifest_rule *rule = &n->rules[n->rule_count];
        char name[24];
        size_t mark;

        (void) snprintf(name, sizeof(name), "%zu", index);
        mark = table_enter(ctx, span_of(name));
        *rule = (struct manifest_rule){ 0 };
        if (read_rule(ctx, item, rule) && is_new(ctx, item, n)) {
            rule->rule.where = arena_printf(ctx->arena, "network.allow[%zu]", index);
            n->rule_count++;
        } else {
            is_good = false;
        }
        table_leave(ctx, mark);
        index++;
    }
    return is_good;
}

void kind_rules_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_put_string(w, "type", "array");
    json_put_int(w, "maxItems", EGRESS_RULES_MAX);
    json_key(w, "items");
    json_object(w);
    json_key(w, "anyOf");
    json_array(w);
    json_raw(w, span_of("{\"type\":\"string\",\"minLength\":1}"));
    table_schema(&rule_table, false, w);
    json_array_end(w);
    json_object_end(w);
    json_object_end(w);
}

static void encode_methods(struct json_writer *w, uint32_t methods)
{
    json_key(w, "methods");
    json_array(w);
    for (uint32_t bit = 1; bit < EGRESS_METHODS_ALL; bit <<= 1)
        if (methods & bit)
            json_string(w, egress_method_name(bit));
    json_array_end(w);
}

static void encode_inject(struct json_writer *w, const struct manifest_inject *in)
{
    json_key(w, "inject");
    json_object(w);
    json_put_string(w, "header", in->header);
    json_key(w, "value");
    (void) kind_secret_write(w, &in->value);
    if (in->variable)
        json_put_string(w, "variable", in->variable);
    if (in->intercept)
        json_put_bool(w, "intercept", true);
    json_object_end(w);
}

/* In their normal form. */
bool network_encode_rules(struct json_writer *w, const struct field *field, const void *base)
{
    const struct manifest_network *n = base;

    if (!w)
        return n->rule_count > 0;
    json_array(w);
    for (size_t i = 0; i < n->rule_count; i++) {
        const struct egress_rule *rule = &n->rules[i].rule;

        if (rule->methods == EGRESS_METHODS_ALL && !rule->inject) {
            json_string(w, rule->text);
            continue;
        }
        json_object(w);
        json_put_string(w, "host", rule->text);
        if (rule->methods != EGRESS_METHODS_ALL)
            encode_methods(w, rule->methods);
        if (rule->inject)
            encode_inject(w, &n->rules[i].inject);
        json_object_end(w);
    }
    json_array_end(w);
    return true;
}

/* --- the whole --- */

static const struct field network_rows[] = {
    { .name = "allow",
      .kind = FIELD_CUSTOM,
      .offset = NETWORK(rules),
      .count_offset = NETWORK(rule_count),
      .flags = FIELD_REQUIRED,
      .sub = &rule_table,
      .decode = kind_rules_decode,
      .schema = kind_rules_schema,
      .help =
          "What may be reached. `example.org` is that name over TLS on port 443, `*.example.org` every name "
          "below it (not itself); other ports as `example.org:8443`, plain HTTP only as `example.org:80`; "
          "addresses and networks only when written as such; never `*`, nor a suffix under which anybody "
          "gets a name (`*.org`).",
      .example = "[\"*.wikipedia.org\", \"pypi.org\", \"files.pythonhosted.org\"]" },
    { .name = "max_bytes",
      .kind = FIELD_SIZE,
      .offset = NETWORK(max_bytes),
      .min = 1,
      .max = SIZE_MAX_BYTES,
      .fallback = "\"100m\"",
      .help = "Up and down together, in the whole run; then everything is cut." },
    { .name = "connections",
      .kind = FIELD_INT,
      .offset = NETWORK(connections),
      .min = 1,
      .max = SANDBOX_CONNECTIONS_MAX,
      .fallback = "256",
      .help = "Open at once." },
    { .name = "max_connections",
      .kind = FIELD_COUNT,
      .offset = NETWORK(max_connections),
      .min = 1,
      .max = INT64_MAX,
      .help = "In the whole run; no limit when not given.",
      .example = "10000" },
    { .name = "rate",
      .kind = FIELD_INT,
      .offset = NETWORK(rate),
      .min = 1,
      .max = 1000000,
      .fallback = "100",
      .help = "Requests a second, a tunnel counted as one; what comes faster waits." },
    { .name = "lifetime",
      .kind = FIELD_DURATION,
      .offset = NETWORK(lifetime_ms),
      .min = 1000,
      .max = 365 * DAY_MS,
      .fallback = "\"1h\"",
      .help = "A connection is cut after this." },
    { .name = "idle",
      .kind = FIELD_DURATION,
      .offset = NETWORK(idle_ms),
      .min = 1000,
      .max = 365 * DAY_MS,
      .fallback = "\"5m\"",
      .help = "A connection on which nothing moves is cut after this." },
};

const struct table manifest_network_table = {
    .name = "network",
    .fields = network_rows,
    .count = FIELD_COUNT_OF(network_rows),
    .size = sizeof(struct manifest_network),
    .help = "What may leave the sandbox. The container has no network either way: a proxy on its loopback "
            "carries connections to the harness, which decides, looks up the name, connects, counts and "
            "records. `agentbox egress RUN` shows it.",
};

bool kind_network_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                         void *out)
{
    struct manifest_network *n = (void *) ((char *) out + field->offset);

    if (value->kind == TREE_STRING && span_is(value->text, "none"))
        return true;
    if (value->kind != TREE_OBJECT) {
        table_wrong(ctx, value, "none, or {allow: [...]}");
        return false;
    }
    return table_decode(&manifest_network_table, value, n, ctx) == 0;
}

void kind_network_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_key(w, "anyOf");
    json_array(w);
    json_raw(w, span_of("{\"const\":\"none\"}"));
    table_schema(&manifest_network_table, false, w);
    json_array_end(w);
    json_object_end(w);
}

/* A network that lets nothing out is none. */
bool network_encode(struct json_writer *w, const struct field *field, const void *base)
{
    const struct manifest_network *n = (const void *) ((const char *) base + field->offset);

    if (w && n->rule_count > 0)
        resolve_table(w, &manifest_network_table, n);
    return n->rule_count > 0;
}

bool network_fill(const struct manifest_network *from,
                  struct secret_ref (*secret)(const struct manifest_secret *s), struct arena *arena,
                  struct egress_spec *ret)
{
    struct egress_rule *rules = arena_alloc(arena, (from->rule_count + 1) * sizeof(*rules));

    if (!rules)
        return false;
    for (size_t i = 0; i < from->rule_count; i++) {
        struct egress_inject *inject;

        rules[i] = from->rules[i].rule;
        if (!rules[i].inject)
            continue;
        inject = arena_alloc(arena, sizeof(*inject));
        if (!inject)
            return false;
        *inject = *rules[i].inject;
        inject->value = secret(&from->rules[i].inject.value);
        rules[i].inject = inject;
    }
    *ret = (struct egress_spec){
        .rules = rules,
        .rule_count = from->rule_count,
        .max_bytes = from->max_bytes,
        .connections = from->connections,
        .connections_all = from->max_connections,
        .rate = from->rate,
        .lifetime_ms = from->lifetime_ms,
        .idle_ms = from->idle_ms,
    };
    return true;
}
