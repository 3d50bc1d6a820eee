/* SPDX-License-Identifier: MIT */
/*
 * What sets container engines apart, in one table. Code elsewhere asks for a property,
 * never for a name.
 *
 * Podman speaks Docker's API, and there drops in silence what it does not know: runtime,
 * masked and read-only paths, the cgroup namespace, and as an ordinary user every limit of a
 * process; it adds writable /run and /var/tmp; of tmpfs it takes neither owner nor number of
 * inodes; a seccomp profile is a path for it. So containers are made through its own API
 * (libpod.h), which knows all but the runtime, and each tmpfs is a volume of the local
 * driver (spaces.h). A container that lost its client is closed for ever, since its conmon shuts
 * the container's input then; a run goes on in a new one. What is missing even then is found by verification,
 * like everywhere.
 */
#ifndef OCI_ENGINE_KIND_H
#define OCI_ENGINE_KIND_H

#include <stdbool.h>

struct engine_kind {
    const char *name;             /* for people */
    const char *containers;       /* the path of making and describing one: "/containers" */
    const char *cgroup_member;    /* of HostConfig in its description */
    const char *const *ipc_modes; /* of the same, for a namespace that is not the host's; NULL-terminated */
    const char *const *files;     /* what it mounts by itself, read-only or not; NULL-terminated */
    bool is_libpod;               /* create takes libpod's request instead of Docker's */
    bool tmpfs_is_volume;
    bool seccomp_is_path;       /* a profile is named by its path on the engine's machine */
    bool tells_masks;           /* its description lists what is masked and read-only */
    bool tells_mounts_as_binds; /* Binds repeats what Mounts has */
    bool has_size_in_o;         /* of a volume: a size that is an option of its own is dropped in silence */
    bool closes_stdin;          /* when the client goes: nobody can speak to the guest any more */
    bool fixes_runtime;         /* one runtime, chosen when it was started */
};

extern const struct engine_kind engine_kind_docker, engine_kind_podman;

#endif
