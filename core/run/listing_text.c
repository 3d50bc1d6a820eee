/* SPDX-License-Identifier: MIT */
/*
 * Tree records: one JSON text whose elements stand on lines of their own, so that
 * a hundred thousand of them need no tree of a hundred times their size.
 */
#include "core/run/listing.h"

#include "core/base/json.h"
#include "core/base/utf8.h"
#include "core/sandbox/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (64 * 1024) /* a path and a target, each byte of them escaped, and the rest */
#define LINE_TREE_MAX  (4 * 1024 * 1024)
#define TIME_TEXT      24

static const char *const kind_names[] = { "file", "dir", "link", "hard" };

/* ---- encoding ---- */

/* Seconds with nine digits behind the point. */
static void time_text(int64_t ns, char ret[TIME_TEXT])
{
    uint64_t size = ns < 0 ? 0 - (uint64_t) ns : (uint64_t) ns;

    snprintf(ret, TIME_TEXT, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "", size / 1000000000,
             size % 1000000000);
}

/* A text that need not be UTF-8, under `name` or `name64`. */
static void put_bytes(struct json_writer *w, const char *name, const char *name64, const char *text)
{
    struct span s = span_of(text);
    struct buf coded = BUF_INIT(2 * FRAME_PATH_MAX);

    if (utf8_valid(s) == s.len) {
        json_put_span(w, name, s);
        return;
    }
    if (base64_encode(&coded, s) < 0)
        w->failed = -ERR_INTERNAL; /* no memory: a path is shorter than that */
    json_put_span(w, name64, buf_span(&coded));
    buf_done(&coded);
}

static void put_entry(struct json_writer *w, const struct listing_entry *e)
{
    char time[TIME_TEXT];

    time_text(e->mtime_ns, time);
    put_bytes(w, "path", "path64", e->path);
    json_put_string(w, "type", kind_names[e->kind]);
    json_put_int(w, "mode", e->mode);
    json_put_string(w, "mtime", time);
    if (e->kind == LISTING_FILE) {
        json_put_int(w, "size", e->size);
        json_put_string(w, "sha256", e->sha256);
    }
    if (e->link)
        put_bytes(w, "link", "link64", e->link);
}

/* The elements of one list, line by line. */
struct lines {
    struct buf *out;
    bool has_any;
    struct json_writer w;
};

static void line_begin(struct lines *l)
{
    (void) buf_add_text(l->out, l->has_any ? ",\n" : "\n"); /* a full buffer fails again at the end */
    l->has_any = true;
    json_begin(&l->w, l->out);
    json_object(&l->w);
}

static int line_end(struct lines *l, struct err *err)
{
    json_object_end(&l->w);
    return json_end(&l->w, err);
}

static int next_list(struct lines *l, const char *head, struct err *err)
{
    l->has_any = false;
    if (buf_add_text(l->out, head) < 0)
        return err_set(err, ERR_TOO_LARGE, "more files than a checkpoint can hold");
    return 0;
}

static int add_entry(struct lines *l, const struct listing_entry *e, struct err *err)
{
    line_begin(l);
    put_entry(&l->w, e);
    return line_end(l, err);
}

static int add_gone(struct lines *l, const char *path, struct err *err)
{
    line_begin(l);
    put_bytes(&l->w, "path", "path64", path);
    return line_end(l, err);
}

/* What `l` has and `base` has not, or otherwise; with `want_gone` the paths that only `base` has. */
static int add_differences(struct lines *lines, const struct listing *l, const struct listing *base,
                           bool want_gone, struct err *err)
{
    size_t i = 0, j = 0, base_count = base ? base->count : 0;
    int r = 0;

    while (r == 0 && (i < l->count || j < base_count)) {
        int order = i == l->count     ? 1
                    : j == base_count ? -1
                                      : strcmp(l->entries[i].path, base->entries[j].path);
        bool is_new = order < 0 || (order == 0 && !listing_same_entry(&l->entries[i], &base->entries[j]));

        if (want_gone && order > 0)
            r = add_gone(lines, base->entries[j].path, err);
        else if (!want_gone && is_new)
            r = add_entry(lines, &l->entries[i], err);
        i += order <= 0;
        j += order >= 0;
    }
    return r;
}

static int add_head(struct buf *out, const struct listing_text *text, struct err *err)
{
    int r = text->base ? buf_printf(out, "{\"format\":1,\"base\":\"%s\",\"depth\":%" PRId64 ",", text->base,
                                    text->depth)
                       : buf_add_text(out, "{\"format\":1,");

    return r < 0 ? err_set(err, ERR_TOO_LARGE, "more files than a checkpoint can hold") : 0;
}

static int add_contents(struct lines *l, const struct listing_text *text, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < text->content_count; i++) {
        line_begin(l);
        json_put_string(&l->w, "sha256", text->contents[i].sha256);
        json_put_int(&l->w, "size", text->contents[i].size);
        r = line_end(l, err);
    }
    return r;
}

static int add_unkept(struct lines *l, const struct listing_text *text, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < text->unkept_count; i++) {
        line_begin(l);
        put_bytes(&l->w, "path", "path64", text->unkept[i].path);
        json_put_string(&l->w, "why", text->unkept[i].why);
        r = line_end(l, err);
    }
    return r;
}

int listing_encode(const struct listing *l, const struct listing *base, const struct listing_text *text,
                   struct buf *out, struct err *err)
{
    struct lines lines = { .out = out };
    char tree[DIGEST_HEX], tail[DIGEST_HEX + 32];
    int r = add_head(out, text, err);

    if (r == 0)
        r = next_list(&lines, "\"entries\":[", err);
    if (r == 0)
        r = add_differences(&lines, l, base, false, err);
    if (r == 0)
        r = next_list(&lines, "\n],\"gone\":[", err);
    if (r == 0)
        r = add_differences(&lines, l, base, true, err);
    if (r == 0)
        r = next_list(&lines, "\n],\"contents\":[", err);
    if (r == 0)
        r = add_contents(&lines, text, err);
    if (r == 0)
        r = next_list(&lines, "\n],\"unkept\":[", err);
    if (r == 0)
        r = add_unkept(&lines, text, err);
    listing_digest(l, tree);
    if (r == 0 && !tree[0])
        return err_set(err, ERR_INTERNAL, "no memory for a digest");
    snprintf(tail, sizeof(tail), "\n],\"tree\":\"%s\"}\n", tree);
    return r == 0 ? next_list(&lines, tail, err) : r;
}

/* ---- decoding ---- */

struct cursor {
    struct span rest;
    int64_t line;
    bool is_first;      /* a list has just begun */
    bool has_comma;     /* another element must follow */
    struct arena arena; /* of the element decoded last */
    struct buf path;    /* of it, if it was base64 */
    struct buf link;    /* likewise */
};

static void cursor_init(struct cursor *c, struct span record)
{
    *c = (struct cursor){ .rest = record,
                          .arena = ARENA_INIT(LINE_TREE_MAX),
                          .path = BUF_INIT(2 * FRAME_PATH_MAX),
                          .link = BUF_INIT(2 * FRAME_PATH_MAX) };
}

static void cursor_done(struct cursor *c)
{
    arena_done(&c->arena);
    buf_done(&c->path);
    buf_done(&c->link);
}

static int bad(const struct cursor *c, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "line %" PRId64 " of the tree record: %s", c->line, what);
}

static int next_line(struct cursor *c, struct span *ret, struct err *err)
{
    size_t look = c->rest.len < LINE_MAX_BYTES ? c->rest.len : LINE_MAX_BYTES;
    const char *end = look ? memchr(c->rest.ptr, '\n', look) : NULL;

    c->line++;
    if (!end)
        return bad(c, "it is cut off, or too long", err);
    *ret = span_make(c->rest.ptr, (size_t) (end - c->rest.ptr));
    c->rest = span_make(end + 1, c->rest.len - ret->len - 1);
    return 0;
}

/* A line as an object, with what makes it one put behind it. */
static int parse(struct cursor *c, struct span line, const char *tail, const struct tree **ret,
                 struct err *err)
{
    struct buf whole = BUF_INIT(LINE_MAX_BYTES + 16);
    struct err why = { 0 };
    int r = 0;

    arena_done(&c->arena);
    if (*tail && (buf_add_span(&whole, line) < 0 || buf_add_text(&whole, tail) < 0))
        r = err_set(&why, ERR_INTERNAL, "no memory");
    if (r == 0)
        r = json_parse(*tail ? buf_span(&whole) : line, &c->arena, ret, &why);
    buf_done(&whole); /* nothing but `raw` points into it */
    if (r < 0)
        return bad(c, why.text, err);
    return (*ret)->kind == TREE_OBJECT ? 0 : bad(c, "no object", err);
}

/* The line in front of another list is known whole, the last one has the digest. */
static bool ends_with(struct span line, const char *tail)
{
    return tail[strlen(tail) - 1] == '[' ? span_is(line, tail) : span_starts(line, tail);
}

/* 1 = an element's line, without its comma; 0 = the line that ends the list, which begins with `tail`. */
static int next_element(struct cursor *c, const char *tail, struct span *ret, struct err *err)
{
    bool must_follow = c->has_comma, is_first = c->is_first;
    int r = next_line(c, ret, err);

    if (r < 0)
        return r;
    c->is_first = span_starts(*ret, "]");
    c->has_comma = ret->len > 0 && ret->ptr[ret->len - 1] == ',' && !c->is_first;
    if (c->is_first)
        return !must_follow && ends_with(*ret, tail) ? 0 : bad(c, "the list does not end as it must", err);
    if (!is_first && !must_follow)
        return bad(c, "a comma is missing before it", err);
    ret->len -= c->has_comma;
    return 1;
}

/* The list that is open, to its end, without a look at its elements. */
static int skip_list(struct cursor *c, const char *tail, size_t *ret_count, struct err *err)
{
    struct span line = { NULL, 0 };
    int r;

    *ret_count = 0;
    while ((r = next_element(c, tail, &line, err)) > 0)
        ++*ret_count;
    return r;
}

static int take_bytes(struct cursor *c, const struct tree *t, const char *name, struct buf *coded,
                      const char **ret, struct err *err)
{
    char name64[16];
    struct span code;

    *ret = tree_string(tree_get(t, name), NULL);
    if (*ret)
        return 0;
    snprintf(name64, sizeof(name64), "%s64", name);
    code = tree_span(tree_get(t, name64));
    buf_clear(coded);
    if (!code.len || base64_decode(coded, code) < 0 || memchr(coded->data, '\0', coded->len))
        return bad(c, "a name is missing or unreadable", err);
    *ret = coded->data;
    return 0;
}

static bool is_digest(const char *text)
{
    return strlen(text) == DIGEST_HEX - 1 && strspn(text, "0123456789abcdef") == DIGEST_HEX - 1;
}

static int take_digest(struct cursor *c, const struct tree *t, char ret[DIGEST_HEX], struct err *err)
{
    const char *text = tree_string(t, "");

    if (!is_digest(text))
        return bad(c, "no digest where one must be", err);
    memcpy(ret, text, DIGEST_HEX);
    return 0;
}

static bool is_digits(const char *text, size_t len)
{
    return len > 0 && strspn(text, "0123456789") >= len;
}

/* As time_text() writes it and not otherwise. */
static bool read_time(const char *text, int64_t *ret)
{
    bool is_negative = text[0] == '-';
    const char *from = text + is_negative, *point = strchr(from, '.');
    uint64_t max = (uint64_t) INT64_MAX + is_negative, value = 0;
    char again[TIME_TEXT];

    if (!point || !is_digits(from, (size_t) (point - from)) || strlen(point + 1) != 9 ||
        !is_digits(point + 1, 9))
        return false;
    for (const char *at = from; *at; at++) {
        unsigned digit = (unsigned) (*at - '0');

        if (*at == '.')
            continue;
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = (int64_t) (is_negative ? 0 - value : value);
    time_text(*ret, again);
    return strcmp(again, text) == 0;
}

static int kind_of(const char *name)
{
    for (int i = 0; i < (int) (sizeof(kind_names) / sizeof(kind_names[0])); i++)
        if (strcmp(kind_names[i], name) == 0)
            return i;
    return -1;
}

/* Texts of `ret` live as long as the element. */
static int take_entry(struct cursor *c, struct span line, struct listing_entry *ret, struct err *err)
{
    const struct tree *t;
    struct listing_entry e = { 0 };
    int64_t mode;
    int r = parse(c, line, "", &t, err), kind;

    if (r < 0)
        return r;
    kind = kind_of(tree_string(tree_get(t, "type"), ""));
    mode = tree_int(tree_get(t, "mode"), -1);
    if (kind < 0 || mode < 0 || mode > 07777 ||
        !read_time(tree_string(tree_get(t, "mtime"), ""), &e.mtime_ns))
        return bad(c, "no type, mode or time that we know", err);
    e.kind = (enum listing_kind) kind;
    e.mode = (uint32_t) mode;
    r = take_bytes(c, t, "path", &c->path, &e.path, err);
    if (r == 0 && e.kind == LISTING_FILE) {
        e.size = tree_int(tree_get(t, "size"), -1); /* listing_append() refuses a negative one */
        r = take_digest(c, tree_get(t, "sha256"), e.sha256, err);
    }
    if (r == 0 && (e.kind == LISTING_LINK || e.kind == LISTING_HARD))
        r = take_bytes(c, t, "link", &c->link, &e.link, err);
    if (r == 0)
        *ret = e;
    return r;
}

static int take_head(struct cursor *c, struct arena *arena, struct listing_text *ret, struct err *err)
{
    const struct tree *t, *base;
    char digest[DIGEST_HEX];
    struct span line;
    int r = next_line(c, &line, err);

    if (r == 0)
        r = parse(c, line, "]}", &t, err);
    if (r < 0)
        return r;
    if (tree_int(tree_get(t, "format"), 0) != 1 || !tree_get(t, "entries"))
        return bad(c, "not a tree record of a format that we know", err);
    c->is_first = true;
    base = tree_get(t, "base");
    ret->depth = tree_int(tree_get(t, "depth"), 0);
    if (ret->depth < 0 || ret->depth > LISTING_DEPTH_MAX || (ret->depth > 0) != (base != NULL))
        return bad(c, "its depth does not fit its base", err);
    if (!base)
        return 0;
    r = take_digest(c, base, digest, err);
    if (r == 0 && !(ret->base = arena_text(arena, digest)))
        r = err_set(err, ERR_TOO_LARGE, "a tree record is too large");
    return r;
}

static int take_contents(struct cursor *c, struct listing_content *list, struct err *err)
{
    const struct tree *t;
    struct span line;
    int r;

    while ((r = next_element(c, "],\"unkept\":[", &line, err)) > 0) {
        r = parse(c, line, "", &t, err);
        if (r == 0)
            r = take_digest(c, tree_get(t, "sha256"), list->sha256, err);
        if (r < 0)
            return r;
        list->size = tree_int(tree_get(t, "size"), -1);
        if (list->size < 0)
            return bad(c, "a content without a size", err);
        list++;
    }
    return r;
}

static int take_unkept(struct cursor *c, struct arena *arena, struct listing_unkept *list, struct err *err)
{
    const struct tree *t;
    struct span line;
    const char *path;
    int r;

    while ((r = next_element(c, "],\"tree\":", &line, err)) > 0) {
        r = parse(c, line, "", &t, err);
        if (r == 0)
            r = take_bytes(c, t, "path", &c->path, &path, err);
        if (r < 0)
            return r;
        list->path = arena_text(arena, path);
        list->why = arena_text(arena, tree_string(tree_get(t, "why"), ""));
        if (!list->path || !list->why)
            return err_set(err, ERR_TOO_LARGE, "a tree record is too large");
        list++;
    }
    return r;
}

/* How many elements the lists of contents and of unkept things have. */
static int count_lists(struct span record, struct listing_text *ret, struct err *err)
{
    struct cursor c;
    struct span line;
    size_t count;
    int r;

    cursor_init(&c, record);
    c.is_first = true;
    r = next_line(&c, &line, err);
    if (r == 0)
        r = skip_list(&c, "],\"gone\":[", &count, err);
    if (r == 0)
        r = skip_list(&c, "],\"contents\":[", &count, err);
    if (r == 0)
        r = skip_list(&c, "],\"unkept\":[", &ret->content_count, err);
    if (r == 0)
        r = skip_list(&c, "],\"tree\":", &ret->unkept_count, err);
    if (r == 0 && (ret->content_count > LISTING_ENTRIES_MAX || ret->unkept_count > LISTING_ENTRIES_MAX))
        r = bad(&c, "too many elements", err);
    cursor_done(&c);
    return r;
}

static int take_lists(struct cursor *c, struct arena *arena, struct listing_text *ret, struct err *err)
{
    struct listing_content *contents = arena_alloc(arena, ret->content_count * sizeof(*contents));
    struct listing_unkept *unkept = arena_alloc(arena, ret->unkept_count * sizeof(*unkept));
    size_t count;
    int r;

    if (!contents || !unkept)
        return err_set(err, ERR_TOO_LARGE, "a tree record is too large");
    r = take_head(c, arena, ret, err);
    if (r == 0)
        r = skip_list(c, "],\"gone\":[", &count, err);
    if (r == 0)
        r = skip_list(c, "],\"contents\":[", &count, err);
    if (r == 0)
        r = take_contents(c, contents, err);
    if (r == 0)
        r = take_unkept(c, arena, unkept, err);
    ret->contents = contents;
    ret->unkept = unkept;
    return r;
}

int listing_decode_head(struct span record, struct arena *arena, struct listing_text *ret, struct err *err)
{
    struct listing_text text = { 0 };
    struct cursor c;
    int r = count_lists(record, &text, err);

    if (r < 0)
        return r;
    cursor_init(&c, record);
    r = take_lists(&c, arena, &text, err);
    cursor_done(&c);
    if (r == 0)
        *ret = text;
    return r;
}

/* Paths in a growing list. */
struct paths {
    struct arena arena;
    const char **list;
    size_t count, cap;
};

static int paths_add(struct paths *p, const char *path, struct err *err)
{
    size_t cap = p->cap ? p->cap * 2 : 16;
    const char **more = p->list;

    if (p->count == p->cap) {
        more = p->count < LISTING_ENTRIES_MAX ? realloc(more, cap * sizeof(*more)) : NULL;
        if (!more)
            return err_set(err, ERR_TOO_LARGE, "a tree record is too large");
        p->list = more;
        p->cap = cap;
    }
    more[p->count] = arena_text(&p->arena, path);
    return more[p->count++] ? 0 : err_set(err, ERR_TOO_LARGE, "a tree record is too large");
}

static int take_entries(struct cursor *c, struct listing *changes, struct err *err)
{
    struct listing_entry e;
    struct span line;
    int r;

    while ((r = next_element(c, "],\"gone\":[", &line, err)) > 0) {
        r = take_entry(c, line, &e, err);
        if (r == 0 && changes->count > 0 && strcmp(changes->entries[changes->count - 1].path, e.path) >= 0)
            r = bad(c, "out of order", err);
        if (r == 0)
            r = listing_append(changes, &e, err);
        if (r < 0)
            return r;
    }
    return r;
}

static int take_gone(struct cursor *c, struct paths *gone, struct err *err)
{
    const struct tree *t;
    struct span line;
    const char *path;
    int r;

    while ((r = next_element(c, "],\"contents\":[", &line, err)) > 0) {
        r = parse(c, line, "", &t, err);
        if (r == 0)
            r = take_bytes(c, t, "path", &c->path, &path, err);
        if (r == 0)
            r = paths_add(gone, path, err);
        if (r < 0)
            return r;
    }
    return r;
}

/* Another name must be the name of a file. */
static int check_hard(const struct listing *l, struct err *err)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct listing_entry *e = &l->entries[i], *first;

        if (e->kind != LISTING_HARD)
            continue;
        first = listing_find(l, e->link);
        if (!first || first->kind != LISTING_FILE)
            return err_set(err, ERR_INVALID, "'%s' is another name of '%s', which is no file", e->path,
                           e->link);
    }
    return 0;
}

static int check_tree(struct cursor *c, struct span last, const struct listing *l, struct err *err)
{
    static const char head[] = "],\"tree\":\"";
    char want[DIGEST_HEX + sizeof(head) + 2], tree[DIGEST_HEX];
    int r = check_hard(l, err);

    if (r < 0)
        return r;
    listing_digest(l, tree);
    snprintf(want, sizeof(want), "%s%s\"}", head, tree);
    if (!span_is(last, want) || c->rest.len)
        return bad(c, "what it says is not what its digest says", err);
    return 0;
}

/* The rest behind the head, into changes and what is gone; `last` is its last line. */
static int take_body(struct cursor *c, struct listing *changes, struct paths *gone, struct span *last,
                     struct err *err)
{
    size_t count;
    int r = take_entries(c, changes, err);

    if (r == 0)
        r = take_gone(c, gone, err);
    if (r == 0)
        r = skip_list(c, "],\"unkept\":[", &count, err);
    while (r == 0 && (r = next_element(c, "],\"tree\":", last, err)) > 0)
        r = 0;
    return r;
}

static int decode_all(struct cursor *c, const struct listing *base, struct listing *changes,
                      struct listing *ret, struct err *err)
{
    struct arena arena = ARENA_INIT(4096);
    struct paths gone = { .arena = ARENA_INIT(LISTING_TEXT_MAX) };
    struct listing_text head = { 0 };
    struct span last = { NULL, 0 };
    int r = take_head(c, &arena, &head, err);

    if (r == 0 && (head.base != NULL) != (base != NULL))
        r = bad(c, "its base is missing, or not wanted", err);
    if (r == 0)
        r = take_body(c, changes, &gone, &last, err);
    if (r == 0 && base)
        r = listing_copy(base, ret, err);
    if (r == 0)
        r = listing_merge(ret, changes, gone.list, gone.count, err);
    if (r == 0)
        r = check_tree(c, last, ret, err);
    arena_done(&arena);
    arena_done(&gone.arena);
    free(gone.list);
    return r;
}

int listing_decode(struct span record, const struct listing *base, struct listing *ret, struct err *err)
{
    struct listing changes, whole;
    struct cursor c;
    int r;

    listing_init(&changes);
    listing_init(&whole);
    cursor_init(&c, record);
    r = decode_all(&c, base, &changes, &whole, err);
    cursor_done(&c);
    listing_done(&changes);
    if (r < 0)
        listing_done(&whole);
    else
        *ret = whole;
    return r;
}
