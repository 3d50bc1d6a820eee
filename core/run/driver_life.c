/* SPDX-License-Identifier: MIT */
/* The driver's life: made, started or resumed, interrupted, freed. */
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/run/driver_impl.h"
#include "core/run/origin.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define TOLD_MAX  (256 * 1024 * 1024)
#define PRUNE_MAX (1024 * 1024)

/* What goes in is needed only as long as no checkpoint has it. */
static int check_spec(const struct run_spec *spec, const struct run_past *past, struct err *err)
{
    const struct model_price *price = &spec->model.price;
    int r;

    if (spec->limits.cost_micros && (price->input < 0 || price->output < 0)) {
        (void) err_set(err, ERR_MANIFEST, "limits.cost needs to know what the model costs");
        return err_hint(err, "give model.price: {input: ..., output: ...} in USD per million tokens");
    }
    r = past && past->state.has_checkpoint ? 0 : workspace_check(spec->entries, spec->entry_count, err);
    return r < 0 ? r : outputs_check(spec->outputs, spec->output_count, err);
}

/* A run that goes on has its state before it begins: what it was about to do decides which sandbox it needs.
 */
static int take_past(struct run *run, struct run_past *past, struct err *err)
{
    if (!past)
        return checkpoint_store_new(run->folder, &run->store, err);
    run->past = past;
    run->state = past->state;
    run->store = past->store;
    run_state_init(&past->state);
    past->store = NULL;
    return 0;
}

/* A new run; or one that was killed between its first two records. */
static bool lacks_task(const struct run_state *s)
{
    return s->item_count == 0 && s->turn == 0;
}

/* It has its task; killed before anything else was begun. */
static bool lacks_notes(const struct run_state *s)
{
    return s->item_count == 1 && s->turn == 0 && s->attempt == 0 && !s->parent;
}

static int make_sandbox(struct run *run, struct err *err)
{
    const struct run_state *s = &run->state;

    return drive_sandbox_make(run, run_state_can_attach(s) ? s->attempt : s->attempt + 1, err);
}

void drive_part_of(const char *id, char ret[DRIVE_PART_SIZE])
{
    snprintf(ret, DRIVE_PART_SIZE, "%s%s", id[RUN_ROOT_ID] ? "agent" : "", id + RUN_ROOT_ID);
    for (; *ret; ret++)
        if (*ret == '/')
            *ret = '-';
}

static struct run *new_run(struct loop *loop, struct http *http, const struct run_spec *spec,
                           struct run_folder *folder, const struct sandbox_maker *maker)
{
    static const struct run_events no_events;
    struct run *run = calloc(1, sizeof(*run));

    if (!run)
        return NULL;
    run->loop = loop;
    run->http = http;
    run->spec = spec;
    snprintf(run->root_id, sizeof(run->root_id), "%.*s", RUN_ROOT_ID, folder->id);
    drive_part_of(folder->id, run->part);
    run->folder = folder;
    run->maker = maker;
    run->box = (struct box){ .run = run, .out = &run->out, .ops = &drive_sandbox_box };
    run->events = &no_events;
    run->is_over = true; /* until it starts */
    buf_init(&run->told, TOLD_MAX);
    arena_init(&run->prune_arena, PRUNE_MAX);
    run_state_init(&run->state);
    checkpoint_view_init(&run->kept);
    drive_calls_init(run);
    return run;
}

int run_new(struct loop *loop, struct http *http, const struct run_spec *spec, struct run_folder *folder,
            const struct sandbox_maker *maker, struct run_past *past, struct run **ret, struct err *err)
{
    struct run *run = NULL;
    int r = check_spec(spec, past, err);

    if (r == 0 && !(run = new_run(loop, http, spec, folder, maker)))
        r = err_set(err, ERR_INTERNAL, "no memory for a run");
    if (r < 0) {
        run_past_free(past);
        return r;
    }
    r = take_past(run, past, err);
    if (r == 0)
        r = make_sandbox(run, err);
    if (r == 0)
        r = drive_egress_init(run, err);
    if (r == 0)
        r = drive_memory_init(run, lacks_task(&run->state) || lacks_notes(&run->state), err);
    if (r == 0)
        r = drive_mcp_init(run, http, err);
    if (r == 0)
        r = drive_model_init(run, http, lacks_task(&run->state), err);
    if (r < 0)
        run_free(run);
    else
        *ret = run;
    return r;
}

static int record_begin(struct run *run, const char *program)
{
    struct record rec = { .type = RECORD_RUN_BEGIN };
    struct run_origin origin;

    run_origin_begin(&origin, run->spec, run->folder, program, &rec.run_begin);
    drive_agent_origin(run, &rec.run_begin);
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

static int watch(struct run *run, const struct run_events *events, void *data, struct err *err)
{
    int r = loop_timer(run->loop, 0, drive_wake, run, &run->wake, err);

    if (r == 0)
        r = loop_before_wait(run->loop, drive_before_wait, run, &run->before_wait, err);
    run->events = events;
    run->data = data;
    run->mono_base_ms = clock_mono_ms() - run->state.ms;
    run->below_ms = run->state.asked_below_ms;
    return r;
}

/* On disk before anything starts: a place that takes nothing shows here. */
static int begin(struct run *run, int r, struct err *err)
{
    if (r == 0)
        r = journal_sync(run->journal, &run->broken);
    if (r < 0) {
        if (err)
            *err = run->broken;
        return -(int) run->broken.code;
    }
    run->is_over = false;
    return 0;
}

int run_start(struct run *run, const char *program, const struct run_events *events, void *data,
              struct err *err)
{
    int r = run_folder_save(run->folder, RUN_MANIFEST, span_of(run->spec->resolved), err);

    run->program = program;
    if (r == 0)
        r = journal_create(run->folder, &run->journal, err);
    if (r == 0)
        r = watch(run, events, data, err);
    if (r < 0)
        return r;
    r = record_begin(run, program);
    if (r == 0)
        r = record_task(run);
    return begin(run, r < 0 ? r : drive_memory_record(run), err);
}

static int record_resume(struct run *run, const char *program, const char *const *sets)
{
    struct record rec = { .type = RECORD_RUN_RESUME };
    struct record_text list[RECORD_LIST_MAX];
    struct run_origin origin;
    size_t count = 0;

    for (; sets && sets[count] && count < RECORD_LIST_MAX; count++)
        list[count].text = sets[count];
    run_origin_resume(&origin, program, &rec.run_resume);
    rec.run_resume.sets = list;
    rec.run_resume.set_count = count;
    return run_record(run, &rec);
}

static int refuse_done(const struct run *run, struct err *err)
{
    (void) err_set(err, ERR_USAGE, "run '%s' has ended well: there is nothing to go on with",
                   run->folder->id);
    return err_hint(err, "`agentbox fork %s -- TASK` starts a new run from where it ended", run->folder->id);
}

int run_resume(struct run *run, const char *program, const char *const *sets, const struct run_events *events,
               void *data, struct err *err)
{
    int r;

    run->program = program;
    if (run->state.end == RUN_DONE)
        return refuse_done(run, err);
    r = run_folder_complete(run->folder, err);
    if (r == 0)
        r = checkpoint_clean(run->store, err);
    if (r == 0)
        r = journal_continue(run->folder, &run->past->chain, run->past->end_offset, &run->journal, err);
    if (r == 0)
        r = watch(run, events, data, err);
    if (r < 0)
        return r;
    r = record_resume(run, program, sets);
    if (r == 0)
        drive_approve_resumed(run);
    if (r == 0 && lacks_task(&run->state))
        r = record_task(run);
    if (r == 0 && lacks_notes(&run->state))
        r = drive_memory_record(run);
    return begin(run, r, err);
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

struct sandbox *run_take_sandbox(struct run *run)
{
    struct sandbox *below = drive_agents_take(run);

    if (below)
        return below;
    drive_cancel(run); /* what uses it */
    run->is_over = true;
    return run->box.sb ? TAKE_PTR(run->box.sb) : drive_sides_take(run);
}

void run_free(struct run *run)
{
    if (!run)
        return;
    drive_cancel(run);
    drive_mcp_free(run);
    loop_source_free(run->before_wait);
    loop_source_free(run->wake);
    loop_source_free(run->soon);
    model_client_free(run->model);
    journal_free(run->journal);
    drive_sides_free(run);
    sandbox_free(run->box.sb);
    checkpoint_view_done(&run->kept);
    checkpoint_store_free(run->store);
    run_past_free(run->past);
    arena_done(&run->prune_arena);
    run_state_done(&run->state);
    buf_done(&run->told);
    buf_done(&run->task);
    buf_done(&run->notes);
    free(run->memory_dir);
    buf_done(&run->instructions);
    buf_done(&run->body);
    buf_done(&run->summary);
    buf_done(&run->tools);
    free(run->side_outs);
    free(run->approval_reason);
    free(run->results);
    free(run->effects);
    free(run->reports);
    free(run);
}

const struct run_state *run_state_of(const struct run *run)
{
    return &run->state;
}
