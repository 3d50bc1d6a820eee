/* SPDX-License-Identifier: MIT */
/*
 * The description of an image, as the engine gives it (GET /images/NAME/json), read for what matters to a
 * sandbox. Its author is nobody we know: every text is bounded and may hold anything but NUL, so none is
 * shown but through cmd/term.h.
 *
 * Refused with ERR_POLICY, each with its reason:
 *   - a VOLUME that cannot be covered: not an absolute, tidy path; the root, a whole folder of the system, a
 *     tree of the kernel; more than IMAGE_VOLUMES_MAX; inside of our own mounts (image_check_volumes()). Each
 *     would be writable space of the host without a limit;
 *   - more than IMAGE_ENV_MAX variables, or one without a name, or with a NUL: it could not be taken out;
 *   - labels of more than IMAGE_LABELS_MAX bytes: the engine repeats them in every list of containers, and
 *     with enough of them nobody could read such a list any more.
 *
 * Which variables of an image stay? Those that say where things are and which version they have:
 * PATH, the locale, TZ, ..._VERSION, and the homes of languages (JAVA_HOME, GOPATH, ...). All others go: what
 * changes every program that is started (LD_PRELOAD, LD_LIBRARY_PATH, BASH_ENV, PYTHONPATH), proxies that
 * are not there, what looks like a secret (`docker commit` keeps a build's variables), and whatever nobody
 * has thought of. The manifest's workspace.environment names what else is wanted. Kept ones have at
 * most IMAGE_ENV_VALUE_MAX bytes of UTF-8 without control characters. HOME and TMPDIR are ours.
 */
#ifndef OCI_IMAGE_CONFIG_H
#define OCI_IMAGE_CONFIG_H

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/tree.h"
#include "oci/image_name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_VOLUMES_MAX   16
#define IMAGE_ENV_MAX       512
#define IMAGE_ENV_VALUE_MAX 4096
#define IMAGE_DIGESTS_MAX   64
#define IMAGE_LABELS_MAX    (256 * 1024)

struct image {
    const char *id;     /* "sha256:..." */
    const char *digest; /* "sha256:..." of the registry's manifest, "" for a local image; see image_pin() */
    const char *os, *arch, *variant;
    const char *env[IMAGE_ENV_MAX]; /* "NAME=value" */
    size_t env_count;
    const char *volumes[IMAGE_VOLUMES_MAX]; /* absolute, normalized, each once */
    size_t volume_count;
    const char *digests[IMAGE_DIGESTS_MAX]; /* "name@sha256:..." */
    size_t digest_count;
    int64_t size; /* bytes, 0 when unknown */
};

/* Pure. Strings in `arena`. ERR_PROTOCOL, ERR_POLICY. */
int image_decode(const struct tree *t, struct arena *arena, struct image *ret, struct err *err);

/* `digest` becomes that of the name it was asked for by. ERR_POLICY: the name pins a digest, or is an id, and
 * this is another image. */
int image_pin(struct image *image, const struct image_name *name, struct err *err);

/* VOLUMEs against what we mount ourselves: at our places they are covered, beneath the workspace (`root`) or
 * the folder of the guest they cannot be. ERR_POLICY. */
int image_check_volumes(const struct image *image, const char *root, const char *guest, struct err *err);

/* Whether a variable of an image is kept. `entry` is "NAME=value". */
bool image_keeps_env(const char *entry);

#endif
