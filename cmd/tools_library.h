/* SPDX-License-Identifier: MIT */
/*
 * The parts of `agentbox tools` that keep the user's library: ls, add, approve, test, rm. Each returns the
 * exit status or a negative code, as a verb does.
 */
#ifndef CMD_TOOLS_LIBRARY_H
#define CMD_TOOLS_LIBRARY_H

#include "cmd/options.h"

int tools_list(const struct options *opts, struct err *err);
int tools_add(const struct options *opts, struct err *err);
int tools_approve(const struct options *opts, struct err *err);
int tools_test(const struct options *opts, struct err *err);
int tools_remove(const struct options *opts, struct err *err);

#endif
