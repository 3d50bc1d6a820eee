/* SPDX-License-Identifier: MIT */
#include "core/guest/stray.h"

#include "core/guest/procs.h"
#include "core/sandbox/frame.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Keepers live as long as the background processes of their call. */
enum { KEEPERS_MAX = 512 };

enum { HOLD_LOOKS = 4 }; /* after so many looks that found something, the next ones hold what they look at */

static pid_t keepers[KEEPERS_MAX];
static uint64_t commands[KEEPERS_MAX];
static int keeper_count;
static int looks_due; /* two looks in a row without a finding end it */
static int looks_in_a_row;

bool stray_has_room(void)
{
    return keeper_count < KEEPERS_MAX;
}

void stray_add_keeper(pid_t pid)
{
    commands[keeper_count] = FRAME_COMMAND_UNKNOWN;
    keepers[keeper_count++] = pid;
}

static int keeper_find(pid_t pid)
{
    for (int i = 0; i < keeper_count; i++) {
        if (keepers[i] == pid)
            return i;
    }
    return -1;
}

bool stray_is_keeper(pid_t pid)
{
    return keeper_find(pid) >= 0;
}

void stray_set_command(pid_t keeper, uint64_t command)
{
    int i = keeper_find(keeper);

    if (i >= 0)
        commands[i] = command;
}

uint64_t stray_command_of(pid_t keeper)
{
    int i = keeper_find(keeper);

    return i < 0 ? FRAME_COMMAND_UNKNOWN : commands[i];
}

int stray_commands(uint64_t *ret_one)
{
    int count = 0;

    *ret_one = FRAME_COMMAND_UNKNOWN;
    for (int i = 0; i < keeper_count; i++) {
        if (commands[i] == FRAME_COMMAND_UNKNOWN)
            continue;
        *ret_one = commands[i];
        count++;
    }
    return count;
}

pid_t stray_reap(void)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);
        int i = keeper_find(pid);

        if (pid <= 0)
            return 0;
        if (WIFSTOPPED(status)) { /* somebody inside stopped a keeper, or a stray that dies anyway */
            (void) kill(pid, SIGCONT);
            continue;
        }
        if (i >= 0) {
            keepers[i] = keepers[--keeper_count];
            commands[i] = commands[keeper_count];
        }
        if (i < 0 || !WIFEXITED(status)) /* it did not end because nobody was left beneath it */
            looks_due = 2;
        return pid;
    }
}

bool stray_is_due(void)
{
    return looks_due > 0;
}

bool stray_condemn(bool (*is_used)(pid_t keeper))
{
    int kept = 0, before = keeper_count;

    for (int i = 0; i < keeper_count; i++) {
        if (!is_used(keepers[i]))
            continue;
        commands[kept] = commands[i];
        keepers[kept++] = keepers[i];
    }
    keeper_count = kept;
    if (kept < before)
        looks_due = 2;
    return kept < before;
}

int stray_unused(bool (*is_used)(pid_t keeper))
{
    return procs_count_beneath(getpid(), is_used);
}

void stray_kill(void)
{
    bool is_held = ++looks_in_a_row > HOLD_LOOKS;

    if (is_held)
        procs_hold(true);
    looks_due = procs_kill_beneath(getpid(), stray_is_keeper) > 0 ? 2 : looks_due - 1;
    if (is_held)
        procs_hold(false);
    if (looks_due == 0)
        looks_in_a_row = 0;
}
