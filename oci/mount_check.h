/* SPDX-License-Identifier: MIT */
/*
 * What of the host may be shown to a sandbox. A read-only mount keeps nobody from
 * *speaking* to a socket in it, so the engine's socket and every folder that
 * holds one are refused, and so are the kernel's file systems, the root, /etc and the
 * engines' own data, whatever the manifest says.
 */
#ifndef OCI_MOUNT_CHECK_H
#define OCI_MOUNT_CHECK_H

#include "core/base/err.h"
#include "core/sandbox/spec.h"
#include "oci/endpoint.h"

/* Pure: why `path` (absolute, links resolved) may not be mounted; NULL: it may. `socket`: the engine's, or
 * NULL. */
const char *mount_refusal(const char *path, const char *socket);

/* Asks the disk: that it is there, where its links lead, that it is a file or folder, and that uid:gid can
 * read what is in it (the first 2,000 entries). ERR_POLICY, ERR_NOT_FOUND with hints. */
int mount_check(const struct sandbox_mount *mount, int64_t uid, int64_t gid, const struct endpoint *at,
                struct err *err);

#endif
