/* SPDX-License-Identifier: MIT */
/*
 * What joins an attached container and the guest's channel: takes bytes from the
 * hijacked stream, parts stdout from stderr, feeds the channel, and writes what the
 * channel has to say whenever the stream can take it.
 *
 * One end is reported: on_end, once, from the loop, when the stream is over or
 * broken or is no such stream. The channel has been told before.
 */
#ifndef OCI_WIRE_H
#define OCI_WIRE_H

#include "core/base/http.h"
#include "core/sandbox/channel.h"

struct wire;

struct wire_ops {
    void (*on_hello)(void *data);
    void (*on_end)(void *data, const struct err *err);
};

int wire_new(struct loop *loop, const struct wire_ops *ops, void *data, struct wire **ret, struct err *err);
void wire_free(struct wire *wire); /* frees stream and channel; NULL is fine */

/* The stream is the wire's from now on, also on failure. What the channel says goes out at once; with a
 * container that has not started yet the engine keeps it until then. */
int wire_take(struct wire *wire, struct http_stream *stream, struct err *err);

bool wire_has_ended(const struct wire *wire);
const struct err *wire_why_ended(const struct wire *wire);
struct channel *wire_channel(struct wire *wire);
const char *wire_last_words(const struct wire *wire); /* of the guest on stderr, one line, may be "" */

#endif
