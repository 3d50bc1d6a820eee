/* SPDX-License-Identifier: MIT */
/*
 * What the manifest names on the host: is it there, is it what it should be, can
 * we read it, and can the user of the sandbox read what is mounted? Each check
 * returns NULL, or the words that say what is wrong (in `arena`), with a hint if
 * there is one. What is checked here can still change before it is used; whoever
 * uses it fails then with an error of its own.
 */
#ifndef MANIFEST_HOST_H
#define MANIFEST_HOST_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdint.h>

#define HOST_TEXT_MAX       (1024 * 1024)
#define HOST_ATTACHMENT_MAX (20 * 1024 * 1024)

struct host_problem {
    const char *message; /* NULL: fine */
    const char *hint;    /* NULL: none */
};

/* A readable regular file of at most `size_max` bytes (0: any size). */
struct host_problem host_check_file(const char *path, int64_t size_max, struct arena *arena);

/* A folder that can be listed. */
struct host_problem host_check_dir(const char *path, struct arena *arena);

/* Something that is bound read-only into the sandbox: not a folder of the kernel, not everything, and with
 * permission bits that let uid:gid read it. The folder itself and what is directly in it are looked at; who
 * may really read is decided by the kernel, but these bits are what is forgotten. */
struct host_problem host_check_mount(const char *path, int64_t uid, int64_t gid, struct arena *arena);

/* Something that is, or could be, beneath `folder` (absolute, links resolved) once all links are followed:
 * *ret_real. */
struct host_problem host_check_beneath(const char *path, const char *folder, struct arena *arena,
                                       const char **ret_real);

/* The text of a file: at most HOST_TEXT_MAX bytes, UTF-8, no NUL. */
struct host_problem host_read_text(const char *path, struct arena *arena, const char **ret);

/* A manifest's bytes, "-" is stdin. ERR_MANIFEST with a hint. `out` has the ceiling. */
int host_read_manifest(const char *path, struct buf *out, struct err *err);

/* The absolute folder of a file, links resolved; of "-" the working folder. NULL: it is gone, or no memory.
 */
const char *host_folder(const char *path, struct arena *arena);

#endif
