/* SPDX-License-Identifier: MIT */
/*
 * What `ls` and `show` say of a run, read from its folder only: the fold of its
 * journal, and whether somebody holds its lock.
 */
#ifndef RUN_VIEW_H
#define RUN_VIEW_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/run/folder.h"
#include "core/run/state.h"

#include <stdbool.h>
#include <stdint.h>

enum run_view_state {
    RUN_VIEW_RUNNING,
    RUN_VIEW_DONE,
    RUN_VIEW_FAILED,
    RUN_VIEW_LIMIT,
    RUN_VIEW_INTERRUPTED,
    RUN_VIEW_CRASHED, /* has not ended and nobody runs it */
    RUN_VIEW_DAMAGED, /* the journal cannot be read; `problem` says why */
    RUN_VIEW_STATES
};

struct run_view {
    char id[RUN_ID_SIZE];
    char name[64];
    char agent[72]; /* of a subagent: what it is called; "" */
    char model[128];
    enum run_view_state state;
    char reason[64];
    char message[1024]; /* of a failure; "" */
    int exit_status;    /* -1 while it has not ended */
    int64_t started_ms; /* wall clock; 0 = unknown */
    int64_t ended_ms;   /* wall clock of the last record; 0 while running */
    int64_t elapsed_ms; /* running time */
    int64_t turns, calls, tokens;
    int64_t cost_micros; /* -1 = unknown */
    uint64_t records;
    int64_t torn_bytes;       /* cut-off rest at the end of the journal */
    char container_name[128]; /* "" when none, or when it was removed */
    char parent[RUN_ID_SIZE]; /* of a fork; "" */
    int64_t resumes;          /* of runs that have ended 0 in run_view_all() */
    int64_t checkpoint;       /* number of the last one; the same */
    struct err problem;       /* RUN_VIEW_DAMAGED */
};

const char *run_view_state_name(enum run_view_state state);

/* A damaged journal is not an error here but a state. */
int run_view_load(struct run_folder *folder, struct run_view *ret, struct err *err);

/* Fold the whole journal with its objects. ERR_INVALID: damaged. */
int run_fold(struct run_folder *folder, struct run_state *ret, struct err *err);

/* One row for each run, newest first; of runs that have ended only the two ends of the journal are read; runs
 * that vanish meanwhile are left out. Free with free(). */
int run_view_all(struct run_view **ret, size_t *ret_count, struct err *err);

#endif
