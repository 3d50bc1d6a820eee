/* SPDX-License-Identifier: MIT */
#include "oci/program.h"

#include "tests/unit/unit.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>

static struct loop *loop;
static struct err err;

struct seen {
    bool is_done;
    struct program_end end;
    char output[PROGRAM_TAIL_MAX + 1], why[128];
};

static void on_end(void *data, const struct program_end *end)
{
    struct seen *s = data;

    s->is_done = true;
    s->end = *end;
    memcpy(s->output, end->output.ptr, end->output.len);
    s->output[end->output.len] = '\0';
    snprintf(s->why, sizeof(s->why), "%s", end->why ? end->why : "");
}

static struct seen run(const struct program_spec *spec)
{
    struct program *p = NULL;
    struct seen s = { 0 };

    assert_int_equal(program_start(loop, spec, on_end, &s, &p, &err), 0);
    assert_int_equal(loop_run(loop, &s.is_done, &err), 0);
    program_free(p);
    return s;
}

static struct seen shell(const char *script, int64_t timeout_ms)
{
    return run(&(struct program_spec){ .argv = (const char *const[]){ "sh", "-c", script, NULL },
                                       .timeout_ms = timeout_ms });
}

static void what_it_says_and_how_it_ends(void **state)
{
    struct seen s = shell("echo out; echo err >&2; cat; exit 7", 60000);

    assert_string_equal(s.output, "out\nerr\n");
    assert_int_equal(s.end.exit_status, 7);
    assert_null(s.end.why);
    s = shell("kill -9 $$", 60000);
    assert_int_equal(s.end.exit_status, -1);
    assert_int_equal(s.end.term_signal, 9);
    assert_string_equal(s.why, "signal 9 ended it");
}

static void where_and_with_what_it_runs(void **state)
{
    struct seen s =
        run(&(struct program_spec){ .argv = (const char *const[]){ "/bin/sh", "-c", "pwd; echo $A$B", NULL },
                                    .env = (const char *const[]){ "A=only", "PATH=/usr/bin:/bin", NULL },
                                    .dir = "/",
                                    .timeout_ms = 60000 });

    assert_string_equal(s.output, "/\nonly\n");
}

static void only_the_end_is_kept(void **state)
{
    struct seen s = shell("head -c 1000000 /dev/zero | tr '\\0' x; echo end", 60000);

    assert_int_equal(strlen(s.output), PROGRAM_TAIL_MAX);
    assert_string_equal(s.output + PROGRAM_TAIL_MAX - 5, "xend\n");
    assert_int_equal(s.end.exit_status, 0);
}

static void a_flood_ends_it(void **state)
{
    struct seen s = shell("yes", 60000);

    assert_int_equal(s.end.exit_status, -1);
    assert_string_equal(s.why, "it wrote more than 64 MiB");
}

static bool lives(int pid)
{
    char path[64], state = 'X';
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (!f)
        return false;
    (void) !fscanf(f, "%*d (%*[^)]) %c", &state);
    fclose(f);
    return state != 'Z' && state != 'X';
}

/* What was killed may take a moment to be gone. */
static void assert_ends(int pid)
{
    for (int tries = 0; lives(pid); tries++) {
        assert_true(tries < 1000);
        (void) poll(NULL, 0, 10);
    }
}

/* The number that the program printed. */
static int printed_pid(const struct seen *s)
{
    int pid = (int) strtol(s->output, NULL, 10);

    assert_true(pid > 1);
    return pid;
}

static void the_deadline_ends_all_of_it(void **state)
{
    struct seen s;
    int64_t ms = 200;

    do /* a machine that is busy needs longer to come to the end of the line */
        s = shell("sleep 1000 & echo $!; wait", ms);
    while (!s.output[0] && (ms *= 4) < 60000);
    assert_string_equal(s.why, "it did not end in time");
    assert_ends(printed_pid(&s));
}

static void what_it_leaves_behind_goes_too(void **state)
{
    struct seen s = shell("sleep 1000 & echo $!", 60000); /* which holds the pipe */

    assert_int_equal(s.end.exit_status, 0);
    assert_ends(printed_pid(&s));
}

static void what_is_not_there_is_told(void **state)
{
    const struct program_spec spec = { .argv = (const char *const[]){ "no-such-program", NULL },
                                       .timeout_ms = 1000 };
    struct program *p = NULL;

    assert_int_equal(program_start(loop, &spec, on_end, NULL, &p, &err), -ERR_NOT_FOUND);
    assert_string_equal(err.text, "starting 'no-such-program': No such file or directory");
    program_free(NULL);
}

static void on_never(void *data, const struct program_end *end)
{
    fail_msg("nothing is told after the end");
}

static void freeing_ends_it(void **state)
{
    const struct program_spec spec = { .argv = (const char *const[]){ "sleep", "1000", NULL },
                                       .timeout_ms = 60000 };
    struct program *p = NULL;

    assert_int_equal(program_start(loop, &spec, on_never, NULL, &p, &err), 0);
    program_free(p);
}

static int setup(void **state)
{
    return loop_new(&loop, &err);
}

static int done(void **state)
{
    loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says_and_how_it_ends), cmocka_unit_test(where_and_with_what_it_runs),
        cmocka_unit_test(only_the_end_is_kept),         cmocka_unit_test(a_flood_ends_it),
        cmocka_unit_test(the_deadline_ends_all_of_it),  cmocka_unit_test(what_it_leaves_behind_goes_too),
        cmocka_unit_test(what_is_not_there_is_told),    cmocka_unit_test(freeing_ends_it),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, done);
}
