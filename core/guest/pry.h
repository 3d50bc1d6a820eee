/* SPDX-License-Identifier: MIT */
/*
 * Reading what belongs to us although its mode denies it (a file of mode 000, a
 * folder without r or x): a checkpoint shall hold it too, and whoever owns it may
 * always give himself the right.
 *
 * The owner gets the missing permission for the moment of opening, then the
 * mode is what it was. That leaves one trace, the ctime; the scan's memory is told, so
 * that our own doing is not taken for a change. What is another user's stays closed.
 * Files with a set-group-id bit of a group that is not ours are left alone too: giving
 * such a mode back would be refused.
 */
#ifndef GUEST_PRY_H
#define GUEST_PRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pry {
    bool is_open;
    mode_t mode; /* as it was */
    uint64_t inode;
    int64_t before_ns, after_ns; /* ctime; after: set by pry_end() */
};

/* `fd` may be an O_PATH descriptor. 0, or -EACCES: not ours. */
int pry_begin(struct pry *p, int fd, mode_t add);
void pry_end(struct pry *p, int fd);

/* Regular files only, like a read request: a descriptor, or -errno. The first is for names in an open folder
 * of the walk, whose path is needed for the scan's memory. */
int pry_open_at(int folder_fd, const char *name, const char *path);
int pry_open(const char *path); /* folders on the way included */

#endif
