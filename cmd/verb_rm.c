/* SPDX-License-Identifier: MIT */
/* `agentbox rm RUN...`: runs that have ended, their folders and what is left of their sandboxes. */
#include "cmd/sweeping.h"
#include "cmd/term.h"
#include "cmd/verbs.h"
#include "core/run/folder.h"
#include "core/run/view.h"

static int remove_one(const struct options *opts, const char *name, struct err *err)
{
    struct run_folder *folder = NULL;
    struct run_view view;
    struct err sweep_err = { 0 };
    int r = run_folder_open(name, &folder, err);

    if (r < 0)
        return r;
    /* held from here on: nobody resumes it under our hands */
    r = run_folder_lock(folder, err);
    if (r < 0)
        err_hint(err, "stop it first: kill -INT the process that runs it");
    if (r == 0)
        r = run_view_load(folder, &view, err);
    /* without an engine the folder can go all the same; `gc` finds what is left by its labels */
    if (r == 0 && view.container_name[0] && sweep_run(opts->engine, folder->id, &sweep_err) < 0)
        term_warning("the sandbox of run '%s' may be left: %s", folder->id, sweep_err.text);
    if (r == 0)
        r = run_folder_remove(folder, err);
    if (r == 0)
        term_say("removed %s", folder->id);
    run_folder_free(folder);
    return r;
}

int verb_rm(const struct options *opts, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < opts->arg_count && r == 0; i++)
        r = remove_one(opts, opts->args[i], err);
    return r;
}
