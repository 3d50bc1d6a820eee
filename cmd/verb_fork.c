/* SPDX-License-Identifier: MIT */
/* `agentbox fork RUN[@POINT]`: a new run that begins where another one was. */
#include "cmd/load.h"
#include "cmd/result.h"
#include "cmd/session.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/base/cleanup.h"
#include "core/run/fork.h"

#include <stdio.h>

/* The new run's folder, ready to go on in. */
static int make(const struct run_point *point, const struct run_spec *spec, const char *task,
                struct run_folder **ret, struct err *err)
{
    struct run_fork fork = { .from = point, .spec = spec, .task = task, .program = PROGRAM };
    int r = run_fork(&fork, ret, err);

    return r == -ERR_USAGE
               ? err_hint(err, "say what it shall do now: agentbox fork %s -- TASK", point->folder->id)
               : r;
}

static int go_on(const struct options *opts, const struct run_spec *spec, struct run_folder *folder,
                 struct err *err)
{
    static const char *const nothing[] = { NULL }; /* its manifest says everything */
    struct session session = { .opts = opts, .spec = spec, .folder = folder, .sets = nothing };
    bool has_begun = false;
    int r = run_past_load(folder, &session.past, err);

    if (r == 0)
        r = session_run(&session, &has_begun, err);
    if (!has_begun)
        (void) run_folder_remove(folder, NULL); /* `rm` can do it too */
    return r;
}

static int print_id(const struct run_folder *folder, struct err *err)
{
    char line[RUN_ID_SIZE + 1];

    snprintf(line, sizeof(line), "%s\n", folder->id);
    return term_print(span_of(line), err);
}

static int fork_from(const struct options *opts, const struct run_point *point, const char *task,
                     struct err *err)
{
    const char *sets[LOAD_SETS_MAX];
    struct run_folder *folder = NULL;
    struct run_spec *spec = NULL;
    struct load_recorded load = { .folder = point->folder, .sets = sets, .task = task };
    int r = load_sets(opts, sets, err);

    if (r == 0)
        r = load_approve(opts, &load.approve, err);
    if (r == 0)
        r = load_recorded_spec(&load, &spec, err);
    if (r == 0)
        r = load_check_answers(point->folder, spec, err);
    if (r == 0)
        r = make(point, spec, task, &folder, err);
    if (r == 0)
        r = opts->no_run ? print_id(folder, err) : go_on(opts, spec, folder, err);
    run_folder_free(folder);
    run_spec_free(spec);
    return r;
}

int verb_fork(const struct options *opts, struct err *err)
{
    struct buf text = BUF_INIT(LOAD_TASK_MAX);
    struct run_point point = { 0 };
    const char *task = NULL;
    int r = load_task(opts, &text, &task, err);

    if (r == 0 && opts->output)
        r = result_check(opts->output, err);
    if (r == 0)
        r = run_point_open(opts->args[0], &point, err);
    if (r == 0)
        r = fork_from(opts, &point, task, err);
    run_point_done(&point);
    buf_done(&text);
    return r;
}
