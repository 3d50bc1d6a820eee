/* SPDX-License-Identifier: MIT */
/*
 * From the command line to a decided run: manifest, parameters, --set, task; and
 * the same from the folder of a run that there is.
 */
#ifndef CMD_LOAD_H
#define CMD_LOAD_H

#include "cmd/options.h"
#include "core/base/bundle.h"
#include "core/run/folder.h"
#include "core/run/spec.h"
#include "manifest/diag.h"

/* Load the manifest of args[0]. Problems are collected in `diags` (initialized by the caller); -ERR_MANIFEST
 * then, with err empty when diags tell everything. */
int load_manifest(const struct options *opts, struct run_spec **ret, struct diags *diags, struct err *err);

/* The same for verbs that need the spec: problems go to stderr. */
int load_spec(const struct options *opts, struct run_spec **ret, struct err *err);

/* For `scan`: a manifest, or, with `is_image`, one that is nothing but an image. `set`: one more --set, NULL:
 * none. */
int load_scan_spec(const struct options *opts, bool is_image, const char *set, struct run_spec **ret,
                   struct err *err);

/* A run with one tool of the library, which `files` are, approved or not; what else it has is not used. */
int load_tool_spec(const struct options *opts, const char *name, const struct bundle *files,
                   struct run_spec **ret, struct err *err);

/* The manifest of a run, as its folder has it: what a run goes on with. Files that were read when it began
 * are not looked for. */
struct load_recorded {
    struct run_folder *folder;
    const char *const *earlier; /* what its resumes have set, NULL-terminated; NULL: as its journal says */
    const char *const *sets;    /* and now, NULL-terminated; NULL: nothing */
    int approve;                /* enum approve_word: the least strict that may be */
    const char *task;           /* instead of the manifest's; NULL: that one */
};
int load_recorded_spec(const struct load_recorded *from, struct run_spec **ret, struct err *err);

/* For a run that goes on: a recording that gave the model's answers must still be there. That of a replay
 * never is. ERR_USAGE. */
int load_check_answers(const struct run_folder *folder, const struct run_spec *spec, struct err *err);

#define LOAD_TASK_MAX (1024 * 1024)

/* What --approve says: enum approve_word, 0 without it. ERR_USAGE. */
int load_approve(const struct options *opts, int *ret, struct err *err);

/* What follows '--', or, with "-" behind the first argument, what stdin says (kept in `text`); *ret NULL:
 * neither. */
int load_task(const struct options *opts, struct buf *text, const char **ret, struct err *err);

/* What --set and --keep say, as the words of --set, NULL-terminated; in the caller's array. ERR_USAGE: not of
 * the form PATH=VALUE. */
#define LOAD_SETS_MAX (OPTIONS_LIST_MAX + 3)
int load_sets(const struct options *opts, const char *ret[LOAD_SETS_MAX], struct err *err);

#endif
