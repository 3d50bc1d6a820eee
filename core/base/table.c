/* SPDX-License-Identifier: MIT */
/* Field tables: the walk over objects and lists, and the reporting. Single values are in table_scalar.c. */
#include "core/base/table.h"

#include "core/base/table_scalar.h"
#include "core/base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_MAX 768
#define NAMES_MAX   96 /* rows of one table that are looked at for "did you mean" */
#define WORD_MAX    40 /* longer words are not typos of ours */

size_t table_enter(struct table_ctx *ctx, struct span name)
{
    size_t mark = strlen(ctx->path), room = sizeof(ctx->path) - mark;
    size_t keep = utf8_cut(name, room > 2 ? room - 2 : 0);

    if (keep > 0)
        snprintf(ctx->path + mark, room, "%s" SPAN_FMT, mark > 0 ? "." : "", (int) keep, name.ptr);
    return mark;
}

void table_leave(struct table_ctx *ctx, size_t mark)
{
    ctx->path[mark] = '\0';
}

/* Names and values in messages come from outside: no control characters on anybody's terminal. */
static void make_printable(char *text)
{
    for (; *text; text++) {
        if ((unsigned char) *text < 0x20 || *text == 0x7F)
            *text = '?';
    }
}

__attribute__((format(printf, 4, 0))) static void report(struct table_ctx *ctx, struct tree_pos pos,
                                                         const char *hint, const char *format, va_list ap)
{
    char message[MESSAGE_MAX];

    vsnprintf(message, sizeof(message), format, ap);
    message[utf8_valid(span_of(message))] = '\0'; /* a cut may have split a character */
    make_printable(message);
    ctx->problems++;
    if (ctx->problem)
        ctx->problem(ctx->data, pos, ctx->path, message, hint);
}

void table_problem(struct table_ctx *ctx, const struct tree *at, const char *hint, const char *format, ...)
{
    struct tree_pos pos = at ? at->pos : (struct tree_pos){ 0, 0 };
    va_list ap;

    va_start(ap, format);
    report(ctx, pos, hint, format, ap);
    va_end(ap);
}

/* About the key, not its value. */
__attribute__((format(printf, 4, 5))) static void key_problem(struct table_ctx *ctx,
                                                              const struct tree *member, const char *hint,
                                                              const char *format, ...)
{
    struct tree_pos pos = member->key_pos.line > 0 ? member->key_pos : member->pos;
    va_list ap;

    va_start(ap, format);
    report(ctx, pos, hint, format, ap);
    va_end(ap);
}

void table_wrong(struct table_ctx *ctx, const struct tree *value, const char *what)
{
    size_t len = utf8_cut(value->text, WORD_MAX);
    const char *dots = len < value->text.len ? "..." : "";

    if (value->kind == TREE_NULL)
        table_problem(ctx, value, NULL, "expected %s, got nothing", what);
    else if (value->kind == TREE_ARRAY)
        table_problem(ctx, value, NULL, "expected %s, got a list", what);
    else if (value->kind == TREE_OBJECT)
        table_problem(ctx, value, NULL, "expected %s, got keys and values", what);
    else if (value->kind == TREE_BOOL)
        table_problem(ctx, value, NULL, "expected %s, got %s", what, value->is_true ? "true" : "false");
    else if (value->kind == TREE_NUMBER)
        table_problem(ctx, value, NULL, "expected %s, got the number " SPAN_FMT "%s", what, (int) len,
                      value->text.ptr, dots);
    else
        table_problem(ctx, value, NULL, "expected %s, got '" SPAN_FMT "%s'", what, (int) len, value->text.ptr,
                      dots);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Edits from a to b: insert, delete, replace, or swap of neighbours; capitals do not count. */
static size_t edit_distance(struct span a, struct span b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *free_row = before;

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = lower(a.ptr[i - 1]), y = lower(b.ptr[j - 1]);

            row[j] = smallest(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b.ptr[j - 2]) && y == lower(a.ptr[i - 2]) &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        before = last;
        last = row;
        row = free_row;
    }
    return last[b.len];
}

/* Of two names equally far: letters are left out more often than they are doubled or mistaken. */
static bool is_likelier(const char *name, const char *than)
{
    size_t a = strlen(name), b = strlen(than);

    return a != b ? a > b : strcmp(name, than) < 0;
}

const char *table_nearest(struct span word, const char *const *names, size_t count)
{
    size_t best = word.len > 4 ? 2 : word.len > 1 ? 1 : 0;
    const char *found = NULL;

    if (word.len > WORD_MAX || best == 0)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct span name = span_of(names[i]);
        size_t distance = name.len <= WORD_MAX ? edit_distance(word, name) : SIZE_MAX;

        /* a name that would be replaced altogether is not meant */
        if (distance > best || distance >= name.len ||
            (found && distance == best && !is_likelier(names[i], found)))
            continue;
        best = distance;
        found = names[i];
    }
    return found;
}

static const struct field *find_field(const struct table *table, struct span name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (span_is(name, table->fields[i].name))
            return &table->fields[i];
    }
    return NULL;
}

static void report_unknown(struct table_ctx *ctx, const struct table *table, const struct tree *member)
{
    const char *names[NAMES_MAX], *near;
    size_t count = 0, len = utf8_cut(member->key, 2 * WORD_MAX);
    char hint[128];

    for (size_t i = 0; i < table->count && count < NAMES_MAX; i++) {
        if (!(table->fields[i].flags & FIELD_LATER))
            names[count++] = table->fields[i].name;
    }
    near = table_nearest(member->key, names, count);
    if (near)
        snprintf(hint, sizeof(hint), "did you mean '%s'?", near);
    key_problem(ctx, member, near ? hint : NULL, "unknown key '" SPAN_FMT "'", (int) len, member->key.ptr);
}

static int decode_field(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                        void *out);

/* An element of a list or map, as a struct at `out`. */
static int decode_element(struct table_ctx *ctx, const struct table *sub, const struct tree *value, void *out)
{
    int r = table_decode(sub, value, out, ctx);

    return r < 0 ? r : 0;
}

static bool is_count_fine(struct table_ctx *ctx, const struct field *field, const struct tree *value)
{
    long long count = value->count, min = (long long) field->min, max = (long long) field->max;

    if ((min == 0 && max == 0) || (count >= min && count <= max))
        return true;
    if (count == 0)
        table_problem(ctx, value, NULL, "must not be empty");
    else if (count > max)
        table_problem(ctx, value, NULL, "has %lld entries, at most %lld are possible", count, max);
    else
        table_problem(ctx, value, NULL, "has %lld entries, at least %lld are needed", count, min);
    return false;
}

/* An array for the children of `value`, one more for a terminator. */
static void *alloc_elements(struct table_ctx *ctx, const struct tree *value, size_t size)
{
    if (size > 0 && value->count >= SIZE_MAX / size - 1)
        return NULL;
    return arena_alloc(ctx->arena, (value->count + (size_t) 1) * size);
}

static size_t enter_index(struct table_ctx *ctx, size_t index)
{
    char text[24];

    snprintf(text, sizeof(text), "%zu", index);
    return table_enter(ctx, span_of(text));
}

static int decode_strings(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                          void *out)
{
    static const struct field element = { .kind = FIELD_STRING };
    const char **items;
    size_t count = 0;

    if (value->kind != TREE_ARRAY) {
        table_wrong(ctx, value, table_kind_text(field->kind));
        return 0;
    }
    if (!is_count_fine(ctx, field, value))
        return 0;
    items = alloc_elements(ctx, value, sizeof(*items));
    if (!items)
        return -ERR_INTERNAL;
    tree_each (item, value) {
        size_t mark = enter_index(ctx, count);
        int r = table_scalar(ctx, &element, item, &items[count]);

        table_leave(ctx, mark);
        if (r < 0)
            return r;
        if (!items[count])
            items[count] = ""; /* had a problem; the list stays one without holes */
        count++;
    }
    *(const char *const **) (void *) ((char *) out + field->offset) = items;
    *(size_t *) (void *) ((char *) out + field->count_offset) = count;
    return 0;
}

/* The member's name into its struct. */
static int set_key(struct table_ctx *ctx, const struct field *field, const struct tree *member, char *element)
{
    char *copy = arena_copy(ctx->arena, member->key.ptr, member->key.len);

    if (!copy)
        return -ERR_INTERNAL;
    if (strlen(copy) != member->key.len)
        key_problem(ctx, member, NULL, "must not contain a NUL byte");
    *(const char **) (void *) (element + field->sub->key_offset) = copy;
    return 0;
}

/* FIELD_TABLES and FIELD_MAP */
static int decode_tables(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                         void *out)
{
    bool is_map = field->kind == FIELD_MAP;
    size_t count = 0;
    char *items;

    if (value->kind != (is_map ? TREE_OBJECT : TREE_ARRAY)) {
        table_wrong(ctx, value, table_kind_text(field->kind));
        return 0;
    }
    if (!is_count_fine(ctx, field, value))
        return 0;
    items = alloc_elements(ctx, value, field->sub->size);
    if (!items)
        return -ERR_INTERNAL;
    tree_each (item, value) {
        char *element = items + count * field->sub->size;
        size_t mark = is_map ? table_enter(ctx, item->key) : enter_index(ctx, count);
        int r = decode_element(ctx, field->sub, item, element);

        if (r == 0 && is_map)
            r = set_key(ctx, field, item, element);
        table_leave(ctx, mark);
        if (r < 0)
            return r;
        count++;
    }
    *(void **) (void *) ((char *) out + field->offset) = items;
    *(size_t *) (void *) ((char *) out + field->count_offset) = count;
    return 0;
}

static int decode_field(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    switch (field->kind) {
    case FIELD_STRINGS:
        return decode_strings(ctx, field, value, out);
    case FIELD_TABLES:
    case FIELD_MAP:
        return decode_tables(ctx, field, value, out);
    case FIELD_TABLE:
        return decode_element(ctx, field->sub, value, (char *) out + field->offset);
    case FIELD_CUSTOM:
        (void) field->decode(ctx, field, value, out); /* it has reported */
        return 0;
    default:
        return table_scalar(ctx, field, value, (char *) out + field->offset);
    }
}

static void set_negative(const struct field *field, void *at)
{
    if (field->kind == FIELD_ENUM)
        *(int *) at = -1;
    else if (field->kind == FIELD_NUMBER)
        *(double *) at = -1;
    else
        *(int64_t *) at = -1;
}

/* The value of a field that is absent. */
static int set_fallback(struct table_ctx *ctx, const struct field *field, void *out)
{
    size_t problems = ctx->problems;
    const struct tree *value;
    int r;

    if (!field->fallback) {
        if (field->flags & FIELD_UNSET_NEG)
            set_negative(field, (char *) out + field->offset);
        return field->kind == FIELD_TABLE
                   ? decode_element(ctx, field->sub, NULL, (char *) out + field->offset)
                   : 0;
    }
    r = json_parse(span_of(field->fallback), ctx->arena, &value, NULL);
    if (r == -ERR_TOO_LARGE || r == -ERR_INTERNAL)
        return -ERR_INTERNAL;
    assert(r == 0); /* the row is ours */
    r = decode_field(ctx, field, value, out);
    assert(r < 0 || ctx->problems == problems);
    (void) problems; /* only looked at by the assertion */
    return r;
}

static int decode_row(const struct table *table, const struct field *field, const struct tree *value,
                      void *out, struct table_ctx *ctx)
{
    const struct tree *member = tree_get(value, field->name);
    bool is_nullable = table->is_tolerant || (field->flags & FIELD_NULLABLE);
    size_t mark;
    int r = 0;

    if (member && field->flags & FIELD_LATER) {
        mark = table_enter(ctx, span_of(field->name));
        key_problem(ctx, member, NULL, "not supported yet: %s", ctx->path);
        table_leave(ctx, mark);
        return 0;
    }
    if (member && member->kind == TREE_NULL && is_nullable)
        member = NULL;
    if (!member && value && field->flags & FIELD_REQUIRED) {
        table_problem(ctx, value, NULL, "missing '%s'", field->name);
        return 0;
    }
    mark = table_enter(ctx, span_of(field->name));
    r = member ? decode_field(ctx, field, member, out) : set_fallback(ctx, field, out);
    table_leave(ctx, mark);
    return r;
}

int table_decode(const struct table *table, const struct tree *value, void *out, struct table_ctx *ctx)
{
    size_t before = ctx->problems;
    int r;

    memset(out, 0, table->size);
    if (value && value->kind == TREE_NULL && table->is_tolerant)
        value = NULL;
    if (value && value->kind != TREE_OBJECT) {
        table_wrong(ctx, value, table_kind_text(FIELD_TABLE));
        return 1;
    }
    for (size_t i = 0; i < table->count; i++) {
        r = decode_row(table, &table->fields[i], value, out, ctx);
        if (r < 0)
            return r;
    }
    tree_each (member, value) {
        if (!table->is_tolerant && !find_field(table, member->key))
            report_unknown(ctx, table, member);
    }
    if (value && table->check)
        table->check(ctx, value, out);
    return (int) (ctx->problems - before);
}
