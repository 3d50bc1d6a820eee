/* SPDX-License-Identifier: MIT */
/* What the real guest says of limits that were met, with a folder in the place of the control groups. */
#include "tests/unit/sandbox/guest_fixture.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The guest opens what is there when it starts, so the files come first: before setup is a state of its own.
 */
static struct guest *start(bool is_v2)
{
    return guest_start_limited(is_v2 ? "memory.events pids.events"
                                     : "memory/memory.oom_control pids/pids.events");
}

static void put(const struct guest *g, const char *file, const char *text)
{
    char path[160];
    FILE *f;

    (void) snprintf(path, sizeof(path), "%s/%s", g->cgroup, file);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* A command that has CG, the folder. */
static void run(struct guest *g, struct command *c, uint64_t id, const char *script, int64_t timeout_ms)
{
    char cg[100];
    const char *argv[] = { "sh", "-c", script, NULL }, *env[] = { cg, NULL };
    struct exec_request req = { .id = id, .argv = argv, .env = env, .timeout_ms = timeout_ms };

    (void) snprintf(cg, sizeof(cg), "CG=%s", g->cgroup);
    command_run(g, c, &req);
}

static void memory_and_processes_are_told_per_command(void **state)
{
    for (int v = 1; v <= 2; v++) {
        struct guest *g = start(v == 2);
        struct command c;

        run(g, &c, 1, "true", 0);
        assert_false(c.result.memory_hit || c.result.pids_hit);
        command_done(&c);
        run(g, &c, 2,
            v == 1 ? "printf 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n' >$CG/memory/memory.oom_control"
                   : "printf 'low 0\noom 5\noom_kill 3\n' >$CG/memory.events",
            0);
        assert_true(c.result.memory_hit);
        assert_false(c.result.pids_hit);
        command_done(&c);
        run(g, &c, 3, v == 1 ? "echo max 1 >$CG/pids/pids.events" : "echo max 1 >$CG/pids.events", 0);
        assert_false(c.result.memory_hit);
        assert_true(c.result.pids_hit);
        assert_false(c.result.was_swept);
        command_done(&c);
        run(g, &c, 4, "exit 1", 0);
        assert_false(c.result.memory_hit || c.result.pids_hit || c.result.cpu_hit);
        command_done(&c);
        guest_end(g);
    }
}

static const char ten_sleep[] = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 >/dev/null 2>&1 & done";
/* Until nobody sleeps any more; the test's own time is the limit. */
static const char until_none_sleeps[] =
    "while cat /proc/[0-9]*/comm 2>/dev/null | grep -q sleep; do :; done; echo none";
static const char how_many_sleep[] = "cat /proc/[0-9]*/comm 2>/dev/null | grep -c sleep";

/* What holds most of the processes, and belongs to nobody. */
static void leftovers_that_take_all_room_are_killed(void **state)
{
    struct guest *g = start(true);
    struct command c;

    put(g, "pids.max", "20\n");
    run(g, &c, 1, ten_sleep, 0);
    command_done(&c);
    run(g, &c, 2, "echo max 1 >$CG/pids.events", 0);
    assert_true(c.result.pids_hit);
    assert_true(c.result.was_swept);
    command_done(&c);
    run(g, &c, 3, until_none_sleeps, 0);
    assert_string_equal(buf_text(&c.out[0]), "none\n");
    assert_false(c.result.was_swept);
    command_done(&c);
    guest_end(g);
}

/* It went on breeding after its call: the next command finds room, and is told. */
static void leftovers_are_killed_before_the_next_command(void **state)
{
    struct guest *g = start(true);
    struct command c;

    put(g, "pids.max", "20\n");
    run(g, &c, 1, ten_sleep, 0);
    command_done(&c);
    put(g, "pids.events", "max 7\n");
    run(g, &c, 2, how_many_sleep, 0);
    assert_string_equal(buf_text(&c.out[0]), "0\n");
    assert_true(c.result.was_swept);
    assert_false(c.result.pids_hit);
    command_done(&c);
    guest_end(g);
}

/* ... and one that lasts does so while it runs. */
static void leftovers_are_killed_under_a_command(void **state)
{
    struct guest *g = start(true);
    struct command c;

    put(g, "pids.max", "20\n");
    run(g, &c, 1, ten_sleep, 0);
    command_done(&c);
    run(g, &c, 2,
        "echo max 1 >$CG/pids.events; while cat /proc/[0-9]*/comm 2>/dev/null | grep -q sleep; do :; done",
        0);
    assert_int_equal(c.result.code, 0);
    assert_true(c.result.was_swept);
    command_done(&c);
    guest_end(g);
}

/* A server in the background is not to blame for what a greedy command does. */
static void a_few_leftovers_stay(void **state)
{
    struct guest *g = start(true);
    struct command c;

    put(g, "pids.max", "200\n");
    run(g, &c, 1, ten_sleep, 0);
    command_done(&c);
    run(g, &c, 2, "echo max 1 >$CG/pids.events", 0);
    assert_true(c.result.pids_hit);
    assert_false(c.result.was_swept);
    command_done(&c);
    run(g, &c, 3, how_many_sleep, 0);
    assert_string_equal(buf_text(&c.out[0]), "10\n");
    command_done(&c);
    put(g, "pids.max", "max\n"); /* none */
    run(g, &c, 4, "echo max 2 >$CG/pids.events", 0);
    assert_false(c.result.was_swept);
    command_done(&c);
    guest_end(g);
}

/* Without a process left nothing can be started: whatever is left of earlier commands goes. */
static void a_command_finds_room(void **state)
{
    struct guest *g;
    struct command c;

    if (geteuid() != 0)
        return; /* only root can be somebody else */
    g = guest_start_crowded();
    run(g, &c, 1, "while sleep 1000 >/dev/null 2>&1 & do :; done", 0); /* until it cannot */
    command_done(&c);
    run(g, &c, 2, "echo here", 0);
    assert_string_equal(buf_text(&c.out[0]), "here\n");
    assert_true(c.result.was_swept);
    command_done(&c);
    run(g, &c, 3, how_many_sleep, 0);
    assert_string_equal(buf_text(&c.out[0]), "0\n");
    command_done(&c);
    guest_end(g);
}

/* Others run: there is nothing to be gained by waiting. */
static void a_command_that_finds_no_room_says_so(void **state)
{
    const char *argv[] = { "true", NULL };
    struct guest *g;
    struct command first, c;

    if (geteuid() != 0)
        return;
    g = guest_start_crowded();
    shell_start(g, &first, 1, "(while sleep 1000 & do :; done) 2>/dev/null; echo there; exec sleep 1000");
    guest_run(g, &first.has_spoken);
    command_run(g, &c, &(struct exec_request){ .id = 2, .argv = argv });
    command_done(&c);
    assert_int_equal(c.result.end, EXEC_FAILED);
    assert_int_equal(c.result.errnum, 11);
    assert_string_equal(c.text, "starting 'true': too many processes or commands");
    channel_exec_kill(first.call);
    guest_run(g, &first.is_done);
    command_done(&first);
    guest_end(g);
}

static void a_command_that_waits_for_room_has_its_input_and_its_end(void **state)
{
    const char *argv[] = { "cat", NULL };
    struct guest *g = start(true);
    struct command c;

    put(g, "pids.max", "20\n");
    run(g, &c, 1, ten_sleep, 0);
    command_done(&c);
    put(g, "pids.events", "max 7\n");
    command_run(g, &c, &(struct exec_request){ .id = 2, .argv = argv, .input = span_of("given\n") });
    assert_string_equal(buf_text(&c.out[0]), "given\n");
    assert_true(c.result.was_swept);
    command_done(&c);
    guest_end(g);
}

static void the_processor_is_blamed_only_for_what_it_did(void **state)
{
    static const char stat[] =
        "i=0; while :; do i=$((i + 1)); printf 'nr_periods %d\nnr_throttled %d\n' $((4 * i)) "
        "$((4 * i / PART)) >$CG/new; mv $CG/new $CG/cpu.stat; done";
    struct guest *g = start(true);
    struct command c;
    char script[256];

    (void) snprintf(script, sizeof(script), "PART=1; %s", stat);
    run(g, &c, 1, script, 3000);
    assert_int_equal(c.result.end, EXEC_TIMEOUT);
    assert_true(c.result.cpu_hit);
    command_done(&c);
    (void) snprintf(script, sizeof(script), "PART=4; %s", stat);
    run(g, &c, 2, script, 3000);
    assert_int_equal(c.result.end, EXEC_TIMEOUT);
    assert_false(c.result.cpu_hit);
    command_done(&c);
    guest_end(g);
}

/* When memory runs out the kernel shall choose any of them first. */
static void commands_are_chosen_before_the_guest(void **state)
{
    struct guest *g = start(true);
    struct command c;

    run(g, &c, 1,
        "cat /proc/self/oom_score_adj /proc/$PPID/oom_score_adj; test $(cat /proc/1/oom_score_adj) -lt 1000",
        0);
    assert_string_equal(buf_text(&c.out[0]), "1000\n1000\n");
    assert_int_equal(c.result.code, 0);
    command_done(&c);
    guest_end(g);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(memory_and_processes_are_told_per_command),
    cmocka_unit_test(leftovers_that_take_all_room_are_killed),
    cmocka_unit_test(leftovers_are_killed_before_the_next_command),
    cmocka_unit_test(leftovers_are_killed_under_a_command),
    cmocka_unit_test(a_few_leftovers_stay),
    cmocka_unit_test(a_command_finds_room),
    cmocka_unit_test(a_command_that_finds_no_room_says_so),
    cmocka_unit_test(a_command_that_waits_for_room_has_its_input_and_its_end),
    cmocka_unit_test(the_processor_is_blamed_only_for_what_it_did),
    cmocka_unit_test(commands_are_chosen_before_the_guest),
};

UNIT_MAIN(tests)
