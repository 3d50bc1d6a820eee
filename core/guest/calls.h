/* SPDX-License-Identifier: MIT */
/*
 * What the kernel answers to calls that the strict seccomp profile closes: the proof from inside that it is
 * this profile which is loaded, where the engine does not say.
 *
 * Every call has arguments that no kernel takes, so that it fails and changes nothing, filtered or not; the
 * number it fails with tells which.
 */
#ifndef GUEST_CALLS_H
#define GUEST_CALLS_H

/* A descriptor to read the answers from, "name errno\n" for each call; or -errno. */
int calls_open(void);

#endif
