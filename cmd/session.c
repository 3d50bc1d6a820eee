/* SPDX-License-Identifier: MIT */
/* Wires engine, model and run together, shows what happens, and hands the result over. */
#include "cmd/session.h"

#include "cmd/ask.h"
#include "cmd/backend.h"
#include "cmd/progress.h"
#include "cmd/result.h"
#include "cmd/sweeping.h"
#include "cmd/term.h"
#include "core/base/cleanup.h"
#include "core/base/resident.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX       (64 * 1024 * 1024)
#define REMOVE_WAIT_MS 20000
#define LEAVING_MAX    256 /* more are left to `gc` */

struct app {
    struct session *session;
    const struct options *opts; /* of the session */
    struct loop *loop;
    struct http *http;
    struct backend backend;
    struct run *run;
    struct progress *progress;
    struct loop_source *signals[3];
    struct sweeping *sweeping;
    struct ask *ask;
    size_t asked; /* of a replay */
    struct term out;
    int interrupts;
    int last_signal;
    bool has_ended, is_removed;
    int exit_status;
    int result; /* a failure of ours after the run ended well: the result could not be written */
    struct err err;
};

/* ---- events of the run ---- */

/* A subagent's says so first. */
static int add_line(struct buf *out, const struct run_event *ev)
{
    struct span rest = ev->line;

    if (!ev->agent)
        return buf_add_span(out, rest);
    return buf_printf(out, "{\"agent_id\":\"%s\",\"agent_name\":\"%s\",%.*s", ev->agent, ev->agent_name,
                      (int) rest.len - 1, rest.ptr + 1);
}

static void on_record(void *data, const struct run_event *ev)
{
    struct app *app = data;
    struct buf line = BUF_INIT(TEXT_MAX);
    struct err err = { 0 };

    if (app->ask && ev->agent && ev->record->type == RECORD_RUN_END && ask_withdraw(app->ask, ev->agent) &&
        app->progress)
        progress_pause(app->progress, false);
    if (app->progress && ev->agent)
        progress_agent(app->progress, ev);
    else if (app->progress)
        progress_record(app->progress, ev->record, ev->state);
    if (!app->opts->json || app->session->is_silent)
        return;
    if (add_line(&line, ev) == 0 && buf_add_char(&line, '\n') == 0 &&
        term_json(&app->out, buf_span(&line), &err) < 0 && app->result == 0) {
        app->result = -(int) err.code;
        app->err = err;
    }
    buf_done(&line);
}

static void on_delta(void *data, enum model_delta kind, struct span text)
{
    struct app *app = data;

    if (app->progress)
        progress_delta(app->progress, kind, text);
}

static void on_step(void *data, const char *step, const char *text)
{
    struct app *app = data;

    if (app->progress)
        progress_step(app->progress, step, text);
}

/* The result to where it was asked for. A terminal gets it without anything that it would act upon; a file or
 * a pipe byte for byte, since somebody else is to use it. */
static int deliver(struct app *app, struct span text, struct err *err)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    int r;

    if (text.len == 0 || app->session->is_silent || (app->opts->json && !app->opts->output))
        return 0;
    r = app->out.is_tty && !app->opts->output ? term_clean(&out, text, true) : buf_add_span(&out, text);
    if (r == 0 && text.ptr[text.len - 1] != '\n')
        r = buf_add_char(&out, '\n');
    if (r < 0)
        r = err_set(err, ERR_TOO_LARGE, "the result is larger than 64 MiB");
    else if (app->opts->output)
        r = result_write(app->opts->output, buf_span(&out), err);
    else if (app->out.is_tty)
        r = term_write(&app->out, buf_span(&out), err);
    else
        r = term_keep(&app->out, buf_span(&out), err);
    buf_done(&out);
    return r < 0 ? err_wrap(err, "writing the result") : 0;
}

static void quit_when_done(struct app *app)
{
    if (app->is_removed && sweeping_is_over(app->sweeping))
        loop_quit(app->loop);
}

static void on_swept(void *data)
{
    quit_when_done(data);
}

static void sum_up(const struct app *app, const struct run_summary *summary)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    struct term term;

    term_init(&term, TERM_ERR);
    /* that it was interrupted is the summary's first word */
    if (summary->err &&
        (app->opts->quiet || summary->end != RUN_INTERRUPTED || summary->err->code == ERR_APPROVAL))
        term_error(summary->err);
    if (!app->opts->quiet && progress_summary(&text, summary, &term) == 0)
        (void) term_write(&term, buf_span(&text), NULL); /* only for show */
    buf_done(&text);
}

static void on_end(void *data, const struct run_summary *summary)
{
    struct app *app = data;
    int r;

    ask_free(TAKE_PTR(app->ask));
    app->has_ended = true;
    app->exit_status = summary->exit_status;
    app->session->end = summary->end;
    if (summary->err)
        app->session->end_err = *summary->err;
    progress_free(TAKE_PTR(app->progress));
    r = deliver(app, summary->text, &app->err);
    if (r < 0 && app->result == 0)
        app->result = r;
    if (!app->session->is_silent)
        sum_up(app, summary);
    /* while our own container goes: nobody waits for it */
    sweeping_start(app->loop, app->http, app->session->spec->sandbox.engine, on_swept, app, &app->sweeping);
}

static void on_removed(void *data, int result, const struct err *err)
{
    struct app *app = data;

    if (result < 0) {
        term_warning("the sandbox could not be removed: %s", err->text);
        term_say("  hint: `agentbox gc` removes what is left once the engine answers");
    }
    app->is_removed = true;
    quit_when_done(app);
}

/* ---- approvals ---- */

static void on_answer(void *data, const char *agent_id, int64_t call, enum run_approve_answer answer,
                      const char *reason)
{
    struct app *app = data;

    if (app->progress)
        progress_pause(app->progress, false);
    run_approve(app->run, agent_id, call, answer, reason);
}

/* The n-th question has the n-th answer. */
static bool answer_again(struct app *app, int64_t call)
{
    const struct replay *then = app->session->answers;
    size_t left = app->asked++;

    for (size_t i = 0; i < then->call_count; i++) {
        const struct replay_call *c = &then->calls[i];

        if (!c->approval || strcmp(c->approval, "later") == 0 || left-- > 0)
            continue;
        if (strcmp(c->approval_by, "nobody") == 0)
            return false;
        run_approve(app->run, NULL, call,
                    strcmp(c->approval, "approve") == 0 ? RUN_APPROVE_YES : RUN_APPROVE_NO,
                    c->approval_reason);
        return true;
    }
    return false;
}

static bool on_ask(void *data, const struct run_question *question)
{
    struct app *app = data;
    struct err err = { 0 };

    if (app->session->answers)
        return !question->agent && answer_again(app, question->call);
    if (!app->ask) {
        if (!app->opts->quiet)
            ask_tell(question);
        return false;
    }
    if (app->progress)
        progress_pause(app->progress, true);
    if (ask_about(app->ask, question, on_answer, app, &err) == 0)
        return true;
    term_error(&err);
    if (app->progress)
        progress_pause(app->progress, false);
    return false;
}

static const struct run_events run_events = {
    .on_ask = on_ask,
    .on_record = on_record,
    .on_delta = on_delta,
    .on_step = on_step,
    .on_end = on_end,
    .on_removed = on_removed,
};

/* ---- signals ---- */

static void on_signal(void *data, int signum)
{
    struct app *app = data;

    app->last_signal = signum;
    if (++app->interrupts == 1 && !app->has_ended)
        run_interrupt(app->run, signum);
    else if (app->interrupts > 1)
        loop_quit(app->loop);
}

static const int watched[] = { SIGINT, SIGTERM, SIGHUP };

static int watch_signals(struct app *app, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < 3 && r == 0; i++)
        r = loop_signal(app->loop, watched[i], on_signal, app, &app->signals[i], err);
    return r;
}

struct leaving {
    struct sandbox *sandboxes[LEAVING_MAX];
    size_t count, left;
    bool is_done;
};

static void on_forced(void *data, int result, const struct err *err)
{
    struct leaving *leaving = data;

    (void) result;
    (void) err; /* the second signal wants out; `gc` finds what is left */
    leaving->is_done = leaving->is_done || --leaving->left == 0;
}

static void give_up(void *data)
{
    ((struct leaving *) data)->is_done = true;
}

static void take_sandboxes(struct app *app, struct leaving *leaving)
{
    struct sandbox *sandbox;

    while (leaving->count < LEAVING_MAX && (sandbox = run_take_sandbox(app->run)) != NULL)
        leaving->sandboxes[leaving->count++] = sandbox;
}

/* Second signal: the containers go, and so do we, whatever the rest is doing. */
static void stop_now(struct app *app)
{
    struct leaving leaving = { .left = 0 };
    struct loop_source *timer = NULL;

    take_sandboxes(app, &leaving);
    run_free(TAKE_PTR(app->run));
    app->exit_status = 128 + app->last_signal;
    for (size_t i = 0; !app->is_removed && i < leaving.count; i++)
        leaving.left += sandbox_remove(leaving.sandboxes[i], on_forced, &leaving, NULL) == 0;
    if (leaving.left > 0 && loop_timer(app->loop, REMOVE_WAIT_MS, give_up, &leaving, &timer, NULL) == 0)
        (void) loop_run(app->loop, &leaving.is_done, NULL); /* bounded by the timer */
    loop_source_free(timer);
    for (size_t i = 0; i < leaving.count; i++)
        sandbox_free(leaving.sandboxes[i]);
    term_say("agentbox: stopped");
}

/* ---- set-up ---- */

static int set_up(struct app *app, struct session *session, struct err *err)
{
    struct run_past *past = TAKE_PTR(session->past);
    int r = loop_new(&app->loop, err);

    if (r == 0)
        r = http_new(app->loop, &app->http, err);
    if (r < 0) {
        run_past_free(past);
        return r;
    }
    backend_init(&app->backend, app->loop, app->http);
    r = run_new(app->loop, app->http, session->spec, session->folder, backend_maker(&app->backend), past,
                &app->run, err);
    if (r == 0 && !app->opts->quiet)
        r = progress_new(app->loop, &app->progress, err);
    if (r == 0)
        r = watch_signals(app, err);
    if (r == 0 && !session->answers)
        r = ask_new(app->loop, &app->ask, err);
    return r;
}

static void tear_down(struct app *app)
{
    sweeping_free(app->sweeping);
    ask_free(app->ask);
    progress_free(app->progress);
    run_free(app->run);
    backend_done(&app->backend);
    for (size_t i = 0; i < 3; i++) {
        loop_source_free(app->signals[i]);
        (void) signal(watched[i], SIG_IGN); /* the run has its status; a late signal does not change it */
    }
    http_free(app->http);
    loop_free(app->loop);
}

static int start(struct app *app, bool has_past, struct err *err)
{
    if (has_past && app->progress)
        progress_go_on(app->progress, run_state_of(app->run));
    if (has_past && (app->opts->approve || app->opts->deny)) {
        int r = run_approve_resumed(app->run, app->opts->approve, app->opts->reason, err);

        if (r < 0)
            return r;
    }
    return has_past ? run_resume(app->run, PROGRAM, app->session->sets, &run_events, app, err)
                    : run_start(app->run, PROGRAM, &run_events, app, err);
}

static int run_it(struct app *app, struct err *err)
{
    int r = loop_run(app->loop, NULL, err);

    if (r == 0 && app->interrupts > 1)
        stop_now(app);
    if (r == 0 && app->result < 0) {
        *err = app->err;
        r = app->result;
    }
    return r;
}

int session_run(struct session *session, bool *ret_began, struct err *err)
{
    struct app app = { .session = session, .opts = session->opts };
    bool has_past = session->past;
    int r;

    *ret_began = false;
    resident_trim();
    term_init(&app.out, TERM_OUT);
    r = set_up(&app, session, err);
    if (r == 0)
        r = start(&app, has_past, err);
    if (r == 0) {
        *ret_began = true;
        r = run_it(&app, err);
    }
    tear_down(&app);
    return r < 0 ? r : app.exit_status;
}
