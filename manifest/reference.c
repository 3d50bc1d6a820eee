/* SPDX-License-Identifier: MIT */
/* Field tables to Markdown. */
#include "manifest/reference.h"

#include "core/base/err.h"
#include "core/base/units.h"
#include "manifest/agents.h"
#include "manifest/container.h"
#include "manifest/entry.h"
#include "manifest/grammar.h"
#include "manifest/kinds.h"
#include "manifest/mcp.h"
#include "manifest/memory.h"
#include "manifest/scan.h"

#include <stdio.h>

#define PATH_MAX_TEXT 128

static void put_cell(struct buf *out, const char *text)
{
    for (; text && *text; text++) {
        if (*text == '|')
            (void) buf_add_char(out, '\\');
        (void) buf_add_char(out, *text);
    }
}

static void put_names(struct buf *out, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        (void) buf_printf(out, "%s`%s`", i > 0 ? ", " : "", names[i]);
}

static const char *bound(const struct field *field, int64_t value, char text[32])
{
    switch (field->kind) {
    case FIELD_SIZE:
        return units_format_size(text, value);
    case FIELD_DURATION:
        return units_format_duration(text, value);
    default:
        (void) snprintf(text, 32, "%lld", (long long) value);
        return text;
    }
}

static void put_range(struct buf *out, const struct field *field)
{
    char min[32], max[32];

    if (field->min == 0 && field->max == 0)
        return;
    if (field->max == INT64_MAX)
        (void) buf_printf(out, ", from %s", bound(field, field->min, min));
    else
        (void) buf_printf(out, ", %s to %s", bound(field, field->min, min), bound(field, field->max, max));
}

static void put_kind(struct buf *out, const struct field *field)
{
    static const char *const words[] = {
        [FIELD_BOOL] = "true or false",
        [FIELD_INT] = "number",
        [FIELD_NUMBER] = "number",
        [FIELD_SIZE] = "size",
        [FIELD_DURATION] = "duration",
        [FIELD_COUNT] = "number",
        [FIELD_MONEY] = "USD",
        [FIELD_MODE] = "permissions",
        [FIELD_STRING] = "text",
        [FIELD_BYTES] = "text",
        [FIELD_STRINGS] = "list of text",
        [FIELD_TABLE] = "map, see below",
        [FIELD_TABLES] = "list, see below",
        [FIELD_MAP] = "map by name, see below",
        [FIELD_TREE] = "any",
    };

    if (field->kind == FIELD_ENUM)
        put_names(out, field->names);
    else
        (void) buf_add_text(out, field->kind == FIELD_CUSTOM ? kind_word(field) : words[field->kind]);
    if (field->kind == FIELD_INT || field->kind == FIELD_SIZE || field->kind == FIELD_DURATION ||
        field->kind == FIELD_COUNT)
        put_range(out, field);
}

static void put_row(struct buf *out, const struct field *field)
{
    (void) buf_printf(out, "| `%s` | ", field->name);
    put_kind(out, field);
    (void) buf_add_text(out, " | ");
    if (field->flags & FIELD_REQUIRED)
        (void) buf_add_text(out, "required");
    else if (field->fallback && strcmp(field->fallback, "\"\"") != 0)
        (void) buf_printf(out, "`%s`", field->fallback);
    (void) buf_add_text(out, " | ");
    put_cell(out, field->help ? field->help : field->sub ? field->sub->help : "");
    if (field->example) {
        (void) buf_add_text(out, " Example: `");
        put_cell(out, field->example);
        (void) buf_add_text(out, "`");
    }
    (void) buf_add_text(out, " |\n");
}

static void put_later(struct buf *out, const struct table *table)
{
    bool is_first = true;

    for (size_t i = 0; i < table->count; i++) {
        if (!(table->fields[i].flags & FIELD_LATER))
            continue;
        (void) buf_printf(out, "%s`%s`", is_first ? "\nNot supported yet: " : ", ", table->fields[i].name);
        is_first = false;
    }
    if (!is_first)
        (void) buf_add_text(out, ".\n");
}

/* One section. */
static void put_rows(struct buf *out, const struct table *table, const char *path)
{
    (void) buf_printf(out, "### `%s`\n\n%s\n\n", path, table->help);
    (void) buf_add_text(out, "| key | value | default | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < table->count; i++)
        if (!(table->fields[i].flags & FIELD_LATER))
            put_row(out, &table->fields[i]);
    put_later(out, table);
    (void) buf_add_char(out, '\n');
}

/* Sections nest as the tables do; no table holds itself. */
static void put_table(struct buf *out, const struct table *table, const char *path)
{
    put_rows(out, table, path);
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        bool is_top = table == &manifest_table;
        char name[PATH_MAX_TEXT];

        if (!field->sub)
            continue;
        (void) snprintf(name, sizeof(name), "%s%s%s%s", is_top ? "" : path, is_top ? "" : ".", field->name,
                        field->kind == FIELD_TABLES ? "[]"
                        : field->kind == FIELD_MAP  ? ".NAME"
                                                    : "");
        put_table(out, field->sub, name);
    }
}

int reference_write(struct buf *out)
{
    (void) buf_add_text(
        out, "Sizes: `512m`, `1g`, `64KiB`. Durations: `250ms`, `30s`, `10m`, `1h30m`. Numbers: `500`, `2m` "
             "(million). Plain numbers are bytes, seconds, and what they say.\n"
             "In text values, `${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `${params.x}` are put "
             "in; `$${` is a literal `${`. Relative host paths are relative to the manifest's folder.\n\n");
    put_table(out, &manifest_table, "manifest");
    put_table(out, &manifest_memory_table, "agent.memory");
    put_rows(out, &manifest_container_table, "agent.tools[] {type: container}");
    put_rows(out, &manifest_source_table, "agent.tools[] {from: FILE}");
    put_rows(out, &manifest_tool_test_table, "tool.yaml: tests[]");
    put_rows(out, &manifest_mcp_table, "agent.tools[] {type: mcp}");
    put_table(out, &manifest_agent_tool_table, "agent.tools[] {type: agent}");
    put_table(out, &manifest_scan_table, "sandbox.scan");
    put_table(out, &manifest_secret_table, "secret");
    return out->len < out->max ? 0 : -ERR_TOO_LARGE;
}
