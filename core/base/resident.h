/* SPDX-License-Identifier: MIT */
/*
 * What a process holds in memory and does not need. Loading some forty libraries
 * reads their tables of symbols and relocations once, and calls what each wants
 * called at its start; 3 MiB of it are never looked at again, but stay resident
 * for as long as a run takes.
 */
#ifndef BASE_RESIDENT_H
#define BASE_RESIDENT_H

/* Give the unchanged pages of loaded libraries back to the system: they are in its cache, and what is used
 * again comes back by itself. Our own program is left alone, so that a debugger's breakpoints in it stay.
 * Costs some tenths of a millisecond. Does nothing where it is not known how. */
void resident_trim(void);

#endif
