/* SPDX-License-Identifier: MIT */
/* Commands in the real guest. */
#include "tests/unit/sandbox/guest_fixture.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

static int setup(void **state)
{
    *state = guest_start("0", "yes");
    return 0;
}

static int teardown(void **state)
{
    guest_end(*state);
    return 0;
}

static void assert_text(const struct buf *b, const char *text)
{
    assert_string_equal(buf_text(b), text);
}

static void exit_codes(void **state)
{
    struct command c;

    shell_run(*state, &c, 1, "exit 0");
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_int_equal(c.result.code, 0);
    command_done(&c);
    shell_run(*state, &c, 2, "exit 37");
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_int_equal(c.result.code, 37);
    assert_true(c.result.duration_us > 0);
    command_done(&c);
    shell_run(*state, &c, 3, "kill -SEGV $$");
    assert_int_equal(c.result.end, EXEC_SIGNALED);
    assert_int_equal(c.result.code, 11);
    assert_false(c.result.memory_hit);
    command_done(&c);
}

static void streams_are_apart(void **state)
{
    struct command c;

    shell_run(*state, &c, 1, "echo out; echo err >&2; printf more");
    assert_text(&c.out[0], "out\nmore");
    assert_text(&c.out[1], "err\n");
    assert_int_equal(c.result.stdout_bytes, 8);
    assert_int_equal(c.result.stderr_bytes, 4);
    command_done(&c);
}

static void input_then_end(void **state)
{
    const char *argv[] = { "cat", NULL };
    struct exec_request req = { .id = 1, .argv = argv, .input = span_of("given\n") };
    struct command c;

    command_run(*state, &c, &req);
    assert_text(&c.out[0], "given\n");
    command_done(&c);
}

static void no_input_is_end_of_file(void **state)
{
    struct command c;

    shell_run(*state, &c, 1, "wc -c; readlink /proc/self/fd/0");
    assert_text(&c.out[0], "0\n/dev/null\n");
    command_done(&c);
}

static void large_input(void **state)
{
    const char *argv[] = { "sha256sum", NULL };
    struct command c;
    size_t len = 5 * 1024 * 1024;
    char *bytes = malloc(len);

    for (size_t i = 0; i < len; i++) /* full of marks of the protocol: it must not matter */
        bytes[i] = (char) frame_mark[i % FRAME_MARK];
    struct exec_request req = { .id = 1, .argv = argv, .input = span_make(bytes, len) };

    command_run(*state, &c, &req);
    assert_text(&c.out[0], "94f6eacb545262f643739401c441f3567ef881e2f1634192f0f5446108e8afaf  -\n");
    free(bytes);
    command_done(&c);
}

static void say_more(struct command *c)
{
    struct err err;

    c->on_output = NULL;
    assert_int_equal(channel_exec_write(c->call, span_of("second\n"), true, &err), 0);
}

static void input_goes_on(void **state)
{
    struct guest *g = *state;
    const char *argv[] = { "cat", NULL };
    struct exec_request req = { .id = 1, .argv = argv, .keep_input = true, .input = span_of("first\n") };
    struct command c;

    command_start(g, &c, &req);
    c.on_output = say_more;
    guest_run(g, &c.is_done);
    assert_text(&c.out[0], "first\nsecond\n");
    command_done(&c);
}

static void terminal(void **state)
{
    const char *argv[] = { "sh", "-c",
                           "test -t 0 && test -t 1 && test -t 2 && stty size && read x && echo got:$x",
                           NULL };
    struct exec_request req = {
        .id = 1, .argv = argv, .tty = true, .keep_input = true, .input = span_of("word\n")
    };
    struct command c;

    command_run(*state, &c, &req);
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_int_equal(c.result.code, 0);
    assert_non_null(strstr(buf_text(&c.out[0]), "24 80\r\n"));
    assert_non_null(strstr(buf_text(&c.out[0]), "got:word\r\n"));
    assert_int_equal(c.out[1].len, 0);
    command_done(&c);
}

static void change_its_size(struct command *c)
{
    struct err err;

    if (!strstr(buf_text(&c->out[0]), "30 90\r\n"))
        return;
    c->on_output = NULL;
    channel_exec_resize(c->call, 50, 0);
    assert_int_equal(channel_exec_write(c->call, span_of("\n"), false, &err), 0);
}

static void a_terminal_has_a_size(void **state)
{
    const char *argv[] = { "sh", "-c", "stty size; read x; stty size", NULL };
    struct exec_request req = {
        .id = 1, .argv = argv, .tty = true, .keep_input = true, .rows = 30, .cols = 90
    };
    struct command c;

    command_start(*state, &c, &req);
    c.on_output = change_its_size;
    guest_run(*state, &c.is_done);
    assert_non_null(strstr(buf_text(&c.out[0]), "50 80\r\n"));
    command_done(&c);
}

static void interrupt(struct command *c)
{
    struct err err;

    c->on_output = NULL;
    assert_int_equal(channel_exec_write_numbered(c->call, 77, span_of("x"), &err),
                     -ERR_CONFLICT); /* it does not read */
    assert_int_equal(channel_exec_write_numbered(c->call, 78, span_of("\003"), &err), 0);
    assert_int_equal(channel_exec_last_input(c->g->host->ch, c->id), 78);
}

/* Ctrl-C for a command without a terminal: its process group, which has its children. (One that comes before
 * the shell has started its child is acted on when that has ended: so no child lasts.) */
static void interrupted(void **state)
{
    struct command c;

    command_init(&c);
    shell_start(*state, &c, 1, "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 1; done");
    c.on_output = interrupt;
    guest_run(*state, &c.is_done);
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_int_equal(c.result.code, 5);
    assert_text(&c.out[0], "ready\ncaught\n");
    command_done(&c);
    shell_start(*state, &c, 2, "echo ready; exec sleep 1000");
    c.on_output = interrupt;
    guest_run(*state, &c.is_done);
    assert_int_equal(c.result.end, EXEC_SIGNALED);
    assert_int_equal(c.result.code, 2);
    command_done(&c);
}

static void what_cannot_start(void **state)
{
    const char *missing[] = { "no-such-program", NULL }, *plain[] = { "/etc/passwd", NULL },
               *fine[] = { "true", NULL };
    struct exec_request req = { .id = 1, .argv = missing };
    struct command c;

    command_run(*state, &c, &req);
    assert_int_equal(c.result.end, EXEC_FAILED);
    assert_int_equal(c.result.errnum, 2);
    assert_string_equal(c.result.text, "starting 'no-such-program': no such file or directory");
    command_done(&c);
    req = (struct exec_request){ .id = 2, .argv = plain };
    command_run(*state, &c, &req);
    assert_int_equal(c.result.end, EXEC_FAILED);
    assert_string_equal(c.result.text, "starting '/etc/passwd': permission denied");
    command_done(&c);
    req = (struct exec_request){ .id = 3, .argv = fine, .cwd = "nowhere" };
    command_run(*state, &c, &req);
    assert_int_equal(c.result.end, EXEC_FAILED);
    assert_string_equal(c.result.text, "folder 'nowhere': no such file or directory");
    command_done(&c);
}

/* Another program in the place of one that is not there, with its own name; not in the place of one that
 * fails. */
static void alternatives(void **state)
{
    static const char *const none[] = { "no-such-shell", "-c", "echo \"$0\"", NULL };
    static const char *const there[] = { "sh", "-c", "exit 3", NULL };
    struct guest *g = *state;
    struct command c;

    command_run(g, &c, &(struct exec_request){ .id = 1, .argv = none, .alternative = "sh" });
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_text(&c.out[0], "sh\n");
    command_done(&c);
    command_run(g, &c, &(struct exec_request){ .id = 2, .argv = there, .alternative = "true" });
    assert_int_equal(c.result.code, 3);
    command_done(&c);
    command_run(g, &c, &(struct exec_request){ .id = 3, .argv = none, .alternative = "none-either" });
    assert_int_equal(c.result.end, EXEC_FAILED);
    assert_true(c.result.is_missing);
    assert_string_equal(c.text, "starting 'no-such-shell' or 'none-either': no such file or directory");
    command_done(&c);
    command_run(g, &c, /* a longer way, not through the keeper in reserve */
                &(struct exec_request){ .id = 4, .argv = none, .alternative = "sh", .input = span_of("x") });
    assert_int_equal(c.result.end, EXEC_EXITED);
    command_done(&c);
}

static void folders(void **state)
{
    struct guest *g = *state;
    const char *argv[] = { "sh", "-c", "pwd; mkdir -p sub", NULL }, *pwd[] = { "pwd", NULL };
    struct exec_request req = { .id = 1, .argv = argv };
    struct command c;
    char expected[128];

    command_run(g, &c, &req);
    (void) snprintf(expected, sizeof(expected), "%s\n", g->root);
    assert_text(&c.out[0], expected);
    command_done(&c);
    req = (struct exec_request){ .id = 2, .argv = pwd, .cwd = "sub" };
    command_run(g, &c, &req);
    (void) snprintf(expected, sizeof(expected), "%s/sub\n", g->root);
    assert_text(&c.out[0], expected);
    command_done(&c);
    req = (struct exec_request){ .id = 3, .argv = pwd, .cwd = "/usr" };
    command_run(g, &c, &req);
    assert_text(&c.out[0], "/usr\n");
    command_done(&c);
}

static void environment(void **state)
{
    const char *argv[] = { "sh", "-c", "echo $MARKER/$OWN", NULL }, *env[] = { "OWN=ours", NULL };
    const char *env2[] = { "MARKER=replaced", "PATH=/nowhere", NULL }, *env_cmd[] = { "/usr/bin/env", NULL };
    struct exec_request req = { .id = 1, .argv = argv, .env = env };
    struct command c;

    command_run(*state, &c, &req);
    assert_text(&c.out[0], "of the container/ours\n");
    command_done(&c);
    req = (struct exec_request){ .id = 2, .argv = env_cmd, .env = env2 };
    command_run(*state, &c, &req);
    assert_non_null(strstr(buf_text(&c.out[0]), "MARKER=replaced\n"));
    assert_null(strstr(buf_text(&c.out[0]), "of the container"));
    command_done(&c);
    req = (struct exec_request){ .id = 3, .argv = argv, .env = env2 };
    command_run(*state, &c, &req);
    assert_string_equal(c.result.text, "starting 'sh': no such file or directory");
    command_done(&c);
}

static void head_and_tail(void **state)
{
    const char *argv[] = { "sh", "-c", "seq 100000; echo end", NULL };
    struct exec_request req = { .id = 1, .argv = argv, .output_max = 12, .tail_max = 17 };
    struct command c;

    command_run(*state, &c, &req);
    assert_text(&c.out[0], "1\n2\n3\n4\n5\n6\n99999\n100000\nend\n");
    command_done(&c);
}

static long rss_kb(struct guest *g)
{
    struct answer a;
    struct channel_call *call;
    struct err err;
    long kb = -1;

    answer_init(&a);
    assert_int_equal(channel_probe(g->host->ch, "/proc/self/status", on_text, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    const char *line = strstr(buf_text(&a.text), "VmRSS:");

    assert_non_null(line);
    assert_int_equal(sscanf(line, "VmRSS: %ld", &kb), 1);
    answer_free(&a);
    return kb;
}

static void a_gibibyte(void **state)
{
    struct guest *g = *state;
    const char *argv[] = { "sh", "-c", "printf first; head -c 1073741824 /dev/zero; printf last", NULL };
    struct exec_request req = { .id = 1, .argv = argv, .output_max = 5, .tail_max = 4 };
    struct command c;
    long before = rss_kb(g);

    command_run(g, &c, &req);
    assert_int_equal(c.result.stdout_bytes, 1073741824 + 9);
    assert_int_equal(c.gap[0], 1073741824);
    assert_text(&c.out[0], "firstlast");
    assert_true(rss_kb(g) - before < 2048);
    command_done(&c);
}

/* Run it until its deadline; a machine that is busy needs a later one to hear from it at all. */
static void run_into_the_deadline(struct guest *g, struct command *c, struct exec_request *req)
{
    for (req->timeout_ms = 2000;; req->timeout_ms *= 4) {
        command_run(g, c, req);
        assert_int_equal(c->result.end, EXEC_TIMEOUT);
        assert_true(c->result.duration_us >= req->timeout_ms * 1000);
        if (c->out[0].len > 0 || req->timeout_ms > 60000)
            return;
        command_done(c);
        req->id += 1000;
    }
}

static void deadline_kills_grandchildren(void **state)
{
    struct guest *g = *state;
    /* forked twice, in a session of its own, with a cleaned environment, deaf to signals */
    static const char script[] =
        "rm -f grandchild; trap '' TERM INT HUP; (setsid env -i sh -c 'trap \"\" TERM INT HUP; echo "
        "$$ >grandchild; exec sleep 1000' &) ;"
        "until test -s grandchild; do :; done; cat grandchild; exec sleep 1000";
    const char *argv[] = { "sh", "-c", script, NULL };
    struct exec_request req = { .id = 1, .argv = argv };
    struct command bystander, c;
    char look[128];

    shell_start(g, &bystander, 2, "echo up; exec sleep 1000");
    guest_run(g, &bystander.has_spoken);
    run_into_the_deadline(g, &c, &req);
    (void) snprintf(look, sizeof(look), "test -d /proc/%d && ! grep -q '^State:.Z' /proc/%d/status",
                    atoi(buf_text(&c.out[0])), atoi(buf_text(&c.out[0])));
    assert_true(atoi(buf_text(&c.out[0])) > 1);
    command_done(&c);
    shell_run(g, &c, 3, look);
    assert_int_equal(c.result.code, 1);
    command_done(&c);
    assert_false(bystander.is_done);
    channel_exec_kill(bystander.call);
    guest_run(g, &bystander.is_done);
    assert_int_equal(bystander.result.end, EXEC_KILLED);
    assert_text(&bystander.out[0], "up\n");
    command_done(&bystander);
}

/* Thirty processes that never hold still: each forks the next one and ends. (One that grows without bound
 * needs the pids limit of a real sandbox: tests/live.) */
static void fork_bomb_dies(void **state)
{
    struct guest *g = *state;
    static const char script[] =
        "f() { f & exit; }; for i in 1 2 3 4 5 6; do for j in 1 2 3 4 5; do (f) & done; done;"
        "echo $PPID; exec sleep 1000";
    const char *argv[] = { "sh", "-c", script, NULL };
    struct exec_request req = { .id = 1, .argv = argv, .output_max = 10 };
    struct command bystander, c;
    char look[64];

    shell_start(g, &bystander, 2, "exec sleep 1000");
    run_into_the_deadline(g, &c, &req);
    assert_true(atoi(buf_text(&c.out[0])) > 1);
    (void) snprintf(look, sizeof(look), "test -d /proc/%d", atoi(buf_text(&c.out[0])));
    command_done(&c);
    shell_run(g, &c, 3, look); /* the keeper ends last */
    assert_int_equal(c.result.code, 1);
    command_done(&c);
    assert_false(bystander.is_done);
    channel_cancel(bystander.call);
    command_done(&bystander);
}

/* Its keeper is the command's parent. */
static void killing_the_keeper_helps_nobody(void **state)
{
    struct command c;

    shell_run(*state, &c, 1, "sleep 1000 & echo $!; kill -STOP $PPID; kill -KILL $PPID; exec sleep 1000");
    assert_int_equal(c.result.end, EXEC_SIGNALED);
    assert_int_equal(c.result.code, 9);
    char look[64];

    (void) snprintf(look, sizeof(look), "test -d /proc/%d", atoi(buf_text(&c.out[0])));
    command_done(&c);
    shell_run(*state, &c, 2, look);
    assert_int_equal(c.result.code, 1);
    command_done(&c);
}

/* One keeper waits for the next command. Whatever is done to it, the next command runs. */
static void the_keeper_in_reserve_may_be_hurt(void **state)
{
    static const char *const signals[] = { "KILL", "STOP", "TERM" };
    char script[256];
    struct command c;

    for (uint64_t i = 0; i < 3; i++) {
        (void) snprintf(
            script, sizeof(script),
            "for p in /proc/[0-9]*; do p=${p#/proc/}; "
            "[ $p = 1 ] || [ $p = $$ ] || [ $p = $PPID ] || kill -%s $p; done 2>/dev/null; echo done",
            signals[i]);
        shell_run(*state, &c, 10 + 2 * i, script);
        assert_text(&c.out[0], "done\n");
        command_done(&c);
        shell_run(*state, &c, 11 + 2 * i, "pwd; echo $X; exit 3");
        assert_int_equal(c.result.end, EXEC_EXITED);
        assert_int_equal(c.result.code, 3);
        command_done(&c);
    }
}

/* A here-document of a model is easily longer than one frame, and than what the keeper in reserve takes. */
static void long_commands_run(void **state)
{
    static const size_t lengths[] = { 60000, 64 * 1024, 68 * 1024, 100000, 130000 };
    struct command c;
    char *text = malloc(140000);

    for (uint64_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        memset(text, 'y', lengths[i]);
        memcpy(text, "echo ", 5);
        text[lengths[i]] = '\0';
        shell_run(*state, &c, 1 + i, text);
        assert_int_equal(c.result.end, EXEC_EXITED);
        assert_int_equal(c.result.code, 0);
        assert_int_equal(c.out[0].len, lengths[i] - 4);
        command_done(&c);
    }
    free(text);
}

static void stopping_the_keeper_helps_nobody(void **state)
{
    struct command c;

    shell_run(*state, &c, 1, "kill -STOP $PPID; exit 5");
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_int_equal(c.result.code, 5);
    command_done(&c);
}

static void everything_killed_from_inside(void **state)
{
    struct guest *g = *state;
    struct command c;
    struct answer a;
    struct channel_call *call;
    struct err err;

    answer_init(&a);
    assert_int_equal(channel_probe(g->host->ch, "/proc/self/stat", on_text, &a, &call, &err), 0);
    assert_int_equal(answer_wait(g, &a), 0);
    if (strncmp(buf_text(&a.text), "1 (", 3) == 0) { /* only where it hits nobody else */
        shell_run(g, &c, 1, "kill -TERM 1; kill -KILL 1; kill -STOP 1; kill -KILL -1");
        assert_int_equal(c.result.end, EXEC_SIGNALED);
        command_done(&c);
    }
    answer_free(&a);
    shell_run(g, &c, 2, "echo here");
    assert_text(&c.out[0], "here\n");
    command_done(&c);
}

/* As in a sandbox: guest and commands are the same user, who has no rights at all. */
static void the_guest_is_out_of_reach(void **state)
{
    static const char script[] =
        "id -u; grep CapEff /proc/self/status; for f in environ mem maps fd/0 fd/1 cwd exe; do"
        " for p in 1 $PPID; do (exec 3</proc/$p/$f) 2>/dev/null && echo open $p $f; done; done;"
        "ls /proc/1/fd /proc/$PPID/fd 2>/dev/null; kill -TERM 1; kill -KILL 1; kill -STOP 1; echo x >f; echo "
        "end";
    struct guest *g;
    struct command c;

    (void) state;
    if (geteuid() != 0)
        return; /* tests/live tries the same in a real sandbox */
    g = guest_start_user();
    shell_run(g, &c, 1, script);
    assert_text(&c.out[0], "65533\nCapEff:\t0000000000000000\nend\n");
    command_done(&c);
    shell_run(g, &c, 2, "cat f");
    assert_text(&c.out[0], "x\n");
    command_done(&c);
    guest_end(g);
}

static void background_goes_on(void **state)
{
    struct guest *g = *state;
    struct command c;

    shell_run(g, &c, 1,
              "mkfifo line; (cat line; echo dropped; echo served >result; echo dropped) & echo started");
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_text(&c.out[0], "started\n");
    command_done(&c);
    shell_run(g, &c, 2, "echo request >line; until test -s result; do :; done; cat result");
    assert_text(&c.out[0], "served\n");
    command_done(&c);
}

static void last_words_of_the_background(void **state)
{
    struct command c;

    shell_run(*state, &c, 1,
              "main=$$; (while test -d /proc/$main && ! grep -q '^State:.Z' /proc/$main/status; do :; done;"
              "echo late) 2>/dev/null & echo early");
    assert_int_equal(c.result.end, EXEC_EXITED);
    assert_text(&c.out[0], "early\nlate\n");
    command_done(&c);
}

static void eight_at_once(void **state)
{
    struct guest *g = *state;
    struct command c[8];

    for (int i = 0; i < 8; i++) {
        char script[64];

        (void) snprintf(script, sizeof(script), "seq 1000 | tail -1; echo %d >&2; exit %d", i, i);
        shell_start(g, &c[i], (uint64_t) i + 1, script);
    }
    for (int i = 0; i < 8; i++) {
        char number[16];

        guest_run(g, &c[i].is_done);
        (void) snprintf(number, sizeof(number), "%d\n", i);
        assert_text(&c[i].out[0], "1000\n");
        assert_text(&c[i].out[1], number);
        assert_int_equal(c[i].result.code, i);
        command_done(&c[i]);
    }
}

/* More than there is room for: they wait for each other. */
static void a_hundred_in_a_row(void **state)
{
    struct guest *g = *state;
    static struct command c[100];

    for (int i = 0; i < 100; i++)
        shell_start(g, &c[i], (uint64_t) i + 1, "echo $PPID");
    for (int i = 0; i < 100; i++) {
        guest_run(g, &c[i].is_done);
        assert_int_equal(c[i].result.end, EXEC_EXITED);
        assert_true(c[i].out[0].len > 1);
        command_done(&c[i]);
    }
}

static void noisy_does_not_starve_quiet(void **state)
{
    struct guest *g = *state;
    const char *argv[] = { "sh", "-c", "exec cat /dev/zero", NULL };
    struct exec_request req = { .id = 1, .argv = argv, .output_max = 32 * 1024 * 1024 };
    struct command noisy, quiet;

    command_start(g, &noisy, &req);
    for (int i = 0; i < 20; i++) {
        shell_run(g, &quiet, (uint64_t) i + 2, "echo quiet");
        assert_text(&quiet.out[0], "quiet\n");
        command_done(&quiet);
    }
    assert_false(noisy.is_done);
    channel_exec_kill(noisy.call);
    guest_run(g, &noisy.is_done);
    assert_int_equal(noisy.result.end, EXEC_KILLED);
    command_done(&noisy);
}

static void canceled_is_killed(void **state)
{
    struct guest *g = *state;
    struct command c;

    shell_start(g, &c, 1, "echo $$ >pid; exec sleep 1000");
    channel_cancel(c.call);
    command_done(&c);
    /* a terminated sleep has no command line any more, whether or not it is reaped yet */
    shell_run(g, &c, 2,
              "until ! test -s pid || ! grep -q sleep /proc/$(cat pid)/cmdline; do :; done 2>/dev/null");
    assert_int_equal(c.result.end, EXEC_EXITED);
    command_done(&c);
}

static void numbers_of_the_sandbox(void **state)
{
    struct guest *g = *state;
    struct command c;
    struct err err;
    const char *argv[] = { "true", NULL };
    struct exec_request req = { .id = 7, .argv = argv };

    shell_start(g, &c, 7, "exec sleep 1000");
    assert_int_equal(channel_exec(g->host->ch, &req, &command_ops, NULL, NULL, &err), -ERR_CONFLICT);
    assert_string_equal(err.text, "command 7 runs already");
    req.id = UINT64_MAX;
    assert_int_equal(channel_exec(g->host->ch, &req, &command_ops, NULL, NULL, &err), -ERR_INVALID);
    channel_cancel(c.call);
    command_done(&c);
}

#define GUEST_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GUEST_TEST(exit_codes),
        GUEST_TEST(streams_are_apart),
        GUEST_TEST(input_then_end),
        GUEST_TEST(no_input_is_end_of_file),
        GUEST_TEST(large_input),
        GUEST_TEST(input_goes_on),
        GUEST_TEST(terminal),
        GUEST_TEST(a_terminal_has_a_size),
        GUEST_TEST(interrupted),
        GUEST_TEST(what_cannot_start),
        GUEST_TEST(alternatives),
        GUEST_TEST(folders),
        GUEST_TEST(environment),
        GUEST_TEST(head_and_tail),
        GUEST_TEST(a_gibibyte),
        GUEST_TEST(deadline_kills_grandchildren),
        GUEST_TEST(fork_bomb_dies),
        GUEST_TEST(killing_the_keeper_helps_nobody),
        GUEST_TEST(the_keeper_in_reserve_may_be_hurt),
        GUEST_TEST(long_commands_run),
        GUEST_TEST(stopping_the_keeper_helps_nobody),
        GUEST_TEST(everything_killed_from_inside),
        cmocka_unit_test(the_guest_is_out_of_reach),
        GUEST_TEST(background_goes_on),
        GUEST_TEST(last_words_of_the_background),
        GUEST_TEST(eight_at_once),
        GUEST_TEST(a_hundred_in_a_row),
        GUEST_TEST(noisy_does_not_starve_quiet),
        GUEST_TEST(canceled_is_killed),
        GUEST_TEST(numbers_of_the_sandbox),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
