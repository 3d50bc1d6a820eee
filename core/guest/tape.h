/* SPDX-License-Identifier: MIT */
/*
 * What a command wrote to one of its outputs, as far as it is still of use.
 *
 * The first head_max bytes (the head) go to the host as credit allows, and stay in
 * a ring until a host has acknowledged them, so that the next one loses
 * nothing that was in flight. While the ring is full the pipe is not read and the command
 * waits in its write(2). Of what follows, only the last tail_max bytes are
 * kept, and the pipe is read as fast as it can be: the command does not wait for anybody.
 *
 * Positions are counted from the first byte the command wrote. The memory is the
 * table's own (static); tape_done() gives its pages back to the system.
 */
#ifndef GUEST_TAPE_H
#define GUEST_TAPE_H

#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAPE_RING = FRAME_WINDOW_OUTPUT };

struct tape {
    int fd;      /* -1: ended */
    bool is_big; /* the pipe was enlarged */
    uint64_t head_max, written, sent, acked;
    uint32_t tail_max;
    uint64_t tail_sent; /* position; 0 = the tail was not begun */
    uint8_t ring[TAPE_RING] __attribute__((aligned(4096)));
    uint8_t tail[FRAME_TAIL_MAX] __attribute__((aligned(4096)));
};

void tape_init(struct tape *t, int fd, uint64_t head_max, uint32_t tail_max);
void tape_done(struct tape *t); /* the descriptor is the caller's */

bool tape_wants(const struct tape *t); /* there is room: poll its descriptor */
/* Read once. 1 = something came, 0 = nothing there now, -1 = it ended. */
int tape_read(struct tape *t);

/* The next bytes for the host, if any: put into `ret` up to `max`, their position in *ret_at. The tail only
 * when the command `has_ended`. */
size_t tape_take(struct tape *t, bool has_ended, uint8_t *ret, size_t max, uint64_t *ret_at);
void tape_credit(struct tape *t, uint32_t bytes);
bool tape_is_sent(const struct tape *t); /* head and tail */

/* A new host: everything that is still held, again. */
void tape_rewind(struct tape *t);

#endif
