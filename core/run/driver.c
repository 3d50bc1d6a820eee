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

#define TOLD_MAX (256 * 1024 * 1024)
#define TEXT_MAX (64 * 1024 * 1024)

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

static void cancel_all(struct run *run)
{
    drive_model_cancel(run);
    drive_calls_cancel(run);
    drive_sandbox_cancel(run);
    run->effect_count = 0; /* intents of this moment that will not be carried out */
}

static int64_t cost_of(const struct run_state *s)
{
    return s->is_cost_unknown ? -1 : s->cost_micros;
}

static int exit_status_of(const struct run *run, const struct run_action *a)
{
    return a->end == RUN_INTERRUPTED ? 128 + (int) run->state.interrupt : err_exit_status(a->code);
}

static void act_finish(struct run *run, const struct run_action *a)
{
    const struct run_state *s = &run->state;
    struct record rec = { .type = RECORD_RUN_END };
    struct record_run_end *e = &rec.run_end;

    if (a->code)
        run_finish_err(s, a, &run->end_err);
    e->state = run_end_name(a->end);
    e->reason = a->reason;
    e->code = a->code ? err_code_name(a->code) : NULL;
    e->message = a->code ? run->end_err.text : NULL;
    e->hint = run->end_err.hint[0] ? run->end_err.hint : NULL;
    e->exit_status = exit_status_of(run, a);
    e->turns = s->turn;
    e->calls = s->calls_begun;
    e->tokens = s->usage.total;
    e->cost_micros = cost_of(s);
    e->is_kept = drive_sandbox_keeps(run, a->end);
    cancel_all(run);
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
        .turns = s->turn,
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

    if (run->broken.code) { /* run.end is not on disk: the state does not know */
        sum.end = RUN_FAILED;
        sum.reason = "journal";
        sum.exit_status = err_exit_status(run->broken.code);
        sum.is_kept = false;
    }
    (void) run_state_text(s, &text, NULL); /* an answer that cannot be shown is none; the result stands */
    sum.text = buf_span(&text);
    run->has_ended = true;
    drive_sandbox_remove(run);
    if (run->events->on_end)
        run->events->on_end(run->data, &sum);
    buf_done(&text);
}

/* The journal cannot be written: nothing may be begun any more, and run.end cannot be recorded. */
static void end_broken(struct run *run)
{
    cancel_all(run);
    run->is_over = true;
    run->end_err = run->broken;
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

static void act(struct run *run, const struct run_action *a)
{
    switch (a->kind) {
    case RUN_WAIT:
        break;
    case RUN_START_SANDBOX:
        act_start_sandbox(run);
        break;
    case RUN_FILL_WORKSPACE:
        act_fill_workspace(run);
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
    int64_t wall_ms = run->spec->limits.wall_ms, at = wake_ms;
    struct err err = { 0 };

    if (wall_ms > decided_ms && !run->is_over && (at < 0 || wall_ms < at))
        at = wall_ms;
    if (run->lost_at_ms && (at < 0 || run->lost_at_ms < at))
        at = run->lost_at_ms;
    if (at >= 0 && (at -= run_elapsed(run)) < 0)
        at = 0;
    if (loop_timer_set(run->wake, at, &err) < 0)
        run_break(run, &err);
}

static void step(struct run *run)
{
    struct run_action a = { .wake_ms = -1 };
    int64_t now_ms = 0;

    if (run->lost_at_ms && run_elapsed(run) >= run->lost_at_ms)
        drive_sandbox_give_up(run);
    while (!run->is_over && !run->broken.code) {
        now_ms = run_elapsed(run);
        a = run_decide(&run->state, run->spec, now_ms);
        if (a.kind == RUN_WAIT)
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
    case EFFECT_PROCEED:
        effect_proceed(run);
        break;
    case EFFECT_FILL:
        effect_fill(run);
        break;
    case EFFECT_SEND:
        effect_send(run);
        break;
    case EFFECT_CALL:
        effect_call(run, e->number);
        break;
    case EFFECT_COLLECT:
        effect_collect(run);
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

static bool has_work(const struct run *run)
{
    if (run->effect_count)
        return true;
    return run->broken.code ? !run->has_ended : run->told.len || journal_is_dirty(run->journal);
}

static void flush(struct run *run)
{
    struct err err = { 0 };

    if (!run->broken.code && journal_sync(run->journal, &err) < 0)
        run_break(run, &err);
    if (run->broken.code) {
        buf_clear(&run->told); /* what is not durable is not told */
        if (!run->has_ended)
            end_broken(run);
    }
    carry_out_all(run);
    tell(run);
}

static void on_before_wait(void *data)
{
    struct run *run = data;

    do {
        model_exchange_free(TAKE_PTR(run->old_exchange));
        step(run);
        flush(run);
    } while (has_work(run));
}

static void on_wake(void *data)
{
    (void) data; /* waking is enough: the decision is made before the loop waits */
}

/* ---- life ---- */

static int check_spec(const struct run_spec *spec, struct err *err)
{
    const struct model_price *price = &spec->model.price;
    int r;

    if (spec->limits.cost_micros && (price->input < 0 || price->output < 0)) {
        (void) err_set(err, ERR_MANIFEST, "limits.cost needs to know what the model costs");
        return err_hint(err, "give model.price: {input: ..., output: ...} in USD per million tokens");
    }
    r = workspace_check(spec->entries, spec->entry_count, err);
    return r < 0 ? r : outputs_check(spec->outputs, spec->output_count, err);
}

int run_new(struct loop *loop, struct http *http, const struct run_spec *spec, struct run_folder *folder,
            struct sandbox *sb, struct run **ret, struct err *err)
{
    static const struct run_events no_events;
    struct run *run;
    int r = check_spec(spec, err);

    if (r < 0)
        return r;
    run = calloc(1, sizeof(*run));
    if (!run)
        return err_set(err, ERR_INTERNAL, "no memory for a run");
    run->loop = loop;
    run->spec = spec;
    run->folder = folder;
    run->sb = sb;
    run->events = &no_events;
    run->is_over = true; /* until it starts */
    buf_init(&run->told, TOLD_MAX);
    run_state_init(&run->state);
    drive_calls_init(run);
    r = drive_model_init(run, http, err);
    if (r < 0)
        run_free(run);
    else
        *ret = run;
    return r;
}

static int record_begin(struct run *run, const char *program)
{
    struct record rec = { .type = RECORD_RUN_BEGIN };
    char host[256] = "", boot[64], manifest[DIGEST_HEX];

    (void) gethostname(host, sizeof(host) - 1); /* for people; may stay empty */
    boot_id(boot, sizeof(boot));
    digest_of(span_of(run->spec->resolved), manifest);
    rec.run_begin = (struct record_run_begin){
        .format = RECORD_FORMAT,
        .id = run->folder->id,
        .name = run->spec->name,
        .program = program,
        .manifest = manifest,
        .host = host,
        .boot = boot,
        .pid = getpid(),
        .model = run->spec->model.name,
        .base_url = run->spec->model.base_url,
    };
    return run_record(run, &rec);
}

static int record_task(struct run *run)
{
    struct record rec = { .type = RECORD_INPUT_ITEM };
    int r;

    rec.input_item.item.json = buf_span(&run->task);
    r = run_record(run, &rec);
    buf_done(&run->task);
    return r;
}

int run_start(struct run *run, const char *program, const struct run_events *events, void *data,
              struct err *err)
{
    int r = run_folder_save(run->folder, RUN_MANIFEST, span_of(run->spec->resolved), err);

    if (r == 0)
        r = journal_create(run->folder, &run->journal, err);
    if (r == 0)
        r = loop_timer(run->loop, 0, on_wake, run, &run->wake, err);
    if (r == 0)
        r = loop_before_wait(run->loop, on_before_wait, run, &run->before_wait, err);
    if (r < 0)
        return r;
    run->events = events;
    run->data = data;
    run->mono_base_ms = clock_mono_ms();
    /* on disk before anything starts: a place that takes nothing shows here */
    if (record_begin(run, program) < 0 || record_task(run) < 0 ||
        journal_sync(run->journal, &run->broken) < 0) {
        if (err)
            *err = run->broken;
        return -(int) run->broken.code;
    }
    run->is_over = false;
    return 0;
}

void run_interrupt(struct run *run, int signum)
{
    struct record rec = { .type = RECORD_INTERRUPT };

    if (run->is_over || run->state.interrupt)
        return;
    rec.interrupt.signum = signum;
    rec.interrupt.signal = signum == SIGINT ? "SIGINT" : signum == SIGTERM ? "SIGTERM" : "SIGHUP";
    (void) run_record(run, &rec); /* a broken run ends by itself */
}

void run_free(struct run *run)
{
    if (!run)
        return;
    cancel_all(run);
    loop_source_free(run->before_wait);
    loop_source_free(run->wake);
    loop_source_free(run->soon);
    model_client_free(run->model);
    journal_free(run->journal);
    run_state_done(&run->state);
    buf_done(&run->told);
    buf_done(&run->task);
    buf_done(&run->body);
    buf_done(&run->tools);
    free(run->effects);
    free(run->reports);
    free(run);
}

const struct run_state *run_state_of(const struct run *run)
{
    return &run->state;
}
