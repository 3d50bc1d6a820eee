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
 */
#ifndef GUEST_PEER_H
#define GUEST_PEER_H

#include <stdint.h>

enum { PEER_LOOK = 64 };

struct peer {
    uint16_t port;    /* on 127.0.0.1 */
    uint64_t inode;   /* of its socket */
    uint64_t command; /* found, or FRAME_COMMAND_UNKNOWN */
};

/* `server_port`: the other end of all of them. */
void peer_find(struct peer *list, int count, uint16_t server_port);

#endif
