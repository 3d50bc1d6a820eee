/* SPDX-License-Identifier: MIT */
/*
 * ${...} in string values (keys are left alone):
 *
 *     ${NAME}            a variable of the environment; unset is a problem
 *     ${NAME:-default}   the text up to '}' when NAME is unset or empty
 *     ${NAME:?message}   a problem with this message when NAME is unset or empty
 *     ${params.x}        a parameter of the run
 *     $${                a literal ${
 *
 * What comes in is not looked at again. A value that is not written in quotes
 * and holds ${...} gets its kind from its text afterwards if the place wants a
 * number or a bool (decode.c), so `turns: ${TURNS:-20}` works.
 *
 * The resolved manifest is kept in the run folder, so variables that look like
 * secrets (expand_is_secret()) are refused; secrets are references.
 */
#ifndef MANIFEST_EXPAND_H
#define MANIFEST_EXPAND_H

#include "core/base/arena.h"
#include "core/base/tree.h"
#include "core/run/spec.h"
#include "manifest/diag.h"

#define EXPAND_VALUE_MAX  (1024 * 1024)     /* one value, expanded */
#define EXPAND_TOTAL_MAX  (8 * 1024 * 1024) /* all of them */
#define EXPAND_BROKEN_MAX DIAG_MAX

struct expand {
    const char *const *env; /* "NAME=value", NULL-terminated */
    bool is_untrusted;      /* variables are a problem, but in what --set gives */
    const struct run_param *params;
    size_t param_count;
    bool has_params;  /* false: ${params.x} is a problem of its own (inside `params`) */
    struct span text; /* the source, for exact positions */
    struct arena *arena;
    struct diags *diags;
    size_t total; /* bytes made so far */
    /* Values with a problem: what else is wrong with them follows from it and need not be reported. */
    struct tree_pos broken[EXPAND_BROKEN_MAX];
    size_t broken_count;
};

/* Expand all string values beneath `node`, in place. Problems go to diags. 0, or -ERR_INTERNAL without
 * memory. */
int expand_tree(struct expand *x, struct tree *node);

/* The value of a variable in `env`, NULL when unset. */
const char *expand_env(const char *const *env, struct span name);

/* Does a variable of this name hold a secret? It does if it has SECRET, PASSWORD, PASSWD, PASSPHRASE or
 * CREDENTIAL in it, or a word (between '_' or '-') that ends in KEY or TOKEN; capitals do not count. */
bool expand_is_secret(struct span name);

#endif
