/* SPDX-License-Identifier: MIT */
/*
 * Hidden entries of an output's folder: names that begin with a dot, at any depth. Tools of the host act upon
 * some as soon as somebody works in such a folder (.git, .envrc, .vscode), so an output with
 * `hidden: false`, which every one of an untrusted manifest is, is refused when it has any.
 */
#ifndef RUN_HIDDEN_H
#define RUN_HIDDEN_H

#include "core/base/err.h"
#include "core/base/span.h"

struct hidden { /* {0} */
    size_t count;
    char names[200]; /* the first ones, quoted */
    size_t named, len;
    char last[64]; /* of which the entries beneath it come next */
};

/* An entry beneath the folder `top`; `path` begins with it and a slash. */
void hidden_look(struct hidden *h, const char *top, struct span path);

/* ERR_OUTPUT with their names, 0 when there is none. */
int hidden_refuse(const struct hidden *h, struct err *err);

#endif
