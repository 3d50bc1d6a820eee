/* SPDX-License-Identifier: MIT */
/* A text of ours as something to be read, like a file. */
#ifndef GUEST_TOLD_H
#define GUEST_TOLD_H

#include <stddef.h>

#define TOLD_MAX 4096 /* bytes of a text */

/* A descriptor to read it from, or -errno. */
int told_open(const char *text, size_t len);

#endif
