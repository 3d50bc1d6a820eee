/* SPDX-License-Identifier: MIT */
/*
 * The text of a manifest to a struct manifest: YAML, `--set`, parameters,
 * ${...}, then the field tables. Pure: no file and no environment but what is
 * given is looked at; manifest/load.h does the rest.
 */
#ifndef MANIFEST_DECODE_H
#define MANIFEST_DECODE_H

#include "core/base/err.h"
#include "manifest/diag.h"
#include "manifest/grammar.h"

/* Ceiling of an arena that manifests of every acceptable size fit into. */
#define DECODE_ARENA_MAX (96 * 1024 * 1024)

struct manifest_parent;

struct decode_input {
    const char *file; /* its name, for messages */
    struct span text;
    const struct run_param *params; /* -p */
    size_t param_count;
    const char *const *sets; /* --set */
    size_t set_count;
    const char *const *env;               /* "NAME=value", NULL-terminated */
    bool has_task;                        /* it comes from the command line */
    bool is_untrusted;                    /* it does not see the environment */
    const struct manifest_parent *parent; /* whose subagent it is; NULL: nobody's */
};

struct decoded {
    struct manifest manifest;
    const struct tree *root;               /* where everything stood, for problems found later */
    const struct manifest_entry **entries; /* all, with those of `children`, by path */
    size_t entry_count;
    struct run_param *params; /* every parameter with its value */
    size_t param_count;
};

/* The model's server when the manifest names none. */
const char *decode_base_url(const char *const *env);

/* Decode into `ret`, whose content lives in `arena`. All problems go to `diags`, which gets the text as its
 * source. Returns 0 when there are none; -ERR_MANIFEST when there are (then *ret holds what could be decoded
 * if ret->root is set); -ERR_INTERNAL without memory. */
int decode_manifest(const struct decode_input *in, struct arena *arena, struct diags *diags,
                    struct decoded *ret, struct err *err);

#endif
