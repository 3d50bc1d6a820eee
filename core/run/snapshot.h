/* SPDX-License-Identifier: MIT */
/*
 * What can be said of a run's state: all of it, or its answer. Pure.
 */
#ifndef RUN_SNAPSHOT_H
#define RUN_SNAPSHOT_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/run/state.h"

#include <stdbool.h>

/* The whole state as JSON, items by their digest: equal states give equal text. For tests, and for comparing
 * a fold with what was live. */
int run_state_encode(const struct run_state *s, struct buf *out, struct err *err);

/* Text of the last turn's messages, decoded, one after the other; commentary only when there is nothing else.
 */
int run_state_text(const struct run_state *s, struct buf *out, struct err *err);

/* Is there a message in the last turn's answer; is there a refusal? */
bool run_state_has_message(const struct run_state *s);
bool run_state_is_refusal(const struct run_state *s);

#endif
