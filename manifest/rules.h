/* SPDX-License-Identifier: MIT */
/*
 * Rules that a range in a field table cannot say: forms of names, paths and
 * users, and keys that exclude each other. Each is the `check` of one table
 * (core/base/table.h) and pure; some replace a value by its tidy form.
 */
#ifndef MANIFEST_RULES_H
#define MANIFEST_RULES_H

#include "core/base/table.h"
#include "manifest/grammar.h"

typedef void rules_fn(struct table_ctx *ctx, const struct tree *value, void *out);

rules_fn rules_manifest;  /* version, name; outputs and entries as a whole */
rules_fn rules_param;     /* name, default and choices fit the type */
rules_fn rules_model;     /* base_url, record or replay */
rules_fn rules_agent;     /* text or file, not both */
rules_fn rules_skill;     /* a folder, or all of it written out */
rules_fn rules_workspace; /* root */
rules_fn rules_output;    /* path made tidy, `to` of a supported kind */
rules_fn rules_sandbox;   /* image, engine, user -> uid and gid, cpus, runtime */

/* [a-z0-9][a-z0-9-]{0,62} */
bool rules_is_name(const char *text);

/* Could it be the name of an image? */
bool rules_is_image(const char *text);

/* Is `text` a value of the parameter's type, and one of its choices? NULL, or what is wrong (in `arena`). */
const char *rules_param_problem(const struct manifest_param *param, struct span text, struct arena *arena);

#endif
