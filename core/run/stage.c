/* SPDX-License-Identifier: MIT */
/* Temporary files and folders that replace their target in one step. */
#include "core/run/stage.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

struct stage {
    int parent_fd; /* of the folder that holds the target */
    char *name;    /* of the target in it */
    char temp[64]; /* the staged thing beside it */
    bool is_folder, is_made, is_placed;
    int fd;       /* of the staged folder */
    char *target; /* for messages */
};

struct stage_file {
    int fd;
    uint32_t mode;
    bool is_alone; /* not in a folder: flushed by itself */
    struct digest *sum;
    char *path; /* for messages */
};

void stage_free(struct stage *s)
{
    if (!s)
        return;
    if (s->is_made && !s->is_placed)
        (void) file_remove_tree(s->parent_fd, s->temp, NULL); /* what is left is a temporary name, no harm */
    if (s->fd >= 0)
        (void) close(s->fd); /* flushed before */
    if (s->parent_fd >= 0)
        (void) close(s->parent_fd); /* only a folder */
    free(s->name);
    free(s->target);
    free(s);
}

/* Open the target's folder, which is created if need be. */
static int open_parent(struct stage *s, struct err *err)
{
    char *slash = strrchr(s->target, '/');
    const char *parent = s->target;
    int r;

    if (!slash || !slash[1])
        return err_set(err, ERR_INVALID, "'%s' is not the name of a file or folder", s->target);
    s->name = strdup(slash + 1);
    if (!s->name)
        return err_set(err, ERR_INTERNAL, "no memory for an output");
    *slash = '\0';
    if (!*parent)
        parent = "/";
    r = file_make_dirs(parent, 0755, err);
    if (r == 0) {
        s->parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->parent_fd < 0)
            r = err_errno(err, ERR_IO, "opening folder '%s'", parent);
    }
    *slash = '/';
    return r;
}

static int refuse_special(const char *target, struct err *err)
{
    err_set(err, ERR_CONFLICT, "'%s' is a device, a pipe or a socket, which is not replaced", target);
    return err_hint(err, "give the output another `to`");
}

static int check_target(const struct stage *s, struct err *err)
{
    struct stat st;

    if (fstatat(s->parent_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_errno(err, ERR_IO, "looking at '%s'", s->target);
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return refuse_special(s->target, err);
    if (S_ISDIR(st.st_mode) == s->is_folder)
        return 0;
    err_set(err, ERR_CONFLICT, "'%s' is a %s already, the output is a %s", s->target,
            S_ISDIR(st.st_mode)   ? "folder"
            : S_ISLNK(st.st_mode) ? "link"
                                  : "file",
            s->is_folder ? "folder" : "file");
    return err_hint(err, "move it away, or give the output another `to`");
}

static int make(struct stage *s, struct err *err)
{
    uint8_t random[8];
    int r;

    random_bytes(random, sizeof(random));
    snprintf(s->temp, sizeof(s->temp), ".agentbox-%02x%02x%02x%02x%02x%02x%02x%02x.tmp", random[0], random[1],
             random[2], random[3], random[4], random[5], random[6], random[7]);
    if (!s->is_folder)
        return 0; /* made by its stage_file_begin() */
    r = mkdirat(s->parent_fd, s->temp, 0755);
    if (r < 0)
        return err_errno(err, ERR_IO, "making a folder beside '%s'", s->target);
    s->is_made = true;
    s->fd = openat(s->parent_fd, s->temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return s->fd < 0 ? err_errno(err, ERR_IO, "opening a folder beside '%s'", s->target) : 0;
}

int stage_check(const char *target, struct err *err)
{
    CLEANUP(free) char *path = strdup(target);
    struct stat st;
    char *slash;

    if (!path)
        return err_set(err, ERR_INTERNAL, "no memory for an output");
    if (lstat(path, &st) == 0 && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return refuse_special(target, err);
    /* the nearest folder above that is there: in it everything will be made */
    do {
        slash = strrchr(path, '/');
        if (!slash)
            return err_set(err, ERR_INVALID, "'%s' is not an absolute path", target);
        slash[slash == path] = '\0';
    } while (stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR) && slash != path);
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        errno = ENOTDIR;
    else if (access(path, W_OK | X_OK) == 0)
        return 0;
    (void) err_errno(err, ERR_IO, "'%s' cannot be written in '%s'", target, path);
    return err_hint(err, "make that folder writable, or give the output another `to`");
}

int stage_new(const char *target, bool is_folder, struct stage **ret, struct err *err)
{
    struct stage *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return err_set(err, ERR_INTERNAL, "no memory for an output");
    s->parent_fd = s->fd = -1;
    s->is_folder = is_folder;
    s->target = strdup(target);
    r = s->target ? open_parent(s, err) : err_set(err, ERR_INTERNAL, "no memory for an output");
    if (r == 0)
        r = check_target(s, err);
    if (r == 0)
        r = make(s, err);
    if (r < 0) {
        stage_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

int stage_fd(const struct stage *s)
{
    return s->fd;
}

int stage_folder(struct stage *s, const char *path, size_t len, struct err *err)
{
    char *inside = NULL;
    int fd = -1, r;

    /* the parents of something in the folder: the folder itself among them */
    if (asprintf(&inside, "%.*s/x", (int) len, path) < 0)
        return err_set(err, ERR_INTERNAL, "no memory for an output");
    r = file_make_parents_beneath(s->fd, inside, 0755, &fd, err);
    if (r == 0)
        (void) close(fd); /* only a folder */
    free(inside);
    return r;
}

static int open_file(struct stage *s, const char *path, int *ret_fd, struct err *err)
{
    const char *slash = strrchr(path, '/');
    int dir_fd = -1, r;

    if (!s->is_folder) {
        *ret_fd = openat(s->parent_fd, s->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        s->is_made = *ret_fd >= 0;
        return s->is_made ? 0 : err_errno(err, ERR_IO, "making a file beside '%s'", s->target);
    }
    /* usually its folder was made already, and one call is enough */
    r = file_open_beneath(s->fd, path, O_WRONLY | O_CREAT | O_EXCL, 0600, ret_fd, err);
    if (r != -ERR_NOT_FOUND)
        return r;
    r = file_make_parents_beneath(s->fd, path, 0755, &dir_fd, err);
    if (r < 0)
        return r;
    r = file_open_beneath(dir_fd, slash ? slash + 1 : path, O_WRONLY | O_CREAT | O_EXCL, 0600, ret_fd, err);
    (void) close(dir_fd); /* only a folder */
    return r;
}

int stage_file_begin(struct stage *s, const char *path, uint32_t mode, struct stage_file **ret,
                     struct err *err)
{
    struct stage_file *f = calloc(1, sizeof(*f));
    int r;

    if (!f)
        return err_set(err, ERR_INTERNAL, "no memory for an output");
    f->fd = -1;
    f->mode = mode;
    f->is_alone = !s->is_folder;
    f->sum = digest_new();
    f->path = *path ? file_join(s->target, path) : strdup(s->target);
    r = f->sum && f->path ? open_file(s, path, &f->fd, err)
                          : err_set(err, ERR_INTERNAL, "no memory for an output");
    if (r < 0) {
        stage_file_drop(f);
        return r;
    }
    *ret = f;
    return 0;
}

void stage_file_drop(struct stage_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        (void) close(f->fd); /* given up, or flushed before */
    digest_free(f->sum);
    free(f->path);
    free(f);
}

int stage_file_add(struct stage_file *f, struct span piece, struct err *err)
{
    int r = file_write_all(f->fd, piece.ptr, piece.len, err);

    if (r < 0) {
        errno = err ? err->errnum : 0;
        return err_errno(err, ERR_IO, "writing '%s'", f->path);
    }
    digest_add(f->sum, piece.ptr, piece.len);
    return 0;
}

int stage_file_end(struct stage_file *f, char ret_sha256[DIGEST_HEX], struct err *err)
{
    uint8_t sum[DIGEST_SIZE];
    int r = 0;

    digest_end(f->sum, sum);
    digest_hex(sum, ret_sha256);
    if (fchmod(f->fd, f->mode | 0600) < 0 || (f->is_alone && fsync(f->fd) < 0))
        r = err_errno(err, ERR_IO, "writing '%s'", f->path);
    stage_file_drop(f);
    return r;
}

/* Thousands of small files are flushed at once: a sync of each would cost more than copying them. */
int stage_flush(struct stage *s, struct err *err)
{
    if (!s || !s->is_folder)
        return 0;
#ifdef __linux__
    return syncfs(s->fd) < 0 ? err_errno(err, ERR_IO, "writing '%s'", s->target) : 0;
#else
    sync();
    return 0;
#endif
}

/* A folder cannot be renamed over one that is not empty: swap the two where the kernel can, else move the old
 * one away. */
static int swap_folders(struct stage *s)
{
    char old[80];

#ifdef __linux__
    if (renameat2(s->parent_fd, s->temp, s->parent_fd, s->name, RENAME_EXCHANGE) == 0)
        return file_remove_tree(s->parent_fd, s->temp, NULL);
#endif
    snprintf(old, sizeof(old), "%s.old", s->temp);
    if (renameat(s->parent_fd, s->name, s->parent_fd, old) < 0)
        return -1;
    if (renameat(s->parent_fd, s->temp, s->parent_fd, s->name) < 0) {
        (void) renameat(s->parent_fd, old, s->parent_fd, s->name); /* back to what was there */
        return -1;
    }
    (void) file_remove_tree(s->parent_fd, old, NULL); /* the new one is in place, which is what counts */
    return 0;
}

int stage_place(struct stage *s, struct err *err)
{
    int r;

    if (!s)
        return 0;
    r = renameat(s->parent_fd, s->temp, s->parent_fd, s->name);
    if (r < 0 && s->is_folder && (errno == ENOTEMPTY || errno == EEXIST))
        r = swap_folders(s);
    if (r < 0)
        return err_errno(err, ERR_IO, "putting '%s' in place", s->target);
    s->is_placed = true;
    return file_sync_dir(s->parent_fd, err);
}
