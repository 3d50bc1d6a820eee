/* SPDX-License-Identifier: MIT */
/*
 * The closed list of requests that are not commands: files beneath the root,
 * scans, probes, figures.
 *
 * Each has a slot of a static table from its frame to its DONE. Work that may be
 * long (read, list, scan, remove a tree, checksum) is done in slices from
 * request_produce(), so that commands and other requests go on meanwhile; trees are walked by one
 * request at a time. What makes each safe although the host may lie is said at its function.
 */
#ifndef GUEST_REQUEST_H
#define GUEST_REQUEST_H

#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <stdint.h>

enum request_turn { REQUEST_IDLE, REQUEST_BUSY, REQUEST_SPOKE }; /* BUSY: there is more to do, come back */

void request_start(uint8_t type, uint64_t stream, struct frame_in in); /* no slot: ignored */
void request_refuse(uint64_t exec, const struct frame_exit *why);      /* a command that was not taken */
void request_data(uint64_t stream, const uint8_t *p, size_t len, bool is_end);
void request_hole(uint64_t stream, uint64_t len); /* zeros of a file that is being written */
void request_credit(uint64_t stream, uint32_t bytes);
void request_cancel(uint64_t stream);
void request_reset(void); /* a new host */
enum request_turn request_produce(void);

#endif
