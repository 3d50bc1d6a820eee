/* SPDX-License-Identifier: MIT */
/*
 * What the journal of a run folder says: where a run that is resumed goes on. The
 * folder is locked by the caller and borrowed until the past is freed or taken over by run_new().
 */
#ifndef RUN_PAST_H
#define RUN_PAST_H

#include "core/base/err.h"
#include "core/run/checkpoint.h"
#include "core/run/folder.h"
#include "core/run/journal.h"
#include "core/run/state.h"

struct run_past {
    struct run_folder *folder;
    struct run_state state;
    struct journal_chain chain;
    int64_t end_offset; /* of the last whole line */
    int64_t torn_bytes; /* behind it, to be cut off */
    struct checkpoint_store *store;
};

/* Folds the journal with its objects. ERR_INVALID: damaged; ERR_NOT_FOUND: it never began. */
int run_past_load(struct run_folder *folder, struct run_past **ret, struct err *err);
void run_past_free(struct run_past *past); /* NULL is fine */
const struct run_state *run_past_state(const struct run_past *past);
/* Values set by earlier resumes ("limits.turns=40"), in order: they are part of the run's manifest.
 * NULL-terminated; the past's. */
const char *const *run_past_sets(const struct run_past *past);

#endif
