/* SPDX-License-Identifier: MIT */
/*
 * The head of an origin's answer: where its body ends, and the head that goes
 * inside instead. Pure; as strict as for requests, because an answer that two
 * programs read in two ways becomes the next answer of a kept-alive connection.
 */
#ifndef EGRESS_RESPONSE_HEAD_H
#define EGRESS_RESPONSE_HEAD_H

#include "core/base/buf.h"
#include "core/egress/request_head.h"

struct response_head {
    int status; /* 100..599 */
    int minor;
    struct span reason;
    struct span fields;
    enum body_kind body; /* for the request that was asked */
    int64_t length;      /* BODY_LENGTH; also the length a HEAD tells, -1: none told */
    bool is_encoded;     /* compressed: it cannot be searched */
    bool must_close;     /* the origin will close, or nobody could tell where the body ends */
};

/* 0, or -1 and *ret_why. `method` is that of the request. */
int response_head_parse(struct span head, uint32_t method, struct response_head *ret, const char **ret_why);

/* The head for a client that speaks HTTP/1.`minor`: a body by chunks becomes one until close for HTTP/1.0.
 * `will_close`: the connection inside is closed after it. */
int response_head_write(const struct response_head *head, int minor, bool will_close, struct buf *out);

#endif
