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

/* Append those of `fields` that pass, as they are. 0 or buf's errors. The fields were checked before. */
int hop_copy(struct span fields, struct buf *out);

#endif
