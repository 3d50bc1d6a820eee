/* SPDX-License-Identifier: MIT */
/*
 * Name lookups off the loop, by the system's resolver (hosts file, DNS, whatever
 * the host is set up with), one short-lived thread each.
 *
 * libuv's pool is not used: a lookup that hangs for half a minute would block
 * the files that share it, and would have to be waited for at the end. Here a lookup that
 * is given up costs nothing but its thread, which ends by itself.
 *
 * The name is looked up as it is: the host's search domains are not tried.
 */
#ifndef BASE_RESOLVE_H
#define BASE_RESOLVE_H

#include "core/base/err.h"
#include "core/base/loop.h"

#include <stdint.h>

struct resolve; /* one lookup */

#define RESOLVE_MAX \
    32 /* addresses of one answer; further ones make it an error, since all must be looked at */

/* v4 addresses in their mapped form, in the order in which they should be tried. */
struct resolve_answer {
    uint8_t addresses[RESOLVE_MAX][16];
    size_t count; /* 1 or more */
};

/* Called once, from the loop. `answer` is NULL and err says why (ERR_NOT_FOUND, ERR_IO, ERR_TOO_LARGE), or
 * the other way round. resolve_free() is due afterwards as well. */
typedef void resolve_fn(void *data, const struct resolve_answer *answer, const struct err *err);

/* ERR_LIMIT when too many run already, those that were given up and have not come back included. */
int resolve_start(struct loop *loop, const char *name, resolve_fn *fn, void *data, struct resolve **ret,
                  struct err *err);
/* Give up: no callback follows. Does not wait. NULL is fine. */
void resolve_free(struct resolve *r);

#endif
