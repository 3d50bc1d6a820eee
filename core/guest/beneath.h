/* SPDX-License-Identifier: MIT */
/*
 * Paths beneath the workspace root.
 *
 * A path from the host is text that frame_path_ok() accepts ("" and "." mean
 * the root where a call says so). It is resolved component by component from the
 * root's descriptor, no symbolic link is followed, and nothing above the root is reachable, whatever
 * the commands do to the tree meanwhile: openat2(2) does it in one step,
 * a walk with O_NOFOLLOW where a seccomp profile or an old kernel does not have it.
 * What comes back is a descriptor of the parent folder and the last component,
 * on which the *at calls then act without following either.
 *
 * All return 0 or a descriptor, or -errno: ELOOP for a path through a link.
 */
#ifndef GUEST_BENEATH_H
#define GUEST_BENEATH_H

#include <stdbool.h>
#include <sys/types.h>

int beneath_init(const char *root); /* opens it, returns the descriptor, which stays beneath's */
void beneath_no_openat2(void);      /* as if the system call were not there: for tests */

/* An O_PATH descriptor of the folder that holds the last component; *ret_name points into `path`.
 * make_parents: folders that are missing are made, 0755. */
int beneath_parent(const char *path, bool make_parents, const char **ret_name);
int beneath_folder(const char *path); /* "" or ".": the root. Opened for reading */

int beneath_root_open_up(void); /* the root gets r and x for us, if it is ours */
int beneath_chmod(int folder_fd, const char *name, mode_t mode); /* refuses links */

#endif
