/* SPDX-License-Identifier: MIT */
/*
 * All references to secrets in a manifest's tree, wherever the grammar has or will have them: members
 * `from_env`, `from_file` and `from_command` of any map, but for places whose keys are names that the user
 * chose (params, workspace, model.extra).
 */
#ifndef MANIFEST_SECRETS_H
#define MANIFEST_SECRETS_H

#include "core/base/arena.h"
#include "core/base/tree.h"

/* `ref` is the member; its key says which kind. */
typedef void secrets_fn(void *data, const struct tree *ref);
void secrets_each(const struct tree *root, secrets_fn *fn, void *data);

/* Names of the variables, NULL-terminated, in `arena`: OPENAI_API_KEY always. NULL: no memory. */
const char *const *secrets_variables(const struct tree *root, struct arena *arena);

#endif
