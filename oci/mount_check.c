/* SPDX-License-Identifier: MIT */
/* What of the host may be shown to a sandbox. */
#include "oci/mount_check.h"

#include "core/base/cleanup.h"
#include "core/base/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ENTRIES_MAX 2000

/* Whether `path` is `folder` or lies in it. */
static bool is_in(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    if (len == 1) /* "/" */
        return true;
    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

const char *mount_refusal(const char *path, const char *socket)
{
    static const char *const kernel[] = { "/proc", "/sys", "/dev", NULL };
    static const char *const engines[] = { "/var/lib/docker", "/var/lib/containerd", "/var/lib/containers",
                                           NULL };

    if (strcmp(path, "/") == 0)
        return "it is the whole host";
    if (strcmp(path, "/etc") == 0)
        return "it holds the host's settings and password hashes";
    for (size_t i = 0; kernel[i]; i++)
        if (is_in(path, kernel[i]))
            return "it is the kernel's";
    for (size_t i = 0; engines[i]; i++)
        if (is_in(path, engines[i]) || is_in(engines[i], path))
            return "it holds an engine's data";
    if (socket && is_in(socket, path))
        return "it holds the engine's socket, and who can speak to that owns the host";
    for (size_t i = 0; endpoint_known_sockets[i]; i++)
        if (is_in(endpoint_known_sockets[i], path))
            return "it holds the engine's socket, and who can speak to that owns the host";
    return NULL;
}

static bool can_read(const struct stat *st, int64_t uid, int64_t gid)
{
    unsigned bits = st->st_mode & 07;

    if (uid == 0)
        return true;
    if (st->st_uid == (uid_t) uid)
        bits = st->st_mode >> 6 & 07;
    else if (st->st_gid == (gid_t) gid)
        bits = st->st_mode >> 3 & 07;
    return (bits & 4) && (!S_ISDIR(st->st_mode) || (bits & 1));
}

static int unreadable(const char *folder, const char *path, int64_t uid, int64_t gid, struct err *err)
{
    err_set(err, ERR_POLICY, "'%s%s%s' cannot be read by user %lld:%lld of the sandbox", folder,
            *path ? "/" : "", path, (long long) uid, (long long) gid);
    return err_hint(err,
                    "chmod o+rX it, set sandbox.user to its owner, or say mount: false to have it copied");
}

static int check_tree(const char *path, int64_t uid, int64_t gid, struct err *err)
{
    CLEANUP(fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct walk *walk = NULL;
    struct walk_entry entry;
    int r;

    if (fd < 0)
        return err_errno(err, ERR_IO, "opening '%s'", path);
    r = walk_new(fd, &walk, err);
    for (int n = 0; r >= 0 && n < ENTRIES_MAX; n++) {
        r = walk_next(walk, &entry, err);
        if (r <= 0)
            break;
        if (S_ISLNK(entry.st.st_mode))
            continue;
        if (!can_read(&entry.st, uid, gid))
            r = unreadable(path, entry.path, uid, gid, err);
    }
    walk_free(walk);
    return r < 0 ? r : 0;
}

/* The engine's socket as the kernel knows it, links resolved. */
static const char *real_socket(const struct endpoint *at, char ret[PATH_MAX])
{
    if (!at || !at->unix_path)
        return NULL;
    return realpath(at->unix_path, ret) ? ret : at->unix_path;
}

static int refuse(const char *source, const char *why, struct err *err)
{
    return err_set(err, ERR_POLICY, "'%s' cannot be mounted into a sandbox: %s", source, why);
}

int mount_check(const struct sandbox_mount *mount, int64_t uid, int64_t gid, const struct endpoint *at,
                struct err *err)
{
    char real[PATH_MAX], socket[PATH_MAX];
    struct stat st;
    const char *why;

    if (at && !at->is_local) {
        err_set(err, ERR_ENGINE, "'%s' cannot be mounted: the engine at %s runs on another host",
                mount->source, at->url);
        return err_hint(err, "say mount: false to have it copied");
    }
    if (!realpath(mount->source, real) || stat(real, &st) < 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "mounting '%s'", mount->source);
    why = mount_refusal(real, real_socket(at, socket));
    if (!why)
        why = mount_refusal(mount->source, at ? at->unix_path : NULL);
    if (why)
        return refuse(mount->source, why, err);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return refuse(mount->source, "it is neither a file nor a folder", err);
    if (!can_read(&st, uid, gid))
        return unreadable(mount->source, "", uid, gid, err);
    return S_ISDIR(st.st_mode) ? check_tree(real, uid, gid, err) : 0;
}
