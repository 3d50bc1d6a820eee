/* SPDX-License-Identifier: MIT */
/*
 * The patch format that models write (V4A), as a pure parser and applier over text: no I/O, bytes in, bytes
 * out.
 *
 *     *** Begin Patch                       around the whole, or a JSON object with operations instead
 *     *** Add File: path                    then lines with +
 *     *** Delete File: path
 *     *** Update File: path                 then hunks, perhaps after
 *     *** Move to: path
 *     @@ an anchor line                     optional, several may be stacked
 *      context                              lines with ' ' (stays), '-' (goes), '+' (comes)
 *     *** End of File                       the hunk is the end of the file
 *     *** End Patch
 *
 * What other harnesses accept is accepted when its meaning is clear: blanks around markers, a here-document
 * around the patch, `@@ -1,2 +1,2 @@` as an anchor, unified diffs, contexts that differ in blanks or in
 * typographic punctuation. A patch whose end is missing is refused: it was cut.
 *
 * Files are bytes. Only LF and CRLF end a line; lines that a hunk does not change keep every byte; a changed
 * line takes the line end of the one in whose place it comes; what is written ends with a line end.
 */
#ifndef TOOL_PATCH_H
#define TOOL_PATCH_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdint.h>

#define PATCH_TEXT_MAX  ((size_t) 10 * 1024 * 1024) /* bytes of a patch, and of a file that is patched */
#define PATCH_OPS_MAX   2000
#define PATCH_HUNKS_MAX 20000 /* of one file */

enum patch_kind { PATCH_ADD, PATCH_UPDATE, PATCH_DELETE };

struct patch_line {
    const char *ptr; /* without its sign and line end */
    uint32_t len;
    char sign;    /* ' ', '-', '+', or '@' for an anchor */
    bool has_cr;  /* it ended with CRLF */
    bool is_bare; /* an empty line that had no sign: context that may be only the patch's own spacing */
};

struct patch_hunk {
    const struct patch_line *lines; /* anchors first */
    size_t anchor_count, count;     /* count: of all */
    size_t at;                      /* line of the patch, from 1 */
    bool is_at_end;
};

struct patch_op {
    enum patch_kind kind;
    const char *path, *move_to;     /* as written; move_to NULL: stays */
    const struct patch_line *lines; /* PATCH_ADD: the contents */
    size_t line_count;
    struct patch_hunk *hunks; /* PATCH_UPDATE; may be none when it is moved */
    size_t hunk_count;
    bool keeps_cr; /* CRLF in the patch is meant, not a property of how it was sent */
};

struct patch {
    struct arena arena;
    struct patch_op *ops;
    size_t count;
};

void patch_init(struct patch *p);
void patch_done(struct patch *p);

/* The whole text of a custom tool or of a function's argument. Everything points into `text`. -ERR_INVALID:
 * `err` tells the model what is wrong, with the line. */
int patch_parse(struct patch *p, struct span text, struct err *err);

/* One more operation of the built-in tool: `diff` has no header. */
int patch_add_operation(struct patch *p, enum patch_kind kind, struct span path, struct span diff,
                        struct err *err);

/* Of the "type" of an operation; false: none of ours. */
bool patch_kind_of(struct span word, enum patch_kind *ret);

struct patch_effect {
    int64_t added, removed; /* lines */
    char note[256];         /* what the model may want to know; "" = nothing */
};

/* `op` over `before` (ignored by PATCH_ADD) into `out`, which is cleared first. -ERR_INVALID: a hunk does not
 * fit; `err` says which, which line was expected, and what the file has instead. */
int patch_apply(const struct patch_op *op, struct span before, struct buf *out, struct patch_effect *ret,
                struct err *err);

/* A path of a patch as one beneath the workspace root `root`: relative, or absolute inside it; backslashes
 * are slashes. -ERR_INVALID: it leads out, or names nothing. `ret` in `arena`. */
int patch_path(const char *root, struct span path, struct arena *arena, const char **ret, struct err *err);

#endif
