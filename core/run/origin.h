/* SPDX-License-Identifier: MIT */
/*
 * The process that begins or resumes a run, for the record that says so. Texts are this struct's.
 */
#ifndef RUN_ORIGIN_H
#define RUN_ORIGIN_H

#include "core/run/folder.h"
#include "core/run/record.h"
#include "core/run/spec.h"

struct run_origin {
    char host[256]; /* for people; may be empty */
    char boot[64];
    char manifest[DIGEST_HEX];
};

/* run.begin of a run with this spec in this folder. */
void run_origin_begin(struct run_origin *o, const struct run_spec *spec, const struct run_folder *folder,
                      const char *program, struct record_run_begin *ret);
/* run.resume, without what it sets. */
void run_origin_resume(struct run_origin *o, const char *program, struct record_run_resume *ret);

/* Was it last run on this machine, since that was started? A run folder that somebody made elsewhere may say
 * anything, but hardly this: a boot's id is random. */
int run_origin_is_here(struct run_folder *folder, bool *ret, struct err *err);

#endif
