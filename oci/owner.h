/* SPDX-License-Identifier: MIT */
/*
 * Who a container belongs to: one process of one boot of one host, as a label.
 *
 *     "host=vm boot=0a1b...-... pid=4711 start=123456"
 *
 * A process id alone says nothing, since ids are used again; with the start time
 * and the boot they name a process for good. Where a system tells no boot id or
 * start time the part is "-" and counts as equal.
 */
#ifndef OCI_OWNER_H
#define OCI_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#define OWNER_TEXT 256

struct owner {
    char host[65];
    char boot[65];
    int64_t pid;
    char start[32]; /* of the process, in the system's own units; "-" = unknown */
};

enum owner_state {
    OWNER_ALIVE,
    OWNER_DEAD,
    OWNER_ELSEWHERE, /* another host's: cannot be asked from here */
};

void owner_self(struct owner *ret);
void owner_text(const struct owner *owner, char ret[OWNER_TEXT]);
bool owner_parse(const char *text, struct owner *ret);

/* Pure: what `owner` is for a host whose own description is `self`, when the process with that id now started
 * at `start_now` (NULL: there is none; "-": it exists, since when is unknown). */
enum owner_state owner_judge(const struct owner *owner, const struct owner *self, const char *start_now);

/* The same, asking this machine. */
enum owner_state owner_state(const struct owner *owner);

#endif
