/* SPDX-License-Identifier: MIT */
#include "core/guest/tape.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t head_len(const struct tape *t)
{
    return min64(t->written, t->head_max);
}

static uint64_t tail_start(const struct tape *t)
{
    uint64_t len = min64(t->written - head_len(t), t->tail_max);

    return t->written - len;
}

void tape_init(struct tape *t, int fd, uint64_t head_max, uint32_t tail_max)
{
    t->fd = fd;
    t->is_big = false;
    t->head_max = head_max;
    t->written = t->sent = t->acked = t->tail_sent = 0;
    t->tail_max = tail_max;
}

void tape_done(struct tape *t)
{
    (void) madvise(t->ring, sizeof(t->ring), MADV_DONTNEED); /* only a saving */
    (void) madvise(t->tail, sizeof(t->tail), MADV_DONTNEED);
    t->fd = -1;
}

bool tape_wants(const struct tape *t)
{
    return t->fd >= 0 && (t->written >= t->head_max || t->written - t->acked < TAPE_RING);
}

static ssize_t head_read(struct tape *t)
{
    size_t at = t->written % TAPE_RING;
    uint64_t room = min64(TAPE_RING - (t->written - t->acked), TAPE_RING - at);

    return read(t->fd, t->ring + at, min64(room, t->head_max - t->written));
}

/* Append to the tail's ring, of which only tail_max bytes are used. */
static void tail_add(struct tape *t, const uint8_t *p, size_t len)
{
    uint64_t pos = t->written - t->head_max;

    if (t->tail_max == 0)
        return;
    if (len > t->tail_max) {
        pos += len - t->tail_max;
        p += len - t->tail_max;
        len = t->tail_max;
    }
    while (len > 0) {
        size_t at = pos % t->tail_max;
        size_t n = min64(len, t->tail_max - at);

        memcpy(t->tail + at, p, n);
        pos += n;
        p += n;
        len -= n;
    }
}

static ssize_t tail_read(struct tape *t)
{
    static uint8_t scratch[256 * 1024];

    if (!t->is_big) { /* fewer turns for what nobody will see; refused when the user's share is used up */
        (void) fcntl(t->fd, F_SETPIPE_SZ, (int) sizeof(scratch));
        t->is_big = true;
    }
    ssize_t n = read(t->fd, scratch, sizeof(scratch));

    if (n > 0)
        tail_add(t, scratch, (size_t) n);
    return n;
}

int tape_read(struct tape *t)
{
    ssize_t n = t->written < t->head_max ? head_read(t) : tail_read(t);

    if (n > 0) {
        t->written += (uint64_t) n;
        return 1;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1; /* EIO is how a terminal ends */
}

static size_t ring_copy(uint8_t *ret, const uint8_t *ring, size_t size, uint64_t pos, size_t len)
{
    size_t at = pos % size;

    if (len > size - at)
        len = size - at;
    memcpy(ret, ring + at, len);
    return len;
}

size_t tape_take(struct tape *t, bool has_ended, uint8_t *ret, size_t max, uint64_t *ret_at)
{
    uint64_t head = head_len(t);
    uint64_t open = t->sent - t->acked + (t->tail_sent ? t->tail_sent - tail_start(t) : 0);
    size_t n = min64(max, FRAME_WINDOW_OUTPUT - min64(open, FRAME_WINDOW_OUTPUT));

    if (n == 0)
        return 0;
    if (t->sent < head) {
        *ret_at = t->sent;
        n = ring_copy(ret, t->ring, TAPE_RING, t->sent, min64(n, head - t->sent));
        t->sent += n;
        return n;
    }
    if (!has_ended || tape_is_sent(t))
        return 0;
    if (t->tail_sent == 0)
        t->tail_sent = tail_start(t);
    *ret_at = t->tail_sent;
    n = ring_copy(ret, t->tail, t->tail_max, t->tail_sent - t->head_max, min64(n, t->written - t->tail_sent));
    t->tail_sent += n;
    return n;
}

void tape_credit(struct tape *t, uint32_t bytes)
{
    t->acked += min64(bytes, t->sent - t->acked); /* more than was sent is worth nothing */
}

bool tape_is_sent(const struct tape *t)
{
    return t->sent == head_len(t) && (t->tail_sent == t->written || tail_start(t) == t->written);
}

void tape_rewind(struct tape *t)
{
    uint64_t head = head_len(t);

    t->sent = t->acked = head > TAPE_RING ? head - TAPE_RING : 0;
    t->tail_sent = 0;
}
