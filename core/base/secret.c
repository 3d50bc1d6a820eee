/* SPDX-License-Identifier: MIT */
/* Values of secrets from the environment, files and programs. */
#include "core/base/secret.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#define VALUE_MAX          65536
#define COMMAND_MS_DEFAULT 60000
#define EXIT_POLL_MS       10

extern char **environ;

/* The compiler may drop a memset() of memory that is freed next, not a call through a volatile pointer. */
static void wipe(void *ptr, size_t len)
{
    static void *(*const volatile set)(void *, int, size_t) = memset;

    if (len > 0)
        (void) set(ptr, 0, len);
}

void secret_wipe(struct buf *b)
{
    wipe(b->data, b->data ? b->cap : 0);
    buf_done(b);
}

/* Read until the end; all of it stays in one block, so that nothing unwiped is left behind by growing. */
static int read_value(int fd, struct buf *value, const char *path, struct err *err)
{
    for (;;) {
        size_t room = VALUE_MAX + 1 - value->len;
        char *at = buf_reserve(value, room);
        ssize_t n;

        if (!at)
            return err_set(err, ERR_INTERNAL, "no memory for a secret");
        if (room == 0)
            return err_set(err, ERR_TOO_LARGE, "secret file '%s' holds more than %d bytes", path, VALUE_MAX);
        n = read(fd, at, room);
        if (n < 0 && errno != EINTR)
            return err_errno(err, ERR_IO, "reading secret file '%s'", path);
        if (n == 0)
            return 0;
        if (n > 0)
            buf_commit(value, (size_t) n);
    }
}

static void cut_newline(struct buf *value)
{
    if (value->len > 0 && value->data[value->len - 1] == '\n')
        value->data[--value->len] = '\0';
    if (value->len > 0 && value->data[value->len - 1] == '\r')
        value->data[--value->len] = '\0';
}

static int from_env(const char *name, struct buf *value, struct err *err)
{
    const char *text = getenv(name);

    if (!text || !*text) {
        (void) err_set(err, ERR_NOT_FOUND, "environment variable '%s' is %s", name,
                       text ? "empty" : "not set");
        return err_hint(err, "set it in the shell that starts this program: export %s=...", name);
    }
    return buf_add_text(value, text) == 0
               ? 0
               : err_set(err, ERR_TOO_LARGE, "environment variable '%s' holds more than %d bytes", name,
                         VALUE_MAX);
}

static int from_file(const char *path, struct buf *value, struct err *err)
{
    CLEANUP(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0) {
        (void) err_errno(err, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO,
                         "opening secret file '%s'", path);
        return err_hint(err, "create the file with the secret as its only content, readable by you alone");
    }
    r = read_value(fd, value, path, err);
    if (r < 0)
        return r;
    cut_newline(value);
    if (value->len > 0)
        return 0;
    (void) err_set(err, ERR_NOT_FOUND, "secret file '%s' is empty", path);
    return err_hint(err, "put the secret into it");
}

/* ---- commands ---- */

static int spawn_into(const char *const *argv, int out_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, ignored;
    int r;

    sigemptyset(&none);
    sigemptyset(&ignored); /* by main() and the loop: a child must not inherit that */
    sigaddset(&ignored, SIGPIPE);
    sigaddset(&ignored, SIGXFSZ);
    r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return r;
    r = posix_spawnattr_init(&attr);
    if (r == 0) {
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
            r = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
        if (r == 0)
            r = posix_spawnattr_setsigmask(&attr, &none);
        if (r == 0)
            r = posix_spawnattr_setsigdefault(&attr, &ignored);
        if (r == 0)
            r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
            r = posix_spawnp(ret_pid, argv[0], &actions, &attr, (char **) (uintptr_t) argv, environ);
        (void) posix_spawnattr_destroy(&attr);
    }
    (void) posix_spawn_file_actions_destroy(&actions);
    return r;
}

static int fail_slow(const char *name, struct err *err)
{
    (void) err_set(err, ERR_TIMEOUT, "secret command '%s' did not end in time", name);
    return err_hint(err, "run it by hand: it may be waiting for somebody");
}

static int collect_output(int fd, const char *name, int64_t deadline_ms, struct buf *value, struct err *err)
{
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = deadline_ms - clock_mono_ms();
        size_t room = VALUE_MAX + 1 - value->len;
        ssize_t n;
        char *at;

        if (left <= 0 || poll(&p, 1, (int) left) == 0)
            return fail_slow(name, err);
        if (room == 0)
            return err_set(err, ERR_TOO_LARGE, "secret command '%s' wrote more than %d bytes", name,
                           VALUE_MAX);
        at = buf_reserve(value, room);
        if (!at)
            return err_set(err, ERR_INTERNAL, "no memory for a secret");
        n = read(fd, at, room);
        if (n == 0)
            return 0;
        if (n > 0)
            buf_commit(value, (size_t) n);
        else if (errno != EINTR && errno != EAGAIN)
            return err_errno(err, ERR_IO, "reading from secret command '%s'", name);
    }
}

/* The output has ended; most often so has the program. There is no portable wait with a deadline. */
static int wait_exit(pid_t pid, const char *name, int64_t deadline_ms, int *ret_status, struct err *err)
{
    for (;;) {
        pid_t r = waitpid(pid, ret_status, WNOHANG);

        if (r == pid)
            return 0;
        if (r < 0 && errno != EINTR)
            return err_errno(err, ERR_IO, "waiting for secret command '%s'", name);
        if (clock_mono_ms() >= deadline_ms)
            return fail_slow(name, err);
        (void) poll(NULL, 0, EXIT_POLL_MS);
    }
}

static int check_status(int status, const char *name, struct err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status))
        (void) err_set(err, ERR_INVALID, "secret command '%s' ended with status %d", name,
                       WEXITSTATUS(status));
    else
        (void) err_set(err, ERR_INVALID, "secret command '%s' was ended by signal %d", name,
                       WTERMSIG(status));
    return err_hint(err, "run it by hand: it must print the secret and end with status 0");
}

static int from_command(const struct secret_ref *ref, struct buf *value, struct err *err)
{
    const char *name = ref->argv[0];
    int64_t deadline_ms = clock_mono_ms() + (ref->timeout_ms > 0 ? ref->timeout_ms : COMMAND_MS_DEFAULT);
    int fds[2], status = 0, r;
    pid_t pid;

    if (pipe(fds) < 0)
        return err_errno(err, ERR_IO, "making a pipe");
    CLEANUP(fd) int reader = fds[0];
    CLEANUP(fd) int writer = fds[1];
    (void) fcntl(reader, F_SETFD, FD_CLOEXEC); /* cannot fail for a descriptor of ours */
    (void) fcntl(writer, F_SETFD, FD_CLOEXEC);
    r = spawn_into(ref->argv, writer, &pid);
    if (r != 0) {
        errno = r;
        return err_errno(err, r == ENOENT ? ERR_NOT_FOUND : ERR_IO, "starting secret command '%s'", name);
    }
    (void) close(take_fd(&writer));
    r = collect_output(reader, name, deadline_ms, value, err);
    if (r == 0)
        r = wait_exit(pid, name, deadline_ms, &status, err);
    if (r < 0) {
        (void) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
        return r;
    }
    r = check_status(status, name, err);
    if (r < 0)
        return r;
    cut_newline(value);
    return value->len > 0 ? 0 : err_set(err, ERR_NOT_FOUND, "secret command '%s' printed nothing", name);
}

/* ---- the whole ---- */

static const char *name_of(const struct secret_ref *ref)
{
    return ref->kind == SECRET_COMMAND ? ref->argv[0] : ref->value;
}

static int resolve(const struct secret_ref *ref, struct buf *value, struct err *err)
{
    switch (ref->kind) {
    case SECRET_ENV:
        return from_env(ref->value, value, err);
    case SECRET_FILE:
        return from_file(ref->value, value, err);
    case SECRET_COMMAND:
        return from_command(ref, value, err);
    case SECRET_NONE:
        break;
    }
    return 0;
}

static int check_bytes(const struct buf *value, const char *name, struct err *err)
{
    for (size_t i = 0; i < value->len; i++)
        if ((unsigned char) value->data[i] < 0x20 || value->data[i] == 0x7f) {
            (void) err_set(err, ERR_INVALID, "the secret from '%s' holds control bytes", name);
            return err_hint(err, "a secret is one line of text; only a line end behind it is cut off");
        }
    return 0;
}

static int append(const char *prefix, const struct buf *value, struct buf *out, struct err *err)
{
    size_t before = out->len, prefix_len = prefix ? strlen(prefix) : 0;

    /* all the room at once: growing in between would leave a copy of the value behind */
    if (!buf_reserve(out, prefix_len + value->len))
        return err_set(err, ERR_TOO_LARGE, "a secret does not fit where it is needed");
    if (buf_add(out, prefix, prefix_len) < 0 || buf_add(out, value->data, value->len) < 0) {
        out->len = before;
        return err_set(err, ERR_INTERNAL, "no memory for a secret");
    }
    return 0;
}

int secret_resolve(const struct secret_ref *ref, struct buf *out, struct err *err)
{
    struct buf value = BUF_INIT(VALUE_MAX + 1);
    int r;

    if (ref->kind == SECRET_NONE)
        return 0;
    r = resolve(ref, &value, err);
    if (r == 0)
        r = check_bytes(&value, name_of(ref), err);
    if (r == 0)
        r = append(ref->prefix, &value, out, err);
    secret_wipe(&value);
    return r;
}
