/* SPDX-License-Identifier: MIT */
/*
 * What a refusal means: an HTTP error, an error event or a broken transport becomes
 * the typed end of an exchange (struct model_end of client.h) with a text for people,
 * a hint, and whether trying again or a repair can help (reference, section 10).
 *
 * Server texts are hostile: bounded, on one line, valid UTF-8, without control
 * characters; secrets of ours that a server echoes become "***" before the text is cut.
 * Pure.
 */
#ifndef MODEL_ERRORS_H
#define MODEL_ERRORS_H

#include "core/model/client.h"

#define ERRORS_BODY_MAX    ((size_t) 64 << 10) /* how much of an error body is kept */
#define ERRORS_MESSAGE_MAX 600                 /* bytes of a server's text that are shown */

struct error_context {
    const struct model_spec *spec; /* for hints: where the key came from, which model */
    const struct span *secrets;    /* values never to be shown */
    size_t secret_count;
};

/* MODEL_FAILED from the body of an answer with `status` (JSON of any known shape, HTML, text, empty).
 * `end->retry_after_ms` that is set already (by headers) is kept. */
void errors_from_body(struct model_end *end, const struct error_context *ctx, int status, struct span body);

/* MODEL_FAILED from an error object inside a 200 answer: `error` is an object, a string or NULL. */
void errors_from_event(struct model_end *end, const struct error_context *ctx, const struct tree *error);

/* MODEL_FAILED from a redirect: names the host of `location`, nothing else of it. */
void errors_from_redirect(struct model_end *end, const struct error_context *ctx, int status,
                          struct span location);

/* MODEL_BROKEN: no answer, or none that makes sense. The text is cleaned like a server's. */
void errors_broken(struct model_end *end, const struct error_context *ctx, bool can_retry, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

/* Append `text` on one line, cleaned, without secrets, at most `max` bytes ("..." marks a cut). */
void errors_clean(struct buf *out, const struct error_context *ctx, struct span text, size_t max);

/* Copy to a fixed field, cleaned and without secrets. */
void errors_copy(char *field, size_t size, const struct error_context *ctx, struct span text);

/* Replace every secret in `b` by "***", in place. */
void errors_scrub(const struct error_context *ctx, struct buf *b);

#endif
