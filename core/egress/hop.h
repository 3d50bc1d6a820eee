/* SPDX-License-Identifier: MIT */
/*
 * Which headers pass a proxy: not those for the next hop (RFC 9110, 7.6.1), not
 * those that Connection names, not those that we write ourselves. Pure.
 */
#ifndef EGRESS_HOP_H
#define EGRESS_HOP_H

#include "core/base/buf.h"

/* Headers that Connection may not name, because their absence changes what the message is. */
bool hop_is_vital(struct span name);

/* Headers that we write ourselves or that never pass. */
bool hop_is_ours(struct span name);

/* Append those of `fields` that pass, as they are, but for the names in `without` (NULL-terminated; may be
 * NULL). 0 or buf's errors. The fields were checked before. */
int hop_copy(struct span fields, const char *const *without, struct buf *out);

#endif
