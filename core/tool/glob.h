/* SPDX-License-Identifier: MIT */
/*
 * Patterns of paths: `*` and `?` within a component, `**` over any number of them, [abc], [a-z], [!x]. A
 * pattern without a slash is matched with the last component. Pure; time is linear in both lengths together.
 */
#ifndef TOOL_GLOB_H
#define TOOL_GLOB_H

#include "core/base/span.h"

#define GLOB_MAX 256 /* bytes of a pattern */

bool glob_match(struct span pattern, struct span path);

#endif
