/* SPDX-License-Identifier: MIT */
/*
 * The lock-down: one table (lockdown_table.c), three uses. Each row writes its part
 * of the create request, says in one line what it asks for, and verifies that the
 * running container is so: against what the engine says (inspect) *and* against
 * what the kernel says inside (files of /proc and /sys/fs/cgroup, read by the guest).
 * An engine that ignores a setting in silence (Podman ignores several) is found out
 * by this and by nothing else.
 *
 *     struct lockdown l = { .spec = ..., ... };
 *     lockdown_prepare(&l, err)           // sandbox.lower, what may not be asked for
 *     lockdown_write(&l, &body, err)      // the create request
 *     lockdown_ask(&l, rows)              // for plan, journal, report
 *     lockdown_verify(&l, &evidence, rows, err)   // -ERR_POLICY on any difference
 *
 * Everything here is pure. A row that is lowered is not asked for (but for those
 * that merely allow more then, and for limits under a runtime that was asked for by name, which may keep them
 * without showing it) and not verified. Rows that keep the host itself safe cannot be lowered.
 *
 * Under gVisor a part of this is seen in another way, see lockdown_gvisor.h.
 *
 * Memory: the limit is the processes' budget plus the size of every tmpfs, since
 * their pages are charged to the container; a tmpfs larger than the limit would
 * get the container killed when it is filled.
 *
 * The workspace. `storage: memory` is a tmpfs with a size. `storage: volume` is a
 * named volume of the local driver with its `size` option: a quota of the file
 * system below, which needs xfs with project quotas. Other engines refuse to create
 * such a volume, and so do we, because a plain volume lets a program fill the host's
 * disk; `lower: [workspace]` takes a plain one.
 */
#ifndef OCI_LOCKDOWN_H
#define OCI_LOCKDOWN_H

#include "core/base/json.h"
#include "core/sandbox/sandbox.h"
#include "core/sandbox/spec.h"
#include "oci/engine_kind.h"
#include "oci/image.h"

#define LOCKDOWN_ROWS      32 /* room in arrays; lockdown_row_count() says how many there are */
#define LOCKDOWN_GUEST_DIR "/.agentbox"
#define LOCKDOWN_GUEST     LOCKDOWN_GUEST_DIR "/guest"
#define LOCKDOWN_HOSTNAME  "sandbox"
#define LOCKDOWN_BODY_MAX  (1024 * 1024)

/* Segments of System V shared memory end with the last process that has them. */
#define LOCKDOWN_SYSCTL "kernel.shm_rmid_forced"

/* In one place, whatever its size: as many as a checkpoint can hold (guest/scan.h), and their inodes are the
 * kernel's memory. Without it a command could make a workspace that cannot be kept any more. */
#define LOCKDOWN_INODES_MAX  250000

#define LOCKDOWN_SHM_BYTES   ((int64_t) SANDBOX_SHM_BYTES)
#define LOCKDOWN_COVER_BYTES (16 * 1024 * 1024) /* each VOLUME of the image */

struct lockdown_label {
    const char *name;
    const char *value;
};

struct lockdown {
    const struct sandbox_spec *spec;
    const struct engine_kind *kind; /* of the engine it is for */
    const struct image *image;      /* NULL: not known (plan without an engine) */
    const char *image_ref;          /* what the request names: the id, or the name while it is not known */
    const char *const *guest_argv;  /* NULL-terminated; the program is LOCKDOWN_GUEST */
    const char *guest_volume;       /* mounted read-only at LOCKDOWN_GUEST_DIR */
    const char *workspace_volume;   /* `storage: volume` only */
    const char *seccomp;            /* the profile's JSON; NULL: the engine's default */
    const char *seccomp_path;       /* of the same on the engine's machine, where the kind asks for it */
    const char *container_name;
    const struct lockdown_label *labels;
    size_t label_count;
    bool leaves_shm;  /* LOCKDOWN_SYSCTL is not asked for: this engine may not set it */
    uint64_t lowered; /* bit = row index; set by lockdown_prepare() */
};

/* Files inside that rows look at. */
enum lockdown_file {
    LOCKDOWN_STATUS,
    LOCKDOWN_MOUNTS,
    LOCKDOWN_LIMITS,
    LOCKDOWN_NET,
    LOCKDOWN_CGROUP,
    LOCKDOWN_UID_MAP,
    LOCKDOWN_APPARMOR,
    LOCKDOWN_HOSTNAME_FILE,
    LOCKDOWN_OOM,
    LOCKDOWN_MEMINFO,
    LOCKDOWN_SHM_RMID,
    LOCKDOWN_CALLS,  /* no file: what the guest's own calls are answered, see guest/calls.h */
    LOCKDOWN_KERNEL, /* nor this, see guest/kernel.h; looked at when a runtime was asked for */
    LOCKDOWN_V1_MEMORY,
    LOCKDOWN_V1_MEMSW,
    LOCKDOWN_V1_PIDS,
    LOCKDOWN_V1_QUOTA,
    LOCKDOWN_V1_PERIOD,
    LOCKDOWN_V1_DEVICES,
    LOCKDOWN_V2_MEMORY,
    LOCKDOWN_V2_SWAP,
    LOCKDOWN_V2_PIDS,
    LOCKDOWN_V2_CPU,
    LOCKDOWN_FILES
};

extern const char *const lockdown_paths[LOCKDOWN_FILES];

struct lockdown_evidence {
    const struct tree *inspect;        /* GET /containers/ID/json */
    struct span files[LOCKDOWN_FILES]; /* ptr NULL: not there */
    const char *exposed;               /* a masked path that is there and not covered; NULL: none */
    uint64_t workspace_bytes;          /* size of the file system there, told by the guest; 0 = unknown */
};

size_t lockdown_row_count(void);
bool lockdown_is_runtime_asked(const struct lockdown *l); /* by name */
bool lockdown_is_strict(const struct lockdown *l);        /* the profile is ours */
bool lockdown_is_lowered(const struct lockdown *l, const char *row);
const char *lockdown_row_name(size_t index);     /* NULL past the end */
const char *lockdown_row_evidence(size_t index); /* where its verification looks */
const char *lockdown_row_probe(size_t index);    /* its probe in the live tests */

/* Read spec->lower, and refuse what no row lets pass: root without `user` lowered, mounts that are the
 * engine's or the kernel's own (paths as given; mount_check() looks at the disk). ERR_POLICY with a hint. */
int lockdown_prepare(struct lockdown *l, struct err *err);

/* The body of POST /containers/create. */
int lockdown_write(const struct lockdown *l, struct buf *out, struct err *err);

/* state ASKED or LOWERED, `asked` filled. */
void lockdown_ask(const struct lockdown *l, struct sandbox_row rows[LOCKDOWN_ROWS]);

/* Fill `found` and the states. ERR_POLICY names the first row that differs. */
int lockdown_verify(const struct lockdown *l, const struct lockdown_evidence *e,
                    struct sandbox_row rows[LOCKDOWN_ROWS], struct err *err);

/* Masked paths that nothing covers according to mountinfo: to be asked for by name, since they may simply not
 * exist on this kernel. Returns how many; at most `max` are stored. */
size_t lockdown_uncovered(const struct lockdown *l, struct span mountinfo, const char **ret, size_t max);

/* SHA-256 in hex of everything asked for: the label agentbox.policy.sha256. `ret` holds 65 bytes. */
int lockdown_digest(const struct lockdown *l, char *ret, struct err *err);

/* Bytes: the memory limit of the container. */
int64_t lockdown_memory(const struct lockdown *l);

#endif
