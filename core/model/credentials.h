/* SPDX-License-Identifier: MIT */
/*
 * The header lines that a manifest adds to each request, secrets resolved, and the
 * secret values by themselves, so that they can be kept out of every text.
 * Memory that held a secret is wiped when it is given up.
 */
#ifndef MODEL_CREDENTIALS_H
#define MODEL_CREDENTIALS_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/model/spec.h"

#define CREDENTIALS_LINES_MAX 33 /* the key and 32 of `headers` */
#define CREDENTIALS_SHORT     6  /* shorter values are no secrets, and hiding them would garble every text */

struct credentials {
    struct buf lines[CREDENTIALS_LINES_MAX]; /* "Name: value" */
    size_t line_count;
    struct span secrets[CREDENTIALS_LINES_MAX]; /* into lines */
    size_t secret_count;
};

/* Fill a zeroed struct. A header of the manifest replaces the key's when it has its name. ERR_MODEL with a
 * hint; the values never appear in it. On failure everything is released. */
int credentials_load(struct credentials *c, const struct model_spec *spec, struct err *err);
void credentials_done(struct credentials *c);

#endif
