/* SPDX-License-Identifier: MIT */
/*
 * Sandboxes under gVisor (`sandbox.runtime: runsc`): a kernel in user space, the Sentry, answers the system
 * calls of what runs inside, and shows less of the wall than Linux does. A row is then seen by
 *
 *     capabilities        as ever; there are no ambient ones in gVisor
 *     no_new_privileges   prctl(2) of the guest; gVisor never gives any by exec
 *     seccomp             as ever, but each closed call may be answered by EPERM or ENOSYS, whichever is the
 *                         profile's. Only `runsc --oci-seccomp` uses a profile; without it the row is refused
 * by its name: no call reaches the host's kernel as it was made, but inside nearly all of them are open
 *     memory              MemTotal, which is the limit of the cgroup that the Sentry found itself in
 *     ulimits             getrlimit(2) of the guest
 *     tmpfs, workspace    type and size; set-id bits have no effect in gVisor, a device in it is the
 *                         Sentry's own, and inodes are the Sentry's memory, which has its limit. Programs
 *                         can be run there, whatever the mount says
 *     masked_paths,       what the engine says; /proc and /sys are the Sentry's own and know nothing of the
 *     readonly_paths      host, which is where its processes end too
 *     cgroup              what the engine says; none is to be seen inside
 *     cpus, pids, oom     not at all: refused by name, unless lowered. They are asked for even then.
 *
 * That this is gVisor is never taken from the engine, nor from a file inside: the guest asks uname(2), and
 * looks at the code that the kernel mapped into it (guest/kernel.h). A container of runc passes for one only
 * when its engine changes what system calls answer and the guest's memory.
 */
#ifndef OCI_LOCKDOWN_GVISOR_H
#define OCI_LOCKDOWN_GVISOR_H

#include "oci/lockdown.h"

/* A runtime was asked for by name, and it is gVisor. */
bool gvisor_is(const struct lockdown *l, const struct lockdown_evidence *e);

/* The calls of guest/calls.h. */
bool gvisor_are_closed(const struct lockdown_evidence *e);
bool gvisor_has_no_new_privileges(const struct lockdown_evidence *e);
/* "nofile": soft and hard, UINT64_MAX = unlimited. */
bool gvisor_limit(const struct lockdown_evidence *e, const char *name, uint64_t *ret_soft,
                  uint64_t *ret_hard);
/* MemTotal in bytes; false when it is not told. */
bool gvisor_memory(const struct lockdown_evidence *e, uint64_t *ret);

#endif
