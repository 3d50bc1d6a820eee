/* SPDX-License-Identifier: MIT */
/* Approvals, as a manifest has them. */
#include "manifest/approve.h"

#include "manifest/mcp.h"

#include <ctype.h>

#define PATTERNS_MAX 256
#define PATTERN_MAX  512 /* as core/tool/approve.h has it */

const char *const approve_words[] = { "auto", "ask", "deny", NULL };
static const char *const tools[] = { "shell", "apply_patch", "view_image", "files" };
static const char waits_key[] = "without_terminal";
static const char else_key[] = "else";

enum { TOOLS = 4, OWN_NAME_MAX = 64 };

static struct approve_spec *slot(void *out, const struct field *field)
{
    return (struct approve_spec *) (void *) ((char *) out + field->offset);
}

static void problem_at_key(struct table_ctx *ctx, const struct tree *member, const char *hint,
                           const char *message)
{
    struct tree at = *member;

    at.pos = member->key_pos;
    table_problem(ctx, &at, hint, "%s", message);
}

static bool take_word(struct table_ctx *ctx, const struct tree *value, enum approve_word *ret)
{
    for (int i = 0; approve_words[i]; i++)
        if (tree_is_string(value, approve_words[i])) {
            *ret = (enum approve_word) i;
            return true;
        }
    table_problem(ctx, value,
                  value->kind == TREE_STRING ? table_nearest(value->text, approve_words, 3) : NULL,
                  "must be auto, ask or deny");
    return false;
}

static bool take_patterns(struct table_ctx *ctx, const struct tree *value, struct approve_rule *rule,
                          enum approve_word word)
{
    const char **items = arena_alloc(ctx->arena, (value->count + 1) * sizeof(*items));
    size_t count = 0;

    if (value->kind != TREE_ARRAY || value->count > PATTERNS_MAX || !items) {
        table_problem(ctx, value, "[\"git status\", \"git log *\"]", "must be a list of patterns, at most %d",
                      PATTERNS_MAX);
        return false;
    }
    tree_each (one, value) {
        if (one->kind != TREE_STRING || one->text.len == 0 || one->text.len > PATTERN_MAX ||
            memchr(one->text.ptr, '\0', one->text.len)) {
            table_problem(ctx, one, NULL, "a pattern is text of 1 to %d bytes", PATTERN_MAX);
            return false;
        }
        items[count++] = one->text.ptr;
    }
    rule->commands[word].items = items;
    rule->commands[word].count = count;
    return true;
}

static bool refuse_name(struct table_ctx *ctx, const struct tree *member)
{
    problem_at_key(ctx, member, table_nearest(member->key, tools, TOOLS),
                   "not a tool that can be approved: shell, apply_patch, view_image, files, those that "
                   "agent.tools describes, and 'else'");
    return false;
}

static bool take_map(struct table_ctx *ctx, const struct tree *value, struct approve_rule *rule)
{
    static const char *const keys[] = { "auto", "ask", "deny", "else" };
    bool is_good = true, has_else = false;

    tree_each (member, value) {
        size_t i = 0;

        while (i < 4 && !span_is(member->key, keys[i]))
            i++;
        if (i == 3)
            has_else = take_word(ctx, member, &rule->otherwise);
        else if (i < 3)
            is_good = take_patterns(ctx, member, rule, (enum approve_word) i) && is_good;
        else
            problem_at_key(ctx, member, table_nearest(member->key, keys, 4),
                           "there are 'auto', 'ask', 'deny', lists of patterns, and 'else', a word");
        is_good = is_good && (i < 3 || (i == 3 && has_else));
    }
    if (!has_else && is_good)
        table_problem(ctx, value, "else: ask", "what matches no pattern needs a word: 'else'");
    return is_good && has_else;
}

/* A tool that agent.tools describes, or a server of tools; whether there is such a one is known when all of
 * the agent is (approve_check()). */
static bool is_own_name(struct span name)
{
    return name.len > 0 && name.len <= OWN_NAME_MAX &&
           strspn(name.ptr, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == name.len;
}

static bool take_tool(struct table_ctx *ctx, const struct tree *member, struct approve_rule *rule)
{
    size_t i = 0;

    while (i < TOOLS && !span_is(member->key, tools[i]))
        i++;
    if (i == TOOLS && !is_own_name(member->key))
        return refuse_name(ctx, member);
    rule->tool = i < TOOLS ? tools[i] : member->key.ptr;
    if (member->kind != TREE_OBJECT)
        return take_word(ctx, member, &rule->otherwise);
    if (i > 0) {
        table_problem(ctx, member, NULL, "patterns are for the shell: here a word is wanted");
        return false;
    }
    return take_map(ctx, member, rule);
}

void approve_check(struct table_ctx *ctx, const struct tree *value, const struct approve_spec *spec,
                   const struct manifest_tools *listed)
{
    for (size_t i = 0; i < spec->count; i++) {
        bool is_known = false;

        for (size_t k = 0; k < TOOLS; k++)
            is_known = is_known || spec->rules[i].tool == tools[k];
        for (size_t k = 0; k < listed->own_count; k++)
            is_known = is_known || strcmp(listed->own[k].name, spec->rules[i].tool) == 0 ||
                       mcp_has(&listed->own[k], spec->rules[i].tool);
        if (!is_known)
            (void) refuse_name(ctx, tree_get(value, spec->rules[i].tool));
    }
}

static bool take_waits(struct table_ctx *ctx, const struct tree *value, struct approve_spec *spec)
{
    spec->waits = tree_is_string(value, "wait");
    if (!spec->waits && !tree_is_string(value, "deny")) {
        table_problem(ctx, value, NULL, "must be deny or wait");
        return false;
    }
    return true;
}

static struct approve_rule *new_rules(struct arena *arena, size_t count, struct approve_spec *spec)
{
    struct approve_rule *rules = arena_alloc(arena, (count + 1) * sizeof(*rules));

    if (rules)
        memset(rules, 0, (count + 1) * sizeof(*rules));
    spec->rules = rules;
    return rules;
}

bool approve_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    struct approve_spec *spec = slot(out, field);
    struct approve_rule *rules = new_rules(ctx->arena, value->count, spec);
    bool is_good = true;

    if (!rules)
        return false;
    if (value->kind != TREE_OBJECT)
        return take_word(ctx, value, &spec->otherwise);
    tree_each (member, value) {
        if (span_is(member->key, waits_key))
            is_good = take_waits(ctx, member, spec) && is_good;
        else if (span_is(member->key, else_key))
            is_good = take_word(ctx, member, &spec->otherwise) && is_good;
        else if (!take_tool(ctx, member, &rules[spec->count]))
            is_good = false;
        else
            spec->count++;
    }
    return is_good;
}

void approve_schema(struct json_writer *w, const struct field *field)
{
    (void) field;
    json_raw(w, span_of("{\"anyOf\":[{\"enum\":[\"auto\",\"ask\",\"deny\"]},{\"type\":\"object\"}]}"));
}

static void write_rule(struct json_writer *w, const struct approve_rule *rule)
{
    size_t patterns = 0;

    json_key(w, rule->tool);
    for (int word = 0; word < APPROVE_WORDS; word++)
        patterns += rule->commands[word].count;
    if (patterns == 0) {
        json_string(w, approve_words[rule->otherwise]);
        return;
    }
    json_object(w);
    for (int word = 0; word < APPROVE_WORDS; word++) {
        if (rule->commands[word].count == 0)
            continue;
        json_key(w, approve_words[word]);
        json_array(w);
        for (size_t i = 0; i < rule->commands[word].count; i++)
            json_string(w, rule->commands[word].items[i]);
        json_array_end(w);
    }
    json_put_string(w, "else", approve_words[rule->otherwise]);
    json_object_end(w);
}

bool approve_encode(struct json_writer *w, const struct field *field, const void *base)
{
    const struct approve_spec *spec = (const void *) ((const char *) base + field->offset);
    bool is_given = spec->count > 0 || spec->waits || spec->otherwise != APPROVE_AUTO;

    if (!w || !is_given)
        return is_given;
    json_object(w);
    for (size_t i = 0; i < spec->count; i++)
        write_rule(w, &spec->rules[i]);
    if (spec->otherwise != APPROVE_AUTO)
        json_put_string(w, else_key, approve_words[spec->otherwise]);
    if (spec->waits)
        json_put_string(w, waits_key, "wait");
    json_object_end(w);
    return true;
}

bool approve_raise(struct approve_spec *spec, enum approve_word least, struct arena *arena)
{
    const struct approve_rule *before = spec->rules;
    struct approve_rule *rules = new_rules(arena, spec->count, spec);

    if (!rules)
        return false;
    for (size_t i = 0; i < spec->count; i++) {
        struct approve_rule *rule = &rules[i];

        *rule = before[i];
        if (rule->otherwise < least)
            rule->otherwise = least;
        for (enum approve_word word = APPROVE_AUTO; word < least; word++)
            rule->commands[word].count = 0;
    }
    if (spec->otherwise < least)
        spec->otherwise = least;
    return true;
}

bool approve_may_ask(const struct approve_spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        if (spec->rules[i].otherwise == APPROVE_ASK || spec->rules[i].commands[APPROVE_ASK].count > 0)
            return true;
    return spec->otherwise == APPROVE_ASK;
}
