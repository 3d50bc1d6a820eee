/* SPDX-License-Identifier: MIT */
/*
 * Rules of the allow-list: from text, and against a host. Pure.
 *
 *     host            example.org                 TLS on port 443
 *     host:port       example.org:8443            TLS on that port; only :80 is plain HTTP
 *     *.suffix        *.example.org, *.example.org:8443
 *     address         192.0.2.7, [2001:db8::1]:8443, 198.51.100.0/24:443
 *
 * Refused: what would let nearly everything out ("*", a public suffix such as "*.org", "*.co.uk" or
 * "*.github.io", beneath which anybody can get a name; networks wider than /8 or, for IPv6, /16), URLs,
 * names of one label, names that are an address in disguise ("0x7f.1", "2130706433"), addresses that are
 * nobody's business (loopback, link-local, metadata services, multicast ...). Private addresses (10.1.2.3)
 * may be written: whoever writes one means it.
 */
#ifndef EGRESS_RULE_H
#define EGRESS_RULE_H

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/span.h"
#include "core/egress/spec.h"

/* The text of a rule, e.g. of a manifest. Strings go into `arena`. Capitals are taken as lower case. methods
 * is EGRESS_METHODS_ALL, `where` and `inject` NULL; set them, then egress_rule_check(). ERR_INVALID with a
 * text that says what is wrong with it ("'*.org' ...") and a hint what to write instead; ERR_TOO_LARGE: the
 * arena. */
int egress_rule_parse(struct span text, struct arena *arena, struct egress_rule *ret, struct err *err);

/* What a rule's parts must be to each other: `methods` can be enforced for plain HTTP only, `inject`
 * included, since nobody sees into TLS; a restriction that could not hold is refused instead of ignored.
 * `inject` is for TLS, with a header that is one and decides nothing about the message; `intercept` for
 * names. ERR_INVALID. */
bool egress_rule_intercepts(const struct egress_rule *rule);
int egress_rule_check(const struct egress_rule *rule, struct err *err);

/* "GET" in capitals to EGRESS_GET; 0: there is no such method. */
uint32_t egress_method(struct span name);
/* "GET"; NULL for what is not exactly one method. For loops over all of them: 1 << 0, 1 << 1 ... */
const char *egress_method_name(uint32_t method);
/* All names, comma-separated, for messages and help. */
#define EGRESS_METHOD_NAMES "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT"

#endif
