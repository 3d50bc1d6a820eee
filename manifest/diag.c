/* SPDX-License-Identifier: MIT */
/* Collecting problems, and showing them as compilers do. */
#include "manifest/diag.h"

#include "core/base/glyph.h"
#include "core/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define DIAG_ARENA_MAX   (8 * 1024 * 1024)
#define DIAG_MESSAGE_MAX 1000

void diags_init(struct diags *d)
{
    *d = (struct diags){ .file = "manifest" };
    arena_init(&d->arena, DIAG_ARENA_MAX);
}

void diags_done(struct diags *d)
{
    diags_free(d->next);
    arena_done(&d->arena);
    *d = (struct diags){ .file = "manifest" };
}

struct diags *diags_new(void)
{
    struct diags *d = malloc(sizeof(*d));

    if (d)
        diags_init(d);
    return d;
}

void diags_free(struct diags *d)
{
    if (!d)
        return;
    diags_done(d);
    free(d);
}

void diags_append(struct diags *d, struct diags *more)
{
    while (d->next)
        d = d->next;
    d->next = more;
}

int diags_source(struct diags *d, const char *file, struct span text)
{
    char *name = arena_text(&d->arena, file);
    char *copy;

    if (span_starts(text, "\xef\xbb\xbf")) /* a BOM is not a column */
        text = span_make(text.ptr + 3, text.len - 3);
    copy = arena_copy(&d->arena, text.ptr, text.len);
    if (!name || !copy)
        return -ERR_INTERNAL;
    d->file = name;
    d->text = span_make(copy, text.len);
    return 0;
}

void diags_origin(struct diags *d, const char *const *names, size_t count)
{
    d->origins = names;
    d->origin_count = count;
}

bool diags_is_full(const struct diags *d)
{
    return d->count == DIAG_MAX;
}

/* File-wide problems first, then origins, then lines. */
static int pos_compare(struct tree_pos a, struct tree_pos b)
{
    if (a.line != b.line)
        return a.line < b.line ? -1 : 1;
    if (a.column != b.column)
        return a.column < b.column ? -1 : 1;
    return 0;
}

static bool has_same(const struct diags *d, struct tree_pos pos, const char *message)
{
    for (size_t i = 0; i < d->count; i++)
        if (pos_compare(d->items[i].pos, pos) == 0 && strcmp(d->items[i].message, message) == 0)
            return true;
    return false;
}

static void insert(struct diags *d, const struct diag *item)
{
    size_t at = d->count;

    while (at > 0 && pos_compare(d->items[at - 1].pos, item->pos) > 0) {
        d->items[at] = d->items[at - 1];
        at--;
    }
    d->items[at] = *item;
    d->count++;
}

void diags_add(struct diags *d, struct tree_pos pos, const char *path, const char *hint, const char *format,
               ...)
{
    char message[DIAG_MESSAGE_MAX];
    struct diag item = { .pos = pos };
    va_list ap;

    va_start(ap, format);
    (void) vsnprintf(message, sizeof(message), format, ap); /* cut on purpose */
    va_end(ap);
    if (has_same(d, pos, message))
        return;
    if (d->count < DIAG_MAX) {
        item.path = arena_text(&d->arena, path ? path : "");
        item.message = arena_text(&d->arena, message);
        item.hint = hint ? arena_text(&d->arena, hint) : NULL;
    }
    if (!item.message || !item.path) {
        d->dropped++;
        return;
    }
    insert(d, &item);
}

void diags_hide(struct diags *d, uint32_t line)
{
    if (d->hidden_count < DIAG_HIDDEN)
        d->hidden[d->hidden_count] = line;
    d->hidden_count++;
}

static bool is_hidden(const struct diags *d, uint32_t line)
{
    if (d->hidden_count > DIAG_HIDDEN)
        return true;
    for (size_t i = 0; i < d->hidden_count; i++)
        if (d->hidden[i] == line)
            return true;
    return false;
}

/* One character of foreign text, made harmless; returns its cells. A tab counts one and stays. */
static int put_char(struct buf *out, struct span s, size_t *ret_len)
{
    uint32_t c = glyph_next(s, ret_len);

    if (c == '\t') {
        (void) buf_add_char(out, '\t');
        return 1;
    }
    if (glyph_is_unsafe(c) || c == 0xfffd) {
        (void) buf_add_text(out, "\xef\xbf\xbd");
        return 1;
    }
    (void) buf_add(out, s.ptr, *ret_len);
    return glyph_width(c);
}

/* Messages and hints hold names from the file. */
static void put_text(struct buf *out, struct span s)
{
    for (size_t at = 0, len; at < s.len; at += len)
        (void) put_char(out, span_make(s.ptr + at, s.len - at), &len);
}

static bool find_line(struct span text, uint32_t line, struct span *ret)
{
    size_t begin = 0, end;

    for (uint32_t n = 1; n < line; n++) {
        while (begin < text.len && text.ptr[begin] != '\n' && text.ptr[begin] != '\r')
            begin++;
        if (begin >= text.len)
            return false;
        begin += text.ptr[begin] == '\r' && begin + 1 < text.len && text.ptr[begin + 1] == '\n' ? 2 : 1;
    }
    for (end = begin; end < text.len && text.ptr[end] != '\n' && text.ptr[end] != '\r';)
        end++;
    *ret = span_make(text.ptr + begin, end - begin);
    return true;
}

/* Where a shown line begins and ends, in bytes, so that the caret is seen. */
struct window {
    size_t begin, end;
};

static int cells_between(struct span line, size_t from, size_t to)
{
    int cells = 0;

    for (size_t at = from, len; at < to; at += len)
        cells += glyph_width(glyph_next(span_make(line.ptr + at, line.len - at), &len));
    return cells;
}

static struct window window_of(struct span line, size_t caret)
{
    struct window win = { 0, line.len };
    int cells = 0;
    size_t len;

    if (cells_between(line, 0, line.len) <= DIAG_WIDTH)
        return win;
    if (cells_between(line, 0, caret) > DIAG_WIDTH * 3 / 4) {
        win.begin = caret;
        while (win.begin > 0 && cells < DIAG_WIDTH / 2) {
            do
                win.begin--;
            while (win.begin > 0 && ((uint8_t) line.ptr[win.begin] & 0xc0) == 0x80);
            cells += glyph_width(glyph_next(span_make(line.ptr + win.begin, line.len - win.begin), &len));
        }
    }
    cells = 0;
    for (win.end = win.begin; win.end < line.len && cells < DIAG_WIDTH; win.end += len)
        cells += glyph_width(glyph_next(span_make(line.ptr + win.end, line.len - win.end), &len));
    return win;
}

static size_t caret_offset(struct span line, uint32_t column)
{
    size_t caret = column > 0 ? column - 1 : 0;

    return caret < line.len ? caret : line.len;
}

static int number_width(uint32_t number)
{
    return number > 999999 ? 7 : number > 99999 ? 6 : 5;
}

static void put_source(struct buf *out, struct span line, uint32_t number, size_t caret)
{
    struct window win = window_of(line, caret);
    struct buf under = BUF_INIT(4096);
    size_t len;

    (void) buf_printf(out, "%5u | %s", number, win.begin > 0 ? "..." : "");
    if (win.begin > 0)
        (void) buf_add_text(&under, "   ");
    for (size_t at = win.begin; at < win.end; at += len) {
        bool is_tab = line.ptr[at] == '\t';
        int cells = put_char(out, span_make(line.ptr + at, line.len - at), &len);

        if (at < caret)
            (void) buf_printf(&under, "%*s", is_tab ? 0 : cells, "");
        if (at < caret && is_tab)
            (void) buf_add_char(&under, '\t');
    }
    (void) buf_printf(out, "%s\n%*s | %s^\n", win.end < line.len ? "..." : "", number_width(number), "",
                      buf_text(&under));
    buf_done(&under);
}

static uint32_t column_of(struct span line, uint32_t column)
{
    uint32_t chars = 1;
    size_t caret = caret_offset(line, column), len;

    for (size_t at = 0; at < caret; at += len, chars++)
        (void) glyph_next(span_make(line.ptr + at, line.len - at), &len);
    return chars;
}

static const char *origin_of(const struct diags *d, struct tree_pos pos)
{
    if (pos.line == 0 && pos.column > 0 && pos.column <= d->origin_count)
        return d->origins[pos.column - 1];
    return d->file;
}

static void render_one(const struct diags *d, const struct diag *item, struct buf *out)
{
    struct span line = { NULL, 0 };
    bool has_line = item->pos.line > 0 && find_line(d->text, item->pos.line, &line);

    put_text(out, span_of(origin_of(d, item->pos)));
    if (has_line)
        (void) buf_printf(out, ":%u:%u", item->pos.line, column_of(line, item->pos.column));
    (void) buf_add_text(out, ": error: ");
    put_text(out, span_of(item->message));
    (void) buf_add_char(out, '\n');
    if (has_line && !is_hidden(d, item->pos.line))
        put_source(out, line, item->pos.line, caret_offset(line, item->pos.column));
    if (item->hint) {
        (void) buf_add_text(out, "      = ");
        put_text(out, span_of(item->hint));
        (void) buf_add_char(out, '\n');
    }
}

void diags_render(const struct diags *d, struct buf *out)
{
    for (size_t i = 0; i < d->count; i++)
        render_one(d, &d->items[i], out);
    if (d->dropped > 0)
        (void) buf_printf(out, "%s: ... and %zu more\n", d->file, d->dropped);
    if (d->next)
        diags_render(d->next, out);
}

static void json_one(const struct diags *d, const struct diag *item, struct json_writer *w)
{
    struct span line = { NULL, 0 };
    bool has_line = item->pos.line > 0 && find_line(d->text, item->pos.line, &line);

    json_object(w);
    json_put_string(w, "file", origin_of(d, item->pos));
    json_put_int(w, "line", has_line ? item->pos.line : 0);
    json_put_int(w, "column", has_line ? column_of(line, item->pos.column) : 0);
    json_put_string(w, "path", item->path);
    json_put_string(w, "message", item->message);
    json_put_string(w, "hint", item->hint);
    json_key(w, "source");
    if (has_line && !is_hidden(d, item->pos.line))
        json_span(w, span_make(line.ptr, utf8_cut(line, 1000)));
    else
        json_null(w);
    json_object_end(w);
}

void diags_json(const struct diags *d, struct json_writer *w)
{
    json_array(w);
    for (; d; d = d->next)
        for (size_t i = 0; i < d->count; i++)
            json_one(d, &d->items[i], w);
    json_array_end(w);
}
