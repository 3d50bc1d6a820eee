/* SPDX-License-Identifier: MIT */
/*
 * Release of locals by scope, and visible hand-over.
 *
 *     CLEANUP(fd) int fd = open(...);
 *     ...
 *     *ret_fd = take_fd(&fd);
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(what) __attribute__((cleanup(cleanup_##what)))

static inline void cleanup_free(void *slot)
{
    free(*(void **) slot);
}

static inline void cleanup_fd(int *fd)
{
    if (*fd >= 0)
        (void) close(*fd); /* nothing was promised about these bytes */
}

static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#define TAKE_PTR(slot)                    \
    __extension__({                       \
        __typeof__(slot) taken_ = (slot); \
        (slot) = NULL;                    \
        taken_;                           \
    })

#endif
