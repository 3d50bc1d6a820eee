/* SPDX-License-Identifier: MIT */
/*
 * The terminal: what stderr and stdout can do, and text made safe to show.
 * The only code of the program that prints. Everything that a model, a tool or a
 * server said goes through term_clean(): escape sequences, control bytes and
 * characters that change the direction of text are shown as what they are.
 *
 * Writing to a pipe whose reader has gone is not an error: the rest is dropped.
 */
#ifndef CMD_TERM_H
#define CMD_TERM_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdbool.h>

struct term {
    int fd;
    bool is_tty;
    bool is_plain;  /* not a terminal, or one that cannot take a line back (TERM unset or dumb) */
    bool has_color; /* not plain, and NO_COLOR not set (no-color.org) */
    int columns;    /* 80 when unknown */
};

void term_init(struct term *t, int fd);
void term_measure(struct term *t); /* its columns now: windows change */

/* All bytes; ERR_IO when the device is full or broken. */
int term_write(const struct term *t, struct span text, struct err *err);

/* The same to stdout: the whole result of a verb. */
int term_print(struct span text, struct err *err);

/* False once the reader of a pipe has gone: what lasts need not go on. */
bool term_has_reader(const struct term *t);

/* printf to stderr; failures there have nobody to be told to. */
void term_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Append `text` for people: valid UTF-8, controls escaped as \x1b or \u202e, newlines and tabs kept
 * when `keep_lines`, else shown as blanks. */
int term_clean(struct buf *out, struct span text, bool keep_lines);

/* What of a cleaned line fits into `columns` cells of a terminal, with an ellipsis when cut; appended. */
int term_fit(struct buf *out, struct span line, int columns);

/* "agentbox: error: TEXT" and the hint on a line of its own, to stderr. */
void term_error(const struct err *err);
void term_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
