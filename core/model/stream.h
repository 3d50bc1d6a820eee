/* SPDX-License-Identifier: MIT */
/*
 * The events of one response, in order of arrival, to items, deltas and a typed end.
 * Pure: events in, calls out.
 *
 * What counts (reference, section 7): an item is the exact bytes of `output_item.done`; the terminal event
 * says status and usage, and delivers only items that were announced but never finished by a `done` of their
 * own (or all of them, when there was no `done` at all). Line breaks between the tokens of an item become
 * blanks, so that an item is always one line. Unknown events are ignored; those that mean nothing here are
 * not even parsed.
 *
 * A stream that ends without a terminal event is MODEL_BROKEN, however whole it looks.
 */
#ifndef MODEL_STREAM_H
#define MODEL_STREAM_H

#include "core/model/errors.h"

#define STREAM_ITEMS_MAX 4096 /* indexes that are kept track of */

struct stream_ops {
    void (*on_delta)(void *data, enum model_delta kind, struct span text); /* NULL: deltas are not parsed */
    void (*on_item)(void *data, int64_t output_index, struct span raw);
};

struct stream {
    const struct stream_ops *ops;
    void *data;
    const struct error_context *ctx;
    struct model_end end; /* complete once has_ended */
    bool has_ended;
    bool has_event;     /* anything at all came */
    bool has_item;      /* an output_item.done came */
    bool is_closing;    /* set by the caller: what comes now was not terminated, so it may be cut */
    int64_t next_index; /* for servers that do not number their items */
    unsigned char seen[STREAM_ITEMS_MAX]; /* per index: announced, delivered */
};

/* `end` of the stream may be prepared by the caller (http_status, request_id, retry_after_ms) after init. */
void stream_init(struct stream *s, const struct stream_ops *ops, void *data, const struct error_context *ctx);

/* One event; `name` may be empty. Returns 1 when the response is over (then `end` is complete), else 0. */
int stream_event(struct stream *s, struct span name, struct span payload);

/* The whole Response object instead of events, from a server that does not stream. Always ends. */
void stream_document(struct stream *s, struct span body);

/* No more events will come. */
void stream_eof(struct stream *s);

/* Back to the beginning of a model_end: nothing known. */
void stream_end_init(struct model_end *end);

#endif
