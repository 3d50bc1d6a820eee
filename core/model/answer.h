/* SPDX-License-Identifier: MIT */
/*
 * One answer of a model server, from its head and the bytes of its body to items and
 * the typed end: the way is chosen by status and content type (event stream, JSON
 * document, error body, redirect, something else entirely). Pure; the network and
 * the cassette feed it alike.
 *
 *     answer_init(&a, &ops, data, &ctx);
 *     answer_head(&a, &head);
 *     answer_body(&a, chunk) ...          1: over, no need to read on
 *     answer_close(&a, NULL or why it was cut);
 *     a.stream.end is complete
 *     answer_done(&a);
 */
#ifndef MODEL_ANSWER_H
#define MODEL_ANSWER_H

#include "core/base/sse.h"
#include "core/model/stream.h"

/* Header values; empty when absent. */
struct answer_head {
    int status;
    struct span content_type, retry_after, retry_after_ms, should_retry, request_id, location;
    int64_t now_wall_ms; /* for a retry-after date */
    bool is_aside;       /* in a recording: see cassette.h */
};

/* Sees what goes by, for recording. Any may be NULL. */
struct answer_tap {
    void (*on_event)(void *data, struct span name, struct span payload);
    void (*on_body)(void *data, struct span body); /* the whole of a body that is no event stream */
};

struct answer {
    struct stream stream;
    struct sse sse;
    struct buf body;
    const struct answer_tap *tap;
    void *tap_data;
    int mode;         /* see answer.c */
    int should_retry; /* the server's word: 1, 0, or -1 for none */
};

void answer_init(struct answer *a, const struct stream_ops *ops, void *data, const struct error_context *ctx);
void answer_done(struct answer *a);

void answer_head(struct answer *a, const struct answer_head *head);
int answer_body(struct answer *a, struct span chunk); /* 1: the end is known, stop reading; 0: go on */

/* The body is complete, or `cut` says what happened to it. Makes the end complete. */
void answer_close(struct answer *a, const struct err *cut);

#endif
