/* SPDX-License-Identifier: MIT */
/* The header lines that `model` of a manifest adds to each request. */
#ifndef MODEL_CREDENTIALS_H
#define MODEL_CREDENTIALS_H

#include "core/base/credentials.h"
#include "core/model/spec.h"

/* Fill a zeroed struct. A header of the manifest replaces the key's when it has its name. ERR_MODEL with a
 * hint; the values never appear in it. On failure everything is released. */
int credentials_load(struct credentials *c, const struct model_spec *spec, struct err *err);

#endif
