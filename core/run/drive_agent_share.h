/* SPDX-License-Identifier: MIT */
/*
 * A handoff's sandbox: that of the run it belongs to, seen as one of its own. It is there when the run's is,
 * nothing is made, verified or removed for it, and it ends with the call: when the run loses its sandbox, it
 * cancels its calls first.
 */
#ifndef RUN_DRIVE_AGENT_SHARE_H
#define RUN_DRIVE_AGENT_SHARE_H

#include "core/sandbox/sandbox.h"

struct run;

struct agent_share {
    struct sandbox_maker maker;
    struct run *up;
    const struct sandbox_spec *own;
};

/* Its maker makes such a one for the order with `own`, the handoff's own sandbox; other orders (its tools',
 * its subagents') are those of `up`'s maker. All is borrowed, and `share` must stay where it is. */
void agent_share_init(struct agent_share *share, struct run *up, const struct sandbox_spec *own);

#endif
