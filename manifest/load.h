/* SPDX-License-Identifier: MIT */
/*
 * A manifest file to a run: what the rest of the program calls.
 *
 *     struct diags diags;
 *     struct run_spec *spec;
 *
 *     diags_init(&diags);
 *     r = manifest_load(&opt, &spec, &diags, &err);
 *     if (r == -ERR_MANIFEST && diags.count > 0)
 *         diags_render(&diags, &out);
 *     ...
 *     diags_done(&diags);
 *     run_spec_free(spec);
 *
 * Reads the manifest, the texts it names (instructions_file, task_file, each at most
 * 1 MiB), and checks that everything else it names on the host is there: local_*
 * sources, attachments (at most 20 MiB each), a seccomp file, a cassette to
 * replay; and that the user of the sandbox can read what is mounted. Relative host
 * paths are relative to the manifest's folder. Nothing is written.
 */
#ifndef MANIFEST_LOAD_H
#define MANIFEST_LOAD_H

#include "core/base/bundle.h"
#include "core/base/err.h"
#include "core/run/spec.h"
#include "manifest/diag.h"

/* How long a guest waits for a harness before it ends its container. */
#define MANIFEST_ORPHAN_MS (5 * 60 * 1000)

struct manifest_parent;

struct manifest_options {
    const char *path; /* "-" = stdin */
    struct span text; /* instead of what is in the file; then `path` is but a name. ptr NULL: none */
    const struct run_param *params; /* -p */
    size_t param_count;
    const char *const *sets; /* --set path=value; the value is YAML */
    size_t set_count;
    const char *task;       /* what was given instead of the manifest's task, or NULL */
    const char *const *env; /* NULL = the process's */
    /* Of a run that goes on: what its beginning has read (attachments, copied entries, a recording) is not
     * looked for again. */
    bool has_begun;
    int approve;             /* enum approve_word: what agent.approve is at least */
    bool is_untrusted;       /* refuse what untrusted.h says */
    const char *text_folder; /* of `text`: what its paths are relative to; NULL: the working folder */
    const struct manifest_parent *parent; /* of a subagent (agents.h): whose it is; NULL: a run's own */
    const struct bundle
        *tool; /* what {from: library} is, approved or not: for trying it; NULL: the library */
};

/* On success *ret is the caller's, to be freed with run_spec_free(). Fails with -ERR_MANIFEST: the problems
 * are in `diags`, or, when there are none, the file could not be read and `err` says why, with a hint. Else
 * -ERR_INTERNAL. */
int manifest_load(const struct manifest_options *opt, struct run_spec **ret, struct diags *diags,
                  struct err *err);

#endif
