/* SPDX-License-Identifier: MIT */
/*
 * A hunk is looked for from where the one before it ended, behind its anchors: first everywhere as
 * it stands, then more and more loosely. A line number, as unified diffs have them, is tried before the
 * search of its level, so that it decides between equal places and does not matter when it is wrong.
 */
#include "core/tool/patch_match.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OTHER_PLACE_MAX ((size_t) 1024 * 1024) /* bytes of a file in which a second place is looked for */

/* What the anchors of a hunk come to. */
struct aim {
    size_t from;    /* search from here */
    int64_t anchor; /* line of the last anchor that was found; -1: none */
    int64_t number; /* line by number, from 0; -1: none */
};

int patch_matcher_init(struct patch_matcher *m, struct patch_text *text, const struct patch_op *op,
                       struct err *err)
{
    size_t most = 1;

    for (size_t i = 0; i < op->hunk_count; i++)
        if (op->hunks[i].count > most)
            most = op->hunks[i].count;
    *m = (struct patch_matcher){ .text = text, .op = op, .old = calloc(most, sizeof(*m->old)) };
    return m->old ? 0 : err_set(err, ERR_INTERNAL, "no memory for a patch");
}

void patch_matcher_done(struct patch_matcher *m)
{
    free(m->old);
    *m = (struct patch_matcher){ 0 };
}

static struct span text_of(const struct patch_line *line)
{
    return span_make(line->ptr, line->len);
}

static int given_up(const struct patch_matcher *m, size_t index, struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "hunk %zu of '%s': the search takes too long; split the patch",
                   index + 1, m->op->path);
}

static int shown(struct span line)
{
    return line.len < 120 ? (int) line.len : 120;
}

/* ---- anchors ---- */

static bool take_number(const char **at, const char *end, int64_t *ret)
{
    const char *first = *at;

    *ret = 0;
    while (*at < end && isdigit((unsigned char) **at) && *ret < INT32_MAX)
        *ret = *ret * 10 + (*(*at)++ - '0');
    return *at > first;
}

/* "-12,3 +12,4 @@ what follows": the numbers of a unified diff. *ret_line from 0: where the old lines begin.
 */
static bool is_range(struct span text, int64_t *ret_line)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    int64_t start[2], count[2] = { 1, 1 };

    for (int side = 0; side < 2; side++) {
        while (at < end && *at == ' ')
            at++;
        if (at == end || *at++ != (side ? '+' : '-') || !take_number(&at, end, &start[side]))
            return false;
        if (at < end && *at == ',') {
            at++;
            if (!take_number(&at, end, &count[side]))
                return false;
        }
    }
    while (at < end && *at == ' ')
        at++;
    /* an empty range stands behind its line, others begin with it */
    *ret_line = count[0] == 0 ? start[0] : start[0] - 1;
    return at == end || (end - at >= 2 && at[0] == '@' && at[1] == '@');
}

static int64_t seek_line(struct patch_text *t, struct span line, size_t from)
{
    int64_t at = PATCH_NOWHERE;

    for (int level = 0; at == PATCH_NOWHERE && level < PATCH_LEVELS; level++)
        at = patch_text_seek(t, &line, 1, from, (enum patch_level) level);
    return at;
}

static bool is_empty(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isspace((unsigned char) s.ptr[i]))
            return false;
    return true;
}

/* Some close an anchor as unified diffs do. */
static bool strip_close(struct span *s)
{
    while (s->len > 0 && s->ptr[s->len - 1] == ' ')
        s->len--;
    if (s->len < 3 || memcmp(s->ptr + s->len - 3, " @@", 3) != 0)
        return false;
    s->len -= 3;
    return true;
}

static int anchor_missing(const struct patch_matcher *m, size_t index, struct span anchor, struct err *err)
{
    struct patch_text *t = m->text;
    size_t same;
    int64_t near = patch_text_nearest(t, &anchor, 1, &same);

    if (near >= 0)
        return err_set(
            err, ERR_INVALID,
            "hunk %zu of '%s': the anchor '@@ %.*s' is not found behind line %zu; it is line %lld, "
            "and hunks go from top to bottom",
            index + 1, m->op->path, shown(anchor), anchor.ptr, m->cursor, (long long) near + 1);
    return err_set(
        err, ERR_INVALID,
        "hunk %zu of '%s': the anchor '@@ %.*s' is no line of the file; an anchor is a whole line, "
        "as it stands in the file",
        index + 1, m->op->path, shown(anchor), anchor.ptr);
}

static int take_anchor(struct patch_matcher *m, size_t index, struct span anchor, struct aim *aim,
                       struct err *err)
{
    int64_t number, at;
    bool is_number = is_range(anchor, &number);

    if (is_empty(anchor))
        return 0;
    /* a line that looks like a range may be in the file: when a diff is what is edited */
    at = is_number ? patch_text_seek(m->text, &anchor, 1, aim->from, PATCH_EXACT)
                   : seek_line(m->text, anchor, aim->from);
    if (at == PATCH_NOWHERE && is_number) {
        aim->number = number;
        return 0;
    }
    if (at == PATCH_NOWHERE && strip_close(&anchor))
        at = seek_line(m->text, anchor, aim->from);
    if (at == PATCH_GIVEN_UP)
        return given_up(m, index, err);
    if (at >= 0) {
        aim->anchor = at;
        aim->from = (size_t) at + 1;
        return 0;
    }
    /* the class whose first method was changed already */
    at = seek_line(m->text, anchor, 0);
    return at >= 0 ? 0 : anchor_missing(m, index, anchor, err);
}

/* ---- context ---- */

/* Try the number, the end, then every place. -1: not at this level. */
static int64_t find_at_level(struct patch_matcher *m, const struct patch_hunk *hunk, const struct aim *aim,
                             size_t count, enum patch_level level)
{
    struct patch_text *t = m->text;

    if (aim->number >= (int64_t) aim->from && patch_text_is_at(t, m->old, count, (size_t) aim->number, level))
        return aim->number;
    if (hunk->is_at_end)
        return count <= t->count && t->count - count >= aim->from &&
                       patch_text_is_at(t, m->old, count, t->count - count, level)
                   ? (int64_t) (t->count - count)
                   : PATCH_NOWHERE;
    return patch_text_seek(t, m->old, count, aim->from, level);
}

/* Does it fit elsewhere too? Worth a word, not worth much time. */
static void look_further(struct patch_matcher *m, size_t count, size_t at, enum patch_level level)
{
    int64_t other = PATCH_NOWHERE;

    if (m->text->bytes.len <= OTHER_PLACE_MAX)
        other = patch_text_seek(m->text, m->old, count, at + 1, level);
    m->other_at = other >= 0 ? (size_t) other + 1 : 0;
}

static int64_t find_below(struct patch_matcher *m, const struct patch_hunk *hunk, const struct aim *aim,
                          size_t count)
{
    int64_t at = PATCH_NOWHERE;

    for (int level = 0; at == PATCH_NOWHERE && level < PATCH_LEVELS; level++) {
        at = find_at_level(m, hunk, aim, count, (enum patch_level) level);
        if (at >= 0 && aim->number != at && aim->anchor < 0 && !hunk->is_at_end)
            look_further(m, count, (size_t) at, (enum patch_level) level);
    }
    return at;
}

static int64_t find(struct patch_matcher *m, const struct patch_hunk *hunk, const struct aim *aim,
                    size_t count)
{
    struct patch_hunk anywhere = *hunk;
    struct aim again = *aim;
    int64_t at = find_below(m, hunk, aim, count);

    if (at == PATCH_NOWHERE && hunk->is_at_end) {
        anywhere.is_at_end = false;
        at = find_below(m, &anywhere, aim, count);
    }
    if (at == PATCH_NOWHERE && aim->anchor >= 0) { /* the anchor may be the first line of the context again */
        again.from = (size_t) aim->anchor;
        at = find_below(m, &anywhere, &again, count);
    }
    return at;
}

/* ---- why not ---- */

/* Which of the lines is the first that is not as the file has it at `at`. */
static size_t first_difference(struct patch_text *t, const struct span *lines, size_t count, size_t at)
{
    size_t i = 0;

    while (i < count && at + i < t->count && patch_text_is_at(t, lines + i, 1, at + i, PATCH_TYPOGRAPHY))
        i++;
    return i;
}

static int too_early(const struct patch_matcher *m, size_t index, size_t at, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "hunk %zu of '%s': its lines are at line %zu, which is before line %zu where the search "
                   "begins (behind the hunk before it and its anchors); give the hunks from top to bottom",
                   index + 1, m->op->path, at + 1, m->cursor + 1);
}

static int not_found(struct patch_matcher *m, size_t index, size_t count, struct err *err)
{
    struct patch_text *t = m->text;
    size_t same, first, line = m->op->hunks[index].at;
    struct span has, wants;
    int64_t near;

    for (int level = 0; level < PATCH_LEVELS; level++) {
        near = patch_text_seek(t, m->old, count, 0, (enum patch_level) level);
        if (near >= 0)
            return too_early(m, index, (size_t) near, err);
    }
    near = patch_text_nearest(t, m->old, count, &same);
    if (near < 0)
        return err_set(
            err, ERR_INVALID,
            "hunk %zu of '%s' (line %zu of the patch): none of its lines are in the file, which has "
            "%zu lines; expected: '%.*s'. Read the file and use its lines as they stand",
            index + 1, m->op->path, line, t->count, shown(m->old[0]), m->old[0].ptr);
    first = first_difference(t, m->old, count, (size_t) near);
    wants = m->old[first < count ? first : 0];
    if ((size_t) near + first >= t->count)
        return err_set(
            err, ERR_INVALID,
            "hunk %zu of '%s' (line %zu of the patch): nearest match at line %lld, but the file ends "
            "at line %zu where the hunk expects '%.*s'",
            index + 1, m->op->path, line, (long long) near + 1, t->count, shown(wants), wants.ptr);
    has = patch_text_line(t, (size_t) near + first);
    return err_set(
        err, ERR_INVALID,
        "hunk %zu of '%s' (line %zu of the patch) does not fit: nearest match at line %lld (%zu of "
        "%zu lines are the same), but at line %zu the hunk expects '%.*s' and the file has '%.*s'",
        index + 1, m->op->path, line, (long long) near + 1, same, count, (size_t) near + first + 1,
        shown(wants), wants.ptr, shown(has), has.ptr);
}

/* ---- hunks ---- */

/* Behind the anchor, or where the number says; else at the end. */
static void place_addition(struct patch_matcher *m, const struct patch_hunk *hunk, const struct aim *aim,
                           struct patch_place *ret)
{
    size_t end = m->text->count;

    ret->old = 0;
    ret->at = end;
    if (hunk->is_at_end)
        return;
    if (aim->anchor >= 0)
        ret->at = (size_t) aim->anchor + 1;
    else if (aim->number >= (int64_t) m->cursor && aim->number <= (int64_t) end)
        ret->at = (size_t) aim->number;
    else
        return;
    m->cursor = ret->at;
}

/* Empty lines at the end that only space the patch are tried without. */
static size_t without_spacing(const struct patch_line *lines, size_t count)
{
    while (count > 0 && lines[count - 1].is_bare)
        count--;
    return count;
}

static size_t take_old(struct patch_matcher *m, const struct patch_line *lines, size_t count)
{
    size_t old = 0;

    for (size_t i = 0; i < count; i++)
        if (lines[i].sign != '+')
            m->old[old++] = text_of(&lines[i]);
    return old;
}

int patch_match(struct patch_matcher *m, size_t index, struct patch_place *ret, struct err *err)
{
    const struct patch_hunk *hunk = &m->op->hunks[index];
    const struct patch_line *lines = hunk->lines + hunk->anchor_count;
    size_t count = hunk->count - hunk->anchor_count, fewer = without_spacing(lines, count), old;
    struct aim aim = { .from = m->cursor, .anchor = -1, .number = -1 };
    int64_t at;

    m->other_at = 0;
    for (size_t i = 0; i < hunk->anchor_count; i++) {
        int r = take_anchor(m, index, text_of(&hunk->lines[i]), &aim, err);

        if (r < 0)
            return r;
    }
    old = take_old(m, lines, count);
    ret->line_count = count;
    at = old > 0 ? find(m, hunk, &aim, old) : PATCH_NOWHERE;
    if (at == PATCH_NOWHERE && fewer < count && fewer > 0) {
        count = ret->line_count = fewer;
        old = take_old(m, lines, count);
        at = old > 0 ? find(m, hunk, &aim, old) : PATCH_NOWHERE;
    }
    if (old == 0) {
        place_addition(m, hunk, &aim, ret);
        return 0;
    }
    m->cursor = aim.from;
    if (at < 0)
        return at == PATCH_GIVEN_UP ? given_up(m, index, err) : not_found(m, index, old, err);
    ret->at = (size_t) at;
    ret->old = old;
    m->cursor = (size_t) at + old;
    return 0;
}
