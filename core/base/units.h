/* SPDX-License-Identifier: MIT */
/*
 * Numbers people write: sizes, durations, counts. Integers are parsed once,
 * with range, by these functions and by nothing else.
 *
 * All return 0, or -ERR_INVALID (not of the form) / -ERR_TOO_LARGE (out of
 * range), and set *ret only on success. The whole text must be consumed;
 * blanks, signs and hex are not accepted unless said.
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "core/base/span.h"

#include <stdint.h>

int units_int(struct span text, int64_t min, int64_t max, int64_t *ret); /* decimal, one '-' allowed */
int units_octal(struct span text, uint32_t max, uint32_t *ret);          /* "0644", "644" */

/* The unit may be in capitals. Fractions are exact, up to 18 digits; what is left below the smallest unit is
 * dropped. Sizes: 512, 512b, 64k, 64kb, 64KiB, 1g, 1.5m, 2t, all powers of 1024. Durations: 250ms, 30s, 10m,
 * 1h, 2d, 1h30m, and plain numbers of seconds: 0.5, 90. Counts: 100, 500k, 2m (million), 1.5m, 1g or 1b.
 * Money: decimal USD to millionths, "5.00", "0.125". */
int units_size(struct span text, int64_t *ret_bytes);
int units_duration(struct span text, int64_t *ret_ms);
int units_count(struct span text, int64_t *ret);
int units_money(struct span text, int64_t *ret_micros);

/* As a manifest has it, exact: "1g", "1536m", "100". */
const char *units_write_size(char out[32], int64_t bytes);

/* The shortest usual form, for people, rounded down: "64 KiB", "1.5 s", "2m 3s". */
const char *units_format_size(char out[32], int64_t bytes);
const char *units_format_duration(char out[32], int64_t ms);
const char *units_format_count(char out[32], int64_t count);  /* "1.2k", "3.4m" */
const char *units_format_money(char out[32], int64_t micros); /* "$0.0012" */

#endif
