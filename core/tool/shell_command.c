/* SPDX-License-Identifier: MIT */
/* One shell command in the sandbox, its output captured and kept. */
#include "core/tool/shell_impl.h"

#include "core/base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy(struct span s)
{
    return strndup(s.ptr ? s.ptr : "", s.len);
}

static void on_output(void *data, int fd, struct span chunk, uint64_t gap)
{
    struct shell_command *cmd = data;
    struct tool_host *host = cmd->host;

    capture_add(fd == 2 && !cmd->is_merged ? &cmd->err : &cmd->out, chunk, gap);
    if (host->keep_output)
        host->keep_output(host->data, cmd->call_id, fd == 2 ? "stderr" : "stdout", chunk);
    if (host->on_output)
        host->on_output(host->data, cmd->call_id, fd, chunk);
}

static void on_end(void *data, const struct exec_result *result)
{
    struct shell_command *cmd = data;

    cmd->call = NULL;
    cmd->fn(cmd->data, result);
}

static const struct exec_ops ops = { on_output, on_end };

static void given_up(void *data)
{
    struct shell_command *cmd = data;
    const struct exec_result result = { .end = EXEC_FAILED,
                                        .text =
                                            "the command has ended; its output was lost when agentbox was "
                                            "killed, and it is not run again" };

    cmd->fn(cmd->data, &result);
}

/* A call's commands run one after the other, so whatever comes before one that is known has ended. */
static bool is_later_known(const struct channel *channel, uint64_t id)
{
    uint64_t ids[CHANNEL_EXECS];
    size_t count = channel_exec_list(channel, ids, CHANNEL_EXECS);

    for (size_t i = 0; i < count; i++)
        if (ids[i] > id && ids[i] / TOOL_EXEC_IDS == id / TOOL_EXEC_IDS)
            return true;
    return false;
}

static int start_new(struct shell_command *cmd, struct channel *channel,
                     const struct shell_command_spec *spec, struct err *err)
{
    const char *argv[] = { cmd->argv_shell ? cmd->argv_shell : "bash", cmd->login_flag, cmd->argv_text,
                           NULL };
    /* a terminal is one that programs draw on; without one nothing shall wait for a key */
    const char *env[] = { "TERM=dumb", "PAGER=cat", "GIT_PAGER=cat", NULL };
    const char *tty_env[] = { "TERM=xterm", NULL };
    struct exec_request req = {
        .id = cmd->exec_id,
        .argv = argv,
        .alternative = cmd->argv_shell ? NULL : "sh",
        .env = cmd->tty ? tty_env : env,
        .cwd = *cmd->cwd ? cmd->cwd : NULL,
        .tty = cmd->tty,
        .rows = spec->rows,
        .cols = spec->cols,
        .keep_input = cmd->keep_input,
        .timeout_ms = cmd->timeout_ms,
        .takes_over = spec->may_take_over,
        .instead = spec->instead,
        .output_max = SHELL_KEEP_BYTES,
        .tail_max = SHELL_TAIL_BYTES,
    };

    cmd->took_over = spec->may_take_over;
    return channel_exec(channel, &req, &ops, cmd, &cmd->call, err);
}

static int start_or_adopt(struct shell_command *cmd, const struct shell_command_spec *spec, struct err *err)
{
    struct channel *channel = cmd->host->channel(cmd->host->data);

    if (!channel)
        return err_set(err, ERR_ENGINE, "the sandbox is gone");
    cmd->exec_id = cmd->host->next_exec_id(cmd->host->data, cmd->call_id);
    if (channel_exec_is_known(channel, cmd->exec_id))
        return channel_exec_adopt(channel, cmd->exec_id, &ops, cmd, &cmd->call, err);
    if (is_later_known(channel, cmd->exec_id))
        return loop_defer(cmd->host->loop, given_up, cmd, &cmd->soon, err);
    return start_new(cmd, channel, spec, err);
}

static int set_up(struct shell_command *cmd, const struct shell_command_spec *spec, struct err *err)
{
    cmd->call_id = copy(spec->call_id);
    cmd->argv_text = copy(spec->text);
    cmd->cwd = copy(spec->cwd);
    if (spec->shell.len > 0)
        cmd->argv_shell = copy(spec->shell);
    if (!cmd->call_id || !cmd->argv_text || !cmd->cwd || (spec->shell.len > 0 && !cmd->argv_shell) ||
        capture_init(&cmd->out, spec->budget) < 0 ||
        capture_init(&cmd->err, spec->is_merged ? 0 : spec->budget) < 0)
        return err_set(err, ERR_INTERNAL, "no memory for a command");
    return 0;
}

int shell_command_start(struct shell_command *cmd, struct tool_host *host,
                        const struct shell_command_spec *spec, shell_command_fn *fn, void *data,
                        struct err *err)
{
    int r;

    *cmd = (struct shell_command){
        .host = host,
        .login_flag = spec->login ? "-lc" : "-c",
        .tty = spec->tty,
        .keep_input = spec->keep_input,
        .is_merged = spec->is_merged,
        .timeout_ms = spec->timeout_ms,
        .fn = fn,
        .data = data,
    };
    r = set_up(cmd, spec, err);
    if (r == 0)
        r = start_or_adopt(cmd, spec, err);
    if (r < 0)
        shell_command_done(cmd);
    return r;
}

int shell_command_adopt(struct shell_command *cmd, struct tool_host *host, uint64_t exec_id, size_t budget,
                        shell_command_fn *fn, void *data, struct err *err)
{
    const struct shell_command_spec spec = { .budget = budget, .is_merged = true };
    struct channel *channel = host->channel(host->data);
    int r;

    if (!channel)
        return err_set(err, ERR_ENGINE, "the sandbox is gone");
    if (!channel_exec_is_known(channel, exec_id))
        return err_set(err, ERR_NOT_FOUND, "the sandbox does not know command %llu",
                       (unsigned long long) exec_id);
    *cmd = (struct shell_command){ .host = host,
                                   .exec_id = exec_id,
                                   .keep_input = true, /* the channel knows better */
                                   .is_merged = true,
                                   .fn = fn,
                                   .data = data };
    r = set_up(cmd, &spec, err);
    if (r == 0)
        r = channel_exec_adopt(channel, exec_id, &ops, cmd, &cmd->call, err);
    if (r < 0)
        shell_command_done(cmd);
    return r;
}

int shell_command_hand_over(struct shell_command *cmd, struct span call_id, struct err *err)
{
    char *id = copy(call_id);

    if (!id)
        return err_set(err, ERR_INTERNAL, "no memory for a command");
    free(cmd->call_id);
    cmd->call_id = id;
    return 0;
}

void shell_command_done(struct shell_command *cmd)
{
    channel_cancel(cmd->call);
    loop_source_free(cmd->soon);
    free(cmd->call_id);
    free(cmd->argv_shell);
    free(cmd->argv_text);
    free(cmd->cwd);
    capture_done(&cmd->out);
    capture_done(&cmd->err);
    *cmd = (struct shell_command){ 0 };
}

void shell_result_text(const struct exec_result *result, int64_t timeout_ms, char *out, size_t size)
{
    char time[32];

    switch (result->end) {
    case EXEC_EXITED:
        snprintf(out, size, "exit %d", result->code);
        break;
    case EXEC_SIGNALED:
        snprintf(out, size, "killed by signal %d", result->code);
        break;
    case EXEC_TIMEOUT:
        snprintf(out, size, "timed out after %s", units_format_duration(time, timeout_ms));
        break;
    case EXEC_KILLED:
        snprintf(out, size, "killed");
        break;
    case EXEC_FAILED:
    case EXEC_LOST:
        snprintf(out, size, "%s", result->text ? result->text : "failed");
        break;
    }
}

size_t shell_command_quotas(const struct shell_command *cmd, const struct exec_result *result,
                            struct quota ret[QUOTA_MAX])
{
    const struct tool_host *host = cmd->host;
    const struct quota_facts facts = {
        .result = result,
        .spec = host->sandbox,
        .out = &cmd->out,
        .err = cmd->is_merged ? NULL : &cmd->err,
        .deadline_ms = cmd->timeout_ms == host->command_ms ? cmd->timeout_ms : 0,
    };

    return quota_find(&facts, ret);
}

int shell_exit_code(const struct exec_result *result)
{
    switch (result->end) {
    case EXEC_EXITED:
        return result->code;
    case EXEC_SIGNALED:
        return 128 + result->code;
    case EXEC_TIMEOUT:
    case EXEC_KILLED:
        return 137;
    case EXEC_FAILED:
        /* EACCES: there, but not to be run; nothing: it ran, but nobody knows how it ended */
        return result->errnum == 13 ? 126 : result->errnum == 0 ? -1 : 127;
    case EXEC_LOST:
        break;
    }
    return -1;
}
