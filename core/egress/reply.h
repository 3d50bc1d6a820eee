/* SPDX-License-Identifier: MIT */
/* What a client inside is told by us instead of an origin. Pure. */
#ifndef EGRESS_REPLY_H
#define EGRESS_REPLY_H

#include "core/base/buf.h"

#include <stdbool.h>

#define REPLY_MAX 2048

/* A whole answer that ends its connection. The reason stands in the status line too: many programs show
 * nothing else of a proxy's refusal. `allow` (may be NULL) is what would have to be added to network.allow.
 * `has_body` is false for HEAD. */
int reply_refusal(struct buf *out, int status, const char *reason, const char *allow, bool has_body);

#endif
