/* SPDX-License-Identifier: MIT */
/*
 * The stream of an attached container without a TTY: stdout and stderr in one
 * connection, in chunks of [type, 0, 0, 0, big-endian length] and that many
 * bytes. Where chunks begin and end means nothing.
 *
 * The decoder is pure, keeps at most the eight bytes of a head, and never
 * copies content: pieces point into what was given.
 *
 *     struct attach_decoder d = { 0 };
 *     while (in.len > 0) {
 *         r = attach_decode(&d, in, &piece, err);     // consumed, > 0
 *         if (r < 0) ...                              // not such a stream: broken for good
 *         if (piece.bytes.len > 0) use(piece.fd, piece.bytes);
 *         in = the rest behind r
 *     }
 */
#ifndef OCI_ATTACH_H
#define OCI_ATTACH_H

#include "core/base/err.h"
#include "core/base/span.h"

#include <stdint.h>
#include <sys/types.h>

/* The engine copies in pieces of 32 KiB; a head that announces more than this is not one. */
#define ATTACH_CHUNK_MAX (16u * 1024 * 1024)

struct attach_decoder {
    uint8_t head[8];
    uint8_t head_len;
    uint8_t fd;
    uint32_t left; /* content bytes of the current chunk still to come */
};

struct attach_piece {
    int fd;            /* 1 = stdout, 2 = stderr */
    struct span bytes; /* empty while only a head was consumed */
};

/* Consume from the front of `in` (not empty) up to one piece of one chunk. Returns the bytes consumed (> 0),
 * or -ERR_PROTOCOL. */
ssize_t attach_decode(struct attach_decoder *d, struct span in, struct attach_piece *ret, struct err *err);

/* Whether the stream may end here: not inside a head or a chunk. */
bool attach_is_between(const struct attach_decoder *d);

#endif
