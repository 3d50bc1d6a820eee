/* SPDX-License-Identifier: MIT */
#include "core/run/context_text.h"

#include "core/base/glyph.h"
#include "core/base/units.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define BEGIN_MARK "<INSTRUCTIONS>"
#define END_MARK   "</INSTRUCTIONS>"
#define TREE_END   "</WORKSPACE_FILES>"

/* ---- made harmless ---- */

/* One character: as it is, as something else, or not at all. Returns the bytes of `rest` that it has. */
static size_t take(struct span rest, struct span *ret)
{
    size_t len = 1;
    uint32_t c = glyph_next(rest, &len);

    *ret = span_make(rest.ptr, len);
    if (c == 0xfffd)
        *ret = span_of("\xef\xbf\xbd");
    else if (c != '\n' && c != '\t' && glyph_is_unsafe(c))
        *ret = span_make(rest.ptr, 0);
    return len;
}

/* A mark that ends a quotation ends nothing when it is written otherwise. What comes between its characters
 * and is left out must not make one: so this looks at what came out. */
static void break_mark(struct buf *out, size_t from)
{
    static const char *const marks[] = { END_MARK, TREE_END };

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        size_t len = strlen(marks[i]);

        if (out->len - from >= len && strncasecmp(out->data + out->len - len, marks[i], len) == 0)
            out->data[out->len - len + 1] = '\\';
    }
}

static void add_piece(struct buf *out, size_t from, struct span piece)
{
    (void) buf_add_span(out, piece); /* what does not fit is left out: the caller has its own bound */
    if (piece.len == 1 && piece.ptr[0] == '>')
        break_mark(out, from);
}

size_t context_clean(struct buf *out, struct span text, size_t max, bool *ret_is_cut)
{
    size_t before = out->len;
    struct span piece;

    *ret_is_cut = false;
    for (size_t at = 0; at < text.len;) {
        at += take(span_make(text.ptr + at, text.len - at), &piece);
        if (out->len - before + piece.len + 1 > max) { /* 1: the newline */
            *ret_is_cut = piece.len > 0;
            if (*ret_is_cut)
                break;
        }
        add_piece(out, before, piece);
    }
    if (out->len > before && out->data[out->len - 1] != '\n')
        (void) buf_add_char(out, '\n');
    return out->len - before;
}

/* A path on one line. */
static void add_path(struct buf *out, const char *path)
{
    struct span rest = span_of(path), piece;
    size_t before = out->len, used;

    for (; rest.len > 0; rest = span_make(rest.ptr + used, rest.len - used)) {
        used = take(rest, &piece);
        if (piece.len == 0 || piece.ptr[0] == '\n' || piece.ptr[0] == '\t')
            piece = span_of("?");
        if (out->len - before + piece.len > CONTEXT_NAME_MAX) {
            (void) buf_add_text(out, "...");
            return;
        }
        add_piece(out, before, piece);
    }
}

/* ---- AGENTS.md ---- */

static void add_folder(struct buf *out, const char *root, const char *folder)
{
    (void) buf_add_text(out, root);
    if (*folder)
        (void) buf_add_char(out, '/');
    add_path(out, folder);
}

size_t context_add_agents(struct buf *out, const char *root, const char *folder, struct span text, size_t max,
                          const char *why, bool *ret_is_cut)
{
    size_t told;

    *ret_is_cut = false;
    if (out->len > 0)
        (void) buf_add_char(out, '\n');
    if (why || max < 2) {
        (void) buf_add_text(out, "AGENTS.md of ");
        add_folder(out, root, folder);
        (void) buf_printf(out, " is there, but is not given here: %s.\n",
                          why ? why : "there is no room left for it");
        return 0;
    }
    (void) buf_add_text(out, "# AGENTS.md instructions for ");
    add_folder(out, root, folder);
    (void) buf_add_text(out, "\n\n" BEGIN_MARK "\n");
    told = context_clean(out, text, max, ret_is_cut);
    (void) buf_add_text(out, END_MARK "\n");
    if (*ret_is_cut)
        (void) buf_printf(out, "(Cut after %zu of %zu bytes; the rest is in the file.)\n", told, text.len);
    if (*folder)
        (void) buf_add_text(
            out, "They hold for what is in that folder, and win over those of the folders above it.\n");
    return told;
}

/* ---- the listing ---- */

int context_tree_compare(const void *a, const void *b)
{
    const unsigned char *x = (const unsigned char *) ((const struct context_entry *) a)->path;
    const unsigned char *y = (const unsigned char *) ((const struct context_entry *) b)->path;

    while (*x && *x == *y)
        x++, y++;
    return (*x == '/' ? 1 : *x ? 1 + *x : 0) - (*y == '/' ? 1 : *y ? 1 + *y : 0);
}

bool context_tree_skips(struct span name)
{
    static const char *const skipped[] = { ".git",  ".hg",  ".svn",        ".agentbox", "node_modules",
                                           ".venv", "venv", "__pycache__", ".cache",    ".tox" };

    for (size_t i = 0; i < sizeof(skipped) / sizeof(skipped[0]); i++)
        if (span_is(name, skipped[i]))
            return true;
    return false;
}

static void add_entry(struct buf *out, const struct context_entry *e)
{
    char size[32];

    add_path(out, e->path);
    if (e->is_folder)
        (void) buf_add_text(out, "/\n");
    else if (e->is_link)
        (void) buf_add_text(out, "  (link)\n");
    else
        (void) buf_printf(out, "  %s\n",
                          units_format_size(size, e->size > INT64_MAX ? INT64_MAX : (int64_t) e->size));
}

size_t context_add_tree(struct buf *out, const char *root, const struct context_tree *tree)
{
    size_t told = 0, begin;
    int64_t more;

    if (tree->count == 0)
        return 0;
    if (out->len > 0)
        (void) buf_add_char(out, '\n');
    (void) buf_printf(out, "# Files in %s at the beginning\n\n<WORKSPACE_FILES>\n", root);
    begin = out->len;
    for (; told < tree->count && told < CONTEXT_TREE_ENTRIES; told++) {
        size_t before = out->len;

        add_entry(out, &tree->entries[told]);
        if (out->len - begin > CONTEXT_TREE_BYTES) {
            out->len = before;
            break;
        }
    }
    (void) buf_add_text(out, TREE_END "\n");
    more = tree->more + (int64_t) (tree->count - told);
    if (more > 0)
        (void) buf_printf(out, "(%" PRId64 " more are not shown.)\n", more);
    if (tree->unseen > 0)
        (void) buf_printf(out, "(What is in %" PRId64 " folder%s is not shown.)\n", tree->unseen,
                          tree->unseen == 1 ? "" : "s");
    return told;
}
