/* SPDX-License-Identifier: MIT */
/*
 * Puts an archive into a named volume of an engine: make the volume, make a helper
 * container that has it mounted and is never started, PUT the archive, remove the
 * helper. A volume that exists already is used as it is.
 */
#ifndef OCI_VOLUME_FILL_H
#define OCI_VOLUME_FILL_H

#include "oci/engine.h"
#include "oci/lockdown.h"

struct volume_fill;

typedef void volume_fill_fn(void *data, int result, const struct err *err);

struct volume_fill_request {
    const char *volume; /* its name */
    int64_t size_bytes; /* a limit, where the engine can set one (else it refuses); 0 = none */
    const struct lockdown_label *volume_labels;
    size_t volume_label_count;
    const char *image;                   /* of the helper: any that is there, it never starts */
    const struct lockdown_label *labels; /* of the helper, so that gc finds it */
    size_t label_count;
    const char *target;  /* where the helper has the volume */
    const char *put_at;  /* where the archive is unpacked */
    struct span archive; /* tar */
};

/* What `req` points to is copied. `fn` comes once, from the loop. */
int volume_fill_start(struct engine *engine, const struct volume_fill_request *req, volume_fill_fn *fn,
                      void *data, struct volume_fill **ret, struct err *err);
/* Where the volume is on the engine's machine, as it said; "" when it did not. */
const char *volume_fill_mountpoint(const struct volume_fill *fill);
void volume_fill_free(struct volume_fill *fill); /* NULL is fine; a helper that exists then is left to gc */

#endif
