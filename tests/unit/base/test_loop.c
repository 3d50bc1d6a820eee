/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/clock.h"
#include "core/base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* What happened, in order, one letter each. */
struct trace {
    struct loop *loop;
    struct loop_source *a, *b, *c;
    char text[64];
    int fds[2];
    bool is_done;
    int exit_status, term_signal;
    unsigned events;
};

static void note(struct trace *t, char c)
{
    size_t len = strlen(t->text);

    assert_true(len + 1 < sizeof(t->text));
    t->text[len] = c;
}

static int setup(void **state)
{
    struct trace *t = calloc(1, sizeof(*t));
    struct err err;

    assert_int_equal(loop_new(&t->loop, &err), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, t->fds), 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct trace *t = *state;

    loop_source_free(t->a);
    loop_source_free(t->b);
    loop_source_free(t->c);
    loop_free(t->loop);
    close(t->fds[0]);
    close(t->fds[1]);
    free(t);
    return 0;
}

static void run(struct trace *t)
{
    struct err err;

    t->is_done = false;
    assert_int_equal(loop_run(t->loop, &t->is_done, &err), 0);
}

static void release(struct loop_source **s)
{
    loop_source_free(*s);
    *s = NULL;
}

/* ---- deferred calls ---- */

static void note_a(void *data)
{
    note(data, 'a');
}

static void note_b_and_end(void *data)
{
    struct trace *t = data;

    note(t, 'b');
    t->is_done = true;
}

static void free_own_a(void *data)
{
    struct trace *t = data;

    note(t, 'f');
    release(&t->a);
}

static void free_b_too(void *data)
{
    struct trace *t = data;

    note(t, 'x');
    release(&t->a);
    release(&t->b);
}

static void test_deferred_in_order(void **state)
{
    struct trace *t = *state;

    loop_defer(t->loop, free_own_a, t, &t->a, NULL);
    loop_defer(t->loop, note_b_and_end, t, &t->b, NULL);
    run(t);
    assert_string_equal(t->text, "fb");
}

static void test_freed_before_its_turn(void **state)
{
    struct trace *t = *state;

    loop_defer(t->loop, free_b_too, t, &t->a, NULL);
    loop_defer(t->loop, note_a, t, &t->b, NULL);
    loop_defer(t->loop, note_b_and_end, t, &t->c, NULL);
    run(t);
    assert_string_equal(t->text, "xb");
}

static void defer_again(void *data)
{
    struct trace *t = data;

    note(t, 'd');
    release(&t->a);
    loop_defer(t->loop, defer_again, t, &t->a, NULL);
}

static void on_readable(void *data, unsigned events)
{
    struct trace *t = data;

    note(t, 'r');
    t->events = events;
    t->is_done = true;
}

static void test_deferring_for_ever_starves_nobody(void **state)
{
    struct trace *t = *state;

    assert_int_equal(write(t->fds[1], "x", 1), 1);
    loop_watch_fd(t->loop, t->fds[0], LOOP_READ, on_readable, t, &t->b, NULL);
    loop_defer(t->loop, defer_again, t, &t->a, NULL);
    run(t);
    assert_string_equal(t->text, "ddr"); /* what is deferred goes before what comes in, once */
    assert_int_equal(t->events, LOOP_READ);
}

/* ---- before the wait ---- */

static void defer_from_before_wait(void *data)
{
    struct trace *t = data;

    note(t, 'w');
    if (!t->b)
        loop_defer(t->loop, note_b_and_end, t, &t->b, NULL);
}

static void test_before_wait_does_not_delay_what_it_starts(void **state)
{
    struct trace *t = *state;

    /* without this source the deferred call alone would keep the loop going */
    loop_watch_fd(t->loop, t->fds[0], LOOP_READ, on_readable, t, &t->c, NULL);
    loop_before_wait(t->loop, defer_from_before_wait, t, &t->a, NULL);
    run(t);
    assert_string_equal(t->text, "wb");
}

static void note_before_wait(void *data)
{
    struct trace *t = data;

    note(t, 'w');
    if (strcmp(t->text, "waw") == 0)
        assert_int_equal(write(t->fds[1], "x", 1), 1);
}

static void test_before_wait_each_time(void **state)
{
    struct trace *t = *state;

    loop_before_wait(t->loop, note_before_wait, t, &t->a, NULL);
    loop_defer(t->loop, note_a, t, &t->b, NULL);
    loop_watch_fd(t->loop, t->fds[0], LOOP_READ, on_readable, t, &t->c, NULL);
    run(t);
    assert_string_equal(t->text, "wawr"); /* before, deferred, before, what ends the wait */
}

static void free_self_in_before_wait(void *data)
{
    struct trace *t = data;

    note(t, 's');
    release(&t->a);
    t->is_done = true;
}

static void test_before_wait_frees_itself(void **state)
{
    struct trace *t = *state;

    loop_before_wait(t->loop, free_self_in_before_wait, t, &t->a, NULL);
    loop_before_wait(t->loop, note_a, t, &t->b, NULL);
    loop_defer(t->loop, note_a, t, &t->c, NULL);
    run(t);
    assert_string_equal(t->text, "sa"); /* done is seen before anything else is begun */
}

/* ---- timers ---- */

static void test_timer_again_and_disarmed(void **state)
{
    struct trace *t = *state;
    int64_t start = clock_mono_ms();

    loop_timer(t->loop, -1, note_a, t, &t->a, NULL);
    loop_timer(t->loop, 10, note_b_and_end, t, &t->b, NULL);
    run(t);
    assert_true(clock_mono_ms() - start >= 9);
    assert_int_equal(loop_timer_set(t->a, 0, NULL), 0);
    assert_int_equal(loop_timer_set(t->a, -1, NULL), 0);
    assert_int_equal(loop_timer_set(t->b, 1, NULL), 0);
    run(t);
    assert_string_equal(t->text, "bb");
}

static void test_quit(void **state)
{
    struct trace *t = *state;
    struct err err;

    loop_timer(t->loop, 60000, note_a, t, &t->a, NULL);
    loop_quit(t->loop);
    assert_int_equal(loop_run(t->loop, NULL, &err), 0);
    assert_string_equal(t->text, "");
}

static void test_nothing_left_to_wait_for(void **state)
{
    struct trace *t = *state;
    struct err err;

    loop_before_wait(t->loop, note_a, t, &t->a, NULL);
    assert_int_equal(loop_run(t->loop, NULL, &err), -ERR_INTERNAL);
    assert_string_equal(err.text, "the event loop has nothing left to wait for");
    assert_string_equal(t->text, "a");
}

/* ---- nesting ---- */

static void run_inside(void *data)
{
    struct trace *t = data;
    struct err err;

    note(t, '(');
    loop_defer(t->loop, note_b_and_end, t, &t->b, NULL);
    assert_int_equal(loop_run(t->loop, &t->is_done, &err), 0);
    note(t, ')');
}

static void test_run_inside_a_callback(void **state)
{
    struct trace *t = *state;

    loop_timer(t->loop, 0, run_inside, t, &t->a, NULL);
    run(t);
    assert_string_equal(t->text, "(b)");
}

/* ---- descriptors ---- */

static void read_all(void *data, unsigned events)
{
    struct trace *t = data;
    char byte;

    note(t, read(t->fds[0], &byte, 1) == 1 ? byte : 'E');
    t->is_done = t->text[strlen(t->text) - 1] == 'E';
}

static void test_level_triggered_and_end(void **state)
{
    struct trace *t = *state;

    assert_int_equal(write(t->fds[1], "123", 3), 3);
    shutdown(t->fds[1], SHUT_WR);
    loop_watch_fd(t->loop, t->fds[0], LOOP_READ, read_all, t, &t->a, NULL);
    run(t);
    assert_string_equal(t->text, "123E");
}

static void test_paused_and_changed(void **state)
{
    struct trace *t = *state;

    assert_int_equal(write(t->fds[1], "1", 1), 1);
    loop_watch_fd(t->loop, t->fds[0], LOOP_READ, on_readable, t, &t->a, NULL);
    assert_int_equal(loop_watch_events(t->a, 0, NULL), 0);
    loop_timer(t->loop, 1, note_b_and_end, t, &t->b, NULL);
    run(t);
    assert_string_equal(t->text, "b");
    assert_int_equal(loop_watch_events(t->a, LOOP_READ | LOOP_WRITE, NULL), 0);
    run(t);
    assert_int_equal(t->events, LOOP_READ | LOOP_WRITE);
}

static void write_until_it_breaks(void *data, unsigned events)
{
    struct trace *t = data;

    assert_int_equal(write(t->fds[0], "x", 1), -1);
    note(t, errno == EPIPE ? 'P' : '?');
    t->is_done = strlen(t->text) == 2; /* told again, as the level says */
}

static void test_error_condition_is_told_each_time(void **state)
{
    struct trace *t = *state;
    int fds[2];

    close(t->fds[0]);
    close(t->fds[1]);
    assert_int_equal(pipe(fds), 0); /* the writing end of a pipe without reader: POLLERR */
    close(fds[0]);
    t->fds[0] = fds[1];
    t->fds[1] = -1;
    loop_watch_fd(t->loop, t->fds[0], LOOP_WRITE, write_until_it_breaks, t, &t->a, NULL);
    run(t);
    assert_string_equal(t->text, "PP");
    release(&t->a);
}

static void test_not_watchable(void **state)
{
    struct trace *t = *state;
    struct err err;

    assert_int_equal(loop_watch_fd(t->loop, -1, LOOP_READ, on_readable, t, &t->a, &err), -ERR_IO);
    assert_string_equal(err.text, "watching a descriptor: Bad file descriptor");
    assert_null(t->a);
}

static void free_both(void *data, unsigned events)
{
    struct trace *t = data;

    note(t, 'r');
    release(&t->a);
    release(&t->b);
    assert_int_equal(loop_timer_set(t->c, 1, NULL), 0);
}

/* Both descriptors are ready at once: the callback that comes first frees both. */
static void test_pending_event_of_a_freed_source(void **state)
{
    struct trace *t = *state;

    assert_int_equal(write(t->fds[0], "1", 1), 1);
    assert_int_equal(write(t->fds[1], "1", 1), 1);
    loop_watch_fd(t->loop, t->fds[0], LOOP_READ, free_both, t, &t->a, NULL);
    loop_watch_fd(t->loop, t->fds[1], LOOP_READ, free_both, t, &t->b, NULL);
    loop_timer(t->loop, -1, note_b_and_end, t, &t->c, NULL);
    run(t);
    assert_string_equal(t->text, "rb");
}

/* ---- signals ---- */

static void on_signal(void *data, int signum)
{
    struct trace *t = data;

    assert_int_equal(signum, SIGUSR1);
    note(t, 's');
    t->is_done = strlen(t->text) == 2;
    if (!t->is_done)
        raise(SIGUSR1);
}

static void test_signal(void **state)
{
    struct trace *t = *state;

    assert_int_equal(loop_signal(t->loop, SIGUSR1, on_signal, t, &t->a, NULL), 0);
    raise(SIGUSR1);
    run(t);
    assert_string_equal(t->text, "ss");
}

/* ---- children ---- */

static void on_child(void *data, int exit_status, int term_signal)
{
    struct trace *t = data;

    t->exit_status = exit_status;
    t->term_signal = term_signal;
    t->is_done = true;
}

static void read_text(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t n;

    fcntl(fd, F_SETFL, 0);
    while ((n = read(fd, text + len, size - 1 - len)) > 0)
        len += (size_t) n;
    text[len] = '\0';
    close(fd);
}

static void test_child(void **state)
{
    static const char *const argv[] = { "sh", "-c", "cat; echo out; trap '' PIPE; exit 7", NULL };
    struct trace *t = *state;
    char text[64];
    int fd, pid;

    assert_int_equal(loop_spawn(t->loop, argv, on_child, t, &fd, &pid, &t->a, NULL), 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_true(pid > 0);
    run(t);
    read_text(fd, text, sizeof(text));
    assert_string_equal(text, "out\n"); /* `cat` found an empty stdin */
    assert_int_equal(t->exit_status, 7);
    assert_int_equal(t->term_signal, 0);
}

static void test_child_ended_by_a_signal(void **state)
{
    static const char *const argv[] = { "sh", "-c", "kill -9 $$", NULL };
    struct trace *t = *state;
    int fd, pid;

    assert_int_equal(loop_spawn(t->loop, argv, on_child, t, &fd, &pid, &t->a, NULL), 0);
    run(t);
    assert_int_equal(t->term_signal, SIGKILL);
    close(fd);
}

static void test_no_such_program(void **state)
{
    static const char *const argv[] = { "no-such-program", NULL };
    struct trace *t = *state;
    struct err err;
    int fd = -1, pid = -1;

    assert_int_equal(loop_spawn(t->loop, argv, on_child, t, &fd, &pid, &t->a, &err), -ERR_NOT_FOUND);
    assert_string_equal(err.text, "starting 'no-such-program': No such file or directory");
    assert_int_equal(fd, -1);
}

static void test_child_given_up_goes_on(void **state)
{
    static const char *const argv[] = { "cat", "/dev/zero", NULL };
    struct trace *t = *state;
    int fd, pid;

    assert_int_equal(loop_spawn(t->loop, argv, on_child, t, &fd, &pid, &t->a, NULL), 0);
    release(&t->a);
    assert_int_equal(kill(pid, 0), 0);
    close(fd);                  /* SIGPIPE ends it: children do not inherit that we ignore it */
    while (kill(pid, 0) == 0) { /* until the loop has reaped it: no zombie stays */
        loop_timer(t->loop, 1, note_b_and_end, t, &t->b, NULL);
        memset(t->text, 0, sizeof(t->text));
        run(t);
        release(&t->b);
    }
    assert_int_equal(errno, ESRCH);
}

/* ---- work on threads ---- */

struct work {
    struct trace *trace;
    int began[2], go[2]; /* pipes: the thread tells, the thread waits */
    bool has_run;
};

static void work_init(struct work *w, struct trace *t)
{
    *w = (struct work){ .trace = t };
    assert_int_equal(pipe(w->began), 0);
    assert_int_equal(pipe(w->go), 0);
}

static void work_done(struct work *w)
{
    close(w->began[0]);
    close(w->began[1]);
    close(w->go[0]);
    close(w->go[1]);
}

static void on_thread_wait(void *data)
{
    struct work *w = data;
    char c = 'x';

    if (write(w->began[1], &c, 1) == 1 && read(w->go[0], &c, 1) == 1)
        w->has_run = true;
}

static void on_thread_run(void *data)
{
    ((struct work *) data)->has_run = true;
}

static void on_work_done(void *data)
{
    struct work *w = data;

    assert_true(w->has_run);
    note(w->trace, 'w');
    w->trace->is_done = true;
}

static void test_work_ends_in_the_loop(void **state)
{
    struct trace *t = *state;
    struct work w;

    work_init(&w, t);
    assert_int_equal(loop_work(t->loop, on_thread_run, on_work_done, &w, &t->a, NULL), 0);
    run(t);
    assert_string_equal(t->text, "w");
    release(&t->a);
    work_done(&w);
}

static void test_work_given_up_has_returned(void **state)
{
    struct trace *t = *state;
    struct work w;
    char c = 'g';

    work_init(&w, t);
    assert_int_equal(loop_work(t->loop, on_thread_wait, on_work_done, &w, &t->a, NULL), 0);
    assert_int_equal(read(w.began[0], &c, 1), 1);
    assert_int_equal(write(w.go[1], &c, 1), 1);
    release(&t->a);
    assert_true(w.has_run);
    assert_string_equal(t->text, "");
    work_done(&w);
}

static void test_work_given_up_in_time_never_runs(void **state)
{
    struct trace *t = *state;
    struct work first, second;
    char c = 'g';

    work_init(&first, t); /* holds the only thread */
    work_init(&second, t);
    assert_int_equal(loop_work(t->loop, on_thread_wait, on_work_done, &first, &t->a, NULL), 0);
    assert_int_equal(read(first.began[0], &c, 1), 1);
    assert_int_equal(loop_work(t->loop, on_thread_run, on_work_done, &second, &t->b, NULL), 0);
    release(&t->b);
    assert_int_equal(write(first.go[1], &c, 1), 1);
    run(t);
    assert_string_equal(t->text, "w");
    assert_false(second.has_run);
    release(&t->a);
    work_done(&first);
    work_done(&second);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
    CASE(test_deferred_in_order),
    CASE(test_freed_before_its_turn),
    CASE(test_deferring_for_ever_starves_nobody),
    CASE(test_before_wait_does_not_delay_what_it_starts),
    CASE(test_before_wait_each_time),
    CASE(test_before_wait_frees_itself),
    CASE(test_timer_again_and_disarmed),
    CASE(test_quit),
    CASE(test_nothing_left_to_wait_for),
    CASE(test_run_inside_a_callback),
    CASE(test_level_triggered_and_end),
    CASE(test_paused_and_changed),
    CASE(test_error_condition_is_told_each_time),
    CASE(test_not_watchable),
    CASE(test_pending_event_of_a_freed_source),
    CASE(test_signal),
    CASE(test_child),
    CASE(test_child_ended_by_a_signal),
    CASE(test_no_such_program),
    CASE(test_child_given_up_goes_on),
    CASE(test_work_ends_in_the_loop),
    CASE(test_work_given_up_has_returned),
    CASE(test_work_given_up_in_time_never_runs),
};

int main(void)
{
    if (setenv("UV_THREADPOOL_SIZE", "1", 1) < 0)
        return 1;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
