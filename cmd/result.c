/* SPDX-License-Identifier: MIT */
/* Where the result goes when it does not go to stdout. */
#include "cmd/result.h"

#include "cmd/term.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOW_MAX ((size_t) 512 * 1024 * 1024)

static int refuse(const char *path, struct err *err)
{
    (void) err_errno(err, ERR_USAGE, "the result cannot be written to '%s'", path);
    return err_hint(err, "name a file in a folder that is there and can be written");
}

int result_check(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(free) char *dir = slash ? strndup(path, (size_t) (slash - path) + 1) : strdup(".");
    struct stat st;

    if (!dir)
        return err_set(err, ERR_INTERNAL, "no memory");
    if (stat(path, &st) < 0)
        st.st_mode = S_IFREG; /* to be made */
    if (S_ISDIR(st.st_mode) || (slash && !slash[1])) {
        (void) err_set(err, ERR_USAGE, "the result cannot be written to '%s': it is a folder", path);
        return err_hint(err, "name a file");
    }
    if (access(S_ISREG(st.st_mode) ? dir : path, S_ISREG(st.st_mode) ? W_OK | X_OK : W_OK) < 0)
        return refuse(path, err);
    return 0;
}

static int show(const struct term *term, struct span content, struct err *err)
{
    struct buf clean = BUF_INIT(SHOW_MAX);
    int r = term_clean(&clean, content, true) < 0
                ? err_set(err, ERR_TOO_LARGE, "the result is too large to be shown")
                : term_write(term, buf_span(&clean), err);

    buf_done(&clean);
    return r;
}

/* A pipe that nobody reads is an error and not a wait without end. */
static int write_through(const char *path, struct span content, struct err *err)
{
    CLEANUP(fd) int fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    struct term term;

    if (fd < 0 || fcntl(fd, F_SETFL, 0) < 0)
        return err_errno(err, ERR_IO, "opening '%s'", path);
    term_init(&term, fd);
    if (term.is_tty) /* by whatever name: it is shown there */
        return show(&term, content, err);
    return file_write_all(fd, content.ptr, content.len, err) < 0 ? err_wrap(err, "'%s'", path) : 0;
}

int result_write(const char *path, struct span content, struct err *err)
{
    char real[PATH_MAX];
    struct stat st;
    bool is_there = stat(path, &st) == 0;

    if (is_there && !S_ISREG(st.st_mode))
        return write_through(path, content, err);
    return file_write_atomic(is_there && realpath(path, real) ? real : path, content, 0644, err);
}
