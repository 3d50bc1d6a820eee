/* SPDX-License-Identifier: MIT */
/* What the control groups say about this sandbox, version 1 or 2; zero where they say nothing. */
#ifndef GUEST_CGROUP_H
#define GUEST_CGROUP_H

#include "core/sandbox/frame.h"

#include <stdint.h>

/* `root`: where they are, "/sys/fs/cgroup" but for tests. What is asked for at each command stays open. */
void cgroup_init(const char *root);

uint64_t cgroup_oom_kills(void);    /* so many processes were killed for want of memory */
uint64_t cgroup_pid_refusals(void); /* so often a process or thread could not be started */
uint64_t cgroup_pids_max(void);     /* 0: no limit */
/* Of the periods in which the processor is shared out: how many there were, in how many our share was used
 * up. */
void cgroup_periods(uint64_t *ret_all, uint64_t *ret_used_up);

void cgroup_stats(uint64_t ret[FRAME_STATS_VALUES]); /* without USED and SIZE */

#endif
