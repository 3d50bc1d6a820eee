/* SPDX-License-Identifier: MIT */
/*
 * The one backend there is, told what it needs from the rest of the program:
 * which run its sandbox is for.
 */
#ifndef CMD_BACKEND_H
#define CMD_BACKEND_H

#include "core/run/spec.h"
#include "oci/docker_sandbox.h"

/* The identity of a run's sandbox. `run_id` is borrowed. */
struct docker_identity backend_identity(const struct run_spec *spec, const char *run_id, int attempt);

#endif
