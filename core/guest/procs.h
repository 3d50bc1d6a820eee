/* SPDX-License-Identifier: MIT */
/*
 * Killing a whole tree of processes without losing one.
 *
 * Who belongs to a tree is told by /proc/PID/stat alone: its parent. That is
 * sound because the top of each tree is a child subreaper (keeper.h): whatever
 * forks twice, starts a session or changes its name stays beneath it.
 */
#ifndef GUEST_PROCS_H
#define GUEST_PROCS_H

#include <stdbool.h>
#include <sys/types.h>

int procs_init(void); /* opens /proc; 0 or -errno */

/* One look at all processes: SIGKILL to everything beneath `top`, but for the children of `top` that `spare`
 * names (NULL: none) and what is beneath those. 0 when nothing lived there, else call again: processes are
 * born while we look. */
int procs_kill_beneath(pid_t top, bool (*spare)(pid_t pid));

/* How many of the processes and threads that may be are taken by the same. */
int procs_count_beneath(pid_t top, bool (*spare)(pid_t pid));

/* Nothing in this sandbox runs, until it does again: what breeds faster than we look is looked at in peace.
 * Only where we are PID 1. */
void procs_hold(bool hold);

#endif
