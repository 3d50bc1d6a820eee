/* SPDX-License-Identifier: MIT */
/*
 * Bytes that wait for a slow reader: queues over one static pool of blocks, so
 * that a thousand connections cost what they hold and not a buffer each.
 *
 * Whoever wants a queue reserves what it may hold at most; then there is always
 * room for that. A reservation is as large as the pool can bear: the first
 * connections get all they can use, and when there are many, each gets little.
 */
#ifndef GUEST_HOLD_H
#define GUEST_HOLD_H

#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HOLD_BLOCK = 4096,
    HOLD_BLOCKS = 4096, /* 16 MiB, of which only what is used is ever touched */
};

struct hold {
    uint16_t first, last; /* blocks, counted from 1; 0: none */
    uint32_t from, to;    /* used part of the first, end of the last */
    uint32_t len, max;
};

/* Reserve; h->max says how much, FRAME_WINDOW_CONN_MIN ... FRAME_WINDOW_CONN_MAX. There is always something
 * for FRAME_CONNS queues. */
void hold_init(struct hold *h);
void hold_done(struct hold *h);

bool hold_add(struct hold *h, const uint8_t *p,
              size_t len); /* false: more than was reserved; nothing is kept */
size_t hold_front(const struct hold *h, const uint8_t **ret); /* what lies together at its front */
void hold_drop(struct hold *h, size_t len);                   /* at most as much as hold_front() said */

#endif
