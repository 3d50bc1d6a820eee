/* SPDX-License-Identifier: MIT */
/* Two JSON texts side by side. */
#include "core/run/statement.h"

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARENA_MAX  ((size_t) 24 * STATEMENT_MAX)
#define PATH_BYTES 256
#define VALUE_MAX  80 /* bytes of a value that are shown */

struct comparing {
    char path[PATH_BYTES];
    char text[768]; /* what differs first */
};

static int __attribute__((format(printf, 2, 3))) differ(struct comparing *c, const char *format, ...)
{
    char what[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(what, sizeof(what), format, ap);
    va_end(ap);
    snprintf(c->text, sizeof(c->text), "%s: %.500s", c->path[0] ? c->path : "it", what);
    return 1;
}

/* A value for people: its JSON, cut. */
static const char *shown(const struct tree *t, char ret[VALUE_MAX + 8])
{
    struct span raw = t->raw;
    size_t len = utf8_cut(raw, VALUE_MAX);

    if (t->kind == TREE_OBJECT || t->kind == TREE_ARRAY)
        return t->kind == TREE_OBJECT ? "an object" : "a list";
    snprintf(ret, VALUE_MAX + 8, "%.*s%s", (int) len, raw.ptr, len < raw.len ? "..." : "");
    return ret;
}

static int compare_trees(struct comparing *c, const struct tree *theirs, const struct tree *ours);

/* One more step of the path while `theirs` and `ours` are compared. */
static int compare_step(struct comparing *c, const struct tree *theirs, const struct tree *ours, size_t index)
{
    size_t len = strlen(c->path);
    int r;

    if (ours->key.ptr)
        snprintf(c->path + len, sizeof(c->path) - len, "%s" SPAN_FMT, len ? "." : "", SPAN_ARG(ours->key));
    else
        snprintf(c->path + len, sizeof(c->path) - len, "[%zu]", index);
    r = compare_trees(c, theirs, ours);
    c->path[len] = '\0';
    return r;
}

static int compare_children(struct comparing *c, const struct tree *theirs, const struct tree *ours)
{
    const struct tree *a = theirs->child, *b = ours->child;
    char text[VALUE_MAX + 8];
    size_t index = 0;
    int r = 0;

    for (; r == 0 && a && b; a = a->next, b = b->next, index++) {
        if (ours->kind == TREE_OBJECT && !span_equal(a->key, b->key))
            return differ(c, "has '%.*s' where the run says '%.*s'", (int) utf8_cut(a->key, VALUE_MAX),
                          a->key.ptr, (int) utf8_cut(b->key, VALUE_MAX), b->key.ptr);
        r = compare_step(c, a, b, index);
    }
    if (r != 0 || (!a && !b))
        return r;
    if (ours->kind == TREE_OBJECT)
        return a ? differ(c, "has '%.*s', which the run does not say", (int) utf8_cut(a->key, VALUE_MAX),
                          a->key.ptr)
                 : differ(c, "has no '%.*s'", (int) utf8_cut(b->key, VALUE_MAX), b->key.ptr);
    return a ? differ(c, "has %u elements, and the run says %u: %s is too much", theirs->count, ours->count,
                      shown(a, text))
             : differ(c, "has %u elements, and the run says %u", theirs->count, ours->count);
}

static int compare_trees(struct comparing *c, const struct tree *theirs, const struct tree *ours)
{
    char a[VALUE_MAX + 8], b[VALUE_MAX + 8];

    if (theirs->kind == ours->kind && (ours->kind == TREE_OBJECT || ours->kind == TREE_ARRAY))
        return compare_children(c, theirs, ours);
    if (theirs->kind == ours->kind && span_equal(theirs->text, ours->text))
        return 0;
    return differ(c, "is %s, and the run says %s", shown(theirs, a), shown(ours, b));
}

/* The first byte that is another one; *ret_line: where it stands. */
static size_t first_byte(struct span theirs, struct span ours, size_t *ret_line)
{
    size_t at = 0;

    for (*ret_line = 1; at < theirs.len && at < ours.len && theirs.ptr[at] == ours.ptr[at]; at++)
        *ret_line += theirs.ptr[at] == '\n';
    return at;
}

/* The documents say the same; the bytes are not. */
static void differ_in_layout(struct comparing *c, bool is_cut, bool is_longer)
{
    snprintf(c->text, sizeof(c->text), "it says what the run says, but is not written as it was: %s",
             is_cut      ? "its end is missing"
             : is_longer ? "something follows"
                         : "blanks, escapes or numbers");
}

static int compare_texts(struct span theirs, struct span ours, struct arena *arena,
                         struct statement_difference *ret, struct err *err)
{
    struct comparing c = { 0 };
    const struct tree *a = NULL, *b = NULL;
    struct err why = { 0 };
    size_t line, at = first_byte(theirs, ours, &line);
    int r = json_parse(ours, arena, &b, err);

    if (r < 0)
        return err_recode(err, ERR_INTERNAL);
    r = json_parse(theirs, arena, &a, &why);
    if (r < 0)
        snprintf(c.text, sizeof(c.text), "it is no statement: %.700s", why.text);
    else if (compare_trees(&c, a, b) == 0)
        differ_in_layout(&c, at == theirs.len, at == ours.len);
    ret->offset = (int64_t) at;
    snprintf(ret->text, sizeof(ret->text), "line %zu: %s", line, c.text);
    return 1;
}

int statement_compare(struct span theirs, struct span ours, struct statement_difference *ret, struct err *err)
{
    struct arena arena = ARENA_INIT(2 * ARENA_MAX);
    int r;

    *ret = (struct statement_difference){ 0 };
    if (span_equal(theirs, ours))
        return 0;
    r = compare_texts(theirs, ours, &arena, ret, err);
    arena_done(&arena);
    return r;
}
