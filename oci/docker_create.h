/* SPDX-License-Identifier: MIT */
/*
 * The container comes into being, though answers may get lost: from the moment create is asked for there may
 * be one (sb->has_made), until the engine says there is none, or that it is not ours.
 *
 *     [clear] ─ create ─┬──────────► attach
 *        ▲              └─ find ─┬─► attach      create's answer got lost, and it is there
 *        └───────────────────────┘               left over from an earlier try: made again, once
 *
 * A container that is ours by its name but not by its labels is left alone: ERR_ENGINE. Each function enters
 * its state and fails with sb->err; see docker_sandbox_impl.h.
 */
#ifndef OCI_DOCKER_CREATE_H
#define OCI_DOCKER_CREATE_H

#include "oci/docker_sandbox_impl.h"

int docker_create_clear(struct docker_sandbox *sb); /* removes what has the container's name */
int docker_create(struct docker_sandbox *sb);
int docker_create_find(struct docker_sandbox *sb); /* create failed: is there a container all the same? */

#endif
