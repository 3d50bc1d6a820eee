/* SPDX-License-Identifier: MIT */
/*
 * A walk through a folder of the host, depth first, parents before children,
 * never following a link and never leaving the folder. One entry a call, so
 * that whoever walks decides how much is done between two waits.
 */
#ifndef BASE_WALK_H
#define BASE_WALK_H

#include "core/base/err.h"

#include <stdint.h>
#include <sys/stat.h>

#define WALK_DEPTH_MAX 128
#define WALK_PATH_MAX  4096

struct walk;

struct walk_entry {
    const char *path; /* relative to the root, without "./" */
    const char *name; /* its last component */
    int dir_fd;       /* of the folder that holds it; valid until the next call */
    struct stat st;   /* of the entry itself, links not followed */
};

/* `root_fd` is borrowed for the life of the walk. */
int walk_new(int root_fd, struct walk **ret, struct err *err);
void walk_free(struct walk *w); /* NULL is fine */

/* 1 = an entry, valid until the next call; 0 = the end; ERR_IO (a folder cannot be read: named),
 * ERR_TOO_LARGE (too deep). An entry that vanishes while we walk is passed over. */
int walk_next(struct walk *w, struct walk_entry *ret, struct err *err);

#endif
