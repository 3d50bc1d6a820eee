/* SPDX-License-Identifier: MIT */
/*
 * Looks into folders of the workspace for what the model is told of them without asking: their AGENTS.md, and
 * at the beginning a short listing. Through the guest only, so nothing outside of the workspace is ever read;
 * a link is followed when it leads to a file beside it (AGENTS.md -> CLAUDE.md), and never further.
 *
 * context_look_start() -> one call of `fn` from the loop, never from inside start -> context_look_free()
 * (also inside `fn`).
 */
#ifndef RUN_CONTEXT_H
#define RUN_CONTEXT_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/run/record.h"

struct channel;
struct context_look;

struct context_ask {
    struct loop *loop;
    struct channel *channel;
    const char *root;           /* of the workspace, in the sandbox */
    const char *const *folders; /* beneath it, "" = itself; borrowed until the end; at most RECORD_LIST_MAX */
    size_t count;
    bool wants_agents, wants_tree;
    int64_t agents_max; /* bytes of AGENTS.md that may still be told */
};

struct context_found {
    const struct record_looked *looked; /* one for each folder, in order */
    size_t count;
    int64_t tree_shown, tree_more;
    struct span text; /* for the model; empty: there is nothing to tell */
};

/* result 0; or -ERR_ENGINE: the sandbox is lost. What else goes wrong is told, or is as if it were not there.
 */
typedef void context_done_fn(void *data, int result, const struct context_found *found,
                             const struct err *err);

int context_look_start(const struct context_ask *ask, context_done_fn *fn, void *data,
                       struct context_look **ret, struct err *err);
void context_look_free(struct context_look *look); /* cancels; NULL is fine */

#endif
