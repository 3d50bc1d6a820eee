/* SPDX-License-Identifier: MIT */
/*
 * The one backend there is, told what it needs from the rest of the program.
 *
 *     struct backend backend;
 *     backend_init(&backend, loop, http);
 *     run_new(loop, http, spec, folder, backend_maker(&backend), past, &run, err);
 *
 * backend_done() when no sandbox will be made any more.
 */
#ifndef CMD_BACKEND_H
#define CMD_BACKEND_H

#include "oci/docker_sandbox.h"

struct backend {
    struct loop *loop;
    struct http *http;
    char *scans; /* where answers of scanners are kept; NULL: nowhere */
    struct sandbox_maker maker;
};

/* All that is given is borrowed, and must outlive the sandboxes made; `b` must stay where it is. */
void backend_init(struct backend *b, struct loop *loop, struct http *http);

void backend_done(struct backend *b);

/* `<state folder>/scans`; caller frees, NULL: there is no state folder. */
char *backend_scans(void);

/* Makes sandboxes of runs; the backend's. Each gets a deadline of its own, after which anybody may sweep it.
 */
const struct sandbox_maker *backend_maker(const struct backend *b);

/* The identity of a sandbox; texts are borrowed from the order. */
struct docker_identity backend_identity(const struct sandbox_order *order);

#endif
