/* SPDX-License-Identifier: MIT */
/*
 * One record of a run as a line for people: what progress shows live and `logs`
 * afterwards.
 */
#ifndef CMD_LINE_H
#define CMD_LINE_H

#include "cmd/term.h"
#include "core/run/record.h"

/* Append the line (or lines) for one record; nothing for records that people need not see. */
int line_record(struct buf *out, const struct record *record, const struct term *term);

/* The first one of a run, also from what else is known of it. */
void line_run(struct buf *out, const struct record_run_begin *r, const struct term *term);

#endif
