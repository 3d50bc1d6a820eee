/* SPDX-License-Identifier: MIT */
/*
 * The one event loop of the process; the only door to libuv.
 *
 * A source (descriptor, timer, signal, child, deferred call) is made by a
 * loop_* function, lives until loop_source_free(), and calls one function of
 * its owner. After loop_source_free() its function is never called again, not
 * even for an event that is already pending; freeing it inside its own
 * callback is fine. Each handle is a small allocation, because libuv may only
 * release one after a further turn of the loop.
 *
 * A callback may run the loop again (loop_run() nests) and free any source.
 * loop_new() makes the process ignore SIGPIPE: a broken pipe is an error of its
 * write. Children get it back.
 *
 * Rules of the house: a callback never calls its caller back directly, it
 * finishes through loop_defer(); nothing in a callback blocks.
 *
 * Durable before visible: functions registered with loop_before_wait() run
 * each time before the loop waits for events. The journal flushes there, and
 * only then are effects started.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include "core/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct loop_source;

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

typedef void loop_fn(void *data);
typedef void loop_fd_fn(void *data, unsigned events);
typedef void loop_signal_fn(void *data, int signum);
typedef void loop_child_fn(void *data, int exit_status, int term_signal);

int loop_new(struct loop **ret, struct err *err);
void loop_free(struct loop *loop); /* sources must be freed before; asserts */

/* Run until loop_quit(), or until `*done` is true (checked after every turn; may be NULL).
 * May be nested: a verb that needs one answer runs the loop until it is there. loop_quit() ends
 * all nested runs, so look at `done` afterwards. ERR_INTERNAL when nothing could ever happen any more. */
int loop_run(struct loop *loop, const bool *done, struct err *err);
void loop_quit(struct loop *loop);

/* `fd` stays the caller's and must outlive the source; it is made non-blocking. Level triggered; one source
 * per descriptor. After an error on it (reset, closed reader) all wanted events are reported. */
int loop_watch_fd(struct loop *loop, int fd, unsigned events, loop_fd_fn *fn, void *data,
                  struct loop_source **ret, struct err *err);
int loop_watch_events(struct loop_source *source, unsigned events, struct err *err); /* change; 0 = pause */

/* One shot after `after_ms`. */
int loop_timer(struct loop *loop, int64_t after_ms, loop_fn *fn, void *data, struct loop_source **ret,
               struct err *err);
/* Arm again, counted from now; works on a fired one too. Negative: disarm. */
int loop_timer_set(struct loop_source *source, int64_t after_ms, struct err *err);

int loop_signal(struct loop *loop, int signum, loop_signal_fn *fn, void *data, struct loop_source **ret,
                struct err *err);

/* Call `fn` once, soon, from the loop itself. Deferred calls run in order of registration. */
int loop_defer(struct loop *loop, loop_fn *fn, void *data, struct loop_source **ret, struct err *err);

/* Call `fn` each time before the loop waits. */
int loop_before_wait(struct loop *loop, loop_fn *fn, void *data, struct loop_source **ret, struct err *err);

/* Run a program: argv[0] is looked up in PATH; stdin is /dev/null, stdout goes to a pipe whose
 * reading end (non-blocking, close-on-exec) is *ret_out_fd, stderr is inherited. Freeing the
 * source does not kill the child. */
int loop_spawn(struct loop *loop, const char *const *argv, loop_child_fn *fn, void *data, int *ret_out_fd,
               int *ret_pid, struct loop_source **ret, struct err *err);

/* The same with more to say. */
struct loop_program {
    const char *const *argv;
    const char *const *env; /* NULL: ours */
    const char *dir;        /* where it runs; NULL: here */
    bool takes_stderr;      /* into the same pipe */
    bool is_leader;         /* of a session of its own, so that kill(-pid) reaches all that it starts */
};
int loop_spawn_program(struct loop *loop, const struct loop_program *program, loop_child_fn *fn, void *data,
                       int *ret_out_fd, int *ret_pid, struct loop_source **ret, struct err *err);

/* Run `fn` on a thread of its own while the loop goes on, then `done` from the loop. Both get `data`, which
 * only `fn` may touch until `done` is called. Freed before that: work that has not begun is taken back, else
 * the free waits until `fn` has returned. So `data` may be freed right after it. */
int loop_work(struct loop *loop, loop_fn *fn, loop_fn *done, void *data, struct loop_source **ret,
              struct err *err);

void loop_source_free(struct loop_source *source); /* NULL is fine */

#endif
