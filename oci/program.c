/* SPDX-License-Identifier: MIT */
/* A program of the host under a deadline. */
#include "oci/program.h"

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define LINGER_MS 1000 /* what it started may hold its pipe when it has ended; so long that is waited for */

struct program {
    struct loop *loop;
    struct loop_source *child, *reader, *timer, *late;
    int fd, pid;
    bool has_exited, has_ended; /* the process; its output */
    struct buf tail;            /* up to twice what is kept */
    size_t seen;
    int64_t began_ms;
    struct program_end end;
    char why[96];
    program_fn *fn;
    void *data;
};

static void end_group(struct program *p)
{
    if (p->pid > 0)
        (void) kill(-p->pid, SIGKILL); /* all of it may have ended this moment */
}

static void finish(struct program *p)
{
    size_t keep = p->tail.len < PROGRAM_TAIL_MAX ? p->tail.len : PROGRAM_TAIL_MAX;

    end_group(p); /* whatever it left behind */
    loop_source_free(TAKE_PTR(p->child));
    loop_source_free(TAKE_PTR(p->reader));
    loop_source_free(TAKE_PTR(p->timer));
    loop_source_free(TAKE_PTR(p->late));
    p->pid = 0;
    p->end.duration_ms = clock_mono_ms() - p->began_ms;
    p->end.output = span_make(p->tail.data ? p->tail.data + p->tail.len - keep : "", keep);
    p->fn(p->data, &p->end);
}

static void give_up(struct program *p)
{
    p->end.exit_status = -1;
    p->end.why = p->why;
    finish(p);
}

static void on_late(void *data)
{
    struct program *p = data;

    snprintf(p->why, sizeof(p->why), "it did not end in time");
    give_up(p);
}

static void on_lingered(void *data)
{
    finish(data);
}

static void on_child(void *data, int exit_status, int term_signal)
{
    struct program *p = data;

    p->has_exited = true;
    p->end.exit_status = term_signal ? -1 : exit_status;
    p->end.term_signal = term_signal;
    if (term_signal) {
        snprintf(p->why, sizeof(p->why), "signal %d ended it", term_signal);
        p->end.why = p->why;
    }
    if (p->has_ended || loop_timer(p->loop, LINGER_MS, on_lingered, p, &p->late, NULL) < 0)
        finish(p);
}

/* Only the end is kept: once there is twice as much, the first half goes. */
static int keep_tail(struct program *p, const char *ptr, size_t len)
{
    if (p->tail.len + len > p->tail.max)
        buf_drop(&p->tail, p->tail.len - PROGRAM_TAIL_MAX);
    p->seen += len;
    return buf_add(&p->tail, ptr, len);
}

static void on_readable(void *data, unsigned events)
{
    struct program *p = data;
    char chunk[PROGRAM_TAIL_MAX];
    ssize_t n = read(p->fd, chunk, sizeof(chunk));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && keep_tail(p, chunk, (size_t) n) == 0) {
        if (p->seen <= PROGRAM_OUTPUT_MAX)
            return;
        snprintf(p->why, sizeof(p->why), "it wrote more than %d MiB", PROGRAM_OUTPUT_MAX >> 20);
        give_up(p);
        return;
    }
    p->has_ended = true;
    loop_source_free(TAKE_PTR(p->reader));
    if (p->has_exited)
        finish(p);
}

int program_start(struct loop *loop, const struct program_spec *spec, program_fn *fn, void *data,
                  struct program **ret, struct err *err)
{
    const struct loop_program program = {
        .argv = spec->argv, .env = spec->env, .dir = spec->dir, .takes_stderr = true, .is_leader = true
    };
    struct program *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return err_set(err, ERR_INTERNAL, "no memory for a program");
    p->loop = loop;
    p->fn = fn;
    p->data = data;
    p->fd = -1;
    p->tail.max = 2 * PROGRAM_TAIL_MAX;
    p->began_ms = clock_mono_ms();
    r = loop_spawn_program(loop, &program, on_child, p, &p->fd, &p->pid, &p->child, err);
    if (r >= 0)
        r = loop_watch_fd(loop, p->fd, LOOP_READ, on_readable, p, &p->reader, err);
    if (r >= 0)
        r = loop_timer(loop, spec->timeout_ms, on_late, p, &p->timer, err);
    if (r < 0) {
        program_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void program_free(struct program *p)
{
    if (!p)
        return;
    end_group(p);
    loop_source_free(p->child);
    loop_source_free(p->reader);
    loop_source_free(p->timer);
    loop_source_free(p->late);
    if (p->fd >= 0)
        (void) close(p->fd); /* only read from */
    buf_done(&p->tail);
    free(p);
}
