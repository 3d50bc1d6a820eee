/* SPDX-License-Identifier: MIT */
/*
 * Results of container tools with `cache: true`, kept between runs: `<state folder>/results/KEY`, one file
 * each. A key is the digest of everything that decides about the result (container.c); a file is a JSON line,
 * {"version","run","sha256","size"}, and the result. What is damaged, or not of this form, is not there.
 *
 * Bounded: RESULTS_MAX files and RESULTS_BYTES_MAX bytes; those that were written longest ago go first.
 */
#ifndef TOOL_RESULT_CACHE_H
#define TOOL_RESULT_CACHE_H

#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/base/err.h"

#include <stdint.h>

#define RESULTS_FOLDER    "results" /* in the state folder */
#define RESULTS_MAX       4096
#define RESULTS_BYTES_MAX (INT64_C(256) * 1024 * 1024)
#define RESULTS_RUN_MAX   64

/* False: there is none. `run`: that stored it. */
bool result_cache_get(const char *folder, const char *key, struct buf *out, char run[RESULTS_RUN_MAX]);
/* Makes the folder if need be, and room. */
int result_cache_put(const char *folder, const char *key, const char *run, struct span result,
                     struct err *err);

struct result_cache_swept {
    int64_t files, bytes;     /* that went, or would go */
    int64_t kept, kept_bytes; /* that are left */
};
/* What is older than `before_ms` (wall time), and what is too much. An absent folder is empty. */
int result_cache_sweep(const char *folder, int64_t before_ms, bool is_dry, struct result_cache_swept *ret,
                       struct err *err);

/* Is it the content of such a file? Pure. *ret points into it. */
bool result_cache_decode(struct span file, struct span *ret, char run[RESULTS_RUN_MAX]);

#endif
