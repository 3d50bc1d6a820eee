/* SPDX-License-Identifier: MIT */
/*
 * The apply_patch tool, in the three shapes that models know: the built-in `apply_patch` of the Responses API
 * (one operation with a diff), a custom tool whose input is a patch, and a function with that text as
 * `input`.
 *
 * A patch is all or nothing: everything is parsed, found and matched before the first write, and a write
 * that fails takes the others back. So does one that was interrupted, when the run goes on. Calls are carried
 * out one after the other, in their order.
 */
#ifndef TOOL_APPLY_PATCH_H
#define TOOL_APPLY_PATCH_H

#include "core/tool/patch.h"
#include "core/tool/tool.h"

extern const struct tool_ops apply_patch_tool;

void apply_patch_release(struct tool_host *host);

/* apply_patch_text.c: what the model is told, and what it says. */
void apply_patch_describe(struct json_writer *w, enum tool_style style);
bool apply_patch_owns(const struct tree *item);
void apply_patch_title(const struct tree *item, char *out, size_t size);
/* Of any shape into `ret`, which keeps what it points into. `item` stays. */
int apply_patch_parse(const struct tree *item, struct patch *ret, struct err *err);

#endif
