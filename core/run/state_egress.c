/* SPDX-License-Identifier: MIT */
/* The fold of what left the sandbox. */
#include "core/run/state_impl.h"

#include <string.h>

static bool is_harmless(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* Whose it is does not matter: processes of one call can act for another. Is there any that a rollback
 * undoes? */
static bool mark(struct run_state *s, struct run_call *calls, size_t count)
{
    bool is_any = false;

    for (size_t i = 0; i < count; i++)
        if (run_state_is_undone(s, &calls[i]))
            is_any = calls[i].has_left = true;
    return is_any;
}

int apply_egress_allow(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_egress *e = &s->egress;
    void *list = e->open;
    int r = 0;

    if (rec->egress.number <= e->numbers)
        return state_misplaced(rec, err);
    if (!is_harmless(rec->egress.method)) {
        r = state_reserve(&list, &e->open_cap, e->open_count, sizeof(*e->open), err);
        e->open = list;
        if (r < 0)
            return r;
        e->open[e->open_count++] = rec->egress.number;
        if (!s->has_checkpoint && s->begins > s->covered_begins)
            e->has_left = true;
        if (mark(s, s->calls, s->call_count))
            e->has_left = true;
        if (mark(s, s->held.calls, s->held.call_count))
            e->has_left = true;
    }
    e->numbers = rec->egress.number;
    e->allowed = state_add(e->allowed, 1);
    return egress_sums_take(&e->sums, rec, err);
}

int apply_egress_deny(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_egress *e = &s->egress;

    if (rec->egress.number <= e->numbers)
        return state_misplaced(rec, err);
    e->numbers = rec->egress.number;
    e->denied = state_add(e->denied, 1);
    return egress_sums_take(&e->sums, rec, err);
}

int apply_egress_end(struct run_state *s, const struct record *rec, struct err *err)
{
    struct run_egress *e = &s->egress;

    if (rec->egress.number > e->numbers)
        return state_misplaced(rec, err);
    for (size_t i = 0; i < e->open_count; i++)
        if (e->open[i] == rec->egress.number)
            e->open[i--] = e->open[--e->open_count];
    return egress_sums_take(&e->sums, rec, err);
}

int apply_egress_total(struct run_state *s, const struct record *rec, struct err *err)
{
    return egress_sums_take(&s->egress.sums, rec, err);
}

void state_egress_cut(struct run_state *s)
{
    s->egress.open_count = 0;
}

bool state_egress_is_open(const struct run_state *s)
{
    return s->egress.open_count > 0;
}
