/* SPDX-License-Identifier: MIT */
/*
 * `agent.tools`: a list of tools, each by its word, or as a map with `type` and what else its type takes.
 *
 *     tools: [shell, files, {type: file_search, vector_store_ids: [vs_1]}]
 *
 * A type is a row of the table in tools.c: how an item of it is taken, and how it is described. Nothing else
 * here knows a type by its name.
 */
#ifndef MANIFEST_TOOLS_H
#define MANIFEST_TOOLS_H

#include "manifest/kinds.h"

/* FIELD_CUSTOM at a struct manifest_tools: names of tools, and tools of the server with their settings. */
kind_decode_fn tools_decode;
kind_schema_fn tools_schema;
kind_encode_fn tools_encode;

#endif
