/* SPDX-License-Identifier: MIT */
/*
 * What a scan of a workspace found, and the listing that follows from it. Pure: no files, no channel.
 *
 * A scan tells of paths that changed, in no order to rely on. found_settle() sorts them and finds out which
 * names are one file; then the contents that are not known are looked up or fetched by the owner (sha256 of
 * each FOUND_FILE); then found_apply() gives the new listing.
 *
 * Hard links: the guest reports inodes and whether they have several names. Any change of a file changes the
 * ctime that all of its names show, so all of them are reported together; but names can also move or vanish
 * with a folder while the others are not reported. So a memory keeps inode and path of each name of such
 * files. From it and from the report the groups are made anew by each scan: the first name, by bytes, is the
 * file, the others are links to it. A name that was not reported proves that the file is as it was; its
 * content is that of the listing before.
 *
 * What cannot be kept stays in the memory too, as it is reported once but belongs into each record.
 *
 * The guest is hostile: what makes no sense (an entry in a folder that is not there, the same path twice) is
 * left out, never passed on.
 */
#ifndef RUN_FOUND_H
#define RUN_FOUND_H

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/run/listing.h"
#include "core/sandbox/channel.h"

#include <stdbool.h>
#include <stdint.h>

enum found_kind {
    FOUND_GONE,
    FOUND_FILE,
    FOUND_DIR,
    FOUND_LINK,
    FOUND_HARD, /* another name of the file `link` */
    FOUND_UNKEPT
};

struct found_item {
    enum found_kind kind;
    uint32_t mode;
    const char *path;
    const char *link; /* FOUND_LINK: target; FOUND_HARD: the first name; FOUND_UNKEPT: why */
    uint64_t inode;   /* of files with several names; else 0 */
    int64_t size, mtime_ns;
    bool is_known;           /* a content with this `sha256` and `size` is kept */
    bool is_busy;            /* the owner's: it is being looked at */
    char sha256[DIGEST_HEX]; /* FOUND_FILE: "" while not known */
};

struct found {
    struct found_item *items; /* by path, after found_settle() */
    size_t count, cap;
    struct found_name *by_inode; /* those with an inode */
    size_t inode_count;
    struct arena arena;
    bool keeps_hollow; /* also large files that are nearly all hole are kept; set it after found_init() */
};

/* Names of files that have several, and what is not kept, as of a scan. */
struct found_memory;

void found_memory_free(struct found_memory *m); /* NULL is fine */
const struct listing_unkept *found_memory_unkept(const struct found_memory *m, size_t *ret_count);

void found_init(struct found *f);
void found_done(struct found *f);

/* As scan_ops.on_change tells it. ERR_TOO_LARGE. */
int found_add(struct found *f, struct span path, const struct guest_stat *st, struct span link,
              const uint8_t *sum, struct err *err);
/* `before` is the listing that the report differs from, `memory` what was remembered with it (NULL: nothing).
 */
int found_settle(struct found *f, const struct listing *before, const struct found_memory *memory,
                 struct err *err);
/* It was not there when it was to be read: as if it were gone. When the file has another name, which becomes
 * its first, it is that one's place that comes back; else SIZE_MAX. */
size_t found_lose(struct found *f, size_t at);
/* This file, with all its names, cannot be kept. `why` is a text that stays. */
void found_refuse(struct found *f, size_t at, const char *why);
const struct found_item *found_find(const struct found *f, const char *path);

/* Once each content is known: does it change anything? */
bool found_differs(const struct found *f, const struct listing *before);
int found_apply(const struct found *f, const struct listing *before, struct listing *ret, struct err *err);
/* What is to be remembered with the listing that came of it. */
int found_remember(const struct found *f, const struct found_memory *before, struct found_memory **ret,
                   struct err *err);

#endif
