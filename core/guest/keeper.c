/* SPDX-License-Identifier: MIT */
#include "core/guest/keeper.h"

#include "core/sandbox/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(int ctl, uint8_t news, uint8_t step, int32_t value)
{
    struct keeper_message m = { .news = news, .step = step, .value = value };

    (void) send(ctl, &m, sizeof(m), MSG_NOSIGNAL); /* the guest is gone: then so is everything */
}

/* ---- the command, before it becomes itself ---- */

static _Noreturn void fail(const struct keeper_job *job, uint8_t step)
{
    say(job->ctl, KEEPER_FAILED, step, errno);
    _exit(127);
}

static const char *env_get(char *const *env, const char *name)
{
    size_t len = strlen(name);

    for (; *env; env++) {
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    }
    return NULL;
}

/* "DIR/NAME"; an empty DIR is the current folder. */
static bool path_join(char ret[FRAME_PATH_MAX], const char *dir, size_t dir_len, const char *name)
{
    size_t name_len = strlen(name);

    if (dir_len + 1 + name_len + 1 > FRAME_PATH_MAX)
        return false;
    memcpy(ret, dir, dir_len);
    if (dir_len > 0)
        ret[dir_len++] = '/';
    memcpy(ret + dir_len, name, name_len + 1);
    return true;
}

/* execvp(3) with the PATH of the new environment and a truthful errno: a program that is there but may not be
 * run beats "not found". */
static void exec_in_path(char *const *argv, char **env)
{
    const char *path = env_get(env, "PATH");
    char full[FRAME_PATH_MAX];
    int errnum = ENOENT;

    if (strchr(argv[0], '/')) {
        (void) execve(argv[0], argv, env);
        return;
    }
    if (!path)
        path = "/usr/local/bin:/usr/bin:/bin";
    while (argv[0][0] && path) {
        const char *end = strchrnul(path, ':');

        if (path_join(full, path, (size_t) (end - path), argv[0])) {
            (void) execve(full, argv, env);
            if (errno != ENOENT && errno != ENOTDIR)
                errnum = errno;
        }
        path = *end ? end + 1 : NULL;
    }
    errno = errnum;
}

static _Noreturn void command_run(const struct keeper_job *job)
{
    sigset_t none;

    (void) setsid();
    if (job->is_tty && ioctl(job->in, TIOCSCTTY, 0) < 0)
        fail(job, FRAME_STEP_TTY);
    if (dup2(job->in, 0) < 0 || dup2(job->out, 1) < 0 || dup2(job->err, 2) < 0)
        fail(job, FRAME_STEP_PIPE);
    if (fchdir(job->root_fd) < 0 || (job->cwd[0] && chdir(job->cwd) < 0))
        fail(job, FRAME_STEP_CHDIR);
    (void) umask(022);
    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    exec_in_path(job->argv, job->env);
    if (errno == ENOENT && job->alternative[0]) {
        job->argv[0] = (char *) (uintptr_t) job->alternative;
        exec_in_path(job->argv, job->env);
    }
    fail(job, FRAME_STEP_EXEC);
}

static int command_main(void *job)
{
    command_run(job);
}

/* The keeper stands still until the command is another program, so they can share their memory meanwhile: a
 * third of the time of a start is saved. The command has a stack of its own and never returns. */
static pid_t command_start(const struct keeper_job *job)
{
    static uint8_t stack[128 * 1024] __attribute__((aligned(64)));

    return clone(command_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD,
                 (void *) (uintptr_t) job);
}

/* ---- the keeper ---- */

static void close_between(unsigned first, unsigned last)
{
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
        return;
    for (unsigned fd = first; fd <= last && fd < 4096; fd++)
        (void) close((int) fd);
}

/* The keeper must not hold the other ends of other commands' pipes, nor the channel. */
static void close_all_but(const int *keep, int count)
{
    unsigned next = 0;

    for (;;) {
        int lowest = -1;

        for (int i = 0; i < count; i++) {
            if (keep[i] >= (int) next && (lowest < 0 || keep[i] < lowest))
                lowest = keep[i];
        }
        if (lowest < 0)
            break;
        if (lowest > 0)
            close_between(next, (unsigned) lowest - 1);
        next = (unsigned) lowest + 1;
    }
    close_between(next, ~0U);
}

/* Reap all that ended. False when there is nobody left. */
static bool reap(pid_t *command, int ctl)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);

        if (pid < 0)
            return errno != ECHILD;
        if (pid == 0)
            return true;
        if (pid != *command)
            continue;
        say(ctl, KEEPER_EXITED, FRAME_STEP_NONE, status);
        *command = 0; /* its number may be another's soon */
    }
}

static void drain(struct pollfd *p)
{
    static char waste[65536];
    ssize_t n = p->revents ? read(p->fd, waste, sizeof(waste)) : 1;

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        p->fd = -1;
}

/* True: the call is over. *may_leave: so it is, or we need not wait for that. */
static bool order_read(pid_t command, int ctl, bool *may_leave)
{
    char order = 0;
    ssize_t n = recv(ctl, &order, 1, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n == 1 && order == KEEPER_INTERRUPT) {
        if (command > 0)
            (void) kill(-command, SIGINT);
        return false;
    }
    *may_leave = true;
    return n != 1 || order != KEEPER_LEAVE;
}

static _Noreturn void keep(pid_t command, int ctl, int sig, const int pipes[2])
{
    struct pollfd p[4] = { { sig, POLLIN, 0 }, { ctl, POLLIN, 0 }, { -1, POLLIN, 0 }, { -1, POLLIN, 0 } };
    struct signalfd_siginfo info;
    bool may_leave = false;

    while (reap(&command, ctl) || !may_leave) {
        if (poll(p, 4, -1) < 0)
            continue;
        if (p[0].revents)
            (void) read(sig, &info, sizeof(info)) /* only to wake up */;
        if (p[1].revents && order_read(command, ctl, &may_leave)) {
            p[1].fd = -1;
            p[2].fd = pipes[0];
            p[3].fd = pipes[1];
        }
        drain(&p[2]);
        drain(&p[3]);
    }
    _exit(0);
}

/* For the command, which inherits it: early, because there are many of them, and all are blocked here. */
static void signals_default(void)
{
    struct sigaction sa = { .sa_handler = SIG_DFL };

    for (int i = 1; i < NSIG; i++)
        (void) sigaction(i, &sa, NULL); /* KILL, STOP and those of libc are refused */
}

/* In reserve it may live long: what belongs to other commands is let go before the wait, not after it. */
static void wait_for_work(struct keeper_job *job, int sig)
{
    const int keep_fds[] = { sig,     job->ctl, job->drain[0], job->drain[1],
                             job->in, job->out, job->err,      job->root_fd };

    if (!job->wait)
        return;
    close_all_but(keep_fds, sizeof(keep_fds) / sizeof(keep_fds[0]));
    if (!job->wait(job))
        _exit(0);
}

_Noreturn void keeper_run(struct keeper_job *job)
{
    sigset_t set;

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void) setrlimit(RLIMIT_NOFILE, job->files);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 && errno != EINVAL)
        fail(job, FRAME_STEP_FORK);
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGCHLD);
    int sig = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);

    if (sig < 0)
        fail(job, FRAME_STEP_FORK);
    signals_default();
    wait_for_work(job, sig);
    pid_t command = command_start(job);

    if (command < 0)
        fail(job, FRAME_STEP_FORK);
    const int keep_fds[4] = { sig, job->ctl, job->drain[0], job->drain[1] };

    close_all_but(keep_fds, 4);
    keep(command, job->ctl, sig, job->drain);
}
