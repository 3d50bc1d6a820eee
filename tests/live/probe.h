/* SPDX-License-Identifier: MIT */
/* What the parts of the probe share; see probe.c. */
#ifndef TESTS_LIVE_PROBE_H
#define TESTS_LIVE_PROBE_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One line: "ROW/ATTEMPT blocked|OPEN DETAIL". */
void report(const char *name, bool is_blocked, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Blocked when the call failed. */
void refused(const char *name, long r);

/* Blocked when nothing can be read from it, or it cannot be opened for writing. */
void unread(const char *name, const char *path);
void unwritable(const char *name, const char *path);

/* In a process of its own: one that is killed for it was blocked. */
void apart(const char *name, void (*attempt)(const char *name));

/* probe_calls.c: seccomp, namespaces, other architectures' doors. */
void try_calls(void);

/* probe_neighbours.c: what a command is born with; to be looked at first. */
void try_birth(void);

/* The guest, other processes, the network, the engine. */
void try_neighbours(void);

/* probe_kernel.c: what would work if the call were let through. */
void try_kernel(void);

/* probe_host.c: what can be learnt and reached of the host. */
void try_host(void);

#endif
