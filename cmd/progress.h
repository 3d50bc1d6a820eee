/* SPDX-License-Identifier: MIT */
/*
 * What a person sees of a run, on stderr: one line for each thing that happened,
 * and on a terminal a live line below them (turn, what is going on, tokens,
 * cost, elapsed). Without a terminal there are plain lines only.
 * (The lines themselves: line.h.)
 */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include "cmd/term.h"
#include "core/base/loop.h"
#include "core/run/driver.h"

struct progress;

/* Shows on stderr. `loop` NULL: no live line. */
int progress_new(struct loop *loop, struct progress **ret, struct err *err);
/* While somebody is asked the line stays away. */
void progress_pause(struct progress *p, bool is_paused);
void progress_free(struct progress *p); /* takes the live line away; NULL is fine */

/* First of all, for a run with a past: where it goes on. */
void progress_go_on(struct progress *p, const struct run_state *state);
void progress_record(struct progress *p, const struct record *record, const struct run_state *state);
/* Of one of its subagents: each line says of which. */
void progress_agent(struct progress *p, const struct run_event *ev);
void progress_delta(struct progress *p, enum model_delta kind, struct span text);
void progress_step(struct progress *p, const char *step, const char *text);

/* The last words: how it ended, what it cost, where the outputs are. */
int progress_summary(struct buf *out, const struct run_summary *summary, const struct term *term);

#endif
