/* SPDX-License-Identifier: MIT */
/*
 * Time. Deadlines and durations use the monotonic clock only, so that a clock
 * that is set changes none; wall time is for records and ids.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* since the epoch, UTC */

#define CLOCK_TEXT 25 /* "2026-11-22T01:02:03.456Z" and NUL */
void clock_text(int64_t wall_ms, char ret[CLOCK_TEXT]);
int clock_parse(const char *text, int64_t *ret_wall_ms); /* the form above; 0 or -ERR_INVALID */

#endif
