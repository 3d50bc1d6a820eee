/* SPDX-License-Identifier: MIT */
/*
 * The guest's children: keepers, and strays, which a killed keeper left behind.
 * Strays are killed whenever there may be some; see keeper.h.
 */
#ifndef GUEST_STRAY_H
#define GUEST_STRAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

bool stray_has_room(void); /* for one more keeper */
void stray_add_keeper(pid_t pid);
bool stray_is_keeper(pid_t pid);

/* Which command a keeper is for: known as long as it lives, longer than the command's slot. */
void stray_set_command(pid_t keeper, uint64_t command);
uint64_t stray_command_of(pid_t keeper); /* FRAME_COMMAND_UNKNOWN */
int stray_commands(uint64_t *ret_one);   /* how many have processes; one of them, or FRAME_COMMAND_UNKNOWN */

/* Reap one child: its pid, 0 when none is left to reap. A keeper is forgotten. */
pid_t stray_reap(void);
/* Keepers that nobody uses are keepers no more, so that they and all beneath them are strays: what commands
 * left in the background when they ended. False: there are none. */
bool stray_condemn(bool (*is_used)(pid_t keeper));
int stray_unused(bool (*is_used)(pid_t keeper)); /* so many processes and threads that would be */

bool stray_is_due(void); /* strays may be about */
void stray_kill(void);   /* one look */

#endif
