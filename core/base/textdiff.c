/* SPDX-License-Identifier: MIT */
/*
 * Lines become numbers first, equal lines the same one. The search marks the lines
 * of both texts that have no partner in the other; the hunks follow from the marks.
 */
#include "core/base/textdiff.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EFFORT_MIN 256 /* steps of one search, at least */

struct text {
    struct span *lines; /* with their newlines */
    uint32_t *ids;
    char *is_changed;
    size_t count;
};

/* A rectangle of the two texts, in lines; `to` is behind the last. */
struct area {
    int64_t a_from, a_to, b_from, b_to;
};

struct search {
    struct text a, b;
    int64_t *forward, *backward; /* by diagonal (a - b): the line of `a` that was reached */
    int64_t *diagonals;          /* memory of both */
    int64_t effort;
};

/* ---- lines ---- */

static size_t count_lines(struct span text)
{
    size_t count = 0;

    for (const char *at = text.ptr, *end = text.ptr + text.len; at < end; count++) {
        const char *eol = memchr(at, '\n', (size_t) (end - at));

        at = eol ? eol + 1 : end;
    }
    return count;
}

static int split(struct span text, struct text *ret)
{
    const char *at = text.ptr, *end = text.ptr + text.len;

    ret->count = text.len ? count_lines(text) : 0;
    ret->lines = calloc(ret->count + 1, sizeof(*ret->lines));
    ret->ids = calloc(ret->count + 1, sizeof(*ret->ids));
    ret->is_changed = calloc(ret->count + 1, 1);
    if (!ret->lines || !ret->ids || !ret->is_changed)
        return -1;
    for (size_t i = 0; i < ret->count; i++) {
        const char *eol = memchr(at, '\n', (size_t) (end - at));
        const char *next = eol ? eol + 1 : end;

        ret->lines[i] = span_make(at, (size_t) (next - at));
        at = next;
    }
    return 0;
}

static void text_done(struct text *t)
{
    free(t->lines);
    free(t->ids);
    free(t->is_changed);
}

static uint64_t hash(struct span line)
{
    uint64_t value = UINT64_C(0xCBF29CE484222325);

    for (size_t i = 0; i < line.len; i++)
        value = (value ^ (unsigned char) line.ptr[i]) * UINT64_C(0x100000001B3);
    return value ^ value >> 29;
}

struct slot {
    struct span line;
    uint64_t hash;
    uint32_t id; /* 0 = free */
};

/* Many lines with one hash make the probing slow, never wrong: so each probe is counted, and past a bound a
 * line is taken for one of its own. */
#define PROBES_MAX 1000

static void number_lines(struct text *t, struct slot *slots, size_t cap, uint32_t *last_id)
{
    for (size_t i = 0; i < t->count; i++) {
        uint64_t value = hash(t->lines[i]);
        size_t at = (size_t) value & (cap - 1), probes = 0;

        while (slots[at].id && probes < PROBES_MAX &&
               (slots[at].hash != value || !span_equal(slots[at].line, t->lines[i]))) {
            at = (at + 1) & (cap - 1);
            probes++;
        }
        if (probes == PROBES_MAX) {
            t->ids[i] = ++*last_id;
            continue;
        }
        if (!slots[at].id)
            slots[at] = (struct slot){ t->lines[i], value, ++*last_id };
        t->ids[i] = slots[at].id;
    }
}

static int number_all(struct search *s)
{
    size_t cap = 64;
    uint32_t last_id = 0;
    struct slot *slots;

    while (cap < 2 * (s->a.count + s->b.count))
        cap *= 2;
    slots = calloc(cap, sizeof(*slots));
    if (!slots)
        return -1;
    number_lines(&s->a, slots, cap, &last_id);
    number_lines(&s->b, slots, cap, &last_id);
    free(slots);
    return 0;
}

/* ---- the search ---- */

static bool same(const struct search *s, int64_t a, int64_t b)
{
    return s->a.ids[a] == s->b.ids[b];
}

/* The diagonals that were reached from one corner, two apart. */
struct front {
    int64_t *reached;
    int64_t low, high;
};

/* One step further on all diagonals within the area; those outside are closed by `none`. */
static void widen(struct front *f, int64_t lowest, int64_t highest, int64_t none)
{
    if (f->low > lowest)
        f->reached[--f->low - 1] = none;
    else
        f->low++;
    if (f->high < highest)
        f->reached[++f->high + 1] = none;
    else
        f->high--;
}

static bool is_on(const struct front *f, int64_t diagonal)
{
    return diagonal >= f->low && diagonal <= f->high;
}

static int64_t run_forward(const struct search *s, const struct area *r, int64_t a, int64_t diagonal)
{
    while (a < r->a_to && a - diagonal < r->b_to && same(s, a, a - diagonal))
        a++;
    return a;
}

static int64_t run_backward(const struct search *s, const struct area *r, int64_t a, int64_t diagonal)
{
    while (a > r->a_from && a - diagonal > r->b_from && same(s, a - 1, a - diagonal - 1))
        a--;
    return a;
}

/* True: the two fronts have met; *ret_a on diagonal *ret_diagonal. */
static bool step_forward(const struct search *s, const struct area *r, struct front *own,
                         const struct front *other, int64_t *ret_a, int64_t *ret_diagonal)
{
    for (int64_t d = own->high; d >= own->low; d -= 2) {
        int64_t left = own->reached[d - 1] + 1, up = own->reached[d + 1];
        int64_t a = run_forward(s, r, left > up ? left : up, d);

        own->reached[d] = a;
        if (other && is_on(other, d) && other->reached[d] <= a) {
            *ret_a = a;
            *ret_diagonal = d;
            return true;
        }
    }
    return false;
}

static bool step_backward(const struct search *s, const struct area *r, struct front *own,
                          const struct front *other, int64_t *ret_a, int64_t *ret_diagonal)
{
    for (int64_t d = own->high; d >= own->low; d -= 2) {
        int64_t down = own->reached[d - 1], right = own->reached[d + 1] - 1;
        int64_t a = run_backward(s, r, down < right ? down : right, d);

        own->reached[d] = a;
        if (other && is_on(other, d) && other->reached[d] >= a) {
            *ret_a = a;
            *ret_diagonal = d;
            return true;
        }
    }
    return false;
}

/* How far a front has come at best, where it is inside the area. */
static int64_t best_of(const struct front *f, const struct area *r, bool is_forward, int64_t *ret_a,
                       int64_t *ret_diagonal)
{
    int64_t best = -1;

    for (int64_t d = f->low; d <= f->high; d += 2) {
        int64_t a = f->reached[d], b = a - d;
        int64_t way = is_forward ? a - r->a_from + b - r->b_from : r->a_to - a + r->b_to - b;

        if (a < r->a_from || a > r->a_to || b < r->b_from || b > r->b_to || way <= best)
            continue;
        best = way;
        *ret_a = a;
        *ret_diagonal = d;
    }
    return best;
}

static void give_up(const struct area *r, const struct front *forward, const struct front *backward,
                    int64_t *ret_a, int64_t *ret_diagonal)
{
    int64_t a = r->a_from, diagonal = r->a_from - r->b_from;

    if (best_of(forward, r, true, ret_a, ret_diagonal) < best_of(backward, r, false, &a, &diagonal)) {
        *ret_a = a;
        *ret_diagonal = diagonal;
    }
}

/* A point through which a short way leads. Both texts have lines in the area, and differ at its corners. */
static void find_middle(const struct search *s, const struct area *r, int64_t *ret_a, int64_t *ret_b)
{
    const int64_t lowest = r->a_from - r->b_to, highest = r->a_to - r->b_from;
    const int64_t first = r->a_from - r->b_from, last = r->a_to - r->b_to;
    struct front forward = { s->forward, first, first }, backward = { s->backward, last, last };
    bool is_odd = (first - last) & 1, is_met = false;
    int64_t diagonal = first;

    forward.reached[first] = r->a_from;
    backward.reached[last] = r->a_to;
    *ret_a = r->a_from;
    for (int64_t cost = 1; !is_met; cost++) {
        widen(&forward, lowest, highest, -2);
        is_met = step_forward(s, r, &forward, is_odd ? &backward : NULL, ret_a, &diagonal);
        if (is_met)
            break;
        widen(&backward, lowest, highest, INT64_MAX);
        is_met = step_backward(s, r, &backward, is_odd ? NULL : &forward, ret_a, &diagonal);
        if (!is_met && cost >= s->effort) {
            give_up(r, &forward, &backward, ret_a, &diagonal);
            break;
        }
    }
    *ret_b = *ret_a - diagonal;
}

static void mark(struct search *s, const struct area *r)
{
    if (r->a_to > r->a_from)
        memset(s->a.is_changed + r->a_from, 1, (size_t) (r->a_to - r->a_from));
    if (r->b_to > r->b_from)
        memset(s->b.is_changed + r->b_from, 1, (size_t) (r->b_to - r->b_from));
}

/* Equal lines at both ends need no search. */
static void trim(const struct search *s, struct area *r)
{
    while (r->a_from < r->a_to && r->b_from < r->b_to && same(s, r->a_from, r->b_from)) {
        r->a_from++;
        r->b_from++;
    }
    while (r->a_from < r->a_to && r->b_from < r->b_to && same(s, r->a_to - 1, r->b_to - 1)) {
        r->a_to--;
        r->b_to--;
    }
}

static int64_t size_of(const struct area *r)
{
    return r->a_to - r->a_from + r->b_to - r->b_from;
}

/* Recursion takes the smaller half, so it is as deep as the logarithm of the lines. */
static void compare(struct search *s, struct area r)
{
    for (;;) {
        struct area first, second;
        int64_t a, b;

        trim(s, &r);
        if (r.a_from == r.a_to || r.b_from == r.b_to)
            break;
        find_middle(s, &r, &a, &b);
        first = (struct area){ r.a_from, a, r.b_from, b };
        second = (struct area){ a, r.a_to, b, r.b_to };
        if (size_of(&first) == 0 || size_of(&second) == 0)
            break; /* no way forward was found: all of it has changed */
        if (size_of(&first) < size_of(&second)) {
            compare(s, first);
            r = second;
        } else {
            compare(s, second);
            r = first;
        }
    }
    mark(s, &r);
}

static int search_all(struct search *s)
{
    size_t total = s->a.count + s->b.count, width = total + 5;

    s->diagonals = calloc(2 * width, sizeof(*s->diagonals));
    if (!s->diagonals)
        return -1;
    /* diagonals run from -b to a; each front needs one more on both sides */
    s->forward = s->diagonals + s->b.count + 2;
    s->backward = s->forward + width;
    for (s->effort = EFFORT_MIN; s->effort * s->effort < (int64_t) total; s->effort *= 2)
        continue;
    compare(s, (struct area){ 0, (int64_t) s->a.count, 0, (int64_t) s->b.count });
    return 0;
}

/* ---- hunks ---- */

struct output {
    const struct search *s;
    struct buf *out;
    size_t context;
    int failed;
};

static void put_line(struct output *o, char sign, struct span line)
{
    bool has_end = line.len > 0 && line.ptr[line.len - 1] == '\n';

    if (o->failed == 0)
        o->failed = buf_add_char(o->out, sign);
    if (o->failed == 0)
        o->failed = buf_add_span(o->out, line);
    if (o->failed == 0 && !has_end)
        o->failed = buf_add_text(o->out, "\n\\ No newline at end of file\n");
}

/* "12,3"; an empty range stands behind the line before it. */
static void put_range(struct output *o, char sign, size_t from, size_t to)
{
    size_t count = to - from, start = count ? from + 1 : from;

    if (o->failed == 0)
        o->failed = count == 1 ? buf_printf(o->out, "%c%zu ", sign, start)
                               : buf_printf(o->out, "%c%zu,%zu ", sign, start, count);
}

/* Lines [from, to) of both, which begin and end outside any change. */
static void put_hunk(struct output *o, const size_t from[2], const size_t to[2])
{
    const struct text *a = &o->s->a, *b = &o->s->b;
    size_t i = from[0], j = from[1];

    if (o->failed == 0)
        o->failed = buf_add_text(o->out, "@@ ");
    put_range(o, '-', from[0], to[0]);
    put_range(o, '+', from[1], to[1]);
    if (o->failed == 0)
        o->failed = buf_add_text(o->out, "@@\n");
    while (i < to[0] || j < to[1]) {
        if (i < to[0] && a->is_changed[i])
            put_line(o, '-', a->lines[i++]);
        else if (j < to[1] && b->is_changed[j])
            put_line(o, '+', b->lines[j++]);
        else {
            put_line(o, ' ', a->lines[i++]);
            j++;
        }
    }
}

/* From the equal lines at (*i, *j) to behind the next change. False: there is none. `ret_equal`: so many of
 * them. */
static bool next_change(const struct search *s, size_t *i, size_t *j, size_t *ret_equal)
{
    const struct text *a = &s->a, *b = &s->b;

    for (*ret_equal = 0; *i < a->count && *j < b->count && !a->is_changed[*i] && !b->is_changed[*j];
         ++*i, ++*j)
        ++*ret_equal;
    if (*i == a->count && *j == b->count)
        return false;
    while (*i < a->count && a->is_changed[*i])
        ++*i;
    while (*j < b->count && b->is_changed[*j])
        ++*j;
    return true;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void put_hunks(struct output *o)
{
    const struct search *s = o->s;
    size_t i = 0, j = 0, equal, at[2] = { 0, 0 }, from[2] = { 0, 0 }, to[2] = { 0, 0 };
    bool is_open = false;

    while (o->failed == 0 && next_change(s, &i, &j, &equal)) {
        size_t before = smaller(equal, o->context);

        if (is_open && equal > 2 * o->context) {
            to[0] += o->context;
            to[1] += o->context;
            put_hunk(o, from, to);
            is_open = false;
        }
        if (!is_open) {
            from[0] = at[0] + equal - before;
            from[1] = at[1] + equal - before;
        }
        is_open = true;
        to[0] = at[0] = i;
        to[1] = at[1] = j;
    }
    if (is_open) {
        to[0] += smaller(o->context, s->a.count - to[0]);
        to[1] += smaller(o->context, s->b.count - to[1]);
        put_hunk(o, from, to);
    }
}

/* ---- all of it ---- */

static void count_changes(const struct search *s, struct textdiff_counts *ret)
{
    *ret = (struct textdiff_counts){ 0 };
    for (size_t i = 0; i < s->a.count; i++)
        ret->removed += s->a.is_changed[i];
    for (size_t i = 0; i < s->b.count; i++)
        ret->added += s->b.is_changed[i];
}

int textdiff(struct span before, struct span after, int context, struct buf *out, struct textdiff_counts *ret,
             struct err *err)
{
    struct search s = { 0 };
    struct output o = { .s = &s, .out = out, .context = context > 0 ? (size_t) context : 0 };
    int r = 0;

    if (before.len > TEXTDIFF_MAX || after.len > TEXTDIFF_MAX)
        return err_set(err, ERR_TOO_LARGE, "a text of more than %zu bytes", TEXTDIFF_MAX);
    if (split(before, &s.a) < 0 || split(after, &s.b) < 0 || number_all(&s) < 0 || search_all(&s) < 0)
        r = err_set(err, ERR_INTERNAL, "no memory to compare texts");
    if (r == 0) {
        count_changes(&s, ret);
        if (out)
            put_hunks(&o);
        if (o.failed < 0)
            r = err_set(err, ERR_TOO_LARGE, "the difference is larger than %zu bytes", out->max);
    }
    text_done(&s.a);
    text_done(&s.b);
    free(s.diagonals);
    return r;
}
