/* SPDX-License-Identifier: MIT */
/*
 * When to try again: what the server asked for, and model_retry_ms() of client.h.
 * Pure; the waiting and counting are the run's.
 */
#ifndef MODEL_RETRY_H
#define MODEL_RETRY_H

#include "core/base/span.h"

#include <stdint.h>

/* Values of `retry-after-ms` (wins) and `retry-after` (seconds, also broken ones, or an HTTP date, which is
 * why the time is needed). Empty spans: header absent. -1: none usable. */
int64_t retry_after_headers(struct span after_ms, struct span after, int64_t now_wall_ms);

/* "Please try again in 1.2s", "350ms", "6m0s", "20 seconds". -1: the text says nothing. */
int64_t retry_after_text(struct span message);

#endif
