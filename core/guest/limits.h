/* SPDX-License-Identifier: MIT */
/*
 * Which limits of the sandbox a command met: by what the kernel has counted from its begin to its end, and by
 * the room that is left where it may write.
 *
 * The kernel counts for the whole sandbox, so what a command is told may have been done by another one
 * that ran at the same time.
 */
#ifndef GUEST_LIMITS_H
#define GUEST_LIMITS_H

#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <stdint.h>

struct limits_mark {
    uint64_t oom_kills, pid_refusals;
    uint16_t full;   /* FRAME_HIT_BYTES, FRAME_HIT_FILES */
    bool is_watched; /* the rest is known */
    uint64_t periods, used_up;
};

void limits_init(int root_fd); /* after cgroup_init() */
void limits_begin(struct limits_mark *m);
void limits_watch(struct limits_mark *m); /* the command is one that lasts */
/* Sets the hits that `x` deserves, which says how the command ended: room is looked at when it ran and
 * failed. */
void limits_end(const struct limits_mark *m, struct frame_exit *x);

#endif
