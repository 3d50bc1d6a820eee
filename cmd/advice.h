/* SPDX-License-Identifier: MIT */
/*
 * How to go on with a run that did not end well: one line, the same wherever a run
 * is spoken of ("go on: agentbox resume 20261122-013000-k3x9ab").
 */
#ifndef CMD_ADVICE_H
#define CMD_ADVICE_H

#include "core/base/buf.h"

/* Append the command, or nothing when there is no going on: it is done, the agent said its last word, or the
 * lock-down does not hold here. `exit_status` is the run's, -1: it never came to an end. `reason` is that of
 * run.end: with a limit its name. */
void advice_command(struct buf *out, const char *id, int exit_status, const char *reason);
/* The same as a line of its own. */
void advice_line(struct buf *out, const char *id, int exit_status, const char *reason);

#endif
