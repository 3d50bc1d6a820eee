/* SPDX-License-Identifier: MIT */
/*
 * Asking at the terminal whether a call may run: all of what it wants is shown, page by page, with everything
 * made visible that a terminal would obey; "yes" is taken only once the last page was. Without a
 * terminal nobody is asked.
 */
#ifndef CMD_ASK_H
#define CMD_ASK_H

#include "core/base/loop.h"
#include "core/run/driver.h"

struct ask;

/* NULL in *ret: there is no terminal to ask at. */
int ask_new(struct loop *loop, struct ask **ret, struct err *err);
void ask_free(struct ask *ask); /* NULL is fine */

typedef void ask_fn(void *data, const char *agent_id, int64_t call, enum run_approve_answer answer,
                    const char *reason);

/* Nobody can be asked: what it is about, for whoever reads it later; the first 64 KiB of it. */
void ask_tell(const struct run_question *question);

/* `fn` comes from the loop, unless ask_free() does first. Questions that come meanwhile wait for their turn.
 */
int ask_about(struct ask *ask, const struct run_question *question, ask_fn *fn, void *data, struct err *err);
/* That subagent has ended: nothing of it is asked any more, without a word to `fn`. True: with that, nothing
 * of anybody is. */
bool ask_withdraw(struct ask *ask, const char *agent_id);

#endif
