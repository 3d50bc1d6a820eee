/* SPDX-License-Identifier: MIT */
/*
 * A YAML file beside the manifest that has a table of its own: a registry of tools, a tool.yaml. No ${...} is
 * expanded in it. Pure.
 */
#ifndef MANIFEST_DOCUMENT_H
#define MANIFEST_DOCUMENT_H

#include "core/base/arena.h"
#include "core/base/table.h"
#include "manifest/container.h"
#include "manifest/diag.h"

/* Decode it into `out`. `diags` gets name and text as its source, and all problems. -ERR_MANIFEST: nothing of
 * it can be used; with other problems it is 0. */
int document_decode(const char *name, struct span text, const struct table *table, void *out,
                    struct arena *arena, struct diags *diags, struct err *err);

/* 0, or -ERR_MANIFEST: "3 problems in 'tool.yaml'". */
int document_problems(const char *name, const struct diags *diags, struct err *err);

/* The content of the file that tool->parameters names; it becomes the schema. */
void document_parameters(struct manifest_container *tool, struct span text, struct arena *arena,
                         struct diags *diags);
/* What can be said once the schema is there: inputs are arguments that are paths, and a place for files needs
 * files. */
void document_check(struct manifest_container *tool, struct diags *diags);

#endif
