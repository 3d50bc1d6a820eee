/* SPDX-License-Identifier: MIT */
/*
 * From a container that was made to a guest that may be trusted: its streams are attached, it is started, and
 * the lock-down is verified with the evidence of the engine and of the guest (inspection.h).
 *
 * The guest is greeted before it exists: the engine keeps the bytes, and it answers while start does. From
 * start's answer on it has 15 s. A guest that does not start or does not speak may come from a half filled
 * volume: that is filled again and the container made anew, once. So it is, without it, where the engine may
 * not set LOCKDOWN_SYSCTL. What goes wrong after the guest spoke is final.
 *
 * Each function enters its state and fails with sb->err; see docker_sandbox_impl.h. The end of the wire is
 * noticed here as long as the sandbox lasts.
 */
#ifndef OCI_DOCKER_LAUNCH_H
#define OCI_DOCKER_LAUNCH_H

#include "oci/docker_sandbox_impl.h"

int docker_launch_attach(struct docker_sandbox *sb);
int docker_launch_inspect(struct docker_sandbox *sb); /* makes what verifies; its end is handled here */
int docker_launch_start(struct docker_sandbox *sb);   /* asks the engine to start it */
int docker_launch_verify(struct docker_sandbox *sb);  /* it runs */

#endif
