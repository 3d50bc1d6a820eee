/* SPDX-License-Identifier: MIT */
/*
 * The resolved manifest: a struct manifest written back as JSON by the same field
 * tables that decoded it, with all defaults. It is a manifest again: loading it gives
 * the same run. (JSON is YAML, except for a few characters, which are escaped; and
 * "${" in values is written "$${".) Secrets are references in it.
 */
#ifndef MANIFEST_RESOLVE_H
#define MANIFEST_RESOLVE_H

#include "core/base/buf.h"
#include "manifest/grammar.h"

#define RESOLVE_MAX (16 * 1024 * 1024)

/* Append to `out`. -ERR_TOO_LARGE when it does not fit. */
int resolve_write(const struct manifest *m, struct buf *out);

/* One table alone: what it holds, as an object. */
void resolve_table(struct json_writer *w, const struct table *table, const void *base);

#endif
