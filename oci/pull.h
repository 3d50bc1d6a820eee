/* SPDX-License-Identifier: MIT */
/*
 * What an engine says during a pull: JSON values, one after the other, in a 200.
 * An error is one of them too, since the status had been sent before it was known.
 * The decoder is pure and bounded; lines longer than PULL_LINE_MAX are an error.
 */
#ifndef OCI_PULL_H
#define OCI_PULL_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdint.h>

#define PULL_LINE_MAX (64 * 1024)
#define PULL_LAYERS   64 /* whose progress is added up; further ones are not shown */

struct pull_layer {
    char id[16];
    int64_t done, size; /* bytes */
    bool is_complete;
};

struct pull {
    struct buf line;
    struct pull_layer layers[PULL_LAYERS];
    size_t layer_count;
    struct buf status; /* the newest line that belongs to no layer: "Status: Image is up to date ..." */
};

void pull_init(struct pull *pull);
void pull_done(struct pull *pull);

/* ERR_ENGINE: the engine reported an error (its words). ERR_PROTOCOL, ERR_TOO_LARGE: not such lines. */
int pull_feed(struct pull *pull, struct span chunk, struct err *err);
int pull_end(struct pull *pull, struct err *err); /* the last line may lack its end */

/* "3 of 7 layers, 12.5 MiB of 40 MiB" */
void pull_text(const struct pull *pull, char *ret, size_t size);

#endif
