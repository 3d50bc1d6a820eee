/* SPDX-License-Identifier: MIT */
/* A ring of members that live inside their owners; a member that is in no ring is alone. */
#ifndef EGRESS_RING_H
#define EGRESS_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring {
    struct ring *prev, *next;
};

#define RING_OWNER(link, type, member) ((type *) (void *) ((char *) (link) -offsetof(type, member)))

static inline void ring_init(struct ring *r)
{
    r->prev = r->next = r;
}

static inline bool ring_is_alone(const struct ring *r)
{
    return r->next == r;
}

static inline void ring_remove(struct ring *r)
{
    r->prev->next = r->next;
    r->next->prev = r->prev;
    ring_init(r);
}

/* At the end; one that is in a ring already stays where it is. */
static inline void ring_append(struct ring *head, struct ring *r)
{
    if (!ring_is_alone(r))
        return;
    r->prev = head->prev;
    r->next = head;
    head->prev->next = r;
    head->prev = r;
}

/* All members of `from` to `to`, which is empty. */
static inline void ring_move(struct ring *from, struct ring *to)
{
    ring_init(to);
    if (ring_is_alone(from))
        return;
    *to = *from;
    to->prev->next = to;
    to->next->prev = to;
    ring_init(from);
}

#endif
