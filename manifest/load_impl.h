/* SPDX-License-Identifier: MIT */
/* For load.c and load_fill.c only: a manifest on its way to a run. */
#ifndef MANIFEST_LOAD_IMPL_H
#define MANIFEST_LOAD_IMPL_H

#include "manifest/decode.h"
#include "manifest/host.h"
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

/* A host path as the manifest has it, whole. */
const char *load_absolute(struct loader *l, const char *path);
/* What a look at the host found wrong with the value at `at`; nothing when that is nothing. */
void load_report(struct loader *l, const struct tree *at, const char *path, struct host_problem problem);
void load_secret(struct loader *l, struct manifest_secret *secret);

struct secret_ref load_secret_ref(const struct manifest_secret *s);
/* Variables of commands: those given, then what the way out needs. False: no memory. */
bool load_fill_environment(struct loader *l, const struct manifest_pairs *from,
                           const struct manifest_network *network, struct sandbox_spec *ret);

/* What the run needs, from what the manifest says, all checked and with absolute paths: it cannot be wrong
 * any more. Strings stay where they are, arrays go to the arena. False: no memory. */
bool load_fill(struct loader *l);

#endif
