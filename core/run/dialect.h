/* SPDX-License-Identifier: MIT */
/*
 * Servers that were found to take plain functions only (model.tool_style: auto), so that the next run need
 * not be refused first: `$XDG_STATE_HOME/agentbox/servers/<SHA-256 of base_url>.json`, mode 0600, with the
 * host and the day. After DIALECT_DAYS it counts no more: servers learn. It is a cache, and a file that
 * cannot be read or written is as if it had never been learnt; deleting the folder forgets all of them.
 */
#ifndef RUN_DIALECT_H
#define RUN_DIALECT_H

#include "core/model/spec.h"
#include "core/tool/tool.h"

#include <stdbool.h>
#include <stdint.h>

enum { DIALECT_DAYS = 30 };

bool dialect_is_functions(const char *base_url, int64_t now_ms); /* wall clock */
void dialect_learn(const char *base_url, int64_t now_ms);

/* May it be learnt, and counts what was? Only for `auto`, and not with `record` or `replay`: a recording is
 * to hold all of an exchange, and answers whatever was asked when it was made. */
bool dialect_is_kept(const struct model_spec *model);
/* How a run begins that is to use this model. */
enum tool_style dialect_of(const struct model_spec *model);

#endif
