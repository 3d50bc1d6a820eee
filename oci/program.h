/* SPDX-License-Identifier: MIT */
/*
 * A program of the host, run without a shell under a deadline, with what it says bounded: all of it is read,
 * its end is kept. It has no stdin, and a session of its own, so that nothing it started outlives
 * the deadline or program_free().
 */
#ifndef OCI_PROGRAM_H
#define OCI_PROGRAM_H

#include "core/base/loop.h"
#include "core/base/span.h"

#define PROGRAM_TAIL_MAX   4096               /* bytes of stdout and stderr that are kept */
#define PROGRAM_OUTPUT_MAX (64 * 1024 * 1024) /* more than this ends it */

struct program_spec {
    const char *const *argv;
    const char *const *env; /* NULL: ours */
    const char *dir;        /* NULL: here */
    int64_t timeout_ms;
};

struct program_end {
    int exit_status; /* -1: it did not end by itself */
    int term_signal; /* 0: none */
    int64_t duration_ms;
    struct span output; /* its end, raw bytes; valid during the call */
    const char *why;    /* NULL: it ended by itself; else what we ended it for */
};

struct program;
typedef void program_fn(void *data, const struct program_end *end);

/* `fn` comes once, from the loop. ERR_NOT_FOUND: there is no such program; ERR_IO. */
int program_start(struct loop *loop, const struct program_spec *spec, program_fn *fn, void *data,
                  struct program **ret, struct err *err);
void program_free(struct program *p); /* ends it; NULL is fine */

#endif
