/* SPDX-License-Identifier: MIT */
/*
 * The one backend there is, told what it needs from the rest of the program:
 * which run its sandboxes are for, and which attempt each one is.
 *
 *     struct backend backend;
 *     backend_init(&backend, loop, http, spec, folder->id);
 *     run_new(loop, http, spec, folder, backend_maker(&backend), past, &run, err);
 *
 * backend_done() when no sandbox will be made any more.
 */
#ifndef CMD_BACKEND_H
#define CMD_BACKEND_H

#include "core/run/spec.h"
#include "oci/docker_sandbox.h"

struct backend {
    struct loop *loop;
    struct http *http;
    const struct run_spec *spec;
    const char *run_id;
    char *scans; /* where answers of scanners are kept; NULL: nowhere */
    struct sandbox_maker maker;
};

/* All that is given is borrowed, and must outlive the sandboxes made; `b` must stay where it is. */
void backend_init(struct backend *b, struct loop *loop, struct http *http, const struct run_spec *spec,
                  const char *run_id);

void backend_done(struct backend *b);

/* `<state folder>/scans`; caller frees, NULL: there is no state folder. */
char *backend_scans(void);

/* Makes sandboxes of the run; the backend's. Each gets a deadline of its own, after which anybody may sweep
 * it. */
const struct sandbox_maker *backend_maker(const struct backend *b);

/* The identity of a run's sandbox. `run_id` is borrowed. */
struct docker_identity backend_identity(const struct run_spec *spec, const char *run_id, int attempt);

#endif
