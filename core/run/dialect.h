/* SPDX-License-Identifier: MIT */
/*
 * What servers were found not to take, so that the next run need not be refused first: tools other than plain
 * functions (model.tool_style: auto), the schema of the answer (text.format), and
 * context_management. It is in
 * `$XDG_STATE_HOME/agentbox/servers/<SHA-256 of base_url>.json`, mode 0600, with the host and the day of the
 * first such refusal. After DIALECT_DAYS it counts no more: servers learn. It is a cache, and a file that
 * cannot be read or written is as if it had never been learnt; deleting the folder forgets all of them.
 */
#ifndef RUN_DIALECT_H
#define RUN_DIALECT_H

#include "core/model/spec.h"
#include "core/tool/tool.h"

#include <stdbool.h>
#include <stdint.h>

enum { DIALECT_DAYS = 30 };

enum {
    DIALECT_FUNCTIONS = 1,     /* functions only */
    DIALECT_NO_SCHEMA = 2,     /* no text.format: the model is told the schema in its instructions */
    DIALECT_NO_COMPACTION = 4, /* no context_management: conversations are made shorter here */
};

unsigned dialect_known(const char *base_url, int64_t now_ms); /* wall clock */
void dialect_learn(const char *base_url, int64_t now_ms, unsigned what);

/* May it be learnt, and counts what was? Not with `record` or `replay`: a recording is to hold all of an
 * exchange, and answers whatever was asked when it was made. */
bool dialect_is_kept(const struct model_spec *model);
/* How a run begins that is to use this model. */
enum tool_style dialect_of(const struct model_spec *model);
bool dialect_takes_schema(const struct model_spec *model);
bool dialect_takes_compaction(const struct model_spec *model);

#endif
