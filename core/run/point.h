/* SPDX-License-Identifier: MIT */
/*
 * A point of a run, as people name it:
 *   RUN          its last checkpoint; RUN as `ls` shows it, the beginning of an id, or "last"
 *   RUN@first    the oldest checkpoint that was not pruned
 *   RUN@SEQ      the last checkpoint at or before that record of the journal
 *   RUN@turn:N   the last checkpoint before turn N+1 asked for anything (N = 0: before the first)
 * A request does not wait for the checkpoint of the calls before it: so "asked for anything" is the first
 * call of turn N+1, and a checkpoint of turn N that was finished while the request was on its way counts; its
 * record is the point's `seq` then. Turns that a rollback undid are not found any more.
 */
#ifndef RUN_POINT_H
#define RUN_POINT_H

#include "core/base/err.h"
#include "core/run/checkpoint.h"
#include "core/run/folder.h"

#include <stdbool.h>
#include <stdint.h>

struct run_point {
    struct run_folder *folder;      /* owned, not locked */
    struct checkpoint_store *store; /* owned; knows all checkpoints of the journal */
    uint64_t seq;                   /* the last record that belongs to it */
    int64_t checkpoint;             /* number; 0 = the empty workspace */
    /* Of RUN@turn:N: what the model said after that turn is no part of it, although the checkpoint, which
     * requests do not wait for, came when it had been said. */
    bool is_turn;
    int64_t turn;
};

/* ERR_USAGE: not of this form; ERR_NOT_FOUND: no such run or point, or its checkpoint was pruned (the hint
 * names the oldest that is left); ERR_INVALID: the journal is damaged. */
int run_point_open(const char *text, struct run_point *ret, struct err *err);
void run_point_done(struct run_point *p);

#endif
