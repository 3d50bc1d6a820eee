/* SPDX-License-Identifier: MIT */
/*
 * An attestation that somebody hands in, beside the one that the run makes: where
 * do they differ first. Pure. What comes in is foreign: bounded (STATEMENT_MAX), JSON or not.
 *
 * Statements are compared byte for byte, so that not even a blank may change; what is told is the member of
 * the document, and when only the layout differs, that.
 */
#ifndef RUN_STATEMENT_H
#define RUN_STATEMENT_H

#include "core/base/err.h"
#include "core/base/span.h"

#include <stdint.h>

#define STATEMENT_MAX (16 * 1024 * 1024) /* bytes of one */

struct statement_difference {
    int64_t offset;  /* in what was handed in */
    char text[1024]; /* "line 12: predicate.runDetails...: is "a", and the run says "b"" */
};

/* 0 = the same; 1 = they differ, and *ret says where. ERR_INTERNAL: `ours` is no JSON, or there is no memory.
 */
int statement_compare(struct span theirs, struct span ours, struct statement_difference *ret,
                      struct err *err);

#endif
