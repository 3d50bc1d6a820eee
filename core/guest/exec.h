/* SPDX-License-Identifier: MIT */
/*
 * The table of commands: start, feed, read, end, kill.
 *
 *   WAITING   there was no process left to start it with, because of what earlier commands left in the
 *             background; that is being killed
 *   RUNNING   the main process runs
 *   KILLING   everything beneath its keeper is being killed, until nothing is left; then the keeper
 *   CLOSING   the main process has ended: what it left in the pipes is read. Background processes that hold
 *             them open get a short grace to say their last words (`cmd > >(tee log)`), not more
 *   ENDED     all is known; kept, also across hosts, until one lets go of it (RELEASE, or EXEC in its place)
 *
 * A call ends with its main process. What it left in the background goes on (a
 * server that later calls talk to), its later output is thrown away by its keeper. Killing
 * a call kills all of it.
 *
 * The limit of processes is for all together, so a fork bomb in the background would leave none for any later
 * command. Whenever the kernel has refused a process and most of those that may be are leftovers of
 * commands that ended, or a command cannot be started, the leftovers are killed (room_make()). A server
 * that a command left running stays when it is others that want too much.
 *
 * Deadlines run on CLOCK_MONOTONIC: time in which the machine slept is not held
 * against a command, which slept too.
 */
#ifndef GUEST_EXEC_H
#define GUEST_EXEC_H

#include "core/sandbox/frame.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

enum { EXEC_FDS = FRAME_EXECS * 4 };

void exec_init(int root_fd, char **env);

/* ---- from the host. None of them trusts its arguments: an id that is not there is ignored. ---- */

/* True if taken (it has a slot until RELEASE, and an EXIT follows on its own); else *ret says why not, and
 * the caller answers. */
bool exec_start(uint64_t id, struct frame_in request, struct frame_exit *ret, int64_t now_us);
/* Input in one piece with its number: taken whole, or not at all. Ctrl-C to a command that reads none
 * interrupts it. */
void exec_input_whole(uint64_t id, uint64_t number, const uint8_t *p, size_t len);
void exec_input(uint64_t id, const uint8_t *p, size_t len, bool is_end);
void exec_resize(uint64_t id, uint16_t rows, uint16_t cols);
void exec_credit(uint64_t id, int fd, uint32_t bytes);
void exec_kill(uint64_t id);
void exec_release(uint64_t id);
bool exec_adopt(uint64_t id); /* false: unknown */
void exec_detach(void);       /* a new host: nothing is sent before it asks */
void exec_known(struct frame_hello *ret);

/* ---- from the main loop ---- */

int exec_poll(struct pollfd *fds, int64_t now_us, int64_t *wake_us); /* how many were filled in */
void exec_ready(const struct pollfd *fds, int count, int64_t now_us);
void exec_reap(void);           /* SIGCHLD came */
void exec_tick(int64_t now_us); /* deadlines, killing */
void exec_idle(int64_t now_us,
               int64_t *wake_us); /* nothing else is to do: make the next command's start shorter */
bool exec_produce(void);          /* put one frame into the queue; false: nothing to say */
void exec_kill_all(void);         /* everything in the sandbox; returns when nothing is left */

#endif
