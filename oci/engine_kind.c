/* SPDX-License-Identifier: MIT */
/* What sets container engines apart. */
#include "oci/engine_kind.h"

#include <stddef.h>

static const char *const docker_ipc[] = { "none", NULL };
static const char *const docker_files[] = { "/etc/resolv.conf", "/etc/hostname", "/etc/hosts", NULL };

const struct engine_kind engine_kind_docker = {
    .name = "Docker Engine",
    .containers = "/containers",
    .cgroup_member = "CgroupnsMode",
    .ipc_modes = docker_ipc,
    .files = docker_files,
    .tells_masks = true,
};

/* 'shareable': its own, that a later container could be started into; 4.3 says so of 'none' as well. */
static const char *const podman_ipc[] = { "none", "private", "shareable", NULL };

/* passwd and group: of a user that the image does not know. */
static const char *const podman_files[] = {
    "/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/group", "/run/.containerenv", NULL
};

const struct engine_kind engine_kind_podman = {
    .name = "Podman",
    .containers = "/libpod/containers",
    .cgroup_member = "CgroupMode",
    .ipc_modes = podman_ipc,
    .files = podman_files,
    .is_libpod = true,
    .tmpfs_is_volume = true,
    .seccomp_is_path = true,
    .tells_mounts_as_binds = true,
    .has_size_in_o = true,
    .closes_stdin = true,
    .fixes_runtime = true,
};
