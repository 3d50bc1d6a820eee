/* SPDX-License-Identifier: MIT */
/*
 * Runs as JSON for `--json`: the members that `ls` and `show` share. Every
 * document carries "version"; it is raised when the meaning of a member changes,
 * not when members are added.
 */
#ifndef CMD_REPORT_H
#define CMD_REPORT_H

#include "core/base/json.h"
#include "core/run/view.h"

#define REPORT_VERSION 1

/* Members of one run into the object being written: version, id, name, state, started, turns, tokens, cost
 * ... Cost is in USD, null when unknown; times are RFC 3339, null when there is none. */
void report_view(struct json_writer *w, const struct run_view *view);

#endif
