/* SPDX-License-Identifier: MIT */
/*
 * An image as a file, as `docker save` writes it: GET /images/ID/get into a private folder that is gone,
 * with the file, after image_export_free(). No more than `bytes_max` is ever written. What a killed process
 * left (nobody holds its lock any more) goes when the next one begins.
 */
#ifndef OCI_IMAGE_EXPORT_H
#define OCI_IMAGE_EXPORT_H

#include "oci/engine.h"

struct image_export;

/* Result 0: the file is complete, at image_export_path(). ERR_TOO_LARGE, ERR_IO, or the engine's. */
typedef void image_export_fn(void *data, int result, const struct err *err);

int image_export_start(struct engine *engine, const char *id, int64_t bytes_max, image_export_fn *fn,
                       void *data, struct image_export **ret, struct err *err);
const char *image_export_path(const struct image_export *x);
void image_export_free(struct image_export *x); /* NULL is fine; removes the file */

#endif
