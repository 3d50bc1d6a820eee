/* SPDX-License-Identifier: MIT */
/*
 * Hands the contents of a checkpoint's files out, on the host: pack by pack, each
 * content read once and given to every file that has it.
 */
#ifndef RUN_DELIVERY_H
#define RUN_DELIVERY_H

#include "core/base/err.h"
#include "core/run/checkpoint.h"

struct delivery_item {
    const struct listing_entry *file; /* LISTING_FILE */
    void *user;                       /* whose file it is; for begin */
};

struct delivery_ops {
    /* One file after the other, each with all its bytes. */
    int (*begin)(void *data, const struct delivery_item *item, struct err *err);
    int (*add)(void *data, struct span piece, struct err *err);
    int (*end)(void *data, struct err *err);
};

/* Sorts `items`. ERR_INVALID: the checkpoint is damaged; or what the ops say. Without an end after a failure.
 */
int delivery_run(struct checkpoint_store *store, struct delivery_item *items, size_t count,
                 const struct delivery_ops *ops, void *data, struct err *err);

#endif
