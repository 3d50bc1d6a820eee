/* SPDX-License-Identifier: MIT */
#include "core/guest/spawn.h"

#include "core/guest/keeper.h"
#include "core/guest/stray.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

static int root_fd = -1;
static char **base_env;
static struct rlimit files; /* as we were started, and as commands have it */

/* /proc/self/oom_score_adj: what it says of us, and what children inherit. Raising it is allowed, and so is
 * going back to what the engine gave us. */
static const char score_of_commands[] = "1000";
static char score_of_ours[16];
static int score_fd = -1;

/* Filled anew for each command; the child has its own copy after fork(2). */
static char *argv[FRAME_ARGS_MAX + 1];
static char *merged[2 * FRAME_ARGS_MAX + 1];

void spawn_init(int fd, char **env)
{
    root_fd = fd;
    base_env = env;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        files = (struct rlimit){ 256, 256 };
}

int spawn_raise_files(int count)
{
    struct rlimit now = files;

    if (now.rlim_cur < (rlim_t) count)
        now.rlim_cur = now.rlim_max < (rlim_t) count ? now.rlim_max : (rlim_t) count;
    if (setrlimit(RLIMIT_NOFILE, &now) < 0)
        now = files;
    return now.rlim_cur > INT_MAX ? INT_MAX : (int) now.rlim_cur;
}

void spawn_score_open(void)
{
    score_fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (score_fd >= 0 && read(score_fd, score_of_ours, sizeof(score_of_ours) - 1) <= 0) {
        (void) close(score_fd);
        score_fd = -1;
    }
}

static void score_set(const char *score)
{
    if (score_fd >= 0)
        (void) pwrite(score_fd, score, strlen(score), 0); /* without it all are equal, as they would be */
}

static bool same_name(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");

    return strncmp(a, b, len) == 0 && b[len] == '=';
}

/* The request's variables, then those of the container that they do not replace. Both counts have a ceiling.
 */
static void env_merge(const char *text, uint32_t count)
{
    uint32_t n = 0;

    for (; n < count; n++, text += strlen(text) + 1)
        merged[n] = (char *) text;
    for (char **e = base_env; *e && n < 2 * FRAME_ARGS_MAX; e++) {
        bool is_replaced = false;

        for (uint32_t i = 0; i < count && !is_replaced; i++)
            is_replaced = same_name(*e, merged[i]);
        if (!is_replaced)
            merged[n++] = *e;
    }
    merged[n] = NULL;
}

/* The decoder has proven that the strings are there. */
static void strings_split(const struct frame_exec *x)
{
    const char *p = x->strings;

    for (uint32_t i = 0; i < x->argc; i++, p += strlen(p) + 1)
        argv[i] = (char *) p;
    argv[x->argc] = NULL;
    env_merge(p, x->envc);
}

static void close_all(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        if (fds[i] >= 0)
            (void) close(fds[i]);
        fds[i] = -1;
    }
}

/* ends: the guest's in, out, err; then the command's. Only our ends are non-blocking: programs do not expect
 * it. */
static int pipes_open(const struct frame_exec *x, int ends[6])
{
    int p[2];

    if (x->flags & FRAME_EXEC_INPUT) {
        if (pipe2(p, O_CLOEXEC) < 0)
            return -errno;
        ends[3] = p[0];
        ends[0] = p[1];
    } else {
        ends[3] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (ends[3] < 0)
            return -errno;
    }
    for (int i = 1; i < 3; i++) {
        if (pipe2(p, O_CLOEXEC) < 0)
            return -errno;
        ends[i] = p[0];
        ends[3 + i] = p[1];
    }
    for (int i = 0; i < 3; i++) {
        if (ends[i] >= 0)
            (void) fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

void spawn_resize(int master, unsigned rows, unsigned cols)
{
    struct winsize size = { .ws_row = (unsigned short) (rows ? rows : FRAME_ROWS),
                            .ws_col = (unsigned short) (cols ? cols : FRAME_COLS) };

    (void) ioctl(master, TIOCSWINSZ, &size);
}

/* The slave is opened here, so that the master never looks hung up before the command has it. */
static int terminal_open(const struct frame_exec *x, int ends[6])
{
    char name[64];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

    if (master < 0)
        return -errno;
    ends[0] = master;
    if (grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)) != 0)
        return -errno;
    spawn_resize(master, x->flags >> FRAME_EXEC_ROWS & FRAME_TTY_MAX,
                 x->flags >> FRAME_EXEC_COLS & FRAME_TTY_MAX);
    ends[3] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return ends[3] < 0 ? -errno : 0;
}

/* ---- what the keeper in reserve is told: this, then folder, alternative and strings ---- */

/* A longer command starts a keeper of its own. */
#define ORDER_TEXT_MAX (2 * FRAME_PATH_MAX + FRAME_PAYLOAD_MAX)

struct order {
    uint32_t cwd_len, alternative_len, argc, envc, strings_len;
};

static size_t order_text(const struct frame_exec *x)
{
    return strlen(x->cwd) + 1 + strlen(x->alternative) + 1 + x->strings_len;
}

static bool order_send(int ctl, const struct frame_exec *x)
{
    struct order o = { .cwd_len = (uint32_t) strlen(x->cwd) + 1,
                       .alternative_len = (uint32_t) strlen(x->alternative) + 1,
                       .argc = x->argc,
                       .envc = x->envc,
                       .strings_len = (uint32_t) x->strings_len };
    struct iovec parts[4] = { { &o, sizeof(o) },
                              { (void *) (uintptr_t) x->cwd, o.cwd_len },
                              { (void *) (uintptr_t) x->alternative, o.alternative_len },
                              { (void *) (uintptr_t) x->strings, x->strings_len } };
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = 4 };

    return sendmsg(ctl, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t) (sizeof(o) + order_text(x));
}

/* In the keeper. The other end is the guest or nobody. */
static bool order_wait(struct keeper_job *job)
{
    static char text[sizeof(struct order) + ORDER_TEXT_MAX];
    struct frame_exec x = { 0 };
    struct order o;
    ssize_t n;

    do
        n = recv(job->ctl, text, sizeof(text), 0);
    while (n < 0 && errno == EINTR);
    if (n < (ssize_t) sizeof(o))
        return false;
    memcpy(&o, text, sizeof(o));
    if ((uint64_t) n != sizeof(o) + (uint64_t) o.cwd_len + o.alternative_len + o.strings_len)
        return false;
    x.cwd = text + sizeof(o);
    x.alternative = x.cwd + o.cwd_len;
    x.strings = x.alternative + o.alternative_len;
    x.argc = o.argc;
    x.envc = o.envc;
    strings_split(&x);
    job->cwd = x.cwd;
    job->argv = argv;
    job->alternative = x.alternative;
    job->env = merged;
    return true;
}

/* ---- keepers ---- */

/* `x` NULL: one in reserve, with pipes and nothing on its input. */
static pid_t keeper_fork(const struct frame_exec *x, const int ends[6], int ctl)
{
    bool is_tty = x && (x->flags & FRAME_EXEC_TTY);
    struct keeper_job job = {
        .argv = argv,
        .alternative = x ? x->alternative : "",
        .env = merged,
        .wait = x ? NULL : order_wait,
        .cwd = x ? x->cwd : "",
        .root_fd = root_fd,
        .ctl = ctl,
        .in = ends[3],
        .out = is_tty ? ends[3] : ends[4],
        .err = is_tty ? ends[3] : ends[5],
        .drain = { is_tty ? ends[0] : ends[1], ends[2] },
        .files = &files,
        .is_tty = is_tty,
    };
    pid_t pid;

    score_set(score_of_commands);
    pid = fork();
    if (pid == 0)
        keeper_run(&job);
    score_set(score_of_ours);
    return pid < 0 ? -errno : pid;
}

/* Pipes or a terminal, and a keeper behind them. -errno; *ret_step: where. */
static int keeper_start(const struct frame_exec *x, struct spawn *ret, uint8_t *ret_step)
{
    static const struct frame_exec plain;
    int ends[6] = { -1, -1, -1, -1, -1, -1 }, ctl[2] = { -1, -1 };
    bool is_tty = x && (x->flags & FRAME_EXEC_TTY);
    int r = is_tty ? terminal_open(x, ends) : pipes_open(x ? x : &plain, ends);

    *ret_step = is_tty ? FRAME_STEP_TTY : FRAME_STEP_PIPE;
    if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ctl) < 0)
        r = -errno;
    if (r == 0) {
        *ret_step = FRAME_STEP_FORK;
        r = keeper_fork(x, ends, ctl[1]);
    }
    if (r < 0) {
        close_all(ends, 6);
        close_all(ctl, 2);
        return r;
    }
    close_all(ends + 3, 3);
    close_all(ctl + 1, 1);
    *ret = (struct spawn){
        .keeper = r, .ctl = ctl[0], .in = ends[0], .out = is_tty ? ends[0] : ends[1], .err = ends[2]
    };
    stray_add_keeper(ret->keeper);
    return 0;
}

/* ---- the one in reserve ---- */

static struct spawn reserve; /* keeper 0: none */

void spawn_reserve(void)
{
    uint8_t step;

    /* without it the next command starts as it can */
    if (reserve.keeper == 0 && stray_has_room() && keeper_start(NULL, &reserve, &step) < 0)
        reserve.keeper = 0;
}

static void reserve_close(void)
{
    int fds[3] = { reserve.ctl, reserve.out, reserve.err };

    close_all(fds, 3);
    reserve.keeper = 0;
}

static void reserve_drop(void)
{
    if (reserve.keeper == 0)
        return;
    (void) kill(reserve.keeper, SIGKILL);
    reserve_close();
}

void spawn_reaped(pid_t pid)
{
    if (pid == reserve.keeper)
        reserve_close();
}

bool spawn_is_reserve(pid_t pid)
{
    return pid == reserve.keeper;
}

/* True: it has taken the command. */
static bool reserve_use(const struct frame_exec *x, struct spawn *ret)
{
    if (reserve.keeper == 0 || (x->flags & (FRAME_EXEC_TTY | FRAME_EXEC_INPUT)) ||
        order_text(x) > ORDER_TEXT_MAX)
        return false;
    if (!order_send(reserve.ctl, x)) {
        reserve_drop();
        return false;
    }
    *ret = reserve;
    reserve.keeper = 0;
    return true;
}

bool spawn_start(const struct frame_exec *x, struct spawn *ret, uint8_t *ret_step, uint32_t *ret_errnum)
{
    int r;

    if (reserve_use(x, ret))
        return true;
    strings_split(x);
    r = keeper_start(x, ret, ret_step);
    if (r < 0)
        *ret_errnum = (uint32_t) -r;
    return r == 0;
}
