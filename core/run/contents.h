/* SPDX-License-Identifier: MIT */
/*
 * Which contents the packs of a run hold, and where: a table by digest, and the
 * sizes that occur. Pure. Contents come from inside a sandbox, so the order of slots depends on a secret of
 * the process. Packs are known by the number of their checkpoint.
 */
#ifndef RUN_CONTENTS_H
#define RUN_CONTENTS_H

#include "core/base/err.h"
#include "core/run/listing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct content_home {
    uint8_t key[DIGEST_SIZE];
    int64_t size;
    int64_t pack;   /* 0 = it is in none any more */
    int64_t member; /* of the pack, from 1 */
    int64_t used;   /* the last checkpoint that needs it, as far as contents_use() was told */
};

struct contents {
    struct content_home *homes; /* a free slot has member 0 */
    size_t count, cap;
    int64_t *sizes; /* a free slot has -1 */
    size_t size_count, size_cap;
    uint64_t seed;
};

void contents_init(struct contents *c);
void contents_done(struct contents *c);

/* NULL: in no pack. Valid until something is added. */
struct content_home *contents_find(const struct contents *c, const char *sha256);
bool contents_has_size(const struct contents *c, int64_t size);
/* One that has a home already is moved only if `replace`. The empty content needs none and is not added. */
int contents_add(struct contents *c, const struct listing_content *content, int64_t pack, int64_t member,
                 bool replace, struct err *err);
/* That pack is gone, with whatever had its home in it. */
void contents_forget(struct contents *c, int64_t pack);
/* Checkpoint `number` needs what is in `listing`. */
void contents_use(struct contents *c, const struct listing *listing, int64_t number);

#endif
