/* SPDX-License-Identifier: MIT */
/*
 * The two named volumes of a sandbox, and what is put into them (volume_fill.h).
 *
 * The guest's program: 'agentbox-guest-<digest>', filled once an engine, mounted
 * read-only into every sandbox. So remote engines, read-only roots and images without
 * any file work the same, and images stay unchanged. Several runs may fill it at
 * once; each writes the same bytes. A crash may leave it half filled, and labels of
 * a volume cannot be changed once it exists: so nothing marks it complete. It is
 * simply used, and when the program does not start from it, or starts and does not
 * speak, it is filled again, once (docker_launch.h).
 *
 * The workspace, with `storage: volume`: a new volume belongs to root, and only an
 * archive with an entry for the folder itself gives it to another user. The engine passes
 * over "." in an archive and refuses one for the parent folder when the root is
 * read-only: hence the helper here too.
 */
#ifndef OCI_GUEST_VOLUME_H
#define OCI_GUEST_VOLUME_H

#include "oci/blueprint.h"
#include "oci/volume_fill.h"

#define GUEST_VOLUME_LABEL "agentbox.guest" /* its value is the digest */

/* Both need the image in the blueprint. */
int guest_volume_fill(struct engine *engine, const struct blueprint *b, volume_fill_fn *fn, void *data,
                      struct volume_fill **ret, struct err *err);
int workspace_volume_make(struct engine *engine, const struct blueprint *b, volume_fill_fn *fn, void *data,
                          struct volume_fill **ret, struct err *err);

/* Pure: a tar archive with one folder in it, which belongs to uid:gid, mode 0700. 1536 bytes. */
#define WORKSPACE_ARCHIVE 1536
int workspace_archive(const char *name, int64_t uid, int64_t gid, char ret[WORKSPACE_ARCHIVE]);

#endif
