/* SPDX-License-Identifier: MIT */
/* Rules against hosts and addresses. */
#include "core/egress/match.h"

#include "core/egress/address.h"
#include "core/egress/rule.h"

bool rule_covers(const struct egress_rule *rule, const struct egress_host *host)
{
    size_t len, suffix;

    switch (rule->match) {
    case EGRESS_NETWORK:
        return host->is_address && address_in(&host->address, &rule->network, rule->network_bits);
    case EGRESS_NAME:
        return !host->is_address && strcmp(host->name, rule->host) == 0;
    case EGRESS_SUFFIX:
        break;
    }
    len = strlen(host->name);
    suffix = strlen(rule->host);
    return !host->is_address && len > suffix + 1 && host->name[len - suffix - 1] == '.' &&
           strcmp(host->name + len - suffix, rule->host) == 0;
}

/* Does the rule speak of this port? Requests of rules that inject come in plain, for port 80 or the rule's
 * own, and leave by the rule's. */
static bool has_port(const struct egress_rule *rule, uint16_t port, uint32_t method)
{
    if (rule->inject && method != EGRESS_CONNECT && port == EGRESS_PORT_PLAIN)
        return rule->port == EGRESS_PORT_TLS;
    return rule->port == port;
}

/* Can a request of this kind go to that port? Port 80 is plain HTTP, every other one a tunnel. */
static bool has_kind(const struct egress_rule *rule, uint32_t method)
{
    if (method == EGRESS_CONNECT)
        return rule->port != EGRESS_PORT_PLAIN;
    return rule->inject || rule->port == EGRESS_PORT_PLAIN;
}

/* A tunnel that ends with us lets out what is asked for inside it, and that is decided then. */
static bool has_method(const struct egress_rule *rule, uint32_t method)
{
    return (rule->methods & method) || (method == EGRESS_CONNECT && egress_rule_intercepts(rule));
}

struct match match_request(const struct egress_spec *spec, const struct egress_host *host, uint16_t port,
                           uint32_t method)
{
    struct match found = { MATCH_NONE, NULL };

    for (size_t i = 0; i < spec->rule_count; i++) {
        const struct egress_rule *rule = &spec->rules[i];

        if (!rule_covers(rule, host))
            continue;
        if (has_port(rule, port, method) && has_kind(rule, method)) {
            if (has_method(rule, method))
                return (struct match){ MATCH_ALLOWED, rule };
            found = (struct match){ MATCH_OTHER_METHOD, rule };
        } else if (found.verdict == MATCH_NONE)
            found = (struct match){ MATCH_OTHER_PORT, rule };
    }
    return found;
}

bool match_address(const struct egress_spec *spec, const struct egress_address *address, uint16_t port)
{
    enum address_kind kind = address_kind(address, NULL);

    if (kind != ADDRESS_PRIVATE)
        return kind == ADDRESS_GLOBAL;
    for (size_t i = 0; i < spec->rule_count; i++) {
        const struct egress_rule *rule = &spec->rules[i];

        if (rule->match == EGRESS_NETWORK && rule->port == port &&
            address_in(address, &rule->network, rule->network_bits) &&
            address_kind(&rule->network, NULL) == ADDRESS_PRIVATE)
            return true;
    }
    return false;
}
