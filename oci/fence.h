/* SPDX-License-Identifier: MIT */
/*
 * Fencing: before a run gets a sandbox, whatever an earlier attempt of it left on
 * the engine is killed and removed, so that no two sandboxes of one run live at a
 * time. Containers (helpers too) first, then their workspace volumes.
 *
 * Done means gone: the answer to each removal is waited for, and a container that
 * somebody else is removing already is waited for until the engine knows it no more.
 * A container that cannot be removed is an error; a volume that cannot is not, for
 * nothing runs in it: `agentbox gc` finds it.
 *
 * Servers and tools of the run (other parts) belong to the agent's own sandbox too, but not those that this
 * very process has made: it goes on with them.
 *
 * Sandboxes of subagents (part "agent-...") belong to that of their parent, and go with it; but not when it
 * is taken over, for then they go on too. What is of another part of the run stays.
 *
 * What is of another run, and what has our labels but no name of ours (an image made
 * by `docker commit` hands labels on), is never touched.
 */
#ifndef OCI_FENCE_H
#define OCI_FENCE_H

#include "oci/engine.h"

struct fence;

typedef void fence_fn(void *data, int result, const struct err *err);

struct fence_options {
    const char *run;
    const char *part;    /* of the run: "": the agent's own, to which all others belong */
    const char *keep_id; /* the one container that stays; NULL: none */
    int keep_attempt;    /* volumes of this attempt stay; 0: none */
};

/* The engine must be open; `options` and what it points to are borrowed until `fn`, which comes once, from
 * the loop. */
int fence_start(struct engine *engine, const struct fence_options *options, fence_fn *fn, void *data,
                struct fence **ret, struct err *err);
void fence_free(struct fence *fence); /* NULL is fine; gives up */

#endif
