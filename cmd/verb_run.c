/* SPDX-License-Identifier: MIT */
/* `agentbox run MANIFEST`: a new run; with --resume RUN one that there is. */
#include "cmd/load.h"
#include "cmd/result.h"
#include "cmd/session.h"
#include "cmd/term.h"
#include "cmd/verbs.h"

static int run_new_folder(const struct options *opts, const struct run_spec *spec, struct err *err)
{
    struct session session = { .opts = opts, .spec = spec };
    bool has_begun = false;
    int r = run_folder_create(&session.folder, err);

    if (r < 0)
        return r;
    r = session_run(&session, &has_begun, err);
    /* A folder without a journal says nothing: a run that never began leaves none. */
    if (!has_begun)
        (void) run_folder_remove(session.folder, NULL); /* `rm` can do it too */
    run_folder_free(session.folder);
    return r;
}

int verb_run(const struct options *opts, struct err *err)
{
    struct run_spec *spec = NULL;
    int r;

    if (opts->resume && opts->task) {
        err_set(err, ERR_USAGE, "a run that goes on keeps its task");
        return err_hint(err, "`agentbox fork %s -- TASK` gives a new one to a new run", opts->resume);
    }
    if (opts->resume && opts->least) {
        err_set(err, ERR_USAGE, "what a run may do is said when it begins");
        return err_hint(err, "`agentbox resume %s --approve` answers what it asks", opts->resume);
    }
    if (opts->resume && opts->untrusted)
        return err_set(err, ERR_USAGE, "whether a manifest is trusted is asked when its run begins");
    if (opts->resume)
        return verb_resume(opts, err);
    r = load_spec(opts, &spec, err);
    if (r == 0 && opts->output)
        r = result_check(opts->output, err);
    if (r == 0)
        r = run_new_folder(opts, spec, err);
    run_spec_free(spec);
    return r;
}
