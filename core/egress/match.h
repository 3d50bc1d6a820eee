/* SPDX-License-Identifier: MIT */
/*
 * Whether the rules let a request pass, and whether an address may be connected
 * to. Pure.
 */
#ifndef EGRESS_MATCH_H
#define EGRESS_MATCH_H

#include "core/egress/host.h"
#include "core/egress/spec.h"

enum match_verdict {
    MATCH_NONE,         /* no rule for this host */
    MATCH_OTHER_PORT,   /* one, for another port */
    MATCH_OTHER_METHOD, /* one for this port, which restricts the methods */
    MATCH_ALLOWED,
};

struct match {
    enum match_verdict verdict;
    const struct egress_rule *rule; /* NULL: MATCH_NONE */
};

bool rule_covers(const struct egress_rule *rule, const struct egress_host *host); /* port and methods aside */

/* Rules add up: one that allows is enough, whatever others say of the same host. It is the first of those;
 * when none allows, the first that comes closest. */
struct match match_request(const struct egress_spec *spec, const struct egress_host *host, uint16_t port,
                           uint32_t method);

/* Global addresses may, barred ones never. A private one may when a rule is written for private addresses,
 * covers it, and names this port: a name that resolves there then needs both rules, and gets nowhere where
 * the address alone would not. */
bool match_address(const struct egress_spec *spec, const struct egress_address *address, uint16_t port);

#endif
