/* SPDX-License-Identifier: MIT */
/* ${...} in string values. */
#include "manifest/expand.h"

#include "core/base/table.h"
#include "core/base/utf8.h"
#include "manifest/yaml.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

/* One value on its way. */
struct work {
    struct expand *x;
    const struct yaml_node *node;
    struct buf out;
    size_t nth; /* of the "${" looked at, counted as in the source */
    bool is_broken;
};

const char *expand_env(const char *const *env, struct span name)
{
    for (; env && *env; env++)
        if (strncmp(*env, name.ptr, name.len) == 0 && (*env)[name.len] == '=')
            return *env + name.len + 1;
    return NULL;
}

static bool ends_in(struct span word, const char *end)
{
    size_t len = strlen(end);

    return word.len >= len && strncasecmp(word.ptr + word.len - len, end, len) == 0;
}

bool expand_is_secret(struct span name)
{
    static const char *const anywhere[] = { "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL" };
    size_t begin = 0;

    for (size_t i = 1; i <= name.len; i++) {
        struct span head = span_make(name.ptr, i);

        for (size_t k = 0; k < sizeof(anywhere) / sizeof(anywhere[0]); k++)
            if (ends_in(head, anywhere[k]))
                return true;
        if (i < name.len && name.ptr[i] != '_' && name.ptr[i] != '-')
            continue;
        head = span_make(name.ptr + begin, i - begin);
        if (ends_in(head, "KEY") || ends_in(head, "TOKEN"))
            return true;
        begin = i + 1;
    }
    return false;
}

/* Position of the n-th "${" of the value: the n-th one of its source text. */
static struct tree_pos place(const struct work *w)
{
    const struct yaml_node *node = w->node;
    size_t seen = 0;

    if (node->tree.pos.line == 0 || diags_is_full(w->x->diags))
        return node->tree.pos;
    for (size_t at = node->begin; at + 1 < node->end && at + 1 < w->x->text.len; at++)
        if (w->x->text.ptr[at] == '$' && w->x->text.ptr[at + 1] == '{' && ++seen == w->nth)
            return yaml_pos(w->x->text, at);
    return node->tree.pos;
}

#define problem(w, hint, ...)                                        \
    do {                                                             \
        (w)->is_broken = true;                                       \
        diags_add((w)->x->diags, place(w), NULL, hint, __VA_ARGS__); \
    } while (0)

static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char) s.ptr[i]) && s.ptr[i] != '_')
            return false;
    return s.len > 0 && s.len <= 255 && !isdigit((unsigned char) s.ptr[0]);
}

static void unknown_param(struct work *w, struct span name)
{
    const char *names[64];
    size_t count = 0;
    const char *nearest;
    char hint[128] = "declare it in 'params'";

    for (; count < w->x->param_count && count < 64; count++)
        names[count] = w->x->params[count].name;
    nearest = table_nearest(name, names, count);
    if (nearest)
        (void) snprintf(hint, sizeof(hint), "did you mean '%.80s'?", nearest);
    problem(w, hint, "unknown parameter '" SPAN_FMT "'", (int) utf8_cut(name, 100), name.ptr);
}

static const char *param_value(struct work *w, struct span name)
{
    if (!w->x->has_params) {
        problem(w, NULL, "a parameter cannot refer to parameters");
        return NULL;
    }
    for (size_t i = 0; i < w->x->param_count; i++)
        if (span_is(name, w->x->params[i].name))
            return w->x->params[i].value;
    unknown_param(w, name);
    return NULL;
}

/* The variable behind "${NAME" with what follows NAME; NULL when there is nothing to put in, which was
 * reported unless a default is used. */
static struct span env_value(struct work *w, struct span name, struct span rest)
{
    const char *value = expand_env(w->x->env, name);
    struct span none = { NULL, 0 };

    if (span_starts(rest, ":-") && (!value || !*value))
        return span_make(rest.ptr + 2, rest.len - 2);
    if (span_starts(rest, ":?") && (!value || !*value)) {
        problem(w, NULL, "'" SPAN_FMT "' is not set: " SPAN_FMT, SPAN_ARG(name),
                (int) utf8_cut(span_make(rest.ptr + 2, rest.len - 2), 300), rest.ptr + 2);
        return none;
    }
    if (!value) {
        problem(w, "set it, give a default with ${NAME:-default}, or write $${ for a literal ${",
                "variable '" SPAN_FMT "' is not set", SPAN_ARG(name));
        return none;
    }
    if (utf8_valid(span_of(value)) != strlen(value)) {
        problem(w, NULL, "the value of '" SPAN_FMT "' is not valid UTF-8", SPAN_ARG(name));
        return none;
    }
    return span_of(value);
}

/* What stands for the text between "${" and "}"; ptr NULL when a problem was reported. */
static struct span lookup(struct work *w, struct span body)
{
    struct span none = { NULL, 0 }, name = body, rest;

    for (name.len = 0; name.len < body.len && body.ptr[name.len] != ':';)
        name.len++;
    rest = span_make(body.ptr + name.len, body.len - name.len);
    if (span_starts(name, "params.") && rest.len == 0)
        return span_of(param_value(w, span_make(name.ptr + 7, name.len - 7)));
    if (!is_name(name) || (rest.len > 0 && !span_starts(rest, ":-") && !span_starts(rest, ":?"))) {
        problem(w, "${NAME}, ${NAME:-default}, ${NAME:?message}, ${params.name}, or $${ for a literal ${",
                "not a variable: '${" SPAN_FMT "}'", (int) utf8_cut(body, 100), body.ptr);
        return none;
    }
    if (memmem(rest.ptr, rest.len, "${", 2)) {
        problem(w, NULL, "a default cannot hold another ${...}");
        return none;
    }
    if (expand_is_secret(name)) {
        char hint[400];

        (void) snprintf(hint, sizeof(hint), "use {from_env: " SPAN_FMT "} in model.api_key or model.headers",
                        SPAN_ARG(name));
        problem(w, hint, "'" SPAN_FMT "' looks like a secret, and secrets do not go in here", SPAN_ARG(name));
        return none;
    }
    if (w->x->is_untrusted && w->node->tree.pos.line > 0) {
        problem(w, "a parameter can take its place: ${params.NAME}, given with -p NAME=VALUE",
                "an untrusted manifest cannot see the environment: '${" SPAN_FMT "}'", SPAN_ARG(name));
        return none;
    }
    return env_value(w, name, rest);
}

static int add(struct work *w, struct span s)
{
    return buf_add_span(&w->out, s);
}

/* Handle the "${" at `at`; returns the bytes consumed, 0 to end this value, or negative. */
static int step(struct work *w, struct span text, size_t at, size_t *ret_used)
{
    const char *end = memchr(text.ptr + at, '}', text.len - at);
    struct span value;

    if (!end) {
        problem(w, "write $${ for a literal ${", "'${' without '}'");
        *ret_used = text.len - at;
        return 0;
    }
    *ret_used = (size_t) (end - (text.ptr + at)) + 1;
    value = lookup(w, span_make(text.ptr + at + 2, *ret_used - 3));
    return value.ptr ? add(w, value) : 0;
}

static int expand_text(struct work *w, struct span text)
{
    size_t at = 0;
    int r = 0;

    while (r == 0 && at < text.len) {
        struct span rest = span_make(text.ptr + at, text.len - at);
        size_t used = 1;

        if (span_starts(rest, "$${")) {
            w->nth++;
            used = 3;
            r = add(w, span_of("${"));
        } else if (span_starts(rest, "${")) {
            w->nth++;
            r = step(w, text, at, &used);
            for (size_t i = at + 2; r == 0 && i + 1 < at + used; i++)
                w->nth += text.ptr[i] == '$' && text.ptr[i + 1] == '{';
        } else {
            while (used < rest.len && rest.ptr[used] != '$')
                used++;
            r = add(w, span_make(rest.ptr, used));
        }
        at += used;
    }
    return r;
}

static int expand_value(struct expand *x, struct tree *node)
{
    struct work w = { .x = x, .node = yaml_node(node), .out = BUF_INIT(EXPAND_VALUE_MAX) };
    char *copy = NULL;

    if (!memmem(node->text.ptr, node->text.len, "${", 2))
        return 0;
    if (expand_text(&w, node->text) < 0 || x->total + w.out.len > EXPAND_TOTAL_MAX) {
        diags_add(x->diags, node->pos, NULL, NULL, "too large after its variables are put in");
        buf_done(&w.out);
        return 0;
    }
    x->total += w.out.len;
    if (w.is_broken && x->broken_count < EXPAND_BROKEN_MAX)
        x->broken[x->broken_count++] = node->pos;
    copy = arena_copy(x->arena, w.out.data, w.out.len);
    if (copy) {
        node->text = span_make(copy, w.out.len);
        yaml_node(node)->is_expanded = true;
    }
    buf_done(&w.out);
    return copy ? 0 : -ERR_INTERNAL;
}

int expand_tree(struct expand *x, struct tree *node)
{
    int r = node->kind == TREE_STRING ? expand_value(x, node) : 0;

    for (struct tree *item = node->child; r == 0 && item; item = item->next)
        r = expand_tree(x, item);
    return r;
}
