/* SPDX-License-Identifier: MIT */
/*
 * What may leave a sandbox: the `network` part of a manifest, decoded. Plain
 * data; strings live in the arena of the run's spec.
 *
 * A rule is made of text by egress_rule_parse() (rule.h), and only by that: what
 * a struct egress_rule holds is checked already. No rule at all means that
 * nothing may leave, and then nothing listens inside either.
 */
#ifndef EGRESS_SPEC_H
#define EGRESS_SPEC_H

#include "core/base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One address of either family; v4 ones stand in their mapped form (::ffff:a.b.c.d). */
struct egress_address {
    uint8_t bytes[16];
};

/* The methods there are; everything else is refused whatever the rules say. TRACE is left out on purpose: it
 * echoes headers. EGRESS_CONNECT is a tunnel, in which nobody sees what is asked for. */
enum {
    EGRESS_GET = 1 << 0,
    EGRESS_HEAD = 1 << 1,
    EGRESS_POST = 1 << 2,
    EGRESS_PUT = 1 << 3,
    EGRESS_PATCH = 1 << 4,
    EGRESS_DELETE = 1 << 5,
    EGRESS_OPTIONS = 1 << 6,
    EGRESS_CONNECT = 1 << 7,
    EGRESS_METHODS_ALL = (1 << 8) - 1,
};

enum egress_match {
    EGRESS_NAME,    /* this name and no other */
    EGRESS_SUFFIX,  /* "*.example.org": any name of one label or more before `host`, not `host` itself */
    EGRESS_NETWORK, /* addresses, written as such: "192.0.2.7", "198.51.100.0/24", "[2001:db8::1]:8443" */
};

#define EGRESS_PORT_TLS   443 /* of a rule that names none */
#define EGRESS_PORT_PLAIN 80  /* plain HTTP, request by request; every other port is a tunnel of TLS */

/* A header that the harness adds to the requests of a rule, so that the sandbox uses a service without
 * holding its key. Requests come as plain HTTP ("http://host/") and go out as TLS to the rule's port; what
 * comes back has the secret replaced by as many asterisks. Tunnels to the host are what they are: nothing is
 * added, unless the rule says `intercept`. Then the harness ends their TLS itself, under an authority that
 * was made for this run and that the sandbox is told of, and each request inside is decided like a plain one.
 */
struct egress_inject {
    const char *header;      /* "Authorization": takes the place of what the client sent by that name */
    struct secret_ref value; /* resolved by door_new(), in the harness only */
    const char *variable;    /* the environment of commands has it with EGRESS_PLACEHOLDER; NULL = none */
    bool intercept;          /* only for names */
};

#define EGRESS_PLACEHOLDER "agentbox-placeholder"

struct egress_rule {
    enum egress_match match;
    const char *text; /* the rule in its one normal form, port always shown: "*.wikipedia.org:443" */
    const char *host; /* NAME, SUFFIX: lower-case labels, for SUFFIX without the "*."; NULL for NETWORK */
    struct egress_address network; /* NETWORK: host bits zero */
    unsigned network_bits;         /* of the mapped form: 96 + n for v4 */
    uint16_t port;
    uint32_t methods;  /* EGRESS_*, EGRESS_METHODS_ALL when the manifest restricts none */
    const char *where; /* place in the manifest for messages and records ("network.allow[1]"); set by the
                          caller of egress_rule_parse(), may be NULL */
    const struct egress_inject *inject; /* NULL: nothing; set by the caller too */
};

struct egress_spec {
    const struct egress_rule *rules; /* one that allows is enough; the first such injects, and intercepts */
    size_t rule_count;
    int64_t max_bytes;       /* up and down together in the whole run; 0 = no limit */
    int64_t connections;     /* open at once; 0 = EGRESS_CONNECTIONS_MAX */
    int64_t connections_all; /* in the whole run; 0 = no limit */
    int64_t rate; /* requests a second, tunnels counted as one; what comes faster waits; 0 = no limit */
    int64_t lifetime_ms; /* of one tunnel or kept-alive connection; 0 = no limit */
    int64_t idle_ms;     /* a connection on which nothing moves is cut after this; 0 = no limit */
    int64_t run_ms;      /* so long may all of it be needed: the life of an authority; 0 = nobody knows */
};

/* What a manifest gets that does not say. Generous for tools that fetch packages, tight for whatever runs
 * wild. */
#define EGRESS_MAX_BYTES_DEFAULT   ((int64_t) 100 << 20)
#define EGRESS_CONNECTIONS_DEFAULT 256
#define EGRESS_CONNECTIONS_MAX     4096
#define EGRESS_RATE_DEFAULT        100
#define EGRESS_LIFETIME_MS_DEFAULT ((int64_t) 3600 * 1000)
#define EGRESS_IDLE_MS_DEFAULT     ((int64_t) 300 * 1000)

#define EGRESS_RULES_MAX           1024

#endif
