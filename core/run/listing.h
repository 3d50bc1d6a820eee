/* SPDX-License-Identifier: MIT */
/*
 * What a workspace holds: its paths, sorted by bytes, with what a checkpoint
 * keeps of each. Pure: no files, no channel.
 *
 * As text it is a tree record, one JSON object:
 *   {"format":1,"base":"<sha256>","depth":3,"entries":[
 *   {"path":"a/b","type":"file","mode":420,"mtime":"1700000000.000000001","size":5,"sha256":"..."}
 *   ],"gone":[
 *   {"path":"old"}
 *   ],"contents":[
 *   {"sha256":"...","size":5}
 *   ],"unkept":[
 *   {"path":"s","why":"a socket"}
 *   ],"tree":"<sha256>"}
 * With "base" it says only what differs from that record (named by the digest of
 * its file), else everything. `contents` are the members of the pack of the same number, in their
 * order. `tree` is listing_digest() of the whole. A path or target that is not UTF-8 stands under
 * "path64" / "link64" as base64. Each element has a line of its own, and a decoder may rely on that: it never
 * holds more than one of them as a parsed tree.
 */
#ifndef RUN_LISTING_H
#define RUN_LISTING_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LISTING_DEPTH_MAX   64 /* steps from a tree record down to a complete one */
#define LISTING_ENTRIES_MAX (1024 * 1024)
#define LISTING_TEXT_MAX    ((size_t) 512 * 1024 * 1024) /* bytes of paths and targets in memory */
#define LISTING_RECORD_MAX  ((size_t) 512 * 1024 * 1024) /* bytes of a tree record */

enum listing_kind {
    LISTING_FILE,
    LISTING_DIR,
    LISTING_LINK, /* symbolic, target kept as it is */
    LISTING_HARD, /* another name of the file `link`, which sorts before it */
};

struct listing_entry {
    const char *path; /* relative, frame_path_ok() */
    enum listing_kind kind;
    uint32_t mode; /* permission bits with set-id and sticky; 0 for links */
    int64_t mtime_ns;
    int64_t size;            /* files */
    char sha256[DIGEST_HEX]; /* files: of the content, holes as zeros */
    uint32_t order;          /* private to listing_append() */
    const char *link;        /* LISTING_LINK: target; LISTING_HARD: the first name; else NULL */
};

struct listing_unkept { /* what a checkpoint cannot hold */
    const char *path, *why;
};

struct listing_content { /* one member of a pack */
    char sha256[DIGEST_HEX];
    int64_t size;
};

struct listing {
    struct listing_entry *entries; /* sorted by strcmp() of their paths */
    size_t count, cap;
    struct arena arena; /* texts */
    size_t live;        /* of its bytes, those in use */
};

void listing_init(struct listing *l);
void listing_done(struct listing *l);
int listing_copy(const struct listing *from, struct listing *ret, struct err *err);

const struct listing_entry *listing_find(const struct listing *l, const char *path); /* NULL: not there */
/* Add or replace; texts are copied. ERR_TOO_LARGE, ERR_INVALID (path, link). Entries and their texts may
 * move. Out of order each costs a move of what is behind it: for many take listing_append() or
 * listing_merge(). */
int listing_put(struct listing *l, const struct listing_entry *e, struct err *err);
void listing_remove(struct listing *l, const char *path); /* this path only; cost as above */
bool listing_same_entry(const struct listing_entry *a, const struct listing_entry *b);

/* Many at once: added in any order, unsorted, until listing_sort(), which must come before anything else is
 * asked. Of entries with the same path the last one stays. */
int listing_append(struct listing *l, const struct listing_entry *e, struct err *err);
void listing_sort(struct listing *l);
/* One pass: remove the paths `gone`, then put all entries of `changes` (sorted). On failure `l` is as it was.
 */
int listing_merge(struct listing *l, const struct listing *changes, const char *const *gone,
                  size_t gone_count, struct err *err);

/* SHA-256 over all entries in order, each as: a byte F, D, L or H for its kind; mode (4 bytes), mtime_ns (8),
 * size (8), big-endian; 64 hex digits of the content (files only); path and a NUL; link and a NUL (L and H
 * only). Two workspaces with the same digest are the same, byte for byte. "" without memory. */
void listing_digest(const struct listing *l, char ret[DIGEST_HEX]);

struct listing_totals {
    int64_t files, folders, links, bytes; /* hard links count as links */
};
void listing_totals(const struct listing *l, struct listing_totals *ret);

/* ---- as text ---- */

struct listing_text { /* beside the entries, what a tree record says */
    const char *base; /* digest of the base record, NULL: none */
    int64_t depth;    /* 0 = complete; else steps down to a complete one */
    const struct listing_content *contents;
    size_t content_count;
    const struct listing_unkept *unkept;
    size_t unkept_count;
};

/* `base` NULL: complete. */
int listing_encode(const struct listing *l, const struct listing *base, const struct listing_text *text,
                   struct buf *out, struct err *err);
/* What a tree record is based on and what its pack holds, before its base is there. Texts lie in `arena`. */
int listing_decode_head(struct span record, struct arena *arena, struct listing_text *ret, struct err *err);
/* `base`: the listing of head.base, NULL when it is complete. ERR_INVALID: not a tree record, or its digest
 * says otherwise. */
int listing_decode(struct span record, const struct listing *base, struct listing *ret, struct err *err);

#endif
