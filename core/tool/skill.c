/* SPDX-License-Identifier: MIT */
#include "core/tool/skill.h"

#include "core/base/units.h"
#include "core/base/utf8.h"

#include <stdio.h>
#include <string.h>

struct skill_args {
    const char *name;
};

static const struct field fields[] = {
    { .name = "name",
      .kind = FIELD_STRING,
      .offset = offsetof(struct skill_args, name),
      .flags = FIELD_REQUIRED,
      .help = "Name of the skill, as the list of skills has it." },
};

static const struct table table = { .name = TOOL_LOAD_SKILL,
                                    .fields = fields,
                                    .count = FIELD_COUNT_OF(fields),
                                    .size = sizeof(struct skill_args),
                                    .is_tolerant = true };

static const struct tool_skill *find(const struct tool_host *host, const char *name)
{
    for (size_t i = 0; i < host->skill_count; i++)
        if (strcmp(host->skills[i].name, name) == 0)
            return &host->skills[i];
    return NULL;
}

static void refuse(struct function *f, const char *name)
{
    size_t len = utf8_cut(span_of(name), 100);

    function_fail(f, "there is no skill '%.*s' here; there are:", (int) len, name);
    for (size_t i = 0; i < f->host->skill_count; i++)
        (void) buf_printf(&f->text, "%s %s", i > 0 ? "," : "", f->host->skills[i].name);
}

static void tell(struct function *f, const struct tool_skill *skill)
{
    struct span text = span_of(skill->text);
    size_t len = utf8_cut(text, (size_t) f->host->output_bytes);
    char size[32];

    if (skill->has_files)
        (void) buf_printf(&f->text, "(Files of this skill: %s/%s/%s)\n\n", f->host->root, TOOL_SKILLS_DIR,
                          skill->name);
    (void) buf_add(&f->text, text.ptr, len);
    if (len < text.len && skill->has_files)
        (void) buf_printf(&f->text, "\n(Cut after %zu of %zu bytes; the whole: %s/%s/%s/SKILL.md)\n", len,
                          text.len, f->host->root, TOOL_SKILLS_DIR, skill->name);
    else if (len < text.len)
        (void) buf_printf(&f->text, "\n(Cut after %zu of %zu bytes)\n", len, text.len);
    snprintf(f->summary, sizeof(f->summary), "%s", units_format_size(size, (int64_t) text.len));
}

static int begin(struct function *f)
{
    const struct tool_skill *skill;
    struct skill_args args = { 0 };

    if (!function_args(f, &table, &args))
        return 0;
    skill = find(f->host, args.name);
    if (skill)
        tell(f, skill);
    else
        refuse(f, args.name);
    return 0;
}

static int start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                 struct tool_run **ret, struct err *err)
{
    return function_start(sizeof(struct function), begin, host, call, fn, data, ret, err);
}

static void describe(struct json_writer *w, enum tool_style style)
{
    (void) style;
    function_describe(w, TOOL_LOAD_SKILL, "Gives the text of a skill: how to do what it is for.", &table);
}

static bool owns(const struct tree *item)
{
    return function_is(item, TOOL_LOAD_SKILL);
}

static void title(const struct tree *item, char *out, size_t size)
{
    function_title(item, "skill", "name", out, size);
}

const struct tool_ops skill_tool = {
    .name = TOOL_LOAD_SKILL,
    .describe = describe,
    .owns = owns,
    .title = title,
    .start = start,
};
