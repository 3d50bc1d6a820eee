/* SPDX-License-Identifier: MIT */
/* What the control groups say about this sandbox, version 1 or 2; zero where they say nothing. */
#ifndef GUEST_CGROUP_H
#define GUEST_CGROUP_H

#include "core/sandbox/frame.h"

#include <stdint.h>

void cgroup_init(void);
uint64_t cgroup_oom_kills(void);
void cgroup_stats(uint64_t ret[FRAME_STATS_VALUES]); /* without USED and SIZE */

#endif
