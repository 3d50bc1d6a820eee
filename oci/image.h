/* SPDX-License-Identifier: MIT */
/*
 * The image of a sandbox: found by name or id, pulled when asked for, and read (image_config.h). What the
 * engine has must be what was asked for: a name with a digest, or an id, is compared.
 */
#ifndef OCI_IMAGE_H
#define OCI_IMAGE_H

#include "core/sandbox/spec.h"
#include "oci/engine.h"
#include "oci/image_config.h"

struct image_query;

struct image_ops {
    void (*on_step)(void *data, const char *text); /* progress of a pull, for people; at most 4 a second */
    void (*on_done)(void *data, int result, const struct image *image, const struct err *err);
};

/* Find, or pull and find. `config_path`: docker's config.json with logins, may be NULL. on_done comes once,
 * from the loop; the image lives until image_query_free(), which before that cancels. */
int image_query_start(struct engine *engine, const char *name, enum sandbox_pull pull,
                      const char *config_path, const struct image_ops *ops, void *data,
                      struct image_query **ret, struct err *err);
void image_query_free(struct image_query *query); /* NULL is fine */

#endif
