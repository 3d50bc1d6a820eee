/* SPDX-License-Identifier: MIT */
/* What goes to a command: its input. */
#include "core/guest/exec.h"
#include "core/guest/exec_impl.h"
#include "core/guest/keeper.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void exec_input_close(struct exec *e)
{
    if (!e->is_tty) /* a terminal's descriptor is also its output */
        exec_close_fd(&e->in);
    e->in = -1;
    e->in_credit += e->in_to - e->in_from;
    e->in_from = e->in_to = 0;
}

void exec_input_write(struct exec *e)
{
    while (e->in >= 0 && e->in_from < e->in_to) {
        ssize_t n = write(e->in, e->input + e->in_from, e->in_to - e->in_from);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) { /* nobody reads it any more */
            exec_input_close(e);
            return;
        }
        e->in_from += (uint32_t) n;
        e->in_credit += (uint32_t) n;
    }
    if (e->in_from == e->in_to)
        e->in_from = e->in_to = 0;
    if (e->in < 0 || !e->in_is_ending || e->in_from < e->in_to)
        return;
    if (e->is_tty)
        (void) write(e->in, "\004", 1); /* what ^D does */
    exec_input_close(e);
}

bool exec_reads(const struct exec *e)
{
    return (e->in >= 0 || (e->state == EXEC_WAITING && e->takes_input)) && !e->in_is_ending;
}

/* The host may send what it has credit for; more than that has no room and is dropped. After the end of
 * input, or for a command that does not read, bytes are given back as if they had been read. */
void exec_input(uint64_t id, const uint8_t *p, size_t len, bool is_end)
{
    struct exec *e = exec_find(id);

    if (!e)
        return;
    if (!exec_reads(e)) {
        e->in_credit += (uint32_t) len;
        return;
    }
    if (e->in_from > 0) {
        memmove(e->input, e->input + e->in_from, e->in_to - e->in_from);
        e->in_to -= e->in_from;
        e->in_from = 0;
    }
    if (len > sizeof(e->input) - e->in_to)
        len = sizeof(e->input) - e->in_to;
    memcpy(e->input + e->in_to, p, len);
    e->in_to += (uint32_t) len;
    e->in_is_ending = is_end;
    exec_input_write(e);
}

void exec_input_whole(uint64_t id, uint64_t number, const uint8_t *p, size_t len)
{
    static const char interrupt = KEEPER_INTERRUPT;
    struct exec *e = exec_find(id);

    if (!e || len > sizeof(e->input) - (e->in_to - e->in_from))
        return;
    e->in_number = number;
    if (e->takes_input || len != 1 || p[0] != KEEPER_INTERRUPT)
        exec_input(id, p, len, false);
    else if (e->state == EXEC_RUNNING && e->ctl >= 0)
        (void) send(e->ctl, &interrupt, 1,
                    MSG_NOSIGNAL | MSG_DONTWAIT); /* a full socket: it was told often enough */
}
