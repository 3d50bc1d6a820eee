/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events, decoded as they arrive: bytes in, events (name, data) out.
 * Pure: no I/O, and how the bytes were cut into chunks never changes what comes out.
 *
 * More tolerant than the standard, because servers are: LF, CRLF and lone CR end a
 * line; a BOM, comments and unknown fields are skipped; `data` may come before
 * `event` or without it; several `data` lines are joined with LF; an event that
 * the end of the stream leaves open is delivered by sse_end(). An event without
 * `data` is not delivered. `id` and `retry` are kept for those who take up a broken stream again.
 *
 * Each byte is looked at once and copied at most once (into the event's data).
 * The memory of an event larger than SSE_KEEP is given back after its delivery.
 */
#ifndef BASE_SSE_H
#define BASE_SSE_H

#include "core/base/buf.h"

#include <stdint.h>

#define SSE_DATA_MAX  ((size_t) 32 << 20) /* of one event; images come as one line of many MiB */
#define SSE_NAME_MAX  128                 /* longer names are cut: nothing known is that long */
#define SSE_KEEP      ((size_t) 64 << 10)

#define SSE_RETRY_MAX 1000000000 /* larger ones are none */

/* Both spans are valid inside the call only. Anything but 0 stops the decoding. */
typedef int sse_event_fn(void *data, struct span name, struct span payload);

struct sse {
    struct buf payload;
    char name[SSE_NAME_MAX];
    char id[SSE_NAME_MAX + 1]; /* of the last event that had one; "": none */
    size_t id_len;
    int64_t retry_ms; /* before the stream is asked for again; -1: not said */
    char field[8];    /* the longest known name is 5; what does not fit is unknown */
    size_t name_len, field_len;
    int bom_len; /* bytes of a BOM seen at the very start; -1: past it */
    int state;   /* of the line, see sse.c */
    int target;  /* where the line's value goes */
    bool is_after_cr, has_data;
};

void sse_init(struct sse *s);
void sse_done(struct sse *s);

/* 0; what `fn` returned if not 0 (the rest of the chunk is not looked at); -ERR_TOO_LARGE or
 * -ERR_INTERNAL (memory). After anything but 0 only sse_done() is allowed. */
int sse_feed(struct sse *s, struct span chunk, sse_event_fn *fn, void *data);

/* The stream is over: deliver what is open. Same results. */
int sse_end(struct sse *s, sse_event_fn *fn, void *data);

#endif
