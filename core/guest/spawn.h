/* SPDX-License-Identifier: MIT */
/* Starting a command: pipes or a terminal, environment, keeper. */
#ifndef GUEST_SPAWN_H
#define GUEST_SPAWN_H

#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <sys/types.h>

/* The guest's ends, non-blocking and close-on-exec; -1 where there is none. */
struct spawn {
    pid_t keeper;
    int ctl;
    int in, out, err;
};

void spawn_init(int root_fd, char **env); /* env: the container's own, inherited by all commands */
/* Before we are out of everybody's reach, our own included: when memory runs out, the kernel shall choose
 * whatever a command started before it chooses us. */
void spawn_score_open(void);
/* What its programs see as the size of a terminal; 0 = 24 rows, 80 columns. */
void spawn_resize(int master, unsigned rows, unsigned cols);
bool spawn_start(const struct frame_exec *x, struct spawn *ret, uint8_t *ret_step, uint32_t *ret_errnum);

/* Our own limit of open files, at least `count` if it may be; commands keep the one we were started with. The
 * limit that is now. */
int spawn_raise_files(int count);

/* One keeper in reserve, for the next command that wants neither input nor terminal. Commands can kill it, as
 * any keeper: then the next one is started without. */
void spawn_reserve(void);     /* when there is nothing else to do; nothing happens if there is one */
void spawn_reaped(pid_t pid); /* this child has ended */
bool spawn_is_reserve(pid_t pid);

#endif
