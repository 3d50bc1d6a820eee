/* SPDX-License-Identifier: MIT */
/*
 * What an engine offers, as rows for `agentbox doctor`: reachable, version, cgroups,
 * seccomp, AppArmor, user namespaces, limits that it cannot enforce, what Podman
 * ignores in silence, what runs have left behind. Then a sandbox is made there of any image that the engine
 * has, and removed again (trial.h): which rows of the lock-down are enforced is seen, not believed.
 *
 * A row that fails names the row of the lock-down that a run would stumble over, and
 * what to do about it.
 */
#ifndef OCI_DOCTOR_H
#define OCI_DOCTOR_H

#include "core/base/http.h"
#include "oci/endpoint.h"
#include "oci/trial.h"

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

#define DOCTOR_ENGINES 8

/* One engine with its default runtime; one that has gVisor (`runsc` or a name that begins so) is followed by
 * another for each, of the same url, with nothing but what was tried. */
struct doctor_engine {
    char url[256]; /* "" when there is none */
    char version[96];
    char runtime[41]; /* "" = the default */
    struct doctor_report report;
    struct trial trial;
};

const char *doctor_state_name(enum doctor_state state); /* "ok", "warn", "fail" */

/* For verbs: runs the loop until all is asked. `engine` as in sandbox.engine: the first of `ret` is the one
 * it means; with "auto" every other that is found in a usual place follows. Returns how many. Only lack of
 * memory is an error: an engine that cannot be reached is a row. */
int doctor_run(struct loop *loop, struct http *http, const char *engine,
               struct doctor_engine ret[DOCTOR_ENGINES], struct err *err);

/* Pure: what a row of the trial is to people: "enforced", "not available", or "unknown" when it was not
 * tried. */
const char *doctor_row_state(const struct trial *trial, size_t index);

/* Pure: rows from GET /info. `is_podman` changes what is said. */
struct tree;
void doctor_read_info(const struct tree *info, bool is_podman, struct doctor_report *ret);

#endif
