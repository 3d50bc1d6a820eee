/* SPDX-License-Identifier: MIT */
#include "core/guest/exec.h"

#include "core/guest/cgroup.h"
#include "core/guest/exec_impl.h"
#include "core/guest/keeper.h"
#include "core/guest/procs.h"
#include "core/guest/spawn.h"
#include "core/guest/stray.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GRACE_US = 100 * 1000, /* for background processes that hold the pipes of an ended call */
    LOOK_US = 2 * 1000,    /* between two looks at the processes while killing */
    HOLD_LOOKS = 16,       /* after that many, all processes of the sandbox are held while we look */
    WATCH_US = 500 * 1000, /* a command that lasts is looked at so often */
    WAIT_LOOKS = 1000,     /* for room, while what has it is being killed */
    AFTER_US = 1000,       /* so long after a command's end its result alone has the processors */
};

struct exec exec_all[FRAME_EXECS];
int64_t exec_turn_us;
static int64_t after_us; /* until then what is not urgent waits */
static struct exec *polled[FRAME_EXECS];

/* The last request for a command, in case that it must be started a second time. */
static struct {
    uint64_t id;
    size_t len;
    uint8_t bytes[FRAME_REQUEST_MAX];
} latest;

void exec_init(int root_fd, char **env)
{
    spawn_init(root_fd, env);
    for (int i = 0; i < FRAME_EXECS; i++)
        exec_all[i].ctl = exec_all[i].in = exec_all[i].out[0].fd = exec_all[i].out[1].fd = -1;
}

struct exec *exec_find(uint64_t id)
{
    for (int i = 0; i < FRAME_EXECS; i++) {
        if (exec_all[i].state != EXEC_FREE && exec_all[i].id == id)
            return &exec_all[i];
    }
    return NULL;
}

void exec_close_fd(int *fd)
{
    if (*fd >= 0)
        (void) close(*fd);
    *fd = -1;
}

static void pipe_close(struct exec *e, int i)
{
    if (e->is_tty)
        exec_input_close(e);
    exec_close_fd(&e->out[i].fd);
}

static void slot_free(struct exec *e)
{
    for (int i = 0; i < 2; i++) {
        pipe_close(e, i);
        tape_done(&e->out[i]);
    }
    exec_input_close(e);
    exec_close_fd(&e->ctl);
    e->state = EXEC_FREE;
}

/* A free slot; `instead` counts as one. */
static struct exec *slot_get(struct exec *instead)
{
    for (int i = 0; i < FRAME_EXECS && !instead; i++) {
        if (exec_all[i].state == EXEC_FREE)
            return &exec_all[i];
    }
    return instead;
}

/* How it begins: without a keeper, see slot_run(). */
static void slot_begin(struct exec *e, uint64_t id, const struct frame_exec *x, int64_t now_us)
{
    tape_init(&e->out[0], -1, x->output_max, x->tail_max);
    tape_init(&e->out[1], -1, x->output_max, x->tail_max);
    e->state = EXEC_WAITING;
    e->id = id;
    e->is_attached = true;
    e->is_tty = x->flags & FRAME_EXEC_TTY;
    e->takes_input = x->flags & (FRAME_EXEC_TTY | FRAME_EXEC_INPUT);
    e->is_exit_sent = e->is_exit_known = e->in_is_ending = e->must_sweep = false;
    e->has_waited = e->was_swept = false;
    e->keeper = 0;
    e->ctl = e->in = -1;
    e->in_from = e->in_to = e->in_credit = 0;
    e->in_number = 0;
    e->looks = 0;
    e->started_us = now_us;
    e->deadline_us = x->timeout_ms > 0 ? now_us + x->timeout_ms * 1000 : INT64_MAX;
    e->watch_us = now_us + WATCH_US;
    e->exit =
        (struct frame_exit){ .end = FRAME_EXIT_SIGNALED, .code = SIGKILL }; /* until we hear otherwise */
}

static void slot_run(struct exec *e, const struct spawn *sp)
{
    e->state = EXEC_RUNNING;
    e->keeper = sp->keeper;
    stray_set_command(sp->keeper, e->id);
    e->ctl = sp->ctl;
    e->in = sp->in;
    e->out[0].fd = sp->out;
    e->out[1].fd = sp->err;
}

static bool is_for_want_of_processes(uint8_t step, int32_t errnum)
{
    return step == FRAME_STEP_FORK && errnum == EAGAIN;
}

/* Start it now, or later. False: *ret says why it will never be. */
static bool slot_start(struct exec *e, const struct frame_exec *x, struct frame_exit *ret)
{
    struct spawn sp = { .ctl = -1, .in = -1, .out = -1, .err = -1 };

    if (exec_room_check(e->mark.pid_refusals))
        return true;
    if (spawn_start(x, &sp, &ret->step, &ret->errnum)) {
        slot_run(e, &sp);
        return true;
    }
    return is_for_want_of_processes(ret->step, (int32_t) ret->errnum) && exec_room_make(true);
}

static void request_keep(uint64_t id, struct frame_in request)
{
    const struct exec *e = exec_find(latest.id);

    if (request.len > sizeof(latest.bytes) || (e && e->state == EXEC_WAITING))
        return;
    latest.id = id;
    latest.len = request.len;
    memcpy(latest.bytes, request.p, request.len);
}

static void failed(struct exec *e, const struct frame_exit *why);

bool exec_start(uint64_t id, struct frame_in request, struct frame_exit *ret, int64_t now_us)
{
    struct frame_exec x;
    struct exec *e, *instead;

    *ret = (struct frame_exit){ .end = FRAME_EXIT_FAILED, .step = FRAME_STEP_REQUEST, .errnum = EINVAL };
    if (exec_find(id))
        ret->errnum = EEXIST;
    if (exec_find(id) || !frame_exec_decode(request, &x))
        return false;
    ret->step = FRAME_STEP_TABLE;
    ret->errnum = EAGAIN;
    instead = x.flags & FRAME_EXEC_INSTEAD ? exec_find(x.instead) : NULL;
    if (instead && instead->state != EXEC_ENDED)
        instead = NULL;
    e = stray_has_room() ? slot_get(instead) : NULL;
    if (!e)
        return false;
    request_keep(id, request);
    if (instead)
        slot_free(instead);
    slot_begin(e, id, &x, now_us);
    limits_begin(&e->mark);
    if (!slot_start(e, &x, ret)) /* known as any other that has ended */
        failed(e, ret);
    return true;
}

void exec_resize(uint64_t id, uint16_t rows, uint16_t cols)
{
    struct exec *e = exec_find(id);

    if (e && e->is_tty && e->state == EXEC_RUNNING)
        spawn_resize(e->out[0].fd, rows, cols);
}

void exec_credit(uint64_t id, int fd, uint32_t bytes)
{
    struct exec *e = exec_find(id);

    if (e && (fd == 1 || fd == 2))
        tape_credit(&e->out[fd - 1], bytes);
}

/* ---- end ---- */

static void ended(struct exec *e);

static void kill_begin(struct exec *e, uint8_t why)
{
    static const char leave = KEEPER_LEAVE;

    if (e->state != EXEC_RUNNING && e->state != EXEC_WAITING)
        return;
    e->exit.end = why;
    e->exit.code = 0;
    if (e->state == EXEC_WAITING) { /* there is nothing to kill */
        ended(e);
        return;
    }
    if (e->ctl >= 0)
        (void) send(e->ctl, &leave, 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* full: it is killed, too, in the end */
    e->state = EXEC_KILLING;
    e->looks = e->clean_looks = 0;
    e->look_us = 0;
    e->must_sweep = true;
    exec_input_close(e);
}

void exec_kill(uint64_t id)
{
    struct exec *e = exec_find(id);

    if (e)
        kill_begin(e, FRAME_EXIT_KILLED);
}

/* The host has the result. A command that still runs is not let go of: it would be out of everybody's sight.
 */
void exec_release(uint64_t id)
{
    struct exec *e = exec_find(id);

    if (e && e->state == EXEC_ENDED)
        slot_free(e);
}

/* The keeper may empty the pipes now, and go when nobody is left beneath it. That takes it as long as the
 * result's way through the engine takes, and where both are on one processor the result would wait. */
static void let_go(struct exec *e)
{
    if (e->ctl >= 0)
        (void) send(e->ctl, "", 1, MSG_NOSIGNAL);
    exec_close_fd(&e->ctl);
}

static void ended(struct exec *e)
{
    for (int i = 0; i < 2; i++) {
        e->exit.written[i] = e->out[i].written;
        pipe_close(e, i);
    }
    exec_input_close(e);
    e->let_go_us = after_us = exec_turn_us + AFTER_US;
    e->state = EXEC_ENDED;
    limits_end(&e->mark, &e->exit);
    if ((e->exit.hits & FRAME_HIT_PIDS) && exec_room_make(false))
        e->was_swept = true;
    if (e->was_swept)
        e->exit.hits |= FRAME_HIT_SWEPT;
}

static void failed(struct exec *e, const struct frame_exit *why)
{
    e->is_exit_known = true;
    e->exit = *why;
    ended(e);
}

/* Its keeper came too late for a process, or there was none for a keeper. */
static void waiting_step(struct exec *e, int64_t now_us)
{
    struct frame_in request = { latest.bytes, latest.len, false };
    struct frame_exit why = { .end = FRAME_EXIT_FAILED, .step = FRAME_STEP_FORK, .errnum = EAGAIN };
    struct frame_exec x;

    if (now_us < e->look_us)
        return;
    e->look_us = now_us + LOOK_US;
    e->has_waited = true;
    if (stray_is_due() && ++e->looks < WAIT_LOOKS)
        return;
    if (latest.id != e->id || !frame_exec_decode(request, &x) || !slot_start(e, &x, &why) ||
        (e->state == EXEC_WAITING && e->looks >= WAIT_LOOKS))
        failed(e, &why);
    else if (e->state == EXEC_RUNNING)
        exec_input_write(e);
}

/* True: it waits for another start. What was written to it is with the one that failed. */
static bool wait_again(struct exec *e)
{
    if (e->has_waited || e->in >= 0 || latest.id != e->id || !exec_room_make(true))
        return false;
    for (int i = 0; i < 2; i++)
        pipe_close(e, i);
    exec_close_fd(&e->ctl);
    e->state = EXEC_WAITING;
    return true;
}

static void closing(struct exec *e, int64_t now_us)
{
    e->state = EXEC_CLOSING;
    e->exit.duration_us = (uint64_t) (now_us - e->started_us);
    e->grace_us = now_us + GRACE_US;
    for (int i = 0; i < 2; i++) {
        int waiting = 0;

        if (e->out[i].fd < 0 || ioctl(e->out[i].fd, FIONREAD, &waiting) < 0 || waiting < 0)
            waiting = 0;
        e->must_read[i] = e->out[i].written + (uint64_t) waiting;
    }
    exec_input_close(e);
}

static void closing_step(struct exec *e, int64_t now_us)
{
    if (e->must_sweep && (e->keeper != 0 || stray_is_due()))
        return;
    for (int i = 0; i < 2; i++) {
        const struct tape *t = &e->out[i];

        if (t->fd >= 0 && (now_us < e->grace_us || t->written < e->must_read[i]))
            return;
    }
    ended(e);
}

/* ---- news from the keeper ---- */

static void status_take(struct exec *e, int status)
{
    e->is_exit_known = true;
    if (e->state == EXEC_KILLING)
        return;
    e->exit.end = WIFEXITED(status) ? FRAME_EXIT_EXITED : FRAME_EXIT_SIGNALED;
    e->exit.code = (uint32_t) (WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static void news_read(struct exec *e, int64_t now_us)
{
    struct keeper_message m;
    ssize_t n = recv(e->ctl, &m, sizeof(m), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != (ssize_t) sizeof(m)) { /* the keeper is dead. Strays are dealt with when it is reaped */
        exec_close_fd(&e->ctl);
        e->must_sweep = true;
        if (e->state == EXEC_RUNNING)
            closing(e, now_us);
    } else if (m.news == KEEPER_FAILED && e->state == EXEC_RUNNING && !e->is_exit_known) {
        struct frame_exit why = { .end = FRAME_EXIT_FAILED, .step = m.step, .errnum = (uint32_t) m.value };

        if (!is_for_want_of_processes(m.step, m.value) || !wait_again(e))
            failed(e, &why);
    } else if (m.news == KEEPER_EXITED && !e->is_exit_known) {
        status_take(e, m.value);
        if (e->state == EXEC_RUNNING)
            closing(e, now_us);
    }
}

void exec_reap(void)
{
    pid_t pid;

    while ((pid = stray_reap()) > 0) {
        for (int i = 0; i < FRAME_EXECS; i++) {
            if (exec_all[i].keeper == pid)
                exec_all[i].keeper = 0;
        }
        spawn_reaped(pid);
    }
}

/* ---- time ---- */

static void killing_step(struct exec *e, int64_t now_us)
{
    if (e->keeper == 0) {
        closing(e, now_us);
        return;
    }
    if (now_us < e->look_us || e->clean_looks >= 2)
        return;
    bool is_held = ++e->looks > HOLD_LOOKS; /* it breeds faster than we look */

    if (is_held)
        procs_hold(true);
    bool is_alive = procs_kill_beneath(e->keeper, NULL) > 0;

    if (is_held)
        procs_hold(false);
    if (is_alive) {
        e->clean_looks = 0;
        e->look_us = e->looks % 4 ? 0 : now_us + LOOK_US;
    } else if (++e->clean_looks == 2) {
        (void) kill(e->keeper, SIGKILL); /* what it may still have becomes a stray */
    }
}

void exec_tick(int64_t now_us)
{
    static int64_t stray_us;

    exec_turn_us = now_us;
    for (int i = 0; i < FRAME_EXECS; i++) {
        struct exec *e = &exec_all[i];

        if ((e->state == EXEC_RUNNING || e->state == EXEC_WAITING) && now_us >= e->deadline_us)
            kill_begin(e, FRAME_EXIT_TIMEOUT);
        if (e->state == EXEC_WAITING)
            waiting_step(e, now_us);
        if (e->state == EXEC_RUNNING && now_us >= e->watch_us) {
            e->watch_us = now_us + WATCH_US;
            limits_watch(&e->mark);
            (void) exec_room_check(cgroup_pid_refusals());
        }
        if (e->state == EXEC_KILLING)
            killing_step(e, now_us);
        if (e->state == EXEC_CLOSING)
            closing_step(e, now_us);
        if (e->state == EXEC_ENDED && now_us >= e->let_go_us)
            let_go(e);
    }
    if (stray_is_due() && now_us >= stray_us) {
        stray_kill();
        stray_us = now_us + LOOK_US;
    }
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t exec_wake(const struct exec *e, int64_t now_us)
{
    if (exec_is_gathering(e, now_us))
        return e->started_us + GATHER_US;
    if (e->state == EXEC_RUNNING)
        return min64(e->deadline_us, e->watch_us);
    if (e->state == EXEC_WAITING)
        return e->look_us;
    if (e->state == EXEC_KILLING)
        return e->clean_looks >= 2 ? INT64_MAX : e->look_us;
    if (e->state == EXEC_CLOSING)
        return e->grace_us > now_us ? e->grace_us : INT64_MAX;
    if (e->state == EXEC_ENDED && e->ctl >= 0)
        return e->let_go_us;
    return INT64_MAX;
}

int exec_poll(struct pollfd *fds, int64_t now_us, int64_t *wake_us)
{
    int n = 0;

    for (int i = 0; i < FRAME_EXECS; i++) {
        struct exec *e = &exec_all[i];

        *wake_us = min64(*wake_us, exec_wake(e, now_us));
        if (e->state == EXEC_FREE || e->state == EXEC_ENDED)
            continue;
        polled[n / 4] = e;
        fds[n++] = (struct pollfd){ .fd = e->ctl, .events = POLLIN };
        fds[n++] =
            (struct pollfd){ .fd = e->in_from < e->in_to || e->in_is_ending ? e->in : -1, .events = POLLOUT };
        fds[n++] = (struct pollfd){ .fd = tape_wants(&e->out[0]) ? e->out[0].fd : -1, .events = POLLIN };
        fds[n++] = (struct pollfd){ .fd = tape_wants(&e->out[1]) ? e->out[1].fd : -1, .events = POLLIN };
    }
    if (stray_is_due() && now_us + LOOK_US < *wake_us)
        *wake_us = now_us + LOOK_US;
    return n;
}

/* Output before news, so that what a command wrote before its end was read before we look at what is left. */
void exec_ready(const struct pollfd *fds, int count, int64_t now_us)
{
    for (int i = 0; i < count / 4; i++, fds += 4) {
        struct exec *e = polled[i];

        for (int s = 0; s < 2; s++) {
            if (fds[2 + s].revents && e->out[s].fd == fds[2 + s].fd && tape_read(&e->out[s]) < 0)
                pipe_close(e, s);
        }
        if (fds[1].revents && e->in == fds[1].fd)
            exec_input_write(e);
        if (fds[0].revents && e->ctl == fds[0].fd)
            news_read(e, now_us);
    }
}

void exec_idle(int64_t now_us, int64_t *wake_us)
{
    for (int i = 0; i < FRAME_EXECS; i++) {
        if (exec_all[i].state != EXEC_FREE && exec_all[i].state != EXEC_ENDED)
            return; /* what runs comes first */
    }
    if (now_us >= after_us)
        spawn_reserve();
    else
        *wake_us = min64(*wake_us, after_us);
}

void exec_kill_all(void)
{
    if (getpid() == 1) {
        (void) kill(-1, SIGKILL);
        return;
    }
    for (int clean = 0, looks = 0; clean < 2 && looks < 1000; looks++) {
        clean = procs_kill_beneath(getpid(), NULL) > 0 ? 0 : clean + 1;
        exec_reap();
    }
}
