/* SPDX-License-Identifier: MIT */
/*
 * What is on its way to the host: one static queue of bytes, written without
 * ever blocking. Nothing is put in it unless there is room; whoever has
 * something to say keeps it where it is until produced (see link.c), so a host
 * that does not read costs no memory.
 */
#ifndef GUEST_OUT_H
#define GUEST_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OUT_PAYLOAD = 32 * 1024
}; /* the most one frame of the guest carries: small, so that streams take turns */

void out_reset(const uint8_t *nonce); /* forget everything, begin with a preamble */

/* Where the payload of the next frame goes: OUT_PAYLOAD + 64 bytes. NULL: no room now. */
uint8_t *out_begin(void);
void out_commit(uint8_t type, uint8_t flags, uint64_t stream, uint32_t len);

bool out_is_pending(void);
void out_flush(void); /* as far as stdout takes it */

#endif
