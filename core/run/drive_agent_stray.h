/* SPDX-License-Identifier: MIT */
/*
 * The sandbox of a subagent that had come to its end when its harness died, before it was removed: nobody
 * goes on in it, so it is taken over only to be removed.
 */
#ifndef RUN_DRIVE_AGENT_STRAY_H
#define RUN_DRIVE_AGENT_STRAY_H

#include "core/run/driver.h"

struct agent_stray;

/* May there be one? */
bool agent_stray_is(const struct run_state *s);
/* `spec` is the subagent's, borrowed like `up` and `folder`. `fn` comes from the loop, whatever came of it:
 * what is left is `gc`'s. */
int agent_stray_remove(struct run *up, const struct run_spec *spec, const struct run_folder *folder,
                       const struct run_state *s, loop_fn *fn, void *data, struct agent_stray **ret,
                       struct err *err);
void agent_stray_free(struct agent_stray *stray); /* NULL is fine; also inside `fn` */

#endif
