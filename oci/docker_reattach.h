/* SPDX-License-Identifier: MIT */
/*
 * Taking over a container that an earlier process of the run left (sandbox_attach()).
 *
 *     open ─ fence + describe ─ take ─ ready
 *
 * Older attempts are removed while the engine describes the container; what it says must be ours in every
 * respect (blueprint_check_left()) before a byte goes to it. Then, at once: its stream is attached and the
 * guest greeted, its image is looked at, the lock-down is verified with the same evidence as after a start
 * (inspection.h). The guest must be the very process that the journal knows: HELLO tells its boot number.
 *
 * ERR_NOT_FOUND: it is gone, or no longer runs. ERR_CONFLICT: another run's, attempt's, guest's, image's, or
 * held by somebody who keeps its guest from answering. ERR_POLICY: the lock-down is not what it was. All
 * these mean that the sandbox is lost. ERR_ENGINE, ERR_TIMEOUT: the engine is in trouble, the sandbox may be
 * well.
 *
 * The first thing that is not so ends it, with the container left as it is. Each function enters its state
 * and fails with sb->err; see docker_sandbox_impl.h.
 */
#ifndef OCI_DOCKER_REATTACH_H
#define OCI_DOCKER_REATTACH_H

#include "oci/docker_sandbox_impl.h"

/* Keep what is known of the container. ERR_INVALID: it is no id. */
int docker_reattach_begin(struct docker_sandbox *sb, const struct sandbox_known *known, struct err *err);

int docker_reattach_describe(struct docker_sandbox *sb);   /* beside the fence */
void docker_reattach_described(struct docker_sandbox *sb); /* that and the fence are done */
int docker_reattach_take(struct docker_sandbox *sb);

/* What happens to the wire meanwhile (docker_launch.h has its callbacks). */
void docker_reattach_hello(struct docker_sandbox *sb);
void docker_reattach_explain(struct docker_sandbox *sb); /* the verification's error */
void docker_reattach_ended(struct docker_sandbox *sb, const struct err *err);

#endif
