/* SPDX-License-Identifier: MIT */
/*
 * A text replaced by as many asterisks wherever it appears in a stream, however
 * the stream is cut. Lengths stay what they are, at most the text's length minus one is held
 * back, and each byte is looked at a bounded number of times. Pure.
 */
#ifndef EGRESS_REDACT_H
#define EGRESS_REDACT_H

#include "core/base/buf.h"

#include <stdint.h>

#define REDACT_MIN 6 /* shorter texts appear by chance; they are left alone */
#define REDACT_MAX 8192

struct redact_text {
    char *text;     /* wiped at the end */
    uint16_t *fall; /* of each prefix: its longest border */
    size_t len;     /* 0: nothing is replaced */
};

int redact_text_init(struct redact_text *t,
                     struct span text); /* copies; 0 or -ERR_INTERNAL, -ERR_TOO_LARGE */
void redact_text_done(struct redact_text *t);

struct redact {                     /* one stream; zeroed to begin, but for `text` */
    const struct redact_text *text; /* NULL: bytes pass as they are */
    size_t held;                    /* so many bytes of the text are held back */
};

int redact_feed(struct redact *r, struct span bytes, struct buf *out);
int redact_end(struct redact *r, struct buf *out); /* what was held back was not it */

#endif
