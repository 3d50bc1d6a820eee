/* SPDX-License-Identifier: MIT */
/* `model`: which model, where, and how it is spoken to. */
#ifndef MANIFEST_MODEL_H
#define MANIFEST_MODEL_H

#include "manifest/grammar.h"

extern const struct table manifest_model_table; /* struct manifest_model */

#endif
