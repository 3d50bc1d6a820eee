/* SPDX-License-Identifier: MIT */
/*
 * What an engine really enforces: a sandbox with nothing given up is made, verified and
 * removed again. Of its image nothing runs, so any that is there will do; only our guest does.
 * What an engine says about itself is no help here: Podman of an ordinary user claims every
 * limit and keeps none on cgroup v1.
 */
#ifndef OCI_TRIAL_H
#define OCI_TRIAL_H

#include "core/base/http.h"
#include "core/sandbox/sandbox.h"
#include "oci/lockdown.h"

struct trial {
    bool is_tried;   /* the rows were verified, whatever came out */
    int result;      /* 0: all are enforced; else why not, or why it could not be tried */
    struct err err;  /* of it */
    char image[128]; /* that it was tried with, "" when there is none */
    struct sandbox_row rows[LOCKDOWN_ROWS];
};

/* For verbs: runs the loop until it is removed. `engine` and `runtime` as in sandbox.engine and
 * sandbox.runtime; `image` is there. Only lack of memory and being interrupted are errors. */
int trial_run(struct loop *loop, struct http *http, const char *engine, const char *runtime,
              const char *image, struct trial *ret, struct err *err);

/* Pure: an image of GET /images/json that may be tried with, "" when there is none. */
void trial_pick_image(const struct tree *images, char ret[128]);

#endif
