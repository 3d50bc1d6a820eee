/* SPDX-License-Identifier: MIT */
/*
 * The verbs, one function each: verb_<name>.c. They return the exit status, or
 * a negative code with err filled, which main prints and turns into a status.
 */
#ifndef CMD_VERBS_H
#define CMD_VERBS_H

#include "cmd/options.h"

int verb_run(const struct options *opts, struct err *err);
int verb_resume(const struct options *opts, struct err *err);
int verb_fork(const struct options *opts, struct err *err);
int verb_replay(const struct options *opts, struct err *err);
int verb_validate(const struct options *opts, struct err *err);
int verb_plan(const struct options *opts, struct err *err);
int verb_tools(const struct options *opts, struct err *err);
int verb_scan(const struct options *opts, struct err *err);
int verb_schema(const struct options *opts, struct err *err);
int verb_ls(const struct options *opts, struct err *err);
int verb_show(const struct options *opts, struct err *err);
int verb_logs(const struct options *opts, struct err *err);
int verb_egress(const struct options *opts, struct err *err);
int verb_diff(const struct options *opts, struct err *err);
int verb_export(const struct options *opts, struct err *err);
int verb_outputs(const struct options *opts, struct err *err);
int verb_attest(const struct options *opts, struct err *err);
int verb_verify(const struct options *opts, struct err *err);
int verb_memory(const struct options *opts, struct err *err);
int verb_rm(const struct options *opts, struct err *err);
int verb_gc(const struct options *opts, struct err *err);
int verb_doctor(const struct options *opts, struct err *err);
int verb_version(const struct options *opts, struct err *err);
int verb_help(const struct options *opts, struct err *err);

#endif
