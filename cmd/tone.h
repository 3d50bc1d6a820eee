/* SPDX-License-Identifier: MIT */
/*
 * Pieces of lines for people: colours where the terminal has them, and foreign text
 * that is cleaned and fits.
 */
#ifndef CMD_TONE_H
#define CMD_TONE_H

#include "cmd/term.h"

enum tone { TONE_PLAIN, TONE_DIM, TONE_GOOD, TONE_BAD, TONE_STRONG, TONE_MARK };

/* From here on; nothing without colours. */
void tone_set(struct buf *out, const struct term *term, enum tone which);

/* One line of foreign text (NULL: none), cleaned and cut to what the terminal has besides `indent` columns.
 */
void tone_foreign(struct buf *out, const struct term *term, const char *text, int indent);

#endif
