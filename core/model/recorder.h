/* SPDX-License-Identifier: MIT */
/*
 * Writes a cassette (its format is described in cassette.h) while exchanges go by.
 *
 * A recording whose first request has no calls and no outputs in its input is a new
 * conversation and begins the cassette anew; any other one (a resumed run) is appended. A
 * file that is not empty and no cassette is never touched. No secret is written: headers other than
 * the few that matter are left out, and secrets that a server echoes become "***".
 *
 * Failures while writing are remembered: an answer that could not be recorded must not pass for one that was.
 */
#ifndef MODEL_RECORDER_H
#define MODEL_RECORDER_H

#include "core/model/answer.h"

struct recorder;

/* `ctx` is borrowed. ERR_MODEL with a hint. */
int recorder_open(const char *path, const struct error_context *ctx, struct recorder **ret, struct err *err);
void recorder_free(struct recorder *rec); /* NULL is fine */

void recorder_request(struct recorder *rec, struct span body);
void recorder_answer(struct recorder *rec, const struct answer_head *head);
void recorder_event(struct recorder *rec, struct span name, struct span payload);
void recorder_body(struct recorder *rec, struct span body);
void recorder_end(struct recorder *rec, const char *cut); /* NULL: a whole answer */

/* 0, or the first failure. */
int recorder_result(const struct recorder *rec, struct err *err);

#endif
