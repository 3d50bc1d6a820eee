/* SPDX-License-Identifier: MIT */
/* What subagents use: it counts for those above them, and is never more than is left there. */
#include "core/run/drive_agent_impl.h"

int64_t agent_sum(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void add_new(int64_t *sum, int64_t now, int64_t told)
{
    if (now > told)
        *sum = agent_sum(*sum, now - told);
}

static void add_spent(struct run_spent *sum, const struct run_spent *more, const struct run_spent *told)
{
    add_new(&sum->usage.total, more->usage.total, told->usage.total);
    add_new(&sum->cost_micros, more->cost_micros, told->cost_micros);
    add_new(&sum->calls, more->calls, told->calls);
    add_new(&sum->agents, more->agents, told->agents);
}

void agent_spent(const struct run *run, struct run_spent *ret)
{
    const struct run_state *s = &run->state;

    *ret = (struct run_spent){ .usage = s->usage,
                               .cost_micros = s->cost_micros,
                               .calls = agent_sum(s->calls_begun, s->calls_below),
                               .agents = s->agents,
                               .is_cost_unknown = s->is_cost_unknown };
    for (const struct live_agent *a = run->agents; a; a = a->next) {
        const struct run_call *call = run_state_call(s, a->number);
        struct run_spent below;

        if (!a->run || !call)
            continue;
        agent_spent(a->run, &below);
        add_spent(ret, &below, &call->spent);
    }
}

/* Of a limit `own`, when `up` has `max` and all of it have used `used`, this one `mine`; 0: there is none. */
static int64_t cut(int64_t own, int64_t max, int64_t used, int64_t mine)
{
    int64_t left = max > used ? max - used : 0, most = agent_sum(mine, left);

    if (!max)
        return own;
    if (most == 0)
        most = -1; /* a limit of nothing */
    return own && own < most ? own : most;
}

void drive_agent_budget(struct run *run)
{
    struct live_agent *a = run->self;
    struct run_limits *to;
    const struct run_limits *own, *up;
    struct run_spent all, mine;

    if (!a)
        return;
    drive_agent_budget(a->up);
    own = &a->agent->spec->limits;
    up = &a->up->spec->limits;
    to = &a->spec.limits;
    agent_spent(a->up, &all);
    agent_spent(run, &mine);
    to->tokens = cut(own->tokens, up->tokens, all.usage.total, mine.usage.total);
    to->cost_micros = cut(own->cost_micros, up->cost_micros, all.cost_micros, mine.cost_micros);
    to->tool_calls = cut(own->tool_calls, up->tool_calls, all.calls, mine.calls);
    to->agents = agent_sum(mine.agents, up->agents > all.agents ? up->agents - all.agents : 0);
    if (own->agents < to->agents)
        to->agents = own->agents;
}

void drive_agent_asks(struct run *run)
{
    int64_t now_ms = run_elapsed(run);
    bool is_any = false;

    if (run->is_below_asking)
        add_new(&run->below_ms, now_ms, run->below_at_ms);
    run->below_at_ms = now_ms;
    for (const struct live_agent *a = run->agents; a; a = a->next)
        is_any = is_any || (a->run && a->run->state.end == RUN_ACTIVE &&
                            (a->run->state.is_asking || a->run->is_below_asking));
    run->is_below_asking = is_any && !run->state.is_asking; /* its own time stands by itself */
}
