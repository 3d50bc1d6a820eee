/* SPDX-License-Identifier: MIT */
/*
 * Readers of the kernel's text files as they look from inside a container:
 * /proc/self/{status,limits,mountinfo,net/dev,cgroup}. Pure, bounded by what they are
 * given, and strict: the text comes through the guest, so what cannot be read
 * counts as not found.
 */
#ifndef OCI_PROCFS_H
#define OCI_PROCFS_H

#include "core/base/span.h"

#include <stdint.h>

/* Cut the first line off *rest; false at the end. The line is without its newline. */
bool procfs_line(struct span *rest, struct span *ret);

/* Cut the next word (between blanks) off *line; false at the end. */
bool procfs_word(struct span *line, struct span *ret);

/* "Name:\tvalue" of status and meminfo: the value without blanks around it; {NULL, 0} when absent. */
struct span procfs_field(struct span text, const char *name);

/* A whole file that holds one word: "max\n" -> "max". {NULL, 0} when it is not one. */
struct span procfs_single(struct span text);

/* "Max open files   1024   4096   files": soft and hard; UINT64_MAX = unlimited. */
bool procfs_limit(struct span limits, const char *title, uint64_t *ret_soft, uint64_t *ret_hard);

struct procfs_mount {
    char point[512];     /* unescaped; "" when it was longer */
    struct span options; /* of the mount: "ro,nosuid" */
    struct span type;    /* "tmpfs" */
    struct span source;
    struct span super; /* of the file system: "rw,size=65536k" */
};

/* Next line of mountinfo; lines that are none are passed over. */
bool procfs_next_mount(struct span *rest, struct procfs_mount *ret);

/* What is mounted at `point` (the last one covers the others). */
bool procfs_mount_at(struct span mountinfo, const char *point, struct procfs_mount *ret);

/* Whether a comma-separated list holds `word`. */
bool procfs_has_option(struct span options, const char *word);

/* The number behind "name=" in a comma-separated list, with k, m or g; false when absent. */
bool procfs_size_option(struct span options, const char *name, uint64_t *ret);

#endif
