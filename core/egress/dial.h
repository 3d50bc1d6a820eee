/* SPDX-License-Identifier: MIT */
/*
 * From a validated host to a connection: look the name up, look at every address
 * of the answer, connect to exactly one of those. A name is looked up for each
 * connection anew, and what was vetted is what is connected to, so an answer that
 * changes between two looks gains nothing.
 *
 * One bad address spoils the whole answer: whoever mixes public and private addresses under
 * one name is either attacking or has a network that we do not understand.
 */
#ifndef EGRESS_DIAL_H
#define EGRESS_DIAL_H

#include "core/base/loop.h"
#include "core/egress/door.h"
#include "core/egress/host.h"
#include "core/egress/outer.h"
#include "core/egress/ring.h"

#define DIAL_LOOKUPS 16 /* at once; the others wait */

/* What all dials of a door share. */
struct dialer {
    struct loop *loop;
    struct http *http; /* for TLS; NULL when nothing needs it */
    const struct egress_spec *spec;
    const struct door_options *options;
    struct ring waiting; /* for a lookup to end */
    int lookups;
};

struct dial;

enum dial_end { DIAL_CONNECTED, DIAL_DENIED, DIAL_FAILED, DIAL_TIMEOUT };

struct dial_result {
    enum dial_end end;
    struct outer *outer;           /* CONNECTED: yours */
    struct egress_address address; /* CONNECTED */
    const char *why;               /* else: one line */
};

/* Once, from the loop. dial_free() is due afterwards too, and fine inside. */
typedef void dial_fn(void *data, const struct dial_result *result);

void dialer_init(struct dialer *dialer, struct loop *loop, const struct egress_spec *spec,
                 const struct door_options *options);

/* To host->port, `with_tls` when it is us who speak that. `host` is copied. */
int dial_start(struct dialer *dialer, const struct egress_host *host, bool with_tls, dial_fn *fn, void *data,
               struct dial **ret, struct err *err);
void dial_free(struct dial *dial); /* NULL is fine; gives up */

#endif
