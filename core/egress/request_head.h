/* SPDX-License-Identifier: MIT */
/*
 * The head of a request to the proxy inside: CONNECT, or a request in absolute
 * form (`GET http://host/path HTTP/1.1`). Pure, strict, and it never guesses:
 * what two programs could read in two ways is refused (RFC 9112 without its leniencies).
 *
 * HTTP/1.0 and 1.1 exactly; the methods of spec.h; one target whose host is
 * checked by host.h; at most one Host, the same as the target; a body by
 * Content-Length or by chunks, never both; nothing after the blank line belongs to it.
 */
#ifndef EGRESS_REQUEST_HEAD_H
#define EGRESS_REQUEST_HEAD_H

#include "core/base/buf.h"
#include "core/egress/fields.h"
#include "core/egress/host.h"

#include <stdint.h>

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

struct request_head {
    uint32_t method;         /* one EGRESS_*; 0: it did not come that far (for records of refusals) */
    struct egress_host host; /* its port always set: 80 for absolute form without one */
    bool has_host;           /* the same: `host` is valid */
    int minor;               /* HTTP/1.`minor` */
    struct span path;        /* absolute form: path and query as sent, at least "/"; not CONNECT's */
    bool needs_slash;        /* the target's query followed its host directly: put a "/" before `path` */
    struct span fields;      /* all header lines */
    enum body_kind body;
    int64_t length;  /* BODY_LENGTH */
    bool is_inside;  /* of request_head_parse_inside() */
    bool must_close; /* the client wants the connection closed afterwards */
    bool expects_continue;
};

struct request_fault {
    int status;      /* to answer with */
    const char *why; /* one line, quotes nothing of the request */
};

/* 0, or -1 with *fault. `head` is a whole one as head_scan() found it; *ret holds what was understood even on
 * failure, for the record. */
int request_head_parse(struct span head, struct request_head *ret, struct request_fault *fault);

/* The same for a request inside of TLS that was meant for `host`, its port set: in origin form, for that host
 * and no other, which *ret has from the start. */
int request_head_parse_inside(struct span head, const struct egress_host *host, struct request_head *ret,
                              struct request_fault *fault);

/* What is added to a request on the way out. */
struct request_extra {
    const char *name;
    struct span value;
};

/* The head that goes out, written anew from what was understood: origin form, our own Host, no field that is
 * meant for a proxy or named by Connection. With `extra` (may be NULL) its header is the only one of that
 * name, and the answer is asked for whole and uncompressed, so that it can be searched for the value. 0 or
 * -ERR_TOO_LARGE / -ERR_INTERNAL. */
int request_head_write(const struct request_head *head, const struct request_extra *extra, struct buf *out);

#endif
