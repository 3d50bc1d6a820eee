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

/* The images that such an item carries, by number from 0: 1 and its bytes in `out` (cleared first), with the
 * ending of a name that its first bytes call for; 0: there are no more. ERR_INVALID: it is not base64, larger
 * than `out` may be, or no PNG, JPEG, WebP, GIF, BMP or TIFF. Images that are only named (a URL, the id of a
 * file) are none. */
int hosted_image(const struct tree *item, size_t number, struct buf *out, const char **ret_suffix,
                 struct err *err);

#endif
