/* SPDX-License-Identifier: MIT */
/* From the text of a patch to its operations. */
#include "core/tool/patch.h"

#include "core/base/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct patch *patch;
    const char *at, *end;
    size_t number; /* of the line that comes next, from 1 */
    struct patch_line *lines;
    size_t line_count;
    bool keeps_cr;
};

/* ---- lines ---- */

static struct span trim_end(struct span s)
{
    while (s.len > 0 && isspace((unsigned char) s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static struct span trim(struct span s)
{
    s = trim_end(s);
    while (s.len > 0 && isspace((unsigned char) s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    return s;
}

/* The next line, without its end. False, and an empty one: there is no more. */
static bool peek(const struct parser *p, struct span *ret, bool *ret_cr)
{
    const char *eol;

    *ret = span_make(p->at, 0);
    *ret_cr = false;
    if (p->at >= p->end)
        return false;
    eol = memchr(p->at, '\n', (size_t) (p->end - p->at));
    *ret = span_make(p->at, (size_t) ((eol ? eol : p->end) - p->at));
    *ret_cr = eol && ret->len > 0 && ret->ptr[ret->len - 1] == '\r';
    ret->len -= *ret_cr;
    return true;
}

static void skip(struct parser *p)
{
    const char *eol = memchr(p->at, '\n', (size_t) (p->end - p->at));

    p->at = eol ? eol + 1 : p->end;
    p->number++;
}

static int shown(struct span line)
{
    return line.len < 120 ? (int) line.len : 120;
}

static int bad_line(const struct parser *p, struct span line, const char *why, struct err *err)
{
    return err_set(err, ERR_INVALID, "line %zu of the patch, '%.*s', %s", p->number, shown(line), line.ptr,
                   why);
}

static void keep(struct parser *p, char sign, struct span text, bool has_cr, bool is_bare)
{
    p->lines[p->line_count++] = (struct patch_line){ text.ptr, (uint32_t) text.len, sign, has_cr, is_bare };
}

static struct span from(struct span s, size_t skipped)
{
    return span_make(s.ptr + skipped, s.len - skipped);
}

/* "*** Add File: x": the rest behind the word, without blanks around it. */
static bool is_header(struct span line, const char *word, struct span *ret)
{
    line = trim(line);
    if (!span_starts(line, word))
        return false;
    *ret = trim(from(line, strlen(word)));
    return true;
}

/* "\ No newline at end of file" of a unified diff: what is written ends with a line end anyway. */
static bool is_no_newline(struct span line)
{
    return span_starts(line, "\\ No newline");
}

static bool is_end_of_file(struct span line)
{
    return span_is(trim_end(line), "*** End of File");
}

/* The header of what comes behind it. */
static bool ends_update(struct span line)
{
    return span_starts(line, "***") && !is_end_of_file(line);
}

/* ---- operations ---- */

static struct patch_op *new_op(struct parser *p, enum patch_kind kind, struct span path, struct err *err)
{
    struct patch_op *op;

    if (p->patch->count == PATCH_OPS_MAX) {
        err_set(err, ERR_TOO_LARGE, "a patch may have at most %d operations", PATCH_OPS_MAX);
        return NULL;
    }
    if (!p->patch->ops)
        p->patch->ops = arena_alloc(&p->patch->arena, PATCH_OPS_MAX * sizeof(*p->patch->ops));
    if (path.len == 0 || memchr(path.ptr, '\0', path.len)) {
        err_set(err, ERR_INVALID, "line %zu of the patch names no file", p->number);
        return NULL;
    }
    if (!p->patch->ops) {
        err_set(err, ERR_INTERNAL, "no memory for a patch");
        return NULL;
    }
    op = &p->patch->ops[p->patch->count];
    *op = (struct patch_op){ .kind = kind, .keeps_cr = p->keeps_cr };
    op->path = arena_copy(&p->patch->arena, path.ptr, path.len);
    if (!op->path) {
        err_set(err, ERR_INTERNAL, "no memory for a patch");
        return NULL;
    }
    p->patch->count++;
    return op;
}

/* Lines with +; the first other one ends it. */
static void parse_contents(struct parser *p, struct patch_op *op)
{
    struct span line;
    bool has_cr;

    op->lines = p->lines + p->line_count;
    while (peek(p, &line, &has_cr) && span_starts(line, "+")) {
        keep(p, '+', from(line, 1), has_cr, false);
        op->line_count++;
        skip(p);
    }
    while (peek(p, &line, &has_cr) && (is_no_newline(line) || is_end_of_file(line)))
        skip(p);
}

static void parse_anchors(struct parser *p, struct patch_hunk *hunk)
{
    struct span line;
    bool has_cr;

    while (peek(p, &line, &has_cr) && span_starts(line, "@@")) {
        line = from(line, 2);
        if (span_starts(line, " "))
            line = from(line, 1);
        keep(p, '@', line, has_cr, false);
        hunk->anchor_count++;
        skip(p);
    }
}

/* One line of a hunk's body. 0: it ends before this one. */
static int parse_body_line(struct parser *p, struct patch_hunk *hunk, struct span line, bool has_cr,
                           struct err *err)
{
    if (span_starts(line, "@@") || ends_update(line))
        return 0;
    if (is_end_of_file(line)) {
        hunk->is_at_end = true;
        skip(p);
        return 0;
    }
    if (line.len == 0)
        keep(p, ' ', line, has_cr, true);
    else if (memchr(" +-", line.ptr[0], 3))
        keep(p, line.ptr[0], from(line, 1), has_cr, false);
    else if (!is_no_newline(line))
        return bad_line(p, line, "must begin with ' ' (stays), '-' (goes) or '+' (comes), or be a header",
                        err);
    skip(p);
    return 1;
}

static int parse_hunk(struct parser *p, struct patch_op *op, struct err *err)
{
    struct patch_hunk *hunk = &op->hunks[op->hunk_count];
    struct span line;
    bool has_cr;
    int r = 1;

    *hunk = (struct patch_hunk){ .lines = p->lines + p->line_count, .at = p->number };
    parse_anchors(p, hunk);
    if (op->hunk_count > 0 && hunk->anchor_count == 0 && peek(p, &line, &has_cr))
        return bad_line(p, line, "is behind the end of a hunk; the next hunk begins with '@@'", err);
    while (r > 0 && peek(p, &line, &has_cr))
        r = parse_body_line(p, hunk, line, has_cr, err);
    if (r < 0)
        return r;
    hunk->count = (size_t) (p->lines + p->line_count - hunk->lines);
    if (hunk->count == hunk->anchor_count)
        return err_set(err, ERR_INVALID,
                       "hunk %zu of '%s' (line %zu of the patch) has no lines: after '@@' come lines with "
                       "' ', '-' or '+'",
                       op->hunk_count + 1, op->path, hunk->at);
    op->hunk_count++;
    return 0;
}

/* No more hunks than this update has lines that could begin one. */
static size_t count_hunks(const struct parser *p)
{
    size_t count = 1;
    struct parser look = *p;
    struct span line;
    bool has_cr;

    while (peek(&look, &line, &has_cr) && !ends_update(line)) {
        count += span_starts(line, "@");
        skip(&look);
    }
    return count;
}

/* Headers of a unified diff, which say nothing that is not known. */
static void skip_diff_head(struct parser *p)
{
    struct parser look = *p;
    struct span line;
    bool has_cr;

    while (peek(&look, &line, &has_cr) && (span_starts(line, "diff --git ") || span_starts(line, "index ")))
        skip(&look);
    if (!peek(&look, &line, &has_cr) || !span_starts(line, "--- "))
        return;
    skip(&look);
    if (!peek(&look, &line, &has_cr) || !span_starts(line, "+++ "))
        return;
    skip(&look);
    if (peek(&look, &line, &has_cr) && span_starts(line, "@@"))
        *p = look;
}

static int parse_hunks(struct parser *p, struct patch_op *op, struct err *err)
{
    struct span line;
    size_t count = count_hunks(p);
    bool has_cr;

    if (count > PATCH_HUNKS_MAX)
        return err_set(err, ERR_TOO_LARGE, "the update of '%s' has more than %d hunks", op->path,
                       PATCH_HUNKS_MAX);
    op->hunks = arena_alloc(&p->patch->arena, count * sizeof(*op->hunks));
    if (!op->hunks)
        return err_set(err, ERR_INTERNAL, "no memory for a patch");
    skip_diff_head(p);
    while (peek(p, &line, &has_cr)) {
        int r = 0;

        if (trim(line).len == 0)
            skip(p);
        else if (ends_update(line))
            break;
        else
            r = parse_hunk(p, op, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int parse_update(struct parser *p, struct patch_op *op, struct err *err)
{
    struct span line, target;
    bool has_cr;
    int r;

    if (peek(p, &line, &has_cr) && is_header(line, "*** Move to:", &target)) {
        if (target.len == 0 || memchr(target.ptr, '\0', target.len))
            return bad_line(p, line, "names no file", err);
        op->move_to = arena_copy(&p->patch->arena, target.ptr, target.len);
        if (!op->move_to)
            return err_set(err, ERR_INTERNAL, "no memory for a patch");
        skip(p);
    }
    r = parse_hunks(p, op, err);
    if (r == 0 && op->hunk_count == 0 && !op->move_to)
        r = err_set(err, ERR_INVALID, "the update of '%s' has no hunk: nothing would change", op->path);
    return r;
}

static int parse_section(struct parser *p, struct span line, struct err *err)
{
    static const struct {
        const char *word;
        enum patch_kind kind;
    } headers[] = { { "*** Add File:", PATCH_ADD },
                    { "*** Delete File:", PATCH_DELETE },
                    { "*** Update File:", PATCH_UPDATE } };
    struct span path;

    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct patch_op *op;

        if (!is_header(line, headers[i].word, &path))
            continue;
        op = new_op(p, headers[i].kind, path, err);
        if (!op)
            return err ? -(int) err->code : -ERR_INVALID;
        skip(p);
        if (op->kind == PATCH_ADD)
            parse_contents(p, op);
        return op->kind == PATCH_UPDATE ? parse_update(p, op, err) : 0;
    }
    if (p->patch->count > 0 && p->patch->ops[p->patch->count - 1].kind == PATCH_ADD)
        return bad_line(p, line, "must begin with '+', as every line of a new file does", err);
    return bad_line(p, line,
                    "is no header; there are '*** Add File: PATH', '*** Update File: PATH' and "
                    "'*** Delete File: PATH'",
                    err);
}

/* ---- around them ---- */

static int begin(struct parser *p, struct patch *patch, struct span text, size_t number, struct err *err)
{
    size_t count = 2;

    if (!text.ptr)
        text = span_make("", 0);
    for (const char *at = text.ptr, *end = text.ptr + text.len; at < end; count++) {
        at = memchr(at, '\n', (size_t) (end - at));
        if (!at++)
            break;
    }
    *p = (struct parser){ .patch = patch, .at = text.ptr, .end = text.ptr + text.len, .number = number };
    p->lines = arena_alloc(&patch->arena, count * sizeof(*p->lines));
    return p->lines ? 0 : err_set(err, ERR_INTERNAL, "no memory for a patch");
}

static struct span first_line(struct span text)
{
    const char *eol = memchr(text.ptr, '\n', text.len);

    return eol ? span_make(text.ptr, (size_t) (eol - text.ptr)) : text;
}

static struct span last_line(struct span text)
{
    const char *eol = memrchr(text.ptr, '\n', text.len);

    return eol ? from(text, (size_t) (eol + 1 - text.ptr)) : text;
}

/* "<<'WORD'" with what a shell allows around it. */
static bool is_here_document(struct span line, struct span *ret_word)
{
    static const char *const commands[] = { "apply_patch", "cat" };
    char quote = 0;

    line = trim(line);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (span_starts(line, commands[i]))
            line = trim(from(line, strlen(commands[i])));
    if (!span_starts(line, "<<"))
        return false;
    line = trim(from(line, span_starts(line, "<<-") ? 3 : 2));
    if (line.len > 1 && memchr("'\"", line.ptr[0], 2)) {
        quote = line.ptr[0];
        if (line.ptr[line.len - 1] != quote)
            return false;
        line = span_make(line.ptr + 1, line.len - 2);
    }
    for (size_t i = 0; i < line.len; i++)
        if (!isalnum((unsigned char) line.ptr[i]) && line.ptr[i] != '_')
            return false;
    *ret_word = line;
    return line.len > 0;
}

static int unwrap(struct span *text, size_t *number, struct err *err)
{
    struct span word, first = first_line(*text), last = last_line(*text);

    if (!is_here_document(first, &word))
        return 0;
    if (first.ptr == last.ptr || !span_equal(trim(last), word))
        return err_set(err, ERR_INVALID, "the here-document around the patch has no closing '" SPAN_FMT "'",
                       SPAN_ARG(word));
    *text = span_make(first.ptr + first.len + 1, (size_t) (last.ptr - first.ptr) - first.len - 1);
    ++*number;
    return 0;
}

static int parse_sections(struct parser *p, struct err *err)
{
    struct span line, name;
    bool has_cr;

    if (peek(p, &line, &has_cr) && is_header(line, "*** Environment ID:", &name))
        skip(p);
    while (peek(p, &line, &has_cr)) {
        int r = parse_section(p, line, err);

        if (r < 0)
            return r;
    }
    if (p->patch->count == 0)
        return err_set(err, ERR_INVALID, "the patch has no operation");
    return 0;
}

static int parse_envelope(struct patch *patch, struct span text, struct err *err)
{
    struct span first, last;
    struct parser p;
    size_t number = 1;
    int r;

    text = trim(text);
    r = unwrap(&text, &number, err);
    if (r < 0)
        return r;
    text = trim(text);
    first = first_line(text);
    last = last_line(text);
    if (!span_is(trim(first), "*** Begin Patch"))
        return err_set(err, ERR_INVALID,
                       "the first line of the patch must be '*** Begin Patch', it is '%.*s'", shown(first),
                       text.len ? first.ptr : "");
    if (!span_is(trim(last), "*** End Patch"))
        return err_set(err, ERR_INVALID, "the last line of the patch must be '*** End Patch', it is '%.*s'",
                       shown(last), last.ptr);
    text = span_make(first.ptr + first.len + 1, (size_t) (last.ptr - first.ptr) - first.len - 1);
    r = begin(&p, patch, text, number + 1, err);
    p.keeps_cr = first.ptr[first.len - 1] != '\r';
    return r < 0 ? r : parse_sections(&p, err);
}

/* A diff that brings its own envelope: its one operation must be the one that was asked for. */
static int parse_whole(struct patch *p, enum patch_kind kind, struct span path, struct span diff,
                       struct err *err)
{
    const size_t count = p->count;
    int r = parse_envelope(p, diff, err);

    if (r < 0)
        return r;
    if (p->count != count + 1 || p->ops[count].kind != kind || !span_is(path, p->ops[count].path))
        return err_set(err, ERR_INVALID,
                       "the diff has headers of its own, which are not those of this operation on '" SPAN_FMT
                       "'",
                       shown(path), path.ptr);
    return 0;
}

int patch_add_operation(struct patch *patch, enum patch_kind kind, struct span path, struct span diff,
                        struct err *err)
{
    struct span line;
    struct patch_op *op;
    struct parser p;
    bool has_cr;
    int r;

    if (diff.len > PATCH_TEXT_MAX)
        return err_set(err, ERR_TOO_LARGE, "the diff is larger than %zu bytes", PATCH_TEXT_MAX);
    if (kind != PATCH_DELETE && diff.len > 0 && span_is(trim(first_line(diff)), "*** Begin Patch"))
        return parse_whole(patch, kind, trim(path), diff, err);
    r = begin(&p, patch, diff, 1, err);
    if (r < 0)
        return r;
    p.keeps_cr = true;
    op = new_op(&p, kind, trim(path), err);
    if (!op)
        return err ? -(int) err->code : -ERR_INVALID;
    if (kind == PATCH_DELETE)
        return 0;
    if (kind == PATCH_UPDATE)
        r = parse_update(&p, op, err);
    else {
        skip_diff_head(&p);
        if (peek(&p, &line, &has_cr) && span_starts(line, "@@"))
            skip(&p);
        parse_contents(&p, op);
    }
    if (r == 0 && peek(&p, &line, &has_cr))
        r = kind == PATCH_ADD
                ? bad_line(&p, line, "must begin with '+', as every line of a new file does", err)
                : bad_line(&p, line, "does not belong into the diff of one file", err);
    return r;
}

/* ---- JSON ---- */

static int add_json_operation(struct patch *p, const struct tree *op, struct err *err)
{
    const struct tree *inner = tree_get(op, "operation");
    enum patch_kind kind;
    struct span word;

    if (inner)
        op = inner;
    word = tree_span(tree_get(op, "type"));
    if (!patch_kind_of(word, &kind))
        return err_set(err, ERR_INVALID,
                       "an operation's type is create_file, update_file or delete_file, not '%.*s'",
                       shown(word), word.len ? word.ptr : "");
    if (kind != PATCH_DELETE && !tree_get(op, "diff"))
        return err_set(err, ERR_INVALID, "an operation without a diff");
    return patch_add_operation(p, kind, tree_span(tree_get(op, "path")), tree_span(tree_get(op, "diff")),
                               err);
}

static int parse_json(struct patch *p, struct span text, struct err *err)
{
    const struct tree *tree = NULL, *list;
    int r = json_parse(text, &p->arena, &tree, err);

    if (r < 0)
        return err_wrap(err, "the patch looks like JSON and is none");
    list = tree_get(tree, "operations");
    if (!list)
        list = tree;
    if (list->kind != TREE_ARRAY)
        return add_json_operation(p, list, err);
    tree_each (op, list) {
        r = add_json_operation(p, op, err);
        if (r < 0)
            return r;
    }
    return p->count ? 0 : err_set(err, ERR_INVALID, "the patch has no operation");
}

int patch_parse(struct patch *p, struct span text, struct err *err)
{
    struct span trimmed = text.len ? trim(text) : text;

    if (text.len > PATCH_TEXT_MAX)
        return err_set(err, ERR_TOO_LARGE, "the patch is larger than %zu bytes", PATCH_TEXT_MAX);
    if (trimmed.len == 0)
        return err_set(err, ERR_INVALID, "the patch is empty");
    if (memchr("{[", trimmed.ptr[0], 2))
        return parse_json(p, trimmed, err);
    return parse_envelope(p, text, err);
}
