/* SPDX-License-Identifier: MIT */
/* What the tests on a real engine share. */
#include "tests/live/live.h"

#include "core/base/clock.h"
#include "oci/docker_sandbox.h"

#include <stdio.h>
#include <unistd.h>

static int attempt;

const char *need(const char *name)
{
    const char *value = getenv(name);

    if (!value || !*value)
        fail_msg("%s is not set", name);
    return value;
}

/* cgroup v1 is never handed to ordinary users; v2 is, where systemd runs for them, and not to engines of
 * scripts/engine. */
static const struct live_engine engines[] = {
    { .kind = "docker" },
    { .kind = "docker-userns" },
    { .kind = "docker-rootless", .refused = { "memory", "cpus", "pids" } },
    { .kind = "podman", .is_podman = true },
    { .kind = "podman-rootless", .is_podman = true, .refused = { "memory", "cpus", "pids" } },
};

const struct live_engine *live_engine(void)
{
    const char *kind = getenv("AGENTBOX_ENGINE_KIND");

    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
        if (strcmp(engines[i].kind, kind && *kind ? kind : "docker") == 0)
            return &engines[i];
    fail_msg("AGENTBOX_ENGINE_KIND is '%s'", kind);
    return NULL;
}

static void on_intent(void *data, const struct sandbox_info *info)
{
    struct fixture *f = data;
    struct err err;

    assert_int_equal(info->row_count, lockdown_row_count());
    assert_int_equal(strncmp(info->image_id, "sha256:", 7), 0);
    f->has_intent = true;
    f->intent_us = clock_mono_us();
    assert_int_equal(sandbox_proceed(f->sb, &err), 0);
}

static void on_ready(void *data, int result, const struct err *err)
{
    struct fixture *f = data;

    f->is_ready = true;
    f->ready_us = clock_mono_us();
    f->ready_result = result;
    if (err)
        f->err = *err;
}

static void on_lost(void *data, const struct err *err)
{
    struct fixture *f = data;

    f->is_lost = true;
    f->lost = *err;
}

const struct sandbox_events live_events = { NULL, on_intent, on_ready, on_lost };

static void on_removed(void *data, int result, const struct err *err)
{
    struct fixture *f = data;

    f->is_removed = true;
    f->removed_result = result;
}

static void on_output(void *data, int fd, struct span chunk, uint64_t gap)
{
    struct fixture *f = data;

    (void) buf_add_span(&f->out, chunk);
}

static void on_exit_(void *data, const struct exec_result *result)
{
    struct fixture *f = data;

    f->call = NULL;
    f->is_command_done = true;
    f->result = *result;
}

const struct exec_ops live_exec_ops = { on_output, on_exit_ };

void setup(struct fixture *f)
{
    struct err err;

    *f = (struct fixture) {
        .spec = {
            .image = "agentbox-demo:1",
            .pull = SANDBOX_PULL_NEVER,
            .engine = need("DOCKER_HOST"),
            .uid = 65532,
            .gid = 65532,
            .memory_bytes = 128 * MIB,
            .nano_cpus = 1000000000,
            .pids = 64,
            .tmp_bytes = 16 * MIB,
            .runtime = "default",
            .seccomp = "strict",
            .root = "/workspace",
            .storage = SANDBOX_STORAGE_MEMORY,
            .size_bytes = 32 * MIB,
            .orphan_ms = 60000,
        },
        .out = BUF_INIT(MIB),
    };
    f->spec.lower = f->lower;
    for (size_t i = 0; i < 4 && live_engine()->refused[i]; i++)
        give_up(f, live_engine()->refused[i]);
    assert_int_equal(loop_new(&f->loop, &err), 0);
    assert_int_equal(http_new(f->loop, &f->http, &err), 0);
}

void give_up(struct fixture *f, const char *row)
{
    assert_true(f->spec.lower_count < sizeof(f->lower) / sizeof(f->lower[0]));
    f->lower[f->spec.lower_count++] = row;
}

void assert_verified(const struct fixture *f)
{
    struct sandbox_info info;

    sandbox_info(f->sb, &info);
    for (size_t i = 0; i < info.row_count; i++) {
        bool is_lowered = false;

        for (size_t k = 0; k < f->spec.lower_count; k++)
            is_lowered |= strcmp(info.rows[i].name, f->lower[k]) == 0;
        assert_int_equal(info.rows[i].state, is_lowered ? SANDBOX_ROW_LOWERED : SANDBOX_ROW_VERIFIED);
    }
}

int make_of(struct fixture *f, const char *what, int number, struct err *err)
{
    char run[64];
    const struct docker_identity id = { .run_id = run,
                                        .name = "live",
                                        .version = "0",
                                        .attempt = number,
                                        .deadline_s = clock_wall_ms() / 1000 + 600 };

    snprintf(run, sizeof(run), "live-%d%s", (int) getpid(), what);
    return docker_sandbox_new(f->loop, f->http, &f->spec, &id, NULL, &f->sb, err);
}

int make(struct fixture *f, struct err *err)
{
    return make_of(f, "", ++attempt, err);
}

void start(struct fixture *f)
{
    struct err err = { 0 };

    if (make(f, &err) < 0)
        fail_msg("new: %s", err.text);
    assert_int_equal(sandbox_start(f->sb, &live_events, f, &err), 0);
    assert_int_equal(loop_run(f->loop, &f->is_ready, &err), 0);
}

void print_rows(const struct fixture *f)
{
    struct sandbox_info info;

    sandbox_info(f->sb, &info);
    for (size_t i = 0; i < info.row_count; i++)
        print_message("# %-20s %d asked '%s' found '%s'\n", info.rows[i].name, (int) info.rows[i].state,
                      info.rows[i].asked, info.rows[i].found);
}

void start_well(struct fixture *f)
{
    setup(f);
    start(f);
    if (f->ready_result < 0) {
        print_rows(f);
        fail_msg("not ready: %s (%s)", f->err.text, f->err.hint);
    }
}

void finish(struct fixture *f)
{
    struct err err = { 0 };

    if (f->sb) {
        assert_int_equal(sandbox_remove(f->sb, on_removed, f, &err), 0);
        assert_int_equal(loop_run(f->loop, &f->is_removed, &err), 0);
        assert_int_equal(f->removed_result, 0);
        sandbox_free(f->sb);
    }
    buf_done(&f->out);
    http_free(f->http);
    loop_free(f->loop);
}

static uint64_t next_command = 1;

/* Exit status of a shell script inside; its output is in f->out. */
int sh_within(struct fixture *f, const char *script, int64_t timeout_ms)
{
    const char *const argv[] = { "/bin/sh", "-c", script, NULL };
    const struct exec_request req = {
        .id = next_command++, .argv = argv, .timeout_ms = timeout_ms, .output_max = MIB
    };
    struct channel_call *call = NULL;
    struct err err = { 0 };

    buf_clear(&f->out);
    f->is_command_done = false;
    if (channel_exec(sandbox_channel(f->sb), &req, &live_exec_ops, f, &call, &err) < 0)
        fail_msg("exec: %s", err.text);
    assert_int_equal(loop_run(f->loop, &f->is_command_done, &err), 0);
    if (f->result.end != EXEC_EXITED)
        return 1000 + (int) f->result.end;
    return f->result.code;
}

int sh(struct fixture *f, const char *script)
{
    return sh_within(f, script, 120000);
}

void assert_sh(struct fixture *f, const char *script, int status, const char *output)
{
    int is = sh(f, script);

    if (is != status || (output && strcmp(buf_text(&f->out), output) != 0))
        fail_msg("'%s' ended with %d (wanted %d): %s", script, is, status, buf_text(&f->out));
}

int live_no_engine(void)
{
    printf("1..1\nnot ok 1 - needs an engine: DOCKER_HOST is not set\n"
           "# scripts/engine start; eval \"$(scripts/engine env)\"\n");
    return 1;
}
