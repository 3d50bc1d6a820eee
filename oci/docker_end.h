/* SPDX-License-Identifier: MIT */
/*
 * How a sandbox ends. Lost: the stream of a ready one ended, and the engine is asked why before the owner is
 * told. Removed: one forced DELETE, then the workspace's volume where one was made; what is gone already, or
 * never came to be, is removed. A guest that is there is asked to end before: a container that has stopped by
 * itself is gone in two thirds of the time, since the engine starts a program to kill another. Nothing
 * depends on its obeying. What goes wrong with the container does not keep the volume from being tried; the
 * owner is told.
 *
 * The functions that return int enter their state and fail with sb->err; see docker_sandbox_impl.h.
 */
#ifndef OCI_DOCKER_END_H
#define OCI_DOCKER_END_H

#include "oci/docker_sandbox_impl.h"

int docker_end_explain(struct docker_sandbox *sb); /* lost: asks the engine why */
void docker_end_tell_lost(struct docker_sandbox *sb);
int docker_end_leave(struct docker_sandbox *sb);  /* stops the work first; STATE_REMOVE follows */
int docker_end_remove(struct docker_sandbox *sb); /* stops the work first */
int docker_end_remove_volume(struct docker_sandbox *sb);

/* Take back what is under way, without a callback. What sandbox_info() shows stays. */
void docker_end_stop_work(struct docker_sandbox *sb);

/* Removed, as far as that went: tells who asked. */
void docker_end_tell(struct docker_sandbox *sb);

#endif
