/* SPDX-License-Identifier: MIT */
/*
 * Subagents, as far as the rest of the driver knows them (see drive_agent.c). A run may have several at once,
 * each a struct run of its own, which nothing here but its own call holds.
 */
#ifndef RUN_DRIVE_AGENT_H
#define RUN_DRIVE_AGENT_H

#include "core/run/record.h"
#include "core/run/spec.h"
#include "core/tool/tool.h"

struct live_agent;
struct run;
struct sandbox;

extern const struct tool_ops drive_agent_ops; /* the host's data is the struct run */

const struct run_agent *drive_agent_find(const struct run_spec *spec, const char *name); /* NULL: none */

/* Of a subagent's run: cut its limits down to what is left of its parent's. Before each decision. */
void drive_agent_budget(struct run *run);
/* Now, and whenever one of its subagents may have begun or ceased to wait for an answer: the time in which
 * they do is none of its own. */
void drive_agent_asks(struct run *run);
/* Of a subagent's run: whose it is, for its first record. */
void drive_agent_origin(const struct run *run, struct record_run_begin *begin);

/* Before the run ends: those that run stop. True: not all have. */
bool drive_agents_stop(struct run *run);
/* The sandbox of one of them, as run_take_sandbox(); NULL: there is none any more. */
struct sandbox *drive_agents_take(struct run *run);
/* By id: this run, or one that runs below it; NULL. */
struct run *drive_agent_run(struct run *run, const char *id);
/* The name of its folder. */
void drive_agent_key(const struct run *up, int64_t call, char ret[32]);

#endif
