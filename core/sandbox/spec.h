/* SPDX-License-Identifier: MIT */
/*
 * What a sandbox shall be: the `sandbox`, `workspace` and `network` parts of a
 * manifest, decoded. Plain data; strings live in the arena of the run's spec.
 */
#ifndef SANDBOX_SPEC_H
#define SANDBOX_SPEC_H

#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sandbox_pull { SANDBOX_PULL_NEVER, SANDBOX_PULL_MISSING, SANDBOX_PULL_ALWAYS };
enum sandbox_keep { SANDBOX_KEEP_NEVER, SANDBOX_KEEP_ON_FAILURE, SANDBOX_KEEP_ALWAYS };
enum sandbox_storage { SANDBOX_STORAGE_MEMORY, SANDBOX_STORAGE_VOLUME };

/* One variable of the commands' environment; plain values only. */
struct sandbox_env {
    const char *name;
    const char *value;
};

/* A host folder or file bound read-only into the workspace (`mount: true`). */
struct sandbox_mount {
    const char *source; /* absolute host path */
    const char *target; /* absolute path in the container */
};

/* A program of the host that must accept the image before anything of it runs. */
struct sandbox_scan {
    const char *const *command; /* NULL-terminated, with places such as {image} still in it; NULL: no scan */
    const char *dir;            /* absolute: where it runs; NULL: where we are */
    int64_t max_age_ms;         /* so long its answer holds */
    int64_t timeout_ms;
    int64_t archive_bytes; /* the exported image may be so large */
    const char *const
        *hidden; /* variables of our environment that it does not get: NULL-terminated; may be NULL */
};

/* Where the guest listens for connections that want out, once it is asked to; rarely used by anything else
 * that an agent starts. And so many it can carry at once. */
#define SANDBOX_PROXY_PORT      3128
#define SANDBOX_PROXY_URL       "http://127.0.0.1:3128"
#define SANDBOX_CONNECTIONS_MAX 1000

/* Where the certificate of a run's own authority lies, alone and behind those that the harness trusts. A
 * hidden folder, so that who tidies up /tmp leaves it there. */
#define SANDBOX_TRUST_CA     "ca.pem"
#define SANDBOX_TRUST_BUNDLE "bundle.pem"
#define SANDBOX_TRUST_DIR    FRAME_TRUST_DIR

#define SANDBOX_SIDE_ROOT    "/workspace" /* of sandboxes beside the agent's */

struct sandbox_spec {
    const char *image; /* name, name:tag, name@sha256:..., or an image id */
    enum sandbox_pull pull;
    const char *engine;   /* "auto" or a URL */
    int64_t uid, gid;     /* `user`, "uid:gid" */
    int64_t memory_bytes; /* for processes; tmpfs sizes are added to it */
    int64_t nano_cpus;
    int64_t pids;
    int64_t tmp_bytes;
    const char *runtime;      /* "default" or a name the engine knows */
    const char *seccomp;      /* "strict", "default", or an absolute path */
    const char *const *lower; /* rows of the lock-down table given up, by name */
    size_t lower_count;
    enum sandbox_keep keep;
    struct sandbox_scan scan;

    const char *root; /* workspace folder in the container, absolute */
    enum sandbox_storage storage;
    int64_t size_bytes; /* of the workspace */
    const struct sandbox_env *env;
    size_t env_count;
    const struct sandbox_mount *mounts;
    size_t mount_count;

    int64_t orphan_ms; /* the guest ends the container when no harness has spoken for this long */
};

/* What no key of the manifest sets. */
enum {
    SANDBOX_SHM_BYTES = 16 * 1024 * 1024, /* of /dev/shm */
    SANDBOX_OPEN_FILES = 1024,            /* of one process; it may raise that itself ... */
    SANDBOX_OPEN_FILES_MAX = 4096,        /* ... to this */
};

/* Bytes of one file: as large as the largest place it can be in. */
static inline int64_t sandbox_file_max(const struct sandbox_spec *spec)
{
    int64_t bytes = spec->size_bytes > spec->tmp_bytes ? spec->size_bytes : spec->tmp_bytes;

    return bytes > SANDBOX_SHM_BYTES ? bytes : SANDBOX_SHM_BYTES;
}

#endif
