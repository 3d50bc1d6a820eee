/* SPDX-License-Identifier: MIT */
/* One line that says how to go on. */
#include "cmd/advice.h"

#include "core/base/err.h"

#include <stdbool.h>
#include <string.h>

static bool is_status(int exit_status, enum err_code code)
{
    return exit_status == err_exit_status(code);
}

/* It comes from a journal, and will be pasted into a shell. */
static bool is_word(const char *reason)
{
    return reason && *reason && !reason[strspn(reason, "abcdefghijklmnopqrstuvwxyz_")];
}

void advice_command(struct buf *out, const char *id, int exit_status, const char *reason)
{
    if (exit_status == 0 || is_status(exit_status, ERR_AGENT) || is_status(exit_status, ERR_POLICY))
        return;
    if (is_status(exit_status, ERR_OUTPUT))
        buf_printf(out, "agentbox outputs %s", id);
    else if (is_status(exit_status, ERR_LIMIT) && is_word(reason))
        buf_printf(out, "agentbox resume %s --set limits.%s=...", id, reason);
    else
        buf_printf(out, "agentbox resume %s", id);
}

void advice_line(struct buf *out, const char *id, int exit_status, const char *reason)
{
    struct buf command = BUF_INIT(4096);

    advice_command(&command, id, exit_status, reason);
    if (command.len > 0)
        buf_printf(out, "go on: %s\n", buf_text(&command));
    buf_done(&command);
}
