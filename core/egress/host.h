/* SPDX-License-Identifier: MIT */
/*
 * The host of a request: checked byte by byte, and from then on only this copy is
 * used. Pure.
 *
 * A name has two labels or more of letters, digits and hyphens, at most 253 bytes;
 * other scripts come as xn-- or not at all. Capitals become small letters: names mean the same either way,
 * the mapping is one to one within ASCII, and nothing later sees the original. An address is four decimal
 * numbers, or IPv6 in brackets. Everything that some library somewhere takes for an address ("127.1",
 * "0x7f000001", "0177.0.0.1", "2130706433", "1.2.3.4.") is refused, as are userinfo, trailing dots, percent
 * signs and whatever else is not said here.
 */
#ifndef EGRESS_HOST_H
#define EGRESS_HOST_H

#include "core/base/span.h"
#include "core/egress/address.h"

#define HOST_NAME_MAX 253

struct egress_host {
    char name[HOST_NAME_MAX + 1]; /* a name, or the address in its normal text without brackets */
    bool is_address;
    struct egress_address address;
    uint16_t port; /* 0: none was given */
};

/* "host", "host:port", "[v6]", "[v6]:port", all of the text. On failure *ret_why is one line about what is
 * wrong that quotes nothing. */
bool host_parse(struct span text, struct egress_host *ret, const char **ret_why);
/* A name alone: no port, no address. `ret` is lower case and terminated. */
bool host_parse_name(struct span text, char ret[HOST_NAME_MAX + 1], const char **ret_why);
/* One label of a name, for which the same holds. */
bool host_parse_label(struct span text, char ret[HOST_NAME_MAX + 1]);
/* 1 to 65535, decimal, no leading zero. */
bool host_parse_port(struct span text, uint16_t *ret);

bool host_equal(const struct egress_host *a, const struct egress_host *b); /* without the port */

/* "example.org:443", "[2001:db8::1]:443"; without a port when it is 0. */
#define HOST_TEXT (HOST_NAME_MAX + 16)
const char *host_text(const struct egress_host *host, uint16_t port, char ret[HOST_TEXT]);

#endif
