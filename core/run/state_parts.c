/* SPDX-License-Identifier: MIT */
/* The fold of what a run has around its conversation. */
#include "core/run/state_impl.h"

#include <string.h>

/* ---- sandbox, workspace ---- */

int apply_sandbox_start(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->sandbox != RUN_PART_NONE || s->must_roll_back)
        return state_misplaced(rec, err);
    s->sandbox = RUN_PART_STARTING;
    s->is_attaching = false;
    s->workspace = RUN_PART_NONE;
    s->attempt = rec->sandbox_start.attempt;
    s->session_count = 0; /* theirs are gone with the last one */
    state_failure_done(&s->sandbox_failure);
    return 0;
}

int apply_sandbox_intent(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->sandbox != RUN_PART_STARTING)
        return state_misplaced(rec, err);
    s->is_removed = false;
    return state_set_text(&s->container_name, rec->sandbox_intent.container_name, err);
}

int apply_sandbox_scan(struct run_state *s, const struct record *rec, struct err *err)
{
    return s->sandbox == RUN_PART_STARTING ? 0 : state_misplaced(rec, err);
}

int apply_sandbox_attach(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->sandbox != RUN_PART_DETACHED)
        return state_misplaced(rec, err);
    s->sandbox = RUN_PART_STARTING;
    s->is_attaching = true;
    return 0;
}

int apply_sandbox_ready(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_sandbox_ready *e = &rec->sandbox_ready;
    int r;

    if (s->sandbox != RUN_PART_STARTING)
        return state_misplaced(rec, err);
    r = state_set_text(&s->container_id, e->container_id, err);
    if (r == 0 && e->container_name)
        r = state_set_text(&s->container_name, e->container_name, err);
    if (r == 0)
        r = state_set_text(&s->guest_boot, e->guest_boot, err);
    if (r < 0)
        return r;
    s->sandbox = RUN_PART_READY;
    s->is_attaching = false;
    return 0;
}

/* A sandbox that cannot be attached to again is lost: the run goes back and makes a new one. One of which the
 * engine did not say (sandbox.failed while attaching) may be there the next time. */
static void lose_attached(struct run_state *s)
{
    s->is_attaching = false;
    s->must_roll_back = true;
    s->sandbox = s->workspace = RUN_PART_NONE;
}

int apply_sandbox_gone(struct run_state *s, const struct record *rec, struct err *err)
{
    bool is_lost = rec->type == RECORD_SANDBOX_LOST;
    bool fits = is_lost ? s->sandbox == RUN_PART_READY || (s->sandbox == RUN_PART_STARTING && s->is_attaching)
                        : s->sandbox == RUN_PART_STARTING;

    if (!fits)
        return state_misplaced(rec, err);
    state_egress_cut(s);
    if (is_lost && s->is_attaching)
        lose_attached(s);
    else
        s->sandbox = is_lost ? RUN_PART_LOST : RUN_PART_FAILED;
    return state_set_failure(&s->sandbox_failure, rec->failure.code, rec->failure.message, rec->failure.hint,
                             err);
}

int apply_sandbox_removed(struct run_state *s, const struct record *rec, struct err *err)
{
    s->is_removed = !rec->failure.code;
    return 0;
}

int apply_workspace(struct run_state *s, const struct record *rec, struct err *err)
{
    bool begins = rec->type == RECORD_WORKSPACE_BEGIN;

    if (s->workspace != (begins ? RUN_PART_NONE : RUN_PART_STARTING))
        return state_misplaced(rec, err);
    s->workspace = begins ? RUN_PART_STARTING : RUN_PART_READY;
    return 0;
}

int apply_workspace_failed(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->workspace != RUN_PART_STARTING)
        return state_misplaced(rec, err);
    s->workspace = RUN_PART_FAILED;
    return state_set_failure(&s->workspace_failure, rec->failure.code, rec->failure.message,
                             rec->failure.hint, err);
}

int apply_outputs_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->outputs == RUN_PART_STARTING)
        return state_misplaced(rec, err);
    s->outputs = RUN_PART_STARTING;
    s->outputs_done = s->outputs_failed = 0;
    return 0;
}

int apply_output(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->outputs != RUN_PART_STARTING)
        return state_misplaced(rec, err);
    if (rec->type == RECORD_OUTPUT_DONE)
        s->outputs_done++;
    else
        s->outputs_failed++;
    return 0;
}

int apply_outputs_end(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_outputs *o = &rec->outputs;

    if (s->outputs != RUN_PART_STARTING)
        return state_misplaced(rec, err);
    s->outputs = o->code ? RUN_PART_FAILED : RUN_PART_READY;
    return state_set_failure(&s->output_failure, o->code, o->message, o->hint, err);
}

/* ---- checkpoints ---- */

int apply_checkpoint_begin(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->keeping == RUN_PART_STARTING)
        return state_misplaced(rec, err);
    s->keeping = RUN_PART_STARTING;
    return 0;
}

/* A fork brings some with it. */
static bool is_brought(const struct run_state *s)
{
    return s->keeping == RUN_PART_NONE && s->turn == 0 && s->attempt == 0;
}

static void cover(struct run_state *s, int64_t begins)
{
    s->covered_begins = begins;
    if (begins == s->begins)
        s->egress.has_left = false;
    for (size_t i = 0; i < s->held.call_count; i++)
        if (run_state_is_undone(s, &s->held.calls[i]))
            return;
    state_drop_held(s);
}

int apply_checkpoint_done(struct run_state *s, const struct record *rec, struct err *err)
{
    const struct record_checkpoint *c = &rec->checkpoint;
    bool fits = c->is_same ? c->number == s->checkpoint : c->number > s->checkpoint;

    if ((s->keeping != RUN_PART_STARTING && !is_brought(s)) || !fits || c->calls < s->covered_begins ||
        c->calls > s->begins)
        return state_misplaced(rec, err);
    s->keeping = RUN_PART_NONE;
    s->has_checkpoint = true;
    s->checkpoint = c->number;
    if (c->is_same)
        s->same++;
    else
        s->taken++;
    cover(s, c->calls);
    return 0;
}

/* A workspace that is more than a checkpoint can hold ends no run: the model may make it smaller, and
 * whatever it does next is tried anew. Until then a lost sandbox means to go back further. */
int apply_checkpoint_failed(struct run_state *s, const struct record *rec, struct err *err)
{
    if (s->keeping != RUN_PART_STARTING)
        return state_misplaced(rec, err);
    if (rec->failure.code && strcmp(rec->failure.code, err_code_name(ERR_TOO_LARGE)) == 0) {
        s->keeping = RUN_PART_NONE;
        s->passed_over = 1 + s->begins;
        return 0;
    }
    s->keeping = RUN_PART_FAILED;
    return state_set_failure(&s->checkpoint_failure, rec->failure.code, rec->failure.message,
                             rec->failure.hint, err);
}
