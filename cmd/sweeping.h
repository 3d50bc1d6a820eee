/* SPDX-License-Identifier: MIT */
/*
 * Removing what dead or expired runs left on the engine: beside a run, for one
 * run, or as the verb `gc`.
 */
#ifndef CMD_SWEEPING_H
#define CMD_SWEEPING_H

#include "core/base/err.h"
#include "core/base/http.h"
#include "core/base/loop.h"
#include "oci/engine.h"

/* Sweep in the background of a run, for some seconds at most. Never fails: whatever goes wrong is left to the
 * next one. `fn` comes once, from the loop, when it is over. *ret is NULL when it did not even begin; then no
 * `fn` comes. */
struct sweeping;
void sweeping_start(struct loop *loop, struct http *http, const char *engine, loop_fn *fn, void *data,
                    struct sweeping **ret);
bool sweeping_is_over(const struct sweeping *s); /* true for NULL */
void sweeping_free(struct sweeping *s);          /* NULL is fine; gives up what is under way */

/* An engine for a verb that asks it a few things. `url` NULL: the usual one. */
struct engine_session {
    struct arena arena;
    struct loop *loop;
    struct http *http;
    struct engine *engine;
};
int engine_session_open(struct engine_session *s, const char *url, struct err *err);
void engine_session_close(struct engine_session *s);

/* For sweep_options.is_held: does some process go on with this run? */
bool sweeping_is_held(const char *run_id);

/* Remove everything that belongs to one run, whoever owns it. Runs a loop of its own. */
int sweep_run(const char *engine, const char *run_id, struct err *err);

#endif
