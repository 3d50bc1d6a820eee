/* SPDX-License-Identifier: MIT */
/*
 * One run under our eyes, from here to its end: loop, engine, model, signals,
 * progress, result. What `run`, `resume`, `fork` and `replay` share once there is a
 * spec and a folder.
 */
#ifndef CMD_SESSION_H
#define CMD_SESSION_H

#include "cmd/options.h"
#include "core/run/driver.h"
#include "core/run/replay.h"

#include <stdbool.h>

#define PROGRAM "agentbox " AGENTBOX_VERSION /* in the records of runs */

struct session {
    const struct options *opts;
    const struct run_spec *spec;
    struct run_folder *folder;    /* locked by us */
    struct run_past *past;        /* NULL: a new run; else it is taken over, also on failure */
    const char *const *sets;      /* with a past: what is set now, NULL-terminated, to be recorded */
    const struct replay *answers; /* of a replay: what was approved then is now; NULL: a terminal is asked */
    bool is_silent;               /* nothing goes to stdout, and how it ended is the caller's to tell */
    /* filled at its end */
    enum run_end_state end;
    struct err end_err; /* code ERR_NONE when done */
};

/* The exit status of the run, once it has ended and its container is gone or kept; or a negative code. With
 * *ret_began false nothing of it is in the journal. */
int session_run(struct session *session, bool *ret_began, struct err *err);

#endif
