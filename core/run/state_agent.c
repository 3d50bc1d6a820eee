/* SPDX-License-Identifier: MIT */
/* The fold of what subagents use. They tell sums, perhaps more than once: what is new of them counts. */
#include "core/run/state_impl.h"

static struct run_call *running_call(const struct run_state *s, int64_t number)
{
    struct run_call *call = run_state_call(s, number);

    return call && !call->check && call->phase == RUN_CALL_RUNNING ? call : NULL;
}

int apply_agent_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_call *call = running_call(s, rec->agent.call);

    if (!call)
        return state_misplaced(rec, err);
    if (!call->has_agent)
        s->agents = state_add(s->agents, 1);
    call->has_agent = true;
    call->spent = (struct run_spent){ 0 };
    return 0;
}

/* Adds what `now` is more than `told`, which becomes it. */
static void add_new(int64_t *sum, int64_t *told, int64_t now)
{
    if (now <= *told)
        return;
    *sum = state_add(*sum, now - *told);
    *told = now;
}

int apply_agent_end(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_agent *e = &rec->agent;
    struct run_call *call = running_call(s, e->call);
    struct record_usage *told;

    if (!call || !call->has_agent)
        return state_misplaced(rec, err);
    told = &call->spent.usage;
    add_new(&s->usage.input, &told->input, e->usage.input);
    add_new(&s->usage.cached, &told->cached, e->usage.cached);
    add_new(&s->usage.output, &told->output, e->usage.output);
    add_new(&s->usage.reasoning, &told->reasoning, e->usage.reasoning);
    add_new(&s->usage.total, &told->total, e->usage.total);
    s->usage.is_estimated = s->usage.is_estimated || e->usage.is_estimated;
    if (e->cost_micros < 0)
        s->is_cost_unknown = true;
    add_new(&s->cost_micros, &call->spent.cost_micros, e->cost_micros);
    add_new(&s->calls_below, &call->spent.calls, e->calls);
    add_new(&s->agents, &call->spent.agents, e->agents);
    if (e->asked_ms > s->asked_below_ms)
        s->asked_below_ms = e->asked_ms;
    return 0;
}
