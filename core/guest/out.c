/* SPDX-License-Identifier: MIT */
#include "core/guest/out.h"

#include "core/sandbox/frame.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { OUT_SLOT = FRAME_HEADER + OUT_PAYLOAD + 64 };

static uint8_t queue[4 * OUT_SLOT];
static size_t from, to; /* the bytes waiting */

void out_reset(const uint8_t *nonce)
{
    from = 0;
    memcpy(queue, frame_mark, FRAME_MARK);
    memcpy(queue + FRAME_MARK, nonce, FRAME_NONCE);
    to = FRAME_PREAMBLE;
}

uint8_t *out_begin(void)
{
    if (to - from > sizeof(queue) - OUT_SLOT)
        return NULL;
    if (sizeof(queue) - to < OUT_SLOT) {
        memmove(queue, queue + from, to - from);
        to -= from;
        from = 0;
    }
    return queue + to + FRAME_HEADER;
}

void out_commit(uint8_t type, uint8_t flags, uint64_t stream, uint32_t len)
{
    frame_header(queue + to, type, flags, stream, len);
    to += FRAME_HEADER + len;
}

bool out_is_pending(void)
{
    return from < to;
}

void out_flush(void)
{
    while (from < to) {
        ssize_t n = write(STDOUT_FILENO, queue + from, to - from);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) /* nobody is there; the next host begins with HELLO and asks again */
            break;
        from += (size_t) n;
    }
    from = to = 0;
}
