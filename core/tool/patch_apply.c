/* SPDX-License-Identifier: MIT */
/* From a file and the places of its hunks to the file as it will be. */
#include "core/tool/patch_match.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    const struct patch_text *text;
    const struct patch_op *op;
    struct buf *out;
    struct patch_effect *effect;
    int failed;
};

static void put(struct writer *w, struct span s)
{
    if (w->failed == 0)
        w->failed = buf_add_span(w->out, s);
}

/* ---- line ends ---- */

/* The end of a line of the file; where there is none, that of the nearest one before. Only the last has none.
 */
static const char *eol_near(const struct writer *w, size_t line)
{
    const char *eol = "";

    for (size_t i = line + 1; i > 0 && !eol[0]; i--)
        if (i <= w->text->count)
            eol = patch_text_eol(w->text, i - 1);
    return eol;
}

static const char *eol_of_patch(const struct writer *w, bool has_cr)
{
    return has_cr && w->op->keeps_cr ? "\r\n" : "\n";
}

/* What was written so far ends with a line end before more comes, and at last. */
static void close_line(struct writer *w, const char *eol)
{
    if (w->out->len > 0 && w->out->data[w->out->len - 1] != '\n')
        put(w, span_of(eol[0] ? eol : "\n"));
}

/* ---- hunks ---- */

/* A run of lines that go and come: those that come take the ends of those that go, one by one. */
struct change {
    size_t at;   /* line of the file where it begins */
    size_t goes; /* so many lines of the file */
};

static const char *eol_for(const struct writer *w, const struct change *c, size_t nth, bool has_cr)
{
    const char *eol = "";

    if (c->goes > 0)
        eol = eol_near(w, c->at + (nth < c->goes ? nth : c->goes - 1));
    else if (c->at > 0)
        eol = eol_near(w, c->at - 1);
    if (!eol[0] && w->text->count > 0)
        eol = eol_near(w, c->at < w->text->count ? c->at : w->text->count - 1);
    return eol[0] ? eol : eol_of_patch(w, has_cr);
}

/* The lines of a hunk from `from` up to the next one that stays; returns where that is. */
static size_t put_change(struct writer *w, const struct patch_line *lines, size_t count, size_t from,
                         size_t *at)
{
    struct change c = { .at = *at };
    size_t to = from, nth = 0;

    for (; to < count && lines[to].sign != ' '; to++)
        c.goes += lines[to].sign == '-';
    for (size_t i = from; i < to; i++) {
        if (lines[i].sign == '-')
            continue;
        close_line(w, eol_near(w, c.at));
        put(w, span_make(lines[i].ptr, lines[i].len));
        put(w, span_of(eol_for(w, &c, nth++, lines[i].has_cr)));
    }
    w->effect->added += (int64_t) nth;
    w->effect->removed += (int64_t) c.goes;
    *at += c.goes;
    return to;
}

static void put_hunk(struct writer *w, const struct patch_hunk *hunk, const struct patch_place *place)
{
    const struct patch_line *lines = hunk->lines + hunk->anchor_count;
    size_t at = place->at, i = 0;

    while (i < place->line_count) {
        if (lines[i].sign != ' ') {
            i = put_change(w, lines, place->line_count, i, &at);
            continue;
        }
        put(w, patch_text_raw(w->text, at++)); /* as the file has it */
        i++;
    }
}

static void put_lines(struct writer *w, size_t from, size_t to)
{
    const struct patch_text *t = w->text;

    if (to > from)
        put(w, span_make(t->bytes.ptr + t->starts[from], t->starts[to] - t->starts[from]));
}

/* Additions at the end were placed before hunks that are above them. The order of hunks with one place stays.
 */
static void order_places(const struct patch_place *places, size_t count, size_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        size_t k = i;

        while (k > 0 && places[ret[k - 1]].at > places[i].at) {
            ret[k] = ret[k - 1];
            k--;
        }
        ret[k] = i;
    }
}

static int put_file(struct writer *w, const struct patch_place *places, const size_t *order)
{
    size_t at = 0;

    for (size_t i = 0; i < w->op->hunk_count; i++) {
        const struct patch_place *place = &places[order[i]];

        put_lines(w, at, place->at);
        put_hunk(w, &w->op->hunks[order[i]], place);
        at = place->at + place->old;
    }
    put_lines(w, at, w->text->count);
    close_line(w, eol_near(w, w->text->count));
    return w->failed;
}

/* ---- operations ---- */

static void note_other_place(struct patch_effect *effect, const struct patch_matcher *m, size_t index,
                             const struct patch_place *place)
{
    if (m->other_at && !effect->note[0])
        snprintf(effect->note, sizeof(effect->note),
                 "hunk %zu fits at line %zu and at line %zu; the first was changed", index + 1, place->at + 1,
                 m->other_at);
}

static int match_all(struct patch_matcher *m, struct patch_place *places, struct patch_effect *effect,
                     struct err *err)
{
    for (size_t i = 0; i < m->op->hunk_count; i++) {
        int r = patch_match(m, i, &places[i], err);

        if (r < 0)
            return r;
        note_other_place(effect, m, i, &places[i]);
    }
    return 0;
}

static int too_large(const struct patch_op *op, struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "'%s' would become larger than a patched file may be", op->path);
}

static int update(const struct patch_op *op, struct patch_text *text, struct buf *out,
                  struct patch_effect *effect, struct err *err)
{
    struct writer w = { .text = text, .op = op, .out = out, .effect = effect };
    struct patch_place *places = calloc(op->hunk_count + 1, sizeof(*places));
    size_t *order = calloc(op->hunk_count + 1, sizeof(*order));
    struct patch_matcher m;
    int r = patch_matcher_init(&m, text, op, err);

    if (r == 0 && (!places || !order))
        r = err_set(err, ERR_INTERNAL, "no memory for a patch");
    if (r == 0)
        r = match_all(&m, places, effect, err);
    if (r == 0) {
        order_places(places, op->hunk_count, order);
        r = put_file(&w, places, order) < 0 ? too_large(op, err) : 0;
    }
    if (r == 0 && effect->added == 0 && effect->removed == 0) { /* only context: not a byte changes */
        buf_clear(out);
        r = buf_add_span(out, text->bytes) < 0 ? too_large(op, err) : 0;
    }
    patch_matcher_done(&m);
    free(places);
    free(order);
    return r;
}

static int create(const struct patch_op *op, struct buf *out, struct patch_effect *effect, struct err *err)
{
    struct patch_text none = { 0 };
    struct writer w = { .text = &none, .op = op, .out = out, .effect = effect };

    for (size_t i = 0; i < op->line_count; i++) {
        put(&w, span_make(op->lines[i].ptr, op->lines[i].len));
        put(&w, span_of(eol_of_patch(&w, op->lines[i].has_cr)));
    }
    effect->added = (int64_t) op->line_count;
    return w.failed < 0 ? too_large(op, err) : 0;
}

int patch_apply(const struct patch_op *op, struct span before, struct buf *out, struct patch_effect *ret,
                struct err *err)
{
    struct patch_text text;
    int r;

    *ret = (struct patch_effect){ 0 };
    buf_clear(out);
    if (op->kind == PATCH_DELETE)
        return 0;
    if (op->kind == PATCH_ADD)
        return create(op, out, ret, err);
    r = patch_text_init(&text, before, err);
    if (r == 0)
        r = update(op, &text, out, ret, err);
    patch_text_done(&text);
    return r;
}
