/* SPDX-License-Identifier: MIT */
/*
 * JSON Schema 2020-12 from field tables. The strict form keeps to what the
 * Responses API accepts for function tools: no defaults, patterns or ranges,
 * every property required, optional ones nullable.
 */
#include "core/base/table.h"

#include <stdio.h>

#define DESCRIPTION_MAX 1000

#define DECIMAL         "[0-9]+(\\.[0-9]+)?"

/* How a kind looks in JSON. */
static const struct shape {
    const char *type;
    const char *number_type; /* besides text; NULL: only `type` */
    const char *pattern;     /* of the text */
    double scale;            /* of min and max to what a plain number means */
} shapes[] = {
    [FIELD_BOOL] = { "boolean", NULL, NULL, 1 },
    [FIELD_INT] = { "integer", NULL, NULL, 1 },
    [FIELD_NUMBER] = { "number", NULL, NULL, 1 },
    [FIELD_SIZE] = { "string", "number", "^" DECIMAL "([bB]|[kKmMgGtT]([iI]?[bB])?)?$", 1 },
    [FIELD_DURATION] = { "string", "number",
                         "^(" DECIMAL "|(" DECIMAL "[dD])?(" DECIMAL "[hH])?(" DECIMAL "[mM])?(" DECIMAL
                         "[sS])?"
                         "(" DECIMAL "[mM][sS])?)$",
                         1000 },
    [FIELD_COUNT] = { "string", "number", "^" DECIMAL "[kKmMgGbB]?$", 1 },
    [FIELD_MONEY] = { "string", "number", "^" DECIMAL "$", 1000000 },
    [FIELD_MODE] = { "string", "integer", "^([0-7]{1,4}|([r-][w-][x-]){3})$", 0 },
    [FIELD_STRING] = { "string", NULL, NULL, 0 },
    [FIELD_BYTES] = { "string", NULL, NULL, 0 },
    [FIELD_ENUM] = { "string", NULL, NULL, 0 },
    [FIELD_STRINGS] = { "array", NULL, NULL, 0 },
    [FIELD_TABLE] = { "object", NULL, NULL, 0 },
    [FIELD_TABLES] = { "array", NULL, NULL, 0 },
    [FIELD_MAP] = { "object", NULL, NULL, 0 },
    [FIELD_TREE] = { NULL, NULL, NULL, 0 },
    [FIELD_CUSTOM] = { NULL, NULL, NULL, 0 },
};

static void put_type(struct json_writer *w, const char *type, const char *other, bool is_nullable)
{
    json_key(w, "type");
    if (!other && !is_nullable) {
        json_string(w, type);
        return;
    }
    json_array(w);
    json_string(w, type);
    if (other)
        json_string(w, other);
    if (is_nullable)
        json_string(w, "null");
    json_array_end(w);
}

static void put_names(struct json_writer *w, const char *const *names, bool is_nullable)
{
    json_key(w, "enum");
    json_array(w);
    for (; *names; names++)
        json_string(w, *names);
    if (is_nullable)
        json_null(w);
    json_array_end(w);
}

/* A bound that is none is left out. */
static void put_bound(struct json_writer *w, const char *name, int64_t value, int64_t none, double scale)
{
    if (value == none)
        return;
    if (scale > 1)
        json_put_double(w, name, (double) value / scale);
    else
        json_put_int(w, name, value);
}

static void put_range(struct json_writer *w, const struct field *field)
{
    double scale = shapes[field->kind].scale;

    if (field->min == 0 && field->max == 0)
        return;
    switch (field->kind) {
    case FIELD_STRING:
    case FIELD_BYTES:
        put_bound(w, "minLength", field->min > 0, 0, 1); /* ours count bytes, these characters */
        put_bound(w, "maxLength", field->max, INT64_MAX, 1);
        return;
    case FIELD_STRINGS:
    case FIELD_TABLES:
        put_bound(w, "minItems", field->min, 0, 1);
        put_bound(w, "maxItems", field->max, INT64_MAX, 1);
        return;
    case FIELD_MAP:
        put_bound(w, "minProperties", field->min, 0, 1);
        put_bound(w, "maxProperties", field->max, INT64_MAX, 1);
        return;
    default:
        if (scale == 0)
            return;
        put_bound(w, "minimum", field->min, INT64_MIN, scale);
        put_bound(w, "maximum", field->max, INT64_MAX, scale);
    }
}

/* Help text, and what the strict form has no keyword for. */
static void put_description(struct json_writer *w, const struct field *field, bool is_strict)
{
    const char *help = field->help ? field->help : field->sub ? field->sub->help : NULL;
    char text[DESCRIPTION_MAX];
    int used;

    if (field->flags & FIELD_LATER) {
        snprintf(text, sizeof(text), "Not supported yet.%s%s", help ? " " : "", help ? help : "");
        json_put_string(w, "description", text);
        return;
    }
    if (!is_strict || !field->fallback) {
        if (help)
            json_put_string(w, "description", help);
        return;
    }
    used = snprintf(text, sizeof(text), "%s%s", help ? help : "", help ? " " : "");
    if (used >= 0 && (size_t) used < sizeof(text))
        snprintf(text + used, sizeof(text) - (size_t) used, "Default: %s.", field->fallback);
    json_put_string(w, "description", text);
}

static void put_sub(struct json_writer *w, const struct table *sub, bool is_strict)
{
    json_object(w);
    table_schema_members(sub, is_strict, w);
    json_object_end(w);
}

static void put_text_items(struct json_writer *w)
{
    json_key(w, "items");
    json_object(w);
    json_put_string(w, "type", "string");
    json_object_end(w);
}

static void put_sub_members(struct json_writer *w, const struct table *sub, bool is_strict);

/* The members of a field's schema that come from its kind. */
static void put_kind(struct json_writer *w, const struct field *field, bool is_strict, bool is_nullable)
{
    const struct shape *shape = &shapes[field->kind];

    if (shape->type)
        put_type(w, shape->type, shape->number_type, is_nullable);
    if (shape->pattern && !is_strict)
        json_put_string(w, "pattern", shape->pattern);
    if (field->kind == FIELD_ENUM) {
        put_names(w, field->names, is_nullable);
    } else if (field->kind == FIELD_STRINGS) {
        put_text_items(w);
    } else if (field->kind == FIELD_TABLES) {
        json_key(w, "items");
        put_sub(w, field->sub, is_strict);
    } else if (field->kind == FIELD_MAP) {
        json_key(w, "additionalProperties");
        put_sub(w, field->sub, is_strict);
    } else if (field->kind == FIELD_TABLE) {
        put_sub_members(w, field->sub, is_strict);
    }
    if (!is_strict)
        put_range(w, field);
}

static void put_examples(struct json_writer *w, const struct field *field)
{
    if (field->fallback)
        json_put_raw(w, "default", span_of(field->fallback));
    if (!field->example)
        return;
    json_key(w, "examples");
    json_array(w);
    json_raw(w, span_of(field->example));
    json_array_end(w);
}

static void put_custom(struct json_writer *w, const struct field *field)
{
    json_key(w, "allOf");
    json_array(w);
    field->schema(w, field);
    json_array_end(w);
}

static void put_field(struct json_writer *w, const struct field *field, bool is_strict)
{
    bool is_nullable = is_strict ? !(field->flags & FIELD_REQUIRED) : (field->flags & FIELD_NULLABLE) != 0;
    bool is_later = (field->flags & FIELD_LATER) != 0;

    json_key(w, field->name);
    if (is_strict && field->kind == FIELD_CUSTOM && field->schema) {
        field->schema(w, field); /* the strict form has no allOf to put it under */
        return;
    }
    json_object(w);
    put_description(w, field, is_strict);
    if (!is_later && field->kind == FIELD_CUSTOM && field->schema)
        put_custom(w, field);
    else if (!is_later)
        put_kind(w, field, is_strict, is_nullable);
    if (!is_later && !is_strict)
        put_examples(w, field);
    json_object_end(w);
}

static bool is_shown(const struct field *field, bool is_strict)
{
    return !(is_strict && field->flags & FIELD_LATER);
}

/* Everything of an object's schema but its type and description. A failed writer ends the recursion of a
 * table that holds itself. */
static void put_sub_members(struct json_writer *w, const struct table *table, bool is_strict)
{
    json_key(w, "properties");
    json_object(w);
    for (size_t i = 0; i < table->count && w->failed == 0; i++) {
        if (is_shown(&table->fields[i], is_strict))
            put_field(w, &table->fields[i], is_strict);
    }
    json_object_end(w);
    json_key(w, "required");
    json_array(w);
    for (size_t i = 0; i < table->count; i++) {
        if (is_shown(&table->fields[i], is_strict) && (is_strict || table->fields[i].flags & FIELD_REQUIRED))
            json_string(w, table->fields[i].name);
    }
    json_array_end(w);
    if (is_strict || !table->is_tolerant)
        json_put_bool(w, "additionalProperties", false);
}

void table_schema_members(const struct table *table, bool is_strict, struct json_writer *w)
{
    json_put_string(w, "type", "object");
    if (table->help)
        json_put_string(w, "description", table->help);
    put_sub_members(w, table, is_strict);
}

void table_schema(const struct table *table, bool is_strict, struct json_writer *w)
{
    json_object(w);
    table_schema_members(table, is_strict, w);
    json_object_end(w);
}
