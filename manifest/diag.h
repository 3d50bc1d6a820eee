/* SPDX-License-Identifier: MIT */
/*
 * Diagnostics: every problem of a manifest, collected, sorted by position, and
 * shown with the source line, a caret and a hint:
 *
 *     m.yaml:12:5: error: unknown key 'tsak' in 'agent'
 *        12 |     tsak: write a report
 *           |     ^
 *           = did you mean 'task'?
 *
 * COLUMN counts characters from 1, as editors do; the caret is put under the
 * right cell of a terminal (wide characters take two, combining ones none, tabs
 * are kept). Lines wider than DIAG_WIDTH are cut around the caret. Control
 * and direction-changing characters of the source are never shown as they are.
 *
 * A problem may also belong to no line of the file: position {0, 0} is the file
 * as a whole, {0, n} the n-th origin (`--set limits.turns=x`) given by
 * diags_origin().
 *
 * At most DIAG_MAX problems are kept, the rest is counted. The same problem at
 * the same position counts once (an alias is decoded as often as it is used).
 */
#ifndef MANIFEST_DIAG_H
#define MANIFEST_DIAG_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/base/tree.h"

#define DIAG_MAX    100
#define DIAG_WIDTH  100 /* cells of a source line that are shown */
#define DIAG_HIDDEN 16  /* lines kept back; with more, no line is shown at all */

struct diag {
    struct tree_pos pos; /* column in bytes */
    const char *path;    /* dotted, "" when unknown */
    const char *message;
    const char *hint; /* NULL: none */
};

struct diags {
    struct arena arena; /* owns file, text, items */
    const char *file;
    struct span text; /* of the file, for the source lines */
    const char *const *origins;
    size_t origin_count;
    struct diag items[DIAG_MAX]; /* sorted by position */
    size_t count;
    size_t dropped;               /* problems beyond DIAG_MAX */
    uint32_t hidden[DIAG_HIDDEN]; /* lines that may hold a secret */
    size_t hidden_count;
    struct diags *next; /* of another file, that this one names; told behind these, and owned; NULL: none */
};

void diags_init(struct diags *d);
void diags_done(struct diags *d);

struct diags *diags_new(void); /* NULL: no memory */
void diags_free(struct diags *d);
/* `more` (of diags_new()) is told at the end, and freed with `d`. */
void diags_append(struct diags *d, struct diags *more);

/* Name and bytes of the file, copied. 0, or -ERR_INTERNAL without memory. */
int diags_source(struct diags *d, const char *file, struct span text);

/* Names for positions {0, 1}, {0, 2} ...; borrowed until diags_done(). */
void diags_origin(struct diags *d, const char *const *names, size_t count);

bool diags_is_full(const struct diags *d);

/* Add one problem; everything is copied, the message cut at 999 bytes. `path` and `hint` may be NULL. Without
 * memory it is only counted. */
void diags_add(struct diags *d, struct tree_pos pos, const char *path, const char *hint, const char *format,
               ...) __attribute__((format(printf, 5, 6)));

/* This source line may hold a secret: never show it, whatever is wrong in it. */
void diags_hide(struct diags *d, uint32_t line);

/* All of them as text, a final "... and N more" line when some were dropped. What does not fit is left out.
 */
void diags_render(const struct diags *d, struct buf *out);

/* A JSON array: [{"file","line","column","path","message","hint","source"}]; line and column are 0 and
 * source is null when there is no line. Column in characters. */
void diags_json(const struct diags *d, struct json_writer *w);

#endif
