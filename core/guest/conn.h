/* SPDX-License-Identifier: MIT */
/*
 * The way out: a listener on 127.0.0.1, and the connections that processes of the
 * sandbox make to it, each carried to the host as a stream (core/sandbox/frame.h, CONNECTIONS).
 * Nothing of what they say is looked at here; what may leave is decided by the host.
 *
 * The policy of this file:
 *   - No listener before the host asks, and none but on 127.0.0.1. The container has no other interface.
 *   - At most FRAME_CONNS connections, in a static table; others wait in the kernel's queue. When descriptors
 *     run out the same happens, and commands find those they need (FDS_SPARED).
 *   - What a process sends is read only when the host has room for it: nothing is held here.
 *   - What the host sends and a process does not take yet is held in hold.h, from which each connection
 *     gets a share when it is accepted, and promises the host no more than that.
 *   - A host that sends more than it was promised loses the connection.
 */
#ifndef GUEST_CONN_H
#define GUEST_CONN_H

#include "core/sandbox/frame.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

enum { CONN_FDS = 1 + FRAME_CONNS };

/* Listen there, or go on listening. 0 or -errno. Accepting begins with this. */
int conn_listen(uint32_t port);

/* ---- from the host. A stream that is not there is ignored. ---- */

void conn_reset(void); /* a new host: cut all, accept nobody until it asks */
void conn_data(uint64_t stream, const uint8_t *p, size_t len, bool is_end);
void conn_credit(uint64_t stream, uint32_t bytes);
void conn_cancel(uint64_t stream);

/* ---- from the main loop ---- */

int conn_poll(struct pollfd *fds, int64_t now_us, int64_t *wake_us); /* how many were filled in */
void conn_ready(const struct pollfd *fds, int count, int64_t now_us);
bool conn_produce(void); /* put one frame into the queue; false: nothing to say */

#endif
