/* SPDX-License-Identifier: MIT */
/* Rules from text, and which of them covers a request. */
#include "core/egress/rule.h"

#include "core/base/suffix.h"
#include "core/base/units.h"
#include "core/egress/address.h"
#include "core/egress/fields.h"
#include "core/egress/hop.h"
#include "core/egress/host.h"

#include <stdio.h>

#define RULE_TEXT_MAX   300
#define NETWORK_BITS_V4 (96 + 8) /* wider ones are "everything" in other words */
#define NETWORK_BITS_V6 16

static const char *const method_names[] = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT",
};

#define METHODS (sizeof(method_names) / sizeof(method_names[0]))

uint32_t egress_method(struct span name)
{
    for (size_t i = 0; i < METHODS; i++)
        if (span_is(name, method_names[i]))
            return 1u << i;
    return 0;
}

const char *egress_method_name(uint32_t method)
{
    for (size_t i = 0; i < METHODS; i++)
        if (method == 1u << i)
            return method_names[i];
    return NULL;
}

/* ---- parse ---- */

/* Printable, or it is not quoted. */
static bool is_plain(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

static int fail(struct err *err, struct span text, const char *why)
{
    return err_set(err, ERR_INVALID, "'" SPAN_FMT "': %s", SPAN_ARG(text), why);
}

static int check_shape(struct span text, struct err *err)
{
    if (text.len == 0 || !text.ptr)
        return err_set(err, ERR_INVALID, "a rule is empty");
    if (text.len > RULE_TEXT_MAX)
        return err_set(err, ERR_INVALID, "a rule has %zu bytes, at most %d", text.len, RULE_TEXT_MAX);
    if (!is_plain(text)) {
        (void) err_set(err, ERR_INVALID, "a rule holds blanks or bytes that are not printable ASCII");
        return err_hint(err, "write names of other scripts in their xn-- form, and one rule an entry");
    }
    if (memmem(text.ptr, text.len, "://", 3)) {
        (void) fail(err, text, "a rule is a host, not a URL");
        return err_hint(err, "write the host alone, \"example.org\" or \"example.org:8443\"");
    }
    return 0;
}

static int finish(struct egress_rule *rule, const char *shown, struct arena *arena, struct err *err)
{
    rule->text = arena_printf(arena, "%s:%u", shown, rule->port);
    return rule->text ? 0 : err_set(err, ERR_TOO_LARGE, "no room for another rule");
}

static int check_network(struct span text, const struct egress_rule *rule, struct err *err)
{
    const char *what;
    bool is_v4 = address_is_v4(&rule->network) && rule->network_bits >= 96;

    if (!address_is_network(&rule->network, rule->network_bits))
        return fail(err, text, "an address with a prefix length has zeros behind the prefix");
    if (rule->network_bits < (is_v4 ? NETWORK_BITS_V4 : NETWORK_BITS_V6)) {
        (void) fail(err, text, "a network that wide lets nearly everything out");
        return err_hint(err, "the widest are /8, and /16 for IPv6");
    }
    if (address_kind(&rule->network, &what) == ADDRESS_BARRED)
        return err_set(err, ERR_INVALID, "'" SPAN_FMT "': the address is %s, which no rule can allow",
                       SPAN_ARG(text), what);
    return 0;
}

/* "address" or "address/bits", without port and brackets. */
static bool parse_network(struct span text, struct egress_rule *ret)
{
    const char *slash = memchr(text.ptr, '/', text.len);
    size_t len = slash ? (size_t) (slash - text.ptr) : text.len;
    struct span address = span_make(text.ptr, len);
    int64_t bits = 0;
    unsigned all;

    if (address_parse_v4(address, &ret->network))
        all = 32;
    else if (address_parse_v6(address, &ret->network))
        all = 128;
    else
        return false;
    if (!slash)
        bits = all;
    else if (units_int(span_make(slash + 1, text.len - len - 1), 0, all, &bits) < 0)
        return false;
    ret->match = EGRESS_NETWORK;
    ret->network_bits = 128 - all + (unsigned) bits;
    return true;
}

static int finish_network(struct span text, struct egress_rule *rule, struct arena *arena, struct err *err)
{
    bool is_v6 = !address_is_v4(&rule->network);
    char address[ADDRESS_TEXT], bits[8] = "", shown[ADDRESS_TEXT + 16];
    int r = check_network(text, rule, err);

    if (r < 0)
        return r;
    if (rule->network_bits < 128)
        (void) snprintf(bits, sizeof(bits), "/%u", is_v6 ? rule->network_bits : rule->network_bits - 96);
    (void) snprintf(shown, sizeof(shown), is_v6 ? "[%s%s]" : "%s%s", address_text(&rule->network, address),
                    bits);
    return finish(rule, shown, arena, err);
}

static const char *last_colon(struct span text)
{
    for (size_t i = text.len; i > 0; i--)
        if (text.ptr[i - 1] == ':')
            return text.ptr + i - 1;
    return NULL;
}

/* Where the port begins: behind the last colon, unless that is part of an IPv6 address. */
static int split_port(struct span text, struct span *ret_host, uint16_t *ret_port, struct err *err)
{
    const char *colon = last_colon(text);
    bool has_brackets = text.ptr[0] == '[', is_v6;
    size_t len;

    *ret_host = text;
    *ret_port = EGRESS_PORT_TLS;
    is_v6 = !has_brackets && colon != memchr(text.ptr, ':', text.len);
    if (colon && !is_v6 && !(has_brackets && text.ptr[text.len - 1] == ']')) {
        len = (size_t) (colon - text.ptr);
        *ret_host = span_make(text.ptr, len);
        if (!host_parse_port(span_make(colon + 1, text.len - len - 1), ret_port))
            return fail(err, text, "a port is a number from 1 to 65535");
    }
    if (!has_brackets)
        return 0;
    if (ret_host->len < 2 || ret_host->ptr[ret_host->len - 1] != ']')
        return fail(err, text, "brackets enclose a whole IPv6 address");
    *ret_host = span_make(ret_host->ptr + 1, ret_host->len - 2);
    return 0;
}

static int check_suffix(struct span text, const char *suffix, struct err *err)
{
    int is_public = suffix_is_public(suffix, err);

    if (is_public <= 0)
        return is_public;
    (void) err_set(err, ERR_INVALID, "'" SPAN_FMT "': anybody can get a name beneath '%s'", SPAN_ARG(text),
                   suffix);
    return err_hint(err,
                    "write the names that are needed, or a suffix that belongs to somebody: \"*.example.%s\"",
                    suffix);
}

static int finish_suffix(struct span text, struct egress_rule *rule, struct arena *arena, struct err *err)
{
    char shown[HOST_TEXT];
    int r = check_suffix(text, rule->host, err);

    if (r < 0)
        return r;
    (void) snprintf(shown, sizeof(shown), "*.%s", rule->host);
    return finish(rule, shown, arena, err);
}

static int fail_star(struct span text, struct err *err)
{
    (void) fail(err, text, "'*' stands for whole labels at the start of a name only");
    return err_hint(
        err, "\"*.example.org\" covers every name beneath example.org; write the hosts that are needed");
}

static int fail_name(struct span text, struct span host, const char *why, struct err *err)
{
    if (memchr(host.ptr, '*', host.len))
        return fail_star(text, err);
    if (memchr(host.ptr, '/', host.len)) {
        (void) fail(err, text, "neither a host nor a network");
        return err_hint(err, "a rule has no path; a network is written \"198.51.100.0/24\"");
    }
    return fail(err, text, why);
}

static int parse_name(struct span text, struct span host, struct arena *arena, struct egress_rule *rule,
                      struct err *err)
{
    char name[HOST_NAME_MAX + 1];
    const char *why = "";
    bool is_suffix = span_starts(host, "*.");

    if (span_is(host, "*"))
        return fail_star(text, err);
    if (is_suffix)
        host = span_make(host.ptr + 2, host.len - 2);
    /* a suffix of one label is told apart as what it is: a public one */
    if (!host_parse_name(host, name, &why) && !(is_suffix && host_parse_label(host, name)))
        return fail_name(text, host, why, err);
    rule->match = is_suffix ? EGRESS_SUFFIX : EGRESS_NAME;
    rule->host = arena_text(arena, name);
    if (!rule->host)
        return err_set(err, ERR_TOO_LARGE, "no room for another rule");
    return is_suffix ? finish_suffix(text, rule, arena, err) : finish(rule, name, arena, err);
}

int egress_rule_parse(struct span text, struct arena *arena, struct egress_rule *ret, struct err *err)
{
    struct egress_rule rule = { .methods = EGRESS_METHODS_ALL };
    struct span host;
    int r = check_shape(text, err);

    if (r < 0)
        return r;
    r = split_port(text, &host, &rule.port, err);
    if (r < 0)
        return r;
    if (parse_network(host, &rule))
        r = finish_network(text, &rule, arena, err);
    else if (text.ptr[0] == '[' || memchr(host.ptr, ':', host.len))
        r = fail(err, text, "that is no IPv6 address");
    else
        r = parse_name(text, host, arena, &rule, err);
    if (r == 0)
        *ret = rule;
    return r;
}

static int check_inject(const struct egress_rule *rule, struct err *err)
{
    struct span name = span_of(rule->inject->header);

    if (rule->port == EGRESS_PORT_PLAIN) {
        (void) err_set(err, ERR_INVALID, "'%s': a secret is not sent through plain HTTP", rule->text);
        return err_hint(err, "leave the port out: requests to http://host/ then go out as TLS to port 443");
    }
    if (rule->inject->intercept && rule->match == EGRESS_NETWORK)
        return err_set(err, ERR_INVALID, "'%s': `intercept` is for names, not for addresses", rule->text);
    if (!field_is_name(name) || hop_is_ours(name))
        return err_set(err, ERR_INVALID, "'%s': '%s' is no header that can be injected", rule->text,
                       rule->inject->header);
    return 0;
}

bool egress_rule_intercepts(const struct egress_rule *rule)
{
    return rule->inject && rule->inject->intercept;
}

int egress_rule_check(const struct egress_rule *rule, struct err *err)
{
    uint32_t plain = EGRESS_METHODS_ALL & ~(uint32_t) EGRESS_CONNECT;

    if (rule->inject && check_inject(rule, err) < 0)
        return -ERR_INVALID;
    if ((rule->port == EGRESS_PORT_PLAIN || rule->inject) && (rule->methods & plain) == 0)
        return err_set(err, ERR_INVALID, "'%s': no method of plain HTTP is allowed", rule->text);
    if (rule->port != EGRESS_PORT_PLAIN && !rule->inject && !(rule->methods & EGRESS_CONNECT)) {
        (void) err_set(err, ERR_INVALID, "'%s': methods cannot be restricted inside of TLS", rule->text);
        return err_hint(err, "leave `methods` out, or allow plain HTTP only (port 80)");
    }
    return 0;
}
