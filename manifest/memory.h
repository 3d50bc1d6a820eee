/* SPDX-License-Identifier: MIT */
/* `agent.memory`: notes that runs leave for later ones. What they are: core/tool/notes.h. */
#ifndef MANIFEST_MEMORY_H
#define MANIFEST_MEMORY_H

#include "manifest/kinds.h"

extern const struct table manifest_memory_table; /* struct manifest_memory */

/* FIELD_CUSTOM at a struct manifest_memory: that it is not there is something else than a map of defaults. */
kind_decode_fn memory_decode;
kind_schema_fn memory_schema;
kind_encode_fn memory_encode;

struct tool_memory memory_of(const struct manifest_memory *from);

#endif
