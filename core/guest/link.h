/* SPDX-License-Identifier: MIT */
/*
 * The guest's end of the conversation in core/sandbox/frame.h: takes frames out
 * of stdin, hands each to the one function that serves it, and lets those who have something to
 * say take turns.
 */
#ifndef GUEST_LINK_H
#define GUEST_LINK_H

#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <stdint.h>

/* What this guest says of itself; `me` is kept. */
void link_init(const struct frame_hello *me, int64_t now_us);

/* stdin can be read. False: it ended, for now; the next host may open it again. */
bool link_read(int64_t now_us);

/* Bytes from a host, as read. Apart, so that they can come from elsewhere. */
void link_feed(const uint8_t *p, size_t len, int64_t now_us);

/* Fill the queue. True: there is work left that waits for nobody, or there was no room to find out. */
bool link_produce(void);

int64_t link_heard_us(void); /* when the last complete frame came */
bool link_is_over(void);     /* a host asked us to end */

#endif
