/* SPDX-License-Identifier: MIT */
/*
 * Documents for `--json`, and the members that those about runs share. Every
 * document carries "version"; it is raised when the meaning of a member changes,
 * not when members are added.
 */
#ifndef CMD_REPORT_H
#define CMD_REPORT_H

#include "core/base/json.h"
#include "core/run/view.h"

#define REPORT_VERSION 1

/* One document: opens the object (pretty) and writes "version"; closes it and ends the line. */
void report_begin(struct json_writer *w, struct buf *out);
int report_end(struct json_writer *w, struct err *err);

/* Is there a cost to speak of? Negative: unknown. A run that used nothing cost nothing, whether or not its
 * price is known, and would seem to know it. */
static inline bool report_has_cost(int64_t micros, int64_t tokens)
{
    return micros > 0 || (micros == 0 && tokens > 0);
}

/* Members of one run into the object being written: version, id, name, state, started, turns, tokens, cost
 * ... Cost is in USD, null when unknown; times are RFC 3339, null when there is none. */
void report_view(struct json_writer *w, const struct run_view *view);

#endif
