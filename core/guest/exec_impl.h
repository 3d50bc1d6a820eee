/* SPDX-License-Identifier: MIT */
/*
 * The table of commands from inside, for exec.c (start, end, time), exec_input.c, exec_host.c and exec_room.c
 * only.
 */
#ifndef GUEST_EXEC_IMPL_H
#define GUEST_EXEC_IMPL_H

#include "core/guest/exec.h"
#include "core/guest/limits.h"
#include "core/guest/tape.h"

#include <sys/types.h>

enum {
    GATHER_US = 2 * 1000,  /* from its start a command's output waits for its end that long, ... */
    GATHER_MAX = 4 * 1024, /* ... up to so much */
};

enum exec_state { EXEC_FREE, EXEC_WAITING, EXEC_RUNNING, EXEC_KILLING, EXEC_CLOSING, EXEC_ENDED };

struct exec {
    enum exec_state state;
    uint64_t id;
    bool is_attached; /* the present host wants to hear of it */
    bool is_tty;
    bool is_exit_sent, is_exit_known;
    pid_t keeper; /* 0: reaped */
    int ctl;
    int in;
    bool takes_input;
    bool in_is_ending; /* end of input follows what is in the buffer */
    uint32_t in_from, in_to;
    uint32_t in_credit; /* not yet given back */
    uint64_t in_number; /* of the last input that came with one */
    int64_t started_us, deadline_us, grace_us, look_us, watch_us;
    int64_t let_go_us; /* ENDED: its keeper may go then */
    int looks, clean_looks;
    bool must_sweep; /* its keeper died a violent death: it has not ended before the strays have */
    bool has_waited, was_swept;
    struct limits_mark mark;
    uint64_t must_read[2]; /* positions up to which the output was written before the end */
    struct frame_exit exit;
    struct tape out[2];
    uint8_t input[FRAME_WINDOW_STDIN];
};

extern struct exec exec_all[FRAME_EXECS];
extern int64_t exec_turn_us; /* when this turn of the main loop began */

struct exec *exec_find(uint64_t id); /* NULL: no such command */
void exec_close_fd(int *fd);         /* also of one that is closed: -1 */

/* ---- exec_input.c ---- */

/* Write what there is to the command, as far as it takes it. */
void exec_input_write(struct exec *e);
/* No more input; what has not been read is given back. */
void exec_input_close(struct exec *e);
/* Does it take input? Also one that is yet to be started: it is kept for it. */
bool exec_reads(const struct exec *e);

/* ---- exec_host.c ---- */

/* Is its output kept back, until GATHER_US after its start, since its end may come with it in one go? */
bool exec_is_gathering(const struct exec *e, int64_t now_us);

/* ---- exec_room.c ---- */

/* Kill what commands that ended left behind. False: nothing is there that would be worth it. `must`: whatever
 * there is, and what is being killed already will do. */
bool exec_room_make(bool must);
/* The kernel has refused so many processes until now. True: leftovers are being killed. */
bool exec_room_check(uint64_t refusals);

#endif
