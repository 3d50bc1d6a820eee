/* SPDX-License-Identifier: MIT */
/*
 * The event loop on libuv.
 *
 * libuv's own callbacks only note what happened and put the source into the
 * ready queue; the owners' functions are called after uv_run() has returned.
 * So an owner may free any source, and may run the loop again from inside its
 * function, although uv_run() itself must not be entered twice.
 */
#include "core/base/loop.h"

#include "core/base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#define DESCRIPTORS_NEEDED 12 /* by libuv's loop and its signals */

enum kind { FD, TIMER, SIGNAL, CHILD, WORK, DEFER, BEFORE_WAIT };

struct link {
    struct link *prev, *next;
};

struct loop_source {
    struct link ready;  /* in loop->ready, or alone */
    struct link family; /* in loop->before_wait or loop->orphans, or alone */
    struct loop *loop;
    void *data;
    union {
        loop_fn *call;
        loop_fd_fn *fd;
        loop_signal_fn *signal;
        loop_child_fn *child;
    } fn;
    loop_fn *work; /* WORK: what its thread calls */
    enum kind kind;
    bool is_free;     /* given up by its owner */
    bool is_broken;   /* libuv stopped watching after POLLERR */
    bool has_worked;  /* WORK: libuv is through with it */
    unsigned wanted;  /* FD: LOOP_* asked for */
    unsigned pending; /* FD: LOOP_* that happened; SIGNAL: how often */
    int fd;
    int exit_status, term_signal;
    uint64_t ticket; /* ready: order of arrival; BEFORE_WAIT: turn that called it last */
    union {
        uv_handle_t handle;
        uv_poll_t poll;
        uv_timer_t timer;
        uv_signal_t signal;
        uv_process_t process;
        uv_work_t work;
    } uv;
    uv_sem_t returned; /* WORK: posted by its thread */
};

struct loop {
    uv_loop_t uv;
    struct link ready, before_wait, orphans;
    uint64_t tickets, turns;
    size_t sources; /* not yet freed by their owners */
    unsigned depth; /* of nested loop_run() */
    bool is_polling, must_quit;
};

static void link_init(struct link *l)
{
    l->prev = l->next = l;
}

static bool link_is_alone(const struct link *l)
{
    return l->next == l;
}

static void link_remove(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    link_init(l);
}

static void link_append(struct link *list, struct link *l)
{
    l->prev = list->prev;
    l->next = list;
    list->prev->next = l;
    list->prev = l;
}

static struct loop_source *of_ready(struct link *l)
{
    return (struct loop_source *) (void *) ((char *) l - offsetof(struct loop_source, ready));
}

static struct loop_source *of_family(struct link *l)
{
    return (struct loop_source *) (void *) ((char *) l - offsetof(struct loop_source, family));
}

static int fail_uv(struct err *err, int r, const char *what)
{
    errno = -r; /* libuv's codes are negated errno values on Unix */
    return err_errno(err, ERR_IO, "%s", what);
}

static bool has_uv_handle(const struct loop_source *s)
{
    return s->kind <= CHILD;
}

/* ---- becoming ready ---- */

static void make_ready(struct loop_source *s)
{
    if (!link_is_alone(&s->ready))
        return;
    s->ticket = ++s->loop->tickets;
    link_append(&s->loop->ready, &s->ready);
    if (s->loop->is_polling)
        uv_stop(&s->loop->uv); /* libuv runs timers before it polls: keep it from blocking after them */
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct loop_source *s = handle->data;

    s->pending |= (unsigned) events;
    if (status < 0) { /* an error condition: the owner meets it in its next read or write */
        s->is_broken = true;
        s->pending |= s->wanted;
    }
    make_ready(s);
}

static void on_timer(uv_timer_t *handle)
{
    make_ready(handle->data);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct loop_source *s = handle->data;

    s->pending++;
    make_ready(s);
}

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_exit_child(uv_process_t *handle, int64_t exit_status, int term_signal)
{
    struct loop_source *s = handle->data;

    if (s->is_free) {
        link_remove(&s->family);
        uv_close(&s->uv.handle, on_close);
        return;
    }
    s->exit_status = (int) exit_status;
    s->term_signal = term_signal;
    make_ready(s);
}

/* ---- sources ---- */

static struct loop_source *source_new(struct loop *loop, enum kind kind, void *data, struct err *err)
{
    struct loop_source *s = calloc(1, sizeof(*s));

    if (!s) {
        (void) err_set(err, ERR_INTERNAL, "no memory for an event source");
        return NULL;
    }
    link_init(&s->ready);
    link_init(&s->family);
    s->loop = loop;
    s->kind = kind;
    s->data = data;
    s->fd = -1;
    s->uv.handle.data = s;
    loop->sources++;
    return s;
}

/* For a source whose uv_*_init() failed: libuv does not know it. */
static void source_drop(struct loop_source *s)
{
    s->loop->sources--;
    free(s);
}

int loop_watch_fd(struct loop *loop, int fd, unsigned events, loop_fd_fn *fn, void *data,
                  struct loop_source **ret, struct err *err)
{
    struct loop_source *s = source_new(loop, FD, data, err);
    int r;

    if (!s)
        return -ERR_INTERNAL;
    s->fn.fd = fn;
    s->fd = fd;
    r = uv_poll_init(&loop->uv, &s->uv.poll, fd);
    if (r < 0) {
        source_drop(s);
        return fail_uv(err, r, "watching a descriptor");
    }
    r = loop_watch_events(s, events, err);
    if (r < 0) {
        loop_source_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

int loop_watch_events(struct loop_source *s, unsigned events, struct err *err)
{
    int r;

    assert(s->kind == FD);
    if (events == s->wanted && !s->is_broken)
        return 0; /* each change costs two system calls */
    s->wanted = events;
    s->pending &= events;
    s->is_broken = false;
    if (s->pending == 0)
        link_remove(&s->ready);
    if (events == 0)
        r = uv_poll_stop(&s->uv.poll);
    else
        r = uv_poll_start(&s->uv.poll, (int) events, on_poll);
    return r < 0 ? fail_uv(err, r, "watching a descriptor") : 0;
}

int loop_timer(struct loop *loop, int64_t after_ms, loop_fn *fn, void *data, struct loop_source **ret,
               struct err *err)
{
    struct loop_source *s = source_new(loop, TIMER, data, err);
    int r;

    if (!s)
        return -ERR_INTERNAL;
    s->fn.call = fn;
    (void) uv_timer_init(&loop->uv, &s->uv.timer); /* cannot fail */
    r = loop_timer_set(s, after_ms, err);
    if (r < 0) {
        loop_source_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

int loop_timer_set(struct loop_source *s, int64_t after_ms, struct err *err)
{
    int r;

    assert(s->kind == TIMER);
    link_remove(&s->ready);
    if (after_ms < 0)
        r = uv_timer_stop(&s->uv.timer);
    else {
        uv_update_time(&s->loop->uv); /* libuv counts from its cached time otherwise */
        r = uv_timer_start(&s->uv.timer, on_timer, (uint64_t) after_ms, 0);
    }
    return r < 0 ? fail_uv(err, r, "setting a timer") : 0;
}

int loop_signal(struct loop *loop, int signum, loop_signal_fn *fn, void *data, struct loop_source **ret,
                struct err *err)
{
    struct loop_source *s = source_new(loop, SIGNAL, data, err);
    int r;

    if (!s)
        return -ERR_INTERNAL;
    s->fn.signal = fn;
    s->fd = signum;
    r = uv_signal_init(&loop->uv, &s->uv.signal);
    if (r < 0) {
        source_drop(s);
        return fail_uv(err, r, "watching a signal");
    }
    r = uv_signal_start(&s->uv.signal, on_signal, signum);
    if (r < 0) {
        loop_source_free(s);
        return fail_uv(err, r, "watching a signal");
    }
    *ret = s;
    return 0;
}

int loop_defer(struct loop *loop, loop_fn *fn, void *data, struct loop_source **ret, struct err *err)
{
    struct loop_source *s = source_new(loop, DEFER, data, err);

    if (!s)
        return -ERR_INTERNAL;
    s->fn.call = fn;
    make_ready(s);
    *ret = s;
    return 0;
}

int loop_before_wait(struct loop *loop, loop_fn *fn, void *data, struct loop_source **ret, struct err *err)
{
    struct loop_source *s = source_new(loop, BEFORE_WAIT, data, err);

    if (!s)
        return -ERR_INTERNAL;
    s->fn.call = fn;
    link_append(&loop->before_wait, &s->family);
    *ret = s;
    return 0;
}

static int pipe_cloexec(int fds[2])
{
#ifdef __linux__
    return pipe2(fds, O_CLOEXEC);
#else
    if (pipe(fds) < 0)
        return -1;
    (void) fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    (void) fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    return 0;
#endif
}

static int spawn_into(struct loop_source *s, const struct loop_program *program, int out_fd)
{
    uv_stdio_container_t stdio[3] = {
        { .flags = UV_IGNORE },
        { .flags = UV_INHERIT_FD, .data = { .fd = out_fd } },
        { .flags = UV_INHERIT_FD, .data = { .fd = program->takes_stderr ? out_fd : STDERR_FILENO } },
    };
    uv_process_options_t options = {
        .exit_cb = on_exit_child,
        .file = program->argv[0],
        .args = (char **) (uintptr_t) program->argv, /* libuv writes to none of these */
        .env = (char **) (uintptr_t) program->env,
        .cwd = program->dir,
        .flags = program->is_leader ? UV_PROCESS_DETACHED : 0,
        .stdio_count = 3,
        .stdio = stdio,
    };

    return uv_spawn(&s->loop->uv, &s->uv.process, &options);
}

int loop_spawn(struct loop *loop, const char *const *argv, loop_child_fn *fn, void *data, int *ret_out_fd,
               int *ret_pid, struct loop_source **ret, struct err *err)
{
    const struct loop_program program = { .argv = argv };

    return loop_spawn_program(loop, &program, fn, data, ret_out_fd, ret_pid, ret, err);
}

int loop_spawn_program(struct loop *loop, const struct loop_program *program, loop_child_fn *fn, void *data,
                       int *ret_out_fd, int *ret_pid, struct loop_source **ret, struct err *err)
{
    struct loop_source *s;
    int fds[2], r;

    if (pipe_cloexec(fds) < 0)
        return err_errno(err, ERR_IO, "making a pipe");
    CLEANUP(fd) int reader = fds[0];
    CLEANUP(fd) int writer = fds[1];
    if (fcntl(reader, F_SETFL, O_NONBLOCK) < 0)
        return err_errno(err, ERR_IO, "making a pipe");
    s = source_new(loop, CHILD, data, err);
    if (!s)
        return -ERR_INTERNAL;
    s->fn.child = fn;
    r = spawn_into(s, program, writer);
    if (r < 0) {
        loop_source_free(s); /* uv_spawn() has made a handle even when it fails */
        errno = -r;
        return err_errno(err, r == UV_ENOENT ? ERR_NOT_FOUND : ERR_IO, "starting '%s'", program->argv[0]);
    }
    *ret_out_fd = take_fd(&reader);
    *ret_pid = s->uv.process.pid;
    *ret = s;
    return 0;
}

/* ---- work on threads: a request of libuv, not a handle ---- */

static void on_thread(uv_work_t *request)
{
    struct loop_source *s = request->data;

    s->work(s->data);
    uv_sem_post(&s->returned);
}

static void work_free(struct loop_source *s)
{
    uv_sem_destroy(&s->returned);
    free(s);
}

/* libuv is through with the request. */
static void on_worked(uv_work_t *request, int status)
{
    struct loop_source *s = request->data;

    s->has_worked = true;
    if (s->is_free)
        work_free(s);
    else
        make_ready(s);
}

int loop_work(struct loop *loop, loop_fn *fn, loop_fn *done, void *data, struct loop_source **ret,
              struct err *err)
{
    struct loop_source *s = source_new(loop, WORK, data, err);
    int r;

    if (!s)
        return -ERR_INTERNAL;
    s->work = fn;
    s->fn.call = done;
    s->uv.work.data = s;
    r = uv_sem_init(&s->returned, 0);
    if (r == 0) {
        r = uv_queue_work(&loop->uv, &s->uv.work, on_thread, on_worked);
        if (r < 0)
            uv_sem_destroy(&s->returned);
    }
    if (r < 0) {
        source_drop(s);
        return fail_uv(err, r, "starting a thread");
    }
    *ret = s;
    return 0;
}

/* What cannot be taken back any more is waited for; libuv tells the loop of either. */
static void work_give_up(struct loop_source *s)
{
    if (s->has_worked)
        work_free(s);
    else if (uv_cancel((uv_req_t *) &s->uv.work) < 0)
        uv_sem_wait(&s->returned);
}

/* A child that still runs stays known to libuv, so that it does not become a zombie. */
static bool must_outlive_owner(const struct loop_source *s)
{
    return s->kind == CHILD && uv_is_active(&s->uv.handle);
}

void loop_source_free(struct loop_source *s)
{
    if (!s)
        return;
    assert(!s->is_free);
    s->is_free = true;
    s->loop->sources--;
    link_remove(&s->ready);
    link_remove(&s->family);
    if (s->kind == WORK) {
        work_give_up(s);
    } else if (must_outlive_owner(s)) {
        uv_unref(&s->uv.handle);
        link_append(&s->loop->orphans, &s->family);
    } else if (has_uv_handle(s)) {
        uv_close(&s->uv.handle, on_close);
    } else {
        free(s);
    }
}

/* ---- running ---- */

static void dispatch_fd(struct loop_source *s)
{
    unsigned events = s->pending;

    s->pending = 0;
    if (s->is_broken && loop_watch_events(s, s->wanted, NULL) < 0)
        events |= LOOP_HANGUP; /* not watchable any more: say so once */
    s->fn.fd(s->data, events);
}

/* Nothing of `s` may be touched after its function was called: it may be gone. */
static void dispatch(struct loop_source *s)
{
    link_remove(&s->ready);
    switch (s->kind) {
    case FD:
        dispatch_fd(s);
        break;
    case SIGNAL:
        if (--s->pending > 0)
            make_ready(s);
        s->fn.signal(s->data, s->fd);
        break;
    case CHILD:
        s->fn.child(s->data, s->exit_status, s->term_signal);
        break;
    case TIMER:
    case WORK:
    case DEFER:
    case BEFORE_WAIT:
        s->fn.call(s->data);
        break;
    }
}

/* What becomes ready meanwhile has to wait for the next turn, so that descriptors get theirs. */
static void dispatch_ready(struct loop *loop)
{
    uint64_t last = loop->tickets;

    while (!link_is_alone(&loop->ready)) {
        struct loop_source *s = of_ready(loop->ready.next);

        if (s->ticket > last)
            break;
        dispatch(s);
    }
}

static struct loop_source *next_before_wait(struct loop *loop, uint64_t turn)
{
    for (struct link *l = loop->before_wait.next; l != &loop->before_wait; l = l->next)
        if (of_family(l)->ticket != turn)
            return of_family(l);
    return NULL;
}

/* The list may change under each call, hence the search from its head. */
static void call_before_wait(struct loop *loop)
{
    uint64_t turn = ++loop->turns;
    struct loop_source *s;

    while ((s = next_before_wait(loop, turn)) != NULL) {
        s->ticket = turn;
        s->fn.call(s->data);
    }
}

static int poll_once(struct loop *loop, bool is_busy, struct err *err)
{
    if (!is_busy && !uv_loop_alive(&loop->uv))
        return err_set(err, ERR_INTERNAL, "the event loop has nothing left to wait for");
    loop->is_polling = true;
    (void) uv_run(&loop->uv, is_busy ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    loop->is_polling = false;
    return 0;
}

int loop_run(struct loop *loop, const bool *done, struct err *err)
{
    bool is_busy;
    int r = 0;

    loop->depth++;
    while (r == 0 && !loop->must_quit && !(done && *done)) {
        call_before_wait(loop);
        if (loop->must_quit || (done && *done))
            break;
        /* what was deferred goes out before anything new comes in; it may defer more, so the poll does not
         * wait then */
        is_busy = !link_is_alone(&loop->ready);
        if (is_busy)
            dispatch_ready(loop);
        r = poll_once(loop, is_busy || !link_is_alone(&loop->ready), err);
        dispatch_ready(loop);
    }
    if (--loop->depth == 0)
        loop->must_quit = false;
    return r;
}

void loop_quit(struct loop *loop)
{
    loop->must_quit = true;
}

/* libuv ends the process when it cannot have its pipes, so it is asked beforehand whether there is room. */
static int check_descriptors(struct err *err)
{
    int fds[DESCRIPTORS_NEEDED], count = 0, saved;

    while (count < DESCRIPTORS_NEEDED && (fds[count] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) >= 0)
        count++;
    saved = errno;
    for (int i = 0; i < count; i++)
        (void) close(fds[i]); /* copies: nothing was written */
    if (count == DESCRIPTORS_NEEDED || saved == EBADF)
        return 0;
    errno = saved;
    (void) err_errno(err, ERR_INTERNAL, "starting the event loop");
    return err_hint(err, "the limit of open files is too low (`ulimit -n`): raise it to 64 or more");
}

int loop_new(struct loop **ret, struct err *err)
{
    struct loop *loop;
    int r = check_descriptors(err);

    if (r < 0)
        return r;
    loop = calloc(1, sizeof(*loop));
    if (!loop)
        return err_set(err, ERR_INTERNAL, "no memory for the event loop");
    r = uv_loop_init(&loop->uv);
    if (r < 0) {
        free(loop);
        return fail_uv(err, r, "starting the event loop");
    }
    link_init(&loop->ready);
    link_init(&loop->before_wait);
    link_init(&loop->orphans);
    (void) signal(SIGPIPE, SIG_IGN); /* cannot fail for a valid signal */
    *ret = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    int r;

    if (!loop)
        return;
    assert(loop->sources == 0 && loop->depth == 0);
    while (!link_is_alone(&loop->orphans)) {
        struct loop_source *s = of_family(loop->orphans.next);

        link_remove(&s->family);
        uv_close(&s->uv.handle, on_close);
    }
    (void) uv_run(&loop->uv, UV_RUN_DEFAULT); /* only the closes and work given up are left */
    r = uv_loop_close(&loop->uv);
    assert(r == 0);
    (void) r;
    free(loop);
}
