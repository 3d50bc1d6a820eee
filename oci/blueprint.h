/* SPDX-License-Identifier: MIT */
/*
 * From a spec to everything that a Docker sandbox is asked to be: names, labels,
 * seccomp profile, the guest's command line, the lock-down over them. Needs no
 * engine. What is decided by the image is added when it is known.
 *
 * Labels of every container and workspace volume:
 *   agentbox.run, agentbox.attempt, agentbox.name   which run
 *   agentbox.part       which of its further sandboxes; "": the agent's own
 *   agentbox.owner      the process it belongs to (owner.h)
 *   agentbox.deadline   seconds since the epoch after which anybody may remove it; 0: never
 *   agentbox.policy.sha256, agentbox.version
 */
#ifndef OCI_BLUEPRINT_H
#define OCI_BLUEPRINT_H

#include "oci/lockdown.h"

#define BLUEPRINT_LABELS  8
#define GUEST_VOLUME_NAME 96

/* Who a sandbox is for. Copied. */
struct docker_identity {
    const char *run_id;  /* [a-z0-9][a-z0-9-]*, at most 64 */
    const char *name;    /* of the manifest */
    const char *version; /* of this program */
    int attempt;         /* from 1 */
    int64_t deadline_s;  /* seconds since the epoch; 0 = none */
    const char *part;    /* of the run, as run_id; NULL: the agent's sandbox itself */
    const char *scans;   /* folder of the answers of scanners (scan_verdict.h); NULL: none are kept */
};

/* The guest's program, embedded into ours. */
struct docker_guest {
    int (*read)(struct buf *out, struct err *err); /* add the program's bytes, as guest_image() does */
    const char *digest;                            /* 64 hex digits */
    const char *arch;                              /* "amd64", "arm64" */
};

/* The one this program carries (core/sandbox/guest_image.h). */
struct docker_guest docker_guest_carried(void);

struct blueprint {
    struct arena arena;
    const struct sandbox_spec *spec;
    struct docker_guest guest;
    struct lockdown lockdown;
    struct lockdown_label labels[BLUEPRINT_LABELS];
    size_t label_count;
    const char *part; /* "": the agent's own */
    const char *container_name;
    const char *workspace_volume; /* NULL: memory */
    char guest_volume[GUEST_VOLUME_NAME];
    char seccomp_file[40]; /* in the guest's volume, where the engine takes no profile but by its path */
    char seccomp_path[600];
    int attempt_number;
    char policy[65];
    char deadline[24], attempt[16], owner[256], orphan[24];
    const char *argv[12];
};

/* `spec` and `guest` are borrowed for the blueprint's life. ERR_POLICY, ERR_INVALID, ... with hints. */
int blueprint_init(struct blueprint *b, const struct sandbox_spec *spec, const struct docker_identity *id,
                   const struct docker_guest *guest, struct err *err);
void blueprint_done(struct blueprint *b);

/* What is known once the engine has answered. */
void blueprint_set_kind(struct blueprint *b, const struct engine_kind *kind);
/* Where the guest's volume is on the engine's machine. ERR_PROTOCOL when that can be no path. */
int blueprint_set_mountpoint(struct blueprint *b, const char *mountpoint, struct err *err);

/* Volumes of the sandbox's own, to be removed with it; false past the end. */
#define BLUEPRINT_VOLUME 192
bool blueprint_volume_at(const struct blueprint *b, size_t index, char ret[BLUEPRINT_VOLUME]);

/* `image` is borrowed; its os and architecture must be the guest's. */
int blueprint_set_image(struct blueprint *b, const struct image *image, struct err *err);

/* Mounts against the disk of this machine and the engine they are for. */
int blueprint_check_mounts(const struct blueprint *b, const struct endpoint *at, struct err *err);

/* Whether a container (its inspect) is of the same attempt of the same run, by its labels. */
bool blueprint_is_ours(const struct blueprint *b, const struct tree *inspect);

/* Whether a running container (its inspect) with the id `id` can be ours again. ERR_NOT_FOUND: it does not
 * run; ERR_CONFLICT: another run's, attempt's, guest's or image's; ERR_ENGINE: the engine does not describe
 * it. */
int blueprint_check_left(const struct blueprint *b, const struct tree *inspect, const char *id,
                         struct err *err);

/* After that: take over the labels that say who made it and until when, which cannot be changed any more. */
int blueprint_adopt(struct blueprint *b, const struct tree *inspect, struct err *err);

/* {"image","container","guest_volume","rows":[...],"request":{...}} */
int blueprint_write(const struct blueprint *b, struct json_writer *w, struct err *err);

#endif
