/* SPDX-License-Identifier: MIT */
/* Does a value fit a schema of the strict kind. */
#include "core/base/json_schema.h"

#include "core/base/glyph.h"
#include "core/base/json.h"
#include "core/base/regexp.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS_MAX  20000000
#define LEVELS_MAX (2 * JSON_DEPTH_MAX + 200) /* of our own calls: values, and references between them */
#define REGEXP_MAX ((size_t) 4 * 1024 * 1024)

enum {
    COMPILED_MAX = 16, /* patterns held at once: lists have the same ones again and again */
    COMPILE_STEPS =
        20000 /* what one may cost, whatever its length: it can grow to REGEXP_CODE_MAX instructions */
};

struct compiled {
    const struct tree *pattern;
    const struct regexp *re; /* NULL: it is none */
    struct arena arena;
};

struct fit {
    const struct tree *root;
    struct compiled compiled[COMPILED_MAX];
    size_t compiled_count; /* so far; the place of the next goes round */
    int64_t steps;
    int level;
    size_t path_len;
    struct json_violation now, *ret;
};

/* ---- numbers ---- */

static long double number_of(const struct tree *t)
{
    return strtold(t->text.ptr, NULL);
}

static bool is_whole(long double x)
{
    /* beyond that there are no fractions */
    return x >= 9.2e18L || x <= -9.2e18L || x == (long double) (int64_t) x;
}

bool json_schema_is_integer(const struct tree *number)
{
    int64_t value;

    return tree_read_int(number, &value) || is_whole(number_of(number));
}

static bool is_multiple(const struct tree *value, const struct tree *of)
{
    long double quotient = number_of(value) / number_of(of), off;
    int64_t a, b;

    if (tree_read_int(value, &a) && tree_read_int(of, &b) && b > 0)
        return a % b == 0;
    if (quotient > 9e15L || quotient < -9e15L)
        return is_whole(quotient);
    off = quotient - (long double) (int64_t) (quotient + (quotient < 0 ? -0.5L : 0.5L));
    return off < 1e-9L && off > -1e-9L; /* 0.3 is a multiple of 0.1, whatever binary makes of them */
}

/* ---- equality ---- */

static bool equal_children(const struct tree *a, const struct tree *b, int64_t *steps)
{
    const struct tree *other = b->child;

    if (a->count != b->count)
        return false;
    tree_each (one, a) {
        if (a->kind == TREE_OBJECT)
            for (other = b->child; other && !span_equal(other->key, one->key); other = other->next)
                --*steps;
        if (!other || *steps <= 0 || !json_schema_equal(one, other, steps))
            return false;
        other = other->next;
    }
    return true;
}

bool json_schema_equal(const struct tree *a, const struct tree *b, int64_t *steps)
{
    int64_t x, y;

    --*steps;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case TREE_NULL:
        return true;
    case TREE_BOOL:
        return a->is_true == b->is_true;
    case TREE_NUMBER:
        if (tree_read_int(a, &x) && tree_read_int(b, &y))
            return x == y;
        return number_of(a) == number_of(b);
    case TREE_STRING:
        *steps -= (int64_t) (a->text.len / 64);
        return span_equal(a->text, b->text);
    default:
        return equal_children(a, b, steps);
    }
}

/* ---- where we are, and what is wrong there ---- */

static size_t enter(struct fit *f, struct span key)
{
    size_t before = f->path_len;
    char *path = f->now.path;

    for (size_t i = 0; i <= key.len && f->path_len + 3 < sizeof(f->now.path); i++) {
        char c = i == 0 ? '/' : key.ptr[i - 1];

        if (i > 0 && (c == '~' || c == '/')) {
            path[f->path_len++] = '~';
            c = c == '~' ? '0' : '1';
        }
        path[f->path_len++] = c ? c : '?';
    }
    path[f->path_len] = '\0';
    return before;
}

static void leave(struct fit *f, size_t before)
{
    f->path_len = before;
    f->now.path[before] = '\0';
}

static bool violated(struct fit *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool violated(struct fit *f, const char *format, ...)
{
    va_list ap;

    *f->ret = f->now;
    va_start(ap, format);
    (void) vsnprintf(f->ret->text, sizeof(f->ret->text), format, ap);
    va_end(ap);
    return false;
}

static const char *kind_word(const struct tree *t)
{
    static const char *const words[] = {
        "null", "a boolean", "a number", "a string", "an array", "an object"
    };

    return words[t->kind];
}

/* A value as JSON, when it is short; else its kind. */
static const char *show(const struct tree *t, char *out, size_t size)
{
    struct buf text = BUF_INIT(256);
    struct json_writer w;

    json_begin(&w, &text);
    json_tree(&w, t);
    if (json_end(&w, NULL) < 0 || text.len > 120)
        (void) snprintf(out, size, "%s", kind_word(t));
    else
        (void) snprintf(out, size, "%s", buf_text(&text));
    buf_done(&text);
    return out;
}

/* ---- keywords ---- */

static bool fits(struct fit *f, const struct tree *schema, const struct tree *value);

static bool is_type(const struct tree *value, struct span type)
{
    static const char *const names[] = { "null", "boolean", "number", "string", "array", "object" };

    return span_is(type, names[value->kind]) ||
           (value->kind == TREE_NUMBER && span_is(type, "integer") && json_schema_is_integer(value));
}

static bool fits_type(struct fit *f, const struct tree *type, const struct tree *value)
{
    char names[128] = "", shown[160];
    size_t len = 0;

    if (!type)
        return true;
    if (type->kind == TREE_STRING)
        return is_type(value, type->text) ||
               violated(f, "expected type " SPAN_FMT ", got %s", SPAN_ARG(type->text),
                        show(value, shown, sizeof(shown)));
    tree_each (one, type) {
        if (is_type(value, one->text))
            return true;
        if (len + one->text.len + 5 < sizeof(names))
            len += (size_t) snprintf(names + len, sizeof(names) - len, "%s" SPAN_FMT, len ? " or " : "",
                                     SPAN_ARG(one->text));
    }
    return violated(f, "expected type %s, got %s", names, show(value, shown, sizeof(shown)));
}

static bool fits_choice(struct fit *f, const struct tree *schema, const struct tree *value)
{
    const struct tree *choices = tree_get(schema, "enum"), *only = tree_get(schema, "const");
    char wanted[160], got[160];

    if (only && !json_schema_equal(only, value, &f->steps))
        return violated(f, "expected %s, got %s", show(only, wanted, sizeof(wanted)),
                        show(value, got, sizeof(got)));
    if (!choices)
        return true;
    tree_each (one, choices)
        if (json_schema_equal(one, value, &f->steps))
            return true;
    return violated(f, "expected one of %s, got %s", show(choices, wanted, sizeof(wanted)),
                    show(value, got, sizeof(got)));
}

static bool fits_number(struct fit *f, const struct tree *schema, const struct tree *value)
{
    static const struct {
        const char *name, *text;
        int sign;
        bool is_open;
    } bounds[] = { { "minimum", "at least", -1, false },
                   { "maximum", "at most", 1, false },
                   { "exclusiveMinimum", "more than", -1, true },
                   { "exclusiveMaximum", "less than", 1, true } };
    const struct tree *of = tree_get(schema, "multipleOf");
    long double x = number_of(value);

    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        const struct tree *bound = tree_get(schema, bounds[i].name);
        long double over = bound ? (x - number_of(bound)) * (long double) bounds[i].sign : -1;

        if (over > 0 || (over == 0 && bounds[i].is_open))
            return violated(f, "expected %s %.60s, got %.60s", bounds[i].text, bound->text.ptr,
                            value->text.ptr);
    }
    return !of || is_multiple(value, of) ||
           violated(f, "expected a multiple of %.60s, got %.60s", of->text.ptr, value->text.ptr);
}

static const struct regexp *compiled(struct fit *f, const struct tree *pattern)
{
    struct compiled *c = &f->compiled[f->compiled_count % COMPILED_MAX];

    for (size_t i = 0; i < f->compiled_count && i < COMPILED_MAX; i++)
        if (f->compiled[i].pattern == pattern)
            return f->compiled[i].re;
    if (f->compiled_count++ >= COMPILED_MAX)
        arena_done(&c->arena);
    *c = (struct compiled){ .pattern = pattern, .arena = ARENA_INIT(REGEXP_MAX) };
    f->steps -= COMPILE_STEPS;
    if (regexp_compile(pattern->text, &c->arena, &c->re))
        c->re = NULL;
    return c->re;
}

static bool fits_string(struct fit *f, const struct tree *schema, const struct tree *value)
{
    const struct tree *pattern = tree_get(schema, "pattern"), *format = tree_get(schema, "format");
    const struct regexp *re;
    char got[160];
    int r = 1;

    if (format && json_schema_format(format->text, value->text) == 0)
        return violated(f, "expected a string of format " SPAN_FMT ", got %s", SPAN_ARG(format->text),
                        show(value, got, sizeof(got)));
    if (!pattern)
        return true;
    re = compiled(f, pattern);
    if (re)
        r = regexp_search(re, value->text, &f->steps);
    return r > 0 || violated(f, "expected a string that matches %.*s, got %s",
                             pattern->text.len < 200 ? (int) pattern->text.len : 200, pattern->text.ptr,
                             show(value, got, sizeof(got)));
}

static bool fits_object(struct fit *f, const struct tree *schema, const struct tree *value)
{
    const struct tree *properties = tree_get(schema, "properties");

    f->steps -= (int64_t) value->count * (properties ? properties->count + 1 : 1);
    if (f->steps <= 0)
        return violated(f, "there is too much to check");
    tree_each (wanted, properties)
        if (!tree_get(value, wanted->key.ptr))
            return violated(f, "the property '%.100s' is missing", wanted->key.ptr);
    tree_each (member, value) {
        const struct tree *inner = tree_get(properties, member->key.ptr);
        size_t before;
        bool is_fine;

        if (!inner || strlen(member->key.ptr) != member->key.len)
            return violated(f, "the property '%.100s' is not allowed", member->key.ptr);
        before = enter(f, member->key);
        is_fine = fits(f, inner, member);
        leave(f, before);
        if (!is_fine)
            return false;
    }
    return true;
}

static bool fits_array(struct fit *f, const struct tree *schema, const struct tree *value)
{
    const struct tree *items = tree_get(schema, "items");
    int64_t least = tree_int(tree_get(schema, "minItems"), 0);
    int64_t most = tree_int(tree_get(schema, "maxItems"), INT64_MAX);
    char number[24];
    uint32_t i = 0;

    if (value->count < least)
        return violated(f, "expected at least %lld items, got %u", (long long) least, value->count);
    if (value->count > most)
        return violated(f, "expected at most %lld items, got %u", (long long) most, value->count);
    tree_each (item, value) {
        int len = snprintf(number, sizeof(number), "%u", i++);
        size_t before = enter(f, span_make(number, (size_t) len));
        bool is_fine = !items || fits(f, items, item);

        leave(f, before);
        if (!is_fine)
            return false;
    }
    return true;
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;

    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

/* Of what is wrong with each of them, that which comes furthest is told: most likely it was meant. */
static bool fits_any(struct fit *f, const struct tree *choices, const struct tree *value)
{
    struct json_violation best = { .path = "" }, *ret = f->ret;
    bool is_first = true, is_fine = false;

    tree_each (one, choices) {
        struct json_violation why = { .path = "" };

        f->ret = &why;
        is_fine = fits(f, one, value);
        if (is_fine || f->steps <= 0)
            break;
        if (is_first || depth_of(why.path) > depth_of(best.path))
            best = why;
        is_first = false;
    }
    f->ret = ret;
    if (f->steps <= 0)
        return violated(f, "there is too much to check");
    if (!is_fine && choices->count > 1 && strcmp(best.path, f->now.path) == 0)
        return violated(f, "fits none of the %u alternatives; of one of them: %.380s", choices->count,
                        best.text);
    if (!is_fine)
        *ret = best;
    return is_fine;
}

static bool fits_here(struct fit *f, const struct tree *schema, const struct tree *value)
{
    const struct tree *ref = tree_get(schema, "$ref"), *any = tree_get(schema, "anyOf");

    if (ref) {
        const struct tree *target = json_schema_target(f->root, ref->text);

        return target ? fits(f, target, value) : violated(f, "the schema refers to nothing");
    }
    if (!fits_type(f, tree_get(schema, "type"), value) || !fits_choice(f, schema, value))
        return false;
    if (any && !fits_any(f, any, value))
        return false;
    return value->kind == TREE_NUMBER                                     ? fits_number(f, schema, value)
           : value->kind == TREE_STRING                                   ? fits_string(f, schema, value)
           : value->kind == TREE_ARRAY                                    ? fits_array(f, schema, value)
           : value->kind == TREE_OBJECT && tree_get(schema, "properties") ? fits_object(f, schema, value)
                                                                          : true;
}

static bool fits(struct fit *f, const struct tree *schema, const struct tree *value)
{
    bool is_fine;

    f->steps -= 16;
    if (f->steps <= 0 || f->level >= LEVELS_MAX)
        return violated(f, "there is too much to check");
    f->level++;
    is_fine = fits_here(f, schema, value);
    f->level--;
    if (is_fine && f->steps <= 0)
        return violated(f, "there is too much to check");
    return is_fine;
}

bool json_schema_fits(const struct tree *schema, const struct tree *value, struct json_violation *ret)
{
    struct fit f = { .root = schema, .steps = STEPS_MAX, .ret = ret };
    bool is_fine;

    memset(ret, 0, sizeof(*ret));
    is_fine = fits(&f, schema, value);
    for (size_t i = 0; i < f.compiled_count && i < COMPILED_MAX; i++)
        arena_done(&f.compiled[i].arena);
    return is_fine;
}

const struct tree *json_schema_target(const struct tree *root, struct span ref)
{
    static const char *const folders[] = { "$defs", "definitions" };

    if (span_is(ref, "#"))
        return root;
    for (size_t i = 0; i < 2; i++) {
        size_t skip = 3 + strlen(folders[i]);
        struct span name = span_make(ref.ptr + skip, ref.len - skip);

        if (!span_starts(ref, "#/") || !span_starts(span_make(ref.ptr + 2, ref.len - 2), folders[i]) ||
            ref.len <= skip || ref.ptr[skip - 1] != '/')
            continue;
        tree_each (one, tree_get(root, folders[i]))
            if (span_equal(one->key, name))
                return one;
    }
    return NULL;
}
