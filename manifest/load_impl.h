/* SPDX-License-Identifier: MIT */
/* For load.c and load_fill.c only: a manifest on its way to a run. */
#ifndef MANIFEST_LOAD_IMPL_H
#define MANIFEST_LOAD_IMPL_H

#include "manifest/decode.h"
#include "manifest/load.h"

struct loader {
    const struct manifest_options *opt;
    struct diags *diags;
    struct run_spec *spec;
    struct arena *arena; /* the spec's */
    const char *folder;  /* of the manifest, absolute */
    const char *const *env;
    struct decoded dec;
    struct manifest *m; /* of dec */
};

/* What the run needs, from what the manifest says, all checked and with absolute paths: it cannot be wrong
 * any more. Strings stay where they are, arrays go to the arena. False: no memory. */
bool load_fill(struct loader *l);

#endif
