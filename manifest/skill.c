/* SPDX-License-Identifier: MIT */
#include "manifest/skill.h"

#include "core/base/glyph.h"
#include "core/base/utf8.h"
#include "manifest/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool wrong(struct skill_problem *why, struct tree_pos pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool wrong(struct skill_problem *why, struct tree_pos pos, const char *format, ...)
{
    va_list ap;

    why->pos = pos;
    va_start(ap, format);
    (void) vsnprintf(why->message, sizeof(why->message), format, ap);
    va_end(ap);
    return false;
}

static struct tree_pos at_line(uint32_t line)
{
    return (struct tree_pos){ line, 1 };
}

bool skill_is_name(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return len > 0 && text[len] == '\0' && len <= SKILL_NAME_MAX && text[0] != '-' && text[len - 1] != '-';
}

const char *skill_line(struct span text, struct arena *arena)
{
    char *line = arena_alloc(arena, text.len + 1);
    size_t len = 0, used;
    bool is_gap = false;

    for (; line && text.len > 0; text = span_make(text.ptr + used, text.len - used)) {
        uint32_t c = glyph_next(text, &used);

        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            is_gap = len > 0;
        } else if (!glyph_is_unsafe(c)) {
            if (is_gap)
                line[len++] = ' ';
            is_gap = false;
            memcpy(line + len, text.ptr, used);
            len += used;
        }
    }
    return line;
}

/* ---- the two parts ---- */

static struct span next_line(struct span *rest)
{
    const char *eol = memchr(rest->ptr, '\n', rest->len);
    size_t len = eol ? (size_t) (eol - rest->ptr) : rest->len, used = eol ? len + 1 : len;
    struct span line = span_make(rest->ptr, len);

    *rest = span_make(rest->ptr + used, rest->len - used);
    while (line.len > 0 && (line.ptr[line.len - 1] == '\r' || line.ptr[line.len - 1] == ' '))
        line.len--;
    return line;
}

static bool split(struct span bytes, struct span *ret_yaml, struct span *ret_text, struct skill_problem *why)
{
    struct span rest = bytes, line;

    if (rest.len == 0 || !span_is(next_line(&rest), "---"))
        return wrong(why, at_line(1),
                     "it does not begin with front matter: a line '---', name and description, and a "
                     "line '---'");
    *ret_yaml = span_make(rest.ptr, 0);
    while (rest.len > 0) {
        ret_yaml->len = (size_t) (rest.ptr - ret_yaml->ptr);
        line = next_line(&rest);
        if (span_is(line, "---") || span_is(line, "...")) {
            *ret_text = rest;
            return true;
        }
    }
    return wrong(why, at_line(1), "its front matter has no end: a line '---'");
}

/* ---- front matter ---- */

static uint32_t one_down(uint32_t line)
{
    return line < UINT32_MAX ? line + 1 : line;
}

/* Where something of the YAML is in the file. */
static struct tree_pos in_file(struct tree_pos pos)
{
    return (struct tree_pos){ one_down(pos.line), pos.column };
}

static const struct tree *text_of(const struct tree *map, const char *key, struct skill_problem *why)
{
    const struct tree *value = tree_get(map, key);

    if (!value)
        (void) wrong(why, at_line(1), "its front matter has no '%s'", key);
    else if (value->kind != TREE_STRING || value->text.len == 0)
        (void) wrong(why, in_file(value->pos), "'%s' must be text", key);
    else
        return value;
    return NULL;
}

static size_t count_characters(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char) *text & 0xc0) != 0x80;
    return count;
}

static bool take_keys(const struct tree *map, struct arena *arena, struct skill_file *ret,
                      struct skill_problem *why)
{
    const struct tree *name, *description;

    if (map->kind != TREE_OBJECT)
        return wrong(why, at_line(2), "its front matter must be keys and values: name and description");
    name = text_of(map, "name", why);
    description = name ? text_of(map, "description", why) : NULL;
    if (!description)
        return false;
    ret->name = name->text.ptr;
    if (memchr(ret->name, '\0', name->text.len) || !skill_is_name(ret->name))
        return wrong(why, in_file(name->pos),
                     "'%.*s' is no name of a skill: small letters, digits and '-', at most %d",
                     (int) utf8_cut(name->text, 80), ret->name, SKILL_NAME_MAX);
    ret->description = skill_line(description->text, arena);
    if (!ret->description)
        return wrong(why, in_file(description->pos), "no memory");
    if (!*ret->description)
        return wrong(why, in_file(description->pos), "'description' is empty");
    if (count_characters(ret->description) > SKILL_DESCRIPTION_MAX)
        return wrong(why, in_file(description->pos), "'description' has more than %d characters",
                     SKILL_DESCRIPTION_MAX);
    return true;
}

/* The first problem that YAML has with it. */
static bool parse_yaml(struct span yaml, struct arena *arena, const struct tree **ret,
                       struct skill_problem *why)
{
    struct diags *diags = calloc(1, sizeof(*diags));
    struct tree *tree = NULL;
    struct err err = { 0 };
    bool is_good;

    if (!diags)
        return wrong(why, at_line(1), "no memory");
    diags_init(diags);
    is_good = diags_source(diags, "SKILL.md", yaml) == 0 &&
              yaml_parse(yaml, arena, diags, &tree, &err) == 0 && diags->count == 0;
    if (!is_good && diags->count > 0)
        (void) wrong(why, in_file(diags->items[0].pos), "%s", diags->items[0].message);
    else if (!is_good)
        (void) wrong(why, at_line(1), "%s", err.text[0] ? err.text : "no memory");
    diags_done(diags);
    free(diags);
    *ret = tree;
    return is_good;
}

static bool take_text(struct span text, struct arena *arena, struct skill_file *ret,
                      struct skill_problem *why)
{
    if (utf8_valid(text) != text.len || memchr(text.ptr, '\0', text.len))
        return wrong(why, at_line(1), "it is not UTF-8 text");
    while (text.len > 0 && (text.ptr[0] == '\n' || text.ptr[0] == '\r'))
        text = span_make(text.ptr + 1, text.len - 1);
    if (text.len > SKILL_TEXT_MAX)
        return wrong(why, at_line(1), "its text is larger than %d KiB; put parts of it into files beside it",
                     SKILL_TEXT_MAX >> 10);
    ret->text = arena_copy(arena, text.ptr, text.len);
    return ret->text || wrong(why, at_line(1), "no memory");
}

bool skill_parse(struct span bytes, struct arena *arena, struct skill_file *ret, struct skill_problem *why)
{
    struct span yaml = { 0 }, text = { 0 };
    const struct tree *map = NULL;

    *ret = (struct skill_file){ 0 };
    if (bytes.len > SKILL_FILE_MAX)
        return wrong(why, at_line(1), "it is larger than %d KiB", SKILL_FILE_MAX >> 10);
    if (span_starts(bytes, "\xef\xbb\xbf"))
        bytes = span_make(bytes.ptr + 3, bytes.len - 3);
    return split(bytes, &yaml, &text, why) && parse_yaml(yaml, arena, &map, why) &&
           take_keys(map, arena, ret, why) && take_text(text, arena, ret, why);
}
