/* SPDX-License-Identifier: MIT */
/*
 * Whose is a connection: the port of the process at its other end, looked up in the
 * kernel's table of sockets, then among the descriptors of the processes, then up to
 * the keeper and with it the command that started it, also when that has ended
 * and left something in the background.
 *
 * Good for records, not for decisions: processes can hand descriptors to each
 * other. Bounded: one look a turn, PEER_LOOK at a time; what is not found by then stays unknown. While
 * only one command has processes there is nothing to look for.
 *
 * A process with many connections is not read from end to end for each new one: of those that were found last
 * it is known which of their descriptors are connections that are still open, and the others are looked at
 * first. That is a matter of time only: what is not there is looked for everywhere.
 */
#ifndef GUEST_PEER_H
#define GUEST_PEER_H

#include <stdint.h>

enum { PEER_LOOK = 64 };

/* Where it was found, for peer_left(). Zero: nowhere. */
struct peer_seat {
    uint32_t owner;
    uint32_t fd;
};

struct peer {
    uint16_t port;    /* on 127.0.0.1 */
    uint64_t inode;   /* of its socket */
    uint64_t command; /* found, or FRAME_COMMAND_UNKNOWN */
    struct peer_seat seat;
};

/* `server_port`: the other end of all of them. */
void peer_find(struct peer *list, int count, uint16_t server_port);
/* The connection has ended: its descriptor may become anything. */
void peer_left(const struct peer_seat *seat);

#endif
