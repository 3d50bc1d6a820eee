/* SPDX-License-Identifier: MIT */
/*
 * The writable places of a sandbox as volumes, for engines that cannot bound a tmpfs in the
 * request itself (engine_kind.h): one volume of the local driver for each, of type tmpfs with
 * size, inodes, owner and mode, called '<container>-tmpfs-<n>', with the labels of the run so
 * that a fence or gc finds them. They are made before the container, and removed after it.
 */
#ifndef OCI_SPACES_H
#define OCI_SPACES_H

#include "oci/blueprint.h"
#include "oci/engine.h"

#define SPACE_NAME 192

struct spaces;

typedef void spaces_fn(void *data, int result, const struct err *err);

/* How many there are: 0 where tmpfs are part of the request. */
size_t spaces_count(const struct lockdown *l);
void spaces_name(const struct lockdown *l, size_t index, char ret[SPACE_NAME]);
/* Pure: the body of POST /volumes/create. */
int spaces_write(const struct lockdown *l, size_t index, struct buf *out, struct err *err);

/* `fn` comes once, from the loop; at least one space is there. */
int spaces_make(struct engine *engine, const struct lockdown *l, spaces_fn *fn, void *data,
                struct spaces **ret, struct err *err);
void spaces_free(struct spaces *spaces); /* NULL is fine */

#endif
