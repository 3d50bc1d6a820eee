/* SPDX-License-Identifier: MIT */
/*
 * `agent.compaction`: when the conversation is made shorter, and by whom. What it does:
 * core/run/conversation.h.
 */
#ifndef MANIFEST_COMPACTION_H
#define MANIFEST_COMPACTION_H

#include "manifest/grammar.h"

extern const struct table manifest_compaction_table; /* struct manifest_compaction */

/* With what it is a share of. */
struct run_compact compaction_of(const struct manifest_compaction *from, int64_t context_window);

#endif
