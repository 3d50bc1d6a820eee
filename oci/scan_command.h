/* SPDX-License-Identifier: MIT */
/*
 * The command line of a scanner. Pure. Places in its words that are filled in:
 *
 *     {image}    how the scanner finds the very image that will run: name@digest when it came from a
 *                registry, else as the manifest names it
 *     {id}       the image's id, sha256:...
 *     {digest}   its digest in the registry; the id when it never was in one
 *     {archive}  a file with the exported image, as `docker save` writes it
 */
#ifndef OCI_SCAN_COMMAND_H
#define OCI_SCAN_COMMAND_H

#include "core/base/arena.h"
#include "core/base/err.h"
#include "oci/image_config.h"

#define SCAN_WORDS_MAX 256
#define SCAN_KEY       65 /* 64 hex digits and NUL */

bool scan_command_uses(const char *const *command, const char *place); /* "{archive}" */

/* {image}. NULL: no memory. */
const char *scan_command_image(const struct image *image, const char *name, struct arena *arena);

/* What is run, NULL-terminated, in `arena`. `archive` may be NULL when the command does not use it.
 * ERR_TOO_LARGE. */
int scan_command_fill(const char *const *command, const struct image *image, const char *name,
                      const char *archive, struct arena *arena, const char *const **ret, struct err *err);

/* The environment for it: `env` without the variables named in `hidden` (NULL: none), without others of the
 * same value, and with DOCKER_HOST=`host` (NULL: as it is). NULL: no memory. */
const char *const *scan_command_env(const char *const *env, const char *const *hidden, const char *host,
                                    struct arena *arena);

/* Whose answer it is: of this command, run there, about this image. */
int scan_command_key(const char *const *command, const char *dir, const char *image_id, char ret[SCAN_KEY],
                     struct err *err);

#endif
