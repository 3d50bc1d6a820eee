/* SPDX-License-Identifier: MIT */
/* Is a schema within what the API accepts for a strict answer. */
#include "core/base/json_schema.h"

#include "core/base/regexp.h"
#include "core/base/table.h"
#include "core/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

#define PROPERTIES_MAX  5000
#define LEVELS_MAX      10
#define DEPTH_MAX       100 /* of our own calls */
#define VALUES_MAX      1000
#define CHARS_MAX       120000
#define LONG_ENUM       250
#define LONG_ENUM_CHARS 15000
#define PROBLEMS_MAX    20
#define LOOKS_MAX       100000 /* at references, when looking for one without end */

enum { ON_OBJECT = 1, ON_ARRAY = 2, ON_STRING = 4, ON_NUMBER = 8, ON_ANY = 16, ON_ROOT = 32 };

static const struct {
    const char *name;
    unsigned on;
} keywords[] = {
    { "type", ON_ANY },
    { "enum", ON_ANY },
    { "const", ON_ANY },
    { "anyOf", ON_ANY },
    { "$ref", ON_ANY },
    { "title", ON_ANY },
    { "description", ON_ANY },
    { "$defs", ON_ROOT },
    { "definitions", ON_ROOT },
    { "$schema", ON_ROOT },
    { "properties", ON_OBJECT },
    { "required", ON_OBJECT },
    { "items", ON_ARRAY },
    { "additionalProperties", ON_OBJECT },
    { "minItems", ON_ARRAY },
    { "maxItems", ON_ARRAY },
    { "pattern", ON_STRING },
    { "format", ON_STRING },
    { "minimum", ON_NUMBER },
    { "maximum", ON_NUMBER },
    { "multipleOf", ON_NUMBER },
    { "exclusiveMinimum", ON_NUMBER },
    { "exclusiveMaximum", ON_NUMBER },
};

/* What JSON Schema has and the API does not, with what to do instead. */
static const struct {
    const char *name, *hint;
} others[] = {
    { "oneOf", "use anyOf" },
    { "allOf", "write its parts into one schema" },
    { "not", NULL },
    { "if", "use anyOf" },
    { "then", "use anyOf" },
    { "else", "use anyOf" },
    { "dependentRequired", NULL },
    { "dependentSchemas", NULL },
    { "patternProperties", "name each property; or an array of {name, value}" },
    { "propertyNames", NULL },
    { "minProperties", NULL },
    { "maxProperties", NULL },
    { "minLength", "say it with pattern: \"^.{1,80}$\"" },
    { "maxLength", "say it with pattern: \"^.{1,80}$\"" },
    { "uniqueItems", NULL },
    { "contains", NULL },
    { "prefixItems", "use an object with a property for each" },
    { "default", "say it in the description" },
    { "examples", "say it in the description" },
    { "nullable", "type: [string, \"null\"]" },
};

struct check {
    const struct tree *root;
    json_schema_problem_fn *fn;
    void *data;
    size_t problems;
    int64_t properties, values, chars;
    int64_t looks;
    char path[512];
    size_t path_len;
};

static void problem(struct check *c, const struct tree *at, bool at_key, const char *hint, const char *format,
                    ...) __attribute__((format(printf, 5, 6)));

static void problem(struct check *c, const struct tree *at, bool at_key, const char *hint, const char *format,
                    ...)
{
    char text[400];
    va_list ap;

    va_start(ap, format);
    (void) vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (c->problems++ < PROBLEMS_MAX && c->fn)
        c->fn(c->data, at, at_key, c->path, text, hint);
}

static size_t enter(struct check *c, struct span name)
{
    size_t before = c->path_len;

    if (before + name.len + 2 < sizeof(c->path))
        c->path_len +=
            (size_t) snprintf(c->path + before, sizeof(c->path) - before, "/" SPAN_FMT, SPAN_ARG(name));
    return before;
}

static void leave(struct check *c, size_t before)
{
    c->path_len = before;
    c->path[before] = '\0';
}

static void check_node(struct check *c, const struct tree *node, int level, int depth);

static void check_under(struct check *c, struct span name, const struct tree *node, int level, int depth)
{
    size_t before = enter(c, name);

    check_node(c, node, level, depth + 1);
    leave(c, before);
}

/* ---- keywords one by one ---- */

static unsigned kinds_of(const struct tree *type)
{
    static const struct {
        const char *name;
        unsigned on;
    } types[] = { { "object", ON_OBJECT }, { "array", ON_ARRAY },    { "string", ON_STRING },
                  { "number", ON_NUMBER }, { "integer", ON_NUMBER }, { "boolean", ON_ANY },
                  { "null", ON_ANY } };

    for (size_t i = 0; i < FIELD_COUNT_OF(types); i++)
        if (tree_is_string(type, types[i].name))
            return types[i].on;
    return 0;
}

static unsigned check_type(struct check *c, const struct tree *type)
{
    unsigned all = 0;

    if (!type)
        return 0;
    if (type->kind != TREE_ARRAY) {
        all = kinds_of(type);
        if (!all)
            problem(c, type, false, NULL,
                    "not a type: object, array, string, number, integer, boolean, null");
        return all;
    }
    if (!type->child)
        problem(c, type, false, NULL, "a list of types needs one");
    tree_each (one, type) {
        if (!kinds_of(one))
            problem(c, one, false, one->kind == TREE_NULL ? "\"null\"" : NULL,
                    "not a type: object, array, string, number, integer, boolean, null");
        all |= kinds_of(one);
    }
    return all;
}

static void unknown_keyword(struct check *c, const struct tree *member)
{
    const char *names[FIELD_COUNT_OF(keywords)], *near;

    for (size_t i = 0; i < FIELD_COUNT_OF(others); i++)
        if (span_is(member->key, others[i].name)) {
            problem(c, member, true, others[i].hint, "the API does not accept '%s'", others[i].name);
            return;
        }
    for (size_t i = 0; i < FIELD_COUNT_OF(keywords); i++)
        names[i] = keywords[i].name;
    near = table_nearest(member->key, names, FIELD_COUNT_OF(keywords));
    problem(c, member, true, near, "the API does not accept '%.*s'", (int) utf8_cut(member->key, 80),
            member->key.ptr);
}

static void check_keywords(struct check *c, const struct tree *node, unsigned kinds)
{
    tree_each (member, node) {
        size_t i = 0;

        while (i < FIELD_COUNT_OF(keywords) && !span_is(member->key, keywords[i].name))
            i++;
        if (i == FIELD_COUNT_OF(keywords))
            unknown_keyword(c, member);
        else if (keywords[i].on == ON_ROOT && node != c->root)
            problem(c, member, true, NULL, "'%s' belongs to the root of the schema", keywords[i].name);
        else if (kinds && !(keywords[i].on & (kinds | ON_ANY | ON_ROOT)))
            problem(c, member, true, NULL, "'%s' says nothing about this type", keywords[i].name);
        else if ((span_is(member->key, "title") || span_is(member->key, "description") ||
                  span_is(member->key, "$schema")) &&
                 member->kind != TREE_STRING)
            problem(c, member, false, NULL, "must be text");
    }
}

static void count_chars(struct check *c, const struct tree *value)
{
    c->chars += (int64_t) (value->kind == TREE_STRING ? value->text.len : 1);
}

static void check_choices(struct check *c, const struct tree *node)
{
    const struct tree *choices = tree_get(node, "enum"), *only = tree_get(node, "const");
    int64_t before = c->chars, steps = 10000000;

    if (only)
        count_chars(c, only);
    if (!choices)
        return;
    if (choices->kind != TREE_ARRAY || !choices->child) {
        problem(c, choices, false, NULL, "must be a list with at least one value");
        return;
    }
    tree_each (one, choices) {
        count_chars(c, one);
        for (const struct tree *other = one->next; other && steps > 0; other = other->next)
            if (json_schema_equal(one, other, &steps))
                problem(c, other, false, NULL, "this value is in the list already");
    }
    c->values += choices->count;
    if (choices->count > LONG_ENUM && c->chars - before > LONG_ENUM_CHARS)
        problem(c, choices, false, NULL,
                "the API accepts 15,000 characters in an enum of more than 250 values");
}

static bool is_required(const struct tree *required, struct span name)
{
    tree_each (one, required)
        if (one->kind == TREE_STRING && span_equal(one->text, name))
            return true;
    return false;
}

static void check_required(struct check *c, const struct tree *node, const struct tree *properties)
{
    const struct tree *required = tree_get(node, "required");

    if (required && required->kind != TREE_ARRAY) {
        problem(c, required, false, NULL, "must be a list of names");
        return;
    }
    tree_each (one, required)
        if (one->kind != TREE_STRING || !tree_get(properties, one->text.ptr))
            problem(c, one, false, NULL, "there is no such property");
    tree_each (one, properties)
        if (!is_required(required, one->key))
            problem(c, one, true,
                    "list it, and let it be null where it may be absent: type: [string, \"null\"]",
                    "the property '%.80s' must be in 'required': the API demands all of them", one->key.ptr);
}

static void check_object(struct check *c, const struct tree *node, int level, int depth)
{
    const struct tree *more = tree_get(node, "additionalProperties"),
                      *properties = tree_get(node, "properties");
    size_t before;

    if (!more || more->kind != TREE_BOOL || more->is_true)
        problem(c, more ? more : node, false, "additionalProperties: false",
                "the API demands 'additionalProperties: false' of every object");
    if (level >= LEVELS_MAX)
        problem(c, node, false, NULL, "the API accepts %d objects inside each other", LEVELS_MAX);
    if (!properties || properties->kind != TREE_OBJECT) {
        problem(c, properties ? properties : node, false, NULL,
                "an object needs 'properties', a map of schemas");
        return;
    }
    check_required(c, node, properties);
    c->properties += properties->count;
    before = enter(c, span_of("properties"));
    tree_each (one, properties) {
        c->chars += (int64_t) one->key.len;
        check_under(c, one->key, one, level + 1, depth + 1);
    }
    leave(c, before);
}

static void check_count(struct check *c, const struct tree *value)
{
    int64_t number;

    if (value && (!tree_read_int(value, &number) || number < 0))
        problem(c, value, false, NULL, "must be a whole number from 0");
}

static void check_array(struct check *c, const struct tree *node, int level, int depth)
{
    const struct tree *items = tree_get(node, "items");

    check_count(c, tree_get(node, "minItems"));
    check_count(c, tree_get(node, "maxItems"));
    if (!items)
        problem(c, node, false, NULL, "an array needs 'items', a schema");
    else
        check_under(c, span_of("items"), items, level, depth);
}

static void check_string(struct check *c, const struct tree *node)
{
    const struct tree *pattern = tree_get(node, "pattern"), *format = tree_get(node, "format");
    struct arena arena = ARENA_INIT((size_t) 4 * 1024 * 1024);
    const struct regexp *re;
    const char *why;

    if (format && (format->kind != TREE_STRING || json_schema_format(format->text, span_of("")) < 0))
        problem(c, format, false, NULL,
                "not a format: date-time, time, date, duration, email, hostname, ipv4, ipv6, uuid");
    if (!pattern)
        return;
    why = pattern->kind == TREE_STRING ? regexp_compile(pattern->text, &arena, &re) : "is not text";
    if (why)
        problem(c, pattern, false, NULL, "the pattern %s", why);
    arena_done(&arena);
}

static void check_number(struct check *c, const struct tree *node)
{
    static const char *const names[] = { "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
                                         "multipleOf" };

    for (size_t i = 0; i < FIELD_COUNT_OF(names); i++) {
        const struct tree *value = tree_get(node, names[i]);

        if (value && (value->kind != TREE_NUMBER || (i == 4 && tree_double(value, 0) <= 0)))
            problem(c, value, false, NULL, "must be a number%s", i == 4 ? " above 0" : "");
    }
}

/* Does it come back to itself before it says anything of the value? */
static bool is_endless(struct check *c, const struct tree *node, int depth)
{
    const struct tree *ref = tree_get(node, "$ref");

    if (depth > DEPTH_MAX || --c->looks < 0)
        return true;
    if (ref) {
        const struct tree *target = json_schema_target(c->root, tree_span(ref));

        return target && is_endless(c, target, depth + 1);
    }
    tree_each (one, tree_get(node, "anyOf"))
        if (is_endless(c, one, depth + 1))
            return true;
    return false;
}

static void check_ref(struct check *c, const struct tree *node, const struct tree *ref)
{
    if (node == c->root)
        problem(c, ref, false, NULL, "the root must be an object itself");
    else if (ref->kind != TREE_STRING || !json_schema_target(c->root, ref->text))
        problem(c, ref, false, "\"#\" or \"#/$defs/NAME\", with NAME in the root's $defs",
                "refers to nothing");
    else if (node->count > 1)
        problem(c, node, false, "write what belongs to it where it is defined", "'$ref' stands alone");
    else if (is_endless(c, node, 0))
        problem(c, ref, false, NULL, "refers to itself without end");
}

static void check_any(struct check *c, const struct tree *node, int level, int depth)
{
    const struct tree *any = tree_get(node, "anyOf");
    char number[24];
    int i = 0;
    size_t before;

    if (!any)
        return;
    if (node == c->root)
        problem(c, any, true, "put it into a property", "the root must be an object, without 'anyOf'");
    if (any->kind != TREE_ARRAY || !any->child)
        problem(c, any, false, NULL, "must be a list of schemas");
    before = enter(c, span_of("anyOf"));
    if (any->kind == TREE_ARRAY)
        tree_each (one, any) {
            int len = snprintf(number, sizeof(number), "%d", i++);

            check_under(c, span_make(number, (size_t) len), one, level, depth + 1);
        }
    leave(c, before);
}

static void check_node(struct check *c, const struct tree *node, int level, int depth)
{
    const struct tree *ref = tree_get(node, "$ref"), *type = tree_get(node, "type");
    unsigned kinds;

    if (node->kind != TREE_OBJECT) {
        problem(c, node, false, NULL, "a schema is a map");
        return;
    }
    if (depth > DEPTH_MAX || c->problems > PROBLEMS_MAX)
        return;
    if (ref) {
        check_ref(c, node, ref);
        return;
    }
    if (!type && !tree_get(node, "anyOf"))
        problem(c, node, false, NULL, "a schema needs 'type', 'anyOf' or '$ref'");
    kinds = check_type(c, type);
    check_keywords(c, node, kinds);
    check_choices(c, node);
    check_any(c, node, level, depth);
    check_string(c, node);
    check_number(c, node);
    if (kinds & ON_OBJECT)
        check_object(c, node, level, depth);
    if (kinds & ON_ARRAY)
        check_array(c, node, level, depth);
}

static void check_definitions(struct check *c, const char *name)
{
    const struct tree *all = tree_get(c->root, name);
    size_t before;

    if (all && all->kind != TREE_OBJECT)
        problem(c, all, false, NULL, "must be a map of schemas");
    before = enter(c, span_of(name));
    if (all && all->kind == TREE_OBJECT)
        tree_each (one, all) {
            c->chars += (int64_t) one->key.len;
            check_under(c, one->key, one, 0, 0);
        }
    leave(c, before);
}

size_t json_schema_check(const struct tree *schema, json_schema_problem_fn *fn, void *data)
{
    struct check c = { .root = schema, .fn = fn, .data = data, .looks = LOOKS_MAX };

    check_node(&c, schema, 0, 0);
    check_definitions(&c, "$defs");
    check_definitions(&c, "definitions");
    if (schema->kind == TREE_OBJECT && !tree_is_string(tree_get(schema, "type"), "object") &&
        !tree_get(schema, "$ref"))
        problem(&c, schema, false, "put what you want into a property of it",
                "the root must be of type object");
    if (c.properties > PROPERTIES_MAX)
        problem(&c, schema, false, NULL, "the API accepts %d properties, these are %lld", PROPERTIES_MAX,
                (long long) c.properties);
    if (c.values > VALUES_MAX)
        problem(&c, schema, false, NULL, "the API accepts %d enum values, these are %lld", VALUES_MAX,
                (long long) c.values);
    if (c.chars > CHARS_MAX)
        problem(&c, schema, false, NULL, "the API accepts %d characters of names and values, these are %lld",
                CHARS_MAX, (long long) c.chars);
    return c.problems;
}
