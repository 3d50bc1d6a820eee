/* SPDX-License-Identifier: MIT */
/*
 * Subagents: a call whose answer is the final message of a run of its own, with its own folder beneath this
 * run's and its own sandbox, on the same loop.
 *
 *     [inputs out of our workspace] -> its run -> [outputs into our workspace] -> answer
 *
 * Which of it is done its run folder says, so that a call that is started again takes up what there is: one
 * that has ended gives its result once more, any other goes on as a resumed run. What it uses counts for us:
 * before each of its decisions its limits are cut down to what is left here.
 *
 * It stops before this run ends, in order, and goes on with it. What goes wrong in it is an answer.
 */
#include "core/run/drive_agent.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/utf8.h"
#include "core/run/drive_agent_impl.h"
#include "core/run/driver_impl.h"
#include "core/run/snapshot.h"
#include "core/tool/function.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREE_MAX      (64 * 1024 * 1024)
#define TASK_MAX      (1024 * 1024)
#define TEXT_MAX      (64 * 1024 * 1024)
#define ANSWER_MAX    (32 * 1024 * 1024)
#define KEY_SIZE      32
#define EXEC_BASE_MAX (INT64_C(1) << 32)

/* The schema is that of manifest/agents.c. */
struct task_args {
    const char *task;
};

static const struct field fields[] = {
    { .name = "task",
      .kind = FIELD_STRING,
      .offset = offsetof(struct task_args, task),
      .flags = FIELD_REQUIRED,
      .min = 1,
      .max = TASK_MAX },
};

static const struct table table = { .name = "task",
                                    .fields = fields,
                                    .count = FIELD_COUNT_OF(fields),
                                    .size = sizeof(struct task_args),
                                    .is_tolerant = true };

/* ---- records ---- */

static int record_begin(struct live_agent *a, const char *key)
{
    struct record rec = { .type = RECORD_AGENT_BEGIN };
    char id[RUN_ID_SIZE];
    int r;

    snprintf(id, sizeof(id), "%.*s/%s", (int) (RUN_ID_SIZE - 1 - strlen(key) - 1), a->up->folder->id, key);
    rec.agent = (struct record_agent){
        .turn = a->up->state.turn, .call = a->number, .call_id = a->call_id, .name = a->agent->name, .id = id
    };
    r = run_record(a->up, &rec);
    a->begin = *journal_head(a->up->journal);
    return r;
}

/* How far it is, which is what its parent knows of it from now on. */
static void record_end(struct live_agent *a, const struct run_state *s, const struct run_spent *spent,
                       const char *line)
{
    struct record rec = { .type = RECORD_AGENT_END };

    drive_agent_asks(a->up);
    rec.agent = (struct record_agent){
        .turn = a->up->state.turn,
        .call = a->number,
        .call_id = a->call_id,
        .name = a->agent->name,
        .id = a->folder->id,
        .state = run_end_name(a->end),
        .reason = a->reason,
        .line = line,
        .usage = spent->usage,
        .cost_micros = spent->is_cost_unknown ? -1 : spent->cost_micros,
        .turns = s->turns_spent,
        .calls = spent->calls,
        .agents = spent->agents,
        .asked_ms = a->up->below_ms,
    };
    if (!a->up->is_over)
        (void) run_record(a->up, &rec);
}

void drive_agent_origin(const struct run *run, struct record_run_begin *begin)
{
    const struct live_agent *a = run->self;

    if (!a)
        return;
    begin->parent = a->up->folder->id;
    begin->parent_seq = (int64_t) a->begin.seq;
    begin->parent_line = a->begin.prev;
    begin->agent = a->agent->name;
    begin->call = a->number;
}

/* ---- the answer ---- */

static void agent_free(struct live_agent *a)
{
    struct live_agent **slot = &a->up->agents;

    while (*slot && *slot != a)
        slot = &(*slot)->next;
    if (*slot)
        *slot = a->next;
    loop_source_free(a->soon);
    agent_files_free(a->files);
    agent_stray_free(a->stray);
    run_free(a->run);
    run_folder_free(a->folder);
    buf_done(&a->text);
    free(a->reason);
    free(a->task);
    free(a->raw);
    free(a->call_id);
    free(a);
}

static void cancel(struct tool_run *tool)
{
    agent_free((struct live_agent *) tool);
}

/* The text as the output of the call's function. */
static void write_item(const struct live_agent *a, const char *text, struct buf *out)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    const struct tree *item;

    if (json_parse(span_of(a->raw), &arena, &item, NULL) < 0 || tool_refuse(item, text, out, NULL) < 0)
        buf_clear(out);
    arena_done(&arena);
}

/* The call is over; `a` is gone then. */
static void answer(struct live_agent *a, const struct buf *words, bool is_failed, const char *summary)
{
    struct span text = buf_span(words);
    struct buf item = BUF_INIT(ANSWER_MAX);
    struct tool_answer said = { .outcome = is_failed ? TOOL_FAILED : TOOL_OK,
                                .summary = summary,
                                .exit_code = -1 };
    tool_done_fn *fn = a->fn;
    void *data = a->data;

    write_item(a, buf_text(words), &item);
    said.item = buf_span(&item);
    said.essence = text;
    said.output_bytes = text.len;
    agent_free(a);
    fn(data, &said);
    buf_done(&item);
}

static void add_cut(struct buf *out, struct span text, size_t max)
{
    size_t len = utf8_cut(text, max);

    for (size_t i = 0; i < len; i++) /* a NUL would end it */
        (void) buf_add_char(out, text.ptr[i] ? text.ptr[i] : ' ');
    if (len < text.len)
        (void) buf_printf(out, "\n(Cut after %zu of %zu bytes: limits.output.)", len, text.len);
}

static void fail(struct live_agent *a, const char *why)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    char summary[160];

    snprintf(summary, sizeof(summary), "failed: %.140s", why);
    (void) buf_printf(&text, "'%s' did not finish the task: %.4000s", a->agent->name, why);
    if (a->text.len > 0) {
        (void) buf_add_text(&text, "\nThe last that it said:\n");
        add_cut(&text, buf_span(&a->text), (size_t) a->up->spec->limits.output_bytes);
    }
    answer(a, &text, true, summary);
    buf_done(&text);
}

static void succeed(struct live_agent *a)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    char summary[160];

    snprintf(summary, sizeof(summary), "done: %zu bytes", a->text.len);
    add_cut(&text, buf_span(&a->text), (size_t) a->up->spec->limits.output_bytes);
    if (!a->spec.model.schema) /* else it is JSON alone */
        agent_files_tell(a->files, &text);
    answer(a, &text, false, summary);
    buf_done(&text);
}

static void on_given(void *data, int result, const struct err *err)
{
    struct live_agent *a = data;

    if (result == -ERR_ENGINE && !a->up->is_over) { /* our sandbox is gone: it will say why */
        struct tool_answer lost = { .outcome = TOOL_LOST };
        tool_done_fn *fn = a->fn;
        void *fn_data = a->data;

        agent_free(a);
        fn(fn_data, &lost);
        return;
    }
    if (result < 0)
        fail(a, err->text);
    else
        succeed(a);
}

/* It has come to an end, now or earlier. */
static void deliver(struct live_agent *a)
{
    struct err err = { 0 };

    if (a->end != RUN_DONE)
        fail(a, a->err.text[0] ? a->err.text : run_end_name(a->end));
    else if (agent_files_give(a->files, on_given, a, &err) < 0)
        fail(a, err.text);
}

/* ---- its run ---- */

static void settle(void *data)
{
    struct live_agent *a = data;
    struct run_spent spent;

    loop_source_free(TAKE_PTR(a->soon));
    agent_spent(a->run, &spent);
    record_end(a, &a->run->state, &spent, a->run->journal ? journal_head(a->run->journal)->prev : NULL);
    drive_calls_release(a->run); /* a handoff's sandbox goes on */
    run_free(TAKE_PTR(a->run));
    if (a->is_fault &&
        !a->is_stopping) { /* of this machine, and so ours: we end too, and it goes on with us */
        run_break(a->up, &a->err);
        return;
    }
    if (a->end == RUN_INTERRUPTED && !a->is_stopping) { /* somebody who was asked wants to think: all stops */
        a->is_stopping = true;
        run_interrupt(a->up, SIGINT);
    }
    if (!a->is_stopping)
        deliver(a);
}

static void on_record(void *data, const struct run_event *ev)
{
    const struct live_agent *a = data;
    struct run *up = a->up;
    struct run_event told = *ev;

    drive_agent_asks(up);
    if (!told.agent) {
        told.agent = a->folder->id;
        told.agent_name = a->agent->name;
    }
    if (up->events->on_record)
        up->events->on_record(up->data, &told);
}

static void on_step(void *data, const char *step, const char *text)
{
    const struct run *up = ((struct live_agent *) data)->up;

    if (up->events->on_step)
        up->events->on_step(up->data, step, text);
}

static bool on_ask(void *data, const struct run_question *question)
{
    const struct live_agent *a = data;
    const struct run *up = a->up;
    struct run_question asked = *question;

    if (!asked.agent) {
        asked.agent = a->agent->name;
        asked.agent_id = a->folder->id;
    }
    return up->events->on_ask && up->events->on_ask(up->data, &asked);
}

/* A full disk and its like are no answer of the agent's. */
static bool is_fault(enum run_end_state end, int64_t exit_status)
{
    return end == RUN_FAILED && exit_status == err_exit_status(ERR_IO);
}

static void on_end(void *data, const struct run_summary *summary)
{
    struct live_agent *a = data;

    a->end = summary->end;
    a->is_fault = is_fault(summary->end, summary->exit_status);
    a->reason = strdup(summary->reason ? summary->reason : "");
    if (summary->err)
        a->err = *summary->err;
    (void) buf_add_span(&a->text, summary->text);
}

static void on_removed(void *data, int result, const struct err *err)
{
    struct live_agent *a = data;

    drive_removed(a->up, result, err);
    if (loop_defer(a->up->loop, settle, a, &a->soon, &a->err) < 0)
        run_break(a->up, &a->err);
}

static const struct run_events agent_events = {
    .on_ask = on_ask,
    .on_record = on_record,
    .on_step = on_step,
    .on_end = on_end,
    .on_removed = on_removed,
};

/* What this call makes of the agent's manifest. */
static int make_spec(struct live_agent *a, struct err *err)
{
    const struct run *up = a->up;

    a->spec = *a->agent->spec;
    a->spec.task = a->task;
    if (a->agent->is_handoff) {
        if (!a->spec.approve.count && a->spec.approve.otherwise == APPROVE_AUTO)
            a->spec.approve = up->spec->approve; /* its commands run where the parent's do */
        a->spec.sandbox = up->spec->sandbox;
        a->spec.sandbox.keep = SANDBOX_KEEP_NEVER;
        a->spec.checkpoints.every = RUN_CHECKPOINT_OFF; /* its workspace is kept by us, its calls with ours */
    }
    a->spec.approve.waits = false; /* nobody could answer for it later */
    return agent_files_spec(a->files, &a->spec, err);
}

static int make_run(struct live_agent *a, struct run_past *past, struct err *err)
{
    struct run *up = a->up;
    int r = make_spec(a, err);

    if (r == 0 && a->agent->is_handoff && up->exec_base + a->number >= EXEC_BASE_MAX)
        r = err_set(err, ERR_LIMIT, "there are too many calls, or handoffs within each other");
    if (r < 0) {
        run_past_free(past);
        return r;
    }
    agent_share_init(&a->share, up, &a->spec.sandbox);
    r = run_new(up->loop, up->http, &a->spec, a->folder, a->agent->is_handoff ? &a->share.maker : up->maker,
                past, &a->run, err);
    if (r == 0) {
        a->run->self = a;
        if (a->agent->is_handoff)
            a->run->exec_base = (up->exec_base + a->number) * DRIVE_EXEC_CALLS;
        drive_agent_budget(a->run);
    }
    return r;
}

static void launch(struct live_agent *a)
{
    struct err err = { 0 };
    int r = make_run(a, NULL, &err);

    if (r == 0)
        r = run_start(a->run, a->up->program, &agent_events, a, &err);
    if (r < 0) {
        run_free(TAKE_PTR(a->run));
        fail(a, err.text);
    }
}

static void on_taken(void *data, int result, const struct err *err)
{
    struct live_agent *a = data;

    if (result == -ERR_ENGINE)
        on_given(a, result, err);
    else if (result < 0)
        fail(a, err->text);
    else
        launch(a);
}

/* A new one: agent.begin is durable. */
static void begin(void *data)
{
    struct live_agent *a = data;
    struct err err = { 0 };
    char key[KEY_SIZE];
    int r;

    drive_agent_key(a->up, a->number, key);
    r = run_folder_create_child(a->up->folder, key, &a->folder, &err);
    if (r == 0)
        r = agent_files_new(a->up, a->agent, a->number, a->folder, &a->files, &err);
    if (r == 0)
        r = agent_files_take(a->files, on_taken, a, &err);
    if (r < 0)
        fail(a, err.text);
}

static void on_stray_gone(void *data)
{
    struct live_agent *a = data;

    agent_stray_free(TAKE_PTR(a->stray));
    deliver(a);
}

/* One that there is already: where is it? */
static int take_up(struct live_agent *a, struct run_past *past, struct err *err)
{
    const struct run_state *s = run_past_state(past);
    int r = agent_files_new(a->up, a->agent, a->number, a->folder, &a->files, err);

    a->end = s->end;
    if (r == 0 && !a->up->spec->agents_from &&
        (s->end == RUN_ACTIVE || s->end == RUN_INTERRUPTED || is_fault(s->end, s->exit_status))) {
        r = make_run(a, past, err);
        return r < 0 ? r : run_resume(a->run, a->up->program, NULL, &agent_events, a, err);
    }
    if (r == 0 && !a->up->spec->agents_from) { /* perhaps once more: it counts once */
        struct run_spent spent = { s->usage, s->cost_micros, agent_sum(s->calls_begun, s->calls_below),
                                   s->agents, s->is_cost_unknown };

        a->reason = strdup(s->reason ? s->reason : "");
        record_end(a, s, &spent, past->chain.prev);
    }
    if (r == 0)
        (void) run_state_text(s, &a->text, NULL); /* as in effect_end() */
    if (s->end_failure.message)
        (void) err_set(&a->err, ERR_AGENT, "%s", s->end_failure.message);
    if (r == 0 && !a->up->spec->agents_from && !a->agent->is_handoff && agent_stray_is(s))
        (void) agent_stray_remove(a->up, a->agent->spec, a->folder, s, on_stray_gone, a, &a->stray, NULL);
    run_past_free(past);
    return r;
}

static void go_on(void *data)
{
    struct live_agent *a = data;
    struct run_past *past = NULL;
    struct err err = { 0 };
    int r;

    loop_source_free(TAKE_PTR(a->soon));
    r = a->up->spec->agents_from ? 0 : run_folder_lock(a->folder, &err);
    if (r == 0)
        r = run_past_load(a->folder, &past, &err);
    if (r == 0)
        r = take_up(a, past, &err);
    if (r < 0) {
        run_free(TAKE_PTR(a->run));
        fail(a, err.text);
    } else if (!a->run && !a->stray) {
        deliver(a);
    }
}

/* ---- the call ---- */

static void make_key(int64_t number, int64_t runs, char ret[KEY_SIZE])
{
    if (runs > 1)
        snprintf(ret, KEY_SIZE, "%lld-%lld", (long long) number, (long long) runs);
    else
        snprintf(ret, KEY_SIZE, "%lld", (long long) number);
}

/* By its call. A handoff that lost its workspace begins anew, as another. */
void drive_agent_key(const struct run *up, int64_t number, char ret[KEY_SIZE])
{
    const struct run_call *call = run_state_call(&up->state, number);
    const struct run_agent *agent = call ? drive_agent_find(up->spec, call->tool) : NULL;

    make_key(number, agent && agent->is_handoff ? call->runs : 1, ret);
}

const struct run_agent *drive_agent_find(const struct run_spec *spec, const char *name)
{
    for (size_t i = 0; name && i < spec->own_count; i++)
        if (run_spec_agent(&spec->own[i]) && strcmp(spec->own[i].name, name) == 0)
            return run_spec_agent(&spec->own[i]);
    return NULL;
}

/* A folder of which nothing was recorded is no run yet. */
static int find_folder(struct live_agent *a, const char *key, struct err *err)
{
    struct run_folder *folder = NULL;
    struct journal_reader reader;
    struct record rec;
    int r = run_folder_open_child(a->up->folder, key, &folder, err);

    if (r < 0)
        return r;
    r = journal_open(folder, &reader, err);
    if (r == 0) {
        r = journal_next(&reader, &rec, err);
        journal_close(&reader);
        if (r == 0)
            r = -ERR_NOT_FOUND;
    }
    if (r > 0) {
        a->folder = folder;
        return 0;
    }
    if (r == -ERR_NOT_FOUND)
        run_folder_discard_child(a->up->folder, key);
    run_folder_free(folder);
    return r;
}

/* Of a handoff that begins anew: folders of earlier ones that never began. */
static void discard_unbegun(struct live_agent *a)
{
    const struct run_call *call = run_state_call(&a->up->state, a->number);
    char key[KEY_SIZE];

    for (int64_t runs = 1; call && a->agent->is_handoff && runs < call->runs; runs++) {
        make_key(a->number, runs, key);
        if (find_folder(a, key, NULL) == 0)
            run_folder_free(TAKE_PTR(a->folder));
    }
}

static int start_new(struct live_agent *a, const char *key, struct err *err)
{
    struct run *up = a->up;

    drive_agent_budget(up);
    if (up->state.agents >= up->spec->limits.agents)
        return err_set(err, ERR_LIMIT, "no more subagents may be started: limits.agents is %lld",
                       (long long) (up->spec->limits.agents > 0 ? up->spec->limits.agents : 0));
    discard_unbegun(a);
    if (record_begin(a, key) < 0)
        return err_set(err, ERR_IO, "the journal cannot go on");
    drive_calls_when_durable(up, a->call_id, begin, a);
    return 0;
}

/* In a replay: the run that answered this call then. */
static int find_recorded(struct live_agent *a, struct err *err)
{
    struct run_folder *from = a->up->spec->agents_from;
    struct journal_reader reader;
    struct record rec;
    char key[KEY_SIZE] = "";
    int r = journal_open(from, &reader, err);

    if (r < 0)
        return r;
    while ((r = journal_next(&reader, &rec, err)) > 0)
        if (rec.type == RECORD_AGENT_BEGIN && strcmp(rec.agent.call_id, a->call_id) == 0 &&
            strrchr(rec.agent.id, '/'))
            snprintf(key, sizeof(key), "%s", strrchr(rec.agent.id, '/') + 1);
    journal_close(&reader);
    return r < 0 ? r : run_folder_open_child(from, key, &a->folder, err);
}

static int set_off(struct live_agent *a, struct err *err)
{
    char key[KEY_SIZE];
    int r;

    if (a->up->spec->agents_from) {
        r = find_recorded(a, err);
        return r < 0 ? r : loop_defer(a->up->loop, go_on, a, &a->soon, err);
    }
    drive_agent_key(a->up, a->number, key);
    r = find_folder(a, key, err);
    if (r == -ERR_NOT_FOUND)
        return start_new(a, key, err);
    return r < 0 ? r : loop_defer(a->up->loop, go_on, a, &a->soon, err);
}

static void note_problem(void *data, struct tree_pos pos, const char *path, const char *message,
                         const char *hint)
{
    (void) err_set(data, ERR_INVALID, "%s: %s", path, message);
}

static char *read_task(const struct tree *item, struct err *err)
{
    struct arena arena = ARENA_INIT(TREE_MAX);
    struct table_ctx ctx = { .arena = &arena, .problem = note_problem, .data = err };
    struct task_args args = { 0 };
    const struct tree *tree;
    char *task = NULL;

    if (json_parse(function_input(item), &arena, &tree, err) == 0 &&
        table_decode(&table, tree, &args, &ctx) == 0)
        task = strdup(args.task);
    arena_done(&arena);
    return task;
}

static int start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                 struct tool_run **ret, struct err *err)
{
    struct run *up = host->data;
    struct live_agent *a = calloc(1, sizeof(*a));
    int r = 0;

    if (!a)
        return err_set(err, ERR_INTERNAL, "no memory for a subagent");
    a->tool.cancel = cancel;
    a->up = up;
    a->next = up->agents;
    up->agents = a;
    a->fn = fn;
    a->data = data;
    buf_init(&a->text, TEXT_MAX);
    a->agent = run_spec_agent(call->own);
    a->number = drive_calls_number(up, call->call_id);
    a->call_id = strdup(call->call_id);
    a->raw = strndup(call->raw.ptr, call->raw.len);
    a->task = read_task(call->item, err);
    if (!a->agent || !a->call_id || !a->raw)
        r = err_set(err, ERR_INTERNAL, "no memory for a subagent");
    else if (!a->task)
        r = -ERR_INVALID;
    if (r == 0)
        r = set_off(a, err);
    if (r < 0)
        agent_free(a);
    else
        *ret = &a->tool;
    return r;
}

const struct tool_ops drive_agent_ops = { .name = "agent", .start = start };

/* ---- the end of the run ---- */

bool drive_agents_stop(struct run *run)
{
    bool is_any = false;

    for (struct live_agent *a = run->agents; a; a = a->next) {
        if (!a->run)
            continue;
        is_any = true;
        if (!a->is_stopping)
            run_interrupt(a->run, run->state.interrupt ? (int) run->state.interrupt : SIGTERM);
        a->is_stopping = true;
    }
    return is_any;
}

struct sandbox *drive_agents_take(struct run *run)
{
    for (struct live_agent *a = run->agents; a; a = a->next) {
        struct sandbox *sb = a->run ? run_take_sandbox(a->run) : NULL;

        if (sb)
            return sb;
    }
    return NULL;
}

struct run *drive_agent_run(struct run *run, const char *id)
{
    if (!id || strcmp(run->folder->id, id) == 0)
        return run;
    for (struct live_agent *a = run->agents; a; a = a->next) {
        struct run *found = a->run ? drive_agent_run(a->run, id) : NULL;

        if (found)
            return found;
    }
    return NULL;
}
