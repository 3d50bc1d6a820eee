/* SPDX-License-Identifier: MIT */
/* What agent.approve says of a call. */
#include "core/tool/approve.h"

#include "core/base/json.h"
#include "core/tool/function.h"
#include "core/tool/shell_impl.h"

#include <ctype.h>
#include <stdio.h>

#define ARENA_MAX ((size_t) 64 * 1024 * 1024)

const char *approve_word_name(enum approve_word word)
{
    static const char *const names[] = { "auto", "ask", "deny" };

    return names[word];
}

/* ---- patterns ---- */

static bool is_plain(char c)
{
    return isalnum((unsigned char) c) || (c && strchr(" _-.,/:=@%+", c));
}

/* All places in the pattern at once: no text makes it slow. */
bool approve_matches(const char *pattern, struct span text, bool lets_run)
{
    bool at[APPROVE_PATTERN_MAX + 1] = { true }, next[APPROVE_PATTERN_MAX + 1];
    size_t len = strlen(pattern);

    if (len > APPROVE_PATTERN_MAX || (lets_run && text.len > APPROVE_COMMAND_MAX))
        return false;
    for (size_t i = 0;; i++) {
        for (size_t k = 0; k < len; k++)
            at[k + 1] = at[k + 1] || (at[k] && pattern[k] == '*');
        if (i == text.len)
            return at[len];
        memset(next, 0, sizeof(next));
        for (size_t k = 0; k < len; k++) {
            bool is_wild = pattern[k] == '*' || pattern[k] == '?';

            if (!at[k] || (is_wild ? lets_run && !is_plain(text.ptr[i]) : pattern[k] != text.ptr[i]))
                continue;
            next[pattern[k] == '*' ? k : k + 1] = true;
        }
        memcpy(at, next, sizeof(at));
    }
}

/* ---- what a call of the shell says ---- */

/* ELSEWHERE: not in the default shell, or at a terminal, where programs ask others to show what they have. */
enum said { SAID_COMMAND, SAID_ELSEWHERE, SAID_INPUT };

static enum approve_word judge_text(const struct approve_rule *rule, struct span text, enum said said,
                                    char why[APPROVE_WHY_MAX])
{
    for (enum approve_word word = APPROVE_DENY;; word--) {
        if (word == APPROVE_AUTO && said != SAID_COMMAND)
            break;
        for (size_t i = 0; i < rule->commands[word].count; i++)
            if (approve_matches(rule->commands[word].items[i], text, word == APPROVE_AUTO)) {
                (void) snprintf(why, APPROVE_WHY_MAX, "%s.%s: %s", rule->tool, approve_word_name(word),
                                rule->commands[word].items[i]);
                return word;
            }
        if (word == APPROVE_AUTO)
            break;
    }
    (void) snprintf(why, APPROVE_WHY_MAX, "%s: %s", rule->tool, approve_word_name(rule->otherwise));
    return rule->otherwise;
}

static bool is_default_shell(const struct tree *shell)
{
    static const char *const names[] = { "sh", "bash", "/bin/sh", "/bin/bash" };

    if (!shell || shell->kind == TREE_NULL)
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (tree_is_string(shell, names[i]))
            return true;
    return false;
}

static bool is_harmless_input(struct span chars)
{
    for (size_t i = 0; i < chars.len; i++)
        if (chars.ptr[i] != '\003')
            return false;
    return true;
}

static enum approve_word judge_function(const struct approve_rule *rule, const struct tree *item,
                                        struct arena *arena, char why[APPROVE_WHY_MAX])
{
    const struct tree *args = NULL;
    bool is_input = tree_is_string(tree_get(item, "name"), "write_stdin"), is_command;
    const struct tree *value;

    if (json_parse(function_input(item), arena, &args, NULL) < 0)
        args = NULL; /* it will not run, or is the command itself */
    if (!is_input && shell_is_plain(item, args))
        return judge_text(rule, function_input(item), SAID_COMMAND, why);
    value = tree_get(args, is_input ? "chars" : "cmd");
    if (is_input && is_harmless_input(tree_span(value)))
        return APPROVE_AUTO;
    is_command = value && value->kind == TREE_STRING && is_default_shell(tree_get(args, "shell")) &&
                 !tree_bool(tree_get(args, "tty"), false);
    return judge_text(rule, tree_span(value),
                      is_input     ? SAID_INPUT
                      : is_command ? SAID_COMMAND
                                   : SAID_ELSEWHERE,
                      why);
}

static enum approve_word judge_shell(const struct approve_rule *rule, const struct tree *item,
                                     struct arena *arena, char why[APPROVE_WHY_MAX])
{
    const struct tree *commands = tree_path(item, "action", "commands", NULL);
    enum approve_word strictest = APPROVE_AUTO;
    char reason[APPROVE_WHY_MAX];

    if (function_is(item, "exec_command") || function_is(item, "write_stdin"))
        return judge_function(rule, item, arena, why);
    if (!commands || commands->kind != TREE_ARRAY || !commands->child)
        return judge_text(rule, span_of(""), SAID_ELSEWHERE, why);
    tree_each (one, commands) {
        enum approve_word word = judge_text(rule, tree_span(one), SAID_COMMAND, reason);

        if (word < strictest || (one != commands->child && word == strictest))
            continue;
        strictest = word;
        memcpy(why, reason, sizeof(reason));
    }
    return strictest;
}

bool approve_trusts_words(const struct approve_spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        if (spec->rules[i].commands[APPROVE_AUTO].count > 0)
            return true;
    return false;
}

static const struct approve_rule *rule_of(const struct approve_spec *spec, const char *tool,
                                          const char *group)
{
    const struct approve_rule *found = NULL;

    for (size_t i = 0; i < spec->count; i++) {
        if (strcmp(spec->rules[i].tool, tool) == 0)
            return &spec->rules[i];
        if (group && strcmp(spec->rules[i].tool, group) == 0)
            found = &spec->rules[i];
    }
    return found;
}

enum approve_word approve_judge(const struct approve_spec *spec, const char *tool, const char *group,
                                const struct tree *item, char why[APPROVE_WHY_MAX])
{
    const struct approve_rule *rule = rule_of(spec, tool, group);
    struct arena arena = ARENA_INIT(ARENA_MAX);
    enum approve_word word = spec->otherwise;

    why[0] = '\0';
    if (rule && strcmp(tool, "shell") == 0) {
        word = judge_shell(rule, item, &arena, why);
    } else if (rule) {
        word = rule->otherwise;
        (void) snprintf(why, APPROVE_WHY_MAX, "%s: %s", rule->tool, approve_word_name(word));
    } else if (strcmp(tool, TOOL_LOAD_SKILL) == 0) {
        word = APPROVE_AUTO; /* what it tells is the manifest's */
    } else if (word != APPROVE_AUTO) {
        (void) snprintf(why, APPROVE_WHY_MAX, "else: %s", approve_word_name(word));
    }
    arena_done(&arena);
    return word;
}

/* ---- for who is asked ---- */

static void show_value(const struct tree *value, const char *lead, struct buf *out)
{
    struct json_writer w;

    (void) buf_add_text(out, lead);
    if (value->kind == TREE_STRING) {
        (void) buf_add_span(out, value->text);
    } else {
        json_begin(&w, out);
        json_tree(&w, value);
        (void) json_end(&w, NULL);
    }
    (void) buf_add_char(out, '\n');
}

static void show_member(const struct tree *member, struct buf *out)
{
    bool is_long = member->kind == TREE_STRING && memchr(member->text.ptr, '\n', member->text.len);

    if (span_is(member->key, "cmd")) {
        show_value(member, "$ ", out);
        return;
    }
    if (member->kind == TREE_NULL)
        return;
    if (span_is(member->key, "commands") && member->kind == TREE_ARRAY) {
        tree_each (one, member)
            show_value(one, "$ ", out);
        return;
    }
    (void) buf_add_span(out, member->key);
    show_value(member, is_long ? ":\n" : ": ", out);
}

/* The member that is run, by the type of the call: others may be there to be looked at instead. */
static const char *place_of(const struct tree *item)
{
    struct span type = tree_span(tree_get(item, "type"));

    return span_is(type, "shell_call")         ? "action"
           : span_is(type, "apply_patch_call") ? "operation"
           : span_is(type, "custom_tool_call") ? "input"
                                               : "arguments";
}

void approve_show(const struct tree *item, struct buf *out)
{
    struct arena arena = ARENA_INIT(ARENA_MAX);
    const struct tree *said = tree_get(item, place_of(item)), *parsed = NULL;

    if (said && said->kind == TREE_STRING && json_parse(said->text, &arena, &parsed, NULL) == 0 &&
        parsed->kind == TREE_OBJECT)
        said = parsed;
    if (said && said->kind == TREE_OBJECT)
        tree_each (member, said)
            show_member(member, out);
    else
        show_value(said ? said : item, "", out);
    arena_done(&arena);
}
