/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP/1.1 answer, as bytes: what is read by hand on a
 * connection that is to become a raw stream, where libcurl's own parser is not
 * in play. Pure functions over hostile bytes; nothing is copied.
 *
 * Strict (RFC 9112): lines end in CRLF, names are tokens, no folding, no control
 * bytes but TAB inside values. The caller bounds the size by how much it reads.
 */
#ifndef BASE_HTTP_HEAD_H
#define BASE_HTTP_HEAD_H

#include "core/base/err.h"
#include "core/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct http_head_parts {
    int status;         /* 100..599 */
    struct span fields; /* all header lines, each with its CRLF; points into the input */
};

/* > 0: bytes of the head including its blank line; 0: need more; -ERR_PROTOCOL. */
ssize_t http_head_decode(struct span bytes, struct http_head_parts *ret, struct err *err);

/* Value of the first field called `name` (any case), without blanks around it; {NULL,0} when absent.
 * Tolerant of lines that end in a bare LF, because libcurl's headers go through it too. */
struct span http_head_find(struct span fields, const char *name);

/* Is this 200 or 101 the start of a raw stream of the Engine API? */
bool http_head_is_upgrade(const struct http_head_parts *head);

/* Remove the framing of `Transfer-Encoding: chunked` in place as far as `*len` bytes hold it, and set
 * `*len` to what is left. Returns whether the last chunk was seen; broken framing ends the body too. */
bool http_head_dechunk(char *data, size_t *len);

#endif
