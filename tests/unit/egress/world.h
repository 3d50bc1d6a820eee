/* SPDX-License-Identifier: MIT */
/*
 * A door with a client inside and servers outside. Names resolve to what a test
 * says (the loopback unless it says so), the loopback counts as global, and
 * ports lead to the test's own servers. Waiting is always for something to happen.
 */
#ifndef TESTS_UNIT_EGRESS_WORLD_H
#define TESTS_UNIT_EGRESS_WORLD_H

#include "tests/unit/unit.h"

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/egress/address.h"
#include "core/egress/door.h"
#include "core/egress/rule.h"

#include <stdio.h>

struct world {
    struct loop *loop;
    struct door *door;
    struct arena arena;
    struct egress_rule rules[32];
    struct egress_spec spec;
    struct door_options options;
    struct buf log;        /* of decisions and ends, one line each: see world.c */
    const char *answer[8]; /* addresses that every name has; empty: 127.0.0.1 */
    size_t answers;
    int lookups;
    const char *then;              /* the answer of the second lookup and later ones */
    uint16_t port_plain, port_tls; /* real ones of 80 and of all others */
    bool is_strict;                /* the loopback is what it is */
    bool has_event;
};

void world_init(struct world *w);
void world_rule(struct world *w, const char *text, uint32_t methods);
void world_start(struct world *w); /* after rules and limits were set */
void world_done(struct world *w);

/* Run the loop until `is_true`. */
void world_until(struct world *w, bool (*is_true)(void *data), void *data);

/* A client inside. */
struct inside {
    struct world *w;
    struct door_conn *conn;
    struct buf got, unsent;
    bool is_eof, is_closed, wants_eof, frees_on_bytes;
    size_t credit_step;       /* given again for what was got; 0: none is */
    size_t granted, received; /* never more than was granted */
    size_t wanted;            /* of inside_wait_bytes() */
    const char *text;         /* of inside_wait_text() */
};

void inside_init(struct inside *c, struct world *w, size_t credit);
void inside_done(struct inside *c);
void inside_credit(struct inside *c, size_t bytes);
void inside_send(struct inside *c, struct span bytes);
void inside_say(struct inside *c, const char *text);
void inside_eof(struct inside *c); /* after all that was sent */
void inside_wait_eof(struct inside *c);
void inside_wait_closed(struct inside *c);
void inside_wait_text(struct inside *c, const char *text);
void inside_wait_bytes(struct inside *c, size_t len);
/* Everything of one connection: send, half-close, wait for its end; what came is in got. */
void inside_exchange(struct inside *c, struct world *w, struct span request);

/* An attack as a line, for tests/live/test_egress_attacks.py: throw the same at another proxy. */
struct attack_line {
    const char *name;
    bool is_blocked;           /* by the door */
    const char *const *answer; /* addresses of every name, up to 3; NULL: what the thrower likes */
    struct span request, then; /* `then`: after the answer to CONNECT */
    const char *never;         /* bytes that no server may see; NULL: not even a connection, "": not a byte */
};

void attack_line_print(const struct attack_line *line);

/* The real port of a socket bound to 127.0.0.1. */
uint16_t port_of(int fd);

#endif
