/* SPDX-License-Identifier: MIT */
/*
 * Tools that the model's server runs itself (Responses API, "hosted tools"). They are offered as the manifest
 * says, and what the server reports of them are output items that are kept and sent back like any other;
 * there is no call to answer. Pure.
 */
#ifndef TOOL_HOSTED_H
#define TOOL_HOSTED_H

#include "core/base/json.h"
#include "core/tool/spec.h"

#include <stddef.h>

/* Append its definition to the array of tools. code_interpreter without a container gets {"type":"auto"}: the
 * API wants one. */
void hosted_describe(struct json_writer *w, const struct tool_hosted *tool);

/* The word in the manifest for the tool whose work this output item reports: "web_search" for a
 * web_search_call. NULL: none. */
const char *hosted_find(const struct tree *item);

/* One line for people, of an item that hosted_find() knows: "web_search: how tall is K2". Hostile text stays
 * hostile. */
void hosted_title(const struct tree *item, char *out, size_t size);

#endif
