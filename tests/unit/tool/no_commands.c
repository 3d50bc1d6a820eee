/* SPDX-License-Identifier: MIT */
/* The command calls of a channel, for tests of tools that run none. */
#include "tests/unit/unit.h"

#include "core/sandbox/channel.h"

int channel_exec(struct channel *ch, const struct exec_request *req, const struct exec_ops *ops, void *data,
                 struct channel_call **ret, struct err *err)
{
    fail_msg("a command is run");
    return -1;
}

int channel_exec_adopt(struct channel *ch, uint64_t id, const struct exec_ops *ops, void *data,
                       struct channel_call **ret, struct err *err)
{
    fail_msg("a command is taken up");
    return -1;
}

int channel_exec_write_numbered(struct channel_call *call, uint64_t number, struct span input,
                                struct err *err)
{
    fail_msg("input is sent");
    return -1;
}

void channel_exec_resize(struct channel_call *call, int rows, int cols)
{
    fail_msg("a terminal is resized");
}

void channel_exec_release(struct channel *ch, uint64_t id)
{
}

size_t channel_exec_list(const struct channel *ch, uint64_t *ret_ids, size_t max)
{
    return 0;
}

bool channel_exec_is_known(const struct channel *ch, uint64_t id)
{
    return false;
}

int channel_exec_room(const struct channel *ch)
{
    return CHANNEL_EXECS;
}

uint64_t channel_exec_last_input(const struct channel *ch, uint64_t id)
{
    return 0;
}

int channel_exec_write(struct channel_call *call, struct span input, bool eof, struct err *err)
{
    fail_msg("input is sent");
    return -1;
}

void channel_exec_kill(struct channel_call *call)
{
    fail_msg("a command is killed");
}
