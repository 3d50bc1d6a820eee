/* SPDX-License-Identifier: MIT */
/*
 * `agent.approve`: which calls may run, which are asked about, which are denied. A word for everything, or a
 * map: by tool a word, for the shell also a map with patterns; and `without_terminal`. What a pattern means:
 * core/tool/approve.h.
 *
 * The user's own word (`--approve`) is the least that holds: a manifest, trusted or not, can only be
 * stricter.
 */
#ifndef MANIFEST_APPROVE_H
#define MANIFEST_APPROVE_H

#include "manifest/kinds.h"

/* struct approve_spec */
kind_decode_fn approve_decode;
kind_schema_fn approve_schema;
kind_encode_fn approve_encode;

extern const char *const approve_words[]; /* NULL-terminated, by enum approve_word */

/* Of the agent as a whole: each name is that of a tool that is there. `value` is what `spec` was decoded
 * from.
 */
void approve_check(struct table_ctx *ctx, const struct tree *value, const struct approve_spec *spec,
                   const struct manifest_tools *listed);

/* Nothing less strict than `least`, for no tool. False: no memory. */
bool approve_raise(struct approve_spec *spec, enum approve_word least, struct arena *arena);

/* Can there be calls that somebody is asked about, who takes any time? */
bool approve_may_ask(const struct approve_spec *spec);

#endif
