/* SPDX-License-Identifier: MIT */
/* Iterative walk of a host folder with a stack of open folders. */
#include "core/base/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct level {
    DIR *dir;
    size_t path_len; /* of the folder's own path, in walk.path */
};

struct walk {
    struct level levels[WALK_DEPTH_MAX];
    size_t depth;
    char path[WALK_PATH_MAX];
    bool is_folder; /* the entry returned last is one: go into it next */
};

/* Open a folder as the new top of the stack. */
static int push(struct walk *w, int dir_fd, const char *name, size_t path_len, struct err *err)
{
    DIR *dir = NULL;
    int fd;

    if (w->depth == WALK_DEPTH_MAX)
        return err_set(err, ERR_TOO_LARGE, "'%s' is nested too deeply, at most %d folders", w->path,
                       WALK_DEPTH_MAX);
    fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        dir = fdopendir(fd);
    if (!dir) {
        err_errno(err, ERR_IO, "reading folder '%s'", w->path[0] ? w->path : ".");
        if (fd >= 0)
            (void) close(fd); /* the first failure is what matters */
        return -ERR_IO;
    }
    w->levels[w->depth++] = (struct level){ dir, path_len };
    return 0;
}

int walk_new(int root_fd, struct walk **ret, struct err *err)
{
    struct walk *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return err_set(err, ERR_INTERNAL, "no memory for a walk");
    r = push(w, root_fd, ".", 0, err);
    if (r < 0) {
        free(w);
        return r;
    }
    *ret = w;
    return 0;
}

void walk_free(struct walk *w)
{
    if (!w)
        return;
    while (w->depth > 0)
        (void) closedir(w->levels[--w->depth].dir); /* only read from */
    free(w);
}

/* Put a name behind the path of the top folder. */
static int path_set(struct walk *w, const struct level *top, const char *name, struct err *err)
{
    const char *slash = top->path_len > 0 ? "/" : "";
    int n = snprintf(w->path + top->path_len, sizeof(w->path) - top->path_len, "%s%s", slash, name);

    if (n < 0 || (size_t) n >= sizeof(w->path) - top->path_len)
        return err_set(err, ERR_TOO_LARGE, "the path of '%s' is longer than %d bytes", name,
                       WALK_PATH_MAX - 1);
    return 0;
}

/* The next entry of the top folder: 1, 0 = it has no more. */
static int next_here(struct walk *w, struct walk_entry *ret, struct err *err)
{
    struct level *top = &w->levels[w->depth - 1];
    struct dirent *entry;
    int r;

    for (;;) {
        errno = 0;
        entry = readdir(top->dir);
        if (!entry)
            return errno ? err_errno(err, ERR_IO, "reading folder '%.*s'", (int) top->path_len, w->path) : 0;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        r = path_set(w, top, entry->d_name, err);
        if (r < 0)
            return r;
        ret->dir_fd = dirfd(top->dir);
        ret->path = w->path;
        ret->name = entry->d_name;
        if (fstatat(ret->dir_fd, ret->name, &ret->st, AT_SYMLINK_NOFOLLOW) == 0)
            return 1;
        if (errno != ENOENT)
            return err_errno(err, ERR_IO, "looking at '%s'", w->path);
    }
}

int walk_next(struct walk *w, struct walk_entry *ret, struct err *err)
{
    const char *name;
    int r;

    if (w->is_folder) {
        name = strrchr(w->path, '/');
        w->is_folder = false;
        r = push(w, dirfd(w->levels[w->depth - 1].dir), name ? name + 1 : w->path, strlen(w->path), err);
        if (r < 0)
            return r;
    }
    while (w->depth > 0) {
        r = next_here(w, ret, err);
        if (r != 0) {
            w->is_folder = r > 0 && S_ISDIR(ret->st.st_mode);
            return r;
        }
        (void) closedir(w->levels[--w->depth].dir); /* only read from */
    }
    return 0;
}
