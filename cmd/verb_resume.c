/* SPDX-License-Identifier: MIT */
/* `agentbox resume RUN`: a run goes on where it stopped, whatever stopped it. */
#include "cmd/load.h"
#include "cmd/result.h"
#include "cmd/session.h"
#include "cmd/verbs.h"

#include <string.h>

/* What a run has been asked cannot change under it; what it may use can. */
static int check_sets(const struct options *opts, struct err *err)
{
    for (size_t i = 0; i < opts->sets.count; i++) {
        if (strncmp(opts->sets.items[i], "limits.", 7) == 0)
            continue;
        err_set(err, ERR_USAGE, "'--set %s': only values under 'limits' can be set when a run goes on",
                opts->sets.items[i]);
        return err_hint(err, "`agentbox fork` makes a new run from this one, with anything set");
    }
    return 0;
}

static int check_answer(const struct options *opts, const struct run_folder *folder,
                        const struct run_state *state, struct err *err)
{
    if (opts->approve && opts->deny)
        return err_set(err, ERR_USAGE, "'--approve' and '--deny' exclude each other");
    if (opts->reason && !opts->deny)
        return err_set(err, ERR_USAGE, "'--reason' is for '--deny'");
    if ((!opts->approve && !opts->deny) || run_state_waits(state))
        return 0;
    return err_set(err, ERR_USAGE, "run '%s' has no call that waits for approval", folder->id);
}

static int check_past(const struct options *opts, const struct run_folder *folder,
                      const struct run_past *past, struct err *err)
{
    const struct run_state *state = run_past_state(past);

    if (state->end != RUN_DONE)
        return check_answer(opts, folder, state, err);
    err_set(err, ERR_USAGE, "run '%s' is done: there is nothing left to go on with", folder->id);
    return err_hint(err, "`agentbox fork %s -- TASK` goes on from its end with a new task", folder->id);
}

static int load_past(struct run_folder *folder, struct run_past **ret, struct err *err)
{
    int r = run_past_load(folder, ret, err);

    if (r == -ERR_NOT_FOUND) {
        err_set(err, ERR_USAGE, "run '%s' never began: there is nothing to go on with", folder->id);
        return err_hint(err, "`agentbox rm %s` removes what there is of it", folder->id);
    }
    if (r == -ERR_INVALID)
        return err_hint(err, "`agentbox verify %s` says what is damaged", folder->id);
    return r;
}

static int go_on(const struct options *opts, const char *const *sets, struct run_folder *folder,
                 struct err *err)
{
    struct session session = { .opts = opts, .folder = folder, .sets = sets };
    struct run_spec *spec = NULL;
    bool has_begun;
    int r = load_past(folder, &session.past, err);

    if (r == 0)
        r = check_past(opts, folder, session.past, err);
    if (r == 0)
        r = load_recorded_spec(
            &(struct load_recorded){ .folder = folder, .earlier = run_past_sets(session.past), .sets = sets },
            &spec, err);
    if (r == 0)
        r = load_check_answers(folder, spec, err);
    session.spec = spec;
    if (r == 0)
        r = session_run(&session, &has_begun, err);
    run_past_free(session.past);
    run_spec_free(spec);
    return r;
}

int verb_resume(const struct options *opts, struct err *err)
{
    const char *name = opts->resume ? opts->resume : opts->last ? "last" : opts->args[0];
    const char *sets[LOAD_SETS_MAX];
    struct run_folder *folder = NULL;
    int r = load_sets(opts, sets, err);

    if (r == 0)
        r = check_sets(opts, err);
    if (r == 0 && opts->output)
        r = result_check(opts->output, err);
    if (r == 0)
        r = run_folder_open(name, &folder, err);
    if (r == 0 && run_folder_is_child(folder)) {
        err_set(err, ERR_USAGE, "run '%s' is a subagent's: it goes on with the run that it belongs to",
                folder->id);
        r = err_hint(err, "agentbox resume %.*s", RUN_ROOT_ID, folder->id);
    }
    if (r == 0)
        r = run_folder_lock(folder, err);
    if (r == 0)
        r = go_on(opts, sets, folder, err);
    run_folder_free(folder);
    return r;
}
