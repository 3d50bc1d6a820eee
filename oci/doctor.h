/* SPDX-License-Identifier: MIT */
/*
 * What an engine offers, as rows for `agentbox doctor`: reachable, version, cgroups,
 * seccomp, AppArmor, user namespaces, limits that it cannot enforce, what Podman
 * ignores in silence, what runs have left behind. It asks only; nothing is made.
 *
 * A row that fails names the row of the lock-down that a run would stumble over, and
 * what to do about it.
 */
#ifndef OCI_DOCTOR_H
#define OCI_DOCTOR_H

#include "core/base/http.h"
#include "oci/endpoint.h"

enum doctor_state { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_row {
    const char *name; /* stable word: "engine", "cgroup" ... */
    enum doctor_state state;
    char text[256];
    char hint[512]; /* "" when there is nothing to do */
};

#define DOCTOR_ROWS 24

struct doctor_report {
    struct doctor_row rows[DOCTOR_ROWS];
    size_t count;
    bool is_fine; /* no row fails */
};

const char *doctor_state_name(enum doctor_state state); /* "ok", "warn", "fail" */

/* For verbs: runs the loop until all is asked. `engine` as in sandbox.engine. Only lack of memory is an
 * error: an engine that cannot be reached is a row. */
int doctor_run(struct loop *loop, struct http *http, const char *engine, struct doctor_report *ret,
               struct err *err);

/* Pure: rows from GET /info. `is_podman` and `is_local` change what is said. */
struct tree;
void doctor_read_info(const struct tree *info, bool is_podman, struct doctor_report *ret);

#endif
