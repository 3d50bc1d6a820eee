/* SPDX-License-Identifier: MIT */
/*
 * Going through a tree of folders, step by step: depth first, each folder's
 * names sorted by bytes, no link followed. There is one walk at a time, in static memory:
 * the names of the folders from the top to the present one (WALK_NAMES of them,
 * WALK_BYTES together) and one descriptor a level.
 *
 * Commands may change the tree meanwhile: what vanishes is skipped, a folder that is
 * replaced by a link is not entered. A folder that may not be read is an entry without
 * content, unless the walk may help itself, or is strict.
 *
 * Errors: -EOVERFLOW more names than fit, -ENAMETOOLONG deeper than WALK_DEPTH or a path beyond
 * FRAME_PATH_MAX.
 */
#ifndef GUEST_WALK_H
#define GUEST_WALK_H

#include "core/guest/pry.h"
#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum { WALK_DEPTH = 128, WALK_NAMES = 1024 * 1024, WALK_BYTES = 32 * 1024 * 1024 };
enum walk_got { WALK_END, WALK_ENTRY, WALK_LEAVE };
enum walk_flag {
    WALK_RECURSIVE = 1,
    WALK_FORCE = 2,  /* folders of ours are made readable on the way in, in order to remove what is in them */
    WALK_PRY = 4,    /* the same, but their mode comes back on the way out (pry.h) */
    WALK_ONE_FS = 8, /* what is mounted beneath is left out, files too */
    WALK_STRICT = 16,  /* a folder that may not be read is an error: -EACCES */
    WALK_SHALLOW = 32, /* one too deep for us is no error: an entry of kind DEEP, not entered */
};

struct walk_item {
    int folder_fd; /* where `name` is */
    const char *name;
    const char *path; /* from the root */
    size_t path_len;
    struct frame_stat st; /* not for WALK_LEAVE */
    const char *link;
    size_t link_len;
    const struct pry *pry; /* WALK_LEAVE: the folder was opened by force; else NULL */
};

/* Takes over the descriptor of the folder, whose path is `path` ("" = root), also when it fails. `flags`:
 * enum walk_flag. */
int walk_start(int folder_fd, const char *path, unsigned flags);
void walk_stop(void);

/* The next one: WALK_ENTRY; WALK_LEAVE after the content of a folder; WALK_END; or -errno. */
int walk_next(struct walk_item *ret);

void walk_stat(const struct stat *st, struct frame_stat *ret);

#endif
