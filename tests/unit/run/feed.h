/* SPDX-License-Identifier: MIT */
/* A short way to feed records to a state. */
#ifndef TESTS_UNIT_RUN_FEED_H
#define TESTS_UNIT_RUN_FEED_H

#include "core/run/state.h"

struct feed {
    struct run_state s;
    uint64_t seq; /* of the last record that was taken */
    struct err err;
};

static inline int put(struct feed *f, struct record rec)
{
    int r;

    rec.seq = f->seq + 1;
    rec.time_ms = 1000 + (int64_t) rec.seq;
    r = run_apply(&f->s, &rec, &f->err);
    f->seq += r == 0;
    return r;
}

static inline struct record of(enum record_type type)
{
    return (struct record){ .type = type };
}

#endif
