/* SPDX-License-Identifier: MIT */
/*
 * A body in chunks (RFC 9112, 7.1), decoded as it arrives: bytes in, pieces of
 * the body out. Pure; nothing is copied or kept but a few counters, so how the bytes were cut never
 * changes what comes out.
 *
 * Strict: sizes are hexadecimal digits alone, lines end in CRLF. Extensions and
 * trailers are checked for their bytes, bounded, and dropped.
 */
#ifndef EGRESS_CHUNKED_H
#define EGRESS_CHUNKED_H

#include "core/base/span.h"

#include <stdint.h>
#include <sys/types.h>

#define CHUNKED_EXTENSION_MAX 256  /* of one size line */
#define CHUNKED_TRAILER_MAX   8192 /* all of them */

struct chunked {   /* zeroed to begin */
    int state;     /* see chunked.c */
    int digits;    /* of the size so far */
    uint64_t left; /* of the chunk */
    size_t extra;  /* bytes of this extension, or of all trailers */
    size_t column; /* in the trailer line */
    bool has_colon;
    bool is_done; /* the whole body was seen, trailers too */
};

/* Bytes consumed; *ret is the piece of the body among them, maybe empty. Call again with the rest until
 * nothing is left or is_done: what follows then belongs to the next message. Consumes at least one byte
 * unless `bytes` is empty or it is done. -1: bad framing, *ret_why says why; nothing may be decoded after
 * that. */
ssize_t chunked_next(struct chunked *c, struct span bytes, struct span *ret, const char **ret_why);

#endif
