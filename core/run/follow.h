/* SPDX-License-Identifier: MIT */
/*
 * Reads a journal while it is being written: everything there is, then what is
 * appended (`logs -f`). Looks every 100 ms, because file notification is
 * different on every system.
 */
#ifndef RUN_FOLLOW_H
#define RUN_FOLLOW_H

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/base/span.h"
#include "core/run/record.h"

struct run_folder;
struct journal_follow;

struct journal_follow_ops {
    void (*on_record)(void *data, struct span line, const struct record *rec);
    void (*on_quiet)(void *data);                        /* at the end for now; comes again with each look */
    void (*on_error)(void *data, const struct err *err); /* damaged; nothing follows */
};

/* Callbacks come from the loop. */
int journal_follow_start(struct loop *loop, struct run_folder *folder, const struct journal_follow_ops *ops,
                         void *data, struct journal_follow **ret, struct err *err);
void journal_follow_free(struct journal_follow *f); /* also from inside on_quiet and on_error; NULL is fine */

#endif
