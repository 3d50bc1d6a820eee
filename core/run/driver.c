/* SPDX-License-Identifier: MIT */
/* The driver: decide, record, make durable, act, tell. */
#include "core/run/driver.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/run/driver_impl.h"
#include "core/run/snapshot.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX     (64 * 1024 * 1024)
#define SYNC_WAIT_MS 20 /* a person or a pipe that watches notices nothing */

/* ---- record ---- */

int64_t run_elapsed(const struct run *run)
{
    return clock_mono_ms() - run->mono_base_ms;
}

void run_break(struct run *run, const struct err *err)
{
    if (!run->broken.code)
        run->broken = *err;
}

int run_record(struct run *run, struct record *rec)
{
    struct err err = { 0 };
    struct span line;
    int r;

    if (run->broken.code)
        return -(int) run->broken.code;
    rec->ms = run_elapsed(run);
    r = journal_append(run->journal, rec, &line, &err);
    if (r == 0)
        r = run_apply(&run->state, rec, &err);
    if (r == 0 && (buf_add_span(&run->told, line) < 0 || buf_add_char(&run->told, '\n') < 0))
        r = err_set(&err, ERR_INTERNAL, "no memory for the records of one moment");
    if (r < 0)
        run_break(run, &err);
    else if (!run->sync_at_ms)
        run->sync_at_ms = rec->ms + SYNC_WAIT_MS;
    return r;
}

void run_queue(struct run *run, enum effect_kind kind, int64_t number)
{
    struct err err = { 0 };

    if (run->effect_count == run->effect_cap) {
        size_t cap = run->effect_cap ? run->effect_cap * 2 : 16;
        struct effect *more = realloc(run->effects, cap * sizeof(*more));

        if (!more) {
            (void) err_set(&err, ERR_INTERNAL, "no memory for the effects of one moment");
            run_break(run, &err);
            return;
        }
        run->effects = more;
        run->effect_cap = cap;
    }
    run->effects[run->effect_count++] = (struct effect){ kind, number };
}

/* ---- the end ---- */

void drive_cancel(struct run *run)
{
    drive_egress_cut(&run->box);
    drive_model_cancel(run);
    drive_calls_cancel(run);
    drive_mcp_cancel(run);
    drive_trust_cancel(&run->box);
    drive_sides_cancel(run);
    drive_egress_cancel(run);
    drive_workspace_cancel(run);
    drive_context_cancel(run);
    run->effect_count = 0; /* intents of this moment that will not be carried out */
}

static int64_t cost_of(const struct run_state *s)
{
    return s->is_cost_unknown ? -1 : s->cost_micros;
}

static int exit_status_of(const struct run *run, const struct run_action *a)
{
    return a->end == RUN_INTERRUPTED && a->code != ERR_APPROVAL ? 128 + (int) run->state.interrupt
                                                                : err_exit_status(a->code);
}

static void put_numbers(const struct run *run, struct record_run_end *e)
{
    const struct run_state *s = &run->state;

    e->message = run->end_err.code ? run->end_err.text : NULL;
    e->hint = run->end_err.hint[0] ? run->end_err.hint : NULL;
    e->turns = s->turns_spent;
    e->calls = s->calls_begun;
    e->tokens = s->usage.total;
    e->cost_micros = cost_of(s);
}

static void act_finish(struct run *run, const struct run_action *a)
{
    struct record rec = { .type = RECORD_RUN_END };
    struct record_run_end *e = &rec.run_end;

    if (run->exchange)
        act_close_request(run); /* it costs what it has cost */
    if (a->code)
        run_finish_err(&run->state, a, &run->end_err);
    e->state = run_end_name(a->end);
    e->reason = a->reason;
    e->code = a->code ? err_code_name(a->code) : NULL;
    put_numbers(run, e);
    e->exit_status = exit_status_of(run, a);
    e->is_kept = drive_sandbox_keeps(run, a->end);
    drive_cancel(run);
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_END, 0);
    run->is_over = true;
}

static void effect_end(struct run *run)
{
    const struct run_state *s = &run->state;
    struct buf text = BUF_INIT(TEXT_MAX);
    struct run_summary sum = {
        .id = run->folder->id,
        .path = run->folder->path,
        .end = s->end,
        .reason = s->reason,
        .exit_status = (int) s->exit_status,
        .err = run->end_err.code ? &run->end_err : NULL,
        .turns = s->turns_spent,
        .calls = s->calls_begun,
        .usage = s->usage,
        .cost_micros = cost_of(s),
        .elapsed_ms = s->ms,
        .outputs = run->reports,
        .output_count = run->report_count,
        .is_kept = s->is_kept,
        .container_name = s->container_name,
        .kept_ms = run->spec->sandbox.orphan_ms,
    };

    if (!run->broken.code && run->pruning.pruned_count)
        effect_prune(run);
    if (run->broken.code) { /* run.end is not on disk: the state does not know */
        sum.end = RUN_FAILED;
        sum.reason = "journal";
        sum.exit_status = err_exit_status(run->broken.code);
        sum.is_kept = false;
    }
    if (s->end == RUN_DONE || (!run->spec->model.schema && !s->check_wrong)) /* else it is not the result */
        (void) run_state_text(s, &text, NULL); /* an answer that cannot be shown is none; the result stands */
    sum.text = buf_span(&text);
    run->has_ended = true;
    drive_sandbox_remove(run);
    if (run->events->on_end)
        run->events->on_end(run->data, &sum);
    buf_done(&text);
}

/* Something failed that is no part's failure (no memory, no room for an object). The journal may still take
 * it. */
static int record_fault(struct run *run)
{
    struct record rec = { .type = RECORD_RUN_END };
    int r;

    rec.run_end.state = run_end_name(RUN_FAILED);
    rec.run_end.reason = "fault";
    rec.run_end.code = err_code_name(run->end_err.code);
    rec.run_end.exit_status = err_exit_status(run->end_err.code);
    put_numbers(run, &rec.run_end);
    run->broken.code = ERR_NONE;
    r = run_record(run, &rec);
    return r < 0 ? r : journal_sync(run->journal, &run->broken);
}

/* Nothing may be begun any more; where the journal itself is what broke, run.end cannot be recorded. */
static void end_broken(struct run *run)
{
    drive_cancel(run);
    run->is_over = true;
    run->end_err = run->broken;
    if (!journal_is_broken(run->journal) && record_fault(run) < 0)
        run->broken = run->end_err;
    effect_end(run);
}

static void tell_removed(void *data)
{
    struct run *run = data;

    loop_source_free(TAKE_PTR(run->soon));
    if (run->events->on_removed)
        run->events->on_removed(run->data, run->remove_result,
                                run->remove_result < 0 ? &run->remove_err : NULL);
}

/* Whoever waits for it stops the loop then, which must not be about to wait. */
static void effect_removed(struct run *run)
{
    struct err err = { 0 };

    if (loop_defer(run->loop, tell_removed, run, &run->soon, &err) < 0)
        run_break(run, &err);
}

/* ---- decide ---- */

static void act_hit_limit(struct run *run, const struct run_action *a)
{
    struct record rec = { .type = RECORD_LIMIT_HIT };

    rec.limit_hit.limit = a->limit;
    rec.limit_hit.value = a->value;
    rec.limit_hit.max = a->max;
    (void) run_record(run, &rec);
}

static void act_roll_back(struct run *run, const struct run_action *a)
{
    const struct run_state *s = &run->state;
    struct record rec = { .type = RECORD_ROLLBACK };

    rec.rollback.checkpoint = s->checkpoint;
    rec.rollback.turn = a->turn;
    rec.rollback.calls = s->begins - s->covered_begins;
    rec.rollback.turns_undone = s->turn - a->turn;
    (void) run_record(run, &rec);
}

static void act(struct run *run, const struct run_action *a)
{
    switch (a->kind) {
    case RUN_WAIT:
        break;
    case RUN_CLOSE_REQUEST:
        act_close_request(run);
        break;
    case RUN_ROLL_BACK:
        act_roll_back(run, a);
        break;
    case RUN_START_SERVER:
        act_start_server(run, a);
        break;
    case RUN_START_SANDBOX:
        act_start_sandbox(run);
        break;
    case RUN_ATTACH_SANDBOX:
        act_attach_sandbox(run);
        break;
    case RUN_TAKE_CHECKPOINT:
        act_take_checkpoint(run);
        break;
    case RUN_FILL_WORKSPACE:
        act_fill_workspace(run);
        break;
    case RUN_LOOK_AROUND:
        act_look_around(run);
        break;
    case RUN_COMPACT:
        act_compact(run, a);
        break;
    case RUN_SEND_REQUEST:
        act_send_request(run, a);
        break;
    case RUN_START_CALL:
        act_start_call(run, a);
        break;
    case RUN_REFUSE_CALL:
        act_refuse_call(run, a);
        break;
    case RUN_CHECK_ANSWER:
        act_check_answer(run, a);
        break;
    case RUN_START_CHECK:
        act_start_check(run, a);
        break;
    case RUN_ASK_APPROVAL:
        act_ask_approval(run, a);
        break;
    case RUN_HIT_LIMIT:
        act_hit_limit(run, a);
        break;
    case RUN_COLLECT_OUTPUTS:
        act_collect_outputs(run);
        break;
    case RUN_FINISH:
        act_finish(run, a);
        break;
    }
}

/* Time that passes is an event too: when the wall limit, a retry or a silent sandbox is due. What was due at
 * `decided_ms` already has been decided on, and is not waited for again. */
static void arm_wake(struct run *run, int64_t wake_ms, int64_t decided_ms)
{
    const struct run_state *s = &run->state;
    int64_t wall_ms = run->spec->limits.wall_ms, at = wake_ms, by = drive_workspace_by(run);
    struct err err = { 0 };

    drive_agent_asks(run); /* it may have begun to ask itself */
    if (s->is_asking || run->is_below_asking)
        wall_ms = 0; /* an answer comes first */
    else if (wall_ms && (__builtin_add_overflow(wall_ms, s->asked_ms, &wall_ms) ||
                         __builtin_add_overflow(wall_ms, run->below_ms, &wall_ms)))
        wall_ms = INT64_MAX;
    if (wall_ms > decided_ms && !run->is_over && (at < 0 || wall_ms < at))
        at = wall_ms;
    if (run->lost_at_ms && (at < 0 || run->lost_at_ms < at))
        at = run->lost_at_ms;
    if (by && (at < 0 || by < at))
        at = by;
    if (run->sync_at_ms && (at < 0 || run->sync_at_ms < at))
        at = run->sync_at_ms;
    if (at >= 0 && (at -= run_elapsed(run)) < 0)
        at = 0;
    if (loop_timer_set(run->wake, at, &err) < 0)
        run_break(run, &err);
}

static void step(struct run *run)
{
    struct run_action a = { .wake_ms = -1 };
    int64_t now_ms = 0;

    drive_agent_budget(run);
    drive_agent_asks(run);
    if (run->lost_at_ms && run_elapsed(run) >= run->lost_at_ms)
        drive_sandbox_give_up(run);
    if (drive_workspace_by(run) && run_elapsed(run) >= drive_workspace_by(run))
        drive_workspace_give_up(run);
    drive_egress_sum(run);
    while (!run->is_over && !run->broken.code) {
        now_ms = run_elapsed(run);
        a = run_decide_at(&run->state, run->spec, now_ms, run->below_ms);
        if (a.kind == RUN_WAIT || (a.kind == RUN_FINISH && drive_agents_stop(run)))
            break;
        act(run, &a);
    }
    arm_wake(run, run->is_over ? -1 : a.wake_ms, now_ms);
}

/* ---- act ---- */

static void carry_out(struct run *run, const struct effect *e)
{
    switch (e->kind) {
    case EFFECT_START_SANDBOX:
        effect_start_sandbox(run);
        break;
    case EFFECT_ATTACH:
        effect_attach(run);
        break;
    case EFFECT_CHECKPOINT:
        effect_checkpoint(run);
        break;
    case EFFECT_PRUNE:
        effect_prune(run);
        break;
    case EFFECT_PROCEED:
        effect_proceed(run);
        break;
    case EFFECT_SIDE_START:
        effect_side_start(run, e->number);
        break;
    case EFFECT_SIDE_PROCEED:
        effect_side_proceed(run, e->number);
        break;
    case EFFECT_SERVER:
        effect_server(run, e->number);
        break;
    case EFFECT_FILL:
        effect_fill(run);
        break;
    case EFFECT_SEND:
        effect_send(run);
        break;
    case EFFECT_COMPACT:
        effect_compact(run);
        break;
    case EFFECT_CALL:
        effect_call(run, e->number);
        break;
    case EFFECT_DECLARED:
        effect_declared(run, e->number);
        break;
    case EFFECT_ASK:
        effect_ask(run, e->number);
        break;
    case EFFECT_COLLECT:
        effect_collect(run);
        break;
    case EFFECT_LOOK:
        effect_look(run);
        break;
    case EFFECT_END:
        effect_end(run);
        break;
    case EFFECT_REMOVED:
        effect_removed(run);
        break;
    }
}

/* Effects may queue others: those wait for the next sync. */
static void carry_out_all(struct run *run)
{
    struct effect *list = run->effects;
    size_t count = run->effect_count;

    run->effects = NULL;
    run->effect_count = run->effect_cap = 0;
    for (size_t i = 0; i < count; i++)
        carry_out(run, &list[i]);
    free(list);
}

/* ---- tell ---- */

static void tell_line(struct run *run, struct span line)
{
    struct arena arena = ARENA_INIT(256 * 1024 * 1024);
    struct record rec;
    struct run_event ev = { .line = line, .record = &rec, .state = &run->state };
    struct err err = { 0 };

    if (journal_peek(line, &arena, &rec, &err) < 0)
        run_break(run, &err); /* what we wrote we can read */
    else
        run->events->on_record(run->data, &ev);
    arena_done(&arena);
}

static void tell(struct run *run)
{
    size_t len = run->told.len;
    char *lines = buf_take(&run->told), *at = lines, *end;

    while (lines && at < lines + len && (end = memchr(at, '\n', (size_t) (lines + len - at))) != NULL) {
        if (run->events->on_record)
            tell_line(run, span_make(at, (size_t) (end - at)));
        at = end + 1;
    }
    free(lines);
}

/* ---- the loop's turn ---- */

/* Intents must be durable before their effects. What came back may wait for the next of them, for a moment:
 * it is written, so that it outlives us. Nothing is told of before it is durable. */
static bool is_due(const struct run *run)
{
    return run->effect_count || run->wants_sync || (run->sync_at_ms && run_elapsed(run) >= run->sync_at_ms);
}

static bool has_work(const struct run *run)
{
    return run->broken.code ? !run->has_ended || run->effect_count : is_due(run);
}

static void make_durable(struct run *run)
{
    struct err err = { 0 };

    if (run->broken.code)
        return;
    run->sync_at_ms = 0;
    run->wants_sync = false;
    if (journal_sync(run->journal, &err) < 0)
        run_break(run, &err);
}

static void flush(struct run *run)
{
    struct err err = { 0 };

    if (!run->broken.code && !is_due(run)) {
        if (journal_write(run->journal, &err) < 0)
            run_break(run, &err);
        else
            return;
    }
    make_durable(run);
    if (run->broken.code && !run->has_ended)
        end_broken(run);
    if (run->broken.code)
        buf_clear(&run->told); /* what is not durable is not told */
    if (run->wants_release && !run->broken.code)
        drive_calls_release(run);
    carry_out_all(run);
    tell(run);
}

void drive_before_wait(void *data)
{
    struct run *run = data;

    do {
        model_exchange_free(TAKE_PTR(run->old_exchange));
        step(run);
        flush(run);
    } while (has_work(run));
}

void drive_wake(void *data)
{
    (void) data; /* waking is enough: the decision is made before the loop waits */
}
