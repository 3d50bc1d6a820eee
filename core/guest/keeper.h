/* SPDX-License-Identifier: MIT */
/*
 * One process between the guest and each command: the keeper.
 *
 * It forks the command and is the child subreaper of everything that comes of
 * it. So each process in the sandbox is beneath exactly one keeper, whatever it
 * does (fork twice, own session, cleaned environment), also when
 * several commands run; killing a command is killing what is beneath its keeper.
 *
 * The command runs under the same uid and may kill its keeper. Then what was
 * beneath it falls to the guest itself, whose children are otherwise only keepers:
 * whatever is beneath the guest and not beneath a keeper is a stray and is killed
 * at once (exec.c). Stopping the keeper does not help either: the guest continues it.
 * Like the guest it is not dumpable, so its descriptors and memory are out of reach.
 *
 * A kernel that knows no subreapers (gVisor of 2022) lets fall to the guest what has lost its parent: there
 * it is a stray, so that background processes end with their command.
 *
 * Starting one takes longer than starting most commands, so one is kept in reserve: it
 * waits, with pipes of its own, until it is told what to run (spawn.c).
 *
 * After the command's end its background processes go on. The keeper
 * then empties the pipes they still write to and throws it away, until the last one
 * has ended.
 */
#ifndef GUEST_KEEPER_H
#define GUEST_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct rlimit;

struct keeper_job {
    char **argv;             /* argv[0] is replaced by the alternative when that is taken */
    const char *alternative; /* "" = none */
    bool (*wait)(
        struct keeper_job *job); /* in reserve: fills in argv, env and cwd; false: not needed any more */
    char **env;                  /* the whole environment */
    const char *cwd;
    int root_fd;
    int ctl; /* the keeper's end of a SOCK_SEQPACKET pair */
    int in;  /* the command's ends; for a terminal all three are its slave */
    int out, err;
    int drain[2]; /* the guest's ends of stdout and stderr; -1 */
    bool is_tty;
    const struct rlimit *files; /* limit of open files */
};

enum keeper_news { KEEPER_EXITED = 1, KEEPER_FAILED };

/* What comes out of the guest's end of ctl. */
struct keeper_message {
    uint8_t news;
    uint8_t step;  /* FAILED: FRAME_STEP_... */
    int32_t value; /* EXITED: status of waitpid(2); FAILED: errno */
};

/* From the guest. INTERRUPT: the command's process group gets SIGINT. It is what Ctrl-C sends, by chance and
 * by choice. LEAVE: end as soon as nobody is left, whether the call is over or not. */
enum { KEEPER_INTERRUPT = 3, KEEPER_LEAVE };

/* In the child of the guest; never returns. Any other byte from the guest, or its end, means: the call is
 * over, the pipes are yours. Before that, or LEAVE, the keeper does not end: that takes its time, and the
 * command's result goes first. */
_Noreturn void keeper_run(struct keeper_job *job);

#endif
