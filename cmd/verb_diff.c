/* SPDX-License-Identifier: MIT */
/* `agentbox diff RUN[@A] [RUN[@B]]`: what changed in a workspace between two points. */
#include "cmd/report.h"
#include "cmd/term.h"
#include "cmd/tone.h"
#include "cmd/verbs.h"
#include "core/base/cleanup.h"
#include "core/base/units.h"
#include "core/run/compare.h"
#include "core/run/point.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (64 * 1024 * 1024)
#define BAR_MAX  40

static const char *const kind_names[] = {
    [COMPARE_ADDED] = "added",
    [COMPARE_REMOVED] = "removed",
    [COMPARE_CHANGED] = "changed",
    [COMPARE_META] = "mode",
};

struct sides {
    struct run_point a, b;
};

/* ---- JSON ---- */

static void json_side(struct json_writer *w, const char *name, const struct run_point *p)
{
    json_key(w, name);
    json_object(w);
    json_put_string(w, "id", p->folder->id);
    json_put_int(w, "seq", (int64_t) p->seq);
    json_put_int(w, "checkpoint", p->checkpoint);
    json_object_end(w);
}

static void json_entry(struct json_writer *w, const char *name, const struct listing_entry *e)
{
    static const char *const types[] = {
        [LISTING_FILE] = "file", [LISTING_DIR] = "dir", [LISTING_LINK] = "link", [LISTING_HARD] = "hard"
    };

    json_key(w, name);
    if (!e) {
        json_null(w);
        return;
    }
    json_object(w);
    json_put_string(w, "type", types[e->kind]);
    json_put_int(w, "mode", e->mode);
    if (e->kind == LISTING_FILE) {
        json_put_int(w, "size", e->size);
        json_put_string(w, "sha256", e->sha256);
    }
    if (e->link)
        json_put_string(w, "link", e->link);
    json_object_end(w);
}

static void json_item(struct json_writer *w, const struct compare_item *item)
{
    json_object(w);
    json_put_string(w, "path", item->path);
    json_put_string(w, "kind", kind_names[item->kind]);
    json_put_bool(w, "binary", item->is_binary);
    json_put_int(w, "lines_added", item->lines_added);
    json_put_int(w, "lines_removed", item->lines_removed);
    json_entry(w, "before", item->before);
    json_entry(w, "after", item->after);
    json_object_end(w);
}

static int diff_json(const struct sides *sides, const struct compare *c, struct err *err)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    struct json_writer w;
    int r;

    report_begin(&w, &out);
    json_side(&w, "from", &sides->a);
    json_side(&w, "to", &sides->b);
    json_key(&w, "changes");
    json_array(&w);
    for (size_t i = 0; i < compare_count(c); i++)
        json_item(&w, compare_at(c, i));
    json_array_end(&w);
    r = report_end(&w, err);
    if (r == 0)
        r = term_print_json(buf_span(&out), err);
    buf_done(&out);
    return r;
}

/* ---- --stat ---- */

static void stat_bar(struct buf *out, const struct term *term, int64_t added, int64_t removed, int64_t most)
{
    int64_t plus = most > BAR_MAX ? (added * BAR_MAX + most - 1) / most : added;
    int64_t minus = most > BAR_MAX ? (removed * BAR_MAX + most - 1) / most : removed;

    tone_set(out, term, TONE_GOOD);
    for (int64_t i = 0; i < plus; i++)
        buf_add_char(out, '+');
    tone_set(out, term, TONE_BAD);
    for (int64_t i = 0; i < minus; i++)
        buf_add_char(out, '-');
    tone_set(out, term, TONE_PLAIN);
}

static void stat_line(struct buf *out, const struct term *term, const struct compare_item *item, int64_t most)
{
    char before[32], after[32];

    buf_add_char(out, ' ');
    term_clean(out, span_of(item->path), false);
    buf_add_text(out, " | ");
    if (item->is_binary) {
        buf_printf(out, "%s -> %s, not text",
                   units_format_size(before, item->before ? item->before->size : 0),
                   units_format_size(after, item->after ? item->after->size : 0));
    } else if (item->lines_added + item->lines_removed > 0) {
        buf_printf(out, "%lld ", (long long) (item->lines_added + item->lines_removed));
        stat_bar(out, term, item->lines_added, item->lines_removed, most);
    } else {
        buf_add_text(out, kind_names[item->kind]);
    }
    buf_add_char(out, '\n');
}

static int diff_stat(const struct compare *c, const struct term *term, struct err *err)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    int64_t added = 0, removed = 0, most = 1;
    size_t count = compare_count(c);
    int r = 0;

    for (size_t i = 0; i < count; i++) {
        const struct compare_item *item = compare_at(c, i);
        int64_t lines = item->lines_added + item->lines_removed;

        added += item->lines_added;
        removed += item->lines_removed;
        most = lines > most ? lines : most;
    }
    for (size_t i = 0; i < count; i++)
        stat_line(&out, term, compare_at(c, i), most);
    if (count > 0)
        buf_printf(&out, " %zu changed, %lld line%s added, %lld removed\n", count, (long long) added,
                   added == 1 ? "" : "s", (long long) removed);
    r = term_write(term, buf_span(&out), err);
    buf_done(&out);
    return r;
}

/* ---- the text ---- */

static enum tone tone_of(struct span line)
{
    static const struct {
        const char *start;
        enum tone tone;
    } tones[] = {
        { "diff ", TONE_STRONG }, { "--- ", TONE_STRONG }, { "+++ ", TONE_STRONG },
        { "@@", TONE_MARK },      { "+", TONE_GOOD },      { "-", TONE_BAD },
    };

    for (size_t i = 0; i < sizeof(tones) / sizeof(tones[0]); i++) {
        size_t len = strlen(tones[i].start);

        if (line.len >= len && memcmp(line.ptr, tones[i].start, len) == 0)
            return tones[i].tone;
    }
    return TONE_PLAIN;
}

/* What files hold is not for a terminal to act upon. Elsewhere it stays what it is, so that it can be
 * applied. */
static int show_on_terminal(struct buf *out, const struct term *term, struct span text)
{
    int r = 0;

    while (text.len > 0 && r == 0) {
        const char *eol = memchr(text.ptr, '\n', text.len);
        struct span line = span_make(text.ptr, eol ? (size_t) (eol - text.ptr) : text.len);
        size_t used = line.len + (eol ? 1 : 0);

        tone_set(out, term, tone_of(line));
        r = term_clean(out, line, true);
        tone_set(out, term, TONE_PLAIN);
        buf_add_char(out, '\n');
        text = span_make(text.ptr + used, text.len - used);
    }
    return r;
}

static int diff_text(struct compare *c, const struct term *term, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < compare_count(c) && r == 0; i++) {
        struct buf text = BUF_INIT(TEXT_MAX), shown = BUF_INIT(4 * TEXT_MAX);

        r = compare_text(c, i, &text, err);
        if (r == 0 && term->is_tty && show_on_terminal(&shown, term, buf_span(&text)) < 0)
            r = err_set(err, ERR_TOO_LARGE, "the difference is too large to be shown");
        if (r == 0)
            r = term->is_tty ? term_write(term, buf_span(&shown), err)
                             : term_keep(term, buf_span(&text), err);
        buf_done(&text);
        buf_done(&shown);
    }
    return r;
}

/* ---- the points ---- */

/* RUN of RUN@POINT with another point; the caller's to free. */
static char *at_point(const char *text, const char *point)
{
    size_t run = strcspn(text, "@"), size = run + strlen(point) + 1;
    char *ret = malloc(size);

    if (ret)
        snprintf(ret, size, "%.*s%s", (int) run, text, point);
    return ret;
}

/* One argument: from the first checkpoint that is left to there. "@POINT" as the second one: of the same run.
 */
static int open_sides(const struct options *opts, struct sides *ret, struct err *err)
{
    const char *last = opts->args[opts->arg_count - 1];
    CLEANUP(free) char *first = opts->arg_count == 1 ? at_point(last, "@first") : strdup(opts->args[0]);
    CLEANUP(free) char *second = *last == '@' ? at_point(opts->args[0], last) : strdup(last);
    int r = first && second ? 0 : err_set(err, ERR_INTERNAL, "no memory for a point");

    if (r == 0)
        r = run_point_open(first, &ret->a, err);
    return r < 0 ? r : run_point_open(second, &ret->b, err);
}

int verb_diff(const struct options *opts, struct err *err)
{
    struct sides sides = { 0 };
    struct compare *c = NULL;
    struct term term;
    int r = open_sides(opts, &sides, err);

    if (r == 0)
        r = compare_new(sides.a.store, sides.a.checkpoint, sides.b.store, sides.b.checkpoint, &c, err);
    term_init(&term, TERM_OUT);
    if (r == 0)
        r = opts->json   ? diff_json(&sides, c, err)
            : opts->stat ? diff_stat(c, &term, err)
                         : diff_text(c, &term, err);
    compare_free(c);
    run_point_done(&sides.a);
    run_point_done(&sides.b);
    return r;
}
