/* SPDX-License-Identifier: MIT */
/*
 * The lock-down in the words of Podman's own API: the request that the rows wrote for
 * Docker's API (lockdown_write()), member by member, as the body of POST
 * /libpod/containers/create. Each tmpfs becomes the volume of spaces.h, the seccomp profile
 * its path (l->seccomp_path).
 *
 * A member that has no translation is an error, unless it says nothing: what a row asks for
 * cannot get lost on the way.
 */
#ifndef OCI_LIBPOD_H
#define OCI_LIBPOD_H

#include "oci/lockdown.h"

/* The body for a container called `name`. Pure. */
int libpod_write(const struct lockdown *l, const char *name, struct buf *out, struct err *err);

/* Pure: the same from a request of Docker's API. */
int libpod_translate(const struct lockdown *l, const struct tree *docker, const char *name, struct buf *out,
                     struct err *err);

#endif
