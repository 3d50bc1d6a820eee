/* SPDX-License-Identifier: MIT */
/*
 * A recording of answers, to be given again without network and key: for the first
 * steps, for CI, for tests. Made by core/model/recorder.h or by hand.
 *
 * JSON lines; one exchange is a `request` line (for the reader's eyes, may be left out), an
 * `answer` line and what follows it:
 *
 *     {"agentbox_cassette":1,"note":"..."}                                         first line; also in_order
 *     {"request":{"model":"m","input":[{"type":"message"}],"sha256":"..."}}
 *     {"answer":{"status":200}}                      also content_type (default: an event stream when events
 *                                                    follow), retry_after, retry_after_ms, should_retry
 *                                                    and location
 *     {"event":{"type":"response.created",...}}      one event of the stream; `name` beside it when it
 *                                                    has no type
 *     {"data":"[DONE]"}                              the same for data that is not JSON
 *     {"body":{...}}  or  {"text":"..."}             instead of events: a JSON or other body
 *     {"end":""}                                     "" or, when the answer was cut off, why; may be left out
 *
 * A response of one line needs no events: {"answer":{"status":200}} and
 * {"body":{"status":"completed","output":[...]}}. Empty lines and lines with only a `note` are skipped.
 *
 * Answers are given in order. Two things are checked, as a server would: every call of a completed answer
 * must be answered in the next request, and there must be an answer left. Whether the requests are the
 * recorded ones is not: outputs of commands differ from run to run. When the first request already holds
 * calls (a resumed run), the answers that made them are skipped. With "in_order":true in the first line
 * neither is done: the first answer is for the first request, whatever that holds.
 *
 * {"answer":{"aside":true}} is the answer to a request that is no turn of the conversation
 * (model_ops.is_aside).
 */
#ifndef MODEL_CASSETTE_H
#define MODEL_CASSETTE_H

#include "core/base/arena.h"
#include "core/model/answer.h"

#define CASSETTE_VERSION  1
#define CASSETTE_START    "{\"agentbox_cassette\":"
#define CASSETTE_LINE_MAX ((size_t) 64 << 20)

enum cassette_kind {
    CASSETTE_NOTHING, /* header, note, request */
    CASSETTE_ANSWER,
    CASSETTE_EVENT, /* text: what stands behind "data: "; name: of the event */
    CASSETTE_BODY,  /* text: body bytes */
    CASSETTE_END,   /* text: why it was cut; empty: it was not */
};

struct cassette_line {
    enum cassette_kind kind;
    struct answer_head head;
    bool is_in_order; /* of the first line */
    struct span name, text;
    const struct tree *value; /* the JSON of `event` or `body`; NULL when it is text */
};

/* One line without its end. Pure. The result points into `line` and `arena`. ERR_INVALID. */
int cassette_decode(struct span line, struct arena *arena, struct cassette_line *ret, struct err *err);

struct cassette;

int cassette_open(const char *path, struct cassette **ret, struct err *err); /* ERR_MODEL with a hint */
void cassette_free(struct cassette *c);                                      /* NULL is fine */

/* Go to the answer for the request `body`. `ret` is valid until the next call. ERR_MODEL: none left, the
 * request does not fit, or the file is damaged. */
int cassette_next(struct cassette *c, struct span body, bool is_aside, struct answer_head *ret,
                  struct err *err);

/* What follows: 1 and the bytes as they would come from the network, in `chunk` (cleared first); 0 when
 * the answer is over, with the reason in `cut` (of at least ERR_TEXT_MAX bytes) or "" there; ERR_MODEL. */
int cassette_read(struct cassette *c, struct buf *chunk, char *cut, struct err *err);

#endif
