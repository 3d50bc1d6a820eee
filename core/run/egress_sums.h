/* SPDX-License-Identifier: MIT */
/*
 * How much left a run, by sandbox: counted from its records. Requests are counted as their records come; what
 * a harness had counted is told by sums that it recorded now and then, which know what had not ended when it
 * died, while the records know what came after the last sums. The larger of both is the best that is known.
 */
#ifndef RUN_EGRESS_SUMS_H
#define RUN_EGRESS_SUMS_H

#include "core/run/record.h"

struct egress_sum {
    char *side;                      /* NULL: of the agent's own sandbox */
    int64_t allowed, denied;         /* with a record */
    int64_t ended_up, ended_down;    /* bytes of those that have ended */
    struct record_egress_total told; /* the last sums that were recorded */
};

struct egress_sums { /* zeroed is empty */
    struct egress_sum *list;
    size_t count, cap;
};

/* Records of egress; others are nothing to it. ERR_INTERNAL: no memory. */
int egress_sums_take(struct egress_sums *s, const struct record *rec, struct err *err);
/* Of one sandbox: all zero when nothing was said of it. */
struct record_egress_total egress_sums_of(const struct egress_sums *s, const char *side);
struct record_egress_total egress_sums_told(const struct egress_sums *s, const char *side);
/* Of all of them. */
struct record_egress_total egress_sums_all(const struct egress_sums *s);
void egress_sums_done(struct egress_sums *s);

#endif
