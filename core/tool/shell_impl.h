/* SPDX-License-Identifier: MIT */
/*
 * Shared inside the shell tool: one command in the sandbox with what it wrote, and
 * the two shapes of a call.
 */
#ifndef TOOL_SHELL_IMPL_H
#define TOOL_SHELL_IMPL_H

#include "core/sandbox/channel.h"
#include "core/tool/capture.h"
#include "core/tool/quota.h"
#include "core/tool/tool.h"

/* Of each stream of a command this much is kept in the run folder; what follows is counted, and its last
 * bytes are kept. A command may write gigabytes without hurting anybody. */
#define SHELL_KEEP_BYTES (16 * 1024 * 1024)
#define SHELL_TAIL_BYTES (64 * 1024)

struct shell_command;
typedef void shell_command_fn(void *data, const struct exec_result *result);

struct shell_command {
    struct tool_host *host;
    struct channel_call *call;    /* NULL: not running */
    struct loop_source *soon;     /* an end that is known already */
    uint64_t exec_id;             /* its number in the sandbox */
    char *call_id;                /* of the call with which its output is kept */
    char *argv_shell, *argv_text; /* owned */
    const char *login_flag;
    char *cwd;
    bool tty, keep_input, is_merged;
    int64_t timeout_ms;
    struct capture out, err; /* is_merged: everything in `out` */
    bool took_over;          /* what it was allowed to */
    shell_command_fn *fn;
    void *data;
};

/* `shell` NULL: bash where the image has it, else sh. `is_merged`: stdout and stderr in order of arrival in
 * one capture. */
struct shell_command_spec {
    struct span call_id, text, shell, cwd;
    bool login, tty, keep_input, is_merged;
    int rows, cols; /* of the terminal; 0: 24 and 80 */
    int64_t timeout_ms;
    size_t budget;
    bool may_take_over; /* see struct exec_request */
    uint64_t instead;
};

/* Runs at once, or is taken up where an earlier host left it (start or adopt): of commands with the same
 * number only one ever runs. What ran before and is forgotten, which is seen by a later command of its call
 * being known, ends with EXEC_FAILED and words that say so. `fn` comes once, from the channel or the loop.
 * -ERR_ENGINE: the sandbox is gone; others: this command cannot be asked for (too long), and `err` is for the
 * model. */
int shell_command_start(struct shell_command *cmd, struct tool_host *host,
                        const struct shell_command_spec *spec, shell_command_fn *fn, void *data,
                        struct err *err);
/* Take up the command with this number, whoever started it. -ERR_NOT_FOUND: nobody knows it. */
int shell_command_adopt(struct shell_command *cmd, struct tool_host *host, uint64_t exec_id, size_t budget,
                        shell_command_fn *fn, void *data, struct err *err);
/* What it writes from now on is kept with another call: the one that waits for it. */
int shell_command_hand_over(struct shell_command *cmd, struct span call_id, struct err *err);
void shell_command_done(struct shell_command *cmd); /* kills what runs; no callback */

/* "exit 0", "killed by signal 9", "timed out after 2m" ... for people. */
void shell_result_text(const struct exec_result *result, int64_t timeout_ms, char *out, size_t size);
/* The limits that the command met; for when it has ended. */
size_t shell_command_quotas(const struct shell_command *cmd, const struct exec_result *result,
                            struct quota ret[QUOTA_MAX]);

/* Exit status as a shell would report it: 128 + signal. */
int shell_exit_code(const struct exec_result *result);

int shell_native_start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                       struct tool_run **ret, struct err *err);
int shell_function_start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                         struct tool_run **ret, struct err *err);
void shell_function_describe(struct json_writer *w);
/* exec_command as a custom tool whose text is the command itself, not JSON with it. `args`: that text parsed;
 * NULL: it is no JSON. */
bool shell_is_plain(const struct tree *item, const struct tree *args);
int shell_session_restore(struct tool_host *host, int64_t id, uint64_t exec_id, struct err *err);
bool shell_sessions_hold(const struct shell_sessions *sessions, uint64_t exec_id);
void shell_sessions_free(struct shell_sessions *sessions);

#endif
