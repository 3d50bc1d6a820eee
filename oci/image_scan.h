/* SPDX-License-Identifier: MIT */
/*
 * May anything of this image run? A program of the host is asked, once for each image and command, and its
 * answer holds for some time (scan_verdict.h). Exit status 0 accepts, any other refuses; one that could
 * not be started (or the shell's 126 and 127), was ended by a signal, or did not end in time gave no answer:
 * then nothing is kept, and nothing runs either.
 *
 * The scanner gets the image by one of the places of scan_command.h. When that is a name that can be given to
 * another image, it is looked up again afterwards: the answer must be about the image that will run.
 *
 * It runs with our environment but for what is hidden from it, in `dir`, under `timeout_ms`; DOCKER_HOST is
 * the engine that has the image, unless that is one behind another transport.
 */
#ifndef OCI_IMAGE_SCAN_H
#define OCI_IMAGE_SCAN_H

#include "core/sandbox/sandbox.h"
#include "core/sandbox/spec.h"
#include "oci/engine.h"
#include "oci/image_config.h"
#include "oci/scan_verdict.h"

struct image_scan_request {
    const struct sandbox_scan *scan;
    const struct image *image;
    const char *name;   /* of the image, as it was asked for */
    const char *folder; /* of answers; NULL: none are kept */
    bool is_fresh;      /* an answer that there is does not count */
};

struct image_scan_ops {
    void (*on_step)(void *data, const char *text); /* may be NULL */
    /* Once, from the loop. `scanned` is NULL when it did not come to that; err is set unless accepted:
     * ERR_POLICY when the scanner refused or gave no answer. Both valid during the call. */
    void (*on_done)(void *data, int result, const struct sandbox_scanned *scanned, const struct err *err);
};

struct image_scan;

/* What `req` points to must outlive the scan, `req` itself need not. */
int image_scan_start(struct engine *engine, const struct image_scan_request *req,
                     const struct image_scan_ops *ops, void *data, struct image_scan **ret, struct err *err);
void image_scan_free(struct image_scan *scan); /* ends it; NULL is fine */

#endif
