/* SPDX-License-Identifier: MIT */
/*
 * Collects the evidence for the lock-down from a running container, all questions at
 * once: what the engine says (inspect) and what the kernel says inside (through the guest).
 * Then lockdown_verify() judges.
 */
#ifndef OCI_INSPECTION_H
#define OCI_INSPECTION_H

#include "core/sandbox/channel.h"
#include "oci/engine.h"
#include "oci/lockdown.h"

struct inspection;

typedef void inspection_fn(void *data, int result, const struct err *err);

/* `rows` is filled (lockdown_ask() was called on it). `fn` comes once, after both questions were asked:
 * inspection_ask() when the container has started, inspection_enter() when the guest has spoken; in any
 * order. */
int inspection_new(struct engine *engine, const struct lockdown *l, struct sandbox_row *rows,
                   inspection_fn *fn, void *data, struct inspection **ret, struct err *err);
int inspection_ask(struct inspection *in, const char *id, struct err *err);
int inspection_enter(struct inspection *in, struct channel *channel, struct err *err);
void inspection_free(struct inspection *in); /* NULL is fine; before channel_free() */

#endif
