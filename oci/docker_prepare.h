/* SPDX-License-Identifier: MIT */
/*
 * What stands before the container: the engine is opened, older attempts of the run are removed, the image
 * and the guest's volume are looked for at once, the owner is told what will be made, and the volumes are
 * filled where they are missing.
 *
 *     open ─[fence]─ look ─[pull]─ intent ··· [guest] ─ [workspace] ─ create
 *
 * Each function enters its state and fails with sb->err; see docker_sandbox_impl.h. The dots are the owner's:
 * he goes on by sandbox_proceed().
 */
#ifndef OCI_DOCKER_PREPARE_H
#define OCI_DOCKER_PREPARE_H

#include "oci/docker_sandbox_impl.h"

int docker_prepare_open(struct docker_sandbox *sb);
int docker_prepare_fence(struct docker_sandbox *sb);
int docker_prepare_look(struct docker_sandbox *sb);
int docker_prepare_scan(struct docker_sandbox *sb);
int docker_prepare_intent(struct docker_sandbox *sb);
int docker_prepare_guest(struct docker_sandbox *sb); /* puts it into its volume */
int docker_prepare_workspace(struct docker_sandbox *sb);
int docker_prepare_spaces(struct docker_sandbox *sb); /* from here on there may be a volume to remove */

/* The state that follows once the guest is in its volume. */
enum docker_state docker_prepare_after_guest(const struct docker_sandbox *sb);

#endif
