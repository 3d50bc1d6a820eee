/* SPDX-License-Identifier: MIT */
#include "core/guest/hold.h"

#include <string.h>
#include <sys/mman.h>

/* A queue's first and last block may be used in part. */
enum { BLOCKS_MIN = FRAME_WINDOW_CONN_MIN / HOLD_BLOCK + 1, SHARES = 8 };

_Static_assert((int) BLOCKS_MIN *FRAME_CONNS <= HOLD_BLOCKS, "something for everybody");

static uint8_t blocks[HOLD_BLOCKS][HOLD_BLOCK] __attribute__((aligned(4096)));
static uint16_t next[HOLD_BLOCKS + 1];
static uint16_t free_first; /* blocks that were used; those that never were begin at `fresh` */
static uint16_t fresh = 1;
static uint32_t reserved; /* blocks */
static uint32_t queues;

static uint32_t blocks_of(uint32_t bytes)
{
    return bytes / HOLD_BLOCK + 1;
}

void hold_init(struct hold *h)
{
    /* what must be left for those that have not come yet */
    uint32_t spared = (FRAME_CONNS - queues - 1) * BLOCKS_MIN;
    uint32_t share = (HOLD_BLOCKS - reserved - spared) / SHARES;
    uint32_t bytes = share > BLOCKS_MIN ? (share - 1) * HOLD_BLOCK : FRAME_WINDOW_CONN_MIN;

    *h = (struct hold){ .max = bytes < FRAME_WINDOW_CONN_MAX ? bytes : FRAME_WINDOW_CONN_MAX };
    reserved += blocks_of(h->max);
    queues++;
}

static uint16_t block_get(void)
{
    uint16_t b = free_first;

    if (b)
        free_first = next[b];
    else
        b = fresh++; /* reservations keep it below HOLD_BLOCKS */
    next[b] = 0;
    return b;
}

static void block_put(uint16_t b)
{
    next[b] = free_first;
    free_first = b;
}

void hold_done(struct hold *h)
{
    while (h->first) {
        uint16_t b = h->first;

        h->first = next[b];
        block_put(b);
    }
    reserved -= blocks_of(h->max);
    queues--;
    *h = (struct hold){ 0 };
    if (queues > 0 || fresh == 1)
        return;
    (void) madvise(blocks, sizeof(blocks), MADV_DONTNEED); /* nobody holds anything: give it back */
    free_first = 0;
    fresh = 1;
}

bool hold_add(struct hold *h, const uint8_t *p, size_t len)
{
    if (len > h->max - h->len)
        return false;
    h->len += (uint32_t) len;
    while (len > 0) {
        if (!h->last || h->to == HOLD_BLOCK) {
            uint16_t b = block_get();

            if (h->last)
                next[h->last] = b;
            else
                h->first = b;
            h->last = b;
            h->to = 0;
        }
        size_t n = HOLD_BLOCK - h->to < len ? HOLD_BLOCK - h->to : len;

        memcpy(blocks[h->last - 1] + h->to, p, n);
        h->to += (uint32_t) n;
        p += n;
        len -= n;
    }
    return true;
}

size_t hold_front(const struct hold *h, const uint8_t **ret)
{
    if (!h->first)
        return 0;
    *ret = blocks[h->first - 1] + h->from;
    return (h->first == h->last ? h->to : HOLD_BLOCK) - h->from;
}

void hold_drop(struct hold *h, size_t len)
{
    uint16_t b = h->first;

    h->from += (uint32_t) len;
    h->len -= (uint32_t) len;
    if (h->from < (b == h->last ? h->to : HOLD_BLOCK))
        return;
    h->first = next[b];
    h->from = 0;
    if (!h->first)
        h->last = 0;
    block_put(b);
}
