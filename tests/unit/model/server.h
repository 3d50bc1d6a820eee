/* SPDX-License-Identifier: MIT */
/*
 * A model server of a test's own: a forked child that answers one connection after the other from a
 * script, on loopback, and reports what it was asked.
 */
#ifndef TESTS_MODEL_SERVER_H
#define TESTS_MODEL_SERVER_H

#include "core/base/buf.h"

#include <sys/types.h>

enum server_end {
    SERVER_CLOSE,
    SERVER_RESET, /* RST instead of FIN */
    SERVER_STALL, /* nothing more, until the client goes */
    SERVER_KEEP,  /* the next answer goes over the same connection */
};

struct server_answer {
    const char *text; /* head and body; NULL: only end */
    size_t step;      /* bytes a write; 0: all at once */
    enum server_end end;
    const char *filler;  /* repeated behind `text` ... */
    size_t filler_count; /* ... this often, */
    const char *tail;    /* then this; NULL: nothing */
};

struct server {
    pid_t pid;
    int port;
    int seen_fd; /* the requests as they came, one after the other */
};

void server_start(struct server *s, const struct server_answer *answers, size_t count);
void server_stop(struct server *s,
                 struct buf *seen); /* waits for the child; `seen` gets the requests, may be NULL */

#endif
