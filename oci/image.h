/* SPDX-License-Identifier: MIT */
/*
 * The image of a sandbox: found by name or id, pulled when asked for, and read for
 * what matters to the lock-down: its VOLUMEs (each would be a writable hole without
 * a limit) and its ENV.
 *
 * Which variables of an image stay? What an image needs to work does: PATH,
 * LANG, JAVA_HOME, PYTHONPATH and whatever else it invented. Removed are
 *   - LD_*, DYLD_*, GLIBC_TUNABLES and the like: they change every program that is started; but not
 *     LD_LIBRARY_PATH, by which some images find what is theirs,
 *   - BASH_ENV, ENV, PROMPT_COMMAND, PYTHONSTARTUP, ...: what shells and interpreters run before they do what
 *     they were told to,
 *   - the proxy variables: they name a way out that is not there,
 *   - names that look like secrets (..._KEY, ..._TOKEN, SECRET, PASSWORD, ...): `docker
 *     commit` keeps a build's variables, and a model has no business with them.
 * HOME and TMPDIR are ours.
 */
#ifndef OCI_IMAGE_H
#define OCI_IMAGE_H

#include "core/base/tree.h"
#include "core/sandbox/spec.h"
#include "oci/engine.h"

#define IMAGE_VOLUMES_MAX 16
#define IMAGE_ENV_MAX     512

struct image {
    const char *id;     /* "sha256:..." */
    const char *digest; /* "sha256:..." of the registry's manifest, "" for a local image */
    const char *os, *arch, *variant;
    const char *env[IMAGE_ENV_MAX]; /* "NAME=value" */
    size_t env_count;
    const char *volumes[IMAGE_VOLUMES_MAX]; /* absolute, normalized */
    size_t volume_count;
};

/* Pure: the answer of GET /images/NAME/json. Strings in `arena`. ERR_PROTOCOL; ERR_POLICY when the image
 * declares volumes that cannot be covered. */
int image_decode(const struct tree *t, struct arena *arena, struct image *ret, struct err *err);

/* Whether a variable of an image is kept. `entry` is "NAME=value" or "NAME". */
bool image_keeps_env(const char *entry);

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
