/* SPDX-License-Identifier: MIT */
/*
 * agentbox-guest: PID 1 of a sandbox. Speaks core/sandbox/frame.h over stdin and
 * stdout, runs commands, serves files beneath one folder, carries connections out.
 *
 * The rules of this folder:
 *   - Signals are blocked before anything else. Of all signals only SIGCHLD means
 *     something, and it comes through a descriptor; no handler exists, so the kernel
 *     drops what processes of the sandbox send to us.
 *   - After the line marked START nothing exits but the orphan's end and a host that
 *     asks for it, and nothing is allocated: all tables are static and have a fixed size.
 *     A request that fails is answered. A request that cannot be answered is ignored.
 *   - Nothing blocks: stdin, stdout and all pipes are non-blocking. File systems may, for as long as they do.
 *   - The commands run under our uid and must not reach us: not dumpable (no ptrace, no
 *     /proc/1/mem, fd, environ), close-on-exec everywhere, PID 1 cannot be killed from inside.
 *   - No capability is needed, nothing outside the root folder is written.
 */
#include "core/guest/beneath.h"
#include "core/guest/cgroup.h"
#include "core/guest/conn.h"
#include "core/guest/exec.h"
#include "core/guest/limits.h"
#include "core/guest/link.h"
#include "core/guest/out.h"
#include "core/guest/procs.h"
#include "core/guest/sha256.h"
#include "core/guest/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum {
    EXIT_START = 64,          /* could not start: arguments, root folder */
    EXIT_TOLD = 0,            /* by its host, or by nobody for too long */
    DEAF_US = 100 * 1000,     /* how often an ended stdin is looked at again */
    PIPE_BYTES = 1024 * 1024, /* what a process without privileges may ask for */
    ORPHAN_MS_MAX = 7 * 24 * 3600 * 1000,
};

struct options {
    const char *root;
    uint32_t orphan_ms; /* 0: never */
    const char *build;  /* our own digest; NULL: to be found out */
    const char *cgroup;
};

static int64_t clock_us(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static _Noreturn void refuse_to_start(const char *what, const char *why)
{
    char line[512];
    size_t len = 0;
    const char *const parts[] = { "agentbox-guest: ", what, ": ", why, "\n" };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t n = strnlen(parts[i], sizeof(line) - len);

        memcpy(line + len, parts[i], n);
        len += n;
    }
    (void) write(STDERR_FILENO, line, len);
    _exit(EXIT_START);
}

static int signals_route(void)
{
    sigset_t all, child;

    (void) sigfillset(&all);
    if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
        refuse_to_start("blocking signals", strerror(errno));
    (void) sigemptyset(&child);
    (void) sigaddset(&child, SIGCHLD);
    int fd = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);

    if (fd < 0)
        refuse_to_start("routing signals", strerror(errno));
    return fd;
}

/* Three processes pass on what goes through these pipes, each in pieces; where they hold more, fewer of them
 * wait for each other. A third less time for a large file; refused, it works all the same. */
static void pipes_widen(void)
{
    (void) fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
    (void) fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
}

static uint32_t milliseconds(const char *text)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno || end == text || *end || value > ORPHAN_MS_MAX || text[0] == '-')
        refuse_to_start("--orphan-ms", "not a number of milliseconds up to a week");
    return (uint32_t) value;
}

static struct options options_parse(int argc, char **argv)
{
    struct options o = { "/workspace", 0, NULL, "/sys/fs/cgroup" };

    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (!value)
            refuse_to_start(argv[i], "needs a value");
        else if (strcmp(argv[i], "--root") == 0)
            o.root = value;
        else if (strcmp(argv[i], "--build") == 0 && strlen(value) == FRAME_BUILD)
            o.build = value;
        else if (strcmp(argv[i], "--orphan-ms") == 0)
            o.orphan_ms = milliseconds(value);
        else if (strcmp(argv[i], "--cgroup") == 0) /* tests write what the kernel would */
            o.cgroup = value;
        else if (strcmp(argv[i], "--openat2") == 0 &&
                 strcmp(value, "no") == 0) /* tests take the other way with it */
            beneath_no_openat2();
        else
            refuse_to_start(argv[i], "unknown option");
    }
    return o;
}

static void build_digest(char ret[FRAME_BUILD + 1])
{
    static const char hex[] = "0123456789abcdef";
    static uint8_t buf[65536];
    uint8_t sum[32];
    struct sha256 s;
    ssize_t n;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    sha256_init(&s);
    while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
        sha256_add(&s, buf, (size_t) n);
    if (fd >= 0)
        (void) close(fd);
    sha256_end(&s, sum);
    for (int i = 0; i < FRAME_BUILD; i++)
        ret[i] = hex[sum[i / 2] >> (i % 2 ? 0 : 4) & 15];
    ret[FRAME_BUILD] = 0;
}

static void introduce(const struct options *o)
{
    struct frame_hello me = { .version = FRAME_VERSION,
                              .features = FRAME_FEATURE_LISTEN,
                              .orphan_ms = o->orphan_ms };

    if (getrandom(&me.boot, sizeof(me.boot), 0) != (ssize_t) sizeof(me.boot))
        refuse_to_start("random number", strerror(errno));
    if (o->build)
        memcpy(me.build, o->build,
               FRAME_BUILD); /* whoever put us here knows, and reading ourselves takes time */
    else
        build_digest(me.build);
    link_init(&me, clock_us());
}

static void signals_read(int fd)
{
    struct signalfd_siginfo info[8];

    while (read(fd, info, sizeof(info)) > 0)
        ; /* who it was is told by waitpid(2): signals merge */
    exec_reap();
}

static int timeout_ms(int64_t now_us, int64_t wake_us)
{
    if (wake_us == INT64_MAX)
        return -1;
    if (wake_us <= now_us)
        return 0;
    return (int) ((wake_us - now_us < 3600LL * 1000000 ? wake_us - now_us : 3600LL * 1000000) + 999) / 1000;
}

/* A container whose PID 1 ends by itself is gone sooner than one that its engine has to kill. */
static _Noreturn void leave(void)
{
    exec_kill_all();
    _exit(EXIT_TOLD);
}

/* Nobody has spoken to us for too long: whoever started this sandbox is gone, and so shall it be. */
static void orphan_check(int64_t now_us, uint32_t orphan_ms, int64_t *wake_us)
{
    int64_t end_us = link_heard_us() + (int64_t) orphan_ms * 1000;

    if (orphan_ms == 0)
        return;
    if (now_us >= end_us)
        leave();
    if (end_us < *wake_us)
        *wake_us = end_us;
}

/* One turn: say what there is to say, wait, look who has something for us. */
static void turn(int signal_fd, uint32_t orphan_ms)
{
    static struct pollfd fds[3 + EXEC_FDS + CONN_FDS];
    static int64_t deaf_until_us;
    int64_t now_us = clock_us(), wake_us = INT64_MAX;

    exec_tick(now_us);
    bool is_busy = link_produce();

    out_flush();
    is_busy = is_busy && out_begin(); /* else the way out being free is what we wait for */
    if (!is_busy)
        exec_idle(now_us, &wake_us);
    orphan_check(now_us, orphan_ms, &wake_us);
    if (deaf_until_us > now_us && deaf_until_us < wake_us)
        wake_us = deaf_until_us;
    fds[0] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = deaf_until_us > now_us ? -1 : STDIN_FILENO, .events = POLLIN };
    fds[2] = (struct pollfd){ .fd = out_is_pending() ? STDOUT_FILENO : -1, .events = POLLOUT };
    int count = exec_poll(fds + 3, now_us, &wake_us);
    struct pollfd *conn_fds = fds + 3 + count;
    int conns = conn_poll(conn_fds, now_us, &wake_us);

    if (poll(fds, (nfds_t) (count + conns) + 3, is_busy ? 0 : timeout_ms(now_us, wake_us)) <= 0)
        return;
    now_us = clock_us();
    if (fds[0].revents)
        signals_read(signal_fd);
    exec_ready(fds + 3, count, now_us);
    conn_ready(conn_fds, conns, now_us);
    if (fds[1].revents && !link_read(now_us))
        deaf_until_us = now_us + DEAF_US;
    if (link_is_over())
        leave();
}

int main(int argc, char **argv)
{
    int signal_fd = signals_route();

    spawn_score_open();
    (void) prctl(PR_SET_DUMPABLE, 0);
    (void) prctl(PR_SET_CHILD_SUBREAPER, 1); /* PID 1 is one anyway; in tests we may have another number */
    (void) umask(0);

    struct options o = options_parse(argc, argv);
    int root_fd = beneath_init(o.root);

    if (root_fd < 0)
        refuse_to_start(o.root, strerror(-root_fd));
    if (procs_init() < 0)
        refuse_to_start("/proc", "not there: processes could not be killed");
    (void) fcntl(STDIN_FILENO, F_SETFL, O_RDWR | O_NONBLOCK);
    (void) fcntl(STDOUT_FILENO, F_SETFL, O_RDWR | O_NONBLOCK);
    pipes_widen();
    cgroup_init(o.cgroup);
    limits_init(root_fd);
    exec_init(root_fd, environ);
    introduce(&o);
    /* START */
    for (;;)
        turn(signal_fd, o.orphan_ms);
}
