/* SPDX-License-Identifier: MIT */
/* Looking at files of the host. */
#include "manifest/host.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/utf8.h"
#include "manifest/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Entries of a mounted folder that are looked at. */
#define LOOK_MAX 1000

static struct host_problem fine(void)
{
    return (struct host_problem){ NULL, NULL };
}

static struct host_problem wrong(const char *message, const char *hint)
{
    return (struct host_problem){ message ? message : "no memory", hint };
}

static struct host_problem from_errno(const char *path, struct arena *arena)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return wrong(arena_printf(arena, "there is no '%s'", path), NULL);
    return wrong(arena_printf(arena, "cannot read '%s': %s", path, strerror(errno)), NULL);
}

struct host_problem host_check_file(const char *path, int64_t size_max, struct arena *arena)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return from_errno(path, arena);
    if (!S_ISREG(st.st_mode))
        return wrong(arena_printf(arena, "'%s' is not a file", path), NULL);
    if (access(path, R_OK) < 0)
        return from_errno(path, arena);
    if (size_max > 0 && st.st_size > size_max)
        return wrong(arena_printf(arena, "'%s' is larger than %lld MiB", path, (long long) size_max >> 20),
                     NULL);
    return fine();
}

struct host_problem host_check_dir(const char *path, struct arena *arena)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return from_errno(path, arena);
    if (!S_ISDIR(st.st_mode))
        return wrong(arena_printf(arena, "'%s' is not a folder", path), NULL);
    if (access(path, R_OK | X_OK) < 0)
        return from_errno(path, arena);
    return fine();
}

/* As the kernel picks the class: owner, else group, else others. */
static bool may(const struct stat *st, int64_t uid, int64_t gid, unsigned bits)
{
    unsigned shift = st->st_uid == (uid_t) uid ? 6 : st->st_gid == (gid_t) gid ? 3 : 0;

    return uid == 0 || ((st->st_mode >> shift) & bits) == bits;
}

static struct host_problem unreadable(const char *path, bool is_dir, int64_t uid, int64_t gid,
                                      struct arena *arena)
{
    return wrong(arena_printf(arena, "user %lld:%lld of the sandbox cannot read '%s'", (long long) uid,
                              (long long) gid, path),
                 arena_printf(arena, "chmod %s it, take another sandbox.user, or copy it: mount: false",
                              is_dir ? "o+rx" : "o+r"));
}

static struct host_problem check_direct(const char *path, int64_t uid, int64_t gid, struct arena *arena)
{
    DIR *dir = opendir(path);
    struct host_problem problem = fine();
    struct dirent *entry;

    if (!dir)
        return from_errno(path, arena);
    for (int seen = 0; !problem.message && seen < LOOK_MAX && (entry = readdir(dir)) != NULL; seen++) {
        struct stat st;
        bool is_dir;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        is_dir = S_ISDIR(st.st_mode);
        if ((is_dir || S_ISREG(st.st_mode)) && !may(&st, uid, gid, is_dir ? 5 : 4))
            problem = unreadable(arena_printf(arena, "%s/%s", path, entry->d_name), is_dir, uid, gid, arena);
    }
    (void) closedir(dir); /* only read */
    return problem;
}

struct host_problem host_check_mount(const char *path, int64_t uid, int64_t gid, struct arena *arena)
{
    static const char *const never[] = { "/proc", "/sys", "/dev", "/run", "/var/run" };
    char *real = realpath(path, NULL);
    const char *resolved = real ? arena_text(arena, real) : NULL;
    struct stat st;

    free(real);
    if (!resolved || stat(resolved, &st) < 0)
        return from_errno(path, arena);
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (strcmp(resolved, "/") == 0 || path_is_beneath(resolved, never[i]))
            return wrong(arena_printf(arena, "'%s' of the host is never mounted", resolved), NULL);
    if (!may(&st, uid, gid, S_ISDIR(st.st_mode) ? 5 : 4))
        return unreadable(path, S_ISDIR(st.st_mode), uid, gid, arena);
    return S_ISDIR(st.st_mode) ? check_direct(path, uid, gid, arena) : fine();
}

/* `path` with all links followed, as far as it is there; what is not must be plain names. NULL: a link that
 * leads nowhere, it cannot be looked at, or no memory. */
static const char *real_path(const char *path, struct arena *arena)
{
    char *head = arena_text(arena, path), *real = NULL;
    const char *whole;
    struct stat st;

    while (head && !(real = realpath(*head ? head : "/", NULL))) {
        char *slash = strrchr(head, '/');

        if ((errno != ENOENT && errno != ENOTDIR) || !slash || lstat(head, &st) == 0 ||
            strcmp(slash, "/..") == 0)
            return NULL;
        *slash = '\0';
    }
    whole = real ? arena_printf(arena, "%s%s", real, path + strlen(head)) : NULL;
    free(real);
    return whole;
}

struct host_problem host_check_beneath(const char *path, const char *folder, struct arena *arena,
                                       const char **ret_real)
{
    static const char hint[] = "an untrusted manifest stays in its folder";
    const char *real = real_path(path, arena);

    if (!real)
        return wrong(arena_printf(arena, "nobody can tell where '%s' leads", path), hint);
    *ret_real = real;
    if (path_is_beneath(real, folder))
        return fine();
    if (strcmp(real, path) == 0)
        return wrong(arena_printf(arena, "'%s' is outside of the manifest's folder", path), hint);
    return wrong(arena_printf(arena, "'%s' leads out of the manifest's folder, to '%s'", path, real), hint);
}

struct host_problem host_read_text(const char *path, struct arena *arena, const char **ret)
{
    struct buf text = BUF_INIT(HOST_TEXT_MAX);
    struct host_problem problem = host_check_file(path, HOST_TEXT_MAX, arena);
    struct err err;

    if (!problem.message && file_read(path, &text, &err) < 0)
        problem = wrong(arena_text(arena, err.text), NULL);
    else if (!problem.message && text.len > 0 && memchr(text.data, '\0', text.len))
        problem = wrong(arena_printf(arena, "'%s' holds a NUL, it is not text", path), NULL);
    else if (!problem.message && utf8_valid(buf_span(&text)) != text.len)
        problem = wrong(arena_printf(arena, "'%s' is not UTF-8", path), NULL);
    if (!problem.message) {
        *ret = arena_copy(arena, text.data, text.len);
        if (!*ret)
            problem = wrong("no memory", NULL);
    }
    buf_done(&text);
    return problem;
}

static int read_stdin(struct buf *out, struct err *err)
{
    for (;;) {
        char *room = buf_reserve(out, 16384);
        ssize_t n;

        if (!room && out->len < out->max)
            room = buf_reserve(out, out->max - out->len);
        if (!room)
            return err_set(err, ERR_MANIFEST, "the manifest on stdin is larger than 1 MiB");
        n = read(STDIN_FILENO, room, out->max - out->len < 16384 ? out->max - out->len : 16384);
        if (n == 0)
            return 0;
        if (n > 0)
            buf_commit(out, (size_t) n);
        else if (errno != EINTR)
            return err_errno(err, ERR_MANIFEST, "reading the manifest from stdin");
    }
}

int host_read_manifest(const char *path, struct buf *out, struct err *err)
{
    struct stat st;
    int r;

    if (strcmp(path, "-") == 0)
        return read_stdin(out, err);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        (void) err_set(err, ERR_MANIFEST, "'%s' is a folder, not a manifest", path);
        return err_hint(err, "name the file in it, such as %s/manifest.yaml", path);
    }
    r = file_read(path, out, err);
    if (r == 0)
        return 0;
    (void) err_recode(err, ERR_MANIFEST);
    if (r == -ERR_TOO_LARGE)
        return err_set(err, ERR_MANIFEST, "the manifest '%s' is larger than 1 MiB", path);
    if (r == -ERR_NOT_FOUND) {
        (void) err_set(err, ERR_MANIFEST, "there is no manifest '%s'", path);
        return err_hint(err, "is the path right? '-' reads a manifest from stdin");
    }
    errno = err ? err->errnum : 0;
    return err_errno(err, ERR_MANIFEST, "the manifest '%s' cannot be read", path);
}

const char *host_folder(const char *path, struct arena *arena)
{
    const char *slash = strcmp(path, "-") == 0 ? NULL : strrchr(path, '/');
    const char *folder = !slash          ? "."
                         : slash == path ? "/"
                                         : arena_copy(arena, path, (size_t) (slash - path));
    char *real = folder ? realpath(folder, NULL) : NULL;
    const char *copy = real ? arena_text(arena, real) : NULL;

    free(real);
    return copy;
}
