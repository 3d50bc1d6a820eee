/* SPDX-License-Identifier: MIT */
/*
 * Addresses of both families in one form, and what they are good for. Pure.
 *
 * v4 addresses stand in their mapped form (::ffff:a.b.c.d). An address that
 * carries a v4 one inside (NAT64) is judged by that as well; those forms that
 * let a packet end at a v4 address of the sender's choice (6to4, Teredo,
 * v4-compatible) are never let out.
 */
#ifndef EGRESS_ADDRESS_H
#define EGRESS_ADDRESS_H

#include "core/base/span.h"
#include "core/egress/spec.h"

enum address_kind {
    ADDRESS_GLOBAL,  /* an ordinary host of the internet */
    ADDRESS_PRIVATE, /* somebody's own network: only where a rule names the address itself */
    ADDRESS_BARRED,  /* never: loopback, link-local, metadata services, multicast, tunnels, reserved */
};

/* *ret_what (may be NULL) is a word for people: "loopback", "private", "metadata service" ... */
enum address_kind address_kind(const struct egress_address *address, const char **ret_what);

bool address_is_v4(const struct egress_address *address);
bool address_in(const struct egress_address *address, const struct egress_address *network, unsigned bits);
bool address_equal(const struct egress_address *a, const struct egress_address *b);
/* Are the bits after the first `bits` zero? */
bool address_is_network(const struct egress_address *address, unsigned bits);

/* Four decimal numbers without leading zeros; nothing else is a v4 address. */
bool address_parse_v4(struct span text, struct egress_address *ret);
/* RFC 4291 text, without brackets and zone; not the forms that are v4 addresses in disguise. */
bool address_parse_v6(struct span text, struct egress_address *ret);

#define ADDRESS_TEXT 48
const char *address_text(const struct egress_address *address, char ret[ADDRESS_TEXT]); /* without brackets */

#endif
