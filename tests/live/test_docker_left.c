/* SPDX-License-Identifier: MIT */
/*
 * What an earlier process left on a real engine: it is taken over when it is ours, and is
 * what it was; older attempts of a run go, other runs stay; and an engine that is
 * restarted is waited for. DOCKER_HOST says which engine; images as for test_docker_sandbox.
 */
#include "core/base/clock.h"
#include "oci/docker_sandbox.h"
#include "tests/live/live.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what an earlier process left ---- */

/* As if this process had died: its side is gone, the container stays. What is known of it is in `known`. */
struct left {
    struct sandbox_known known;
    char id[80], name[96];
};

static void die(struct fixture *f, struct left *ret)
{
    struct sandbox_info info;

    sandbox_info(f->sb, &info);
    snprintf(ret->id, sizeof(ret->id), "%s", info.container_id);
    snprintf(ret->name, sizeof(ret->name), "%s", info.container_name);
    ret->known = (struct sandbox_known){ ret->id, ret->name, channel_guest(sandbox_channel(f->sb))->boot };
    sandbox_free(f->sb);
    f->sb = NULL;
    f->is_ready = false;
}

static void start_now(struct fixture *f, const char *what, int number)
{
    struct err err = { 0 };

    if (make_of(f, what, number, &err) < 0)
        fail_msg("new: %s", err.text);
    assert_int_equal(sandbox_start(f->sb, &live_events, f, &err), 0);
    assert_int_equal(loop_run(f->loop, &f->is_ready, &err), 0);
    if (f->ready_result < 0)
        fail_msg("not ready: %s (%s)", f->err.text, f->err.hint);
}

static void start_of(struct fixture *f, const char *what, int number)
{
    setup(f);
    start_now(f, what, number);
}

static void attach_of(struct fixture *f, const char *what, int number, const struct left *left)
{
    int64_t began = clock_mono_us();
    struct err err = { 0 };

    if (make_of(f, what, number, &err) < 0)
        fail_msg("new: %s", err.text);
    f->is_ready = false;
    assert_int_equal(sandbox_attach(f->sb, &left->known, &live_events, f, &err), 0);
    assert_int_equal(loop_run(f->loop, &f->is_ready, &err), 0);
    print_message("# attach: %d us\n", (int) (clock_mono_us() - began));
}

static void assert_refused(struct fixture *f, enum err_code code, const char *text)
{
    assert_int_equal(f->ready_result, -(int) code);
    assert_string_equal(f->err.text, text);
    assert_null(sandbox_channel(f->sb));
}

/* Podman shuts a container's input when its client goes: none that was left can be taken over there, and each
 * attempt is refused at once, with these words. True: it was, and nothing follows. */
static bool is_closed(struct fixture *f)
{
    if (!live_engine()->is_podman)
        return false;
    assert_refused(f, ERR_CONFLICT,
                   "the sandbox that was left cannot be taken over: Podman closes the input of a container "
                   "when its client goes");
    return true;
}

/* Attach, and it works; or this engine cannot, and the test ends here. */
static bool attach_or_end(struct fixture *f, const char *what, int number, const struct left *left)
{
    attach_of(f, what, number, left);
    if (is_closed(f)) {
        finish(f);
        return false;
    }
    if (f->ready_result < 0) {
        print_rows(f);
        fail_msg("not attached: %s (%s)", f->err.text, f->err.hint);
    }
    return true;
}

static bool is_there(const char *name)
{
    char command[256];

    snprintf(command, sizeof(command), "docker inspect %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

static void one_is_removed_while_it_is_taken_over(void **state)
{
    struct fixture f;
    struct left left;
    struct err err = { 0 };

    start_of(&f, "l", 1);
    die(&f, &left);
    assert_int_equal(make_of(&f, "l", 1, &err), 0);
    assert_int_equal(sandbox_attach(f.sb, &left.known, &live_events, &f, &err), 0);
    finish(&f);
    assert_false(f.is_ready);
    assert_false(is_there(left.name));
}

static void one_that_was_left_is_taken_over(void **state)
{
    const char *const argv[] = { "/bin/sh", "-c", "echo one; while ! [ -e go ]; do sleep 0.1; done; echo two",
                                 NULL };
    const struct exec_request req = { .id = 7001, .argv = argv, .timeout_ms = 120000, .output_max = MIB };
    struct fixture f;
    struct left left;
    struct sandbox_info info;
    struct err err = { 0 };

    start_of(&f, "a", 1);
    assert_int_equal(channel_exec(sandbox_channel(f.sb), &req, &live_exec_ops, &f, &f.call, &err), 0);
    assert_sh(&f, "echo here > mark", 0, NULL);
    die(&f, &left);
    if (!attach_or_end(&f, "a", 1, &left))
        return;
    sandbox_info(f.sb, &info);
    assert_string_equal(info.container_id, left.id);
    assert_string_equal(info.image, "agentbox-demo:1");
    assert_int_equal(strncmp(info.image_id, "sha256:", 7), 0);
    assert_true(info.engine_version[0] && info.api_version[0]);
    assert_verified(&f);
    assert_int_equal(channel_guest(sandbox_channel(f.sb))->boot, left.known.guest_boot);
    assert_sh(&f, "cat mark", 0, "here\n");
    assert_true(channel_exec_is_known(sandbox_channel(f.sb), 7001));
    buf_clear(&f.out);
    f.is_command_done = false;
    assert_int_equal(channel_exec_adopt(sandbox_channel(f.sb), 7001, &live_exec_ops, &f, &f.call, &err), 0);
    {
        struct fixture other = { .loop = f.loop, .sb = f.sb, .out = BUF_INIT(MIB) };

        assert_sh(&other, "touch go", 0, "");
        buf_done(&other.out);
    }
    assert_int_equal(loop_run(f.loop, &f.is_command_done, &err), 0);
    assert_int_equal(f.result.end, EXEC_EXITED);
    assert_string_equal(buf_text(&f.out), "one\ntwo\n");
    finish(&f);
    assert_false(is_there(left.name));
}

static void many_lives_of_one_sandbox(void **state)
{
    struct fixture f;
    struct left left;

    start_of(&f, "b", 1);
    for (int i = 0; i < 10; i++) {
        die(&f, &left);
        if (!attach_or_end(&f, "b", 1, &left))
            return;
        assert_sh(&f, "echo x >> mark; wc -l < mark", 0, NULL);
        assert_int_equal(atoi(buf_text(&f.out)), i + 1);
    }
    finish(&f);
}

static void on_noise(void *data, int fd, struct span chunk, uint64_t gap)
{
    *(bool *) data = true;
}

static void on_noise_end(void *data, const struct exec_result *result)
{
    *(bool *) data = true;
}

/* The stream is cut wherever it happens to be, with frames half sent. */
static void one_that_floods_its_stream_is_taken_over(void **state)
{
    static const struct exec_ops noise = { on_noise, on_noise_end };
    const char *const argv[] = { "/bin/sh", "-c", "while :; do cat /bin/busybox; done", NULL };
    const struct exec_request req = {
        .id = 7002, .argv = argv, .timeout_ms = 600000, .output_max = INT64_MAX
    };
    struct channel_call *call = NULL;
    bool is_loud = false;
    struct fixture f;
    struct left left;
    struct err err = { 0 };

    start_of(&f, "m", 1);
    assert_int_equal(channel_exec(sandbox_channel(f.sb), &req, &noise, &is_loud, &call, &err), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(loop_run(f.loop, &is_loud, &err), 0);
        die(&f, &left);
        if (!attach_or_end(&f, "m", 1, &left))
            return;
        is_loud = false;
        assert_int_equal(channel_exec_adopt(sandbox_channel(f.sb), 7002, &noise, &is_loud, &call, &err), 0);
    }
    assert_int_equal(loop_run(f.loop, &is_loud, &err), 0);
    assert_sh(&f, "echo hi", 0, "hi\n");
    finish(&f);
}

static void another_guest_process_is_another_sandbox(void **state)
{
    struct fixture f;
    struct left left;
    char text[256];

    start_of(&f, "c", 1);
    die(&f, &left);
    left.known.guest_boot++;
    attach_of(&f, "c", 1, &left);
    snprintf(text, sizeof(text),
             "the sandbox '%s' is not the one that was left: its guest is another process", left.name);
    if (!is_closed(&f))
        assert_refused(&f, ERR_CONFLICT, text);
    assert_true(is_there(left.name)); /* as it was, until it is removed */
    finish(&f);
    assert_false(is_there(left.name));
}

static void one_of_another_run_is_not_taken(void **state)
{
    struct fixture f, other;
    struct left left;
    char text[256];

    start_of(&other, "d", 1);
    die(&other, &left);
    setup(&f);
    attach_of(&f, "e", 1, &left);
    snprintf(text, sizeof(text), "the container that was left is of another run: 'live-%dd'", (int) getpid());
    assert_refused(&f, ERR_CONFLICT, text);
    finish(&f);
    assert_true(is_there(left.name));
    if (!attach_or_end(&other, "d", 1, &left)) /* nobody has spoken to it */
        return;
    assert_sh(&other, "echo hi", 0, "hi\n");
    finish(&other);
}

static void one_that_has_ended_is_not_found(void **state)
{
    struct fixture f;
    struct left left;
    char command[256], text[256];

    start_of(&f, "f", 1);
    die(&f, &left);
    snprintf(command, sizeof(command), "docker kill %s >/dev/null", left.name);
    assert_int_equal(system(command), 0);
    attach_of(&f, "f", 1, &left);
    /* Podman says 'stopped' until it has cleaned up */
    snprintf(text, sizeof(text), "the sandbox that was left, '%s', no longer runs: %s, status 137", left.name,
             strstr(f.err.text, ": stopped,") && live_engine()->is_podman ? "stopped" : "exited");
    assert_refused(&f, ERR_NOT_FOUND, text);
    finish(&f);
    assert_false(is_there(left.name));
}

/* Nobody comes back and nobody sweeps: the guest itself ends the container, whatever runs in it. */
static void one_that_nobody_speaks_to_ends_itself(void **state)
{
    struct fixture f;
    struct left left;
    char command[256];

    setup(&f);
    f.spec.orphan_ms = 10000;
    start_now(&f, "o", 1);
    assert_sh(&f, "sleep 600 & echo $?", 0, "0\n");
    die(&f, &left);
    snprintf(command, sizeof(command), "test \"$(timeout 120 docker wait %s)\" = 0", left.name);
    assert_int_equal(system(command), 0);
    attach_of(&f, "o", 1, &left);
    assert_int_equal(f.ready_result, -ERR_NOT_FOUND);
    finish(&f);
}

static void one_whose_lock_down_was_lowered_is_refused(void **state)
{
    struct fixture f;
    struct left left;
    char command[256];

    start_of(&f, "g", 1);
    die(&f, &left);
    snprintf(command, sizeof(command), "docker update --pids-limit 4000 %s >/dev/null", left.name);
    if (live_engine()->is_podman || live_engine()->refused[0]) { /* nobody can change a container there */
        assert_int_not_equal(system(command), 0);
        if (attach_or_end(&f, "g", 1, &left))
            finish(&f);
        return;
    }
    assert_int_equal(system(command), 0);
    attach_of(&f, "g", 1, &left);
    assert_refused(
        &f, ERR_POLICY,
        "the sandbox that was left: the lock-down is not as asked: pids: asked '64', found 'the engine says "
        "4000'");
    finish(&f);
}

static void another_policy_is_not_the_one_that_was_left(void **state)
{
    struct fixture f;
    struct left left;

    start_of(&f, "h", 1);
    die(&f, &left);
    f.spec.tmp_bytes += MIB;
    attach_of(&f, "h", 1, &left);
    if (!is_closed(&f))
        assert_int_equal(f.ready_result, -ERR_POLICY);
    finish(&f);
}

/* Attempts 1 and 2 alive at a time: the first made while the second was there, as by an engine that answers
 * late. */
static void older_attempts_go_and_other_runs_stay(void **state)
{
    struct fixture other, second, first, third;
    struct left others, left[2];
    struct err err = { 0 };
    char volume[128];

    start_of(&other, "i", 1);
    die(&other, &others);
    start_of(&second, "j", 2);
    die(&second, &left[1]);
    setup(&first);
    first.spec.storage = SANDBOX_STORAGE_VOLUME;
    give_up(&first, "workspace");
    assert_int_equal(make_of(&first, "j", 1, &err), 0);
    assert_int_equal(sandbox_start(first.sb, &live_events, &first, &err), 0);
    assert_int_equal(loop_run(first.loop, &first.is_ready, &err), 0);
    assert_int_equal(first.ready_result, 0);
    die(&first, &left[0]);
    assert_true(is_there(left[0].name) && is_there(left[1].name));
    snprintf(volume, sizeof(volume), "%s-workspace", left[0].name);
    assert_true(is_there(volume));
    start_of(&third, "j", 3);
    assert_false(is_there(left[0].name));
    assert_false(is_there(left[1].name));
    assert_false(is_there(volume));
    assert_true(is_there(others.name));
    finish(&third);
    finish(&first);
    finish(&second);
    if (attach_or_end(&other, "i", 1, &others))
        finish(&other);
}

static void taking_one_over_removes_the_others(void **state)
{
    struct fixture second, first;
    struct left left[2];

    start_of(&second, "k", 2);
    die(&second, &left[1]);
    start_of(&first, "k", 1);
    die(&first, &left[0]);
    attach_of(&second, "k", 2, &left[1]);
    if (!is_closed(&second))
        assert_int_equal(second.ready_result, 0);
    assert_false(is_there(left[0].name));
    assert_true(is_there(left[1].name));
    finish(&second);
    finish(&first);
}

/* ---- an engine that is restarted ----
 *
 * Between us and the engine stands a relay in processes of its own: when they are killed, connections end and
 * nobody listens, as with an engine that is restarted. What becomes of the container meanwhile is up to the
 * test. */

static char relay_path[64];

static void pump(int from, int to)
{
    static char chunk[65536];
    ssize_t n;

    while ((n = read(from, chunk, sizeof(chunk))) > 0)
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(to, chunk + done, (size_t) (n - done))) <= 0)
                _exit(1);
    (void) shutdown(to, SHUT_WR);
}

static int unix_socket(const char *path, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path);
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static void relay_one(int client)
{
    struct sockaddr_un a;
    int engine = unix_socket(need("DOCKER_HOST") + strlen("unix://"), &a);

    if (connect(engine, (struct sockaddr *) &a, sizeof(a)) < 0)
        _exit(1);
    if (fork() == 0) {
        pump(client, engine);
        _exit(0);
    }
    pump(engine, client);
    _exit(0);
}

static pid_t relay_start(void)
{
    struct sockaddr_un a;
    int fd = unix_socket(relay_path, &a);
    pid_t pid;

    (void) unlink(relay_path);
    assert_int_equal(bind(fd, (struct sockaddr *) &a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 16), 0);
    pid = fork();
    if (pid == 0) {
        (void) setpgid(0, 0);
        (void) signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int client = accept(fd, NULL, NULL);

            if (client >= 0 && fork() == 0)
                relay_one(client);
            (void) close(client);
        }
    }
    (void) setpgid(pid, pid);
    (void) close(fd);
    return pid;
}

static void relay_stop(pid_t pid)
{
    assert_int_equal(kill(-pid, SIGKILL), 0);
    (void) waitpid(pid, NULL, 0);
}

static pid_t relay;

static void on_back(void *data)
{
    relay = relay_start();
}

/* The engine goes away, `command` happens to the container, and the engine comes back. */
static void restart_engine(struct fixture *f, const char *command, struct left *left)
{
    struct loop_source *timer = NULL;
    struct sandbox_info info;
    struct err err = { 0 };
    char folder[] = "/tmp/agentbox-live-XXXXXX", url[160], text[256];

    assert_non_null(mkdtemp(folder));
    snprintf(relay_path, sizeof(relay_path), "%s/s", folder);
    snprintf(url, sizeof(url), "unix://%s", relay_path);
    relay = relay_start();
    f->spec.engine = url;
    assert_int_equal(make_of(f, "r", 1, &err), 0);
    assert_int_equal(sandbox_start(f->sb, &live_events, f, &err), 0);
    assert_int_equal(loop_run(f->loop, &f->is_ready, &err), 0);
    if (f->ready_result < 0)
        fail_msg("%s", f->err.text);
    sandbox_info(f->sb, &info);
    snprintf(left->id, sizeof(left->id), "%s", info.container_id);
    snprintf(left->name, sizeof(left->name), "%s", info.container_name);
    left->known = (struct sandbox_known){ left->id, left->name, channel_guest(sandbox_channel(f->sb))->boot };
    relay_stop(relay);
    snprintf(text, sizeof(text), "docker %s %s >/dev/null", command, left->id);
    assert_int_equal(system(text), 0);
    assert_int_equal(loop_timer(f->loop, 400, on_back, NULL, &timer, &err), 0);
    assert_int_equal(loop_run(f->loop, &f->is_lost, &err), 0);
    loop_source_free(timer);
    relay_stop(relay);
    f->spec.engine = need("DOCKER_HOST");
    (void) unlink(relay_path);
    (void) rmdir(folder);
    sandbox_free(f->sb);
    f->sb = NULL;
}

static void a_restart_may_leave_the_sandbox(void **state)
{
    struct fixture f;
    struct left left;

    setup(&f);
    restart_engine(&f, "inspect", &left);
    assert_string_equal(f.lost.text,
                        "the container engine was restarted: the sandbox lives on, the connection does not");
    if (!attach_or_end(&f, "r", 1, &left))
        return;
    assert_sh(&f, "echo hi", 0, "hi\n");
    finish(&f);
}

static void a_restart_may_end_the_sandbox(void **state)
{
    struct fixture f;
    struct left left;

    setup(&f);
    restart_engine(&f, "kill", &left);
    assert_string_equal(f.lost.text, "the container engine was restarted, and the sandbox ended with it");
    attach_of(&f, "r", 1, &left);
    assert_int_equal(f.ready_result, -ERR_NOT_FOUND);
    finish(&f);
    setup(&f);
    restart_engine(&f, "rm -f", &left);
    assert_string_equal(f.lost.text, "the container engine was restarted, and the sandbox is gone");
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_was_left_is_taken_over),
        cmocka_unit_test(many_lives_of_one_sandbox),
        cmocka_unit_test(one_is_removed_while_it_is_taken_over),
        cmocka_unit_test(one_that_floods_its_stream_is_taken_over),
        cmocka_unit_test(another_guest_process_is_another_sandbox),
        cmocka_unit_test(one_of_another_run_is_not_taken),
        cmocka_unit_test(one_that_has_ended_is_not_found),
        cmocka_unit_test(one_that_nobody_speaks_to_ends_itself),
        cmocka_unit_test(one_whose_lock_down_was_lowered_is_refused),
        cmocka_unit_test(another_policy_is_not_the_one_that_was_left),
        cmocka_unit_test(older_attempts_go_and_other_runs_stay),
        cmocka_unit_test(taking_one_over_removes_the_others),
        cmocka_unit_test(a_restart_may_leave_the_sandbox),
        cmocka_unit_test(a_restart_may_end_the_sandbox),
    };

    if (!getenv("DOCKER_HOST"))
        return live_no_engine();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
