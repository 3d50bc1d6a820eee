/* SPDX-License-Identifier: MIT */
/* Inside of subagents: between drive_agent.c (the call) and drive_agent_budget.c (what they use). */
#ifndef RUN_DRIVE_AGENT_IMPL_H
#define RUN_DRIVE_AGENT_IMPL_H

#include "core/run/drive_agent.h"
#include "core/run/drive_agent_files.h"
#include "core/run/drive_agent_share.h"
#include "core/run/drive_agent_stray.h"
#include "core/run/driver_impl.h"

struct live_agent {
    struct tool_run tool; /* first */
    struct live_agent *next;
    struct run *up; /* whose it is */
    const struct run_agent *agent;
    int64_t number; /* of the call */
    char *call_id, *raw, *task;
    struct run_spec spec; /* the agent's, with what this call and the budgets make of it */
    struct run_folder *folder;
    struct run *run; /* NULL: not begun, or over */
    struct agent_files *files;
    struct agent_stray *stray;
    struct agent_share share; /* of a handoff */
    struct loop_source *soon;
    struct journal_chain begin; /* agent.begin */
    bool is_fault;              /* it failed by what this machine has, not by what it did */
    bool is_stopping;           /* with the run that it belongs to: then it has no answer */
    /* its end */
    enum run_end_state end;
    char *reason;
    struct buf text;
    struct err err;
    tool_done_fn *fn;
    void *data;
};

/* None of it is negative, and journals may say anything else: no more than fits. */
int64_t agent_sum(int64_t a, int64_t b);
/* What a run has used until now, with those below it. */
void agent_spent(const struct run *run, struct run_spent *ret);

#endif
