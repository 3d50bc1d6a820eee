/* SPDX-License-Identifier: MIT */
/* Two listings side by side; texts are read when they are compared and not kept. */
#include "core/run/compare.h"

#include "core/base/textdiff.h"
#include "core/base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((int64_t) 1024 * 1024)
#define CONTEXT  3

struct side {
    struct checkpoint_store *store;
    struct listing listing;
};

struct compare {
    struct side a, b;
    struct compare_item *items;
    size_t count, cap;
};

/* ---- what differs ---- */

/* Another name becomes a file of its own: the paths are compared, not how they share. */
static void flatten(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        struct listing_entry *e = &l->entries[i];
        const struct listing_entry *first = e->kind == LISTING_HARD ? listing_find(l, e->link) : NULL;

        if (!first)
            continue;
        e->kind = LISTING_FILE;
        e->mode = first->mode;
        e->size = first->size;
        e->link = NULL;
        memcpy(e->sha256, first->sha256, sizeof(e->sha256));
    }
}

static bool same_content(const struct listing_entry *a, const struct listing_entry *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == LISTING_FILE)
        return strcmp(a->sha256, b->sha256) == 0;
    return a->kind != LISTING_LINK || strcmp(a->link, b->link) == 0;
}

static int add_item(struct compare *c, const struct listing_entry *before, const struct listing_entry *after,
                    struct err *err)
{
    struct compare_item item = { .before = before, .after = after }, *more = c->items;
    size_t cap = c->cap ? c->cap * 2 : 64;

    if (before && after && same_content(before, after)) {
        if (before->mode == after->mode)
            return 0;
        item.kind = COMPARE_META;
    } else {
        item.kind = !before ? COMPARE_ADDED : !after ? COMPARE_REMOVED : COMPARE_CHANGED;
    }
    item.path = before ? before->path : after->path;
    if (c->count == c->cap) {
        more = realloc(more, cap * sizeof(*more));
        if (!more)
            return err_set(err, ERR_INTERNAL, "no memory to compare");
        c->items = more;
        c->cap = cap;
    }
    more[c->count++] = item;
    return 0;
}

static int find_items(struct compare *c, struct err *err)
{
    const struct listing *a = &c->a.listing, *b = &c->b.listing;
    size_t i = 0, j = 0;
    int r = 0;

    while (r == 0 && (i < a->count || j < b->count)) {
        int order = i == a->count ? 1 : j == b->count ? -1 : strcmp(a->entries[i].path, b->entries[j].path);

        r = add_item(c, order <= 0 ? &a->entries[i] : NULL, order >= 0 ? &b->entries[j] : NULL, err);
        i += order <= 0;
        j += order >= 0;
    }
    return r;
}

/* ---- texts ---- */

static bool has_text(const struct listing_entry *e)
{
    return e && e->kind != LISTING_DIR;
}

/* What git takes for the content: of a link its target. -ERR_TOO_LARGE: too much to compare. */
static int read_text(struct side *side, const struct listing_entry *e, struct buf *out, struct err *err)
{
    if (!has_text(e))
        return 0;
    if (e->kind == LISTING_LINK)
        return buf_add_text(out, e->link) < 0 ? err_set(err, ERR_INTERNAL, "no memory to compare") : 0;
    if (e->size > TEXT_MAX)
        return -ERR_TOO_LARGE;
    return checkpoint_get(side->store, e->sha256, out, err);
}

static bool is_text(const struct buf *b)
{
    return b->len == 0 || !memchr(b->data, '\0', b->len);
}

/* 1 = compared; 0 = at least one of them is no text. Either entry may be NULL: empty. */
static int diff_texts(struct compare *c, const struct listing_entry *before,
                      const struct listing_entry *after, struct buf *out, struct textdiff_counts *ret,
                      struct err *err)
{
    struct buf a = BUF_INIT((size_t) TEXT_MAX), b = BUF_INIT((size_t) TEXT_MAX);
    int r = read_text(&c->a, before, &a, err);

    if (r == 0)
        r = read_text(&c->b, after, &b, err);
    if (r == 0 && is_text(&a) && is_text(&b)) {
        r = textdiff(buf_span(&a), buf_span(&b), CONTEXT, out, ret, err);
        r = r < 0 ? r : 1;
    } else if (r == -ERR_TOO_LARGE) {
        r = 0;
    }
    buf_done(&a);
    buf_done(&b);
    return r;
}

/* A change of type is one thing gone and another one come. */
static bool is_other_type(const struct compare_item *item)
{
    return item->before && item->after && item->before->kind != item->after->kind;
}

static int count_side(struct compare *c, struct compare_item *item, const struct listing_entry *before,
                      const struct listing_entry *after, struct err *err)
{
    struct textdiff_counts counts = { 0 };
    int r = has_text(before) || has_text(after) ? diff_texts(c, before, after, NULL, &counts, err) : 1;

    if (r < 0) {
        (void) err_wrap(err, "comparing '%s'", item->path);
        return r;
    }
    item->is_binary = item->is_binary || r == 0;
    item->lines_added += counts.added;
    item->lines_removed += counts.removed;
    return 0;
}

static int count_lines(struct compare *c, struct compare_item *item, struct err *err)
{
    int r;

    if (item->kind == COMPARE_META)
        return 0;
    if (!is_other_type(item))
        return count_side(c, item, item->before, item->after, err);
    r = count_side(c, item, item->before, NULL, err);
    return r < 0 ? r : count_side(c, item, NULL, item->after, err);
}

/* ---- life ---- */

static int load(struct side *side, struct checkpoint_store *store, int64_t number, struct err *err)
{
    int r = checkpoint_load(store, number, &side->listing, err);

    side->store = store;
    if (r == 0)
        flatten(&side->listing);
    return r;
}

int compare_new(struct checkpoint_store *a, int64_t number_a, struct checkpoint_store *b, int64_t number_b,
                struct compare **ret, struct err *err)
{
    struct compare *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return err_set(err, ERR_INTERNAL, "no memory to compare");
    listing_init(&c->a.listing);
    listing_init(&c->b.listing);
    r = load(&c->a, a, number_a, err);
    if (r == 0)
        r = load(&c->b, b, number_b, err);
    if (r == 0)
        r = find_items(c, err);
    for (size_t i = 0; r == 0 && i < c->count; i++)
        r = count_lines(c, &c->items[i], err);
    if (r < 0)
        compare_free(c);
    else
        *ret = c;
    return r;
}

void compare_free(struct compare *c)
{
    if (!c)
        return;
    listing_done(&c->a.listing);
    listing_done(&c->b.listing);
    free(c->items);
    free(c);
}

size_t compare_count(const struct compare *c)
{
    return c->count;
}

const struct compare_item *compare_at(const struct compare *c, size_t i)
{
    return &c->items[i];
}

/* ---- as text ---- */

struct writer {
    struct buf *out;
    int failed;
};

static void put_text(struct writer *w, const char *text)
{
    if (w->failed == 0)
        w->failed = buf_add_text(w->out, text);
}

static void put_mode(struct writer *w, const char *what, unsigned mode)
{
    if (w->failed == 0)
        w->failed = buf_printf(w->out, "%s %06o\n", what, mode);
}

/* Controls, those of Latin-1 too, and what is no UTF-8. */
static size_t plain_step(struct span s)
{
    unsigned char c = (unsigned char) s.ptr[0];
    bool is_valid = false;
    size_t step = utf8_step(s, &is_valid);

    if (!is_valid || c < 0x20 || c == 0x7F || c == '"' || c == '\\')
        return 0;
    return c == 0xC2 && (unsigned char) s.ptr[1] < 0xA0 ? 0 : step;
}

static bool needs_quotes(const char *path)
{
    for (struct span s = span_of(path); s.len > 0;) {
        size_t step = plain_step(s);

        if (step == 0)
            return true;
        s = span_make(s.ptr + step, s.len - step);
    }
    return false;
}

static void put_escaped(struct writer *w, unsigned char c)
{
    static const char letters[] = "\aa\bb\tt\nn\vv\ff\rr\"\"\\\\";

    for (const char *at = letters; *at; at += 2) {
        if ((unsigned char) at[0] == c) {
            if (w->failed == 0)
                w->failed = buf_printf(w->out, "\\%c", at[1]);
            return;
        }
    }
    if (w->failed == 0)
        w->failed = buf_printf(w->out, "\\%03o", c);
}

static void put_path(struct writer *w, const char *prefix, const char *path)
{
    bool is_quoted = needs_quotes(path);

    put_text(w, is_quoted ? "\"" : "");
    put_text(w, prefix);
    for (struct span s = span_of(path); s.len > 0;) {
        size_t step = plain_step(s);

        if (step == 0)
            put_escaped(w, (unsigned char) s.ptr[0]);
        else if (w->failed == 0)
            w->failed = buf_add(w->out, s.ptr, step);
        step = step ? step : 1;
        s = span_make(s.ptr + step, s.len - step);
    }
    put_text(w, is_quoted ? "\"" : "");
}

/* A name with a blank ends with a tab, so that its end is known. */
static void put_name_line(struct writer *w, const char *sign, const char *prefix, const char *path,
                          bool is_there)
{
    put_text(w, sign);
    if (is_there)
        put_path(w, prefix, path);
    else
        put_text(w, "/dev/null");
    put_text(w, is_there && strchr(path, ' ') && !needs_quotes(path) ? "\t\n" : "\n");
}

/* git knows of modes only whether a file can be executed. */
static unsigned git_mode(const struct listing_entry *e)
{
    if (e->kind == LISTING_LINK)
        return 0120000;
    return e->mode & 0100 ? 0100755 : 0100644;
}

static void put_head(struct writer *w, const char *path, const struct listing_entry *before,
                     const struct listing_entry *after)
{
    put_text(w, "diff --git ");
    put_path(w, "a/", path);
    put_text(w, " ");
    put_path(w, "b/", path);
    put_text(w, "\n");
    if (!before) {
        put_mode(w, "new file mode", git_mode(after));
    } else if (!after) {
        put_mode(w, "deleted file mode", git_mode(before));
    } else if (git_mode(before) != git_mode(after)) {
        put_mode(w, "old mode", git_mode(before));
        put_mode(w, "new mode", git_mode(after));
    }
}

static void put_names(struct writer *w, const char *path, bool is_before, bool is_after, bool is_binary)
{
    if (!is_binary) {
        put_name_line(w, "--- ", "a/", path, is_before);
        put_name_line(w, "+++ ", "b/", path, is_after);
        return;
    }
    put_text(w, "Binary files ");
    if (is_before)
        put_path(w, "a/", path);
    put_text(w, is_before ? " and " : "/dev/null and ");
    if (is_after)
        put_path(w, "b/", path);
    put_text(w, is_after ? " differ\n" : "/dev/null differ\n");
}

static int put_file(struct compare *c, struct writer *w, const char *path, const struct listing_entry *before,
                    const struct listing_entry *after, struct err *err)
{
    struct buf hunks = BUF_INIT(8 * (size_t) TEXT_MAX);
    struct textdiff_counts counts = { 0 };
    int r = diff_texts(c, before, after, &hunks, &counts, err);

    put_head(w, path, before, after);
    if (r == 0 || hunks.len)
        put_names(w, path, before != NULL, after != NULL, r == 0);
    if (w->failed == 0)
        w->failed = buf_add_span(w->out, buf_span(&hunks));
    buf_done(&hunks);
    if (r >= 0)
        return 0;
    (void) err_wrap(err, "comparing '%s'", path);
    return r;
}

static void put_note(struct writer *w, const char *what, const char *path)
{
    put_text(w, what);
    put_path(w, "", path);
    put_text(w, "\n");
}

static void put_mode_note(struct writer *w, const struct compare_item *item)
{
    if (w->failed == 0)
        w->failed = buf_printf(w->out, "# mode %04o becomes %04o: ", item->before->mode, item->after->mode);
    put_note(w, "", item->path);
}

/* Of modes git knows only whether a file can be executed, and of folders none. */
static bool needs_mode_note(const struct compare_item *item)
{
    const struct listing_entry *a = item->before, *b = item->after;

    return a && b && a->kind == b->kind && a->mode != b->mode && (!has_text(a) || git_mode(a) == git_mode(b));
}

static int put_side(struct compare *c, struct writer *w, const char *path, const struct listing_entry *before,
                    const struct listing_entry *after, struct err *err)
{
    if (has_text(before) || has_text(after))
        return put_file(c, w, path, before, after, err);
    if (!before || !after)
        put_note(w, before ? "# folder removed: " : "# folder added: ", path);
    return 0;
}

int compare_text(struct compare *c, size_t i, struct buf *out, struct err *err)
{
    const struct compare_item *item = &c->items[i];
    const struct listing_entry *before = item->before, *after = item->after;
    struct writer w = { .out = out };
    int r;

    if (is_other_type(item)) {
        r = put_side(c, &w, item->path, before, NULL, err);
        if (r == 0)
            r = put_side(c, &w, item->path, NULL, after, err);
    } else if (item->kind == COMPARE_META && git_mode(before) != git_mode(after) && has_text(before)) {
        put_head(&w, item->path, before, after);
        r = 0;
    } else {
        r = item->kind == COMPARE_META ? 0 : put_side(c, &w, item->path, before, after, err);
    }
    if (r == 0 && needs_mode_note(item))
        put_mode_note(&w, item);
    if (r == 0 && w.failed < 0)
        return err_set(err, ERR_TOO_LARGE, "the difference of '%s' is too large", item->path);
    return r;
}
