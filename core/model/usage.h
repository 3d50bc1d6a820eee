/* SPDX-License-Identifier: MIT */
/*
 * Token counts: from the `usage` object of a response, and to money (model_cost()
 * of client.h). Missing details count as zero, a missing total is the sum.
 */
#ifndef MODEL_USAGE_H
#define MODEL_USAGE_H

#include "core/model/client.h"

/* False when `usage` is no object (null until the response is over): `ret` untouched.
 * Counts are clamped to 0..1e12, cached to input, reasoning to output. */
bool usage_decode(const struct tree *usage, struct model_usage *ret);

#endif
