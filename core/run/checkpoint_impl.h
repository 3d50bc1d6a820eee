/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the checkpoint store know of each other: checkpoint.c (what
 * there is), checkpoint_tree.c (tree records), checkpoint_prune.c (what is needed no more),
 * checkpoint_write.c, checkpoint_read.c (contents).
 */
#ifndef RUN_CHECKPOINT_IMPL_H
#define RUN_CHECKPOINT_IMPL_H

#include "core/run/checkpoint.h"
#include "core/run/contents.h"
#include "core/run/folder.h"
#include "core/run/pack.h"

#define CHECKPOINT_NAME_MAX 48
#define CHECKPOINT_CURSORS  4

/* A checkpoint that the journal told of. */
struct stored {
    int64_t number;
    char tree[DIGEST_HEX], record[DIGEST_HEX], pack[DIGEST_HEX]; /* pack "": none */
    bool record_is_pruned, pack_is_pruned;
    bool is_broken; /* verify.c: its listing cannot be made */
    bool is_read;   /* what the head of its record says is known: */
    int64_t base;   /* number of the checkpoint that it is based on; 0 = none, it is complete */
    int64_t depth;  /* steps down to a complete one */
};

/* What a commit has found out, until the journal tells of it. */
struct fresh {
    int64_t number;      /* 0 = none */
    int64_t base, depth; /* base 0: `changes` is all there is */
    char record[DIGEST_HEX];
    struct listing_content *contents;
    size_t count;
    struct listing changes; /* to the listing of the last checkpoint */
    const char **gone;      /* paths in `texts` */
    size_t gone_count;
    struct arena texts;
};

struct checkpoint_store {
    struct run_folder *folder;
    int dir_fd;          /* of checkpoints/; -1 = not yet there */
    struct stored *list; /* in order of their numbers */
    size_t count, cap;
    struct contents contents;
    int64_t used_floor; /* all contents count as needed by this checkpoint: those before were not looked at */
    size_t heads_seen;  /* so many of the list were looked at */
    struct err heads_err; /* code set: why the contents of some checkpoint are not known */
    struct fresh fresh;
    struct listing last;                             /* of checkpoint `last_number` */
    int64_t last_number;                             /* 0 = none is kept in memory */
    struct pack_reader *cursors[CHECKPOINT_CURSORS]; /* packs that checkpoint_get() reads on in */
    int64_t cursor_packs[CHECKPOINT_CURSORS];
    size_t cursor_next; /* to be given up next */
};

/* ---- checkpoint.c ---- */

void checkpoint_record_name(int64_t number, char ret[CHECKPOINT_NAME_MAX]);
void checkpoint_pack_name(int64_t number, char ret[CHECKPOINT_NAME_MAX]);
/* 0: no such name. */
int64_t checkpoint_name_number(const char *name, bool *ret_is_pack);
/* The folder, opened or made. ERR_NOT_FOUND when it is not there and not to be made. */
int checkpoint_open_dir(struct checkpoint_store *store, bool make, struct err *err);
struct stored *checkpoint_stored(const struct checkpoint_store *store, int64_t number); /* NULL */
void checkpoint_fresh_init(struct fresh *fresh);
void checkpoint_fresh_done(struct fresh *fresh);
/* The contents of a pack, in order; these are their homes from now on. */
int checkpoint_add_contents(struct checkpoint_store *store, int64_t number,
                            const struct listing_content *list, size_t count, struct err *err);

/* ---- checkpoint_tree.c ---- */

/* The heads of all tree records that were not read yet, and so all contents. */
int checkpoint_read_heads(struct checkpoint_store *store, struct err *err);
/* The listing in `store->last`. */
int checkpoint_read_last(struct checkpoint_store *store, struct err *err);
/* Tree record and listing as they are, without a look at the packs. ERR_NOT_FOUND: pruned. */
int checkpoint_read_record(struct checkpoint_store *store, const struct stored *s, struct buf *out,
                           struct err *err);
int checkpoint_read_listing(struct checkpoint_store *store, struct stored *s, struct listing *ret,
                            struct err *err);
/* Every content has its place in a pack. ERR_NOT_FOUND: not since some were pruned. */
int checkpoint_check_contents(struct checkpoint_store *store, int64_t number, const struct listing *l,
                              struct err *err);

/* ---- checkpoint_prune.c ---- */

/* What goes when one more checkpoint, based on `base`, is there and `keep` of them are to stay: names into
 * ret->pruned, at most RECORD_LIST_MAX, in `arena`. */
int checkpoint_find_prunable(struct checkpoint_store *store, int64_t base, int64_t keep, struct arena *arena,
                             struct record_checkpoint *ret, struct err *err);

#endif
