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
#include <stdint.h>
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

/* ---- looking, for whoever wants to know whose something is ---- */

/* When it began, in the kernel's ticks: with its number, who it is. 0: it is gone. */
uint64_t procs_born(pid_t pid);
/* A file or folder of /proc/PID, or of our own (0): descriptor or -errno. */
int procs_open_of(pid_t pid, const char *name);
/* The numbers that a folder of /proc has as names, in the kernel's order, until `fn` returns false. False:
 * not all of it could be read. */
typedef bool procs_name_fn(void *data, const char *name);
bool procs_names(int fd, procs_name_fn *fn, void *data);
/* One look at all processes: those that live, until `fn` returns false. */
void procs_each(bool (*fn)(void *data, pid_t pid), void *data);
/* As of that look: the first for which `is_top` is true, from `pid` up through its parents; 0: none. */
pid_t procs_top(pid_t pid, bool (*is_top)(pid_t pid));

#endif
